"""Who is signed in to the web: rows of `config/sessions.db`, by the hash of the cookie's value.

Owns: the rows. Never: decides whether a session still counts; knows a cookie's value.
Failure: `StoreBusy`, `CommitFailed` (temporary).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    and_,
    delete,
    insert,
    or_,
    select,
    update,
)

from appliance.database.database import Database
from appliance.database.schema import Schema
from appliance.database.statement import Statement, param
from appliance.database.writer import Transaction

MOST = 50  # sessions of one account; a further one ends the one unused for longest

metadata = MetaData()

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),  # SHA-256 of the cookie's value, hex
    Column("room", Text, nullable=False),
    Column("mailbox_id", BigInteger, nullable=False),  # 0: an operator's
    Column("operator_id", BigInteger, nullable=False),  # 0: a mailbox's
    Column("fingerprint", Text, nullable=False),  # of the password it was opened with
    Column("remembered", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),  # to the minute
    Column("client", Text, nullable=False),
    Column("agent", Text, nullable=False),
    sqlite_with_rowid=False,
)
Index("sessions_account", sessions.c.mailbox_id, sessions.c.operator_id)

SCHEMA = Schema("sessions", metadata, Path(__file__).parent / "sessions_migrations", "sessions0001")

_s = sessions.c
_ACCOUNT = (_s.mailbox_id == param("mailbox"), _s.operator_id == param("operator"))
_INSERT = Statement(insert(sessions))
_FIND = Statement(select(sessions).where(_s.id == param("session")))
_LIST = Statement(
    select(sessions).where(*_ACCOUNT).order_by(_s.seen_at.desc(), _s.created_at.desc(), _s.id)
)
_TOUCH = Statement(update(sessions).where(_s.id == param("session")).values(seen_at=param("now")))
_END = Statement(delete(sessions).where(_s.id == param("session")))
_EXPIRE = Statement(
    delete(sessions).where(
        or_(
            and_(_s.remembered == 1, _s.created_at <= param("remembered_before")),
            and_(
                _s.remembered == 0,
                or_(_s.created_at <= param("opened_before"), _s.seen_at <= param("idle_before")),
            ),
        )
    )
)


class Room(StrEnum):
    """A part of the web with sessions of its own."""

    WEBMAIL = "webmail"
    WEBADMIN = "webadmin"
    CONSOLE = "console"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """A session as it is kept.

    Attributes:
        id: the hash of the cookie's value, hex; safe to show.
        room: what it was opened for.
        mailbox_id: whose; 0 for an operator.
        operator_id: whose; 0 for a mailbox.
        fingerprint: of the password it was opened with.
        remembered: 1 where idle time does not end it.
        created_at: µs.
        seen_at: the last request, in µs, to the minute.
        client: IP address it was opened from.
        agent: how the browser names itself.
    """

    id: str
    room: str
    mailbox_id: int
    operator_id: int
    fingerprint: str
    remembered: int
    created_at: int
    seen_at: int
    client: str
    agent: str


class SessionStore:
    """The sessions of all accounts."""

    def __init__(self, database: Database) -> None:
        """Take the sessions' database."""
        self._database = database

    def open(self, row: SessionRow) -> None:
        """Keep a session; of more than `MOST` of its account those unused for longest end."""
        account = {"mailbox": row.mailbox_id, "operator": row.operator_id}

        def job(transaction: Transaction) -> None:
            transaction.alone("sessions")
            for old in transaction.rows(_LIST, account)[MOST - 1 :]:
                transaction.run(_END, {"session": old.id})
            transaction.run(_INSERT, asdict(row))

        self._database.transact(job)

    def find(self, session_id: str) -> SessionRow | None:
        """Return a session by its id."""
        with self._database.reader() as connection:
            row = connection.row(_FIND, {"session": session_id})
        return None if row is None else SessionRow(**row._asdict())

    def of(self, *, mailbox_id: int = 0, operator_id: int = 0) -> list[SessionRow]:
        """Return an account's sessions, the one used last first."""
        with self._database.reader() as connection:
            rows = connection.rows(_LIST, {"mailbox": mailbox_id, "operator": operator_id})
        return [SessionRow(**row._asdict()) for row in rows]

    def touch(self, session_id: str, now_us: int) -> None:
        """Write down, lazily, that a session is in use."""
        row = {"session": session_id, "now": now_us}
        self._database.transact(lambda transaction: transaction.run(_TOUCH, row), lazy=True)

    def end(self, *session_ids: str) -> int:
        """End sessions for good; returns how many there were."""

        def job(transaction: Transaction) -> int:
            return sum(transaction.run(_END, {"session": each}) for each in session_ids)

        return self._database.transact(job)

    def expire(self, *, remembered_before: int, opened_before: int, idle_before: int) -> int:
        """Forget what has run out; returns how many.

        Args:
            remembered_before: remembered ones opened by then have, in µs.
            opened_before: others opened by then have.
            idle_before: others not used since then have.
        """
        row = {
            "remembered_before": remembered_before,
            "opened_before": opened_before,
            "idle_before": idle_before,
        }
        return self._database.transact(lambda tx: tx.run(_EXPIRE, row), lazy=True)
