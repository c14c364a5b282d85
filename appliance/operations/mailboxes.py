"""Mailboxes (manual §5.5)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import select, update

from appliance.database.statement import Statement, param
from appliance.directory import tables
from appliance.directory.lookup import fold
from appliance.directory.passwords import hash_password
from appliance.directory.records import Mailbox, Role
from appliance.operations.addresses import bury_addresses, map_address
from appliance.operations.checks import (
    checked_full_name,
    checked_name,
    checked_password,
    checked_quota,
    found_mailbox,
    found_postoffice,
    postoffice_of,
)
from appliance.operations.house import House
from appliance.operations.login import confirm
from appliance.operations.operation import Change, Clash, Invalid, Question, Work
from appliance.operations.postoffices import ADMIN, INSERT_MAILBOX
from appliance.rules.access import Permission

_m = tables.mailboxes.c
_THIS = _m.id == param("box")
_HASH = Statement(select(_m.password_hash).where(_THIS))
_PASSWORD = Statement(update(tables.mailboxes).where(_THIS).values(password_hash=param("value")))
_EDIT = Statement(
    update(tables.mailboxes)
    .where(_THIS)
    .values(full_name=param("full_name"), role=param("role"), quota_kb=param("quota_kb"))
)
_ENABLE = Statement(update(tables.mailboxes).where(_THIS).values(enabled=param("value")))
_BURY = Statement(update(tables.mailboxes).where(_THIS).values(deleted_at=param("now")))


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfMailbox:
    """What all operations on one mailbox share.

    Attributes:
        mailbox: its login, `mailbox@postoffice`.
    """

    mailbox: str

    def owner(self) -> str:
        """Return the mailbox's post office."""
        return postoffice_of(self.mailbox)

    def object(self) -> str:
        """Return what it is about."""
        return f"mailbox {self.mailbox}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateMailbox(_OfMailbox, Change[Mailbox]):
    """Create a mailbox with an address in every domain of its post office.

    Attributes:
        mailbox: its login; the name before the @ can't be changed later.
        password: for all services.
        role: USER, or ADMIN for web administration.
        full_name: of its owner, as mail shows it, or empty.
        quota_kb: how many KiB of mail it may hold before new mail waits outside; 0 for no quota.
    """

    name = "mailbox.create"
    permission = Permission.MAILBOX_CHANGE
    password: str = field(repr=False)
    role: Role = Role.USER
    full_name: str = ""
    quota_kb: int = 0

    def prepare(self, house: House) -> str:
        """Check name and password."""
        name, at, postoffice = self.mailbox.rpartition("@")
        if not at or not postoffice:
            raise Invalid(
                f"{self.mailbox!r} names no post office; write it mailbox@postoffice",
                field="mailbox",
            )
        checked_name(name, "a mailbox", field="mailbox")
        checked_full_name(self.full_name)
        checked_quota(self.quota_kb)
        return hash_password(checked_password(self.password, house))

    def apply(self, work: Work) -> Mailbox:
        """Make the mailbox and its addresses."""
        name, _, owner = self.mailbox.rpartition("@")
        postoffice = found_postoffice(work.directory, owner, field="mailbox")
        if work.directory.mailbox(self.mailbox) is not None:
            raise Clash(f"there is a mailbox {self.mailbox!r} already", field="mailbox")
        full_name = checked_full_name(self.full_name)
        row = {
            "postoffice_id": postoffice.id,
            "name": name,
            "name_key": fold(name),
            "role": self.role,
            "enabled": 1,
            "password_hash": work.prepared,
            "created_at": work.now_us,
            "deleted_at": 0,
            "full_name": full_name,
            "quota_kb": self.quota_kb,
            "last_login_at": 0,
        }
        made = Mailbox(
            id=work.transaction.value(INSERT_MAILBOX, row),
            postoffice_id=postoffice.id,
            postoffice=postoffice.name,
            name=name,
            role=self.role,
            enabled=True,
            created_at=work.now_us,
            full_name=full_name,
            quota_kb=self.quota_kb,
        )
        after = {
            "login": made.login,
            "role": self.role,
            "enabled": True,
            "full_name": full_name,
            "quota_kb": self.quota_kb,
        }
        about = f"mailbox {made.login}"
        work.revise(about, before=None, after=after, postoffice_id=postoffice.id)
        for domain in work.directory.domains(postoffice.name):
            map_address(work, domain, made, name)
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class EditMailbox(_OfMailbox, Change[Mailbox]):
    """Change what a mailbox is; what is left out stays as it is.

    Attributes:
        full_name: of its owner, as mail shows it; empty for none.
        role: USER, or ADMIN for web administration.
        quota_kb: how many KiB of mail it may hold before new mail waits outside; 0 for no quota.
    """

    name = "mailbox.edit"
    permission = Permission.MAILBOX_CHANGE
    full_name: str | None = None
    role: Role | None = None
    quota_kb: int | None = None

    def apply(self, work: Work) -> Mailbox:
        """Change it; the revision says what is different afterwards."""
        found = found_mailbox(work.directory, self.mailbox)
        wanted: dict[str, Any] = {}
        if self.full_name is not None:
            wanted["full_name"] = checked_full_name(self.full_name)
        if self.role is not None:
            wanted["role"] = self.role
        if self.quota_kb is not None:
            wanted["quota_kb"] = checked_quota(self.quota_kb)
        if found.name == ADMIN and wanted.get("role") == Role.USER:
            raise Invalid(
                f"{found.login} administers its post office and stays an ADMIN", field="role"
            )
        after = {name: value for name, value in wanted.items() if getattr(found, name) != value}
        if not after:
            return found
        made = replace(found, **after)
        row = {
            "box": found.id,
            "full_name": made.full_name,
            "role": made.role,
            "quota_kb": made.quota_kb,
        }
        work.transaction.run(_EDIT, row)
        work.revise(
            f"mailbox {found.login}",
            before={name: getattr(found, name) for name in after},
            after=after,
            postoffice_id=found.postoffice_id,
        )
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMailboxPassword(_OfMailbox, Change[None]):
    """Set a mailbox's password.

    Attributes:
        password: the new one.
    """

    name = "mailbox.password"
    permission = Permission.MAILBOX_CHANGE
    password: str = field(repr=False)

    def prepare(self, house: House) -> str:
        """Check and hash it."""
        return hash_password(checked_password(self.password, house))

    def apply(self, work: Work) -> None:
        """Set it; the revision says only that it changed."""
        _set_password(work, self.mailbox)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckMailboxPassword(_OfMailbox, Question[bool]):
    """Whether a password is a mailbox's; for those who could set it, so it counts as no login.

    Attributes:
        password: perhaps the mailbox's.
    """

    name = "mailbox.check-password"
    permission = Permission.SERVER_CHANGE  # a post office's admin must not try out its users'
    password: str = field(repr=False)

    def answer(self, house: House) -> bool:
        """Verify it; blocks for some 20 ms."""
        found = found_mailbox(house.directory, self.mailbox)
        with house.databases.get("directory").reader() as connection:
            stored = connection.value(_HASH, {"box": found.id})
        with house.passwords.turns:
            return house.passwords.verify(f"login {fold(found.login)}", self.password, stored)


