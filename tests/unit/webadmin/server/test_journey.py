from __future__ import annotations

import time

from appliance.journey.event import Event, Kind
from appliance.operations.messages import Trace
from appliance.queue.desk import QueuedMessage, QueuedRecipient
from webadmin.server.journey import Story, tell

_S = 1_000_000
_BEGIN = 1_795_000_000 * _S
_TOMAS, _LOANS = "tomas@lantern.example", "loans@quay.example"
_LATER = {
    "rule": "remote.deferred",
    "outcome": "defer",
    "text": "The mail server mx.quay.example [192.0.2.7] does not take the recipient for now.",
    "reply": "451 4.7.1 try again later",
    "inputs": {"host": "mx.quay.example", "stage": "rcpt"},
}


def _event(
    kind: Kind, after_s: float, recipient: str = "", text: str = "", **more: object
) -> Event:
    return Event(
        at_us=_BEGIN + int(after_s * _S),
        message_id="01K3Z8Q4T9XW2M7B",
        kind=kind,
        reverse_path="alice@lantern.example",
        recipient=recipient,
        text=text,
        **more,  # type: ignore[arg-type] # reason and detail
    )


def _accepted(*recipients: str) -> Event:
    detail = {
        "origin": "SMTP",
        "login": "alice@lantern",
        "client": "198.51.100.23",
        "recipients": " ".join(recipients),
        "size": "1258291",
        "subject": "Loan agreement, sheet 3",
        "message_id_header": "<5f0c@lantern.example>",
    }
    return _event(Kind.ACCEPTED, 0, text="accepted from alice@lantern", detail=detail)


def _deferred(after_s: float, **reason: object) -> Event:
    return _event(Kind.DEFERRED, after_s, _LOANS, "later", reason=_LATER | reason)


def _queued(state: str = "deferred", attempts: int = 2) -> QueuedMessage:
    due_at = (int(time.time()) + 3600) * _S
    waits = QueuedRecipient(2, _LOANS, "SMTP", "quay.example", state, due_at, attempts, "451 later")
    done = QueuedRecipient(1, _TOMAS, "SF", "", "done", 0, 0, "delivered to tomas@lantern")
    return QueuedMessage(
        id="01K3Z8Q4T9XW2M7B",
        accepted_at=_BEGIN,
        reverse_path="alice@lantern.example",
        size=1_258_291,
        origin="SMTP",
        login="alice@lantern",
        client="198.51.100.23",
        subject="Loan agreement, sheet 3",
        recipients=(done, waits),
    )


def _tell(*events: Event, queued: QueuedMessage | None = None) -> Story:
    return tell(Trace("01K3Z8Q4T9XW2M7B", list(events), queued))


def _delivered(address: str = _TOMAS) -> Event:
    return _event(Kind.DELIVERED, 0.3, address, "delivered to tomas@lantern")


def test_the_sentence_counts_who_has_it_and_says_why_the_other_waits() -> None:
    story = _tell(
        _accepted(_TOMAS, _LOANS), _delivered(), _deferred(2.8), queued=_queued(attempts=1)
    )
    assert story.sentence.startswith("Delivered to 1 of 2 recipients. One still waits. The mail")
    assert "Next try" in story.sentence
    assert story.subject == "Loan agreement, sheet 3"
    assert story.destinations == ("quay.example",)
    assert story.is_queued


def test_what_needs_a_look_comes_first() -> None:
    story = _tell(_accepted(_TOMAS, _LOANS), _delivered(), _deferred(2.8), queued=_queued())
    assert [(each.fate.address, each.fate.word) for each in story.branches] == [
        (_LOANS, "Waits, 2 tries"),
        (_TOMAS, "Delivered"),
    ]
    assert story.branches[1].fate.text == "in the mailbox after 0.3 s"


def test_tries_with_the_same_answer_are_one_step() -> None:
    story = _tell(_accepted(_LOANS), _deferred(3), _deferred(60), _deferred(300), queued=_queued())
    first, planned = story.branches[0].fate.hops
    assert (first.title, len(first.tries)) == ("Deferred by mx.quay.example", 2)
    assert planned.planned


