"""The POP3 server's engine: one connection's state, from greeting to QUIT.

Standards: RFC 1939 (POP3), RFC 2449 (CAPA, response codes), RFC 2595 §4 (STLS), RFC 3206
    (AUTH, SYS/TEMP, SYS/PERM), RFC 5034 (AUTH) with RFC 4616 (PLAIN).
Owns: the session's state, the user name between USER and PASS, the marks of what is deleted.
Never: sockets, messages, passwords after handing them on; it asks a Maildrop only for what a
    command needs, so that a login costs two numbers and no listing.
Failure: a client's mistakes become -ERR answers; LocalProtocolError when the caller is out of turn.
"""

from __future__ import annotations

import binascii
import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import ClassVar, Final, TypeAlias

from appliance.protocol import LocalProtocolError
from appliance.protocol.pop3_events import (
    LINES_A_PIECE,
    Event,
    Listing,
    Login,
    Maildrop,
    Quit,
    Respond,
    ResponseCode,
    Retr,
    State,
    TlsRequested,
    Top,
)
from appliance.protocol.sasl import (
    MAX_NAME_OCTETS,
    MAX_PASSWORD_OCTETS,
    Challenge,
    PlainServer,
    SaslError,
)
from appliance.protocol.smtp_data import stuff

__all__ = [
    "Event",
    "Listing",
    "Login",
    "Maildrop",
    "Pop3Server",
    "Quit",
    "Respond",
    "ResponseCode",
    "Retr",
    "State",
    "TlsRequested",
    "Top",
    "retr_header",
    "top",
]

MAX_LINE = 255  # octets with the line end, RFC 2449 §4
# RFC 5034 §4 frees base64 responses from MAX_LINE: here the longest of PLAIN and the line end
MAX_AUTH_LINE = (2 * MAX_NAME_OCTETS + 2 + MAX_PASSWORD_OCTETS + 2) // 3 * 4 + 2
_MAX_TEXT = 480  # octets of an answer's text: its line is at most 512, RFC 2449 §4
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_TRANSACTION: Final = State.TRANSACTION
_NOOP_DONE: Final = Respond(b"+OK\r\n", "NOOP")
_MOST_DIGITS = 9  # what is longer is no message's number
_RETR = b"RETR "
_RETRIEVALS = re.compile(rb"(?:RETR [0-9]{1,%d}\r?\n)+" % _MOST_DIGITS)
_USAGE: Final = {
    (0, 0): "the command takes no argument",
    (0, 1): "the command takes one message number, or nothing",
    (1, 1): "the command takes one message number",
    (2, 2): "the command takes a message number and a number of lines",
}


