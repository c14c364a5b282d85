"""What people do with their mail: flagging, moving, copying, deleting, filing."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import select

from appliance.database.content import INLINE_MAX
from appliance.database.errors import CommitFailed, StoreBusy
from appliance.operations.house import House
from appliance.store import tables
from appliance.store.errors import FolderNotFound
from appliance.store.mailbox import MailboxStore
from appliance.store.message import NO_FLAGS, Flag, Folder, Use
from tests.support.boxes import (
    ALICE,
    ALPHA,
    BETA,
    CAROL,
    alice,
    file,
    flags,
    letter,
    subjects,
)
from tests.support.clock import SetClock
from tests.support.letters import check_counters, delivery, entry, files, named_files, query

LARGE = b"Subject: large\r\n\r\n" + b"x" * INLINE_MAX

Gate = Callable[[Callable[[str], None]], None]


@pytest.fixture
def box(house: House) -> MailboxStore:
    return alice(house)


@pytest.fixture
def inbox(house: House, box: MailboxStore) -> Folder:
    """Alice's Inbox with the messages 1 to 5."""
    for number in range(1, 6):
        octets = letter(f"message {number}", body="x" * 10 * number)
        house.store.deliver(ALPHA, [delivery(entry(number), ALICE, octets=octets)])
    return box.special(Use.INBOX)


@pytest.fixture
def target(box: MailboxStore) -> Folder:
    return box.create_folder("target")


def content_count(house: House) -> int:
    return len(query(house, ALPHA, select(tables.contents.c.id)))


def counters(folder: Folder) -> tuple[int, int, int]:
    return folder.messages, folder.unread, folder.octets


# ── flags ────────────────────────────────────────────────────────────────────────────────────────


def test_flags_are_set_and_cleared_one_by_one(box: MailboxStore, inbox: Folder) -> None:
    # RFC 9051 §2.3.2
    assert box.flag(inbox.id, [1, 2], add=Flag.SEEN | Flag.FLAGGED) == 2
    assert box.flag(inbox.id, [2, 3], add=Flag.ANSWERED, remove=Flag.FLAGGED) == 2
    assert flags(box, inbox.id) == {
        1: Flag.SEEN | Flag.FLAGGED,
        2: Flag.SEEN | Flag.ANSWERED,
        3: Flag.ANSWERED,
        4: NO_FLAGS,
        5: NO_FLAGS,
    }


def test_unread_follows_the_seen_flag(house: House, box: MailboxStore, inbox: Folder) -> None:
    box.flag(inbox.id, [1, 2, 3], add=Flag.SEEN)
    assert box.folder(inbox.id).unread == 2
    box.flag(inbox.id, [3, 4], remove=Flag.SEEN)
    assert box.folder(inbox.id).unread == 3
    box.flag(inbox.id, [3, 4], add=Flag.FLAGGED)
    assert box.folder(inbox.id).unread == 3
    check_counters(house, ALPHA)


def test_only_messages_that_change_get_a_new_modseq(box: MailboxStore, inbox: Folder) -> None:
    # RFC 7162 §3.1
    box.flag(inbox.id, [2], add=Flag.SEEN)
    before = {each.uid: each.modseq for each in box.every(inbox.id)}
    assert box.flag(inbox.id, [1, 2, 2, 99], add=Flag.SEEN) == 1
    folder = box.folder(inbox.id)
    after = {each.uid: each.modseq for each in box.every(inbox.id)}
    assert after == before | {1: folder.modseq}
    assert box.flag(inbox.id, [1, 2, 99], add=Flag.SEEN) == 0
    assert box.flag(inbox.id, [], add=Flag.SEEN) == 0
    assert box.folder(inbox.id) == folder


def test_flag_is_not_set_and_cleared_at_once(box: MailboxStore, inbox: Folder) -> None:
    with pytest.raises(ValueError, match="SEEN"):
        box.flag(inbox.id, [1], add=Flag.SEEN, remove=Flag.SEEN | Flag.DRAFT)


def test_more_than_a_commits_worth_of_messages_is_flagged(house: House, box: MailboxStore) -> None:
    house.store.deliver(ALPHA, [delivery(entry(number), ALICE) for number in range(1050)])
    inbox = box.special(Use.INBOX)
    assert box.flag(inbox.id, range(1, 2000), add=Flag.SEEN) == 1050
    assert box.folder(inbox.id).unread == 0
    check_counters(house, ALPHA)


