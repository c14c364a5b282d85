"""Lists of a folder, page by page: in any order, both ways, at the same cost in any folder."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import select, update

from appliance.database.errors import CommitFailed
from appliance.database.statement import Connection, Statement
from appliance.mail.digest import Digest, digest
from appliance.operations.house import House
from appliance.store import chosen, listing, orders, tables
from appliance.store.errors import BadCursor, FolderNotFound, StoreError
from appliance.store.mailbox import MailboxStore
from appliance.store.message import Flag, Folder, Listed, Order, Use
from tests.support.boxes import (
    ALICE,
    ALPHA,
    alice,
    file,
    letter,
    subjects,
    walk,
    walk_back,
)
from tests.support.clock import SetClock
from tests.support.letters import delivery, entry, files, query

Gate = Callable[[Callable[[str], None]], None]

LETTERS = [  # sender, subject, octets of text
    ("Zoë <zoe@x.test>", "Apples", 30),
    ("Bob <bob@x.test>", "Re: apples", 10),
    ("anton@x.test", "Zebra", 20),
    ("Bob <bob@x.test>", "Fwd: Re: Birds", 10),
    ("Émile <e@x.test>", "", 40),
    ("", "Ärger", 5),
    ("Bob <bob@x.test>", "apples", 10),
]
EXPECTED = {  # uids
    Order.DATE: [1, 2, 3, 4, 5, 6, 7],
    Order.SENDER: [6, 3, 2, 4, 7, 5, 1],
    Order.SUBJECT: [5, 1, 2, 7, 6, 4, 3],
}


@pytest.fixture
def box(house: House) -> MailboxStore:
    return alice(house)


@pytest.fixture
def inbox(house: House, box: MailboxStore, clock: SetClock) -> Folder:
    for number, (sender, subject, size) in enumerate(LETTERS, 1):
        octets = letter(subject, sender, "x" * size)
        house.store.deliver(ALPHA, [delivery(entry(number), ALICE, octets=octets)])
        clock.advance(1)
    return box.special(Use.INBOX)


def uids(listed: list[Listed]) -> list[int]:
    return [each.uid for each in listed]


def expected(box: MailboxStore, folder: Folder, order: Order) -> list[int]:
    if order is Order.SIZE:
        return uids(sorted(box.every(folder.id), key=lambda each: (each.size, each.uid)))
    return EXPECTED[order]


# ── orders ───────────────────────────────────────────────────────────────────────────────────────


def test_newest_messages_come_first(box: MailboxStore, inbox: Folder) -> None:
    page = box.page(inbox.id)
    assert uids(page.messages) == [7, 6, 5, 4, 3, 2, 1]
    assert (page.before, page.after) == ("", "")


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("most", [1, 2, 3, 6, 7, 8])
def test_pages_in_both_directions_are_the_whole_list(
    box: MailboxStore, inbox: Folder, order: Order, descending: bool, most: int
) -> None:
    wanted = expected(box, inbox, order)[:: -1 if descending else 1]
    pages = walk(box, inbox.id, order=order, descending=descending, most=most)
    assert [uid for page in pages for uid in uids(page.messages)] == wanted
    assert [len(page.messages) for page in pages[:-1]] == [most] * (len(pages) - 1)
    assert pages[0].before == ""
    back = walk_back(box, inbox.id, pages[-1], order=order, descending=descending, most=most)
    assert back == pages


@pytest.mark.parametrize("order", Order)
def test_mail_that_comes_between_two_pages_moves_no_other(
    house: House, box: MailboxStore, inbox: Folder, order: Order
) -> None:
    first = box.page(inbox.id, order=order, most=3)
    house.store.deliver(ALPHA, [delivery(entry(8), ALICE, octets=letter("zzz", "Zzz <z@z.test>"))])
    second = box.page(inbox.id, order=order, most=10, after=first.after)
    wanted = expected(box, inbox, order) if order is not Order.SIZE else None
    seen = uids(first.messages) + uids(second.messages)
    assert len(seen) == len(set(seen))
    if wanted:
        assert seen == wanted[::-1]
    assert 8 in uids(box.page(inbox.id, order=order).messages)


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("descending", [True, False])
def test_page_whose_messages_have_gone_leads_back_to_all_before_it(
    box: MailboxStore, inbox: Folder, order: Order, descending: bool
) -> None:
    first = box.page(inbox.id, order=order, descending=descending, most=4)
    rest = box.page(inbox.id, order=order, descending=descending, after=first.after)
    box.expunge(inbox.id, uids(rest.messages))
    gone = box.page(inbox.id, order=order, descending=descending, after=first.after)
    assert (gone.messages, gone.after) == ([], "")
    back = box.page(inbox.id, order=order, descending=descending, most=4, before=gone.before)
    assert uids(back.messages) == uids(first.messages)
    assert (back.before, back.after) == ("", "")


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("descending", [True, False])
def test_page_before_which_all_has_gone_leads_on_to_all_after_it(
    box: MailboxStore, inbox: Folder, order: Order, descending: bool
) -> None:
    first = box.page(inbox.id, order=order, descending=descending, most=3)
    second = box.page(inbox.id, order=order, descending=descending, after=first.after)
    box.expunge(inbox.id, uids(first.messages))
    gone = box.page(inbox.id, order=order, descending=descending, before=second.before)
    assert (gone.messages, gone.before) == ([], "")
    on = box.page(inbox.id, order=order, descending=descending, after=gone.after)
    assert uids(on.messages) == uids(second.messages)
    assert (on.before, on.after) == ("", "")


@pytest.mark.parametrize("order", Order)
def test_empty_folder_has_one_empty_page(box: MailboxStore, order: Order) -> None:
    page = box.page(box.special(Use.JUNK).id, order=order)
    assert (page.messages, page.before, page.after) == ([], "", "")


def test_messages_of_one_moment_stand_by_uid(house: House, box: MailboxStore) -> None:
    house.store.deliver(ALPHA, [delivery(entry(number), ALICE) for number in range(9)])
    inbox = box.special(Use.INBOX)
    for order in Order:
        pages = walk(box, inbox.id, order=order, descending=False, most=2)
        assert [uid for page in pages for uid in uids(page.messages)] == list(range(1, 10))


def test_own_mail_stands_by_its_recipient(box: MailboxStore) -> None:
    sent = box.special(Use.SENT)
    for name in ("Zoe", "Anton", "Mia"):
        file(box, sent.id, b"From: me@x.test\r\nTo: %s <a@x.test>\r\n\r\n" % name.encode())
    page = box.page(sent.id, order=Order.SENDER, descending=False)
    assert uids(page.messages) == [2, 3, 1]


@pytest.mark.parametrize("most", [-1, 0, 1])
def test_page_has_one_message_at_least(box: MailboxStore, inbox: Folder, most: int) -> None:
    assert len(box.page(inbox.id, most=most).messages) == 1


def test_page_has_a_thousand_messages_at_most(house: House, box: MailboxStore) -> None:
    house.store.deliver(ALPHA, [delivery(entry(number), ALICE) for number in range(1001)])
    page = box.page(box.special(Use.INBOX).id, most=5000)
    assert len(page.messages) == 1000
    assert page.after


@pytest.mark.parametrize("cursor", ["x", "date.1", "size.5.1", "date.1.99999999999999999999"])
def test_broken_cursor_is_refused_with_a_text(
    box: MailboxStore, inbox: Folder, cursor: str
) -> None:
    with pytest.raises(BadCursor, match="first page"):
        box.page(inbox.id, after=cursor)
    with pytest.raises(StoreError):
        box.page(inbox.id, before=cursor)
    with pytest.raises(BadCursor, match="not both"):
        box.page(inbox.id, after="date.1.1", before="date.1.1")


def test_cursor_of_anywhere_is_a_place(box: MailboxStore, inbox: Folder) -> None:
    for cursor in ("date.0.0", f"date.{10**18 - 1}.{10**18 - 1}"):
        for descending in (True, False):
            found = [
                box.page(inbox.id, descending=descending, after=cursor),
                box.page(inbox.id, descending=descending, before=cursor),
            ]
            assert sorted(len(page.messages) for page in found) == [0, 7]


# ── keys are made late, and only once ────────────────────────────────────────────────────────────


def keys(house: House) -> list[int]:
    rows = query(house, ALPHA, select(tables.orders.c.uid).order_by(tables.orders.c.uid))
    return [uid for (uid,) in rows]


def test_folder_that_nobody_sorts_has_no_keys(
    house: House, box: MailboxStore, inbox: Folder
) -> None:
    box.page(inbox.id)
    assert keys(house) == []


def test_sorted_folder_is_brought_up_to_date_by_listing_it(
    house: House, box: MailboxStore, inbox: Folder
) -> None:
    box.page(inbox.id, order=Order.SIZE)
    assert keys(house) == [1, 2, 3, 4, 5, 6, 7]
    house.store.deliver(ALPHA, [delivery(entry(8), ALICE)])
    file(box, inbox.id)
    assert keys(house) == [1, 2, 3, 4, 5, 6, 7]
    box.page(inbox.id, order=Order.SENDER)
    assert keys(house) == [1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_messages_that_leave_a_sorted_folder_take_their_keys_along(
    house: House, box: MailboxStore, inbox: Folder
) -> None:
    box.page(inbox.id, order=Order.SUBJECT)
    house.store.expunge(ALPHA, inbox.id, [1])  # as POP3 does
    box.expunge(inbox.id, [2])
    box.move(inbox.id, [3], box.special(Use.TRASH).id)
    assert keys(house) == [4, 5, 6, 7]
    box.empty(inbox.id)
    assert keys(house) == []
    assert box.page(inbox.id, order=Order.SUBJECT).messages == []


def test_keys_of_a_deleted_mailbox_and_folder_are_gone(
    house: House, box: MailboxStore, inbox: Folder
) -> None:
    folder = box.create_folder("other")
    box.copy(inbox.id, [1, 2], folder.id)
    for each in (inbox, folder):
        box.page(each.id, order=Order.SIZE)
    box.delete_folder(folder.id)
    assert keys(house) == [1, 2, 3, 4, 5, 6, 7]
    house.store.remove_mailbox(ALPHA, ALICE)
    assert keys(house) == []


def test_large_folder_is_sorted_in_several_commits(
    house: House, box: MailboxStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "_AT_ONCE", 3)
    house.store.deliver(ALPHA, [delivery(entry(number), ALICE) for number in range(10)])
    inbox = box.special(Use.INBOX)
    box.expunge(inbox.id, [2, 3, 10])
    assert len(box.page(inbox.id, order=Order.SIZE).messages) == 7
    assert keys(house) == [1, 4, 5, 6, 7, 8, 9]


def test_what_changes_while_a_folder_is_sorted_is_neither_lost_nor_kept_twice(
    open_house: Callable[[], House], gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "_AT_ONCE", 2)
    house, other = open_house(), open_house()
    house.store.deliver(ALPHA, [delivery(entry(number), ALICE) for number in range(6)])
    box, beside = alice(house), alice(other)
    inbox = box.special(Use.INBOX)
    beside.folders()
    real, turns = orders._new_keys, []  # noqa: SLF001 - between reading and writing

    def meanwhile(*given: object) -> object:
        found = real(*given)  # type: ignore[arg-type] # passed on
        turns.append(1)
        if len(turns) == 1:
            beside.expunge(inbox.id, [1])
        elif len(turns) == 2:
            beside.page(inbox.id, order=Order.SIZE)
            other.store.deliver(ALPHA, [delivery(entry(9), ALICE)])
        return found

    monkeypatch.setattr(orders, "_new_keys", meanwhile)
    box.page(inbox.id, order=Order.SIZE)
    assert uids(box.page(inbox.id, order=Order.SIZE).messages) == [7, 6, 5, 4, 3, 2]
    assert keys(house) == [2, 3, 4, 5, 6, 7]


# ── cost ─────────────────────────────────────────────────────────────────────────────────────────


def plan(connection: Connection, statement: Statement) -> str:
    """Ask SQLite how it would go about a statement."""
    text = statement.on("sqlite")
    names = dict.fromkeys(("folder", "from_key", "from_uid", "most", "chosen", "after"))
    cursor = connection.raw_cursor()
    cursor.execute(f"EXPLAIN QUERY PLAN {text.text}", {**names, **text.fixed})
    return "\n".join(row[3] for row in cursor.fetchall())


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("upwards", [True, False])
@pytest.mark.parametrize("starts", [True, False])
def test_page_is_read_from_one_index_without_sorting(
    house: House, order: Order, upwards: bool, starts: bool
) -> None:
    index = "messages_received" if order is Order.DATE else f"orders_{order}"
    with house.databases.store(ALPHA).reader() as connection:
        found = plan(connection, listing._positions(order, upwards, starts))  # noqa: SLF001 - its text
    assert f"USING COVERING INDEX {index} (folder_id=?" in found
    assert (">" in found or "<" in found) is starts  # it begins at the cursor, not before it
    assert "TEMP B-TREE" not in found
    assert "SCAN" not in found


@pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)
def test_rows_are_looked_up_by_their_keys(house: House) -> None:
    with house.databases.store(ALPHA).reader() as connection:
        rows = plan(connection, listing._ROWS._statements["sqlite"])  # noqa: SLF001 - their texts
        by_uid = plan(connection, listing._UIDS)  # noqa: SLF001 - the same
    assert "SEARCH messages USING PRIMARY KEY (folder_id=? AND uid=?)" in rows
    assert "SEARCH contents USING INTEGER PRIMARY KEY (rowid=?)" in rows
    assert "SEARCH messages USING PRIMARY KEY (folder_id=? AND uid>?)" in by_uid
    assert "TEMP B-TREE" not in by_uid


@pytest.mark.parametrize("order", Order)
def test_page_asks_the_same_few_questions_of_any_folder(
    house: House, box: MailboxStore, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    real = Connection._execute  # noqa: SLF001 - what all questions go through

    def count(self: Connection, sql: object, params: object) -> object:
        asked.append(sql)
        return real(self, sql, params)  # type: ignore[arg-type] # passed on

    costs = []
    for messages in (20, 2000):
        folder = box.create_folder(f"with {messages}")
        inbox = box.special(Use.INBOX)
        first = inbox.next_uid
        letters = [delivery(entry(first + n), ALICE, octets=letter()) for n in range(messages)]
        house.store.deliver(ALPHA, letters)
        box.move(inbox.id, range(first, first + messages), folder.id)
        page = box.page(folder.id, order=order, most=10)
        box.page(folder.id, order=order, most=10, after=page.after)
        asked.clear()
        monkeypatch.setattr(Connection, "_execute", count)
        box.page(folder.id, order=order, most=10, after=page.after)
        monkeypatch.setattr(Connection, "_execute", real)
        costs.append(len(asked))
    assert costs[0] == costs[1] <= 4


# ── digests ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def digested(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What digests are made of, each time one is made."""
    made: list[bytes] = []

    def make(octets: bytes) -> Digest:
        made.append(octets)
        return digest(octets)

    monkeypatch.setattr("appliance.store.contents.digest", make)
    return made


