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


class Permission(StrEnum):
    """What an operation needs."""

    SERVER_READ = "server.read"
    SERVER_CHANGE = "server.change"  # settings, operators
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


# The manual (§6.13) advises against letting a post office's admins change domains.
_ADMIN = frozenset(
    {
        Permission.DOMAIN_READ,
        Permission.MAILBOX_READ,
        Permission.MAILBOX_CHANGE,
        Permission.ADDRESS_READ,
        Permission.ADDRESS_CHANGE,
    }
)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks.

    Attributes:
        kind: what kind.
        name: an operator's name, a login, or a service's name.
        postoffice: the post office an admin or a mailbox belongs to.
    """

    kind: ActorKind
    name: str
    postoffice: str = ""

    def __str__(self) -> str:
        """Return the form the audit keeps: `operator:anna`."""
        return f"{self.kind}:{self.name}"


def decide(actor: Actor, permission: Permission, owner: str) -> Reason:
    """Decide whether an actor has a permission on something.

    Args:
        actor: who asks.
        permission: what the operation needs.
        owner: the post office the object belongs to; empty for the server's own.
    """
    inputs = {"actor": str(actor), "permission": permission.value, "owner": owner or "the server"}
    match actor.kind:
        case ActorKind.OPERATOR | ActorKind.SERVICE:
            allowed = True
        case ActorKind.ADMIN:
            allowed = (
                permission in _ADMIN
                and bool(owner)
                and owner.casefold() == actor.postoffice.casefold()
            )
        case ActorKind.MAILBOX:
            allowed = False
    if allowed:
        return Reason(rule="access.granted", outcome=Outcome.ACCEPT, text="allowed", inputs=inputs)
    return Reason(
        rule="access.refused",
        outcome=Outcome.REJECT,
        text=f"{actor} has no permission {permission.value} on {owner or 'the server'}",
        inputs=inputs,
    )