@pytest.mark.parametrize("uid", [0, -1, 2**63, 2**90])
def test_uid_that_no_message_can_have_is_passed_over(
    box: MailboxStore, inbox: Folder, target: Folder, uid: int
) -> None:
    assert box.flag(inbox.id, [uid], add=Flag.SEEN) == 0
    assert box.move(inbox.id, [uid], target.id) == {}
    assert box.copy(inbox.id, [uid], target.id) == {}
    assert box.expunge(inbox.id, [uid]) == []
    assert box.message(inbox.id, uid) is None
    assert box.listed(inbox.id, [uid]) == []
    assert [each.uid for each in box.every(inbox.id, after_uid=min(uid, 0))] == [1, 2, 3, 4, 5]
    if uid > 0:
        assert box.every(inbox.id, after_uid=uid) == []
    file(box, inbox.id, replaces=uid)
    assert box.folder(inbox.id).messages == 6


# ── moving and copying ───────────────────────────────────────────────────────────────────────────


def test_moved_messages_get_new_uids_and_keep_the_rest(
    house: House, box: MailboxStore, inbox: Folder, target: Folder, clock: SetClock
) -> None:
    box.flag(inbox.id, [2], add=Flag.SEEN | Flag.FORWARDED)
    before = {each.uid: each for each in box.every(inbox.id)}
    file(box, target.id)
    clock.advance(60)
    assert box.move(inbox.id, [4, 2, 2, 77], target.id) == {2: 2, 4: 3}
    moved = {each.uid: each for each in box.every(target.id)}
    for old, new in ((2, 2), (4, 3)):
        for name in ("entry_id", "size", "flags", "received_at", "summary", "digest"):
            assert getattr(moved[new], name) == getattr(before[old], name)
    assert sorted(flags(box, inbox.id)) == [1, 3, 5]
    assert box.usage() == (6, sum(each.size for each in before.values()) + moved[1].size)
    check_counters(house, ALPHA)


def test_move_counts_in_both_folders(
    house: House, box: MailboxStore, inbox: Folder, target: Folder
) -> None:
    box.flag(inbox.id, [1], add=Flag.SEEN)
    sizes = {each.uid: each.size for each in box.every(inbox.id)}
    box.move(inbox.id, [1, 2], target.id)
    source, there = box.folder(inbox.id), box.folder(target.id)
    assert counters(source) == (3, 3, sizes[3] + sizes[4] + sizes[5])
    assert counters(there) == (2, 1, sizes[1] + sizes[2])
    assert source.modseq > inbox.modseq
    assert there.modseq > target.modseq
    assert all(each.modseq == there.modseq for each in box.every(target.id))


def test_message_that_comes_back_stands_where_it_stood(
    house: House, box: MailboxStore, target: Folder, clock: SetClock
) -> None:
    for number in range(1, 4):
        copy = delivery(entry(number), ALICE, octets=letter(f"{number}"))
        house.store.deliver(ALPHA, [copy])
        clock.advance(1)
    inbox = box.special(Use.INBOX)
    (away,) = box.move(inbox.id, [2], target.id).values()
    assert box.move(target.id, [away], inbox.id) == {away: 4}  # uids are never used again
    assert subjects(box.page(inbox.id).messages) == ["3", "2", "1"]


def test_moving_within_a_folder_changes_nothing(box: MailboxStore, inbox: Folder) -> None:
    assert box.move(inbox.id, [1, 3, 99], inbox.id) == {1: 1, 3: 3}
    assert box.folder(inbox.id) == inbox


def test_move_of_nothing_changes_nothing(box: MailboxStore, inbox: Folder, target: Folder) -> None:
    assert box.move(inbox.id, [], target.id) == {}
    assert box.copy(inbox.id, [99], target.id) == {}
    assert (box.folder(inbox.id), box.folder(target.id)) == (inbox, target)


def test_failed_move_leaves_everything_in_its_place(
    house: House, box: MailboxStore, inbox: Folder, target: Folder, gate: Gate
) -> None:
    def fail(label: str) -> None:
        if label == "store.commit.before":
            raise OSError(errno.ENOSPC, "no space left on device")

    gate(fail)
    with pytest.raises(CommitFailed):
        box.move(inbox.id, [1, 2], target.id)
    gate(lambda label: None)
    assert (box.folder(inbox.id), box.folder(target.id)) == (inbox, target)
    assert len(box.every(inbox.id)) == 5


