"""The directory's things as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """A mailbox's type (manual §5.5): an ADMIN may use web administration."""

    USER = "USER"
    ADMIN = "ADMIN"


@dataclass(frozen=True, slots=True)
class PostOffice:
    """A tenant."""

    id: int
    name: str
    enabled: bool
    created_at: int  # µs


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain hosted for a post office."""

    id: int
    postoffice: str
    name: str
    enabled: bool
    created_at: int


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox; `login` is `mailbox@postoffice`."""

    id: int
    postoffice_id: int
    postoffice: str
    name: str
    role: Role
    enabled: bool
    created_at: int

    @property
    def login(self) -> str:
        """What its owner logs in with (manual §2.8)."""
        return f"{self.name}@{self.postoffice}"


@dataclass(frozen=True, slots=True)
class MappedAddress:
    """One line of the address map (manual §12)."""

    id: int
    address: str
    postoffice: str
    mailbox: str

    @property
    def source(self) -> str:
        """The left side: `[SMTP:jones@example.com]`."""
        return f"[SMTP:{self.address}]"

    @property
    def destination(self) -> str:
        """The right side: `[SF:Example/jones]`."""
        return f"[SF:{self.postoffice}/{self.mailbox}]"


@dataclass(frozen=True, slots=True)
class Operator:
    """A named account of somebody who runs the server."""

    id: int
    name: str
    enabled: bool
    created_at: int


@dataclass(frozen=True, slots=True)
class Target:
    """Where the address map sends an address.

    Attributes:
        domain_known: the domain is hosted here.
        enabled: post office and domain are enabled.
        postoffice_id: whose domain it is; 0 when not hosted here.
        postoffice: its name.
        mailbox_id: the mailbox; 0 when the address is unknown.
        mailbox: its name.
        mailbox_enabled: its login and mappings work (manual §5.5).
    """

    domain_known: bool
    enabled: bool = False
    postoffice_id: int = 0
    postoffice: str = ""
    mailbox_id: int = 0
    mailbox: str = ""
    mailbox_enabled: bool = False


@dataclass(frozen=True, slots=True)
class Revision:
    """One change of the configuration: what an object was and is, as JSON without secrets."""

    number: int
    at: int  # µs
    actor: str
    door: str
    operation: str
    object: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One operation that was asked for."""

    at: int  # µs
    actor: str
    door: str
    client: str
    operation: str
    object: str
    outcome: str  # done, refused or failed
    detail: str
