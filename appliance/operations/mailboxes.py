"""Mailboxes (manual §5.5)."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import update

from appliance.database.statement import Statement, param
from appliance.directory import tables
from appliance.directory.lookup import fold
from appliance.directory.passwords import hash_password
from appliance.directory.records import Mailbox, Role
from appliance.operations.addresses import map_address
from appliance.operations.checks import (
    checked_name,
    checked_password,
    found_mailbox,
    found_postoffice,
    postoffice_of,
)
from appliance.operations.house import House
from appliance.operations.operation import Change, Clash, Invalid, Question, Work
from appliance.operations.postoffices import ADMIN, INSERT_MAILBOX
from appliance.rules.access import Permission

_m = tables.mailboxes.c
_THIS = _m.id == param("box")
_PASSWORD = Statement(update(tables.mailboxes).where(_THIS).values(password_hash=param("value")))
_ENABLE = Statement(update(tables.mailboxes).where(_THIS).values(enabled=param("value")))
_BURY = Statement(update(tables.mailboxes).where(_THIS).values(deleted_at=param("now")))
_BURY_ADDRESSES = Statement(
    update(tables.addresses)
    .where(tables.addresses.c.mailbox_id == param("box"), tables.addresses.c.deleted_at == 0)
    .values(deleted_at=param("now"))
)


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
    """

    name = "mailbox.create"
    permission = Permission.MAILBOX_CHANGE
    password: str = field(repr=False)
    role: Role = Role.USER

    def prepare(self, house: House) -> str:
        """Check name and password."""
        name, at, postoffice = self.mailbox.rpartition("@")
        if not at or not postoffice:
            raise Invalid(f"{self.mailbox!r} names no post office; write it mailbox@postoffice")
        checked_name(name, "a mailbox")
        return hash_password(checked_password(self.password, house))

    def apply(self, work: Work) -> Mailbox:
        """Make the mailbox and its addresses."""
        name, _, owner = self.mailbox.rpartition("@")
        postoffice = found_postoffice(work.directory, owner)
        if work.directory.mailbox(self.mailbox) is not None:
            raise Clash(f"there is a mailbox {self.mailbox!r} already")
        row = {
            "postoffice_id": postoffice.id,
            "name": name,
            "name_key": fold(name),
            "role": self.role,
            "enabled": 1,
            "password_hash": work.prepared,
            "created_at": work.now_us,
            "deleted_at": 0,
        }
        made = Mailbox(
            id=work.transaction.value(INSERT_MAILBOX, row),
            postoffice_id=postoffice.id,
            postoffice=postoffice.name,
            name=name,
            role=self.role,
            enabled=True,
            created_at=work.now_us,
        )
        after = {"login": made.login, "role": self.role, "enabled": True}
        about = f"mailbox {made.login}"
        work.revise(about, before=None, after=after, postoffice_id=postoffice.id)
        for domain in work.directory.domains(postoffice.name):
            map_address(work, domain, made, name)
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
        found = found_mailbox(work.directory, self.mailbox)
        work.transaction.run(_PASSWORD, {"box": found.id, "value": work.prepared})
        work.revise(
            f"mailbox {found.login}",
            before={},
            after={"password": "(changed)"},
            postoffice_id=found.postoffice_id,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EnableMailbox(_OfMailbox, Change[None]):
    """Enable a mailbox, or suspend it: no logins, and its addresses are unknown (manual §5.5)."""

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
                f"{found.login} is where mail for postmaster goes; delete the post office instead"
            )
        buried = {"box": found.id, "now": work.now_us}
        work.transaction.run(_BURY_ADDRESSES, buried)
        work.transaction.run(_BURY, buried)
        before = {"login": found.login, "role": found.role, "enabled": found.enabled}
        about = f"mailbox {found.login}"
        work.revise(about, before=before, after=None, postoffice_id=found.postoffice_id)


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
