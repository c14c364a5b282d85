"""Read one SMTP command line into a value.

Standards: RFC 5321 §4.1 (commands); RFC 1870 (SIZE); RFC 3207 (STARTTLS); RFC 3461 §4, §5.1 (RET,
    ENVID, NOTIFY, ORCPT); RFC 4954 §4, §5 (AUTH); RFC 6152 (BODY); RFC 6531 §3.4 (SMTPUTF8);
    RFC 6533 §3 (ORCPT).
Owns: nothing; commands are frozen values.
Never: order, limits of a session, or policy; the engine and the rules decide about those.
Failure: `CommandError` with the reply to give, which names the value and what would be right.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from appliance.mail.address import Address, AddressError
from appliance.mail.envelope import Body, Notify, Recipient, Ret
from appliance.mail.reply import Reply
from appliance.protocol.xtext import decode_orcpt, decode_xtext

__all__ = [
    "VERBS",
    "Auth",
    "Command",
    "CommandError",
    "Data",
    "Ehlo",
    "Expn",
    "Helo",
    "Help",
    "Mail",
    "Noop",
    "Quit",
    "Rcpt",
    "Rset",
    "StartTls",
    "Vrfy",
    "parse_arguments",
    "parse_command",
    "split_command",
]


class CommandError(ValueError):
    """A line that is no command we know, or whose arguments are wrong.

    Attributes:
        reply: what to answer.
    """

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Helo:
    """HELO (RFC 5321 §4.1.1.1): `name` as the client gave it, not verified."""

    name: str


@dataclass(frozen=True, slots=True)
class Ehlo:
    """EHLO (RFC 5321 §4.1.1.1): `name` as the client gave it, not verified."""

    name: str


class Mail(NamedTuple):
    """MAIL (RFC 5321 §4.1.1.2).

    Attributes:
        reverse_path: None is the null reverse-path `<>`.
        size: the content's octets as declared; None where the client didn't say.
        body: what the content's bytes are declared to be.
        smtputf8: the transaction may use UTF-8 in addresses and headers.
        ret: how much of the message a failure report returns.
        envid: the sender's name for the transaction, xtext decoded.
        auth: who submitted the message first, as the client says, xtext decoded; `<>` for nobody.
    """

    reverse_path: Address | None
    size: int | None = None
    body: Body = "7BIT"
    smtputf8: bool = False
    ret: Ret | None = None
    envid: str | None = None
    auth: str | None = None


class Rcpt(NamedTuple):
    """RCPT (RFC 5321 §4.1.1.3)."""

    recipient: Recipient


@dataclass(frozen=True, slots=True)
class Data:
    """DATA (RFC 5321 §4.1.1.4)."""


@dataclass(frozen=True, slots=True)
class Rset:
    """RSET (RFC 5321 §4.1.1.5)."""


@dataclass(frozen=True, slots=True)
class Noop:
    """NOOP (RFC 5321 §4.1.1.9); its argument has no meaning."""


@dataclass(frozen=True, slots=True)
class Quit:
    """QUIT (RFC 5321 §4.1.1.10)."""


@dataclass(frozen=True, slots=True)
class StartTls:
    """STARTTLS (RFC 3207 §4)."""


@dataclass(frozen=True, slots=True)
class Auth:
    """AUTH (RFC 4954 §4).

    Attributes:
        mechanism: in upper case.
        initial: the initial response, base64 decoded; None where there was none.
    """

    mechanism: str
    initial: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Help:
    """HELP (RFC 5321 §4.1.1.8)."""

    argument: str


@dataclass(frozen=True, slots=True)
class Vrfy:
    """VRFY (RFC 5321 §4.1.1.6)."""

    argument: str


@dataclass(frozen=True, slots=True)
class Expn:
    """EXPN (RFC 5321 §4.1.1.7)."""

    argument: str


Command: TypeAlias = (
    Helo | Ehlo | Mail | Rcpt | Data | Rset | Noop | Quit | StartTls | Auth | Help | Vrfy | Expn
)

_CONTROLS: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_HELO_NAME: Final = re.compile(r"[!#-'*-+\-./0-9:=?A-\[\]-~]{1,255}")
_MECHANISM: Final = re.compile(r"[A-Z0-9_-]{1,20}")  # RFC 4422 §3.1
_KEYWORD: Final = re.compile(r"[A-Z0-9][A-Z0-9-]*")  # RFC 5321 §4.1.2, esmtp-keyword

_MAX_ENVID: Final = 100  # RFC 3461 §4.4
_MAX_ORCPT: Final = 500  # RFC 3461 §4.2
_NOTIFY: Final[Mapping[str, Notify]] = MappingProxyType({str(member): member for member in Notify})
# Known from the standards, and not offered here.
_NOT_IMPLEMENTED: Final = frozenset({"BDAT", "BURL", "ETRN", "SAML", "SEND", "SOML", "TURN"})


def parse_command(line: bytes, *, local_domain: str) -> Command:
    """Read a command line.

    Args:
        line: without its CRLF.
        local_domain: where the bare `<Postmaster>` of a RCPT lives (RFC 5321 §4.1.1.3).

    Raises:
        CommandError: with the reply to give.
    """
    verb, argument = split_command(line)
    return parse_arguments(verb, argument, local_domain=local_domain)


def split_command(line: bytes) -> tuple[str, str]:
    """Cut a line into the verb, in upper case, and the rest without white space around it.

    Raises:
        CommandError: 500 5.5.2, the line has control characters in it or isn't UTF-8.
    """
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise CommandError(Reply(500, "5.5.2", "Command line is neither ASCII nor UTF-8")) from None
    if not text.isprintable() and _CONTROLS.search(text):
        raise CommandError(Reply(500, "5.5.2", "Command line has control characters in it"))
    verb, _, argument = text.partition(" ")
    return verb.rstrip("\t").upper(), argument.strip(" \t")  # RFC 5321 §4.1.1: trailing white space


def parse_arguments(verb: str, argument: str, *, local_domain: str) -> Command:
    """Read what follows a verb; the two parts are those of `split_command`.

    Raises:
        CommandError: with the reply to give.
    """
    if verb == "RCPT":
        return _rcpt(argument, local_domain)
    parse = _PARSERS.get(verb)
    if parse is not None:
        return parse(argument)
    if verb in _NOT_IMPLEMENTED:
        raise CommandError(Reply(502, "5.5.1", f"Command {verb} not implemented"))
    # The line isn't repeated: it may be a password that a client sent out of step.
    raise CommandError(Reply(500, "5.5.2", "Command not recognized; HELP lists those there are"))


def _helo(argument: str) -> Helo:
    return Helo(_helo_name("HELO", argument))


def _ehlo(argument: str) -> Ehlo:
    return Ehlo(_helo_name("EHLO", argument))


def _helo_name(verb: str, argument: str) -> str:
    # RFC 5321 §4.1.4 forbids to refuse a name because it cannot be verified. Any word will do that
    # cannot be mistaken for another part of a trace line; some clients add words of their own.
    name = argument.partition(" ")[0]
    if _HELO_NAME.fullmatch(name):
        return name
    if not name:
        raise _wrong_argument(f"{verb} needs a name: {verb} client.example.com")
    why = "is not a host name; give one like client.example.com or [192.0.2.1]"
    raise _wrong_argument(f"{_shown(name)} {why}")


def _mail(argument: str) -> Mail:
    if argument[:5].upper() != "FROM:":
        raise _wrong_argument("Give the reverse-path: MAIL FROM:<user@example.com>")
    path, rest = _path(argument[5:].lstrip(" "), "MAIL FROM", "5.1.7")
    try:
        reverse_path = Address.parse(path) if path else None
    except AddressError as error:
        raise CommandError(Reply(501, "5.1.7", f"Bad sender address {error}")) from None
    if not rest:
        return Mail(reverse_path)
    size: int | None = None
    body: Body = "7BIT"
    smtputf8 = False
    ret: Ret | None = None
    envid: str | None = None
    auth: str | None = None
    for keyword, value in _parameters(rest):
        match keyword:
            case "SIZE":
                size = _size(value)
            case "BODY":
                body = _body(value)
            case "SMTPUTF8":
                smtputf8 = _flag(keyword, value)
            case "RET":
                ret = _ret(value)
            case "ENVID":
                envid = _envid(value)
            case "AUTH":
                auth = _submitter(value)
            case _:
                raise CommandError(
                    Reply(555, "5.5.4", f"MAIL parameter {_shown(keyword)} is not known")
                )
    return Mail(
        reverse_path,
        size=size,
        body=body,
        smtputf8=smtputf8,
        ret=ret,
        envid=envid,
        auth=auth,
    )


def _rcpt(argument: str, local_domain: str) -> Rcpt:
    if argument[:3].upper() != "TO:":
        raise _wrong_argument("Give the forward-path: RCPT TO:<user@example.com>")
    path, rest = _path(argument[3:].lstrip(" "), "RCPT TO", "5.1.3")
    if path.upper() == "POSTMASTER":  # RFC 5321 §4.1.1.3, §4.5.1
        path = f"{path}@{local_domain}"
    try:
        address = Address.parse(path)
    except AddressError as error:
        raise CommandError(Reply(501, "5.1.3", f"Bad recipient address {error}")) from None
    if not rest:
        return Rcpt(Recipient(address))
    notify: frozenset[Notify] | None = None
    orcpt: str | None = None
    for keyword, value in _parameters(rest):
        match keyword:
            case "NOTIFY":
                notify = _notify(value)
            case "ORCPT":
                orcpt = _orcpt(value)
            case _:
                raise CommandError(
                    Reply(555, "5.5.4", f"RCPT parameter {_shown(keyword)} is not known")
                )
    return Rcpt(Recipient(address, notify=notify, orcpt=orcpt))


def _auth(argument: str) -> Auth:
    mechanism, _, initial = argument.partition(" ")
    mechanism = mechanism.upper()
    if not _MECHANISM.fullmatch(mechanism):
        raise _wrong_argument("AUTH needs a mechanism: AUTH PLAIN")
    if not initial:
        return Auth(mechanism)
    if initial == "=":  # RFC 4954 §4: an empty initial response
        return Auth(mechanism, b"")
    try:
        return Auth(mechanism, binascii.a2b_base64(initial, strict_mode=True))
    except ValueError:
        raise CommandError(Reply(501, "5.5.2", "The initial response is not base64")) from None


def _help(argument: str) -> Help:
    return Help(argument)


def _noop(argument: str) -> Noop:  # noqa: ARG001 - RFC 5321 §4.1.1.9: taken and ignored
    return Noop()


def _vrfy(argument: str) -> Vrfy:
    if not argument:
        raise _wrong_argument("VRFY needs a user name or an address")
    return Vrfy(argument)


def _expn(argument: str) -> Expn:
    if not argument:
        raise _wrong_argument("EXPN needs the name of a list")
    return Expn(argument)


def _bare(verb: str, command: Command) -> Callable[[str], Command]:
    def parse(argument: str) -> Command:
        if argument:  # RFC 5321 §4.3.2, RFC 3207 §4
            raise _wrong_argument(f"{verb} takes no argument")
        return command

    return parse


_PARSERS: Final[Mapping[str, Callable[[str], Command]]] = MappingProxyType(
    {
        "HELO": _helo,
        "EHLO": _ehlo,
        "MAIL": _mail,
        "DATA": _bare("DATA", Data()),
        "RSET": _bare("RSET", Rset()),
        "NOOP": _noop,
        "QUIT": _bare("QUIT", Quit()),
        "STARTTLS": _bare("STARTTLS", StartTls()),
        "AUTH": _auth,
        "HELP": _help,
        "VRFY": _vrfy,
        "EXPN": _expn,
    }
)


VERBS: Final = frozenset({*_PARSERS, "RCPT"})
"""The commands there are."""


def _path(text: str, where: str, status: str) -> tuple[str, str]:
    """Cut `<path> parameters` in two, and a source route off the path."""
    end = text.find(">") if '"' not in text else _end_of_path(text)
    if end < 0 or not text.startswith("<"):
        why = f"has no angle brackets; give {where}:<user@example.com>"
        raise CommandError(Reply(501, status, f"{_shown(text)} {why}"))
    path = text[1:end]
    rest = text[end + 1 :]
    if rest and not rest.startswith(" "):
        raise _wrong_argument(f"{_shown(rest)} must stand apart from the > by a space")
    if path.startswith("@"):  # RFC 5321 §4.1.1.3: a source route is accepted and ignored
        route, colon, path = path.partition(":")
        if not colon or not path:
            raise CommandError(
                Reply(501, status, f"{_shown(route)} is a source route without an address")
            )
    return path, rest


def _end_of_path(text: str) -> int:
    """Where the path's `>` is; those inside a quoted local part don't count."""
    is_quoted = False
    is_escaped = False
    for at, character in enumerate(text):
        if is_escaped:
            is_escaped = False
        elif is_quoted and character == "\\":
            is_escaped = True
        elif character == '"':
            is_quoted = not is_quoted
        elif character == ">" and not is_quoted:
            return at
    return -1


def _parameters(text: str) -> Iterator[tuple[str, str | None]]:
    seen = set[str]()
    for item in text.split(" "):
        if not item:
            continue
        keyword, equals, value = item.partition("=")
        keyword = keyword.upper()
        if not _KEYWORD.fullmatch(keyword) or (equals and not value):
            raise _wrong_argument(f"{_shown(item)} is not a parameter: KEYWORD=value")
        if keyword in seen:
            raise _wrong_argument(f"Parameter {_shown(keyword)} is given twice")
        seen.add(keyword)
        yield keyword, value if equals else None


def _size(value: str | None) -> int:
    if value is None or not (value.isascii() and value.isdigit() and len(value) <= 20):
        raise _wrong("SIZE", value, "a number of octets")  # RFC 1870 §3: 1*20DIGIT
    return int(value)


def _body(value: str | None) -> Body:
    match value.upper() if value else None:
        case "7BIT":
            return "7BIT"
        case "8BITMIME":
            return "8BITMIME"
        case _:
            raise _wrong("BODY", value, "7BIT or 8BITMIME")


def _flag(keyword: str, value: str | None) -> bool:
    if value is not None:
        raise _wrong_argument(f"{keyword} takes no value")
    return True


def _ret(value: str | None) -> Ret:
    match value.upper() if value else None:
        case "FULL":
            return "FULL"
        case "HDRS":
            return "HDRS"
        case _:
            raise _wrong("RET", value, "FULL or HDRS")


def _envid(value: str | None) -> str:
    if value and len(value) <= _MAX_ENVID:
        text = decode_xtext(value)
        if text and text.isascii():  # RFC 3461 §4.4: printable US-ASCII
            return text
    raise _wrong("ENVID", value, f"xtext of at most {_MAX_ENVID} characters (RFC 3461)")


def _submitter(value: str | None) -> str:
    text = decode_xtext(value) if value else None
    if not text:
        raise _wrong("AUTH", value, "an address in xtext, or <> (RFC 4954)")
    return text


def _notify(value: str | None) -> frozenset[Notify]:
    words = value.upper().split(",") if value else []
    events = frozenset(_NOTIFY[word] for word in words if word in _NOTIFY)
    is_alone = Notify.NEVER not in events or len(words) == 1  # RFC 3461 §4.1
    if not words or not is_alone or not all(word in _NOTIFY for word in words):
        raise _wrong("NOTIFY", value, "NEVER, or some of SUCCESS,FAILURE,DELAY")
    return events


def _orcpt(value: str | None) -> str:
    orcpt = decode_orcpt(value) if value and len(value) <= _MAX_ORCPT else None
    if not orcpt:
        raise _wrong("ORCPT", value, "one like rfc822;user@example.com, in xtext (RFC 3461)")
    return orcpt


def _wrong_argument(text: str) -> CommandError:
    return CommandError(Reply(501, "5.5.4", text))


def _wrong(keyword: str, value: str | None, right: str) -> CommandError:
    given = f"{keyword}={_shown(value)}" if value else f"{keyword} without a value"
    return _wrong_argument(f"{given} is not valid; give {right}")


def _shown(value: str) -> str:
    """A value for the reply: bounded, for a reply line is bounded too."""
    return value if len(value) <= 80 else value[:77] + "..."
