from __future__ import annotations

import json

from appliance.directory.records import Revision
from appliance.journey.event import Event, Kind
from appliance.queue.desk import DestinationCount, QueuedMessage, QueuedRecipient
from webadmin.server.changes import to_line as to_change
from webadmin.server.messages import group
from webadmin.server.queued import explanation, heading, to_line


def _destination(name: str, waiting: int, status: str = "") -> DestinationCount:
    return DestinationCount(name, waiting, oldest_at=1, next_due_at=2, status=status)


def test_an_empty_queue_says_that_mail_flows() -> None:
    assert heading(0, []) == "Nothing waits. Mail is flowing."


def test_the_heading_of_the_queue_names_the_host_most_wait_for() -> None:
    found = [_destination("quay.example", 31), _destination("ferry.example", 11)]
    assert heading(42, found) == "Mail for 42 recipients waits, 31 of them at quay.example"
    assert heading(31, found[:1]) == "Mail for 31 recipients waits, all of them at quay.example"


def test_no_host_is_named_that_does_not_stand_out() -> None:
    found = [_destination("quay.example", 4), _destination("ferry.example", 4)]
    assert heading(9, found) == "Mail for 9 recipients waits"
    assert heading(1, found[:1]) == "Mail for one recipient waits"


def test_the_line_below_gives_the_last_answer() -> None:
    found = [_destination("quay.example", 4, "451 4.7.1 try again later")]
    assert explanation(found) == "Last heard about quay.example: 451 4.7.1 try again later"
    assert explanation([_destination("quay.example", 4)]) == ""


def _recipient(number: int, state: str, *, due_at: int = 0, attempts: int = 0) -> QueuedRecipient:
    status = f"answer {attempts}" if attempts else ""
    address = f"r{number}@quay.example"
    return QueuedRecipient(number, address, "SMTP", "quay.example", state, due_at, attempts, status)


def test_a_queued_message_is_shown_by_the_recipients_that_wait() -> None:
    message = QueuedMessage(
        id="X",
        accepted_at=1,
        reverse_path="",
        size=1,
        origin="SMTP",
        login="",
        client="",
        subject="",
        recipients=(
            _recipient(1, "done"),
            _recipient(2, "deferred", due_at=70, attempts=3),
            _recipient(3, "pending", due_at=50),
        ),
    )
    line = to_line(message)
    assert [each.number for each in line.waiting] == [2, 3]
    assert (line.state, line.due_at, line.attempts) == ("deferred", 50, 3)
    assert line.status == "answer 3"


def _event(message_id: str, kind: Kind, recipient: str = "", **detail: str) -> Event:
    return Event(
        at_us=1,
        message_id=message_id,
        kind=kind,
        reverse_path="a@b.example",
        recipient=recipient,
        detail=detail,
    )


def test_events_are_grouped_by_their_message_the_newest_first() -> None:
    found = group(
        [
            _event("B", Kind.DEFERRED, "x@quay.example"),
            _event("A", Kind.DELIVERED, "y@lantern.example"),
            _event("B", Kind.ACCEPTED, subject="Loan", recipients="x@quay.example z@quay.example"),
        ]
    )
    assert [each.id for each in found] == ["B", "A"]
    assert found[0].subject == "Loan"
    assert found[0].recipients == ("x@quay.example", "z@quay.example")
    assert found[0].last.kind is Kind.DEFERRED


def _revision(before: object, after: object) -> Revision:
    def text(value: object) -> str:
        return "" if value is None else json.dumps(value)

    return Revision(
        *(7, 1, "operator:anna", "web", "settings.set", "setting retry.first"),
        text(before),
        text(after),
        *_NO_MORE,
    )


_NO_MORE = ("",) * (len(Revision.__dataclass_fields__) - 8)


def test_a_change_shows_what_it_was_and_what_it_is() -> None:
    line = to_change(_revision({"value": None}, {"value": "5m"}))
    assert line.verb == "changed"
    assert [(each.before, each.after) for each in line.details] == [("the default", "5m")]


def test_what_stayed_the_same_is_not_repeated() -> None:
    line = to_change(
        _revision({"role": "USER", "enabled": True}, {"role": "ADMIN", "enabled": True})
    )
    assert [each.name for each in line.details] == ["role"]


def test_what_was_made_and_deleted_is_told_as_that() -> None:
    assert to_change(_revision(None, {"name": "alpha"})).verb == "made"
    gone = to_change(_revision({"name": "alpha", "enabled": False}, None))
    assert gone.verb == "deleted"
    assert [(each.name, each.before, each.after) for each in gone.details] == [
        ("name", "alpha", None),
        ("enabled", "no", None),
    ]
