"""A scrub finds what is damaged or does not agree, says so, and mends what can be mended."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from appliance.agents.mta.agent import MtaAgent
from appliance.database.content import INLINE_MAX
from appliance.database.database import Database
from appliance.database.writer import Transaction
from appliance.operations.health import ShowHealth
from appliance.operations.house import House
from appliance.runtime.logs import Logs
from appliance.runtime.removals import Removals
from appliance.store import tables
from appliance.store.mailbox import MailboxStore
from appliance.store.message import Flag, Order
from appliance.upkeep.agreement import RULES
from appliance.upkeep.scrub import Report, Scrub
from tests.support.clock import SetClock
from tests.support.letters import files, mails, query
from tests.support.town import MESSAGE, Town, submit

LARGE = MESSAGE + b"filler\r\n" * (INLINE_MAX // 8)
ALICE, BOB = "alice@alpha.test", "bob@beta.test"
_HOURS_S = 7200


@pytest.fixture(autouse=True)
def _now(clock: SetClock) -> None:
    """Files have the machine's time."""
    clock.at_us = time.time_ns() // 1000


@pytest.fixture
def lived_in(town: Town) -> Town:
    """Something of everything: mail delivered, sorted, read and moved, mail in the queue."""
    house = town.house
    for number in range(4):
        octets = b"Subject: %d\r\n" % number + (LARGE if number == 1 else MESSAGE)
        submit(house, ALICE, BOB, octets=octets)
    logs = Logs(house.home, "MTA")
    agent = MtaAgent(house, logs)
    while agent.work():
        pass
    agent.mark()
    logs.close()
    box = alice(town)
    inbox = _inbox(box)
    box.page(inbox, order=Order.SENDER)
    box.flag(inbox, [1], add=Flag.SEEN)
    box.copy(inbox, [2, 3], box.create_folder("kept").id)
    submit(house, ALICE, octets=MESSAGE)
    submit(house, BOB, octets=LARGE)
    return town


def alice(town: Town) -> MailboxStore:
    found = town.house.directory.mailbox("alice@alpha")
    assert found is not None
    return town.house.store.mailbox(found.postoffice_id, found.id)


def _inbox(box: MailboxStore) -> int:
    return next(each.id for each in box.folders() if each.use == "inbox")


def scrub(town: Town, *, mend: bool = False, quick: bool = False) -> Report:
    return town.do(Scrub(mend=mend, quick=quick))


def kinds(report: Report) -> dict[str, tuple[int, int]]:
    """Return how many of each kind there were, and how many are left."""
    return {each.kind: (each.count, each.left) for each in report.findings}


def store(town: Town) -> Database:
    return town.house.databases.store(alice(town).postoffice_id)


def queue(town: Town) -> Database:
    return town.house.databases.get("queue")


def spoil(database: Database, *statements: str) -> None:
    def job(transaction: Transaction) -> None:
        for each in statements:
            transaction.script(each)

    database.transact(job)


def test_a_home_that_is_whole_has_no_finding(lived_in: Town) -> None:
    found = scrub(lived_in)
    assert found.findings == []
    assert found.contents >= 4 + 2
    assert found.octets > 2 * len(LARGE)
    assert found.unknown == 0


_BREAK: dict[str, tuple[Callable[[Town], Database], tuple[str, ...]]] = {
    "entry-without-content": (queue, ("UPDATE queue_entries SET content_id = content_id + 1000",)),
    "entry-without-recipient": (
        queue,
        (
            (
                "DELETE FROM queue_recipients WHERE entry_id = "
                "(SELECT MIN(entry_id) FROM queue_recipients)"
            ),
        ),
    ),
    "recipient-without-entry": (
        queue,
        ("DELETE FROM queue_entries WHERE id = (SELECT MIN(id) FROM queue_entries)",),
    ),
    "content-without-entry": (
        queue,
        ("DELETE FROM queue_recipients", "DELETE FROM queue_entries"),
    ),
    "message-without-content": (
        store,
        ("DELETE FROM contents WHERE id = (SELECT MIN(content_id) FROM messages)",),
    ),
    "message-without-folder": (store, ("UPDATE messages SET folder_id = folder_id + 1000",)),
    "message-size": (store, ("UPDATE messages SET size = size + 7 WHERE uid = 1",)),
    "folder-counters": (
        store,
        ("UPDATE folders SET messages = messages + 1, octets = 5, next_uid = 1",),
    ),
    "folder-unread": (store, ("UPDATE folders SET unread = unread + 3",)),
    "content-references": (
        store,
        (
            "UPDATE contents SET refs = refs + 2 WHERE id = (SELECT MIN(id) FROM contents)",
            "UPDATE contents SET refs = 0 WHERE id = (SELECT MAX(id) FROM contents)",
        ),
    ),
    "sort-keys-stray": (store, ("UPDATE orders SET uid = uid + 1000 WHERE uid = 1",)),
    "sort-keys-missing": (store, ("DELETE FROM orders WHERE uid = 2",)),
    "mailbox-without-postoffice": (
        lambda town: town.house.databases.get("directory"),
        ("UPDATE mailboxes SET postoffice_id = 1000 + id",),
    ),
    "domain-without-postoffice": (
        lambda town: town.house.databases.get("directory"),
        ("UPDATE domains SET postoffice_id = 1000",),
    ),
    "address-without-mailbox": (
        lambda town: town.house.databases.get("directory"),
        ("UPDATE addresses SET mailbox_id = 1000",),
    ),
}


