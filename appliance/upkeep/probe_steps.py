"""What a probe does, step by step: each with what was found, or one clear reason, and how long.

Owns: the list of steps. Never: waits without a bound; every socket has a time-out.
Failure: none: what goes wrong is a step that failed, and ends its door.
"""

from __future__ import annotations

import contextlib
import http.client
import poplib
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from appliance.settings.kinds import with_port

T = TypeVar("T")

_DAY_S = 86_400
_MOST_TEXT = 300  # characters of another side's words


class ProbeError(Exception):
    """A door answers, and not as it should; the text says what was expected."""


class DoorClosed(Exception):
    """A step of a door failed: what would follow it is left out."""


_FAILURES = (OSError, http.client.HTTPException, poplib.error_proto, ProbeError, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a door is, and what is expected of it.

    Attributes:
        host: name or IP address to connect to.
        port: TCP port.
        timeout_s: for the connection and for each answer.
    """

    host: str
    port: int
    timeout_s: float

    def __str__(self) -> str:
        """Host and port, for people."""
        return with_port(self.host, self.port)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that was tried.

    Attributes:
        door: smtp, submission, pop3 …
        what: what was tried, in a few words.
        ok: it is as it should be.
        text: what was found; where it failed, why.
        seconds: how long it took.
    """

    door: str
    what: str
    ok: bool
    text: str
    seconds: float


class Steps:
    """The steps of a probe."""

    def __init__(self, tell: Callable[[Step], None]) -> None:
        """Take what is called with each step when it is done."""
        self._tell = tell
        self.done: list[Step] = []

    def take(self, door: str, what: str, action: Callable[[], tuple[T, str]], where: str = "") -> T:
        """Take a step.

        Args:
            door: whose.
            what: in a few words.
            action: returns something for the steps that follow, and what was found, as text.
            where: host and port, for the reason.

        Raises:
            DoorClosed: it failed.
        """
        started = time.perf_counter()
        try:
            found, text = action()
        except _FAILURES as error:
            self._add(door, what, why(error, where), started, ok=False)
            raise DoorClosed from error
        self._add(door, what, text, started, ok=True)
        return found

    def _add(self, door: str, what: str, text: str, started: float, *, ok: bool) -> None:
        step = Step(
            door=door,
            what=what,
            ok=ok,
            text=" ".join(text.split())[:_MOST_TEXT],
            seconds=round(time.perf_counter() - started, 3),
        )
        self.done.append(step)
        self._tell(step)


@contextlib.contextmanager
def hanging_up(client: smtplib.SMTP | poplib.POP3) -> Iterator[None]:
    """Close a client's connection in the end, if it is there still."""
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # the handshake failed, and the socket is closed
            client.close()


class NamedContext(ssl.SSLContext):
    """Checks certificates for the server's name, whatever address was connected to.

    Attributes:
        name: the host name or IP address that certificates must be for.
    """

    name: str

    def wrap_socket(self, sock: socket.socket, *args: Any, **kwargs: Any) -> ssl.SSLSocket:  # noqa: ANN401 - ssl's own
        """Shake hands, expecting the server's name."""
        return super().wrap_socket(sock, *args, **{**kwargs, "server_hostname": self.name})


def tls_context(name: str, authorities: list[Path]) -> NamedContext:
    """Return what clients check certificates by.

    Args:
        name: that certificates must be for.
        authorities: PEM files of authorities to trust besides the system's.

    Raises:
        OSError: a file can't be read, or is none of certificates.
    """
    context = NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.name = name
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 9325 §3.1.1
    context.load_default_certs()
    for path in authorities:
        context.load_verify_locations(cafile=path)
    return context


def secured(sock: object, name: str) -> str:
    """Say by what a connection is secured: version, the certificate's name and its end.

    Raises:
        ProbeError: it is not secured.
    """
    if not isinstance(sock, ssl.SSLSocket):
        raise ProbeError("the connection is not secured")
    ends = str((sock.getpeercert() or {}).get("notAfter", ""))
    left_s = ssl.cert_time_to_seconds(ends) - time.time()
    day = datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC)
    days = int(left_s // _DAY_S)
    return f"{sock.version()}, certificate for {name} until {day:%Y-%m-%d}, {days} days left"


def why(error: Exception, where: str) -> str:
    """Say in one sentence why a step failed; never with what was sent."""
    match error:
        case ssl.SSLCertVerificationError():
            text = f"the certificate is not right: {error.verify_message.rstrip('.')}"
        case ssl.SSLError():
            reason = str(getattr(error, "reason", "") or error).lower().replace("_", " ")
            text = f"the TLS handshake with {where} failed: {reason}"
        case smtplib.SMTPAuthenticationError():
            text = f"the login was refused: {_reply(error)}"
        case smtplib.SMTPRecipientsRefused():
            code, said = next(iter(error.recipients.values()))
            text = f"the recipient was refused: {code} {_text(said)}"
        case smtplib.SMTPResponseException():
            text = f"the server answered {_reply(error)}"
        case poplib.error_proto():
            text = f"the server answered {_text(error.args[0] if error.args else '')}"
        case ConnectionRefusedError():
            text = f"nobody listens at {where}: connection refused"
        case TimeoutError():
            text = f"no answer from {where} in time"
        case socket.gaierror():
            text = f"the name in {where} is not known: {error.strerror}"
        case smtplib.SMTPServerDisconnected() | ConnectionError():
            text = f"{where} closed the connection"
        case http.client.HTTPException():
            text = f"{where} does not speak HTTP as it should: {type(error).__name__}"
        case OSError():
            text = f"{where}: {error.strerror or error}"
        case ValueError():  # its text may hold what was sent
            text = f"the answer of {where} can't be understood"
        case _:
            text = str(error)
    return _text(text)


def _reply(error: smtplib.SMTPResponseException) -> str:
    return f"{error.smtp_code} {_text(error.smtp_error)}"


def _text(words: object) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
    return "".join(each if each.isprintable() else " " for each in text).strip()
