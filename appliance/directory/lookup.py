"""Questions to the directory: where an address leads, who a login is, what exists.

Owns: nothing; every answer is read afresh (a point look-up costs microseconds).
Failure: `StoreBusy` (temporary).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, func, select

from appliance.database.chosen import Chosen
from appliance.database.database import Source
from appliance.database.statement import Row, Statement, param
from appliance.directory import tables
from appliance.directory.records import (
    AuditRecord,
    Domain,
    Mailbox,
    MappedAddress,
    Operator,
    PostOffice,
    Revision,
    Role,
    Target,
    Token,
)
from appliance.mail.address import Address

_p, _d = tables.postoffices.c, tables.domains.c
_m, _a, _o = tables.mailboxes.c, tables.addresses.c, tables.operators.c
_r, _s, _t = tables.revisions.c, tables.settings.c, tables.tokens.c

_TARGET = Statement(
    select(
        _d.enabled,
        _p.enabled.label("postoffice_enabled"),
        _p.id,
        _p.name,
        func.coalesce(_m.id, 0).label("mailbox_id"),
        func.coalesce(_m.name, "").label("mailbox"),
        func.coalesce(_m.enabled, 0).label("mailbox_enabled"),
        func.coalesce(_m.quota_kb, 0).label("quota_kb"),
    )
    .select_from(
        tables.domains.join(tables.postoffices, _p.id == _d.postoffice_id)
        .outerjoin(tables.addresses, (_a.key == param("address_key")) & (_a.deleted_at == 0))
        .outerjoin(tables.mailboxes, (_m.id == _a.mailbox_id) & (_m.deleted_at == 0))
    )
    .where(_d.name == param("domain"), _d.deleted_at == 0)
)
_HOSTED = Chosen(
    _d.name,
    lambda chosen: (
        select(_d.name, _d.enabled, _p.enabled, _p.id, _p.name)
        .join(tables.postoffices, _p.id == _d.postoffice_id)
        .where(chosen, _d.deleted_at == 0)
    ),
)
_MAPPED = Chosen(
    _a.key,
    lambda chosen: (
        select(_a.key, _m.id, _m.name, _m.enabled, _m.quota_kb)
        .join(tables.mailboxes, (_m.id == _a.mailbox_id) & (_m.deleted_at == 0))
        .where(chosen, _a.deleted_at == 0)
    ),
)
_POSTOFFICES = select(_p.id, _p.name, _p.enabled, _p.created_at).where(_p.deleted_at == 0)
_DOMAINS = (
    select(_d.id, _p.name.label("postoffice"), _d.name, _d.enabled, _d.created_at)
    .join(tables.postoffices, _p.id == _d.postoffice_id)
    .where(_d.deleted_at == 0)
)
_MAILBOXES = (
    select(
        _m.id,
        _m.postoffice_id,
        _p.name.label("postoffice"),
        _m.name,
        _m.role,
        _m.enabled,
        _m.created_at,
        _m.full_name,
        _m.quota_kb,
        _m.last_login_at,
        _m.password_hash,
        _p.enabled.label("postoffice_enabled"),
    )
    .join(tables.postoffices, _p.id == _m.postoffice_id)
    .where(_m.deleted_at == 0)
)
_MAILBOX_BY_LOGIN = Statement(
    _MAILBOXES.where(
        _m.name_key == param("mailbox"),
        _p.name_key == param("postoffice"),
        _p.deleted_at == 0,
    )
)
_MAILBOX_BY_ID = Statement(_MAILBOXES.where(_m.id == param("mailbox_id"), _p.deleted_at == 0))
_MAILBOX_BY_ADDRESS = Statement(
    _MAILBOXES.join(tables.addresses, (_a.mailbox_id == _m.id) & (_a.deleted_at == 0)).where(
        _a.key == param("address_key")
    )
)
_ADDRESSES = (
    select(_a.id, _a.address, _p.name.label("postoffice"), _m.name.label("mailbox"))
    .join(tables.postoffices, _p.id == _a.postoffice_id)
    .join(tables.mailboxes, _m.id == _a.mailbox_id)
    .where(_a.deleted_at == 0)
)
_OPERATORS = select(_o.id, _o.name, _o.enabled, _o.created_at).where(_o.deleted_at == 0)
_OPERATOR_ACCOUNT = select(_o.id, _o.name, _o.enabled, _o.created_at, _o.password_hash).where(
    _o.deleted_at == 0, _o.enabled == 1
)
_OPERATOR_BY_NAME = Statement(_OPERATOR_ACCOUNT.where(_o.name == param("operator")))
_OPERATOR_BY_ID = Statement(_OPERATOR_ACCOUNT.where(_o.id == param("operator_id")))
_TOKENS = (
    select(
        _t.id,
        _t.name,
        _t.permissions,
        func.coalesce(_p.name, "").label("postoffice"),
        _t.created_at,
        _t.expires_at,
        _t.last_used_at,
    )
    .outerjoin(tables.postoffices, _p.id == _t.postoffice_id)
    .where(_t.deleted_at == 0)
)
_TOKEN_BY_SECRET = Statement(
    _TOKENS.where(
        _t.secret_hash == param("secret_hash"),
        (_t.postoffice_id == 0) | ((_p.deleted_at == 0) & (_p.enabled == 1)),
    )
)
_VERSION = Statement(select(func.coalesce(func.max(_r.number), 0)))
_SETTINGS = Statement(select(_s.name, _s.scope, _s.subject, _s.value))
_REVISIONS = (
    select(
        *(_r.number, _r.at, _r.actor, _r.door, _r.operation, _r.object, _r.before, _r.after),
        func.coalesce(_p.name, "").label("postoffice"),
    )
    .outerjoin(tables.postoffices, _p.id == _r.postoffice_id)
    .order_by(_r.number.desc())
)
_u = tables.audit.c
_AUDIT = select(
    _u.id, _u.at, _u.actor, _u.door, _u.client, _u.operation, _u.object, _u.outcome, _u.detail
).order_by(_u.id.desc())


def storable(text: str) -> str:
    """Replace what no database takes (NUL, lone surrogates) by a character that no name has."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def fold(name: str) -> str:
    """Fold a post office's or mailbox's name for comparing: case does not count."""
    return storable(name).casefold()