def test_digest_is_made_when_a_message_is_listed_first(
    house: House, box: MailboxStore, digested: list[bytes]
) -> None:
    house.store.deliver(ALPHA, [delivery(entry(1), ALICE, octets=letter(body="Good morning"))])
    inbox = box.special(Use.INBOX)
    assert digested == []
    for listed in (box.page(inbox.id).messages, box.every(inbox.id), box.listed(inbox.id, [1])):
        assert [each.digest.preview for each in listed] == ["Good morning"]
    assert digested == [letter(body="Good morning")]


def test_digest_is_shared_by_all_copies(
    house: House, box: MailboxStore, digested: list[bytes]
) -> None:
    copies = [delivery(entry(1), mailbox, number=mailbox, of=2) for mailbox in (ALICE, 12)]
    house.store.deliver(ALPHA, copies)
    inbox = box.special(Use.INBOX)
    box.copy(inbox.id, [1], inbox.id)
    assert len({each.digest for each in box.page(inbox.id).messages}) == 1
    other = house.store.mailbox(ALPHA, 12)
    other.page(other.special(Use.INBOX).id)
    assert len(digested) == 1


def test_digest_needs_the_beginning_of_a_large_content_only(
    box: MailboxStore, digested: list[bytes]
) -> None:
    drafts = box.special(Use.DRAFTS)
    file(box, drafts.id, letter(body="Beginning " + "x" * 500_000))
    (listed,) = box.every(drafts.id)
    assert listed.digest.preview.startswith("Beginning x")
    assert [len(octets) for octets in digested] == [256 << 10]


