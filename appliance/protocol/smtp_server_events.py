"""What the SMTP server engine tells its caller.

Standards: RFC 5321 §4.1, §4.3; RFC 3207; RFC 4954.
Each event has what a log line says of the command: `verb` in upper case, `?` for a line that is no
command, and `detail`, what followed the verb; `(hidden)` for everything that belongs to AUTH.

Owns: nothing; events are values that don't change.
Never: a password in a representation or in what goes to a log.
Failure: none of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

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


class Respond(NamedTuple):
    """The engine answered alone.

    Attributes:
        data: what to send.
        close: hang up once it is sent.
        reply: the same, for the log.
    """

    data: bytes
    close: bool
    reply: Reply
    verb: str
    detail: str


class MailRequested(NamedTuple):
    """May this transaction begin? Answer 250 or a refusal."""

    command: Mail
    verb: str
    detail: str


class RcptRequested(NamedTuple):
    """May this recipient be added? Answer 250, 251 or a refusal."""

    recipient: Recipient
    verb: str
    detail: str


class DataRequested(NamedTuple):
    """Shall the content come? Answer 354, feed a `DataReader`, then call `data_finished`."""

    verb: str
    detail: str


class TlsRequested(NamedTuple):
    """Shall TLS begin? Answer 220, handshake, then call `tls_started`.

    Whatever was received beyond this command's line must be thrown away before the handshake: it
    came in clear and may be somebody else's (RFC 3207 §6).
    """

    verb: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
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
    verb: str
    detail: str


Question: TypeAlias = MailRequested | RcptRequested | DataRequested | TlsRequested | Credentials
Event: TypeAlias = Respond | Question
