"""What the sending SMTP engine tells its caller.

Standards: RFC 5321 §3, §4.2; RFC 3207 (TLS).
Owns: nothing; events are frozen values.
Never: a password in a command's detail.
Failure: none of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from appliance.mail.reply import Reply

__all__ = [
    "Closed",
    "ContentWanted",
    "Done",
    "Event",
    "Exchange",
    "Ready",
    "RecipientResult",
    "Stage",
    "TlsWanted",
]

Stage: TypeAlias = Literal["mail", "rcpt", "data"]


@dataclass(frozen=True, slots=True)
class RecipientResult:
    """What became of one recipient.

    Attributes:
        index: Its place in the envelope's recipients.
        reply: The reply that decided; positive only for a message that was taken. A reply that is
            the engine's own, for want of one from the peer, is a 4xx, or a 5xx where the message
            itself is more than the peer says it takes.
        stage: What was asked when it was decided; `data` is the command as well as the content.
    """

    index: int
    reply: Reply
    stage: Stage


@dataclass(frozen=True, slots=True)
class Exchange:
    """A command and its reply, for the log.

    Attributes:
        command: The verb; CONNECT for the greeting and `.` for the content.
        detail: What followed the verb; `(hidden)` for everything that belongs to AUTH.
        reply: The peer's reply.
    """

    command: str
    detail: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class TlsWanted:
    """Shake hands as a TLS client, then call tls_started(); if it fails, the connection is over."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A message can be sent now.

    Attributes:
        extensions: EHLO keywords in upper case with their parameters (RFC 5321 §4.1.1.1).
    """

    extensions: dict[str, str]


@dataclass(frozen=True, slots=True)
class ContentWanted:
    """Send the content, dot-stuffed and with its end marker, then call content_sent().

    Call it as soon as the last octets are handed over, before waiting for anything: a reply that
    overtakes the call is kept, but a connection lost before it counts as content not sent.
    """


@dataclass(frozen=True, slots=True)
class Done:
    """The transaction is over.

    Attributes:
        results: One for each recipient of the envelope, in its order.
    """

    results: tuple[RecipientResult, ...]


@dataclass(frozen=True, slots=True)
class Closed:
    """The session is over; send what data_to_send() still has and close the connection.

    Attributes:
        reply: The peer's reply that ended it; None where it gave none.
        reason: Why, for people; empty after quit().
    """

    reply: Reply | None
    reason: str


Event: TypeAlias = Exchange | TlsWanted | Ready | ContentWanted | Done | Closed
