"""Tokens: what programs show to the API instead of a password.

Standards: RFC 6750 (bearer tokens). A secret has 256 random bits and is kept as its SHA-256 only.
Owns: nothing. Failure: see `operation`; an unknown, expired or revoked secret is nobody's.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import insert, update

from appliance.database.errors import DatabaseError
from appliance.database.statement import Statement, param
from appliance.directory import tables
from appliance.directory.records import Token
from appliance.operations.checks import checked_name, found_postoffice
from appliance.operations.house import House
from appliance.operations.operation import Change, Clash, Invalid, NotFound, Question, Work
from appliance.rules.access import (
    ADMIN_PERMISSIONS,
    TOKEN_PERMISSIONS,
    Actor,
    ActorKind,
    Permission,
)
from appliance.runtime.clock import MICROSECONDS

MAX_DAYS = 3650
_PREFIX = "ph_"  # lets a secret be recognised where it should not be
_SECRET = re.compile(r"ph_[A-Za-z0-9_-]{43}")
_DAY_US = 86_400 * MICROSECONDS
_USED_EVERY_US = 60 * MICROSECONDS

_t = tables.tokens.c
_INSERT = Statement(
    insert(tables.tokens).returning(_t.id),
    (
        "name", "secret_hash", "permissions", "postoffice_id", "created_at", "expires_at",
        "last_used_at", "deleted_at",
    ),
)  # fmt: skip
_THIS = _t.id == param("token")
_BURY = Statement(update(tables.tokens).where(_THIS).values(deleted_at=param("now")))
_USED = Statement(update(tables.tokens).where(_THIS).values(last_used_at=param("now")))


class IssuedToken(NamedTuple):
    """A new token with its secret, which is shown once and kept nowhere."""

    token: Token
    secret: str

    def __repr__(self) -> str:
        """Return what may be logged."""
        return f"IssuedToken({self.token!r})"


def find_token(house: House, secret: str) -> Actor | None:
    """Return whom a secret stands for; None for one that is unknown, expired or revoked.

    A token that is bound to a post office stands for nobody while that is disabled.
    """
    if not _SECRET.fullmatch(secret):
        return None
    token = house.directory.token(_hash(secret))
    now = house.clock.now_us()
    if token is None or 0 < token.expires_at <= now:
        return None
    if now - token.last_used_at >= _USED_EVERY_US:
        row = {"token": token.id, "now": now}
        with suppress(DatabaseError):  # not known to the minute, no reason to refuse
            house.databases.get("directory").transact(
                lambda transaction: transaction.run(_USED, row), lazy=True
            )
    permissions = frozenset(each for each in TOKEN_PERMISSIONS if each in token.permissions)
    return Actor(ActorKind.TOKEN, token.name, token.postoffice, permissions)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfToken:
    """What all operations on one token share.

    Attributes:
        token: its name.
    """

    token: str

    def object(self) -> str:
        """Return what it is about."""
        return f"token {self.token}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateToken(_OfToken, Change[IssuedToken]):
    """Make a token; its secret is shown this once.

    Attributes:
        token: its name: what it is for.
        permissions: what it may do.
        postoffice: it reaches only this one's things; empty for the whole server.
        days: how long it counts; 0 for ever.
    """

    name = "token.create"
    permission = Permission.IDENTITY
    permissions: tuple[Permission, ...]
    postoffice: str = ""
    days: int = 0

    def prepare(self, house: House) -> str:  # noqa: ARG002 - the interface of changes
        """Check the fields; returns a new secret."""
        checked_name(self.token, "a token", field="token")
        possible = TOKEN_PERMISSIONS & ADMIN_PERMISSIONS if self.postoffice else TOKEN_PERMISSIONS
        right = f"choose from {', '.join(sorted(possible))}"
        if not self.permissions:
            text = f"a token without permissions can do nothing; {right}"
            raise Invalid(text, field="permissions")
        for each in self.permissions:
            if each not in possible:
                whose = f"bound to {self.postoffice} " if self.postoffice else ""
                raise Invalid(f"a token {whose}can't have {each}; {right}", field="permissions")
        if not 0 <= self.days <= MAX_DAYS:
            raise Invalid(
                f"{self.days} days are out of range; use 1 to {MAX_DAYS}, or 0 for no end",
                field="days",
            )
        return _PREFIX + secrets.token_urlsafe(32)

    def apply(self, work: Work) -> IssuedToken:
        """Make it; the revision says all but the secret."""
        if any(each.name == self.token for each in work.directory.tokens()):
            raise Clash(f"there is a token {self.token!r} already", field="token")
        bound = found_postoffice(work.directory, self.postoffice) if self.postoffice else None
        permissions = tuple(sorted({each.value for each in self.permissions}))
        expires_at = work.now_us + self.days * _DAY_US if self.days else 0
        row = {
            "name": self.token,
            "secret_hash": _hash(work.prepared),
            "permissions": " ".join(permissions),
            "postoffice_id": bound.id if bound else 0,
            "created_at": work.now_us,
            "expires_at": expires_at,
            "last_used_at": 0,
            "deleted_at": 0,
        }
        made = Token(
            id=work.transaction.value(_INSERT, row),
            name=self.token,
            permissions=permissions,
            postoffice=bound.name if bound else "",
            created_at=work.now_us,
            expires_at=expires_at,
            last_used_at=0,
        )
        work.revise(
            self.object(),
            before=None,
            after={
                "name": made.name,
                "permissions": list(permissions),
                "postoffice": made.postoffice,
                "days": self.days,
            },
            postoffice_id=bound.id if bound else 0,
        )
        return IssuedToken(made, work.prepared)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeToken(_OfToken, Change[None]):
    """Make a token stand for nobody, at once and for good."""

    name = "token.revoke"
    permission = Permission.IDENTITY

    def apply(self, work: Work) -> None:
        """Bury it."""
        for each in work.directory.tokens():
            if each.name == self.token:
                break
        else:
            raise NotFound(
                f"there is no token {self.token!r}; see `posthouse token list`", field="token"
            )
        work.transaction.run(_BURY, {"token": each.id, "now": work.now_us})
        before = {
            "name": each.name,
            "permissions": list(each.permissions),
            "postoffice": each.postoffice,
        }
        work.revise(self.object(), before=before, after=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListTokens(Question[list[Token]]):
    """All tokens, without their secrets."""

    name = "token.list"
    permission = Permission.IDENTITY

    def answer(self, house: House) -> list[Token]:
        """Return them by name."""
        return house.directory.tokens()
