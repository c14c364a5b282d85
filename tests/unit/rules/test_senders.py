"""Which address somebody who has logged in may send from."""

from __future__ import annotations

import pytest

from appliance.directory.records import Target
from appliance.journey.reason import Reason
from appliance.mail.address import Address
from appliance.rules.senders import judge

OWN = Target(domain_known=True, enabled=True, postoffice="Alpha", mailbox_id=1, mailbox="Alice")
NOBODYS = Target(domain_known=True, enabled=True, postoffice="Alpha")
ELSEWHERE = Target(domain_known=False)


def judged(
    target: Target, sender: str = "a@b.test", login: str = "alice@alpha", *, must_match: bool = True
) -> Reason:
    address = Address.parse(sender) if sender else None
    return judge(address, target, login=login, must_match=must_match)


def test_own_address_is_right_whatever_the_case_of_names() -> None:
    # CHECKLIST 234
    assert judged(OWN).rule == "sender.own"


@pytest.mark.parametrize("target", [NOBODYS, ELSEWHERE, Target(True, mailbox="bob")])
def test_any_other_address_is_refused_with_who_has_logged_in(target: Target) -> None:
    # CHECKLIST 234; RFC 4954 §6
    reason = judged(target)
    assert not reason.accepted
    assert reason.reply is not None
    assert str(reason.reply) == "553 5.7.1 <a@b.test> is not an address of alice@alpha"
    assert reason.setting == "smtp.sender_must_match"


@pytest.mark.parametrize(
    "given",
    [{"must_match": False}, {"login": ""}, {"sender": ""}],
    ids=["not asked for", "another server", "null reverse-path"],
)
def test_nothing_is_asked_of_others(given: dict[str, object]) -> None:
    assert judged(NOBODYS, **given).rule == "sender.any"  # type: ignore[arg-type] # by names
