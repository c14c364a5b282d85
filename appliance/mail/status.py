"""What became of a message for one recipient.

Standards: RFC 3464 §2.3.3 (actions), §2.3.4 (status), §2.3.6 (diagnostic code); RFC 3463.
Owns: nothing; a delivery status is a frozen value.
Never: decide about retries; it only says what happened.
Failure: none of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from appliance.mail.reply import Reply

__all__ = ["Action", "DeliveryStatus"]


class Action(StrEnum):
    """What was done with a message for a recipient (RFC 3464 §2.3.3)."""

    failed = "failed"
    delayed = "delayed"
    delivered = "delivered"
    relayed = "relayed"
    expanded = "expanded"


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """The outcome of one attempt for one recipient.

    Attributes:
        action: What was done.
        status: The enhanced status code, `5.1.1`.
        diagnostic: The words of whoever decided, typed: `smtp; 550 5.1.1 No such user`; or empty.
        remote_mta: The name of the host that decided; None when it was decided here.
    """

    action: Action
    status: str
    diagnostic: str = ""
    remote_mta: str | None = None

    @classmethod
    def from_reply(cls, reply: Reply, *, remote_mta: str | None = None) -> DeliveryStatus:
        """The status that a remote server's reply stands for.

        A reply without an enhanced status code counts as "other" of its class (RFC 3463 §3.1).
        """
        if reply.is_permanent:
            action = Action.failed
        elif reply.is_transient:
            action = Action.delayed
        else:
            action = Action.relayed
        status = reply.status or f"{reply.code // 100}.0.0"
        return cls(action, status, f"smtp; {reply}", remote_mta)
