"""Sending, the queue, the journey, explaining and bad mail by the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from appliance.journey.event import Event, Kind
from appliance.journey.reason import Outcome, Reason
from appliance.operations.house import House, read_config
from appliance.queue import badmail
from appliance.queue.badmail import BadMail

Text = Callable[..., str]
Ask = Callable[..., Any]
Run = Callable[..., Result]


@pytest.fixture
def sent(done: Text) -> str:
    """A message that waits in the queue: its id."""
    return done(
        "send", "--from", "alice@demo.test", "--to", "bob@remote.test", "--to", "alice@demo.test",
        "--subject", "A test", "--text", "It works.",
    ).strip()  # fmt: skip


def test_a_message_is_in_the_queue_when_its_id_is_printed(sent: str, ask: Ask, done: Text) -> None:
    found = ask("queue", "show", sent)
    assert (found["id"], found["reverse_path"], found["subject"]) == (
        sent,
        "alice@demo.test",
        "A test",
    )
    first = found["recipients"][0]
    assert (first["address"], first["state"], first["attempts"]) == (
        "bob@remote.test",
        "pending",
        0,
    )
    assert first["due_at"].endswith("Z")
    assert found == ask("queue", "list")[0]
    assert "bob@remote.test and 1 more" in done("queue", "list")
    assert "A test" in done("queue", "show", sent.lower())


def test_the_text_comes_from_standard_input(done: Text, refused: Text, ask: Ask) -> None:
    words = ("send", "--from", "alice@demo.test", "--to", "alice@demo.test", "--subject", "x")
    made = done(*words, given="Grüße\n").strip()
    assert [each["id"] for each in ask("queue", "list")] == [made]
    assert "not UTF-8" in refused(*words, "--text", "-", given=b"\xff")


def test_a_message_is_held_released_retried_and_removed(
    sent: str, done: Text, ask: Ask, refused: Text
) -> None:
    assert "held for 2 recipients" in done("queue", "hold", sent)
    assert [(each["state"], each["count"]) for each in ask("queue", "count")] == [("held", 2)]
    assert ask("queue", "list", "--state", "pending") == []
    assert "goes on to 2 recipients" in done("queue", "release", sent)
    assert "2 recipients" in done("queue", "retry", sent)
    assert "0 recipients" in done("queue", "retry", "--all")
    done("queue", "remove", sent)
    assert "is not in the queue" in refused("queue", "remove", sent)


@pytest.mark.parametrize("words", [(), ("01K3Z8Q4T9XW2M7B", "--all")])
def test_retry_is_for_one_message_or_for_all(run: Run, words: tuple[str, ...]) -> None:
    assert run("queue", "retry", *words).exit_code == 2


def test_a_trace_tells_the_journey_in_order_with_the_rules(
    sent: str, home: Path, done: Text, ask: Ask
) -> None:
    reason = Reason(
        rule="retry.later",
        outcome=Outcome.DEFER,
        text="It is tried again in 15 minutes.",
        setting="retry.first",
    )
    house = House(read_config(home))
    deferred = Event(
        at_us=house.clock.now_us() + 1_000_000,
        message_id=sent,
        kind=Kind.DEFERRED,
        reverse_path="alice@demo.test",
        recipient="bob@remote.test",
        text="remote.test answered 450 \x1b[31mbusy",
        reason=reason.to_dict(),
    )
    house.journey.record([deferred])
    house.close()
    done("queue", "hold", sent)

    found = ask("message", "trace", sent)
    assert found["id"] == found["queued"]["id"] == sent
    assert {"accepted", "deferred", "held"} == {each["kind"] for each in found["events"]}
    assert [each["reason"] for each in found["events"] if each["kind"] == "deferred"] == [
        reason.to_dict()
    ]
    lines = done("message", "trace", sent).splitlines()
    place = next(number for number, line in enumerate(lines) if "deferred" in line)
    assert "bob@remote.test" in lines[place]
    assert lines[place].endswith("remote.test answered 450 \ufffd[31mbusy")
    assert lines[place + 1].strip() == (
        "because of rule retry.later · setting retry.first · It is tried again in 15 minutes."
    )
    assert lines[-3].startswith("In the queue since")
    assert lines[-2].split() == ["bob@remote.test", "held", "0", "attempts"]

    done("queue", "remove", sent, "--yes")
    assert done("message", "trace", sent).endswith("It is no longer in the queue.\n")
    assert ask("message", "trace", sent)["queued"] is None
    assert [each["kind"] for each in ask("message", "search", "remote.test")] == ["deferred"]
    assert "deferred" in done("message", "search", "bob@")


def test_of_an_unknown_message_the_trace_says_where_to_look(refused: Text) -> None:
    assert "message search" in refused("message", "trace", "01K3Z8Q4T9XW2M7B")


def test_explain_says_accept_or_reject_with_rule_and_setting(done: Text, ask: Ask) -> None:
    words = ("explain", "deliver", "--from", "a@b.example", "--client", "192.0.2.1", "--to")
    found = ask(*words, "alice@demo.test")
    assert found["accepted"] is True
    assert all(each["outcome"] == "accept" for each in found["decisions"])
    found = ask(*words, "x@elsewhere.example")
    assert found["accepted"] is False
    assert found["decisions"][-1]["setting"].startswith("relay.")
    told = done(*words, "x@elsewhere.example")
    assert told.startswith("reject")
    assert "answered 550 5.7.1" in told
    assert ask(*words, "x@elsewhere.example", "--login", "alice@demo")["accepted"] is True


def test_explain_takes_the_null_reverse_path(ask: Ask) -> None:
    for null in ("", "<>"):
        words = ("explain", "deliver", "--from", null, "--to", "alice@demo.test")
        assert ask(*words, "--client", "::1")["accepted"] is True


def test_explain_refuses_what_is_no_address(refused: Text) -> None:
    words = ("explain", "deliver", "--from", "a@b.example", "--to", "alice@demo.test", "--client")
    assert "not an IP address" in refused(*words, "localhost")


@pytest.fixture
def copy(home: Path) -> BadMail:
    """A copy in bad mail."""
    house = House(read_config(home))
    found = BadMail(
        entry_id="01K3Z8Q4T9XW2M7B",
        number=1,
        reverse_path="alice@demo.test",
        recipient="bob@remote.test",
        subject="Lost \x07and found",
        size=18,
        reason="nobody of that name",
        at_us=1_700_000_000_000_000,
    )
    writer = house.queue.content(house.queue.new_id())
    octets = b"Subject: x\r\n\r\nhi\r\n"
    writer.write(octets)
    body = writer.body()
    assert body is not None
    from appliance.database.content import Content

    badmail.save(house.badmail, [found], Content(len(octets), body, None))
    house.close()
    return found


def test_bad_mail_is_listed_and_shown(copy: BadMail, done: Text, ask: Ask) -> None:
    expected = {
        "name": "01K3Z8Q4T9XW2M7B.1",
        "message_id": "01K3Z8Q4T9XW2M7B",
        "number": 1,
        "at": "2023-11-14T22:13:20Z",
        "reverse_path": "alice@demo.test",
        "recipient": "bob@remote.test",
        "subject": "Lost \x07and found",
        "size": 18,
        "reason": "nobody of that name",
    }
    assert ask("badmail", "list") == [expected]
    assert ask("badmail", "list", "--after", copy.name) == []
    assert ask("badmail", "show", copy.name) == expected
    assert "Lost \ufffdand found" in done("badmail", "show", copy.name)
    assert "nobody of that name" in done("badmail", "list")


def test_bad_mails_content_is_printed_as_it_is(copy: BadMail, run: Run) -> None:
    assert (
        run("badmail", "show", copy.name, "--content").stdout_bytes == b"Subject: x\r\n\r\nhi\r\n"
    )
    assert run("badmail", "show", copy.name, "--content", "--json").exit_code == 2


def test_bad_mail_is_sent_once_more_to_the_one_it_did_not_reach(
    copy: BadMail, done: Text, ask: Ask, refused: Text
) -> None:
    made = done("badmail", "requeue", copy.name).rstrip(".\n").rpartition(" ")[2]
    found = ask("queue", "show", made)
    assert found["reverse_path"] == "alice@demo.test"
    assert [each["address"] for each in found["recipients"]] == ["bob@remote.test"]
    assert ask("badmail", "list") == []
    assert made in ask("message", "trace", copy.entry_id)["events"][-1]["text"]
    assert "no copy" in refused("badmail", "requeue", copy.name)


def test_bad_mail_is_deleted(copy: BadMail, done: Text, ask: Ask, refused: Text) -> None:
    done("badmail", "delete", copy.name, "--yes")
    assert ask("badmail", "list") == []
    assert "no copy" in refused("badmail", "show", "../../config/key")
