"""The envelope: who sent a message and who gets it, apart from what the message says.

Standards: RFC 5321 §2.3.1 (envelope); RFC 3461 §4 (DSN parameters); RFC 6152 (BODY);
    RFC 6531 §3.4 (SMTPUTF8).
Owns: nothing; envelopes are frozen values.
Never: header fields; a From: header decides nothing here.
Failure: none of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple, TypeAlias

from appliance.mail.address import Address

__all__ = ["Body", "Envelope", "Notify", "Recipient", "Ret"]

Body: TypeAlias = Literal["7BIT", "8BITMIME"]
Ret: TypeAlias = Literal["FULL", "HDRS"]


class Notify(StrEnum):
    """What a sender wants to be told about a recipient (RFC 3461 §4.1); NEVER stands alone."""

    NEVER = "NEVER"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    DELAY = "DELAY"


# RFC 3461 §4.1: without NOTIFY a sender hears of failures, and may hear of delays.
_NOTIFY_UNASKED = frozenset({Notify.FAILURE, Notify.DELAY})


class Recipient(NamedTuple):
    """One forward-path with its DSN parameters.

    Attributes:
        address: Where the message goes.
        notify: The NOTIFY parameter; None where the sender gave none.
        orcpt: The ORCPT parameter, `addr-type;address`, xtext decoded (RFC 3461 §4.2).
    """

    address: Address
    notify: frozenset[Notify] | None = None
    orcpt: str | None = None

    def wants(self, event: Notify) -> bool:
        """Whether the sender is to be told of this event."""
        return event in (_NOTIFY_UNASKED if self.notify is None else self.notify)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A mail transaction's result: everything a message needs on its way besides its content.

    Attributes:
        reverse_path: Where reports go; None is the null reverse-path `<>` (RFC 5321 §4.5.5).
        recipients: The forward-paths in the order they were accepted.
        body: What the sender declared about the content's bytes (RFC 6152).
        smtputf8: Whether the message needs SMTPUTF8 all the way (RFC 6531 §3.4).
        ret: How much of the message a failure report returns (RFC 3461 §4.3).
        envid: The sender's name for this transaction, xtext decoded (RFC 3461 §4.4).
    """

    reverse_path: Address | None
    recipients: tuple[Recipient, ...]
    body: Body = "7BIT"
    smtputf8: bool = False
    ret: Ret | None = None
    envid: str | None = None