def test_another_answer_is_another_step() -> None:
    story = _tell(
        _accepted(_LOANS),
        _deferred(3),
        _deferred(60, reply="452 4.2.2 mailbox full"),
        queued=_queued(),
    )
    assert [hop.quote for hop in story.branches[0].fate.hops][:2] == [
        "451 4.7.1 try again later",
        "452 4.2.2 mailbox full",
    ]


def test_a_step_tells_the_rule_and_what_it_looked_at() -> None:
    story = _tell(_accepted(_LOANS), _deferred(3, setting="retry.first"), queued=_queued())
    why = story.branches[0].fate.hops[0].why
    assert why is not None
    assert (why.rule, why.setting) == ("remote.deferred", "retry.first")
    assert ("stage", "rcpt") in why.inputs


def test_what_was_given_up_is_said_as_lost() -> None:
    failed = _event(Kind.FAILED, 9, _LOANS, "given up: No such mailbox.")
    told = _event(Kind.NOTIFIED, 9, _LOANS, "the sender is told")
    story = _tell(_accepted(_TOMAS, _LOANS), _delivered(), failed, told)
    assert story.sentence == f"Delivered to 1 of 2 recipients. It did not reach {_LOANS}."
    assert story.branches[0].fate.text == "No such mailbox."
    assert not story.is_queued


def test_a_message_on_hold_waits_for_the_operator() -> None:
    story = _tell(_accepted(_LOANS), _event(Kind.HELD, 5), queued=_queued("held", 0))
    assert story.is_held
    assert story.branches[0].fate.word == "Held"
    assert "It is held until an operator releases it." in story.sentence


def test_a_removed_message_says_for_whom_it_was() -> None:
    story = _tell(_accepted(_LOANS), _event(Kind.REMOVED, 5, text="removed by an operator"))
    assert [(each.fate.address, each.fate.word) for each in story.branches] == [(_LOANS, "Removed")]
    assert story.sentence == f"It did not reach {_LOANS}."


def test_a_refused_attempt_is_told_by_the_rule_that_refused() -> None:
    reason = {"rule": "relay.closed", "outcome": "reject", "text": "Relaying is not allowed."}
    refused = _event(Kind.REFUSED, 0, _LOANS, "relaying is not allowed", reason=reason)
    story = _tell(refused)
    assert story.sentence == f"It did not reach {_LOANS}."
    assert story.branches[0].fate.hops[0].text == "Relaying is not allowed."


def test_reading_and_deleting_come_afterwards() -> None:
    downloaded = _event(Kind.DOWNLOADED, 99, "tomas@lantern", "downloaded by tomas@lantern")
    story = _tell(_accepted(_TOMAS), _delivered(), downloaded)
    assert [each.fate.address for each in story.branches] == [_TOMAS]
    assert [hop.title for hop in story.later] == ["Downloaded"]


def test_the_envelope_is_told_with_its_client_and_login() -> None:
    facts = dict(_tell(_accepted(_TOMAS), _delivered()).facts)
    assert facts["Client"] == "198.51.100.23, signed in as alice@lantern"
    assert facts["Size"] == "1.2 MB"
    assert facts["Message-ID"] == "<5f0c@lantern.example>"


def test_a_notice_has_the_null_reverse_path() -> None:
    event = Event(at_us=_BEGIN, message_id="X", kind=Kind.ACCEPTED, text="accepted from DSN")
    assert dict(_tell(event).facts)["Reverse-path"] == "<>"


def test_recipients_with_the_same_fate_are_told_together() -> None:
    others = [f"p{number}@quay.example" for number in range(30)]
    events = [_deferred(3)._replace(recipient=each) for each in others]
    story = _tell(_accepted(_TOMAS, *others), _delivered(), *events)
    assert [len(each.addresses) for each in story.branches] == [30, 1]
    assert story.branches[0].addresses == tuple(others)
    assert story.hops[0].text.endswith("31 recipients, 1.2 MB.")


def test_an_answer_that_the_sentence_says_is_not_quoted_again() -> None:
    reason = _LATER | {
        "rule": "route.none",
        "text": "No such host.",
        "reply": "451 4.4.4 No such host",
    }
    event = _deferred(3)._replace(reason=reason)
    story = _tell(_accepted(_LOANS), event, queued=_queued())
    assert story.branches[0].fate.hops[0].quote == ""
