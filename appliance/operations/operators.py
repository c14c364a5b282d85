"""Operators: named accounts of those who run the server."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import insert, update

from appliance.database.statement import Statement, param
from appliance.directory import tables
from appliance.directory.passwords import hash_password
from appliance.directory.records import Operator
from appliance.operations.checks import checked_name, checked_password
from appliance.operations.house import House
from appliance.operations.operation import Change, Clash, NotFound, Question, Work
from appliance.rules.access import Permission

_o = tables.operators.c
_INSERT = Statement(
    insert(tables.operators).returning(_o.id),
    ("name", "enabled", "password_hash", "created_at", "deleted_at"),
)
_THIS = _o.id == param("who")
_PASSWORD = Statement(update(tables.operators).where(_THIS).values(password_hash=param("value")))
_BURY = Statement(update(tables.operators).where(_THIS).values(deleted_at=param("now")))


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfOperator:
    """What all operations on one operator share.

    Attributes:
        operator: the account's name.
    """

    operator: str

    def object(self) -> str:
        """Return what it is about."""
        return f"operator {self.operator}"


def _found(work: Work, name: str) -> Operator:
    for each in work.directory.operators():
        if each.name == name:
            return each
    raise NotFound(f"there is no operator {name!r}; see `posthouse operator list`")


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateOperator(_OfOperator, Change[Operator]):
    """Create an operator's account.

    Attributes:
        password: for the console and the API.
    """

    name = "operator.create"
    permission = Permission.SERVER_CHANGE
    password: str = field(repr=False)

    def prepare(self, house: House) -> str:
        """Check name and password."""
        checked_name(self.operator, "an operator")
        return hash_password(checked_password(self.password, house))

    def apply(self, work: Work) -> Operator:
        """Make the account."""
        if any(each.name == self.operator for each in work.directory.operators()):
            raise Clash(f"there is an operator {self.operator!r} already")
        row = {
            "name": self.operator,
            "enabled": 1,
            "password_hash": work.prepared,
            "created_at": work.now_us,
            "deleted_at": 0,
        }
        made = Operator(
            work.transaction.value(_INSERT, row),
            self.operator,
            enabled=True,
            created_at=work.now_us,
        )
        work.revise(self.object(), before=None, after={"name": self.operator, "enabled": True})
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class SetOperatorPassword(_OfOperator, Change[None]):
    """Set an operator's password.

    Attributes:
        password: the new one.
    """

    name = "operator.password"
    permission = Permission.SERVER_CHANGE
    password: str = field(repr=False)

    def prepare(self, house: House) -> str:
        """Check and hash it."""
        return hash_password(checked_password(self.password, house))

    def apply(self, work: Work) -> None:
        """Set it."""
        found = _found(work, self.operator)
        work.transaction.run(_PASSWORD, {"who": found.id, "value": work.prepared})
        work.revise(self.object(), before={}, after={"password": "(changed)"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOperator(_OfOperator, Change[None]):
    """Delete an operator's account."""

    name = "operator.delete"
    permission = Permission.SERVER_CHANGE

    def apply(self, work: Work) -> None:
        """Bury it."""
        found = _found(work, self.operator)
        work.transaction.run(_BURY, {"who": found.id, "now": work.now_us})
        work.revise(self.object(), before={"name": found.name}, after=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOperators(Question[list[Operator]]):
    """All operators."""

    name = "operator.list"
    permission = Permission.SERVER_READ

    def answer(self, house: House) -> list[Operator]:
        """Return them by name."""
        return house.directory.operators()