def test_more_than_a_commits_worth_of_messages_is_moved_and_copied(
    house: House, box: MailboxStore, target: Folder
) -> None:
    house.store.deliver(ALPHA, [delivery(entry(number), ALICE) for number in range(1050)])
    inbox = box.special(Use.INBOX)
    assert box.copy(inbox.id, range(1, 1051), target.id) == {n: n for n in range(1, 1051)}
    moved = box.move(inbox.id, range(1, 1051), target.id)
    assert moved == {n: n + 1050 for n in range(1, 1051)}
    assert box.folder(target.id).messages == 2100
    check_counters(house, ALPHA)


def test_copy_shares_the_content(house: House, box: MailboxStore, target: Folder) -> None:
    inbox = box.special(Use.INBOX)
    uid = file(box, inbox.id, LARGE, flags=Flag.FLAGGED)
    assert box.copy(inbox.id, [uid], target.id) == {uid: 1}
    assert box.copy(inbox.id, [uid, uid], inbox.id) == {uid: 2}
    assert content_count(house) == 1
    assert len(files(house, ALPHA)) == 1
    check_counters(house, ALPHA)
    assert flags(box, target.id) == {1: Flag.FLAGGED}
    box.expunge(inbox.id, [1, 2])
    copy = box.message(target.id, 1)
    assert copy is not None
    assert copy.read() == LARGE
    box.expunge(target.id, [1])
    assert content_count(house) == 0
    assert files(house, ALPHA) == set()


