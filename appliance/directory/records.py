"""The directory's things as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


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
    """A mailbox; `login` is `mailbox@postoffice`.

    Attributes:
        id: never used again.
        postoffice_id: whose it is.
        postoffice: its name.
        name: what stands before the @ of its login.
        role: USER or ADMIN.
        enabled: its login and mappings work (manual §5.5).
        created_at: µs.
        full_name: of its owner, as mail shows it, or empty.
        quota_kb: how many KiB of mail it may hold before new mail waits outside; 0 for no quota.
        last_login_at: µs, to the minute; 0 for never.
    """

    id: int
    postoffice_id: int
    postoffice: str
    name: str
    role: Role
    enabled: bool
    created_at: int
    full_name: str = ""
    quota_kb: int = 0
    last_login_at: int = 0

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
class Token:
    """What a program shows to the API instead of a password.

    Attributes:
        id: never used again.
        name: what it is for.
        permissions: what it may do, sorted.
        postoffice: it reaches only this one's things; empty for the whole server.
        created_at: µs.
        expires_at: µs; 0 for never.
        last_used_at: µs, to the minute; 0 for never.
    """

    id: int
    name: str
    permissions: tuple[str, ...]
    postoffice: str
    created_at: int
    expires_at: int
    last_used_at: int


class Target(NamedTuple):
    """Where the address map sends an address.

    Attributes:
        domain_known: the domain is hosted here.
        enabled: post office and domain are enabled.
        postoffice_id: whose domain it is; 0 when not hosted here.
        postoffice: its name.
        mailbox_id: the mailbox; 0 when the address is unknown.
        mailbox: its name.
        mailbox_enabled: its login and mappings work (manual §5.5).
        quota_kb: the mailbox's quota; 0 for none.
    """

    domain_known: bool
    enabled: bool = False
    postoffice_id: int = 0
    postoffice: str = ""
    mailbox_id: int = 0
    mailbox: str = ""
    mailbox_enabled: bool = False
    quota_kb: int = 0


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
    postoffice: str  # whose object it is; empty for the server's, and once it is gone for good


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One operation that was asked for."""

    number: int
    at: int  # µs
    actor: str
    door: str
    client: str
    operation: str
    object: str
    outcome: str  # done, refused or failed
    detail: str
