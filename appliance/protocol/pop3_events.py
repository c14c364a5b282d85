"""What a POP3 engine and its caller tell each other: events, states, and the maildrop's port.

Standards: RFC 1939 §3 (states), §8 (numbers and sizes); RFC 2449 §8 and RFC 3206 (response codes).
Owns: nothing; events are frozen values.
Never: a secret in a representation or in `detail`.
Failure: none of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Literal, Protocol, TypeAlias

__all__ = [
    "LINES_A_PIECE",
    "Event",
    "Listing",
    "Login",
    "Maildrop",
    "Quit",
    "Respond",
    "ResponseCode",
    "Retr",
    "State",
    "TlsRequested",
    "Top",
]

ResponseCode: TypeAlias = Literal["AUTH", "SYS/TEMP", "SYS/PERM", "IN-USE", "LOGIN-DELAY"]
"""Why a login failed, for the client's program (RFC 2449 §8, RFC 3206)."""

LINES_A_PIECE = 4096
"""Lines of LIST and UIDL that are made and sent at a time, so that no maildrop is too large."""


class State(StrEnum):
    """Where a session stands (RFC 1939 §3); CLOSED is after the last answer."""

    AUTHORIZATION = "AUTHORIZATION"
    TRANSACTION = "TRANSACTION"
    UPDATE = "UPDATE"
    CLOSED = "CLOSED"


class Maildrop(Protocol):
    """A mailbox's messages as one session sees them, numbered from 1 and never changing.

    Every member but `count` and `octets` may have to load a listing first.
    """

    @property
    def count(self) -> int:
        """How many messages there are."""

    @property
    def octets(self) -> int:
        """Their sizes added up."""

    def size(self, number: int) -> int | None:
        """The octets of a message as sent, without dot-stuffing; None if there is none."""

    def uid(self, number: int) -> str | None:
        """The unique-id of a message, 1 to 70 printable characters; None if there is none."""

    def list_pieces(self) -> Iterator[bytes]:
        """Lines `number size CRLF` in order, without the ending dot.

        Each piece but the last has `LINES_A_PIECE` of them; so has each of `uidl_pieces`.
        """

    def uidl_pieces(self) -> Iterator[bytes]:
        """Lines `number unique-id CRLF` in order, without the ending dot."""


@dataclass(frozen=True, slots=True)
class Respond:
    """The engine has answered a command by itself.

    Attributes:
        data: The bytes to send.
        verb: The command, for the log; `?` for a line that is no command.
        detail: Its arguments, for the log; never a secret.
        close: Close the connection once the bytes are sent.
    """

    data: bytes
    verb: str
    detail: str = ""
    close: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """Send the answer to LIST or UIDL of the whole maildrop, piece by piece.

    Attributes:
        pieces: What to send, from the first line to the ending dot; made while they are taken.
        verb: LIST or UIDL.
    """

    pieces: Iterator[bytes]
    verb: str
    detail: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class Login:
    """A client has given name and password; answer by login_ok() or login_failed().

    Attributes:
        user: The login as the client wrote it.
        password: Hidden in the representation.
        verb: PASS or AUTH.
    """

    user: str
    password: str = field(repr=False)
    verb: str
    detail: ClassVar[str] = "(hidden)"


@dataclass(frozen=True, slots=True)
class TlsRequested:
    """Send `data`, drop whatever has been read beyond the command, shake hands, call tls_started().

    Plain-text bytes kept across the handshake would be taken for the client's (RFC 2595 §2.4).
    """

    data: bytes
    verb: ClassVar[str] = "STLS"
    detail: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class Retr:
    """Send a message: retr_header(), its content dot-stuffed, and the ending dot.

    Attributes:
        number: Which one; it exists and isn't marked as deleted.
        size: Its octets, by the maildrop.
    """

    number: int
    size: int
    verb: ClassVar[str] = "RETR"

    @property
    def detail(self) -> str:
        """The argument, for the log."""
        return str(self.number)


@dataclass(frozen=True, slots=True)
class Top:
    """Send the beginning of a message: top().

    Attributes:
        number: Which one; it exists and isn't marked as deleted.
        lines: How many lines of its body.
    """

    number: int
    lines: int
    verb: ClassVar[str] = "TOP"

    @property
    def detail(self) -> str:
        """The arguments, for the log."""
        return f"{self.number} {self.lines}"


@dataclass(frozen=True, slots=True)
class Quit:
    """The session is in UPDATE: remove what is marked, then answer by quit_done().

    Attributes:
        deleted: The numbers marked as deleted, in order.
    """

    deleted: Sequence[int]
    verb: ClassVar[str] = "QUIT"
    detail: ClassVar[str] = ""


Event: TypeAlias = Respond | Listing | Login | TlsRequested | Retr | Top | Quit
