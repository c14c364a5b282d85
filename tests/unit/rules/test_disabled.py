"""What is suspended while mail for it is queued waits; a login that does not suffice is told so."""

from __future__ import annotations

import pytest

from appliance.directory.records import Target
from appliance.journey.reason import Outcome
from appliance.mail.address import Address
from appliance.rules.recipients import Client, judge
from appliance.rules.routing import NotNow, Nowhere, route
from appliance.settings.snapshot import Snapshot

ALICE = Address.parse("alice@alpha.test")
HERE = Target(
    domain_known=True,
    enabled=True,
    postoffice_id=1,
    postoffice="Alpha Secret",
    mailbox_id=2,
    mailbox="alice",
    mailbox_enabled=True,
)


@pytest.mark.parametrize(
    ("target", "rule"),
    [
        (HERE._replace(mailbox_enabled=False), "routing.mailbox-disabled"),
        (HERE._replace(enabled=False), "routing.domain-disabled"),
        (HERE._replace(enabled=False, mailbox_enabled=False), "routing.domain-disabled"),
    ],
)
def test_mail_for_what_is_suspended_waits(target: Target, rule: str) -> None:
    # RFC 3463 §2, §3.3: 4.2.1, a persistent transient failure; the mailbox takes no mail
    way = route(ALICE, target, hops=1, max_hops=50)
    assert isinstance(way, NotNow)
    assert (way.reason.rule, way.reason.outcome) == (rule, Outcome.DEFER)
    assert str(way.reason.reply).startswith("450 4.2.1")
    assert "suspended" in way.reason.text
    assert "Secret" not in way.reason.text + str(way.reason.reply)


@pytest.mark.parametrize("enabled", [True, False])
def test_unknown_address_is_given_up_also_where_the_domain_is_suspended(enabled: bool) -> None:
    target = Target(domain_known=True, enabled=enabled, postoffice_id=1, postoffice="alpha")
    way = route(ALICE, target, hops=1, max_hops=50)
    assert isinstance(way, Nowhere)
    assert (way.reason.rule, way.reason.outcome) == ("routing.unknown", Outcome.REJECT)
    assert str(way.reason.reply).startswith("550 5.1.1")


def test_who_has_logged_in_in_vain_is_not_asked_to_log_in() -> None:
    reason = judge(
        Address.parse("somebody@elsewhere.test"),
        Target(domain_known=False),
        Client(address="192.0.2.1", login="alice@alpha"),
        Snapshot({"relay.authenticated": False}),
    )
    assert (reason.rule, reason.outcome) == ("relay.login-not-enough", Outcome.REJECT)
    assert reason.setting == "relay.authenticated"
    assert "has not logged in" not in reason.text
    assert str(reason.reply).startswith("550 5.7.1 ")
    assert "requires authentication" not in str(reason.reply)