def test_two_who_carry_messages_to_and_fro_do_not_stop_each_other(
    open_house: Callable[[], House],
) -> None:
    # on PostgreSQL those who lock two folders in opposite orders would wait for each other
    houses = [open_house() for _ in range(2)]
    boxes = [alice(house) for house in houses]
    inbox, trash = boxes[0].special(Use.INBOX), boxes[0].special(Use.TRASH)
    for number in range(20):
        file(boxes[0], inbox.id, b"%d" % number)
        file(boxes[0], trash.id, b"%d" % (100 + number))
    together = threading.Barrier(2, timeout=20)
    errors: list[Exception] = []

    def work(box: MailboxStore, source: Folder, target: Folder) -> None:
        together.wait()
        try:
            for _ in range(20):
                uids = [each.uid for each in box.every(source.id)]
                box.move(source.id, uids[:5], target.id)
                box.flag(target.id, uids, add=Flag.SEEN)
                box.flag(target.id, uids, remove=Flag.SEEN)
                box.copy(source.id, uids[5:6], target.id)
                box.expunge(target.id, uids[6:7])
        except Exception as error:  # noqa: BLE001 - told by the test's own thread
            errors.append(error)

    threads = [
        threading.Thread(target=work, args=(boxes[0], inbox, trash)),
        threading.Thread(target=work, args=(boxes[1], trash, inbox)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(40)
    assert errors == []
    check_counters(houses[0], ALPHA)


# ── deleting ─────────────────────────────────────────────────────────────────────────────────────


def test_expunge_returns_what_was_there(house: House, box: MailboxStore, inbox: Folder) -> None:
    assert box.expunge(inbox.id, [4, 2, 2, 99]) == [(2, entry(2)), (4, entry(4))]
    assert sorted(flags(box, inbox.id)) == [1, 3, 5]
    check_counters(house, ALPHA)


def test_folder_is_emptied_of_what_was_in_it(house: House, box: MailboxStore) -> None:
    house.store.deliver(ALPHA, [delivery(entry(number), ALICE) for number in range(1050)])
    inbox = box.special(Use.INBOX)
    assert box.empty(inbox.id) == 1050
    assert box.empty(inbox.id) == 0
    assert counters(box.folder(inbox.id)) == (0, 0, 0)
    assert box.folder(inbox.id).next_uid == 1051
    check_counters(house, ALPHA)


def test_mail_that_comes_while_a_folder_is_emptied_stays(
    house: House, box: MailboxStore, inbox: Folder, gate: Gate
) -> None:
    copy = delivery(entry(9), ALICE)
    postman = threading.Thread(target=house.store.deliver, args=(ALPHA, [copy]))

    def arrive(label: str) -> None:
        if label == "store.commit.before" and not postman.ident:
            postman.start()

    gate(arrive)
    assert box.empty(inbox.id) == 5
    postman.join(20)
    assert sorted(flags(box, inbox.id)) == [6]


# ── filing ───────────────────────────────────────────────────────────────────────────────────────


def test_filed_message_is_read_as_it_was_written(
    house: House, box: MailboxStore, clock: SetClock
) -> None:
    sent = box.special(Use.SENT)
    uid = file(box, sent.id, letter("sent"), flags=Flag.SEEN, entry_id=entry(7))
    message = box.message(sent.id, uid)
    assert message is not None
    assert message.read() == letter("sent")
    assert message.read(9) == b"From: Bob"
    assert (message.size, message.flags) == (len(letter("sent")), Flag.SEEN)
    assert (message.entry_id, message.received_at) == (entry(7), clock.now_us())
    assert counters(box.folder(sent.id)) == (1, 0, message.size)
    assert subjects(box.every(sent.id)) == ["sent"]
    check_counters(house, ALPHA)


def test_delivered_message_is_read_with_its_own_first_lines(
    house: House, box: MailboxStore
) -> None:
    copy = delivery(entry(1), ALICE, prefix=b"Return-Path: <a@b.test>\r\n", octets=letter())
    house.store.deliver(ALPHA, [copy])
    message = box.message(box.special(Use.INBOX).id, 1)
    assert message is not None
    whole = copy.prefix + letter()
    for limit in (0, 5, 30, 10_000):
        assert message.read(limit) == whole[:limit]
    assert b"".join(message.chunks()) == message.read() == whole


def test_large_message_is_filed_as_a_file(house: House, box: MailboxStore) -> None:
    drafts = box.special(Use.DRAFTS)
    uid = file(box, drafts.id, LARGE)
    assert files(house, ALPHA) == named_files(house, ALPHA)
    assert len(files(house, ALPHA)) == 1
    message = box.message(drafts.id, uid)
    assert message is not None
    assert message.content.path is not None
    assert message.read() == LARGE
    box.expunge(drafts.id, [uid])
    assert files(house, ALPHA) == set()


def test_same_key_files_once(house: House, box: MailboxStore, clock: SetClock) -> None:
    sent, drafts = box.special(Use.SENT), box.special(Use.DRAFTS)
    uid = file(box, sent.id, LARGE, key="form 1")
    clock.advance(60)
    assert file(box, sent.id, LARGE, key="form 1") == uid
    assert file(box, sent.id, letter(), key="form 2") == uid + 1
    assert file(box, drafts.id, letter(), key="form 1") == 1  # another folder, another filing
    assert box.folder(sent.id).messages == 2
    clock.advance(4000)
    house.store.files(ALPHA).sweep(clock.at_us / 1e6)
    message = box.message(sent.id, uid)
    assert message is not None
    assert message.read() == LARGE
    check_counters(house, ALPHA)


def test_same_key_does_not_bring_back_what_was_moved_or_deleted(box: MailboxStore) -> None:
    sent, trash = box.special(Use.SENT), box.special(Use.TRASH)
    uid = file(box, sent.id, key="k")
    box.move(sent.id, [uid], trash.id)
    assert file(box, sent.id, key="k") == uid
    assert box.folder(sent.id).messages == 0


def test_key_of_another_mailbox_is_another_key(house: House, box: MailboxStore) -> None:
    for other in (house.store.mailbox(ALPHA, CAROL), house.store.mailbox(BETA, ALICE), box):
        assert file(other, other.special(Use.SENT).id, key="k") == 1
        assert other.usage()[0] == 1


@pytest.mark.parametrize("key", ["x" * 100_000, "\0", "\ud800", "ü", "' OR 1=1"])
def test_any_text_is_a_key(box: MailboxStore, key: str) -> None:
    sent = box.special(Use.SENT)
    assert file(box, sent.id, key=key) == file(box, sent.id, key=key) == 1


def test_same_content_can_be_filed_again_after_a_failure(
    house: House, box: MailboxStore, gate: Gate
) -> None:
    sent = box.special(Use.SENT)
    content = box.content()
    content.write(LARGE)

    def fail(label: str) -> None:
        if label == "store.commit.before":
            raise OSError(errno.EIO, "input/output error")

    gate(fail)
    with pytest.raises(CommitFailed):
        box.append(sent.id, content, key="k")
    gate(lambda label: None)
    assert box.append(sent.id, content, key="k") == 1
    assert box.append(sent.id, content, key="k") == 1
    message = box.message(sent.id, 1)
    assert message is not None
    assert message.read() == LARGE
    check_counters(house, ALPHA)


def test_answer_that_was_lost_after_the_commit_files_nothing_twice(
    open_house: Callable[[], House], gate: Gate
) -> None:
    box = alice(open_house())
    sent = box.special(Use.SENT)

    def crash(label: str) -> None:
        if label == "store.commit.after":
            raise OSError(errno.EIO, "the process ends here")

    gate(crash)
    with pytest.raises((CommitFailed, StoreBusy)):
        file(box, sent.id, LARGE, key="k")
    gate(lambda label: None)
    again = alice(open_house())
    assert file(again, sent.id, LARGE, key="k") == 1
    assert again.folder(sent.id).messages == 1


def test_two_who_file_under_one_key_at_once_file_one_message(
    open_house: Callable[[], House],
) -> None:
    boxes = [alice(open_house()) for _ in range(2)]
    sent = boxes[0].special(Use.SENT)
    boxes[1].folders()
    together = threading.Barrier(2, timeout=20)
    uids: list[int] = []

    def work(box: MailboxStore) -> None:
        together.wait()
        uids.append(file(box, sent.id, key="k"))

    threads = [threading.Thread(target=work, args=(box,)) for box in boxes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert uids == [1, 1]
    assert boxes[0].folder(sent.id).messages == 1


def test_new_version_of_a_draft_replaces_the_old_one(house: House, box: MailboxStore) -> None:
    drafts = box.special(Use.DRAFTS)
    first = file(box, drafts.id, LARGE, flags=Flag.DRAFT | Flag.SEEN, key="save 1")
    second = file(box, drafts.id, letter("2"), flags=Flag.DRAFT, key="save 2", replaces=first)
    assert second > first
    assert subjects(box.every(drafts.id)) == ["2"]
    assert counters(box.folder(drafts.id)) == (1, 1, len(letter("2")))
    assert files(house, ALPHA) == set()
    # the answer was lost, and the browser saves once more
    assert file(box, drafts.id, letter("2"), key="save 2", replaces=first) == second
    # another window has deleted it
    assert file(box, drafts.id, letter("3"), key="save 3", replaces=first) == second + 1
    check_counters(house, ALPHA)


def test_message_never_replaces_itself(box: MailboxStore) -> None:
    drafts = box.special(Use.DRAFTS)
    assert file(box, drafts.id, replaces=1) == 1
    assert box.folder(drafts.id).messages == 1


def test_failed_replacement_leaves_the_old_draft(
    house: House, box: MailboxStore, gate: Gate
) -> None:
    drafts = box.special(Use.DRAFTS)
    uid = file(box, drafts.id, letter("old"))

    def fail(label: str) -> None:
        if label == "store.commit.before":
            raise OSError(errno.ENOSPC, "no space left on device")

    gate(fail)
    with pytest.raises(CommitFailed):
        file(box, drafts.id, letter("new"), replaces=uid)
    gate(lambda label: None)
    assert subjects(box.every(drafts.id)) == ["old"]


def test_message_for_a_folder_that_is_gone_is_not_filed(house: House, box: MailboxStore) -> None:
    with pytest.raises(FolderNotFound):
        file(box, 999, LARGE)
    assert content_count(house) == 0
    assert box.usage() == (0, 0)


# ── looking up ───────────────────────────────────────────────────────────────────────────────────


def test_usage_adds_up_all_folders(box: MailboxStore, inbox: Folder, target: Folder) -> None:
    file(box, target.id, b"x" * 100)
    assert box.usage() == (6, inbox.octets + 100)


def test_message_that_is_gone_is_none(box: MailboxStore, inbox: Folder) -> None:
    box.expunge(inbox.id, [3])
    assert box.message(inbox.id, 3) is None
    assert box.message(inbox.id, 4) is not None


def test_some_messages_are_listed_in_the_order_asked_for(box: MailboxStore, inbox: Folder) -> None:
    assert [each.uid for each in box.listed(inbox.id, [4, 99, 1, 4, 2])] == [4, 1, 2]
    assert box.listed(inbox.id, []) == []


def test_messages_are_listed_by_uid_piece_by_piece(box: MailboxStore, inbox: Folder) -> None:
    assert [each.uid for each in box.every(inbox.id, most=2)] == [1, 2]
    assert [each.uid for each in box.every(inbox.id, after_uid=2, most=2)] == [3, 4]
    assert [each.uid for each in box.every(inbox.id, after_uid=4, most=2)] == [5]
    assert len(box.every(inbox.id, most=0)) == 1
    assert box.every(inbox.id, after_uid=5) == []
