"""The queue: what is submitted is durable at once or not there at all, and goes when it is done."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import func, select

from appliance.database.content import INLINE_MAX
from appliance.database.errors import CommitFailed, Conflict
from appliance.mail.address import Address
from appliance.mail.envelope import Envelope, Notify, Recipient
from appliance.operations.house import House
from appliance.queue import tables
from appliance.queue.desk import Desk
from appliance.queue.entry import Claimed, Connector, Finished, Origin, Rescheduled, Routed, State
from appliance.runtime.clock import MICROSECONDS
from tests.support.clock import SetClock
from tests.support.town import MESSAGE, claim_all, envelope, submit

LARGE = b"Subject: large\r\n\r\n" + b"x" * INLINE_MAX

Gate = Callable[[Callable[[str], None]], None]


def counts(house: House) -> tuple[int, int, int]:
    """Count entries, recipients and contents."""
    with house.databases.get("queue").reader(snapshot=True) as connection:
        entries, recipients, contents = (
            connection.value(select(func.count()).select_from(table))
            for table in (tables.entries, tables.recipients, tables.contents)
        )
    return entries, recipients, contents


def files(house: House) -> set[str]:
    return {path.name for path in house.queue.folder.names()}


def done(claimed: Claimed) -> Finished:
    return Finished(claimed, State.DONE, "250 2.0.0 fine")


# ── submitting ───────────────────────────────────────────────────────────────────────────────────


def test_submitted_message_is_claimed_with_its_whole_envelope(house: House) -> None:
    # RFC 3461 §4: NOTIFY, ORCPT, RET and ENVID stay with the message
    recipients = (
        Recipient(
            Address.parse("alice@alpha.test"), frozenset({Notify.SUCCESS, Notify.DELAY}), "rfc822;a"
        ),
        Recipient(Address.parse('"b b"@beta.test'), frozenset({Notify.NEVER})),
        Recipient(Address.parse("grüße@beta.test")),
    )
    sent = Envelope(
        Address.parse("Sender@Example.org"),
        recipients,
        body="8BITMIME",
        smtputf8=True,
        ret="HDRS",
        envid="QQ314159",
    )
    content = house.queue.content()
    content.write(MESSAGE[:10])
    content.write(MESSAGE[10:])
    origin = Origin(kind="SMTP", login="alice@alpha", client="192.0.2.9")
    message_id = house.queue.submit(sent, content, origin)
    claimed = sorted(claim_all(house), key=lambda each: each.number)
    assert tuple(each.recipient for each in claimed) == recipients
    for each in claimed:
        assert each.entry_id == message_id
        assert each.of == 3
        assert (each.login, each.client, each.attempts) == ("alice@alpha", "192.0.2.9", 0)
        assert each.envelope == Envelope(
            sent.reverse_path, (), body="8BITMIME", smtputf8=True, ret="HDRS", envid="QQ314159"
        )
        assert each.summary.subject == "greetings"
        assert house.queue.content_of(each).read() == MESSAGE
        assert each.size == len(MESSAGE)


def test_null_reverse_path_comes_back_as_such(house: House) -> None:
    # RFC 5321 §4.5.5
    content = house.queue.content()
    content.write(MESSAGE)
    house.queue.submit(envelope("a@b.test", reverse_path=""), content, Origin(kind="DSN"))
    (claimed,) = claim_all(house)
    assert claimed.envelope.reverse_path is None


def test_submit_tells_its_own_event_with_the_entry(house: House) -> None:
    message_id = submit(house, "alice@alpha.test")
    event = Desk(house.queue).accepted(message_id)
    assert event is not None
    assert event.message_id == message_id
    assert event.reverse_path == "sender@example.org"
    assert event.detail["subject"] == "greetings"
    assert Desk(house.queue).accepted("0" * 16) is None


def test_submit_rings_the_mta_once_the_message_is_durable(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[tuple[str, int]] = []
    monkeypatch.setattr(
        house.ringer, "ring", lambda service: rung.append((service, len(claim_all(house))))
    )
    submit(house, "alice@alpha.test")
    assert rung == [("mta", 1)]


@pytest.mark.parametrize("size", [0, 1, INLINE_MAX - 1, INLINE_MAX])
def test_content_up_to_128_kib_is_a_row(house: House, size: int) -> None:
    submit(house, "a@b.test", octets=b"x" * size)
    (claimed,) = claim_all(house)
    assert claimed.file is None
    assert files(house) == set()
    assert house.queue.content_of(claimed).read() == b"x" * size


def test_larger_content_is_a_file(house: House) -> None:
    submit(house, "a@b.test", octets=LARGE)
    (claimed,) = claim_all(house)
    assert files(house) == {claimed.file}
    content = house.queue.content_of(claimed)
    assert content.read() == LARGE
    assert b"".join(content.chunks()) == LARGE
    assert claimed.summary.subject == "large"


def test_large_content_is_synced_with_its_name_before_a_row_names_it(
    house: House, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.databases.get("queue")
    steps: list[str] = []
    sync_octets, sync_names = os.fdatasync, os.fsync

    def octets(descriptor: int) -> None:
        steps.append(f"octets of {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        sync_octets(descriptor)

    def names(descriptor: int) -> None:
        steps.append(f"names in {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        sync_names(descriptor)

    monkeypatch.setattr(os, "fdatasync", octets)
    monkeypatch.setattr(os, "fsync", names)
    gate(steps.append)
    submit(house, "a@b.test", octets=LARGE)
    (name,) = files(house)
    assert steps.index(f"octets of {name}") < steps.index(f"names in {name[-2:]}")
    # the folder is new: its own name and that of the folder above have to last as well
    assert {"names in content", "names in queues"} <= set(steps)
    synced = max(index for index, step in enumerate(steps) if step.startswith("names in"))
    assert synced < steps.index("submit.content-synced") < steps.index("queue.commit.before")


def test_failed_commit_leaves_no_row(house: House, gate: Gate) -> None:
    def fail(label: str) -> None:
        if label == "queue.commit.before":
            raise OSError(errno.ENOSPC, "no space left on device")

    house.databases.get("queue")
    gate(fail)
    with pytest.raises(CommitFailed):
        submit(house, "a@b.test", octets=LARGE)
    gate(lambda label: None)
    assert counts(house) == (0, 0, 0)
    assert claim_all(house) == []


def test_a_content_that_was_swept_before_its_commit_is_not_acknowledged(
    house: House, gate: Gate
) -> None:
    """A clock that jumps ahead makes an hour-old orphan of what arrives right now."""

    def sweep(label: str) -> None:
        if label == "submit.content-synced":
            for path in house.queue.folder.names():
                path.unlink()

    gate(sweep)
    with pytest.raises(CommitFailed, match="removed before anything named it"):
        submit(house, "a@b.test", octets=LARGE)
    gate(lambda label: None)
    assert counts(house) == (0, 0, 0)
    submit(house, "a@b.test", octets=LARGE)
    assert counts(house)[0] == 1


def test_content_that_cannot_be_synced_leaves_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    house.databases.get("queue")
    content = house.queue.content()
    content.write(LARGE)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(OSError, match="input/output"):
            house.queue.submit(envelope("a@b.test"), content, Origin(kind="SMTP"))
    assert counts(house) == (0, 0, 0)
    assert files(house) == set()


def test_abandoned_content_leaves_nothing(house: House) -> None:
    content = house.queue.content()
    content.write(LARGE)
    assert len(files(house)) == 1
    content.abandon()
    assert files(house) == set()
    assert counts(house) == (0, 0, 0)


def test_same_id_twice_is_refused_and_the_first_message_stays(house: House) -> None:
    message_id = submit(house, "a@b.test")
    again = house.queue.content(message_id)
    again.write(b"another")
    with pytest.raises(Conflict):
        house.queue.submit(envelope("c@d.test"), again, Origin(kind="SMTP"), message_id=message_id)
    assert counts(house) == (1, 1, 1)
    (claimed,) = claim_all(house)
    assert house.queue.content_of(claimed).read() == MESSAGE


def test_submit_from_an_event_loop_is_the_same(house: House) -> None:
    async def send(octets: bytes) -> str:
        content = house.queue.content()
        content.write(octets)
        return await house.queue.submit_async(envelope("a@b.test"), content, Origin(kind="SMTP"))

    async def both() -> tuple[str, str]:
        return await asyncio.gather(send(MESSAGE), send(LARGE))

    ids = asyncio.run(both())
    found = {each.entry_id: house.queue.content_of(each).read() for each in claim_all(house)}
    assert found == dict(zip(ids, (MESSAGE, LARGE), strict=True))


def test_cancelled_submit_is_delivered_once_or_not_at_all(house: House, gate: Gate) -> None:
    # RFC 5321 §6.1: nobody was answered, so either is right, but nothing half-done
    house.databases.get("queue")
    reached = threading.Event()

    async def give_up() -> None:
        content = house.queue.content()
        content.write(LARGE)
        task = asyncio.ensure_future(
            house.queue.submit_async(envelope("a@b.test"), content, Origin(kind="SMTP"))
        )
        await asyncio.to_thread(reached.wait, 20)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    gate(lambda label: reached.set() if label == "queue.commit.before" else None)
    asyncio.run(give_up())
    house.databases.get("queue").writer.close()
    assert counts(house) == (1, 1, 1)
    (claimed,) = claim_all(house)
    assert house.queue.content_of(claimed).read() == LARGE


# ── claiming ─────────────────────────────────────────────────────────────────────────────────────


def test_what_is_due_longest_comes_first(house: House, clock: SetClock) -> None:
    ids = []
    for _ in range(5):
        ids.append(submit(house, "a@b.test"))
        clock.advance(1)
    assert [each.entry_id for each in claim_all(house)] == ids


def test_claim_takes_at_most_so_many(house: House, clock: SetClock) -> None:
    ids = []
    for _ in range(5):
        ids.append(submit(house, "a@b.test"))
        clock.advance(1)
    first = house.queue.claim(Connector.UNROUTED, 2)
    in_hand = {(each.entry_id, each.number) for each in first}
    rest = house.queue.claim(Connector.UNROUTED, 2, but=in_hand)
    assert [each.entry_id for each in (*first, *rest)] == ids[:4]


def test_claim_with_something_in_hand_leaves_the_others_for_the_next_claim(
    house: House, clock: SetClock
) -> None:
    ids = []
    for _ in range(6):
        ids.append(submit(house, "a@b.test"))
        clock.advance(1)
    seen: list[str] = []
    in_hand: set[tuple[str, int]] = set()
    while claimed := house.queue.claim(Connector.UNROUTED, 2, but=in_hand):
        seen += [each.entry_id for each in claimed]
        in_hand |= {(each.entry_id, each.number) for each in claimed}
    assert seen == ids


def test_what_is_in_hand_is_not_claimed_again(house: House) -> None:
    submit(house, "a@b.test", "c@b.test", "d@b.test")
    claimed = claim_all(house)
    in_hand = {(each.entry_id, each.number) for each in claimed}
    assert len(in_hand) == 3
    assert house.queue.claim(Connector.UNROUTED, 10, but=in_hand) == []


def test_deferred_recipient_is_not_claimed_before_it_is_due(house: House, clock: SetClock) -> None:
    submit(house, "a@b.test")
    (claimed,) = claim_all(house)
    due_at = clock.now_us() + 900 * MICROSECONDS
    house.queue.mark([Rescheduled(claimed, due_at, "451 later")], durable=True)
    assert claim_all(house) == []
    clock.advance(899)
    assert claim_all(house) == []
    clock.advance(1)
    (again,) = claim_all(house)
    assert again.attempts == 1


# ── marking ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("octets", [MESSAGE, LARGE], ids=["row", "file"])
def test_entry_goes_only_when_all_its_recipients_are_finished(
    house: House, octets: bytes, durable: bool
) -> None:
    submit(house, "a@b.test", "c@b.test", "d@b.test", octets=octets)
    first, second, third = sorted(claim_all(house), key=lambda each: each.number)
    for one, left in ((second, 3), (first, 3), (third, 0)):
        house.queue.mark([done(one)], durable=durable)
        assert counts(house) == (min(left, 1), left, min(left, 1))
    assert files(house) == set()


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("octets", [MESSAGE, LARGE], ids=["row", "file"])
def test_all_recipients_finished_at_once(house: House, octets: bytes, durable: bool) -> None:
    submit(house, "a@b.test", "c@b.test", octets=octets)
    submit(house, "e@f.test", octets=octets)
    house.queue.mark([done(each) for each in claim_all(house)], durable=durable)
    assert counts(house) == (0, 0, 0)
    assert files(house) == set()


def test_content_file_outlasts_the_recipients_that_wait_for_it(house: House) -> None:
    submit(house, "a@b.test", "c@b.test", octets=LARGE)
    first, second = claim_all(house)
    house.queue.mark([done(first)], durable=True)
    assert house.queue.content_of(second).read() == LARGE


def test_same_recipient_marked_twice_does_not_finish_the_other(house: House) -> None:
    # a worker may say the same again: a batch repeated after a crash, a lease that ran out
    submit(house, "a@b.test", "c@b.test")
    first, second = claim_all(house)
    house.queue.mark([done(first), done(first)], durable=True)
    assert counts(house) == (1, 2, 1)
    house.queue.mark([done(second)], durable=True)
    assert counts(house) == (0, 0, 0)


def test_mark_of_an_entry_that_has_gone_does_nothing(house: House) -> None:
    submit(house, "a@b.test", "c@b.test")
    first, second = claim_all(house)
    house.queue.mark([done(first), done(second)], durable=True)
    house.queue.mark([done(first)], durable=True)
    house.queue.mark([Rescheduled(second, 1, "451")], durable=True)
    house.queue.mark([Routed(second, Connector.SMTP, "b.test")], durable=True)
    assert counts(house) == (0, 0, 0)


def test_routed_recipient_is_due_at_its_connector_only(house: House) -> None:
    submit(house, "a@b.test")
    (claimed,) = claim_all(house)
    house.queue.mark([Routed(claimed, Connector.SMTP, "b.test")], durable=True)
    assert claim_all(house) == []
    (routed,) = claim_all(house, Connector.SMTP)
    assert (routed.destination, routed.attempts) == ("b.test", 0)


@pytest.mark.parametrize("octets", [MESSAGE, LARGE], ids=["row", "file"])
@pytest.mark.parametrize("durable", [True, False])
def test_notices_come_in_with_the_marks_they_follow_from(
    house: House, octets: bytes, durable: bool
) -> None:
    submit(house, "a@b.test", octets=octets)
    (claimed,) = claim_all(house)
    notice = house.queue.prepare(
        envelope("sender@example.org", reverse_path=""), MESSAGE, Origin(kind="DSN")
    )
    house.queue.mark([Finished(claimed, State.FAILED, "550")], notices=[notice], durable=durable)
    (found,) = claim_all(house)
    assert found.entry_id == notice.id
    assert str(found.recipient.address) == "sender@example.org"


def test_notice_that_cannot_be_written_takes_the_marks_back(house: House) -> None:
    other_id, message_id = submit(house, "c@d.test"), submit(house, "a@b.test")
    claimed = next(each for each in claim_all(house) if each.entry_id == message_id)
    notice = house.queue.prepare(envelope("s@example.org"), MESSAGE, Origin(kind="DSN"))
    notice.entry["id"] = other_id  # taken
    with pytest.raises(Conflict):
        house.queue.mark([Finished(claimed, State.FAILED, "550")], notices=[notice], durable=True)
    assert counts(house) == (2, 2, 2)
    house.queue.lease([claimed], keep=False)
    assert message_id in [each.entry_id for each in claim_all(house)]


def test_failed_mark_leaves_the_file(house: House, gate: Gate) -> None:
    def fail(label: str) -> None:
        if label == "queue.commit.before":
            raise OSError(errno.EIO, "input/output error")

    submit(house, "a@b.test", octets=LARGE)
    (claimed,) = claim_all(house)
    gate(fail)
    with pytest.raises(CommitFailed):
        house.queue.mark([done(claimed)], durable=False)
    gate(lambda label: None)
    assert counts(house) == (1, 1, 1)
    assert house.queue.content_of(claimed).read() == LARGE
    house.queue.mark([done(claimed)], durable=False)
    assert files(house) == set()


def test_two_workers_that_finish_the_last_two_recipients_at_once_close_the_entry(
    open_house: Callable[[], House], gate: Gate
) -> None:
    one, other = open_house(), open_house()
    submit(one, "a@b.test", "c@b.test")
    first, second = claim_all(one)
    together = threading.Barrier(2)

    def wait(label: str) -> None:
        # both have written and neither has committed; where one has to wait for the other to
        # commit, the barrier breaks
        if label == "queue.commit.before":
            with suppress(threading.BrokenBarrierError):
                together.wait(0.3)

    other.databases.get("queue")
    gate(wait)
    threads = [
        threading.Thread(target=house.queue.mark, args=([done(each)],), kwargs={"durable": True})
        for house, each in ((one, first), (other, second))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert counts(one) == (0, 0, 0)


# ── leases: several workers on PostgreSQL ────────────────────────────────────────────────────────


class TestLeases:
    """On PostgreSQL each due recipient belongs to one worker for five minutes."""

    @pytest.fixture
    def dialect(self) -> str:
        return "postgresql"

    def test_two_workers_never_claim_the_same(self, open_house: Callable[[], House]) -> None:
        houses = [open_house() for _ in range(3)]
        for _ in range(40):
            submit(houses[0], "a@b.test", "c@b.test", "d@b.test")
        assert [each.queue for each in houses]
        found: list[tuple[str, int]] = []
        together = threading.Barrier(3, timeout=20)

        def work(house: House) -> None:
            together.wait()
            while claimed := house.queue.claim(Connector.UNROUTED, 7):
                found.extend((each.entry_id, each.number) for each in claimed)

        threads = [threading.Thread(target=work, args=(house,)) for house in houses]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        # SKIP LOCKED may leave some for the next poll, and never gives one to two
        found += [
            (each.entry_id, each.number) for each in houses[0].queue.claim(Connector.UNROUTED, 1000)
        ]
        assert len(found) == len(set(found)) == 120

    def test_lease_ends_after_five_minutes(
        self, open_house: Callable[[], House], clock: SetClock
    ) -> None:
        one, other = open_house(), open_house()
        submit(one, "a@b.test")
        assert len(claim_all(one)) == 1
        assert claim_all(other) == []
        clock.advance(299)
        assert claim_all(other) == []
        clock.advance(1)
        assert len(claim_all(other)) == 1
        assert claim_all(one) == []

    def test_lease_that_is_kept_lasts_and_one_that_is_let_go_ends_at_once(
        self, open_house: Callable[[], House], clock: SetClock
    ) -> None:
        one, other = open_house(), open_house()
        submit(one, "a@b.test")
        claimed = claim_all(one)
        clock.advance(200)
        one.queue.lease(claimed, keep=True)
        clock.advance(200)
        assert claim_all(other) == []
        one.queue.lease(claimed, keep=False)
        assert len(claim_all(other)) == 1

    @pytest.mark.parametrize("entry_only", [True, False])
    def test_retry_takes_nothing_out_of_a_workers_hands(
        self, open_house: Callable[[], House], entry_only: bool
    ) -> None:
        # an operator's retry while the sender is at it must not send a message twice
        one, other = open_house(), open_house()
        message_id = submit(one, "a@b.test")
        assert len(claim_all(one)) == 1
        Desk(other.queue).retry(message_id if entry_only else None, other.clock.now_us())
        assert claim_all(other) == []

    def test_marks_end_the_lease(self, open_house: Callable[[], House]) -> None:
        one, other = open_house(), open_house()
        submit(one, "a@b.test", "c@b.test")
        first, second = claim_all(one)
        one.queue.mark(
            [
                Rescheduled(first, one.clock.now_us(), "451"),
                Routed(second, Connector.SMTP, "b.test"),
            ],
            durable=True,
        )
        assert len(claim_all(other)) == 1
        assert len(claim_all(other, Connector.SMTP)) == 1
