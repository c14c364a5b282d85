"""Where is my mail? Sending, tracing, searching, explaining, and the operator at the queue."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from appliance.journey.event import Event, Kind
from appliance.operations.house import House
from appliance.operations.messages import (
    ExplainDelivery,
    SearchMessages,
    SendMessage,
    TraceMessage,
)
from appliance.operations.operation import Action, Clash, Invalid, NotFound
from appliance.operations.queue import (
    CountQueue,
    HoldMessage,
    ListQueue,
    ReleaseMessage,
    RemoveMessage,
    RetryMessages,
    ShowQueued,
)
from appliance.operations.settings import ChangeSetting
from appliance.runtime.clock import MICROSECONDS
from tests.support.clock import SetClock
from tests.support.processes import Worker
from tests.support.town import Town, claim_all, submit

ALICE, REMOTE = "alice@alpha.test", "somebody@elsewhere.test"


def written(house: House) -> None:
    """Wait until what was recorded is written."""
    house.databases.get("journey").transact(lambda transaction: None, lazy=True)


def rules(town: Town, recipient: str, **given: str) -> list[str]:
    question = ExplainDelivery(
        **{"reverse_path": "a@b.test", "client": "192.0.2.1", "recipient": recipient, **given}
    )
    return [reason.rule for reason in town.ask(question)]


# ── sending ──────────────────────────────────────────────────────────────────────────────────────


def test_message_is_sent_through_the_queue_as_every_other(town: Town) -> None:
    message_id = town.do(
        SendMessage(sender=ALICE, recipients=(REMOTE, ALICE), subject="Grüße", text="Hallo\n")
    )
    first, second = sorted(claim_all(town.house), key=lambda each: each.number)
    assert {first.entry_id, second.entry_id} == {message_id}
    assert [str(each.recipient.address) for each in (first, second)] == [REMOTE, ALICE]
    assert str(first.envelope.reverse_path) == ALICE
    assert first.summary.subject == "Grüße"
    octets = town.house.queue.content_of(first).read()
    assert f"Message-ID: <{message_id}@".encode() in octets


@pytest.mark.parametrize(
    ("sender", "recipients", "subject"),
    [
        ("alice", (ALICE,), "s"),
        (ALICE, (), "s"),
        (ALICE, ("nobody",), "s"),
        (ALICE, (ALICE,), "s\r\nBcc: x@y.test"),
    ],
)
def test_message_that_cannot_be_sent_is_refused_and_nothing_is_queued(
    town: Town, sender: str, recipients: tuple[str, ...], subject: str
) -> None:
    with pytest.raises(Invalid):
        town.do(SendMessage(sender=sender, recipients=recipients, subject=subject, text="t"))
    assert town.ask(ListQueue()) == []
    assert list(town.house.queue.folder.names()) == []


# ── tracing ──────────────────────────────────────────────────────────────────────────────────────


def test_message_is_traced_from_its_acceptance_on(town: Town) -> None:
    message_id = submit(town.house, ALICE)
    trace = town.ask(TraceMessage(message=f" {message_id.lower()} "))
    assert trace.id == message_id
    assert [event.kind for event in trace.events] == [Kind.ACCEPTED]
    assert trace.queued is not None
    assert trace.queued.recipients[0].address == ALICE


def test_acceptance_is_told_once_though_queue_and_journey_both_have_it(town: Town) -> None:
    message_id = submit(town.house, ALICE)
    (claimed,) = claim_all(town.house)
    routed = Event(
        at_us=town.house.clock.now_us() + 1, message_id=message_id, kind=Kind.ROUTED, text="t"
    )
    town.house.journey.record([routed], accepted=[claimed.accepted])
    written(town.house)
    events = town.ask(TraceMessage(message=message_id)).events
    assert [event.kind for event in events] == [Kind.ACCEPTED, Kind.ROUTED]


def test_message_nobody_knows_is_not_found_with_what_to_do(town: Town) -> None:
    with pytest.raises(NotFound, match=r"kept 30 days.*posthouse message search"):
        town.ask(TraceMessage(message="0" * 16))


def test_messages_are_searched_by_address_and_days(town: Town, clock: SetClock) -> None:
    day = 86_400 * MICROSECONDS
    for number, days_ago in enumerate((1, 40)):
        event = Event(
            at_us=clock.now_us() - days_ago * day,
            message_id=f"{number:016}",
            kind=Kind.DELIVERED,
            recipient=ALICE,
        )
        town.house.journey.record([event])
    written(town.house)
    assert [each.message_id for each in town.ask(SearchMessages(address=" ALICE@ "))] == ["0" * 16]
    assert len(town.ask(SearchMessages(address=ALICE, days=60))) == 2
    assert len(town.ask(SearchMessages(address=ALICE, days=60, most=1))) == 1


# ── explaining: the very code that decides about real mail ───────────────────────────────────────


def test_delivery_to_a_mailbox_here_is_explained(town: Town) -> None:
    assert rules(town, ALICE) == ["recipient.local", "routing.mailbox"]
    assert rules(town, ALICE, reverse_path="") == ["recipient.local", "routing.mailbox"]
    assert rules(town, "nobody@alpha.test") == ["recipient.unknown"]


def test_relaying_is_explained_with_the_settings_in_force(town: Town) -> None:
    # CHECKLIST 094–102
    assert rules(town, REMOTE) == ["relay.closed"]
    assert rules(town, REMOTE, login="alice@alpha") == ["relay.authenticated", "routing.remote"]
    town.do(ChangeSetting(setting="relay.privileged_ranges", value="192.0.2.0/24"))
    assert rules(town, REMOTE) == ["relay.privileged", "routing.remote"]
    town.do(ChangeSetting(setting="relay.privileged_ranges", value=None))
    assert rules(town, REMOTE, reverse_path=ALICE) == ["relay.closed"]
    town.do(ChangeSetting(setting="relay.local_senders", value="yes"))
    assert rules(town, REMOTE, reverse_path=ALICE) == ["relay.local-sender", "routing.remote"]
    town.do(ChangeSetting(setting="smarthost.enabled", value="yes"))
    assert rules(town, REMOTE, reverse_path=ALICE)[-1] == "routing.smarthost"
    town.do(ChangeSetting(setting="relay.enabled", value="no"))
    assert rules(town, REMOTE, login="alice@alpha") == ["relay.off"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"recipient": "nobody"}, "nobody"),
        ({"recipient": ALICE, "reverse_path": "nobody"}, "nobody"),
        ({"recipient": ALICE, "client": "nowhere"}, "'nowhere' is not an IP address"),
        ({"recipient": ALICE, "login": "nobody@alpha"}, "nobody can log in as 'nobody@alpha'"),
    ],
)
def test_question_that_makes_no_sense_is_refused(
    town: Town, given: dict[str, str], told: str
) -> None:
    with pytest.raises(Invalid, match=told):
        rules(town, **given)


# ── the operator's hand on the queue ─────────────────────────────────────────────────────────────


def test_what_an_operator_does_to_a_message_is_part_of_its_journey(
    town: Town, clock: SetClock
) -> None:
    message_id = submit(town.house, ALICE, REMOTE)
    for action in (
        HoldMessage(message=message_id),
        ReleaseMessage(message=message_id),
        RetryMessages(message=message_id),
    ):
        clock.advance(1)
        assert town.do(action) == 2
    clock.advance(1)
    town.do(RemoveMessage(message=message_id))
    written(town.house)
    trace = town.ask(TraceMessage(message=message_id))
    assert trace.queued is None
    assert [event.kind for event in trace.events] == [
        *(Kind.ACCEPTED, Kind.HELD, Kind.RELEASED, Kind.RETRIED, Kind.REMOVED),
    ]
    assert ALICE in trace.events[-1].text
    assert REMOTE in trace.events[-1].text


def test_queue_is_counted_and_shown(town: Town) -> None:
    message_id = submit(town.house, ALICE, REMOTE)
    (count,) = town.ask(CountQueue())
    assert (count.connector, count.state, count.count) == ("", "pending", 2)
    assert town.ask(ShowQueued(message=message_id)).id == message_id
    town.do(HoldMessage(message=message_id))
    assert [each.id for each in town.ask(ListQueue(state="held"))] == [message_id]


@pytest.mark.parametrize(
    "action",
    [
        HoldMessage(message="0" * 16),
        ReleaseMessage(message="0" * 16),
        RetryMessages(message="0" * 16),
        RemoveMessage(message="0" * 16),
    ],
    ids=lambda action: action.name,
)
def test_message_that_is_not_in_the_queue_is_not_found(town: Town, action: Action[object]) -> None:
    with pytest.raises(NotFound, match="posthouse message trace"):
        town.do(action)
    with pytest.raises((NotFound, Clash)):
        town.ask(ShowQueued(message="0" * 16))


# ── wake-ups between the nodes of a cluster ──────────────────────────────────────────────────────


def test_submit_on_one_node_wakes_the_mta_of_another(
    postgresql: str, open_house: Callable[[], House], database_url: str
) -> None:
    if not database_url:
        return  # one server has doorbells
    house = open_house()
    with Worker("hear_notifications", url=postgresql, service="mta") as other:
        assert other.hear() == "woken"  # once it listens: what it may have missed
        submit(house, ALICE)
        assert other.hear() == "woken"
        other.go_on()
