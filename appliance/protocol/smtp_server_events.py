"""What the SMTP server engine tells its caller.

Standards: RFC 5321 §4.1, §4.3; RFC 3207; RFC 4954.
Owns: nothing; events are frozen values.
Never: a password in a representation or in what goes to a log.
Failure: none of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from appliance.mail.envelope import Recipient
from appliance.mail.reply import Reply
from appliance.protocol.smtp_command import Mail

__all__ = [
    "Credentials",
    "DataRequested",
    "Event",
    "MailRequested",
    "Question",
    "RcptRequested",
    "Respond",
    "TlsRequested",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Logged:
    """What a log line says of the command.

    Attributes:
        verb: in upper case; `?` for a line that is no command.
        detail: what followed the verb; `(hidden)` for everything that belongs to AUTH.
    """

    verb: str
    detail: str


@dataclass(frozen=True, slots=True)
class Respond(_Logged):
    """The engine answered alone.

    Attributes:
        data: what to send.
        close: hang up once it is sent.
        reply: the same, for the log.
    """

    data: bytes
    close: bool
    reply: Reply


@dataclass(frozen=True, slots=True)
class MailRequested(_Logged):
    """May this transaction begin? Answer 250 or a refusal."""

    command: Mail


@dataclass(frozen=True, slots=True)
class RcptRequested(_Logged):
    """May this recipient be added? Answer 250, 251 or a refusal."""

    recipient: Recipient


@dataclass(frozen=True, slots=True)
class DataRequested(_Logged):
    """Shall the content come? Answer 354, feed a `DataReader`, then call `data_finished`."""


@dataclass(frozen=True, slots=True)
class TlsRequested(_Logged):
    """Shall TLS begin? Answer 220, handshake, then call `tls_started`.

    Whatever was received beyond this command's line must be thrown away before the handshake: it
    came in clear and may be somebody else's (RFC 3207 §6).
    """


@dataclass(frozen=True, slots=True)
class Credentials(_Logged):
    """Is this password right? Answer 235 or a refusal (RFC 4954 §6).

    Attributes:
        mechanism: in upper case.
        authcid: whose password it is.
        authzid: whom the client wants to act as; empty for authcid itself.
        password: as typed; hidden in the representation.
    """

    mechanism: str
    authcid: str
    authzid: str
    password: str = field(repr=False)


Question: TypeAlias = MailRequested | RcptRequested | DataRequested | TlsRequested | Credentials
Event: TypeAlias = Respond | Question