def _set_password(work: Work, login: str) -> None:
    found = found_mailbox(work.directory, login)
    work.transaction.run(_PASSWORD, {"box": found.id, "value": work.prepared})
    work.revise(
        f"mailbox {found.login}",
        before={},
        after={"password": "(changed)"},
        postoffice_id=found.postoffice_id,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeOwnPassword(_OfMailbox, Change[None]):
    """Set the own password, by the one until now. It ends all sessions of the mailbox.

    Attributes:
        old: the password until now.
        new: the new one.
    """

    name = "mailbox.own-password"
    permission = Permission.SELF
    old: str = field(repr=False)
    new: str = field(repr=False)

    def account(self) -> str:
        """Return whose password."""
        return self.mailbox

    def prepare(self, house: House) -> str:
        """Check both; a wrong old one counts as a failed login."""
        found = found_mailbox(house.directory, self.mailbox)
        reason = confirm(house, found, self.old)
        if not reason.accepted:
            raise Invalid(reason.text, field="old")
        return hash_password(checked_password(self.new, house, field="new"))

    def apply(self, work: Work) -> None:
        """Set it; the revision says only that it changed."""
        _set_password(work, self.mailbox)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnableMailbox(_OfMailbox, Change[None]):
    """Enable a mailbox, or suspend it: no logins, and its addresses are unknown (manual §5.5).

    Attributes:
        enabled: false suspends it.
    """

    name = "mailbox.enable"
    permission = Permission.MAILBOX_CHANGE
    enabled: bool

    def apply(self, work: Work) -> None:
        """Set the state."""
        found = found_mailbox(work.directory, self.mailbox)
        if found.enabled == self.enabled:
            return
        work.transaction.run(_ENABLE, {"box": found.id, "value": int(self.enabled)})
        work.revise(
            f"mailbox {found.login}",
            before={"enabled": found.enabled},
            after={"enabled": self.enabled},
            postoffice_id=found.postoffice_id,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteMailbox(_OfMailbox, Change[None]):
    """Delete a mailbox with its addresses; housekeeping removes its mail."""

    name = "mailbox.delete"
    permission = Permission.MAILBOX_CHANGE

    def apply(self, work: Work) -> None:
        """Bury it."""
        found = found_mailbox(work.directory, self.mailbox)
        if found.name == ADMIN:
            raise Invalid(
                f"{found.login} is where mail for postmaster goes; delete the post office instead",
                field="mailbox",
            )
        work.transaction.run(_BURY, {"box": found.id, "now": work.now_us})
        before = {
            "login": found.login,
            "role": found.role,
            "enabled": found.enabled,
            "full_name": found.full_name,
            "quota_kb": found.quota_kb,
        }
        about = f"mailbox {found.login}"
        work.revise(about, before=before, after=None, postoffice_id=found.postoffice_id)
        bury_addresses(work, tables.addresses.c.mailbox_id, found.id)


@dataclass(frozen=True, slots=True)
class MailboxDetails:
    """A mailbox with what it holds and where its mail comes from."""

    mailbox: Mailbox
    addresses: list[str]
    messages: int
    octets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowMailbox(_OfMailbox, Question[MailboxDetails]):
    """One mailbox: its addresses, messages and size."""

    name = "mailbox.show"
    permission = Permission.MAILBOX_READ

    def answer(self, house: House) -> MailboxDetails:
        """Return it."""
        found = found_mailbox(house.directory, self.mailbox)
        messages, octets = house.store.usage(found.postoffice_id, found.id)
        addresses = [each.address for each in house.directory.addresses(mailbox=found.login)]
        return MailboxDetails(found, addresses, messages, octets)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListMailboxes(Question[list[Mailbox]]):
    """The mailboxes of a post office; without one, of all.

    Attributes:
        postoffice: whose, or empty.
    """

    name = "mailbox.list"
    permission = Permission.MAILBOX_READ
    postoffice: str = ""

    def owner(self) -> str:
        """Return the post office."""
        return self.postoffice

    def answer(self, house: House) -> list[Mailbox]:
        """Return them by login."""
        if self.postoffice:
            found_postoffice(house.directory, self.postoffice)
        return house.directory.mailboxes(self.postoffice or None)
