"""Who may do what: the decision before every operation (DESIGN, Actors)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from appliance.journey.reason import Outcome, Reason


class ActorKind(StrEnum):
    """What kind of actor asks."""

    OPERATOR = "operator"
    ADMIN = "admin"  # of a post office
    MAILBOX = "mailbox"
    SERVICE = "service"
    TOKEN = "token"  # noqa: S105 - a program, by the API


class Permission(StrEnum):
    """What an operation needs."""

    SERVER_READ = "server.read"
    SERVER_CHANGE = "server.change"  # settings
    POSTOFFICE_CHANGE = "postoffice.change"  # create, suspend, delete
    DOMAIN_READ = "domain.read"
    DOMAIN_CHANGE = "domain.change"
    MAILBOX_READ = "mailbox.read"
    MAILBOX_CHANGE = "mailbox.change"
    ADDRESS_READ = "address.read"
    ADDRESS_CHANGE = "address.change"
    QUEUE_READ = "queue.read"
    QUEUE_CHANGE = "queue.change"
    MESSAGE_TRACE = "message.trace"
    IDENTITY = "identity"  # operators' accounts and tokens
    SESSION = "session"  # who is signed in to the web
    SELF = "self"  # what somebody may do about the own account only


# The manual (§6.13) advises against letting a post office's admins change domains.
ADMIN_PERMISSIONS = frozenset(
    {
        Permission.DOMAIN_READ,
        Permission.MAILBOX_READ,
        Permission.MAILBOX_CHANGE,
        Permission.ADDRESS_READ,
        Permission.ADDRESS_CHANGE,
    }
)
# A token can't make itself another account, token or session: it would outlive being revoked.
TOKEN_PERMISSIONS = frozenset(Permission) - {
    Permission.IDENTITY,
    Permission.SESSION,
    Permission.SELF,
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks.

    Attributes:
        kind: what kind.
        name: an operator's name, a login, a service's or a token's name.
        postoffice: the post office an admin or a mailbox belongs to, or a token is bound to.
        permissions: what a token may do; None for the other kinds, whose kind says it.
    """

    kind: ActorKind
    name: str
    postoffice: str = ""
    permissions: frozenset[Permission] | None = None

    def __str__(self) -> str:
        """Return the form the audit keeps: `operator:anna`."""
        return f"{self.kind}:{self.name}"


def decide(actor: Actor, permission: Permission, owner: str, account: str = "") -> Reason:
    """Decide whether an actor has a permission on something.

    Args:
        actor: who asks.
        permission: what the operation needs.
        owner: the post office the object belongs to; empty for the server's own.
        account: whose it is about: a login, or an operator's name; empty for nobody's.
    """
    inputs = {"actor": str(actor), "permission": permission.value, "owner": owner or "the server"}
    if account:
        inputs["account"] = account
    if _may(actor, permission, owner, account):
        return Reason(rule="access.granted", outcome=Outcome.ACCEPT, text="allowed", inputs=inputs)
    return Reason(
        rule="access.refused",
        outcome=Outcome.REJECT,
        text=f"{actor} has no permission {permission.value} on {account or owner or 'the server'}",
        inputs=inputs,
    )


def _may(actor: Actor, permission: Permission, owner: str, account: str) -> bool:
    is_own = bool(owner) and _same(owner, actor.postoffice)
    is_self = bool(account) and _same(account, actor.name)
    match actor.kind:
        case ActorKind.OPERATOR | ActorKind.SERVICE:
            return True
        case ActorKind.ADMIN if permission is Permission.SELF:
            return is_self
        case ActorKind.ADMIN if permission is Permission.SESSION:
            return is_own
        case ActorKind.ADMIN:
            return is_own and permission in ADMIN_PERMISSIONS
        case ActorKind.MAILBOX:
            return is_self and permission in (Permission.SELF, Permission.SESSION)
        case ActorKind.TOKEN:
            granted = (actor.permissions or frozenset()) & TOKEN_PERMISSIONS
            if actor.postoffice:
                return is_own and permission in granted & ADMIN_PERMISSIONS
            return permission in granted


def _same(name: str, other: str) -> bool:
    """Compare names of accounts and post offices: case does not count."""
    return name.casefold() == other.casefold()
