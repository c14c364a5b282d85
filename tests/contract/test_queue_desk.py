"""The operator's desk, and the table of a recipient's states with every step between them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from appliance.database.content import INLINE_MAX
from appliance.database.statement import Statement
from appliance.operations.house import House
from appliance.queue import desk as desk_module
from appliance.queue.desk import Desk, DestinationCount, QueueCount, QueueLook
from appliance.queue.entry import Claimed, Connector, Finished, Rescheduled, Routed, State
from appliance.runtime.clock import MICROSECONDS
from tests.support.clock import SetClock
from tests.support.town import claim_all, submit

LATER_S = 900

Step = Callable[[House, Claimed], object]


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk(house.queue)


def mark_rescheduled(house: House, claimed: Claimed) -> None:
    due_at = house.clock.now_us() + LATER_S * MICROSECONDS
    house.queue.mark([Rescheduled(claimed, due_at, "451 later")], durable=True)


def mark_routed(house: House, claimed: Claimed) -> None:
    house.queue.mark([Routed(claimed, Connector.SMTP, "b.test")], durable=True)


def mark_done(house: House, claimed: Claimed) -> None:
    house.queue.mark([Finished(claimed, State.DONE, "250 fine")], durable=True)


def mark_failed(house: House, claimed: Claimed) -> None:
    house.queue.mark([Finished(claimed, State.FAILED, "550 no")], durable=True)


def hold(house: House, claimed: Claimed) -> None:
    Desk(house.queue).hold(claimed.entry_id)


def release(house: House, claimed: Claimed) -> None:
    Desk(house.queue).release(claimed.entry_id, house.clock.now_us())


def retry(house: House, claimed: Claimed) -> None:
    Desk(house.queue).retry(claimed.entry_id, house.clock.now_us())


def retry_all(house: House, claimed: Claimed) -> None:
    Desk(house.queue).retry(None, house.clock.now_us())


def give_back(house: House, claimed: Claimed) -> None:
    Desk(house.queue).give_back(claimed.entry_id, house.clock.now_us())


TO_STATE: dict[State, tuple[Step, ...]] = {
    State.PENDING: (),
    State.DEFERRED: (mark_rescheduled,),
    State.HELD: (hold,),
    State.DONE: (mark_done,),
    State.FAILED: (mark_failed,),
}
# The whole table: from a state, by a step, to a state, and whether it is due at once.
STEPS: list[tuple[State, Step, State, bool]] = [
    (State.PENDING, mark_rescheduled, State.DEFERRED, False),
    (State.PENDING, mark_routed, State.PENDING, True),
    (State.PENDING, mark_done, State.DONE, False),
    (State.PENDING, mark_failed, State.FAILED, False),
    (State.PENDING, hold, State.HELD, False),
    (State.PENDING, give_back, State.PENDING, True),
    (State.PENDING, release, State.PENDING, True),
    (State.PENDING, retry, State.PENDING, True),
    (State.PENDING, retry_all, State.PENDING, True),
    (State.DEFERRED, mark_rescheduled, State.DEFERRED, False),
    (State.DEFERRED, mark_routed, State.DEFERRED, False),
    (State.DEFERRED, mark_done, State.DONE, False),
    (State.DEFERRED, mark_failed, State.FAILED, False),
    (State.DEFERRED, hold, State.HELD, False),
    (State.DEFERRED, give_back, State.PENDING, True),
    (State.DEFERRED, release, State.DEFERRED, False),
    (State.DEFERRED, retry, State.DEFERRED, True),
    (State.DEFERRED, retry_all, State.DEFERRED, True),
    # held while a worker had it in hand: what has happened to the mail counts, plans do not
    (State.HELD, mark_rescheduled, State.HELD, False),
    (State.HELD, mark_routed, State.HELD, False),
    (State.HELD, mark_done, State.DONE, False),
    (State.HELD, mark_failed, State.FAILED, False),
    (State.HELD, hold, State.HELD, False),
    (State.HELD, give_back, State.PENDING, True),
    (State.HELD, release, State.PENDING, True),
    (State.HELD, retry, State.HELD, False),
    (State.HELD, retry_all, State.HELD, False),
    # finished is finished
    (State.DONE, mark_rescheduled, State.DONE, False),
    (State.DONE, mark_routed, State.DONE, False),
    (State.DONE, hold, State.DONE, False),
    (State.DONE, give_back, State.DONE, False),
    (State.DONE, release, State.DONE, False),
    (State.DONE, retry, State.DONE, False),
    (State.DONE, retry_all, State.DONE, False),
    (State.FAILED, mark_rescheduled, State.FAILED, False),
    (State.FAILED, mark_routed, State.FAILED, False),
    (State.FAILED, hold, State.FAILED, False),
    (State.FAILED, give_back, State.FAILED, False),
    (State.FAILED, release, State.FAILED, False),
    (State.FAILED, retry, State.FAILED, False),
    (State.FAILED, retry_all, State.FAILED, False),
]


def test_the_table_names_every_step_from_every_state() -> None:
    every = {step for _, step, _, _ in STEPS}
    for state in State:
        left_out = every - {step for start, step, _, _ in STEPS if start is state}
        assert left_out <= {mark_done, mark_failed}  # finishing what is finished is a replay


@pytest.mark.parametrize(
    ("start", "step", "end", "due"),
    STEPS,
    ids=[f"{start}-{step.__name__}" for start, step, _, _ in STEPS],
)
def test_step_leads_from_state_to_state(
    house: House, *, start: State, step: Step, end: State, due: bool
) -> None:
    desk = Desk(house.queue)
    # a second recipient keeps the entry in the queue
    message_id = submit(house, "a@b.test", "keeps@b.test")
    first, _ = sorted(claim_all(house), key=lambda each: each.number)
    for way in TO_STATE[start]:
        way(house, first)
    house.queue.lease([first], keep=False)
    step(house, first)
    message = desk.message(message_id)
    assert message is not None
    assert message.recipients[0].state == end
    house.queue.lease([first], keep=False)
    found = [each for connector in Connector for each in claim_all(house, connector)]
    assert (0 in [each.number for each in found]) == due


def test_release_keeps_the_attempts_made(house: House, desk: Desk) -> None:
    message_id = submit(house, "a@b.test")
    (claimed,) = claim_all(house)
    mark_rescheduled(house, claimed)
    assert desk.hold(message_id) == 1
    assert desk.release(message_id, house.clock.now_us()) == 1
    (again,) = claim_all(house)
    assert again.attempts == 1


def test_hold_release_and_retry_say_how_many_recipients(
    house: House, desk: Desk, clock: SetClock
) -> None:
    message_id = submit(house, "a@b.test", "c@b.test", "d@b.test")
    first = min(claim_all(house), key=lambda each: each.number)
    mark_done(house, first)
    assert desk.hold(message_id) == 2
    assert desk.hold(message_id) == 0
    assert desk.retry(message_id, clock.now_us()) == 0
    assert desk.release(message_id, clock.now_us()) == 2
    assert desk.retry(message_id, clock.now_us()) == 2


@pytest.mark.parametrize("later", [mark_routed, mark_rescheduled])
def test_what_an_operator_gives_back_goes_nowhere_else(
    house: House, desk: Desk, later: Step
) -> None:
    # a worker that had it in hand can't route or defer it any more
    message_id = submit(house, "a@b.test", "c@b.test")
    claimed = claim_all(house)
    assert desk.give_back(message_id, house.clock.now_us()) == 2
    house.queue.lease(claimed, keep=False)
    later(house, claimed[0])
    assert claim_all(house) == claim_all(house, Connector.SMTP) == []
    assert len(claim_all(house, Connector.RETURN)) == 2


@pytest.mark.parametrize("name", ["hold", "release", "retry", "give_back", "remove"])
def test_unknown_message_is_touched_by_nothing(house: House, desk: Desk, name: str) -> None:
    submit(house, "a@b.test")
    arguments = ("0" * 16,) if name in ("hold", "remove") else ("0" * 16, 1)
    assert not getattr(desk, name)(*arguments)
    assert len(desk.messages()) == 1
    assert desk.message("0" * 16) is None


def test_retry_of_all_makes_due_what_waits_and_leaves_the_rest(
    house: House, desk: Desk, clock: SetClock
) -> None:
    for _ in range(3):
        submit(house, "a@b.test")
    one, two, three = claim_all(house)
    mark_rescheduled(house, one)
    mark_rescheduled(house, two)
    hold(house, two)
    mark_routed(house, three)
    assert desk.retry(None, clock.now_us()) == 1
    assert [each.entry_id for each in claim_all(house)] == [one.entry_id]


@pytest.mark.parametrize("size", [10, INLINE_MAX + 1], ids=["row", "file"])
def test_removed_message_is_gone_with_its_content(house: House, desk: Desk, size: int) -> None:
    message_id = submit(house, "a@b.test", "c@b.test", octets=b"x" * size)
    other_id = submit(house, "a@b.test", octets=b"x" * size)
    assert desk.remove(message_id)
    assert desk.message(message_id) is None
    assert [each.id for each in desk.messages()] == [other_id]
    assert {path.name for path in house.queue.folder.names()} == desk.files().names()
    assert len(desk.files().names()) == (1 if size > INLINE_MAX else 0)
    (left,) = claim_all(house)
    assert house.queue.content_of(left).size == size
    assert not desk.remove(message_id)


def test_message_is_shown_with_its_recipients_in_the_envelopes_order(
    house: House, desk: Desk
) -> None:
    message_id = submit(house, "c@b.test", "a@b.test", "b@b.test")
    message = desk.message(message_id)
    assert message is not None
    assert [each.address for each in message.recipients] == ["c@b.test", "a@b.test", "b@b.test"]
    assert message.subject == "greetings"
    assert message.reverse_path == "sender@example.org"
    assert message.accepted_at == house.clock.now_us()
    first = min(claim_all(house), key=lambda each: each.number)
    mark_rescheduled(house, first)
    message = desk.message(message_id)
    assert message is not None
    shown = message.recipients[0]
    assert (shown.state, shown.attempts, shown.status) == ("deferred", 1, "451 later")


def test_messages_come_in_pages_in_the_order_they_were_accepted(
    house: House, desk: Desk, clock: SetClock
) -> None:
    ids = []
    for _ in range(7):
        ids.append(submit(house, "a@b.test", "c@b.test"))
        clock.advance(0.01)
    pages: list[list[str]] = []
    after = ""
    while page := desk.messages(most=3, after=after):
        pages.append([message.id for message in page])
        after = page[-1].id
    assert pages == [ids[:3], ids[3:6], ids[6:]]


def test_messages_are_chosen_by_state_and_destination(house: House, desk: Desk) -> None:
    plain, held, routed = (submit(house, "a@b.test") for _ in range(3))
    desk.hold(held)
    claimed = next(each for each in claim_all(house) if each.entry_id == routed)
    mark_routed(house, claimed)
    assert {each.id for each in desk.messages(state="held")} == {held}
    assert {each.id for each in desk.messages(state="pending")} == {plain, routed}
    assert {each.id for each in desk.messages(domain="b.test")} == {routed}
    assert {each.id for each in desk.messages(state="pending", domain="b.test")} == {routed}
    assert desk.messages(state="held", domain="b.test") == []
    assert desk.messages(state="deferred") == []


def test_chosen_messages_come_in_pages_too(house: House, desk: Desk, clock: SetClock) -> None:
    ids = []
    for number in range(7):
        ids.append(submit(house, "a@b.test", "c@b.test"))
        clock.advance(0.01)
        if number % 2:
            submit(house, "x@y.test")
        clock.advance(0.01)
    for claimed in claim_all(house):
        if claimed.recipient.address.domain == "b.test":
            mark_routed(house, claimed)
    for each in ids:
        desk.hold(each)
    for state, domain in (("", "b.test"), ("held", ""), ("held", "b.test")):
        pages: list[list[str]] = []
        after = ""
        while page := desk.messages(state=state, domain=domain, most=3, after=after):
            pages.append([message.id for message in page])
            after = page[-1].id
        assert pages == [ids[:3], ids[3:6], ids[6:]]


# ── destinations ─────────────────────────────────────────────────────────────────────────────────


def route(house: House, claimed: Claimed) -> None:
    house.queue.mark(
        [Routed(claimed, Connector.SMTP, claimed.recipient.address.domain)], durable=True
    )


def test_destinations_tell_how_much_waits_for_how_long_and_why(
    house: House, desk: Desk, clock: SetClock
) -> None:
    assert desk.destinations() == []
    began = clock.now_us()
    submit(house, "a@slow.test")
    clock.advance(60)
    submit(house, "a@busy.test", "b@busy.test", "c@busy.test", "d@held.test")
    for claimed in claim_all(house):
        route(house, claimed)
    slow, *_, last = claim_all(house, Connector.SMTP)
    assert (str(slow.recipient.address), str(last.recipient.address)) == (
        *("a@slow.test", "d@held.test"),
    )
    mark_rescheduled(house, slow)
    later = clock.now_us() + LATER_S * MICROSECONDS
    busy = DestinationCount("busy.test", 3, began + 60 * MICROSECONDS, clock.now_us(), "")
    late = DestinationCount("slow.test", 1, began, later, "451 later")
    held = DestinationCount("held.test", 1, began + 60 * MICROSECONDS, clock.now_us(), "")
    assert desk.destinations() == [busy, held, late]
    assert desk.destinations(oldest_first=True) == [late, busy, held]
    assert desk.destinations(most=1) == [busy]
    desk.hold(last.entry_id)
    assert desk.destinations() == [late]


def test_look_tells_of_the_whole_queue(house: House, desk: Desk, clock: SetClock) -> None:
    assert desk.look() == QueueLook(0, 0, 0, 0)
    began = clock.now_us()
    held = submit(house, "a@b.test", "b@b.test")
    clock.advance(5)
    submit(house, "a@b.test", "c@b.test", "d@b.test")
    desk.hold(held)
    first = min(claim_all(house), key=lambda each: each.number)
    mark_routed(house, first)
    assert desk.look() == QueueLook(
        waiting=3, held=2, oldest_at=began, unrouted_due_at=clock.now_us()
    )
    assert desk.waiting() == {
        ("", State.PENDING): 2,
        ("SMTP", State.PENDING): 1,
        ("", State.HELD): 2,
    }
    (routed,) = claim_all(house, Connector.SMTP)
    mark_rescheduled(house, routed)
    assert desk.waiting()["SMTP", State.DEFERRED] == 1


DESK = vars(desk_module)
CHOSEN = {"state": "", "domain": "", "most": 9, "after": ""}
QUERIES: list[tuple[Statement, str]] = [
    (Statement(DESK["_chosen"](**{**CHOSEN, "domain": "b.test"})), "due"),
    (Statement(DESK["_chosen"](**{**CHOSEN, "state": "held"})), "held"),
    (DESK["_MOST_FIRST"], "due"),
    (DESK["_OLDEST_FIRST"], "due"),
    (DESK["_HELD"], "held"),
    (DESK["_HELD_OF"], "held"),
    (DESK["_WAITING"], "due"),
    (DESK["_DEFERRED_OF"], "due"),
    (DESK["_DUE_FIRST"], "due"),
]


@pytest.mark.parametrize(("query", "index"), QUERIES)
def test_few_of_a_long_queue_are_found_by_an_index(
    open_house: Callable[[], House], query: Statement, index: str
) -> None:
    # what costs a walk through the whole queue is not asked for by a page
    database = open_house().queue.database
    if database.dialect != "sqlite":
        return  # of an empty table PostgreSQL reads all, whatever there is
    text = query.on("sqlite")
    with database.reader() as connection:
        params = {"most": 9, **text.fixed}
        connection.raw_cursor().execute(f"EXPLAIN QUERY PLAN {text.text}", params)
        plan = [row[3] for row in connection.raw_cursor().fetchall()]
    assert any(f"INDEX queue_recipients_{index}" in line for line in plan), plan
    assert not any(line == "SCAN queue_recipients" for line in plan), plan
    if index == "due":  # many recipients may wait: their rows are not looked at
        assert any(f"COVERING INDEX queue_recipients_{index}" in line for line in plan), plan


def test_counts_tell_how_many_are_where_and_when_the_next_is_due(
    house: House, desk: Desk, clock: SetClock
) -> None:
    assert desk.counts() == []
    submit(house, "a@b.test", "c@b.test", "d@b.test")
    first, second, _ = sorted(claim_all(house), key=lambda each: each.number)
    mark_routed(house, first)
    mark_rescheduled(house, second)
    now = clock.now_us()
    assert sorted(desk.counts(), key=lambda each: (each.connector, each.state)) == [
        QueueCount("", "deferred", 1, now + LATER_S * MICROSECONDS),
        QueueCount("", "pending", 1, now),
        QueueCount("SMTP", "pending", 1, now),
    ]


def test_closed_entries_are_told_from_open_ones(house: House, desk: Desk) -> None:
    open_id, closed_id = submit(house, "a@b.test"), submit(house, "a@b.test")
    desk.remove(closed_id)
    assert desk.are_closed({open_id, closed_id, "0" * 16}) == {closed_id, "0" * 16}
    assert desk.are_closed(set()) == set()
