"""What an operation is, and the one way it is carried out: authorised, validated, audited, revised.

Doors build an operation and hand it to `perform` (a change) or `ask` (a question). The registry
lists all operations, for the API's schema and for the test that tries every actor on each.

Failure: `Refused`, `Invalid`, `NotFound`, `Clash`: permanent, with a text for the one who asked.
`StoreBusy`, `CommitFailed`: temporary; nothing was changed.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Generic, TypeVar

from sqlalchemy import insert

from appliance.database.database import Within
from appliance.database.errors import Conflict
from appliance.database.statement import Statement
from appliance.database.writer import Transaction
from appliance.directory import tables
from appliance.directory.lookup import Directory, storable
from appliance.journey.reason import Reason
from appliance.operations.house import House
from appliance.rules.access import Actor, Permission, decide

R = TypeVar("R")

_MAX_INT = 2**63 - 1  # of both databases
_INSERT_REVISION = Statement(
    insert(tables.revisions).returning(tables.revisions.c.number),
    ("at", "actor", "door", "operation", "object", "postoffice_id", "before", "after"),
)
_INSERT_AUDIT = Statement(
    insert(tables.audit),
    ("at", "actor", "door", "client", "operation", "object", "outcome", "detail"),
)


class OperationError(Exception):
    """An operation was not carried out; the text says which value, why, and what would be right.

    Attributes:
        field: which of the operation's fields is wrong; empty where it is none alone.
    """

    def __init__(self, text: str, *, field: str = "") -> None:
        """Keep the text and the field."""
        super().__init__(text)
        self.field = field


class Refused(OperationError):
    """The actor may not do this."""

    def __init__(self, reason: Reason) -> None:
        """Keep the reason."""
        super().__init__(reason.text)
        self.reason = reason


class Invalid(OperationError):
    """A value is wrong."""


class NotFound(OperationError):
    """What the operation is about does not exist."""


class Clash(OperationError):
    """What should be made exists already, or something else stands in the way."""


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks, and through which door.

    Attributes:
        actor: who.
        door: cli, web, api, smtp …
        client: IP address, or empty.
    """

    actor: Actor
    door: str
    client: str = ""


class Operation(ABC):
    """Something that can be done or asked; its fields are its parameters."""

    name: ClassVar[str]
    permission: ClassVar[Permission]

    def owner(self) -> str:
        """Return the post office the object belongs to; empty for the server's own."""
        return ""

    def account(self) -> str:
        """Return whose account it is about, a login or an operator's name; empty for nobody's."""
        return ""

    def object(self) -> str:
        """Return what it is about, for the audit: `mailbox alice@demo`."""
        return self.name.partition(".")[0]


class Change(Operation, Generic[R]):
    """A change of the directory: written with its audit record and revision in one commit."""

    def prepare(self, house: House) -> str:  # noqa: ARG002 - for those that override it
        """Check what needs no transaction (raises Invalid); returns the hash of a new password."""
        return ""

    @abstractmethod
    def apply(self, work: Work) -> R:
        """Make the change."""


class Action(Operation, Generic[R]):
    """A change outside the directory (queue, bad mail): audited when it is done."""

    @abstractmethod
    def carry_out(self, house: House) -> R:
        """Do it."""


class Question(Operation, Generic[R]):
    """Something asked; changes nothing."""

    @abstractmethod
    def answer(self, house: House) -> R:
        """Answer it."""


