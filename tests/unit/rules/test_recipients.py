"""May this client send to this recipient? CHECKLIST 094–102; manual §4.4, §6.2."""

from __future__ import annotations

import pytest

from appliance.directory.records import Target
from appliance.journey.reason import Outcome
from appliance.mail.address import Address
from appliance.rules.recipients import Client, is_in, judge
from appliance.settings import relay
from appliance.settings.kinds import Ranges
from appliance.settings.setting import Setting
from appliance.settings.snapshot import Snapshot

RECIPIENT = Address.parse("alice@alpha.test")
REMOTE = Address.parse("somebody@elsewhere.test")
NOT_HERE = Target(domain_known=False)
HERE = Target(
    domain_known=True,
    enabled=True,
    postoffice_id=1,
    postoffice="Alpha",
    mailbox_id=2,
    mailbox="alice",
    mailbox_enabled=True,
)
STRANGER = Client(address="192.0.2.1")
DEFAULTS = Snapshot({})


def snapshot(**values: object) -> Snapshot:
    return Snapshot({f"relay.{name}": value for name, value in values.items()})


# ── recipients here ──────────────────────────────────────────────────────────────────────────────


def test_known_recipient_is_accepted_from_anybody_with_where_it_goes() -> None:
    # CHECKLIST 094: mail to a local recipient is no relay
    reason = judge(RECIPIENT, HERE, STRANGER, DEFAULTS)
    assert reason.accepted
    assert reason.rule == "recipient.local"
    assert str(reason.reply) == "250 2.1.5 Requested mail action okay, completed"
    assert "[SMTP:alice@alpha.test] to [SF:Alpha/alice]" in reason.text


def test_recipients_here_are_accepted_though_relay_is_off() -> None:
    # CHECKLIST 101: without it the server only receives
    assert judge(RECIPIENT, HERE, STRANGER, snapshot(enabled=False)).accepted


@pytest.mark.parametrize(
    ("target", "rule", "reply"),
    [
        (
            Target(domain_known=True, enabled=True, postoffice_id=1, postoffice="Alpha"),
            "recipient.unknown",
            "550 5.1.1",  # RFC 3463: bad destination mailbox address
        ),
        (
            Target(
                domain_known=True,
                enabled=True,
                postoffice_id=1,
                postoffice="Alpha",
                mailbox_id=2,
                mailbox="alice",
            ),
            "recipient.disabled",
            "550 5.2.1",  # RFC 3463: mailbox disabled, not accepting messages
        ),
        (
            Target(
                domain_known=True,
                enabled=False,
                postoffice_id=1,
                postoffice="Alpha",
                mailbox_id=2,
                mailbox="alice",
                mailbox_enabled=True,
            ),
            "recipient.domain-disabled",
            "550 5.2.1",
        ),
    ],
)
def test_recipient_that_gets_no_mail_is_refused_for_good(
    target: Target, rule: str, reply: str
) -> None:
    # … whoever sends, also somebody who may relay
    everything = snapshot(local_senders=True, privileged_ranges=Ranges().parse("0.0.0.0/0"))
    for client in (STRANGER, Client(address="192.0.2.1", login="bob@beta", sender_hosted=True)):
        reason = judge(RECIPIENT, target, client, everything)
        assert reason.outcome is Outcome.REJECT
        assert reason.rule == rule
        assert str(reason.reply).startswith(reply)


def test_refusal_names_no_tenant() -> None:
    disabled = Target(domain_known=True, enabled=False, postoffice_id=1, postoffice="Alpha Secret")
    reason = judge(RECIPIENT, disabled, STRANGER, DEFAULTS)
    assert "Secret" not in reason.text + str(reason.reply)


@pytest.mark.parametrize(
    ("usage", "fits"), [(0, True), (10 * 1024 - 1, True), (10 * 1024, False), (1 << 40, False)]
)
def test_mailbox_takes_mail_until_its_quota_is_reached(usage: int, fits: bool) -> None:
    reason = judge(RECIPIENT, HERE._replace(quota_kb=10), STRANGER, DEFAULTS, usage=usage)
    assert reason.accepted == fits


def test_mailbox_without_a_quota_is_never_full() -> None:
    assert judge(RECIPIENT, HERE, STRANGER, DEFAULTS, usage=1 << 60).accepted


