"""The store: each copy once, each content once, counters that need no counting."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import func, select

from appliance.database.errors import CommitFailed
from appliance.operations.house import House
from appliance.store import tables
from appliance.store.message import STANDARD_FOLDERS, Use
from tests.support.clock import SetClock
from tests.support.letters import (
    check_counters,
    delivery,
    entry,
    files,
    mails,
    named_files,
    query,
)

ALPHA, BETA = 1, 2
ALICE, CAROL = 11, 12
LETTER = b"Subject: hello\r\n\r\nHello.\r\n"

Gate = Callable[[Callable[[str], None]], None]


def content_count(house: House, postoffice_id: int = ALPHA) -> int:
    rows = query(house, postoffice_id, select(func.count()).select_from(tables.contents))
    found: int = rows[0][0]
    return found


# ── delivering ───────────────────────────────────────────────────────────────────────────────────


def test_mailbox_without_mail_has_no_inbox_yet(house: House) -> None:
    assert house.store.inbox(ALPHA, ALICE) is None
    assert house.store.usage(ALPHA, ALICE) == (0, 0)


def test_first_delivery_makes_the_standard_folders(house: House) -> None:
    # RFC 6154: Drafts, Sent, Trash, Junk
    house.store.deliver(ALPHA, [delivery(entry(1), ALICE)])
    rows = query(house, ALPHA, select(tables.folders.c.name, tables.folders.c.use))
    assert sorted(rows) == sorted((name, str(use)) for name, use in STANDARD_FOLDERS)
    assert {use for _, use in rows} == set(Use)


def test_delivered_copy_is_its_prefix_and_the_content(house: House) -> None:
    copy = delivery(entry(1), ALICE, prefix=b"Return-Path: <a@b.test>\r\n", octets=LETTER)
    assert house.store.deliver(ALPHA, [copy]) == [True]
    assert mails(house, ALPHA, ALICE) == {1: b"Return-Path: <a@b.test>\r\n" + LETTER}
    status = house.store.inbox(ALPHA, ALICE)
    assert status is not None
    message = house.store.message(ALPHA, status.id, 1)
    assert message is not None
    assert message.entry_id == entry(1)
    assert message.content.read(7) == LETTER[:7]


def test_delivery_is_made_once_however_often_it_is_asked_for(house: House) -> None:
    copy = delivery(entry(1), ALICE)
    assert house.store.deliver(ALPHA, [copy]) == [True]
    assert house.store.deliver(ALPHA, [copy]) == [False]
    assert house.store.deliver(ALPHA, [copy, delivery(entry(2), ALICE)]) == [False, True]
    assert list(mails(house, ALPHA, ALICE)) == [1, 2]
    check_counters(house, ALPHA)


def test_replayed_delivery_does_not_bring_back_what_was_deleted(house: House) -> None:
    copy = delivery(entry(1), ALICE)
    house.store.deliver(ALPHA, [copy])
    status = house.store.inbox(ALPHA, ALICE)
    assert status is not None
    house.store.expunge(ALPHA, status.id, [1])
    assert house.store.deliver(ALPHA, [copy]) == [False]
    assert mails(house, ALPHA, ALICE) == {}
    assert content_count(house) == 0


def test_copies_of_one_call_share_one_content(house: House) -> None:
    copies = [
        delivery(entry(1), mailbox, number=number, of=3)
        for number, mailbox in enumerate((ALICE, CAROL, ALICE))
    ]
    assert house.store.deliver(ALPHA, copies) == [True] * 3
    assert content_count(house) == 1
    assert list(mails(house, ALPHA, ALICE).values()) == [LETTER] * 2
    assert list(mails(house, ALPHA, CAROL).values()) == [LETTER]
    check_counters(house, ALPHA)


def test_copies_of_several_calls_share_one_content(house: House) -> None:
    for number, mailbox in enumerate((ALICE, CAROL, ALICE)):
        house.store.deliver(ALPHA, [delivery(entry(1), mailbox, number=number, of=3)])
    assert content_count(house) == 1
    check_counters(house, ALPHA)


def test_content_that_was_deleted_meanwhile_is_stored_again(house: House) -> None:
    house.store.deliver(ALPHA, [delivery(entry(1), ALICE, number=0, of=2)])
    status = house.store.inbox(ALPHA, ALICE)
    assert status is not None
    house.store.expunge(ALPHA, status.id, [1])
    assert content_count(house) == 0
    house.store.deliver(ALPHA, [delivery(entry(1), CAROL, number=1, of=2)])
    assert mails(house, ALPHA, CAROL) == {1: LETTER}
    check_counters(house, ALPHA)


def test_contents_of_different_messages_are_not_shared(house: House) -> None:
    for entry_id in ("06BQ886W0000000", "06BQ886W00000000", "06BQ886W00000001", "06BQ886WZZZZZZZZ"):
        octets = entry_id.encode()
        house.store.deliver(ALPHA, [delivery(entry_id, ALICE, number=0, of=2, octets=octets)])
        house.store.deliver(ALPHA, [delivery(entry_id, CAROL, number=1, of=2, octets=octets)])
    assert content_count(house) == 4
    assert set(mails(house, ALPHA, ALICE).values()) == set(mails(house, ALPHA, CAROL).values())
    check_counters(house, ALPHA)


def test_content_is_stored_once_a_post_office(house: House) -> None:
    house.store.deliver(ALPHA, [delivery(entry(1), ALICE, number=0, of=2)])
    house.store.deliver(BETA, [delivery(entry(1), ALICE, number=1, of=2)])
    for postoffice_id in (ALPHA, BETA):
        rows = query(
            house,
            postoffice_id,
            select(tables.contents.c.refs).where(tables.contents.c.postoffice_id == postoffice_id),
        )
        assert rows == [(1,)]


def test_failed_delivery_leaves_nothing_visible(house: House, gate: Gate, tmp_path: Path) -> None:
    def fail(label: str) -> None:
        if label == "store.commit.before":
            raise OSError(errno.ENOSPC, "no space left on device")

    house.databases.store(ALPHA)
    copies = [
        delivery(entry(1), ALICE, number=0, of=2, file=tmp_path / "large"),
        delivery(entry(2), CAROL, number=0),
    ]
    gate(fail)
    with pytest.raises(CommitFailed):
        house.store.deliver(ALPHA, copies)
    gate(lambda label: None)
    assert house.store.inbox(ALPHA, ALICE) is None
    assert house.store.deliver(ALPHA, copies) == [True, True]
    check_counters(house, ALPHA)


def test_two_workers_first_deliveries_into_a_mailbox_both_arrive(
    open_house: Callable[[], House], gate: Gate
) -> None:
    # on PostgreSQL both find no Inbox, and both make one
    one, other = open_house(), open_house()
    for house in (one, other):
        house.databases.store(ALPHA)
    together = threading.Barrier(2)
    errors: list[Exception] = []

    def wait(label: str) -> None:
        if label == "store.commit.before":
            with suppress(threading.BrokenBarrierError):
                together.wait(0.3)

    def work(house: House, number: int) -> None:
        try:
            house.store.deliver(ALPHA, [delivery(entry(number), ALICE)])
        except Exception as error:  # noqa: BLE001 - told by the test's own thread
            errors.append(error)

    gate(wait)
    threads = [
        threading.Thread(target=work, args=(house, number))
        for number, house in enumerate((one, other))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert errors == []
    assert list(mails(one, ALPHA, ALICE)) == [1, 2]
    check_counters(one, ALPHA)


def test_workers_that_deliver_to_the_same_mailboxes_do_not_stop_each_other(
    open_house: Callable[[], House],
) -> None:
    # on PostgreSQL two that take the same rows in opposite orders would wait for each other
    boxes = range(1, 9)
    houses = [open_house() for _ in range(2)]
    for house in houses:
        house.databases.store(ALPHA)
    together = threading.Barrier(2, timeout=20)
    errors: list[Exception] = []

    def work(house: House, worker: int) -> None:
        together.wait()
        try:
            for turn in range(25):
                order = list(boxes) if worker else list(reversed(boxes))
                house.store.deliver(
                    ALPHA,
                    [
                        delivery(entry(turn * 10 + worker), box, number=box, of=len(order))
                        for box in order
                    ],
                )
        except Exception as error:  # noqa: BLE001 - told by the test's own thread
            errors.append(error)

    threads = [
        threading.Thread(target=work, args=(house, worker)) for worker, house in enumerate(houses)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert errors == []
    assert all(len(mails(houses[0], ALPHA, box)) == 50 for box in boxes)
    check_counters(houses[0], ALPHA)


def test_sessions_that_delete_copies_of_the_same_messages_do_not_stop_each_other(
    open_house: Callable[[], House],
) -> None:
    houses = [open_house() for _ in range(2)]
    for number in range(60):
        copies = [delivery(entry(number), box, number=box, of=2) for box in (ALICE, CAROL)]
        houses[0].store.deliver(ALPHA, copies)
    together = threading.Barrier(2, timeout=20)
    errors: list[Exception] = []

    def work(house: House, box: int) -> None:
        status = house.store.inbox(ALPHA, box)
        assert status is not None
        together.wait()
        try:
            for first in range(1, 61, 10):
                uids = range(first, first + 10)
                house.store.expunge(ALPHA, status.id, uids if box == ALICE else reversed(uids))
        except Exception as error:  # noqa: BLE001 - told by the test's own thread
            errors.append(error)

    threads = [
        threading.Thread(target=work, args=(house, box))
        for house, box in zip(houses, (ALICE, CAROL), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert errors == []
    assert content_count(houses[0]) == 0


# ── uids and counters ────────────────────────────────────────────────────────────────────────────


def test_uids_grow_and_are_never_used_again(house: House) -> None:
    # RFC 1939 §7, RFC 9051 §2.3.1.1
    for number in range(3):
        house.store.deliver(ALPHA, [delivery(entry(number), ALICE)])
    status = house.store.inbox(ALPHA, ALICE)
    assert status is not None
    house.store.expunge(ALPHA, status.id, [2, 3])
    house.store.deliver(ALPHA, [delivery(entry(9), ALICE)])
    assert list(mails(house, ALPHA, ALICE)) == [1, 4]
    house.store.expunge(ALPHA, status.id, [1, 4])
    house.store.deliver(ALPHA, [delivery(entry(10), ALICE)])
    assert list(mails(house, ALPHA, ALICE)) == [5]


def test_copies_of_one_call_get_their_uids_in_order(house: House) -> None:
    copies = [delivery(entry(number), ALICE, octets=b"%d" % number) for number in range(5)]
    house.store.deliver(ALPHA, copies)
    assert mails(house, ALPHA, ALICE) == {number + 1: b"%d" % number for number in range(5)}


def test_counters_follow_every_change(house: House) -> None:
    sizes = (10, 200, 3000)
    for number, size in enumerate(sizes):
        house.store.deliver(ALPHA, [delivery(entry(number), ALICE, octets=b"x" * size)])
    status = house.store.inbox(ALPHA, ALICE)
    assert status is not None
    assert (status.messages, status.unread, status.octets, status.next_uid) == (3, 3, 3210, 4)
    assert house.store.usage(ALPHA, ALICE) == (3, 3210)
    assert house.store.expunge(ALPHA, status.id, [2, 2, 77]) == [(2, entry(1))]
    after = house.store.inbox(ALPHA, ALICE)
    assert after is not None
    assert (after.messages, after.unread, after.octets, after.next_uid) == (2, 2, 3010, 4)
    assert after.modseq > status.modseq  # RFC 7162
    assert after.uid_validity == status.uid_validity
    check_counters(house, ALPHA)


def test_expunge_of_nothing_changes_nothing(house: House) -> None:
    house.store.deliver(ALPHA, [delivery(entry(1), ALICE)])
    before = house.store.inbox(ALPHA, ALICE)
    assert before is not None
    assert house.store.expunge(ALPHA, before.id, []) == []
    assert house.store.expunge(ALPHA, before.id, [99]) == []
    assert house.store.inbox(ALPHA, ALICE) == before


def test_listing_shows_what_was_there_when_the_status_was_read(house: House) -> None:
    # RFC 1939 §8: a session sees the maildrop as it was at the login
    house.store.deliver(ALPHA, [delivery(entry(1), ALICE)])
    status = house.store.inbox(ALPHA, ALICE)
    assert status is not None
    house.store.deliver(ALPHA, [delivery(entry(2), ALICE)])
    assert [uid for uid, _ in house.store.listing(ALPHA, status)] == [1]


def test_two_sessions_that_delete_the_last_two_copies_at_once_free_the_content(
    open_house: Callable[[], House], gate: Gate
) -> None:
    one, other = open_house(), open_house()
    one.store.deliver(
        ALPHA,
        [delivery(entry(1), box, number=box, of=2) for box in (ALICE, CAROL)],
    )
    other.databases.store(ALPHA)
    together = threading.Barrier(2)

    def wait(label: str) -> None:
        if label == "store.commit.before":
            with suppress(threading.BrokenBarrierError):
                together.wait(0.3)

    def expunge(house: House, mailbox: int) -> None:
        status = house.store.inbox(ALPHA, mailbox)
        assert status is not None
        house.store.expunge(ALPHA, status.id, [1])

    gate(wait)
    threads = [
        threading.Thread(target=expunge, args=pair) for pair in ((one, ALICE), (other, CAROL))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert content_count(one) == 0
    check_counters(one, ALPHA)


# ── large contents ───────────────────────────────────────────────────────────────────────────────


def test_large_content_is_linked_not_copied(house: House, tmp_path: Path) -> None:
    source = tmp_path / "large"
    house.store.deliver(ALPHA, [delivery(entry(1), ALICE, octets=b"x" * 999, file=source)])
    (path,) = house.store.folder(ALPHA).names()
    assert path.stat().st_ino == source.stat().st_ino
    source.unlink()  # the queue has done with it
    assert mails(house, ALPHA, ALICE) == {1: b"x" * 999}
    assert {path.name} == named_files(house, ALPHA)


def test_large_content_goes_with_its_last_copy(house: House, tmp_path: Path) -> None:
    source = tmp_path / "large"
    copies = [delivery(entry(1), box, number=box, of=2, file=source) for box in (ALICE, CAROL)]
    house.store.deliver(ALPHA, copies)
    assert len(files(house, ALPHA)) == 1
    for box, left in ((ALICE, 1), (CAROL, 0)):
        status = house.store.inbox(ALPHA, box)
        assert status is not None
        house.store.expunge(ALPHA, status.id, [1])
        assert len(files(house, ALPHA)) == left
    assert content_count(house) == 0


def test_large_content_of_a_repeated_delivery_is_read_through_either_name(
    house: House, tmp_path: Path
) -> None:
    source = tmp_path / "large"
    copy = delivery(entry(1), ALICE, octets=b"x" * 999, file=source)
    house.store.deliver(ALPHA, [copy])
    assert house.store.deliver(ALPHA, [copy]) == [False]
    source.unlink()
    assert mails(house, ALPHA, ALICE) == {1: b"x" * 999}


def test_file_stays_until_its_removal_is_durable(house: House, gate: Gate, tmp_path: Path) -> None:
    def fail(label: str) -> None:
        if label == "store.commit.before":
            raise OSError(errno.EIO, "input/output error")

    house.store.deliver(ALPHA, [delivery(entry(1), ALICE, file=tmp_path / "large")])
    status = house.store.inbox(ALPHA, ALICE)
    assert status is not None
    gate(fail)
    with pytest.raises(CommitFailed):
        house.store.expunge(ALPHA, status.id, [1])
    gate(lambda label: None)
    assert mails(house, ALPHA, ALICE) == {1: LETTER}


def test_sweep_removes_old_files_that_no_message_names(
    house: House, clock: SetClock, tmp_path: Path
) -> None:
    house.store.deliver(ALPHA, [delivery(entry(1), ALICE, file=tmp_path / "large")])
    stray = house.store.folder(ALPHA).make_place(f"{entry(2)}.0")
    stray.write_bytes(b"left by a crash")
    clock.at_us = round(stray.stat().st_ctime * 1_000_000) + 3_599_000_000
    kept = house.store.files(ALPHA)
    assert kept.sweep(clock.at_us / 1e6 - 3600) == 0  # it may be a delivery under way
    clock.advance(2)
    assert kept.sweep(clock.at_us / 1e6 - 3600) == 1
    assert files(house, ALPHA) == named_files(house, ALPHA)
    assert mails(house, ALPHA, ALICE) == {1: LETTER}


def test_a_file_that_was_swept_before_its_commit_is_not_named(
    house: House, gate: Gate, tmp_path: Path
) -> None:
    """A clock that jumps ahead makes an hour-old orphan of what was linked right now."""

    def sweep(label: str) -> None:
        if label == "store.content-linked":
            house.store.files(ALPHA).sweep(4e9)

    large = delivery(entry(1), ALICE, file=tmp_path / "large")
    gate(sweep)
    with pytest.raises(CommitFailed, match="removed before anything named it"):
        house.store.deliver(ALPHA, [large])
    gate(lambda label: None)
    assert mails(house, ALPHA, ALICE) == {}
    house.store.deliver(ALPHA, [large])
    assert mails(house, ALPHA, ALICE) == {1: LETTER}


# ── removing, and the record of deliveries ───────────────────────────────────────────────────────


def test_removed_mailbox_leaves_nothing_and_touches_nobody_else(
    house: House, tmp_path: Path
) -> None:
    source = tmp_path / "large"
    for number in range(3):
        house.store.deliver(
            ALPHA,
            [delivery(entry(number), box, number=box, of=2) for box in (ALICE, CAROL)],
        )
    house.store.deliver(ALPHA, [delivery(entry(7), ALICE, file=source)])
    house.store.remove_mailbox(ALPHA, ALICE)
    assert house.store.inbox(ALPHA, ALICE) is None
    assert house.store.usage(ALPHA, ALICE) == (0, 0)
    assert len(mails(house, ALPHA, CAROL)) == 3
    assert files(house, ALPHA) == set()
    assert content_count(house) == 3
    check_counters(house, ALPHA)
    house.store.remove_mailbox(ALPHA, ALICE)  # twice is once


def test_more_than_a_commits_worth_of_messages_is_removed(house: House) -> None:
    copies = [delivery(entry(number), ALICE, octets=b"x") for number in range(1100)]
    house.store.deliver(ALPHA, copies)
    house.store.remove_mailbox(ALPHA, ALICE)
    assert house.store.inbox(ALPHA, ALICE) is None
    assert content_count(house) == 0


def test_removed_post_office_leaves_no_folder(house: House, tmp_path: Path) -> None:
    house.store.deliver(ALPHA, [delivery(entry(1), ALICE, file=tmp_path / "large")])
    house.store.deliver(BETA, [delivery(entry(2), ALICE)])
    house.store.remove_mailbox(ALPHA, ALICE)
    house.store.remove_postoffice(ALPHA)
    assert not (house.home / "postoffices" / str(ALPHA)).exists()
    assert len(mails(house, BETA, ALICE)) == 1


def test_deliveries_are_remembered_until_they_are_forgotten(house: House, clock: SetClock) -> None:
    house.store.deliver(ALPHA, [delivery(entry(1), ALICE)])
    clock.advance(60)
    house.store.deliver(ALPHA, [delivery(entry(2), ALICE)])
    old = house.store.old_deliveries(ALPHA, clock.now_us(), 10)
    assert old == [f"{entry(1)}.0"]
    assert house.store.old_deliveries(ALPHA, clock.now_us() + 1, 1) == old[:1]
    house.store.forget_deliveries(ALPHA, old)
    assert house.store.old_deliveries(ALPHA, clock.now_us(), 10) == []
    assert len(mails(house, ALPHA, ALICE)) == 2
    assert house.store.deliver(ALPHA, [delivery(entry(2), ALICE)]) == [False]


# ── tenants ──────────────────────────────────────────────────────────────────────────────────────


def test_mailboxes_of_two_post_offices_are_apart_even_with_the_same_number(house: House) -> None:
    house.store.deliver(ALPHA, [delivery(entry(1), ALICE, octets=b"for alpha")])
    house.store.deliver(BETA, [delivery(entry(2), ALICE, octets=b"for beta")])
    assert mails(house, ALPHA, ALICE) == {1: b"for alpha"}
    assert mails(house, BETA, ALICE) == {1: b"for beta"}
    assert house.store.usage(ALPHA, ALICE) == (1, 9)
    house.store.remove_mailbox(ALPHA, ALICE)
    assert mails(house, BETA, ALICE) == {1: b"for beta"}


def test_folder_of_another_post_office_is_not_there(house: House) -> None:
    house.store.deliver(ALPHA, [delivery(entry(1), ALICE)])
    for _ in range(2):  # on SQLite each post office numbers its own folders
        house.store.deliver(BETA, [delivery(entry(2), CAROL, octets=b"for beta")])
    status = house.store.inbox(ALPHA, ALICE)
    assert status is not None
    found = house.store.message(BETA, status.id, 1)
    assert found is None or found.read() == b"for beta"
    house.store.expunge(BETA, status.id, [1])
    assert len(mails(house, ALPHA, ALICE)) == 1


def test_files_of_two_post_offices_lie_in_their_own_folders(house: House, tmp_path: Path) -> None:
    for postoffice_id in (ALPHA, BETA):
        copy = delivery(entry(1), ALICE, number=postoffice_id, of=2, file=tmp_path / "large")
        house.store.deliver(postoffice_id, [copy])
    assert files(house, ALPHA) == {f"{entry(1)}.1"} == named_files(house, ALPHA)
    assert files(house, BETA) == {f"{entry(1)}.2"} == named_files(house, BETA)


def test_many_post_offices_stay_usable_though_few_are_open(house: House) -> None:
    house.databases.keep_stores(3)
    for postoffice_id in range(1, 9):
        house.store.deliver(postoffice_id, [delivery(entry(postoffice_id), ALICE)])
    for postoffice_id in range(1, 9):
        assert len(mails(house, postoffice_id, ALICE)) == 1
