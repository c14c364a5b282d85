"""A mailbox's folders: the standard ones, one's own, and nobody else's."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import select

from appliance.database.errors import CommitFailed
from appliance.operations.house import House
from appliance.store import folders as folder_rows
from appliance.store import tables
from appliance.store.errors import (
    BadFolderName,
    FolderExists,
    FolderNotFound,
    FolderProtected,
    TooManyFolders,
)
from appliance.store.mailbox import MailboxStore
from appliance.store.message import STANDARD_FOLDERS, Flag, Order, Use
from tests.support.boxes import ALICE, ALPHA, BETA, CAROL, alice, file, letter
from tests.support.clock import SetClock
from tests.support.letters import check_counters, delivery, entry, files, query

STANDARD = [name for name, _ in STANDARD_FOLDERS]


def names(box: MailboxStore) -> list[str]:
    return [folder.name for folder in box.folders()]


# ── the standard folders ─────────────────────────────────────────────────────────────────────────


def test_new_mailbox_has_the_standard_folders_in_their_order(house: House) -> None:
    assert names(alice(house)) == STANDARD  # RFC 6154
    assert [folder.use for folder in alice(house).folders()] == [use for _, use in STANDARD_FOLDERS]


def test_standard_folders_are_made_once(house: House) -> None:
    house.store.deliver(ALPHA, [delivery(entry(1), ALICE)])
    box = alice(house)
    before = box.folders()
    assert [folder.messages for folder in before] == [1, 0, 0, 0, 0]
    assert box.folders() == before
    assert box.special(Use.INBOX) == before[0] == house.store.inbox(ALPHA, ALICE)


@pytest.mark.parametrize("use", Use)
def test_special_folder_is_made_when_it_is_asked_for(house: House, use: Use) -> None:
    folder = alice(house).special(use)
    assert folder.use == use
    assert alice(house).folder(folder.id) == folder
    assert (folder.messages, folder.unread, folder.octets, folder.next_uid) == (0, 0, 0, 1)


@pytest.mark.parametrize("use", Use)
def test_special_folder_can_be_neither_renamed_nor_deleted(house: House, use: Use) -> None:
    box = alice(house)
    folder = box.special(use)
    with pytest.raises(FolderProtected, match=folder.name):
        box.rename_folder(folder.id, "other")
    with pytest.raises(FolderProtected, match=folder.name):
        box.delete_folder(folder.id)
    assert names(box) == STANDARD


# ── making and naming ────────────────────────────────────────────────────────────────────────────


def test_own_folders_follow_the_standard_ones_by_name(house: House) -> None:
    box = alice(house)
    for name in ("zoo", "Ärger", "anton", "Berta", "Projekte 2026"):
        folder = box.create_folder(name)
        assert (folder.name, folder.use, folder.messages) == (name, "", 0)
    assert names(box) == [*STANDARD, "anton", "Ärger", "Berta", "Projekte 2026", "zoo"]


def test_folder_keeps_its_messages_when_it_is_renamed(house: House) -> None:
    box = alice(house)
    folder = box.create_folder("old")
    uid = file(box, folder.id)
    renamed = box.rename_folder(folder.id, " new ")
    assert (renamed.id, renamed.name, renamed.messages) == (folder.id, "new", 1)
    assert renamed.uid_validity == folder.uid_validity
    assert box.message(folder.id, uid) is not None
    assert names(box) == [*STANDARD, "new"]


def test_folder_may_change_its_capitals(house: House) -> None:
    box = alice(house)
    folder = box.create_folder("invoices")
    assert box.rename_folder(folder.id, "Invoices").name == "Invoices"
    assert box.rename_folder(folder.id, "Invoices").name == "Invoices"


@pytest.mark.parametrize("taken", ["Invoices", "INVOICES", "  invoices ", "inbox", "DRAFTS"])
def test_name_is_taken_whatever_its_capitals(house: House, taken: str) -> None:
    box = alice(house)
    box.create_folder("Invoices")
    other = box.create_folder("other")
    with pytest.raises(FolderExists, match="choose another name"):
        box.create_folder(taken)
    with pytest.raises(FolderExists):
        box.rename_folder(other.id, taken)
    assert names(box) == [*STANDARD, "Invoices", "other"]


def test_standard_names_are_taken_before_any_folder_is_there(house: House) -> None:
    with pytest.raises(FolderExists):
        alice(house).create_folder("sent items")


def test_one_way_of_writing_a_letter_counts(house: House) -> None:
    box = alice(house)
    assert box.create_folder("A\u0308rger").name == "Ärger"
    with pytest.raises(FolderExists):
        box.create_folder("Ärger")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "a/b",
        "/",
        "two\nlines",
        "a\0b",
        "tab\there",
        ".",
        "..",
        "\ud800",
        "\u2028",
        "x" * 101,
    ],
)
def test_bad_name_is_refused_with_a_text(house: House, name: str) -> None:
    box = alice(house)
    folder = box.create_folder("fine")
    with pytest.raises(BadFolderName, match="name"):
        box.create_folder(name)
    with pytest.raises(BadFolderName, match="name"):
        box.rename_folder(folder.id, name)
    assert names(box) == [*STANDARD, "fine"]


@pytest.mark.parametrize("name", ["x" * 100, "a\\b", "…", "%", "'; --", "Père Noël 👩‍👧"])
def test_name_of_one_line_is_taken(house: House, name: str) -> None:
    box = alice(house)
    assert box.create_folder(name).name == name
    assert names(box) == [*STANDARD, name]


def test_number_of_folders_is_bounded(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_rows, "MAX_FOLDERS", 7)
    box = alice(house)
    box.create_folder("6")
    box.create_folder("7")
    with pytest.raises(TooManyFolders, match="7 folders"):
        box.create_folder("8")


def test_of_two_who_make_the_same_folder_at_once_one_is_told(
    open_house: Callable[[], House],
) -> None:
    houses = [open_house() for _ in range(2)]
    boxes = [alice(house) for house in houses]
    for box in boxes:
        box.folders()
    together = threading.Barrier(2, timeout=20)
    told: list[str] = []

    def make(box: MailboxStore, name: str) -> None:
        together.wait()
        try:
            told.append(box.create_folder(name).name)
        except FolderExists:
            told.append("exists")

    for turn in range(5):
        threads = [
            threading.Thread(target=make, args=(box, f"{name} {turn}"))
            for box, name in zip(boxes, ("folder", "FOLDER"), strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert told.count("exists") == 5
    assert len(names(boxes[0])) == 10


# ── deleting ─────────────────────────────────────────────────────────────────────────────────────


def test_deleted_folder_is_gone_with_its_messages(house: House) -> None:
    box = alice(house)
    folder, other = box.create_folder("old"), box.create_folder("other")
    file(box, folder.id, b"x" * 200_000)
    file(box, folder.id, key="once")
    file(box, other.id)
    box.page(folder.id, order=Order.SIZE)
    box.delete_folder(folder.id)
    assert names(box) == [*STANDARD, "other"]
    assert box.usage()[0] == 1
    assert files(house, ALPHA) == set()
    check_counters(house, ALPHA)
    with pytest.raises(FolderNotFound, match="deleted"):
        box.folder(folder.id)
    with pytest.raises(FolderNotFound):
        box.delete_folder(folder.id)


def test_name_of_a_deleted_folder_is_free_again_for_another_one(
    house: House, clock: SetClock
) -> None:
    box = alice(house)
    old = box.create_folder("mine")
    file(box, old.id)
    box.delete_folder(old.id)
    clock.advance(1)
    new = box.create_folder("mine")
    assert new.id > old.id
    assert new.uid_validity > old.uid_validity
    assert box.every(new.id) == []


def test_folder_of_several_commits_is_deleted(house: House) -> None:
    box = alice(house)
    house.store.deliver(ALPHA, [delivery(entry(number), ALICE) for number in range(1100)])
    inbox, folder = box.special(Use.INBOX), box.create_folder("many")
    assert len(box.move(inbox.id, range(1, 1101), folder.id)) == 1100
    box.delete_folder(folder.id)
    assert box.usage() == (0, 0)
    check_counters(house, ALPHA)


def test_deletion_that_was_cut_off_is_finished_by_housekeeping(
    house: House, gate: Callable[[Callable[[str], None]], None]
) -> None:
    box = alice(house)
    folder = box.create_folder("old")
    file(box, folder.id)
    commits: list[str] = []

    def fail(label: str) -> None:
        if label == "store.commit.before":
            commits.append(label)
            if len(commits) > 1:
                raise OSError("the disk is full")

    gate(fail)
    box.delete_folder(folder.id)  # it is gone; what is left of it is nobody's
    gate(lambda label: None)
    assert names(box) == STANDARD
    assert box.usage() == (0, 0)
    assert house.store.usages(ALPHA) == {ALICE: (0, 0)}
    with pytest.raises(FolderNotFound):
        box.every(folder.id)
    assert query(house, ALPHA, select(tables.messages.c.uid)) != []
    assert house.store.remove_deleted_folders(ALPHA) == 1
    assert query(house, ALPHA, select(tables.messages.c.uid)) == []
    assert house.store.remove_deleted_folders(ALPHA) == 0
    check_counters(house, ALPHA)


def test_failed_deletion_leaves_the_folder(
    house: House, gate: Callable[[Callable[[str], None]], None]
) -> None:
    box = alice(house)
    folder = box.create_folder("kept")
    file(box, folder.id)

    def fail(label: str) -> None:
        if label == "store.commit.before":
            raise OSError("the disk is full")

    gate(fail)
    with pytest.raises(CommitFailed):
        box.delete_folder(folder.id)
    gate(lambda label: None)
    assert box.folder(folder.id).messages == 1


# ── whose they are ───────────────────────────────────────────────────────────────────────────────

STRANGERS = [(ALPHA, CAROL), (BETA, ALICE), (BETA, CAROL)]


@pytest.mark.parametrize("stranger", STRANGERS)
def test_folder_of_somebody_else_is_found_by_no_method(
    house: House, stranger: tuple[int, int]
) -> None:
    box, other = alice(house), house.store.mailbox(*stranger)
    for each in (box, other):  # on SQLite each post office numbers its own folders
        each.folders()
    mine = box.create_folder("mine")
    uid = file(box, mine.id, flags=Flag.FLAGGED)
    theirs = other.special(Use.INBOX)
    for call in calls(other, mine.id, theirs.id, uid):
        with pytest.raises(FolderNotFound):
            call()
    assert box.folder(mine.id) == box.folders()[-1]
    assert box.folder(mine.id).messages == 1
    assert other.usage() == (0, 0)


@pytest.mark.parametrize("folder_id", [0, -1, 999, 2**63, 2**80])
def test_folder_that_is_not_there_is_found_by_no_method(house: House, folder_id: int) -> None:
    box = alice(house)
    inbox = box.special(Use.INBOX)
    for call in calls(box, folder_id, inbox.id, 1):
        with pytest.raises(FolderNotFound, match="no folder"):
            call()


def calls(box: MailboxStore, folder_id: int, own_id: int, uid: int) -> list[Callable[[], object]]:
    return [
        lambda: box.folder(folder_id),
        lambda: box.rename_folder(folder_id, "taken over"),
        lambda: box.delete_folder(folder_id),
        lambda: box.page(folder_id),
        lambda: box.page(folder_id, order=Order.SUBJECT),
        lambda: box.listed(folder_id, [uid]),
        lambda: box.every(folder_id),
        lambda: box.marks(folder_id),
        lambda: box.message(folder_id, uid),
        lambda: box.flag(folder_id, [uid], add=Flag.SEEN),
        lambda: box.flag(folder_id, [], add=Flag.SEEN),
        lambda: box.move(folder_id, [uid], own_id),
        lambda: box.move(own_id, [uid], folder_id),
        lambda: box.copy(folder_id, [uid], own_id),
        lambda: box.copy(own_id, [], folder_id),
        lambda: box.expunge(folder_id, [uid]),
        lambda: box.expunge(folder_id, []),
        lambda: box.empty(folder_id),
        lambda: file(box, folder_id, letter("smuggled in"), key="k", replaces=uid),
    ]


def test_two_mailboxes_may_have_folders_of_one_name(house: House) -> None:
    box, other = alice(house), house.store.mailbox(ALPHA, CAROL)
    one, two = box.create_folder("same"), other.create_folder("same")
    assert one.id != two.id
    file(box, one.id)
    assert (box.usage()[0], other.usage()[0]) == (1, 0)
    house.store.remove_mailbox(ALPHA, ALICE)
    assert names(other) == [*STANDARD, "same"]
