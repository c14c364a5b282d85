"""Envelopes: RFC 5321 §2.3.1 and the DSN parameters of RFC 3461 §4."""

from __future__ import annotations

import pytest

from appliance.mail.address import Address
from appliance.mail.envelope import Envelope, Notify, Recipient

BOB = Address("bob", "example.com")


@pytest.mark.parametrize(
    ("notify", "wanted"),
    [
        (None, {Notify.FAILURE, Notify.DELAY}),
        (frozenset({Notify.NEVER}), {Notify.NEVER}),
        (frozenset({Notify.SUCCESS}), {Notify.SUCCESS}),
    ],
)
def test_sender_hears_of_failures_unless_notify_says_otherwise(
    notify: frozenset[Notify] | None, wanted: set[Notify]
) -> None:
    recipient = Recipient(BOB, notify)
    assert {event for event in Notify if recipient.wants(event)} == wanted


def test_plain_transaction_asks_for_no_extension() -> None:
    envelope = Envelope(None, (Recipient(BOB),))
    assert (envelope.body, envelope.smtputf8, envelope.ret, envelope.envid) == (
        "7BIT",
        False,
        None,
        None,
    )