def test_digest_of_another_version_is_made_again(
    house: House, box: MailboxStore, inbox: Folder, digested: list[bytes]
) -> None:
    for text in ("[]", "rubbish", "{}", "[1,2,3,4,5,6,7,8,9]"):
        house.databases.store(ALPHA).transact(
            lambda tx, text=text: tx.run(update(tables.contents).values(digest=text))  # type: ignore[misc] # one turn's
        )
        digested.clear()
        assert box.page(inbox.id).messages[0].digest.preview == "x" * 10
        assert len(digested) == 7
        box.page(inbox.id)
        assert len(digested) == 7


def test_digest_that_cannot_be_kept_is_shown_all_the_same(
    house: House, box: MailboxStore, inbox: Folder, gate: Gate, digested: list[bytes]
) -> None:
    def fail(label: str) -> None:
        if label == "store.mark.before":
            raise OSError("the disk is full")

    gate(fail)
    assert box.page(inbox.id).messages[0].digest.preview == "x" * 10
    assert box.page(inbox.id).messages[0].digest.preview == "x" * 10
    assert len(digested) == 14
    with pytest.raises(CommitFailed):
        box.page(inbox.id, order=Order.SIZE)  # keys are needed for the order itself
    gate(lambda label: None)
    box.page(inbox.id)
    box.page(inbox.id)
    assert len(digested) == 21


