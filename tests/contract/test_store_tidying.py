"""What housekeeping does in the store for mailboxes, and the way from the first tables to these."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Table, insert, select

from appliance.agents.housekeeping import chores
from appliance.database import migrate
from appliance.database.database import Database
from appliance.database.databases import Databases
from appliance.database.errors import CommitFailed, SchemaMismatch
from appliance.database.postgresql import PostgresEngine
from appliance.database.schema import ensure, version
from appliance.database.sqlite import SqliteEngine
from appliance.operations.house import SCHEMAS, House
from appliance.store import tables
from appliance.store.mailbox import MailboxStore
from appliance.store.message import Order, Use
from appliance.store.store import Store
from tests.support.boxes import file, letter
from tests.support.clock import SetClock
from tests.support.letters import entry, query
from tests.support.town import Town

DAY_S = 86_400

Gate = Callable[[Callable[[str], None]], None]


@pytest.fixture
def box(town: Town) -> MailboxStore:
    """The mailbox of alice@alpha."""
    found = town.house.directory.postoffice("alpha")
    assert found is not None
    return town.house.store.mailbox(found.id, 11)


def test_keys_of_filed_messages_are_forgotten_after_a_week(
    house: House, box: MailboxStore, clock: SetClock
) -> None:
    sent = box.special(Use.SENT)
    assert file(box, sent.id, key="old") == 1
    clock.advance(6 * DAY_S)
    assert file(box, sent.id, key="new") == 2
    assert chores.forget_filings(house) == ""
    clock.advance(1 * DAY_S + 1)
    assert chores.forget_filings(house) == "1 keys of filed messages forgotten"
    assert chores.forget_filings(house) == ""
    assert file(box, sent.id, key="new") == 2
    assert file(box, sent.id, key="old") == 3


def test_folders_that_were_being_deleted_are_removed(
    house: House, box: MailboxStore, gate: Gate
) -> None:
    folder = box.create_folder("old")
    file(box, folder.id, key="k")
    box.page(folder.id, order=Order.SIZE)
    commits: list[str] = []

    def fail(label: str) -> None:
        commits.append(label)
        if label == "store.commit.before" and commits.count(label) > 1:
            raise OSError("the process ends here")

    gate(fail)
    box.delete_folder(folder.id)
    gate(lambda label: None)
    assert chores.remove_deleted_folders(house) == "1 deleted folders removed"
    assert chores.remove_deleted_folders(house) == ""
    for table in (tables.messages, tables.contents, tables.orders, tables.filings):
        assert query(house, box.postoffice_id, select(table)) == []


def test_chores_are_done_by_the_agent() -> None:
    assert {chores.forget_filings, chores.remove_deleted_folders} <= set(chores.CHORES)


def test_removal_of_a_mailbox_can_be_taken_up_again(
    house: House, box: MailboxStore, gate: Gate
) -> None:
    for _ in range(3):
        file(box, box.special(Use.SENT).id, key="k")
    file(box, box.create_folder("mine").id)

    def fail(label: str) -> None:
        if label == "store.commit.before":
            raise OSError("the process ends here")

    gate(fail)
    with pytest.raises(CommitFailed):
        house.store.remove_mailbox(box.postoffice_id, box.mailbox_id)
    gate(lambda label: None)
    house.store.remove_mailbox(box.postoffice_id, box.mailbox_id)
    for table in (tables.folders, tables.messages, tables.contents, tables.filings):
        assert query(house, box.postoffice_id, select(table)) == []


# ── from store0001 ───────────────────────────────────────────────────────────────────────────────

OCTETS = letter("from before", body="Good morning")
FIRST: list[tuple[Table, dict[str, object]]] = [
    (
        tables.contents,
        {
            "postoffice_id": 1,
            "size": len(OCTETS),
            "refs": 1,
            "body": OCTETS,
            "summary": '["<i@x>","from before"]',
        },
    ),
    (
        tables.folders,
        {
            "postoffice_id": 1,
            "mailbox_id": 11,
            "name": "Inbox",
            "use": "inbox",
            "uid_validity": 7,
            "next_uid": 2,
            "messages": 1,
            "unread": 1,
            "octets": len(OCTETS),
            "modseq": 2,
        },
    ),
    (
        tables.messages,
        {
            "folder_id": 1,
            "uid": 1,
            "content_id": 1,
            "entry_id": entry(1),
            "prefix": b"",
            "size": len(OCTETS),
            "flags": 0,
            "modseq": 2,
            "received_at": 5_000_000,
        },
    ),
]


def put(database: Database, table: Table, row: dict[str, object]) -> None:
    database.transact(lambda tx: tx.run(insert(table).values(row)))


def test_mail_of_the_first_version_is_there_after_the_upgrade(
    dialect: str, tmp_path: Path, request: pytest.FixtureRequest, clock: SetClock
) -> None:
    url = ""
    if dialect == "sqlite":
        path = tmp_path / "postoffices" / "1" / "mail.db"
        path.parent.mkdir(parents=True)
        database = Database(SqliteEngine(path), name="store")
    else:
        url = request.getfixturevalue("new_postgresql")()
        database = Database(PostgresEngine(url), name="store")
    migrate.upgrade(database, tables.SCHEMA, to="store0001")
    for table, row in FIRST:
        put(database, table, row)
    with pytest.raises(SchemaMismatch, match="posthouse upgrade"):
        ensure(database, tables.SCHEMA)
    migrate.upgrade(database, tables.SCHEMA)
    assert version(database, tables.SCHEMA) == tables.SCHEMA.head
    database.release()
    databases = Databases(tmp_path, url, SCHEMAS)
    box = Store(databases, clock=clock).mailbox(1, 11)
    try:
        inbox = box.special(Use.INBOX)
        assert (inbox.id, inbox.messages, inbox.next_uid) == (1, 1, 2)
        for order in Order:
            (listed,) = box.page(inbox.id, order=order).messages
            assert (listed.summary.subject, listed.digest.preview) == (
                "from before",
                "Good morning",
            )
        message = box.message(1, 1)
        assert message is not None
        assert message.read() == OCTETS
        assert file(box, inbox.id, key="k") == 2
        box.expunge(inbox.id, [1, 2])
        assert box.usage() == (0, 0)
    finally:
        databases.release()