def test_each_rule_is_broken_by_a_test() -> None:
    assert set(_BREAK) == {rule.name for rules in RULES.values() for rule in rules}


@pytest.mark.parametrize("kind", _BREAK)
def test_what_does_not_agree_is_told_and_mended_where_it_can_be(lived_in: Town, kind: str) -> None:
    database, statements = _BREAK[kind]
    spoil(database(lived_in), *statements)
    count, left = kinds(scrub(lived_in))[kind]
    assert count == left > 0, "it was asked to look, not to mend"
    assert kinds(scrub(lived_in))[kind] == (count, count)
    can_be = next(rule.mend for rules in RULES.values() for rule in rules if rule.name == kind)
    mended = scrub(lived_in, mend=True)
    assert kinds(mended)[kind] == (count, 0 if can_be else count)
    assert (kind in {each.kind for each in mended.left}) is not bool(can_be)
    after = kinds(scrub(lived_in))
    assert after.get(kind, (0, 0)) == ((0, 0) if can_be else (count, count))


def test_mending_counters_and_references_loses_no_mail(lived_in: Town) -> None:
    box = alice(lived_in)
    before = mails(lived_in.house, box.postoffice_id, box.mailbox_id)
    folders = {each.name: (each.messages, each.unread, each.octets) for each in box.folders()}
    spoil(
        store(lived_in),
        "UPDATE contents SET refs = 0",
        "UPDATE folders SET messages = 0, unread = 0, octets = 0, next_uid = 1",
        "UPDATE messages SET size = 1",
        "DELETE FROM orders WHERE uid > 2",
    )
    assert not scrub(lived_in, mend=True).left
    assert scrub(lived_in).findings == []
    assert mails(lived_in.house, box.postoffice_id, box.mailbox_id) == before
    counted = {each.name: (each.messages, each.unread, each.octets) for each in box.folders()}
    assert counted == folders
    listed = box.page(_inbox(box), order=Order.SENDER).messages
    assert sorted(each.uid for each in listed) == sorted(before)


def test_a_content_that_nothing_shows_goes_and_one_that_is_shown_stays(lived_in: Town) -> None:
    box = alice(lived_in)
    gone = f"DELETE FROM messages WHERE uid = 1 AND folder_id = {_inbox(box)}"  # noqa: S608 - a number
    spoil(store(lived_in), gone)
    showing = select(tables.messages.c.content_id).distinct()
    shown = {row[0] for row in query(lived_in.house, box.postoffice_id, showing)}
    scrub(lived_in, mend=True)
    kept = {
        row[0] for row in query(lived_in.house, box.postoffice_id, select(tables.contents.c.id))
    }
    assert kept == shown


@pytest.mark.parametrize("role", ["store", "queue"])
def test_octets_that_have_changed_are_told_with_whose_they_are(lived_in: Town, role: str) -> None:
    database = store(lived_in) if role == "store" else queue(lived_in)
    table = "contents" if role == "store" else "queue_contents"
    hit = f"(SELECT MIN(id) FROM {table} WHERE body IS NOT NULL)"  # noqa: S608 - a table's name
    spoil(database, f"UPDATE {table} SET crc = crc + 1 WHERE id = {hit}")  # noqa: S608 - the same
    (found,) = scrub(lived_in, mend=True).findings
    assert (found.kind, found.count, found.left) == ("damaged-content", 1, 1)
    named = " Inbox uid " if role == "store" else ", of the message 0"
    assert named in found.examples[0]