class Work:
    """The transaction a change is applied in."""

    def __init__(
        self, house: House, call: Call, change: Change[Any], prepared: str, transaction: Transaction
    ) -> None:
        """Bind a change to a transaction of the directory."""
        self.house = house
        self.call = call
        self.transaction = transaction
        self.directory = Directory(Within(transaction))
        self.prepared = prepared
        self.now_us = house.clock.now_us()
        self._change = change

    def revise(
        self,
        about: str,
        *,
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any] | None,
        postoffice_id: int = 0,
    ) -> None:
        """Write a revision: what an object was and what it is now, without secrets."""
        self.transaction.value(
            _INSERT_REVISION,
            {
                "at": self.now_us,
                "actor": str(self.call.actor),
                "door": self.call.door,
                "operation": self._change.name,
                "object": about,
                "postoffice_id": postoffice_id,
                "before": "" if before is None else json.dumps(before, ensure_ascii=False),
                "after": "" if after is None else json.dumps(after, ensure_ascii=False),
            },
        )


def perform(house: House, call: Call, operation: Change[R] | Action[R]) -> R:
    """Carry out a change.

    Raises:
        OperationError: it was refused or is wrong; recorded in the audit, nothing was changed.
        DatabaseError: temporary; nothing was changed.
    """
    _authorise(house, call, operation)
    try:
        _check_fields(operation)
        if isinstance(operation, Action):
            done = operation.carry_out(house)
            _audit(house, call, operation, "done", "")
            return done
        prepared = operation.prepare(house)

        def job(transaction: Transaction) -> R:
            # one change after the other: each sees the ones before, and revisions count upwards
            transaction.alone("directory")
            done = operation.apply(Work(house, call, operation, prepared, transaction))
            row = _audit_row(house, call, operation.name, operation.object(), outcome="done")
            transaction.run(_INSERT_AUDIT, row)
            return done

        return house.databases.get("directory").transact(job)
    except Conflict as error:  # somebody else made the same thing at the same moment
        _audit(house, call, operation, "failed", str(error))
        raise Clash(f"{operation.object()} exists already") from error
    except OperationError as error:
        _audit(house, call, operation, "failed", str(error))
        raise


def ask(house: House, call: Call, question: Question[R]) -> R:
    """Answer a question.

    Raises:
        OperationError: it was refused, or its object does not exist.
    """
    _authorise(house, call, question)
    _check_fields(question)
    return question.answer(house)


def _authorise(house: House, call: Call, operation: Operation) -> None:
    reason = decide(call.actor, operation.permission, operation.owner(), operation.account())
    if not reason.accepted:
        _audit(house, call, operation, "refused", reason.text)
        raise Refused(reason)


def _check_fields(operation: Operation) -> None:
    """Refuse what no database takes, before any operation has to think of it."""
    for each in fields(operation):  # type: ignore[arg-type] # operations are dataclasses
        value = getattr(operation, each.name)
        if isinstance(value, Mapping):
            value = (*value, *value.values())
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, str) and storable(one) != one:
                raise Invalid(
                    f"{each.name} holds a NUL or half a character; leave it out", field=each.name
                )
            if isinstance(one, int) and not 0 <= one <= _MAX_INT:
                raise Invalid(
                    f"{each.name} can't be {one:.4g}; use a number from 0", field=each.name
                )


def record(house: House, call: Call, name: str, about: str, *, outcome: str, detail: str) -> None:
    """Write an audit record of what is no operation: signing in.

    Args:
        house: whose audit.
        call: who asked, through which door.
        name: of what was asked, as operations have one.
        about: its object.
        outcome: done or refused.
        detail: one sentence, or empty.
    """
    row = _audit_row(house, call, name, about, outcome=outcome, detail=detail)
    house.databases.get("directory").transact(lambda tx: tx.run(_INSERT_AUDIT, row))


def _audit(house: House, call: Call, operation: Operation, outcome: str, detail: str) -> None:
    record(house, call, operation.name, operation.object(), outcome=outcome, detail=detail)


def _audit_row(
    house: House, call: Call, name: str, about: str, *, outcome: str, detail: str = ""
) -> dict[str, Any]:
    return {
        "at": house.clock.now_us(),
        "actor": str(call.actor),
        "door": call.door,
        "client": call.client,
        "operation": name,
        "object": storable(about),
        "outcome": outcome,
        "detail": storable(detail),
    }
