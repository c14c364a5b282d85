"""Fills a home of Posthouse before its services start: tenants, mailboxes, mail, queue.

Everything goes through the appliance's own rooms (operations, store, queue), many in a commit; only
a million queue entries are multiplied in the database, from one that was submitted.

Never: works on a home whose services run.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from clients import Account

from appliance.database.content import Content
from appliance.database.databases import PATHS
from appliance.directory.passwords import hash_password
from appliance.directory.records import Mailbox
from appliance.mail.address import Address
from appliance.mail.envelope import Envelope, Recipient
from appliance.mail.headers import scan
from appliance.operations.domains import CreateDomain
from appliance.operations.house import House
from appliance.operations.mailboxes import CreateMailbox
from appliance.operations.operation import Call, Change, Work, perform
from appliance.operations.postoffices import CreatePostOffice
from appliance.operations.settings import ChangeSetting
from appliance.queue import tables
from appliance.queue.entry import Origin, State
from appliance.rules.access import Actor, ActorKind
from appliance.store.message import Delivery

__all__ = ["PASSWORD", "change_settings", "make_accounts", "put_messages", "put_queue"]

PASSWORD = "correct horse battery staple"
_CALL = Call(Actor(ActorKind.SERVICE, "bench"), "bench")
_BATCH = 500


def change_settings(house: House, settings: Mapping[str, str]) -> None:
    """Sets settings by the operation that the command line uses."""
    for name, value in settings.items():
        perform(house, _CALL, ChangeSetting(setting=name, value=value))


def make_accounts(house: House, *, mailboxes: int, postoffices: int) -> list[Account]:
    """Makes mailboxes m1, m2, … spread over post offices of a domain each.

    One post office is the demonstration's own, several are new ones: po1 with po1.test, …. All have
    one password and one hash of it, so that ten thousand are made in seconds.
    """
    changes: list[Change[Any]] = []
    accounts: list[Account] = []
    names = ["demo"] if postoffices == 1 else [f"po{n}" for n in range(1, postoffices + 1)]
    if postoffices > 1:
        for name in names:
            changes.append(CreatePostOffice(postoffice=name, password=PASSWORD))
            changes.append(CreateDomain(domain=f"{name}.test", postoffice=name))
    for number in range(1, mailboxes + 1):
        name = names[(number - 1) % len(names)]
        changes.append(CreateMailbox(mailbox=f"m{number}@{name}", password=PASSWORD))
        accounts.append(Account(f"m{number}@{name}", f"m{number}@{name}.test", PASSWORD))
    _apply(house, changes)
    return accounts


def _apply(house: House, changes: Sequence[Change[Any]]) -> None:
    """Makes many changes in few commits; each by its own `apply`, with its revision."""
    hashed = hash_password(PASSWORD)
    directory = house.databases.get("directory")
    for start in range(0, len(changes), _BATCH):
        some = changes[start : start + _BATCH]

        def job(transaction: Any, some: Iterable[Change[Any]] = some) -> None:  # noqa: ANN401
            transaction.alone("directory")
            for change in some:
                change.apply(Work(house, _CALL, change, hashed, transaction))

        directory.transact(job)


def put_messages(house: House, mailbox: Mailbox, count: int, size: int = 0) -> None:
    """Delivers messages with at least `size` octets of text, five hundred a commit."""
    padding = (b"X" * 78 + b"\r\n") * (size // 80)
    for start in range(0, count, _BATCH):
        deliveries = []
        for number in range(start, min(start + _BATCH, count)):
            octets = (
                f"From: Person {number % 977} <p{number % 977}@example.net>\r\n"
                f"To: {mailbox.login}\r\nSubject: Subject {number * 7919 % 100_003}\r\n"
                "Date: Sun, 22 Nov 2026 12:00:00 +0000\r\n\r\n"
                f"The text of message {number}, which says something.\r\n"
            ).encode() + padding
            entry = f"{mailbox.id:05}-{number:010}"
            deliveries.append(
                Delivery(
                    id=f"{entry}.0",
                    entry_id=entry,
                    mailbox_id=mailbox.id,
                    content=Content(len(octets), octets, None),
                    of=1,
                    prefix=b"Return-Path: <p@example.net>\r\n",
                    summary=scan(octets).to_json(),
                )
            )
        house.store.deliver(mailbox.postoffice_id, deliveries)


LETTER = (
    b"From: <sender@sender.test>\r\nTo: <somebody@elsewhere.test>\r\nSubject: queued\r\n"
    b"Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-Id: <queued.bench@sender.test>\r\n\r\n"
    b"The text of a message that waits.\r\n"
)
_DESTINATIONS = 1000
_ENDINGS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def submit(house: House, address: str = "somebody@elsewhere.test") -> str:
    """Puts one small message into the queue, as a door does; returns its id."""
    content = house.queue.content()
    content.write(LETTER)
    envelope = Envelope(Address.parse("sender@sender.test"), (Recipient(Address.parse(address)),))
    return house.queue.submit(envelope, content, Origin(kind="COMMAND"))


def put_queue(house: House, count: int, *, due_s: tuple[float, float]) -> None:
    """Fills the queue with messages that were tried once and wait for a thousand destinations.

    Args:
        house: its services don't run.
        count: how many.
        due_s: seconds from now when the first and the last are due; the others evenly between.
    """
    model = submit(house)
    now = house.clock.now_us()
    house.close()
    path = house.home / PATHS["queue"]
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as queue:
        queue.execute("PRAGMA synchronous=OFF")
        (content,) = queue.execute(
            f"SELECT content_id FROM {tables.entries.name} WHERE id = ?",  # noqa: S608
            (model,),
        ).fetchone()
        named = {
            "model": model,
            "count": count,
            "deferred": State.DEFERRED.value,
            "first": now + round(due_s[0] * 1e6),
            "span": round((due_s[1] - due_s[0]) * 1e6),
            "destinations": _DESTINATIONS,
        }
        # Ids keep their form and their order: the model's beginning, then the number. Each of the
        # characters that an id may end in occurs as often: agents share the queue by it.
        ending = f"substr('{_ENDINGS}', n % {len(_ENDINGS)} + 1, 1)"
        identity = f"substr(:model, 1, 9) || printf('%06d', n / {len(_ENDINGS)}) || {ending}"
        domain = "'d' || (n % :destinations) || '.test'"
        changed = {
            "id": identity,
            "entry_id": identity,
            "content_id": "content_id + n",
            "address": f"'somebody@' || {domain}",
            "destination": domain,
            "connector": "'SMTP'",
            "state": ":deferred",
            "attempts": "1",
            "due_at": ":first + :span * n / :count",
        }
        queue.execute("BEGIN")
        for table, key in (
            (tables.contents, f"id = {int(content)}"),
            (tables.entries, "id = :model"),
            (tables.recipients, "entry_id = :model"),
        ):
            values = dict(changed)
            if table is tables.contents:
                values["id"] = "id + n"
            columns = [column.name for column in table.columns]
            queue.execute(
                "WITH RECURSIVE numbers(n) AS "  # noqa: S608 - names of the queue's own tables
                "(SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count) "
                f"INSERT INTO {table.name} ({', '.join(columns)}) "
                f"SELECT {', '.join(values.get(name, name) for name in columns)} "
                f"FROM numbers CROSS JOIN (SELECT * FROM {table.name} WHERE {key})",
                named,
            )
        for table, key in (
            (tables.contents, f"id = {int(content)}"),
            (tables.entries, "id = :model"),
            (tables.recipients, "entry_id = :model"),
        ):
            queue.execute(f"DELETE FROM {table.name} WHERE {key}", named)  # noqa: S608
        queue.execute("COMMIT")
        queue.execute("PRAGMA wal_checkpoint(TRUNCATE)")