class Pop3Server:
    """One connection of a POP3 server, without its socket.

    Feed each line to receive_line(), act on the event, and go on. Login, TlsRequested and Quit
    have to be answered before the next line. A connection that ends without QUIT deletes nothing
    (RFC 1939 §6).

    Attributes:
        state: Where the session stands.
        login: The user who is logged in, as given; empty before.
        tls_active: Whether the connection is encrypted.
        errors: How many mistakes the client has made.
    """

    __slots__ = (
        "_awaiting",
        "_deleted",
        "_deleted_octets",
        "_expire",
        "_greeting",
        "_hostname",
        "_implementation",
        "_maildrop",
        "_marks",
        "_max_errors",
        "_password_without_tls",
        "_sasl",
        "_tls",
        "_user",
        "errors",
        "login",
        "state",
        "tls_active",
    )

    def __init__(
        self,
        *,
        hostname: str,
        greeting: str = "POP3 server ready",
        tls: bool,
        tls_active: bool,
        password_without_tls: bool,
        max_errors: int,
        implementation: str,
        expire: str = "NEVER",
    ) -> None:
        """Begin a session in the AUTHORIZATION state.

        Args:
            hostname: The server's name, for the greeting.
            greeting: What the greeting says after it.
            tls: STLS can be offered.
            tls_active: The connection began with TLS.
            password_without_tls: Take passwords over an unencrypted connection.
            max_errors: Close after this many mistakes; 0 for no limit.
            implementation: Name for CAPA (RFC 2449 §6.9).
            expire: Retention for CAPA: days, or NEVER (RFC 2449 §6.7).
        """
        self._hostname = hostname
        self._greeting = greeting
        self._tls = tls
        self.tls_active = tls_active
        self._password_without_tls = password_without_tls
        self._max_errors = max_errors
        self._implementation = implementation
        self._expire = expire
        self.state = State.AUTHORIZATION
        self.login = ""
        self.errors = 0
        self._user = ""
        self._sasl: PlainServer | None = None
        self._awaiting = ""  # the verb of the event which the caller has to answer
        self._maildrop: Maildrop | None = None
        # an octet a number once something is deleted: a set takes sixty
        self._marks: bytearray | None = None
        self._deleted = 0
        self._deleted_octets = 0

    @property
    def closed(self) -> bool:
        """Whether the last answer was given: send it and close the connection."""
        return self.state is State.CLOSED

    @property
    def line_limit(self) -> int:
        """How long the next line may be, in octets with its line end."""
        return MAX_LINE if self._sasl is None else MAX_AUTH_LINE

    @property
    def takes_passwords(self) -> bool:
        """Whether a password may be sent over the connection as it is now."""
        return self.tls_active or self._password_without_tls

    def greeting(self) -> bytes:
        """The line that opens the connection."""
        return _line("+OK", f"{self._hostname} {self._greeting}")

    def receive_line(self, line: bytes) -> Event:
        """Take one line, without its line end.

        Raises:
            LocalProtocolError: An event hasn't been answered yet, or the session is closed.
        """
        if self._awaiting or self.state is State.CLOSED:
            self._check_turn()
        if self._sasl is not None:
            return self._receive_response(self._sasl, line)
        verb, _, argument = line.partition(b" ")
        maildrop = self._maildrop
        if maildrop is None:
            before = self._AUTHORIZATION.get(verb) or self._AUTHORIZATION.get(verb.upper())
            return self._unknown(verb.upper()) if before is None else before(self, argument)
        command = self._TRANSACTION.get(verb) or self._TRANSACTION.get(verb.upper())
        if command is None:
            return self._unknown(verb.upper())
        handler, least, most = command
        words = argument.split()
        if least <= len(words) <= most and all(map(bytes.isdigit, words)):
            return handler(self, maildrop, [int(word) for word in words])
        return self._refuse(verb.upper().decode(), _USAGE[least, most])

    def retrieval(self, line: bytes) -> int:
        """Return the number of the message that a line is to retrieve, as in most lines there are.

        Several of them can be answered at once, see `retrievals`.

        Returns:
            The number, which is a message's; 0 for any other line: receive_line() takes that.
        """
        maildrop = self._maildrop
        digits = line[5:]
        if maildrop is None or not line.startswith(b"RETR ") or len(digits) > _MOST_DIGITS:
            return 0
        if not digits.isdigit() or self.state is not _TRANSACTION:
            return 0
        number = int(digits)
        if self._marks is not None and self._is_deleted(number):
            return 0
        return 0 if maildrop.size(number) is None else number

    def retrievals(self, lines: bytes, begin: int) -> tuple[list[int], list[int]]:
        """Return which messages complete lines from a place on are to retrieve.

        They can be answered at once, before the line behind them is looked at.

        Returns:
            The numbers of the messages, which are there, and the octets of their lines.
        """
        maildrop, run = self._maildrop, _RETRIEVALS.match(lines, begin)
        if maildrop is None or run is None or self.state is not _TRANSACTION:
            return [], []
        arguments = run[0].split(_RETR)[1:]
        numbers = list(map(int, arguments))  # int() passes over a line's end
        octets = [len(argument) + len(_RETR) for argument in arguments]
        most, marks = maildrop.count, self._marks
        if marks is not None or min(numbers) < 1 or max(numbers) > most:
            for count, number in enumerate(numbers):
                if not 0 < number <= most or (marks is not None and marks[number]):
                    return numbers[:count], octets[:count]
        return numbers, octets

    def line_too_long(self) -> Event:
        """Answer a line beyond line_limit, which the caller has thrown away."""
        self._check_turn()
        limit, self._sasl = self.line_limit, None
        return self._refuse("?", f"the line is longer than {limit} octets")

    # What the caller answers

    def login_ok(self, maildrop: Maildrop) -> bytes:
        """Answer a Login: the maildrop is open and locked, TRANSACTION begins."""
        self._answers("PASS", "AUTH")
        self.login, self._user = self._user, ""
        self._maildrop = maildrop
        self.state = State.TRANSACTION
        return _line("+OK", self._summary(maildrop))

    def login_failed(self, code: ResponseCode, text: str) -> bytes:
        """Answer a Login: it was refused; look at `closed`, for it may be a mistake too many.

        Args:
            code: Why, for the client's program.
            text: Why, for people.
        """
        self._answers("PASS", "AUTH")
        self._user = ""
        if code == "AUTH":
            self._count_error()
        return _line("-ERR", f"[{code}] {text}")

    def tls_started(self) -> None:
        """The handshake is done: what the client said before it is forgotten (RFC 2595 §4)."""
        self._answers("STLS")
        self.tls_active = True
        self._user = ""

    def quit_done(self, *, ok: bool, text: str = "") -> bytes:
        """Answer a Quit; close the connection after sending it.

        Args:
            ok: All marked messages are removed.
            text: What to say instead of the usual sentence.
        """
        self._answers("QUIT")
        self.state = State.CLOSED
        if ok:
            return _line("+OK", text or f"{self._hostname} closing connection")
        return _line("-ERR", f"[SYS/TEMP] {text or 'some deleted messages were not removed'}")

    # AUTHORIZATION

    def _user_command(self, argument: bytes) -> Event:
        if not self.takes_passwords:
            return self._refuse_password("USER")
        user = _text(argument.strip())
        if not user.isprintable() or not user:
            return self._refuse("USER", "give a mailbox, as in USER alice@example")
        self._user = user
        return Respond(b"+OK send the password by PASS\r\n", "USER", user)

    def _pass_command(self, argument: bytes) -> Event:
        if not self._user:
            return self._refuse("PASS", "give the mailbox first, by USER")
        password = _text(argument)  # RFC 1939 §7: spaces belong to the password
        if not password:
            self._user = ""
            return self._refuse("PASS", "[AUTH] give the password in UTF-8, as in PASS secret")
        self._awaiting = "PASS"
        return Login(self._user, password, "PASS")

    def _auth_command(self, argument: bytes) -> Event:
        mechanism, _, initial = argument.strip().partition(b" ")
        if mechanism.upper() != b"PLAIN":
            return self._refuse("AUTH", "the mechanism is not offered; use AUTH PLAIN")
        if not self.takes_passwords:
            return self._refuse_password("AUTH")
        sasl = PlainServer()
        if not initial:
            return self._step(sasl, None)
        # RFC 5034 §4: "=" stands for an initial response of no octets
        return self._receive_response(sasl, b"" if initial == b"=" else initial)

    def _receive_response(self, sasl: PlainServer, line: bytes) -> Event:
        self._sasl = None
        if line == b"*":  # RFC 5034 §4
            return self._refuse("AUTH", "the authentication was cancelled")
        try:
            response = binascii.a2b_base64(line, strict_mode=True)
        except binascii.Error:
            return self._refuse("AUTH", "the response is not base64")
        return self._step(sasl, response)

    def _step(self, sasl: PlainServer, response: bytes | None) -> Event:
        try:
            result = sasl.step(response)
        except SaslError as error:
            return self._refuse("AUTH", f"[AUTH] {error}")
        if isinstance(result, Challenge):
            self._sasl = sasl
            challenge = binascii.b2a_base64(result.data, newline=False)
            return Respond(b"+ %s\r\n" % challenge, "AUTH", "PLAIN")
        if result.authzid not in ("", result.authcid):
            return self._refuse("AUTH", "[AUTH] a login opens its own mailbox only")
        self._user = result.authcid
        self._awaiting = "AUTH"
        return Login(result.authcid, result.password, "AUTH")

    def _stls_command(self, argument: bytes) -> Event:
        if argument.strip():
            return self._refuse("STLS", _USAGE[0, 0])
        if self.tls_active:
            return self._refuse("STLS", "TLS is active already")  # RFC 2595 §4
        if not self._tls:
            return self._refuse("STLS", "TLS is not available here")
        self._awaiting = "STLS"
        return TlsRequested(b"+OK begin TLS negotiation\r\n")

    def _early_capa(self, argument: bytes) -> Event:
        return self._refuse("CAPA", _USAGE[0, 0]) if argument.strip() else self._capabilities()

    def _early_quit(self, argument: bytes) -> Event:
        if argument.strip():
            return self._refuse("QUIT", _USAGE[0, 0])
        self.state = State.CLOSED
        return Respond(_line("+OK", f"{self._hostname} closing connection"), "QUIT", close=True)

    # TRANSACTION; the arguments are already known to be numbers, as many as the command takes

    def _stat(self, maildrop: Maildrop, _: list[int]) -> Event:
        count, octets = maildrop.count - self._deleted, maildrop.octets - self._deleted_octets
        return Respond(b"+OK %d %d\r\n" % (count, octets), "STAT")

    def _list(self, maildrop: Maildrop, numbers: list[int]) -> Event:
        if not numbers:
            pieces = maildrop.list_pieces()
            header = _line("+OK", self._summary(maildrop))
            return Listing(self._listing(header, pieces), "LIST")
        number = numbers[0]
        size = self._size(maildrop, number)
        if size is None:
            return _no_such_message("LIST", number)
        return Respond(b"+OK %d %d\r\n" % (number, size), "LIST", str(number))

    def _uidl(self, maildrop: Maildrop, numbers: list[int]) -> Event:
        if not numbers:
            return Listing(self._listing(b"+OK\r\n", maildrop.uidl_pieces()), "UIDL")
        number = numbers[0]
        uid = None if self._is_deleted(number) else maildrop.uid(number)
        if uid is None:
            return _no_such_message("UIDL", number)
        return Respond(_line("+OK", f"{number} {uid}"), "UIDL", str(number))

    def _retr(self, maildrop: Maildrop, numbers: list[int]) -> Event:
        number = numbers[0]
        size = self._size(maildrop, number)
        return _no_such_message("RETR", number) if size is None else Retr(number, size)

    def _top(self, maildrop: Maildrop, numbers: list[int]) -> Event:
        number, lines = numbers
        if self._size(maildrop, number) is None:
            return _no_such_message("TOP", number)
        return Top(number, lines)

    def _dele(self, maildrop: Maildrop, numbers: list[int]) -> Event:
        number = numbers[0]
        if self._is_deleted(number):
            data = b"-ERR message %d already deleted\r\n" % number
            return Respond(data, "DELE", str(number))
        size = self._size(maildrop, number)
        if size is None:
            return _no_such_message("DELE", number)
        if self._marks is None:
            self._marks = bytearray(maildrop.count + 1)
        self._marks[number] = 1
        self._deleted += 1
        self._deleted_octets += size
        return Respond(b"+OK message %d deleted\r\n" % number, "DELE", str(number))

    def _rset(self, maildrop: Maildrop, _: list[int]) -> Event:
        self._marks = None
        self._deleted = self._deleted_octets = 0
        return Respond(_line("+OK", self._summary(maildrop)), "RSET")

    def _noop(self, _: Maildrop, __: list[int]) -> Event:
        return _NOOP_DONE

    def _capa(self, _: Maildrop, __: list[int]) -> Event:
        return self._capabilities()

    def _quit(self, _: Maildrop, __: list[int]) -> Event:
        self.state = State.UPDATE
        self._awaiting = "QUIT"
        return Quit(self._numbers())

    # Common parts

    def _capabilities(self) -> Event:
        # RFC 2449 §5: what is for AUTHORIZATION only is announced in both states too
        lines = ["+OK capabilities follow", "TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE"]
        lines += ["PIPELINING", f"EXPIRE {self._expire}"]
        if self.takes_passwords:
            lines += ["USER", "SASL PLAIN"]
        if self._tls and not self.tls_active:
            lines.append("STLS")
        lines += [f"IMPLEMENTATION {self._implementation}", ".", ""]
        return Respond("\r\n".join(lines).encode("ascii", "replace"), "CAPA")

    def _size(self, maildrop: Maildrop, number: int) -> int | None:
        return None if self._is_deleted(number) else maildrop.size(number)

    def _is_deleted(self, number: int) -> bool:
        marks = self._marks
        return marks is not None and number < len(marks) and marks[number] == 1

    def _numbers(self) -> Sequence[int]:
        """The numbers marked as deleted, in order."""
        return () if self._marks is None else array("L", _marked(self._marks))

    def _summary(self, maildrop: Maildrop) -> str:
        count = maildrop.count - self._deleted
        octets = maildrop.octets - self._deleted_octets
        return f"{count} message{'' if count == 1 else 's'} ({octets} octets)"

    def _listing(self, header: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
        left = pieces if not self._deleted else _without(pieces, self._numbers())
        return chain((header,), left, (b".\r\n",))

    def _check_turn(self) -> None:
        if self._awaiting or self.state is State.CLOSED:
            raise LocalProtocolError(f"a line while waiting for {self._awaiting or 'the close'}")

    def _answers(self, *verbs: str) -> None:
        if self._awaiting not in verbs:
            raise LocalProtocolError(f"no {' or '.join(verbs)} waits for an answer")
        self._awaiting = ""

    def _unknown(self, verb: bytes) -> Event:
        if verb in self._TRANSACTION:
            return self._refuse(verb.decode(), "log in first")
        if verb in self._AUTHORIZATION:
            return self._refuse(verb.decode(), "it has no use after the login")
        # The line isn't logged: it may be a password that a client sent a step too late.
        return self._refuse("?", "unknown command")

    def _refuse_password(self, verb: str) -> Event:
        how = "STLS comes first" if self._tls else "connect to the port for TLS"
        return self._refuse(verb, f"passwords are taken over TLS only; {how}")

    def _refuse(self, verb: str, text: str) -> Event:
        close = self._count_error()
        if close:
            text += "; too many errors, closing connection"
        return Respond(_line("-ERR", text), verb, close=close)

    def _count_error(self) -> bool:
        self.errors += 1
        if self._max_errors and self.errors >= self._max_errors:
            self.state = State.CLOSED
            return True
        return False

    _AUTHORIZATION: ClassVar[Mapping[bytes, Callable[[Pop3Server, bytes], Event]]] = {
        b"USER": _user_command,
        b"PASS": _pass_command,
        b"AUTH": _auth_command,
        b"STLS": _stls_command,
        b"CAPA": _early_capa,
        b"QUIT": _early_quit,
    }
    _TRANSACTION: ClassVar[Mapping[bytes, _Command]] = {  # handler, least and most arguments
        b"STAT": (_stat, 0, 0),
        b"LIST": (_list, 0, 1),
        b"UIDL": (_uidl, 0, 1),
        b"RETR": (_retr, 1, 1),
        b"TOP": (_top, 2, 2),
        b"DELE": (_dele, 1, 1),
        b"RSET": (_rset, 0, 0),
        b"NOOP": (_noop, 0, 0),
        b"CAPA": (_capa, 0, 0),
        b"QUIT": (_quit, 0, 0),
    }


_Command: TypeAlias = tuple[Callable[[Pop3Server, Maildrop, list[int]], Event], int, int]


def retr_header(size: int) -> bytes:
    """The line before a message; its dot-stuffed content and the ending dot come after it."""
    return b"+OK %d octets\r\n" % size


def top(content: bytes, lines: int) -> bytes:
    """The whole answer to TOP: header section, blank line, and the body's first lines.

    Args:
        content: The message with CRLF line ends, or as much of its beginning as is needed.
        lines: How many lines of the body (RFC 1939 §7).
    """
    if content.startswith(b"\r\n"):
        end = 2
    else:
        blank = content.find(b"\r\n\r\n")
        end = len(content) if blank < 0 else blank + 4
    for _ in range(lines):
        line_end = content.find(b"\n", end)
        if line_end < 0:
            end = len(content)
            break
        end = line_end + 1
    return b"".join((b"+OK\r\n", *stuff([content[:end]])))


def _marked(marks: bytearray) -> Iterator[int]:
    number = marks.find(1)
    while number > 0:
        yield number
        number = marks.find(1, number + 1)


def _without(pieces: Iterator[bytes], deleted: Sequence[int]) -> Iterator[bytes]:
    """Leave the lines of some numbers, which are in order, out of a listing."""
    begin = 0
    for index, piece in enumerate(pieces):
        first = index * LINES_A_PIECE + 1
        end = bisect_left(deleted, first + LINES_A_PIECE, begin)
        if begin == end:
            yield piece
            continue
        lines = piece.splitlines(keepends=True)
        for number in deleted[begin:end]:
            lines[number - first] = b""
        yield b"".join(lines)
        begin = end


def _no_such_message(verb: str, number: int) -> Respond:
    return Respond(b"-ERR no such message\r\n", verb, str(number))


def _text(argument: bytes) -> str:
    """The argument as text; empty if it can't be one: not UTF-8, or with a NUL in it."""
    try:
        text = argument.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return "" if "\0" in text else text


def _line(indicator: str, text: str) -> bytes:
    if len(text) > _MAX_TEXT or not (text.isascii() and text.isprintable()):
        text = _CONTROLS.sub(" ", text[:_MAX_TEXT])
    return f"{indicator} {text}\r\n".encode("ascii", "replace")
