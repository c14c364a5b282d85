"""E-mail addresses: lines of the address map (manual §5.6, §12)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Column, insert, select, update

from appliance.database.statement import Statement, param
from appliance.directory import tables
from appliance.directory.lookup import fold
from appliance.directory.records import Domain, Mailbox, MappedAddress
from appliance.mail.address import Address, AddressError
from appliance.operations.checks import (
    checked_address,
    found_mailbox,
    found_postoffice,
    postoffice_of,
)
from appliance.operations.house import House
from appliance.operations.operation import Change, Clash, Invalid, NotFound, Question, Work
from appliance.rules.access import Permission

_a = tables.addresses.c
_INSERT = Statement(
    insert(tables.addresses).returning(_a.id),
    ("postoffice_id", "domain_id", "mailbox_id", "address", "key", "created_at", "deleted_at"),
)
_BURY = Statement(
    update(tables.addresses).where(_a.id == param("address")).values(deleted_at=param("now"))
)

_ADDRESSES = (
    select(
        *(_a.id, _a.address, _a.key, _a.postoffice_id),
        tables.postoffices.c.name.label("postoffice"),
        tables.mailboxes.c.name.label("mailbox"),
    )
    .join(tables.postoffices, tables.postoffices.c.id == _a.postoffice_id)
    .join(tables.mailboxes, tables.mailboxes.c.id == _a.mailbox_id)
    .where(_a.deleted_at == 0)
    .order_by(_a.key)
)


def map_address(work: Work, domain: Domain, mailbox: Mailbox, local_part: str) -> None:
    """Map `local_part@domain` to a mailbox, unless that address is taken or can't be written."""
    try:
        address = Address.parse(f"{local_part}@{domain.name}")
    except AddressError:
        return  # a mailbox name that is no local part has addresses of its owner's choice only
    if work.directory.address(address) is None:
        _insert(work, address, domain, mailbox)


def _insert(work: Work, address: Address, domain: Domain, mailbox: Mailbox) -> MappedAddress:
    row = {
        "postoffice_id": mailbox.postoffice_id,
        "domain_id": domain.id,
        "mailbox_id": mailbox.id,
        "address": str(address),
        "key": address.key,
        "created_at": work.now_us,
        "deleted_at": 0,
    }
    made = MappedAddress(
        work.transaction.value(_INSERT, row), str(address), mailbox.postoffice, mailbox.name
    )
    work.revise(
        f"address {address.key}",
        before=None,
        after={"address": made.address, "destination": made.destination},
        postoffice_id=mailbox.postoffice_id,
    )
    return made


def bury_addresses(work: Work, column: Column[int], of: int) -> None:
    """Bury all addresses of a mailbox or a domain, each with its revision.

    Args:
        work: the change that takes them along.
        column: `mailbox_id` or `domain_id`.
        of: its value.
    """
    found = work.transaction.rows(_ADDRESSES.where(column == of))
    work.transaction.run_many(_BURY, [{"address": row.id, "now": work.now_us} for row in found])
    for row in found:
        mapped = MappedAddress(row.id, row.address, row.postoffice, row.mailbox)
        work.revise(
            f"address {row.key}",
            before={"address": mapped.address, "destination": mapped.destination},
            after=None,
            postoffice_id=row.postoffice_id,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateAddress(Change[MappedAddress]):
    """Give a mailbox a further address, in a domain of its own post office.

    Attributes:
        address: `local-part@domain`.
        mailbox: the login of the mailbox that gets its mail.
    """

    name = "address.create"
    permission = Permission.ADDRESS_CHANGE
    address: str
    mailbox: str

    def owner(self) -> str:
        """Return the mailbox's post office."""
        return postoffice_of(self.mailbox)

    def object(self) -> str:
        """Return what it is about."""
        return f"address {self.address}"

    def apply(self, work: Work) -> MappedAddress:
        """Make the address."""
        address = checked_address(self.address, field="address")
        mailbox = found_mailbox(work.directory, self.mailbox)
        domain = work.directory.domain(address.domain)
        if domain is None or domain.postoffice != mailbox.postoffice:
            own = ", ".join(each.name for each in work.directory.domains(mailbox.postoffice))
            raise Invalid(
                f"{address.domain} is not a domain of the post office {mailbox.postoffice}; "
                f"its domains are: {own or 'none yet'}",
                field="address",
            )
        taken = work.directory.address(address)
        if taken is not None:
            raise Clash(f"{address} leads to {taken.destination} already", field="address")
        return _insert(work, address, domain, mailbox)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteAddress(Change[None]):
    """Take an address away; the mailbox stays.

    Attributes:
        address: which.
        postoffice: whose it must be; empty when the actor is bound to none.
    """

    name = "address.delete"
    permission = Permission.ADDRESS_CHANGE
    address: str
    postoffice: str = ""

    def owner(self) -> str:
        """Return the post office."""
        return self.postoffice

    def object(self) -> str:
        """Return what it is about."""
        return f"address {self.address}"

    def apply(self, work: Work) -> None:
        """Bury the address."""
        address = checked_address(self.address, field="address")
        found = work.directory.address(address)
        if found is None or self.postoffice.casefold() not in ("", found.postoffice.casefold()):
            raise NotFound(
                f"there is no address {address}; see `posthouse address list`", field="address"
            )
        work.transaction.run(_BURY, {"address": found.id, "now": work.now_us})
        work.revise(
            f"address {address.key}",
            before={"address": found.address, "destination": found.destination},
            after=None,
            postoffice_id=found_postoffice(work.directory, found.postoffice).id,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAddresses(Question[list[MappedAddress]]):
    """Lines of the address map.

    Attributes:
        postoffice: of this post office, or empty.
        mailbox: of this mailbox (login), or empty.
    """

    name = "address.list"
    permission = Permission.ADDRESS_READ
    postoffice: str = ""
    mailbox: str = ""

    def owner(self) -> str:
        """Return the post office."""
        return self.postoffice or postoffice_of(self.mailbox)

    def answer(self, house: House) -> list[MappedAddress]:
        """Return them by address."""
        if self.postoffice:
            found_postoffice(house.directory, self.postoffice)
        if self.mailbox:
            if fold(self.owner()) != fold(postoffice_of(self.mailbox)):
                raise Invalid(
                    f"{self.mailbox!r} is no mailbox of {self.postoffice!r}", field="mailbox"
                )
            found_mailbox(house.directory, self.mailbox)
        return house.directory.addresses(
            postoffice=self.postoffice or None, mailbox=self.mailbox or None
        )