def test_message_whose_file_is_missing_is_listed_without_a_preview(
    house: House, box: MailboxStore
) -> None:
    drafts = box.special(Use.DRAFTS)
    file(box, drafts.id, letter("lost", body="x" * 200_000))
    (name,) = files(house, ALPHA)
    house.store.folder(ALPHA).remove(name)
    (listed,) = box.page(drafts.id).messages
    assert (listed.summary.subject, listed.digest) == ("lost", Digest())


def test_marks_of_a_whole_folder_come_by_uid_piece_by_piece(
    box: MailboxStore, inbox: Folder
) -> None:
    kinds = (Flag.SEEN, Flag(0), Flag.FLAGGED)
    wanted = [(file(box, inbox.id, letter(), flags=flags), flags) for flags in kinds]
    found, after = [], 0
    while piece := box.marks(inbox.id, after_uid=after, most=2):
        found += piece
        after = piece[-1][0]
    assert found[-3:] == wanted
    assert [uid for uid, _ in found] == sorted(uid for uid, _ in found)
    assert box.marks(inbox.id, after_uid=-5, most=0) == found[:1]
    with pytest.raises(FolderNotFound):
        box.marks(inbox.id + 1000)


def test_more_messages_than_one_query_takes_are_listed(house: House, box: MailboxStore) -> None:
    copies = [delivery(entry(n), ALICE, octets=letter(f"{n}")) for n in range(1100)]
    house.store.deliver(ALPHA, copies)
    inbox = box.special(Use.INBOX)
    assert chosen.AT_ONCE < 1100
    wanted = list(range(1100, 0, -1))
    listed = box.listed(inbox.id, wanted)
    assert uids(listed) == wanted
    assert subjects(listed)[:2] == ["1099", "1098"]
