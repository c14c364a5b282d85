"""A decision with its reason, and what is kept of it."""

from __future__ import annotations

import json

import pytest

from appliance.journey.event import Event, Kind, because
from appliance.journey.reason import Outcome, Reason
from appliance.mail.reply import Reply

BARE = Reason(rule="relay.closed", outcome=Outcome.REJECT, text="It may not relay.")
WHOLE = Reason(
    rule="relay.closed",
    outcome=Outcome.REJECT,
    text="It may not relay.",
    reply=Reply(550, "5.7.1", "No"),
    setting="relay.authenticated",
    inputs={"client": "192.0.2.1"},
)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_only_accept_lets_the_mail_go_on(outcome: Outcome) -> None:
    reason = Reason(rule="any", outcome=outcome, text="because")
    assert reason.accepted == (outcome is Outcome.ACCEPT)


def test_reason_becomes_what_json_can_hold_without_what_is_empty() -> None:
    assert BARE.to_dict() == {
        "rule": "relay.closed",
        "outcome": "reject",
        "text": "It may not relay.",
    }
    assert WHOLE.to_dict() == {
        **BARE.to_dict(),
        "reply": "550 5.7.1 No",
        "setting": "relay.authenticated",
        "inputs": {"client": "192.0.2.1"},
    }
    assert json.loads(json.dumps(WHOLE.to_dict())) == WHOLE.to_dict()


def test_event_keeps_the_reason_it_happened_for() -> None:
    assert because(None) is None
    event = Event(at_us=1, message_id="A", kind=Kind.REFUSED, text="refused", reason=because(WHOLE))
    assert json.loads(event.data()) == {"text": "refused", "reason": WHOLE.to_dict()}


def test_event_without_reason_and_detail_keeps_its_text_only() -> None:
    event = Event(at_us=1, message_id="A", kind=Kind.HELD, text="Grüße")
    assert event.data() == '{"text":"Grüße"}'


def test_values_cannot_be_changed() -> None:
    for value, name in ((WHOLE, "rule"), (Event(at_us=1, message_id="A", kind=Kind.HELD), "text")):
        with pytest.raises(AttributeError):
            setattr(value, name, "other")