@pytest.mark.parametrize(
    ("hurt", "kind"),
    [
        (lambda path: path.unlink(), "missing-file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "damaged-content"),
        (lambda path: path.write_bytes(b"X" + path.read_bytes()[1:]), "damaged-content"),
    ],
)
def test_a_large_content_is_compared_with_its_file(
    lived_in: Town, hurt: Callable[[Path], None], kind: str
) -> None:
    box = alice(lived_in)
    (path,) = lived_in.house.store.folder(box.postoffice_id).names()
    octets = path.read_bytes()
    path.unlink()  # another post office's copy may be the same file
    path.write_bytes(octets)
    assert scrub(lived_in).findings == []
    hurt(path)
    (found,) = scrub(lived_in, mend=True).findings
    assert (found.kind, found.count, found.left) == (kind, 1, 1)
    assert "alice@alpha" in found.examples[0]


def test_a_quick_scrub_reads_no_large_content(lived_in: Town) -> None:
    box = alice(lived_in)
    (path,) = lived_in.house.store.folder(box.postoffice_id).names()
    path.write_bytes(b"X" + path.read_bytes()[1:])
    assert scrub(lived_in, quick=True).findings == []
    path.unlink()
    assert kinds(scrub(lived_in, quick=True)) == {"missing-file": (1, 1)}


def test_a_file_that_nothing_names_is_found_and_removed_an_hour_later(
    lived_in: Town, clock: SetClock
) -> None:
    box = alice(lived_in)
    folder = lived_in.house.store.folder(box.postoffice_id)
    stray, queued = folder.make_place("0" * 16), lived_in.house.queue.folder.make_place("1" * 16)
    for path in (stray, queued):
        path.write_bytes(b"nobody's")
    assert scrub(lived_in, mend=True).findings == [], "it may belong to a commit under way"
    clock.advance(_HOURS_S)
    found = scrub(lived_in)
    assert [(each.database, each.kind, each.left) for each in found.findings] == [
        ("queue", "orphaned-file", 1),
        ("store alpha", "orphaned-file", 1),
    ]
    with Removals(lived_in.house.home).held_up():
        assert kinds(scrub(lived_in, mend=True))["orphaned-file"] == (1, 1), "a backup runs"
    assert not scrub(lived_in, mend=True).left
    assert not stray.exists()
    assert not queued.exists()
    assert len(files(lived_in.house, box.postoffice_id)) == 1
    assert scrub(lived_in).findings == []


def test_contents_from_before_there_were_checksums_get_one(lived_in: Town) -> None:
    spoil(store(lived_in), "UPDATE contents SET crc = NULL")
    found = scrub(lived_in)
    assert found.findings == []
    assert found.unknown == 4 if not lived_in.house.databases.url else 8
    assert scrub(lived_in, mend=True).unknown == found.unknown
    assert scrub(lived_in).unknown == 0


def test_what_a_scrub_left_or_mended_is_told_by_diagnose(lived_in: Town) -> None:
    def causes() -> set[str]:
        return {each.cause for each in lived_in.ask(ShowHealth()).findings}

    scrub(lived_in)
    assert not causes() & {"scrub.left", "scrub.mended"}
    spoil(store(lived_in), "UPDATE folders SET unread = 77")
    scrub(lived_in)
    assert "scrub.left" in causes()
    scrub(lived_in, mend=True)
    assert causes() & {"scrub.left", "scrub.mended"} == {"scrub.mended"}
    scrub(lived_in)
    assert not causes() & {"scrub.left", "scrub.mended"}


# ── SQLite's own pages ───────────────────────────────────────────────────────────────────────────


on_sqlite = pytest.mark.parametrize("dialect", ["sqlite"], indirect=True)


def _path(house: House) -> Path:
    return house.home / "postoffices" / "1" / "mail.db"


@on_sqlite
def test_an_index_that_lacks_rows_is_made_again(lived_in: Town) -> None:
    house = lived_in.house
    house.databases.release()
    index, copy = "messages_received", "SELECT folder_id, uid + 50, content_id, entry_id, prefix"
    with closing(sqlite3.connect(_path(house), isolation_level=None)) as raw:
        known = raw.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (index,)).fetchone()[0]
        for text in (f"{known} WHERE uid < 0", known):  # nothing goes into it meanwhile
            raw.execute("PRAGMA writable_schema = ON")
            raw.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (text, index))
            raw.execute("PRAGMA writable_schema = RESET")
            if text != known:
                raw.execute(
                    f"INSERT INTO messages {copy}, size, flags, modseq, received_at "
                    "FROM messages WHERE uid = 1"
                )
    found = scrub(lived_in)
    assert kinds(found)["damaged-index"] == (1, 1)
    assert not scrub(lived_in, mend=True).left
    assert scrub(lived_in).findings == []


@on_sqlite
def test_a_damaged_page_is_told_and_spares_the_others(lived_in: Town) -> None:
    house = lived_in.house
    house.databases.release()
    path = _path(house)
    octets = bytearray(path.read_bytes())
    octets[16384:] = bytes(len(octets) - 16384)
    path.write_bytes(octets)
    found = scrub(lived_in, mend=True)
    assert {each.database for each in found.left} == {"store alpha"}
    assert {each.kind for each in found.left} <= {"damaged-page", "unreadable", "damaged-index"}
    bob = house.directory.mailbox("bob@beta")
    assert bob is not None
    assert len(mails(house, bob.postoffice_id, bob.id)) == 4


@on_sqlite
def test_a_file_that_is_no_database_is_told(lived_in: Town) -> None:
    house = lived_in.house
    house.databases.release()
    _path(house).write_bytes(b"no database" * 5000)
    found = scrub(lived_in)
    assert [(each.database, each.kind) for each in found.left] == [("store alpha", "unreadable")]
    assert json.loads((house.home / "scrub.json").read_text("utf-8"))["findings"]