def _target(row: tuple[Any, ...]) -> Target:
    """Make a target of a row of `_TARGET`; by place, since a message may need thousands."""
    enabled, postoffice_enabled, postoffice_id, postoffice, *of = row
    mailbox_id, mailbox, mailbox_enabled, quota_kb = of
    return Target(
        True,  # noqa: FBT003 - domain_known
        bool(enabled and postoffice_enabled),
        postoffice_id,
        postoffice,
        mailbox_id,
        mailbox,
        bool(mailbox_enabled),
        quota_kb,
    )


class Directory:
    """The directory, read."""

    def __init__(self, source: Source) -> None:
        """Take the directory's database, or a transaction in it."""
        self._source = source

    def target(self, address: Address) -> Target:
        """Follow the address map from an address (manual §12)."""
        wanted = {"address_key": address.key, "domain": address.domain}
        with self._source.reader() as connection:
            found = connection.tuples(_TARGET, wanted)
        return _target(found[0]) if found else Target(domain_known=False)

    def targets(self, addresses: Iterable[Address]) -> dict[Address, Target]:
        """Follow the address map from many addresses: two look-ups, however many they are."""
        keys = {address: address.key for address in addresses}
        domains = {address.domain for address in keys}
        with self._source.reader() as connection:
            hosted = {row[0]: row[1:] for row in _HOSTED.tuples(connection, domains)}
            mapped = {row[0]: row[1:] for row in _MAPPED.tuples(connection, set(keys.values()))}
        found: dict[Address, Target] = {}
        for address, key in keys.items():
            of = hosted.get(address.domain)
            if of is None:
                found[address] = Target(domain_known=False)
                continue
            found[address] = _target((*of, *mapped.get(key, (0, "", 0, 0))))
        return found

    def login(self, login: str) -> tuple[Mailbox, str] | None:
        """Find whose login it is; returns the mailbox and its password hash.

        `mailbox@postoffice` first; where that does not exist, an address of a mailbox.
        A mailbox or post office that is disabled is not found.
        """
        mailbox, _, postoffice = login.rpartition("@")
        wanted = {"mailbox": fold(mailbox), "postoffice": fold(postoffice)}
        with self._source.reader() as connection:
            row = connection.row(_MAILBOX_BY_LOGIN, wanted)
            if row is None:
                wanted = {"address_key": storable(login).lower()}
                row = connection.row(_MAILBOX_BY_ADDRESS, wanted)
        return _who_may_log_in(row)

    def account(self, mailbox_id: int) -> tuple[Mailbox, str] | None:
        """Return a mailbox by its id, with its password hash; None for one that may not log in."""
        with self._source.reader() as connection:
            return _who_may_log_in(connection.row(_MAILBOX_BY_ID, {"mailbox_id": mailbox_id}))

    def operator_login(self, name: str) -> tuple[Operator, str] | None:
        """Return an operator by name, with the password hash; None for one that is disabled."""
        with self._source.reader() as connection:
            return _operator(connection.row(_OPERATOR_BY_NAME, {"operator": storable(name)}))

    def operator_account(self, operator_id: int) -> tuple[Operator, str] | None:
        """Return an operator by id, with the password hash; None for one that is disabled."""
        with self._source.reader() as connection:
            return _operator(connection.row(_OPERATOR_BY_ID, {"operator_id": operator_id}))

    def postoffices(self) -> list[PostOffice]:
        """Return all post offices, by name."""
        rows = self._rows(_POSTOFFICES.order_by(_p.name_key))
        return [PostOffice(row.id, row.name, bool(row.enabled), row.created_at) for row in rows]

    def postoffice(self, name: str) -> PostOffice | None:
        """Return the post office of a name."""
        rows = self._rows(_POSTOFFICES.where(_p.name_key == fold(name)))
        return next(
            (PostOffice(row.id, row.name, bool(row.enabled), row.created_at) for row in rows), None
        )

    def domains(self, postoffice: str | None = None) -> list[Domain]:
        """Return the domains of a post office, or all."""
        query = _of_postoffice(_DOMAINS, postoffice).order_by(_d.name)
        return [
            Domain(row.id, row.postoffice, row.name, bool(row.enabled), row.created_at)
            for row in self._rows(query)
        ]

    def domain(self, name: str) -> Domain | None:
        """Return a domain by its name (lower-case A-label)."""
        rows = self._rows(_DOMAINS.where(_d.name == name))
        return next(
            (
                Domain(row.id, row.postoffice, row.name, bool(row.enabled), row.created_at)
                for row in rows
            ),
            None,
        )

    def mailboxes(self, postoffice: str | None = None) -> list[Mailbox]:
        """Return the mailboxes of a post office, or all."""
        query = _of_postoffice(_MAILBOXES, postoffice).order_by(_p.name_key, _m.name_key)
        return [_mailbox(row) for row in self._rows(query)]

    def mailbox(self, login: str) -> Mailbox | None:
        """Return a mailbox by its login, enabled or not."""
        mailbox, _, postoffice = login.rpartition("@")
        wanted = {"mailbox": fold(mailbox), "postoffice": fold(postoffice)}
        with self._source.reader() as connection:
            row = connection.row(_MAILBOX_BY_LOGIN, wanted)
        return None if row is None else _mailbox(row)

    def addresses(
        self, *, postoffice: str | None = None, mailbox: str | None = None
    ) -> list[MappedAddress]:
        """Return lines of the address map: of a post office, of a mailbox (login), or all."""
        query = _of_postoffice(_ADDRESSES, postoffice).order_by(_a.key)
        if mailbox is not None:
            name, _, owner = mailbox.rpartition("@")
            query = query.where(_m.name_key == fold(name), _p.name_key == fold(owner))
        return [
            MappedAddress(row.id, row.address, row.postoffice, row.mailbox)
            for row in self._rows(query)
        ]

    def address(self, address: Address) -> MappedAddress | None:
        """Return one line of the address map."""
        rows = self._rows(_ADDRESSES.where(_a.key == address.key))
        return next(
            (MappedAddress(row.id, row.address, row.postoffice, row.mailbox) for row in rows), None
        )

    def operators(self) -> list[Operator]:
        """Return all operators, by name."""
        rows = self._rows(_OPERATORS.order_by(_o.name))
        return [Operator(row.id, row.name, bool(row.enabled), row.created_at) for row in rows]

    def tokens(self) -> list[Token]:
        """Return all tokens, by name."""
        return [_token(row) for row in self._rows(_TOKENS.order_by(_t.name))]

    def token(self, secret_hash: str) -> Token | None:
        """Return the token of a secret's hash; None also while its post office is disabled."""
        with self._source.reader() as connection:
            row = connection.row(_TOKEN_BY_SECRET, {"secret_hash": secret_hash})
        return None if row is None else _token(row)

    def version(self) -> int:
        """Return the number of the newest revision: it grows with every change."""
        with self._source.reader() as connection:
            return int(connection.value(_VERSION))

    def setting_rows(self) -> tuple[int, list[tuple[str, str, str, str]]]:
        """Return the version and every value set: name, scope, subject, text."""
        with self._source.reader(snapshot=True) as connection:
            version = int(connection.value(_VERSION))
            return version, [tuple(row) for row in connection.rows(_SETTINGS)]

    def revisions(
        self, *, about: str = "", actor: str = "", before: int = 0, most: int
    ) -> list[Revision]:
        """Return the newest revisions.

        Args:
            about: only of this object; empty for all.
            actor: only by this actor, as `operator:anna`; empty for all.
            before: only with a smaller number, to go on with the next page; 0 from the newest.
            most: how many at most.
        """
        query = _REVISIONS.limit(most)
        if about:
            query = query.where(_r.object == storable(about))
        if actor:
            query = query.where(_r.actor == storable(actor))
        if before:
            query = query.where(_r.number < before)
        return [Revision(*row) for row in self._rows(query)]

    def audit(self, *, before: int = 0, most: int) -> list[AuditRecord]:
        """Return the newest audit records; with `before` only those with a smaller number."""
        query = _AUDIT.where(_u.id < before) if before else _AUDIT
        return [AuditRecord(*row) for row in self._rows(query.limit(most))]

    def deleted(self) -> tuple[list[tuple[int, int]], list[int]]:
        """Return tombstones: (post office id, mailbox id) of mailboxes, ids of post offices."""
        boxes = select(_m.postoffice_id, _m.id).where(_m.deleted_at > 0)
        offices = select(_p.id).where(_p.deleted_at > 0)
        return [(row[0], row[1]) for row in self._rows(boxes)], [
            row[0] for row in self._rows(offices)
        ]

    def _rows(self, query: Select[Any]) -> list[Any]:
        with self._source.reader() as connection:
            return connection.rows(query)


def _of_postoffice(query: Select[Any], postoffice: str | None) -> Select[Any]:
    return query if postoffice is None else query.where(_p.name_key == fold(postoffice))


def _mailbox(row: Row) -> Mailbox:
    return Mailbox(
        id=row.id,
        postoffice_id=row.postoffice_id,
        postoffice=row.postoffice,
        name=row.name,
        role=Role(row.role),
        enabled=bool(row.enabled),
        created_at=row.created_at,
        full_name=row.full_name,
        quota_kb=row.quota_kb,
        last_login_at=row.last_login_at,
    )


def _who_may_log_in(row: Row | None) -> tuple[Mailbox, str] | None:
    if row is None or not row.enabled or not row.postoffice_enabled:
        return None
    return _mailbox(row), row.password_hash


def _operator(row: Row | None) -> tuple[Operator, str] | None:
    if row is None:
        return None
    return Operator(row.id, row.name, bool(row.enabled), row.created_at), row.password_hash


def _token(row: Row) -> Token:
    return Token(
        id=row.id,
        name=row.name,
        permissions=tuple(row.permissions.split()),
        postoffice=row.postoffice,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )
