"""Mailboxes by the page, and how many there are of which kind: what lists and first pages show.

Owns: nothing. A page costs the same whatever the post office's size; a search by a part of a name
looks at its mailboxes one by one. Failure: `StoreBusy` (temporary).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select

from appliance.database.database import Source
from appliance.directory import tables
from appliance.directory.lookup import fold

_m, _a, _d = tables.mailboxes.c, tables.addresses.c, tables.domains.c
_ESCAPE = "/"


class Kind(StrEnum):
    """Mailboxes that a list can be narrowed to."""

    ALL = "all"
    ADMIN = "admin"
    SUSPENDED = "suspended"
    NEVER = "never"  # nobody has ever signed in


_KINDS: dict[Kind, ColumnElement[bool]] = {
    Kind.ADMIN: _m.role == "ADMIN",
    Kind.SUSPENDED: _m.enabled == 0,
    Kind.NEVER: _m.last_login_at == 0,
}


@dataclass(frozen=True, slots=True)
class Counts:
    """What a post office has."""

    mailboxes: int
    admin: int
    suspended: int
    never: int
    addresses: int
    domains: int


def count(source: Source, postoffice_id: int) -> Counts:
    """Count what a post office has."""
    of_mailboxes = _alive(postoffice_id).with_only_columns(
        func.count(),
        *(func.count().filter(_KINDS[kind]) for kind in (Kind.ADMIN, Kind.SUSPENDED, Kind.NEVER)),
    )
    others = [
        select(func.count()).where(table.postoffice_id == postoffice_id, table.deleted_at == 0)
        for table in (_a, _d)
    ]
    with source.reader() as connection:
        mailboxes, admin, suspended, never = connection.rows(of_mailboxes)[0]
        addresses, domains = (connection.rows(each)[0][0] for each in others)
    return Counts(mailboxes, admin, suspended, never, addresses, domains)


def names(
    source: Source, postoffice_id: int, *, kind: Kind, containing: str, after: str, most: int
) -> list[str]:
    """Return names of mailboxes, in their order.

    Args:
        source: the directory's database.
        postoffice_id: whose.
        kind: which.
        containing: a part of the name, of the full name or of an address; empty for all.
        after: continue after this name.
        most: how many at most.
    """
    query: Select[Any] = _alive(postoffice_id).with_only_columns(_m.name)
    if kind in _KINDS:
        query = query.where(_KINDS[kind])
    if containing:
        wanted = containing.casefold()
        mapped = and_(
            _a.mailbox_id == _m.id,
            _a.deleted_at == 0,
            _a.key.contains(wanted, autoescape=True, escape=_ESCAPE),
        )
        query = query.where(
            or_(
                _m.name_key.contains(fold(containing), autoescape=True, escape=_ESCAPE),
                func.lower(_m.full_name).contains(wanted, autoescape=True, escape=_ESCAPE),
                exists().where(mapped),
            )
        )
    query = query.where(_m.name_key > fold(after)).order_by(_m.name_key).limit(most)
    with source.reader() as connection:
        return [row.name for row in connection.rows(query)]


def addresses(
    source: Source, postoffice_id: int, *, containing: str, after: str, most: int
) -> list[str]:
    """Return keys of addresses, in their order; see `names`."""
    query = select(_a.key).where(
        _a.postoffice_id == postoffice_id, _a.deleted_at == 0, _a.key > after
    )
    if containing:
        query = query.where(_a.key.contains(containing.casefold(), autoescape=True, escape=_ESCAPE))
    with source.reader() as connection:
        return [row.key for row in connection.rows(query.order_by(_a.key).limit(most))]


def limited(source: Source, postoffice_id: int) -> dict[int, tuple[str, int]]:
    """Return the mailboxes that have a quota: name and quota (KB) by id."""
    query = (
        _alive(postoffice_id).with_only_columns(_m.id, _m.name, _m.quota_kb).where(_m.quota_kb > 0)
    )
    with source.reader() as connection:
        return {row.id: (row.name, row.quota_kb) for row in connection.rows(query)}


def _alive(postoffice_id: int) -> Select[Any]:
    return select(tables.mailboxes).where(_m.postoffice_id == postoffice_id, _m.deleted_at == 0)
