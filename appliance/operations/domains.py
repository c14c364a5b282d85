"""Domains of a post office (manual §5.4)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import insert, update

from appliance.database.statement import Statement, param
from appliance.directory import tables
from appliance.directory.records import Domain
from appliance.operations.addresses import bury_addresses, map_address
from appliance.operations.checks import checked_domain, found_domain, found_postoffice
from appliance.operations.house import House
from appliance.operations.operation import Change, Clash, Question, Work
from appliance.operations.postoffices import ADMIN
from appliance.rules.access import Permission

# Every domain must have them (RFC 5321 §4.5.1, RFC 2142); they lead to ADMIN unless told otherwise.
_REQUIRED = ("postmaster", "abuse")

_d = tables.domains.c
_INSERT = Statement(
    insert(tables.domains).returning(_d.id),
    ("postoffice_id", "name", "enabled", "created_at", "deleted_at"),
)
_ENABLE = Statement(
    update(tables.domains).where(_d.id == param("domain")).values(enabled=param("value"))
)
_BURY = Statement(
    update(tables.domains).where(_d.id == param("domain")).values(deleted_at=param("now"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateDomain(Change[Domain]):
    """Host a domain for a post office; each of its mailboxes gets an address there.

    Attributes:
        domain: the full name; international names are kept as A-labels.
        postoffice: whose.
        addresses: each of its mailboxes gets one there, ADMIN those that every domain must have.
    """

    name = "domain.create"
    permission = Permission.DOMAIN_CHANGE
    domain: str
    postoffice: str
    addresses: bool = True

    def owner(self) -> str:
        """Return the post office."""
        return self.postoffice

    def object(self) -> str:
        """Return what it is about."""
        return f"domain {self.domain}"

    def apply(self, work: Work) -> Domain:
        """Make the domain and its addresses."""
        domain = checked_domain(self.domain)
        postoffice = found_postoffice(work.directory, self.postoffice)
        if work.directory.domain(domain) is not None:
            raise Clash(f"the domain {domain} is hosted here already", field="domain")
        row = {
            "postoffice_id": postoffice.id,
            "name": domain,
            "enabled": 1,
            "created_at": work.now_us,
            "deleted_at": 0,
        }
        made = Domain(
            work.transaction.value(_INSERT, row),
            postoffice.name,
            domain,
            enabled=True,
            created_at=work.now_us,
        )
        after = {"domain": domain, "postoffice": postoffice.name, "enabled": True}
        work.revise(f"domain {domain}", before=None, after=after, postoffice_id=postoffice.id)
        for mailbox in work.directory.mailboxes(postoffice.name) if self.addresses else ():
            map_address(work, made, mailbox, mailbox.name)
            if mailbox.name == ADMIN:
                for local_part in _REQUIRED:
                    map_address(work, made, mailbox, local_part)
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class EnableDomain(Change[None]):
    """Enable a domain, or disable it: no mail is accepted for it (manual §5.4).

    Attributes:
        domain: which.
        enabled: false disables it.
    """

    name = "domain.enable"
    permission = Permission.DOMAIN_CHANGE
    domain: str
    enabled: bool

    def object(self) -> str:
        """Return what it is about."""
        return f"domain {self.domain}"

    def apply(self, work: Work) -> None:
        """Set the state."""
        found = found_domain(work.directory, self.domain)
        if found.enabled == self.enabled:
            return
        work.transaction.run(_ENABLE, {"domain": found.id, "value": int(self.enabled)})
        work.revise(
            f"domain {found.name}",
            before={"enabled": found.enabled},
            after={"enabled": self.enabled},
            postoffice_id=found_postoffice(work.directory, found.postoffice).id,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteDomain(Change[None]):
    """Stop hosting a domain; its addresses go with it, mailboxes and mail stay.

    Attributes:
        domain: which.
    """

    name = "domain.delete"
    permission = Permission.DOMAIN_CHANGE
    domain: str

    def object(self) -> str:
        """Return what it is about."""
        return f"domain {self.domain}"

    def apply(self, work: Work) -> None:
        """Bury the domain and its addresses."""
        found = found_domain(work.directory, self.domain)
        work.transaction.run(_BURY, {"domain": found.id, "now": work.now_us})
        before = {"domain": found.name, "postoffice": found.postoffice, "enabled": found.enabled}
        postoffice_id = found_postoffice(work.directory, found.postoffice).id
        work.revise(f"domain {found.name}", before=before, after=None, postoffice_id=postoffice_id)
        bury_addresses(work, tables.addresses.c.domain_id, found.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowDomain(Question[Domain]):
    """One domain.

    Attributes:
        domain: which.
    """

    name = "domain.show"
    permission = Permission.DOMAIN_READ
    domain: str

    def answer(self, house: House) -> Domain:
        """Return it."""
        return found_domain(house.directory, self.domain)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListDomains(Question[list[Domain]]):
    """The domains of a post office; without one, of all.

    Attributes:
        postoffice: whose, or empty.
    """

    name = "domain.list"
    permission = Permission.DOMAIN_READ
    postoffice: str = ""

    def owner(self) -> str:
        """Return the post office."""
        return self.postoffice

    def answer(self, house: House) -> list[Domain]:
        """Return them by name."""
        if self.postoffice:
            found_postoffice(house.directory, self.postoffice)
        return house.directory.domains(self.postoffice or None)
