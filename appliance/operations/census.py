"""A post office at a glance, and its mailboxes by the page."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.directory import census
from appliance.directory.census import Counts, Kind
from appliance.directory.records import Mailbox, MappedAddress
from appliance.mail.address import Address
from appliance.operations.checks import checked_part, found_mailbox, found_postoffice
from appliance.operations.house import House
from appliance.operations.operation import Question
from appliance.rules.access import Permission

NEARLY_FULL = 0.8  # of the quota
_KIB = 1024


@dataclass(frozen=True, slots=True)
class MailboxLine:
    """A mailbox as a list shows it.

    Attributes:
        mailbox: itself.
        addresses: that lead to it.
        messages: in all its folders.
        octets: of those.
    """

    mailbox: Mailbox
    addresses: tuple[str, ...]
    messages: int
    octets: int


@dataclass(frozen=True, slots=True)
class MailboxPage:
    """Some mailboxes.

    Attributes:
        items: in the order of their names.
        after: where the next page begins; empty for none.
    """

    items: tuple[MailboxLine, ...]
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindMailboxes(Question[MailboxPage]):
    """The mailboxes of a post office, by the page.

    Attributes:
        postoffice: whose.
        containing: only with this part in the name, the full name or an address.
        kind: only of this kind.
        after: continue after this mailbox's name.
        most: how many at most.
    """

    name = "mailbox.find"
    permission = Permission.MAILBOX_READ
    postoffice: str
    containing: str = ""
    kind: Kind = Kind.ALL
    after: str = ""
    most: int = 50

    def owner(self) -> str:
        """Return the post office."""
        return self.postoffice

    def answer(self, house: House) -> MailboxPage:
        """Return the page."""
        found = found_postoffice(house.directory, self.postoffice)
        names = census.names(
            house.databases.get("directory"),
            found.id,
            kind=self.kind,
            containing=checked_part(self.containing, field="containing"),
            after=self.after,
            most=self.most + 1,
        )
        lines = tuple(_line(house, f"{name}@{found.name}") for name in names[: self.most])
        return MailboxPage(lines, names[self.most - 1] if len(names) > self.most else "")


@dataclass(frozen=True, slots=True)
class AddressPage:
    """Some lines of the address map.

    Attributes:
        items: in the order of their addresses.
        after: where the next page begins; empty for none.
    """

    items: tuple[MappedAddress, ...]
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FindAddresses(Question[AddressPage]):
    """The addresses of a post office, by the page.

    Attributes:
        postoffice: whose.
        containing: only with this part.
        after: continue after this address.
        most: how many at most.
    """

    name = "address.find"
    permission = Permission.ADDRESS_READ
    postoffice: str
    containing: str = ""
    after: str = ""
    most: int = 50

    def owner(self) -> str:
        """Return the post office."""
        return self.postoffice

    def answer(self, house: House) -> AddressPage:
        """Return the page."""
        found = found_postoffice(house.directory, self.postoffice)
        keys = census.addresses(
            house.databases.get("directory"),
            found.id,
            containing=checked_part(self.containing, field="containing"),
            after=self.after,
            most=self.most + 1,
        )
        lines = (house.directory.address(Address.parse(key)) for key in keys[: self.most])
        shown = tuple(line for line in lines if line is not None)
        return AddressPage(shown, keys[self.most - 1] if len(keys) > self.most else "")


@dataclass(frozen=True, slots=True)
class NearlyFull:
    """A mailbox near its quota, in octets."""

    login: str
    octets: int
    quota: int


@dataclass(frozen=True, slots=True)
class Overview:
    """A post office at a glance.

    Attributes:
        counts: what it has.
        messages: of all its mailboxes.
        octets: of those.
        nearly_full: mailboxes above 80 % of their quota, the fullest first.
    """

    counts: Counts
    messages: int
    octets: int
    nearly_full: tuple[NearlyFull, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyPostOffice(Question[Overview]):
    """What a post office has, and which of its mailboxes are nearly full.

    Attributes:
        postoffice: which.
    """

    name = "postoffice.survey"
    permission = Permission.MAILBOX_READ
    postoffice: str

    def owner(self) -> str:
        """Return the post office itself."""
        return self.postoffice

    def answer(self, house: House) -> Overview:
        """Return it."""
        found = found_postoffice(house.directory, self.postoffice)
        directory = house.databases.get("directory")
        usages = house.store.usages(found.id)
        limited = census.limited(directory, found.id)
        full = [
            NearlyFull(f"{name}@{found.name}", usages[mailbox][1], quota_kb * _KIB)
            for mailbox, (name, quota_kb) in limited.items()
            if mailbox in usages and usages[mailbox][1] >= NEARLY_FULL * quota_kb * _KIB
        ]
        full.sort(key=lambda each: each.octets / each.quota, reverse=True)
        return Overview(
            counts=census.count(directory, found.id),
            messages=sum(messages for messages, _ in usages.values()),
            octets=sum(octets for _, octets in usages.values()),
            nearly_full=tuple(full),
        )


def _line(house: House, login: str) -> MailboxLine:
    mailbox = found_mailbox(house.directory, login)
    messages, octets = house.store.usage(mailbox.postoffice_id, mailbox.id)
    addresses = tuple(each.address for each in house.directory.addresses(mailbox=mailbox.login))
    return MailboxLine(mailbox, addresses, messages, octets)
