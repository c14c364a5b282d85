"""SASL mechanisms PLAIN and LOGIN, both sides, without the protocol around them.

Standards: RFC 4422 (framework); RFC 4616 (PLAIN); LOGIN as in draft-murchison-sasl-login-00.
Owns: how far one exchange has come.
Never: base64 (the SMTP and POP3 engines do it), checking a password, deciding what authzid may do.
Failure: `SaslError` for a response that breaks the mechanism; the engine answers 501 or -ERR with
    its text, which never repeats anything of the response.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol, TypeAlias

__all__ = [
    "CLIENT_MECHANISMS",
    "SERVER_MECHANISMS",
    "Challenge",
    "ClientMechanism",
    "Finished",
    "LoginClient",
    "LoginServer",
    "PlainClient",
    "PlainServer",
    "SaslError",
    "ServerMechanism",
    "Step",
]

MAX_NAME_OCTETS: Final = 255  # RFC 4616 §2: what an implementation must be able to take
MAX_PASSWORD_OCTETS: Final = 1024


class SaslError(ValueError):
    """A response or challenge does not fit the mechanism; the text may be shown to the peer."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """The server has a question.

    Attributes:
        data: the challenge before base64; empty when the client has merely to begin.
    """

    data: bytes


@dataclass(frozen=True, slots=True)
class Finished:
    """The client has said who it is; whether that is true is for the caller to find out.

    Attributes:
        authcid: whose password it is.
        authzid: whom the client wants to act as; empty for authcid itself.
        password: as typed; hidden in the representation.
    """

    authcid: str
    authzid: str
    password: str = field(repr=False)


Step: TypeAlias = Challenge | Finished


class ServerMechanism(Protocol):
    """The server's side of one exchange."""

    def step(self, response: bytes | None) -> Step:
        """Take the client's response and go on.

        Args:
            response: decoded octets; None at the start when there was no initial response.

        Raises:
            SaslError: the response breaks the mechanism; the exchange is over.
        """


class PlainServer:
    """PLAIN: one response, `[authzid] NUL authcid NUL password` (RFC 4616 §2)."""

    __slots__ = ()

    def step(self, response: bytes | None) -> Step:
        """See `ServerMechanism.step`."""
        if response is None:
            return Challenge(b"")
        parts = response.split(b"\0")
        if len(parts) != 3:
            raise SaslError("a PLAIN response has three parts: authzid NUL authcid NUL password")
        authzid, authcid, password = parts
        return Finished(
            authcid=_name(authcid, "authcid"),
            authzid=_name(authzid, "authzid") if authzid else "",
            password=_password(password),
        )


class LoginServer:
    """LOGIN: the login and the password, each asked for; the login may come at once."""

    __slots__ = ("_authcid",)

    def __init__(self) -> None:
        """Start with nothing known."""
        self._authcid: str | None = None

    def step(self, response: bytes | None) -> Step:
        """See `ServerMechanism.step`."""
        if response is None:
            return Challenge(b"Username:")
        if self._authcid is None:
            self._authcid = _name(response, "login")
            return Challenge(b"Password:")
        return Finished(authcid=self._authcid, authzid="", password=_password(response))


SERVER_MECHANISMS: Final[Mapping[str, Callable[[], ServerMechanism]]] = MappingProxyType(
    {"PLAIN": PlainServer, "LOGIN": LoginServer}
)


class ClientMechanism(Protocol):
    """The client's side of one exchange."""

    def initial_response(self) -> bytes | None:
        """What goes on the AUTH command's own line; None where the server has to ask first."""

    def step(self, challenge: bytes) -> bytes:
        """Answer a challenge.

        Args:
            challenge: decoded octets.

        Raises:
            SaslError: the server asks for more than the mechanism has; cancel the exchange.
        """


class PlainClient:
    """PLAIN: everything in the initial response."""

    __slots__ = ("_response",)

    def __init__(self, authcid: str, password: str) -> None:
        """Prepare the response.

        Raises:
            SaslError: a value cannot be sent: empty, too long, or with a NUL in it.
        """
        authcid_octets, password_octets = _sendable(authcid, password)
        self._response: bytes = b"\0%b\0%b" % (authcid_octets, password_octets)

    def initial_response(self) -> bytes | None:
        """See `ClientMechanism.initial_response`."""
        return self._response

    def step(self, challenge: bytes) -> bytes:
        """See `ClientMechanism.step`; for a server that asks with an empty challenge."""
        if challenge:
            raise SaslError("PLAIN has no answer to a challenge")
        return self._response


class LoginClient:
    """LOGIN: login and password in the order of the questions, whose wording differs by server."""

    __slots__ = ("_responses",)

    def __init__(self, authcid: str, password: str) -> None:
        """Prepare the responses.

        Raises:
            SaslError: a value cannot be sent: empty, too long, or with a NUL in it.
        """
        self._responses = iter(_sendable(authcid, password))

    def initial_response(self) -> bytes | None:
        """See `ClientMechanism.initial_response`."""
        return None

    def step(self, challenge: bytes) -> bytes:  # noqa: ARG002 - see the class
        """See `ClientMechanism.step`."""
        try:
            return next(self._responses)
        except StopIteration:
            raise SaslError("LOGIN has no answer to a third challenge") from None


CLIENT_MECHANISMS: Final[Mapping[str, Callable[[str, str], ClientMechanism]]] = MappingProxyType(
    {"PLAIN": PlainClient, "LOGIN": LoginClient}
)


def _sendable(authcid: str, password: str) -> tuple[bytes, bytes]:
    octets = authcid.encode("utf-8", "replace"), password.encode("utf-8", "replace")
    _name(octets[0], "login")
    _password(octets[1])
    return octets


def _name(octets: bytes, what: str) -> str:
    text = _text(octets, what, MAX_NAME_OCTETS)
    if not text.isprintable():  # RFC 4013 §2.3, and nothing a log line should hold
        raise SaslError(f"the {what} has a control character in it")
    return text


def _password(octets: bytes) -> str:
    return _text(octets, "password", MAX_PASSWORD_OCTETS)


def _text(octets: bytes, what: str, limit: int) -> str:
    if not octets:
        raise SaslError(f"the {what} is empty")
    if len(octets) > limit:
        raise SaslError(f"the {what} is longer than {limit} octets")
    if b"\0" in octets:  # RFC 4616 §2
        raise SaslError(f"the {what} has a NUL in it")
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise SaslError(f"the {what} is not UTF-8") from None