def test_full_mailbox_lets_the_sender_come_again_and_tells_nobody_what_it_holds() -> None:
    # RFC 3463 X.2.2: mailbox full; for now, because its owner may make room
    reason = judge(RECIPIENT, HERE._replace(quota_kb=10), STRANGER, DEFAULTS, usage=12_345)
    assert (reason.rule, reason.outcome) == ("quota.full", Outcome.DEFER)
    assert str(reason.reply).startswith("452 4.2.2 The mailbox of <alice@alpha.test> is full")
    assert "12" not in reason.text + str(reason.reply)
    assert (reason.inputs["usage_kb"], reason.inputs["quota_kb"]) == ("12", "10")


def test_full_mailbox_that_is_disabled_is_refused_for_good() -> None:
    target = HERE._replace(quota_kb=10, mailbox_enabled=False)
    assert judge(RECIPIENT, target, STRANGER, DEFAULTS, usage=1 << 40).outcome is Outcome.REJECT


# ── relaying ─────────────────────────────────────────────────────────────────────────────────────


def test_relay_is_closed_to_strangers_by_default() -> None:
    # CHECKLIST 094, 483: the manual's own words
    reason = judge(REMOTE, NOT_HERE, STRANGER, DEFAULTS)
    assert reason.outcome is Outcome.REJECT
    assert reason.rule == "relay.closed"
    assert str(reason.reply) == (
        "550 5.7.1 This mail server requires authentication. "
        "Please check your mail client settings."
    )
    assert reason.setting == "relay.authenticated"


def test_who_has_logged_in_may_relay_by_default() -> None:
    # CHECKLIST 095, 097
    reason = judge(REMOTE, NOT_HERE, Client(address="192.0.2.1", login="alice@alpha"), DEFAULTS)
    assert reason.accepted
    assert reason.rule == "relay.authenticated"


def test_hosted_sender_may_not_relay_by_default() -> None:
    # CHECKLIST 100: anybody can claim one
    client = Client(address="192.0.2.1", reverse_path=RECIPIENT, sender_hosted=True)
    assert not judge(REMOTE, NOT_HERE, client, DEFAULTS).accepted
    reason = judge(REMOTE, NOT_HERE, client, snapshot(local_senders=True))
    assert reason.rule == "relay.local-sender"


def test_privileged_client_may_relay() -> None:
    # CHECKLIST 099
    ranges = snapshot(privileged_ranges=Ranges().parse("192.0.2.0/24 2001:db8::/32"))
    for address, may in (
        ("192.0.2.77", True),
        ("192.0.3.1", False),
        ("2001:db8::5", True),
        ("2001:db9::5", False),
        ("::ffff:192.0.2.77", True),  # RFC 4291 §2.5.5.2: the same client on a v6 socket
        ("fe80::1%eth0", False),
    ):
        reason = judge(REMOTE, NOT_HERE, Client(address=address), ranges)
        assert reason.accepted == may, address
        assert reason.rule == ("relay.privileged" if may else "relay.closed")


def test_master_switch_is_above_all_three() -> None:
    # CHECKLIST 101
    everything = snapshot(
        enabled=False, local_senders=True, privileged_ranges=Ranges().parse("192.0.2.0/24 ::/0")
    )
    client = Client(address="192.0.2.1", login="a@b", reverse_path=RECIPIENT, sender_hosted=True)
    reason = judge(REMOTE, NOT_HERE, client, everything)
    assert reason.outcome is Outcome.REJECT
    assert (reason.rule, reason.setting) == ("relay.off", "relay.enabled")


def test_reason_tells_the_facts_it_looked_at() -> None:
    reason = judge(REMOTE, NOT_HERE, STRANGER, DEFAULTS)
    assert reason.inputs == {
        "recipient": "somebody@elsewhere.test",
        "client": "192.0.2.1",
        "login": "",
        "reverse_path": "",
    }


@pytest.mark.parametrize("address", ["192.0.2.1", "::1", "::ffff:192.0.2.1", "fe80::1%eth0"])
def test_empty_list_of_ranges_holds_nobody(address: str) -> None:
    # CHECKLIST 099: never "everyone"
    assert not is_in(address, ())


def test_defaults_of_the_relay_are_the_recommended_ones() -> None:
    # CHECKLIST 095: authenticated senders only
    expected: dict[Setting[bool] | Setting[tuple[object, ...]], object] = {
        relay.enabled: True,
        relay.authenticated: True,
        relay.privileged_ranges: (),  # type: ignore[dict-item] # networks are objects
        relay.local_senders: False,
    }
    assert {setting: setting.default for setting in expected} == expected
