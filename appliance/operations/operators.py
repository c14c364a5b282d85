"""Operators: named accounts of those who run the server."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import insert, update

from appliance.database.statement import Statement, param
from appliance.directory import tables
from appliance.directory.passwords import hash_password
from appliance.directory.records import Operator
from appliance.operations.checks import checked_name, checked_password, found_operator
from appliance.operations.house import House
from appliance.operations.login import confirm
from appliance.operations.operation import Change, Clash, Invalid, Question, Work
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateOperator(_OfOperator, Change[Operator]):
    """Create an operator's account.

    Attributes:
        password: for the console and the API.
    """

    name = "operator.create"
    permission = Permission.IDENTITY
    password: str = field(repr=False)

    def prepare(self, house: House) -> str:
        """Check name and password."""
        checked_name(self.operator, "an operator", field="operator")
        return hash_password(checked_password(self.password, house))

    def apply(self, work: Work) -> Operator:
        """Make the account."""
        if any(each.name == self.operator for each in work.directory.operators()):
            raise Clash(f"there is an operator {self.operator!r} already", field="operator")
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
    permission = Permission.IDENTITY
    password: str = field(repr=False)

    def prepare(self, house: House) -> str:
        """Check and hash it."""
        return hash_password(checked_password(self.password, house))

    def apply(self, work: Work) -> None:
        """Set it; the revision says only that it changed."""
        _set_password(work, self.operator)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeOwnOperatorPassword(_OfOperator, Change[None]):
    """Set the own password, by the one until now. It ends all sessions of the operator.

    Attributes:
        old: the password until now.
        new: the new one.
    """

    name = "operator.own-password"
    permission = Permission.SELF
    old: str = field(repr=False)
    new: str = field(repr=False)

    def account(self) -> str:
        """Return whose password."""
        return self.operator

    def prepare(self, house: House) -> str:
        """Check both; a wrong old one counts as a failed login."""
        reason = confirm(house, found_operator(house.directory, self.operator), self.old)
        if not reason.accepted:
            raise Invalid(reason.text, field="old")
        return hash_password(checked_password(self.new, house, field="new"))

    def apply(self, work: Work) -> None:
        """Set it; the revision says only that it changed."""
        _set_password(work, self.operator)


def _set_password(work: Work, name: str) -> None:
    found = found_operator(work.directory, name)
    work.transaction.run(_PASSWORD, {"who": found.id, "value": work.prepared})
    work.revise(f"operator {found.name}", before={}, after={"password": "(changed)"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOperator(_OfOperator, Change[None]):
    """Delete an operator's account."""

    name = "operator.delete"
    permission = Permission.IDENTITY

    def apply(self, work: Work) -> None:
        """Bury it."""
        found = found_operator(work.directory, self.operator)
        work.transaction.run(_BURY, {"who": found.id, "now": work.now_us})
        work.revise(self.object(), before={"name": found.name}, after=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOperators(Question[list[Operator]]):
    """All operators."""

    name = "operator.list"
    permission = Permission.IDENTITY

    def answer(self, house: House) -> list[Operator]:
        """Return them by name."""
        return house.directory.operators()
