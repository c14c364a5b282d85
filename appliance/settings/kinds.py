"""The kinds of value a setting can have: how text becomes a value, and what is right.

Owns: nothing. Never: touches anything outside its arguments.
Failure: `ValueError` whose text names the value, why it is wrong and what would be right.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol, TypeVar

T = TypeVar("T")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_DURATION = re.compile(r"([0-9]{1,12})\s*([smhd]?)", re.IGNORECASE)
_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]"
    r"([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_UNIT_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")  # RFC 1123 §2.1
_MAX_NAME = 253  # octets, RFC 1035 §2.3.4 without the root's length
_MAX_TEXT = 4096


class Kind(Protocol[T]):
    """What a setting's value may be."""

    def parse(self, text: str) -> T:
        """Turn text into a value; raises ValueError saying what would be right."""

    def render(self, value: T) -> str:
        """Turn a value into the text that `parse` takes."""

    def describe(self) -> str:
        """Say in a few words what is allowed."""


@dataclass(frozen=True, slots=True)
class Boolean:
    """On or off."""

    def parse(self, text: str) -> bool:
        """Take yes/no, true/false, on/off, 1/0."""
        lowered = text.strip().lower()
        if lowered in ("yes", "true", "on", "1"):
            return True
        if lowered in ("no", "false", "off", "0"):
            return False
        raise ValueError(f"{text!r} is neither yes nor no")

    def render(self, value: bool) -> str:  # noqa: FBT001 - the value itself
        """Render as yes or no."""
        return "yes" if value else "no"

    def describe(self) -> str:
        """Say what is allowed."""
        return "yes or no"


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number within bounds."""

    minimum: int
    maximum: int

    def parse(self, text: str) -> int:
        """Take decimal digits within the bounds."""
        try:
            value = int(text.strip())
        except ValueError:
            raise ValueError(f"{text!r} is not a whole number; {self.describe()}") from None
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value} is out of range; {self.describe()}")
        return value

    def render(self, value: int) -> str:
        """Render as digits."""
        return str(value)

    def describe(self) -> str:
        """Say what is allowed."""
        return f"a whole number from {self.minimum} to {self.maximum}"


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time, in whole seconds."""

    minimum_s: int
    maximum_s: int

    def parse(self, text: str) -> int:
        """Take `90`, `90s`, `15m`, `4h` or `2d`; returns seconds."""
        match = _DURATION.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is not a length of time; {self.describe()}")
        value = int(match[1]) * _UNIT_S[match[2].lower()]
        if not self.minimum_s <= value <= self.maximum_s:
            raise ValueError(f"{text!r} is out of range; {self.describe()}")
        return value

    def render(self, value: int) -> str:
        """Render in the largest unit that leaves a whole number."""
        for unit in ("d", "h", "m"):
            if value and value % _UNIT_S[unit] == 0:
                return f"{value // _UNIT_S[unit]}{unit}"
        return f"{value}s"

    def describe(self) -> str:
        """Say what is allowed."""
        low, high = self.render(self.minimum_s), self.render(self.maximum_s)
        return f"a length of time such as 15m, 4h or 2d, from {low} to {high}"


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment, to the second, or none (RFC 3339 §5.6)."""

    def parse(self, text: str) -> datetime | None:
        """Take date, time and their distance from UTC, or nothing; returns it in UTC."""
        text = text.strip()
        if not text:
            return None
        match = _INSTANT.fullmatch(text)
        try:
            if match is None:
                raise ValueError(text)
            moment = datetime.fromisoformat(f"{match[1]}T{match[2]}{match[3].upper()}")
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValueError(f"{text!r} is not a moment; {self.describe()}") from None

    def render(self, value: datetime | None) -> str:
        """Render in UTC."""
        return "" if value is None else f"{value.replace(tzinfo=None).isoformat()}Z"

    def describe(self) -> str:
        """Say what is allowed."""
        return "a moment such as 2026-11-23T14:30:00Z or 2026-11-23T15:30:00+01:00, or nothing"


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text.

    Attributes:
        meaning: what it is.
        may_be_empty: whether there may be no text.
    """

    meaning: str = "one line of text"
    may_be_empty: bool = True

    def parse(self, text: str) -> str:
        """Take any line without control characters."""
        if not self.may_be_empty and not text.strip():
            raise ValueError(f"{text!r} is empty; {self.describe()}")
        if len(text) > _MAX_TEXT:
            raise ValueError(f"the text is longer than {_MAX_TEXT} characters")
        if any(ord(char) < 32 or ord(char) == 127 for char in text):
            raise ValueError(f"{text!r} holds a control character; {self.describe()}")
        return text.strip()

    def render(self, value: str) -> str:
        """Render as it is."""
        return value

    def describe(self) -> str:
        """Say what is allowed."""
        return self.meaning


@dataclass(frozen=True, slots=True)
class Marks:
    """Characters that no login is made of: none of letters, digits, spaces and @ . _ + -."""

    def parse(self, text: str) -> str:
        """Take marks, each once, or nothing."""
        text = text.strip()
        for char in text:
            if char.isalnum() or char in "@._+-" or char.isspace() or not char.isprintable():
                raise ValueError(f"{char!r} in {text!r} can't stand for @; {self.describe()}")
        return "".join(dict.fromkeys(text))

    def render(self, value: str) -> str:
        """Render as it is."""
        return value

    def describe(self) -> str:
        """Say what is allowed."""
        return "characters such as #$%, none of letters, digits, spaces and @ . _ + -"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def parse(self, text: str) -> str:
        """Take one of the words, in any case of letters."""
        lowered = text.strip().lower()
        if lowered not in self.words:
            raise ValueError(f"{text!r} is not among the choices; {self.describe()}")
        return lowered

    def render(self, value: str) -> str:
        """Render as it is."""
        return value

    def describe(self) -> str:
        """Say what is allowed."""
        return "one of " + ", ".join(self.words)


@dataclass(frozen=True, slots=True)
class Words:
    """Several words separated by spaces, perhaps from a closed set."""

    allowed: tuple[str, ...] = ()
    meaning: str = "words separated by spaces"

    def parse(self, text: str) -> tuple[str, ...]:
        """Take words; each once, in the order given."""
        words = text.replace(",", " ").split()
        if self.allowed:
            by_name = {word.lower(): word for word in self.allowed}
            unknown = [word for word in words if word.lower() not in by_name]
            if unknown:
                raise ValueError(f"{unknown[0]!r} is not among the choices; {self.describe()}")
            words = [by_name[word.lower()] for word in words]
        return tuple(dict.fromkeys(words))

    def render(self, value: tuple[str, ...]) -> str:
        """Render separated by spaces."""
        return " ".join(value)

    def describe(self) -> str:
        """Say what is allowed."""
        return f"any of {' '.join(self.allowed)}" if self.allowed else self.meaning


@dataclass(frozen=True, slots=True)
class Ranges:
    """IP networks: single addresses, CIDR prefixes, or the manual's `*` wildcards."""

    def parse(self, text: str) -> tuple[Network, ...]:
        """Take networks separated by spaces or commas."""
        return tuple(self._network(word) for word in text.replace(",", " ").split())

    def render(self, value: tuple[Network, ...]) -> str:
        """Render separated by spaces."""
        return " ".join(str(network) for network in value)

    def describe(self) -> str:
        """Say what is allowed."""
        return "addresses and networks separated by spaces, such as 192.0.2.7 198.51.100.0/24 ::1"

    def _network(self, word: str) -> Network:
        text = word
        if "*" in word:  # 192.168.*.* is a prefix of whole octets
            octets = word.split(".")
            fixed = octets[: octets.index("*")] if "*" in octets else octets
            if len(octets) != 4 or any(octet != "*" for octet in octets[len(fixed) :]):
                raise ValueError(f"{word!r} is not an address pattern; {self.describe()}")
            text = f"{'.'.join(fixed + ['0'] * (4 - len(fixed)))}/{8 * len(fixed)}"
        try:
            return ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise ValueError(f"{word!r} is not an address or network; {self.describe()}") from None


@dataclass(frozen=True, slots=True)
class IpAddresses:
    """IP addresses, one at least."""

    def parse(self, text: str) -> tuple[str, ...]:
        """Take addresses separated by spaces or commas; each once, in their usual form."""
        found = tuple(dict.fromkeys(self._address(word) for word in text.replace(",", " ").split()))
        if not found:
            raise ValueError(f"{text!r} names no address; {self.describe()}")
        return found

    def render(self, value: tuple[str, ...]) -> str:
        """Render separated by spaces."""
        return " ".join(value)

    def describe(self) -> str:
        """Say what is allowed."""
        return "IP addresses separated by spaces, one at least, such as 0.0.0.0 ::"

    def _address(self, word: str) -> str:
        try:
            return str(ipaddress.ip_address(word))
        except ValueError:
            raise ValueError(f"{word!r} is not an IP address; {self.describe()}") from None


@dataclass(frozen=True, slots=True)
class HostName:
    """A host's name in the DNS (RFC 1123 §2.1), or nothing."""

    def parse(self, text: str) -> str:
        """Take letters, digits and hyphens between dots."""
        text = text.strip()
        labels = text.split(".")
        is_name = len(text) <= _MAX_NAME and all(_LABEL.fullmatch(label) for label in labels)
        if text and (not is_name or labels[-1].isdigit()):  # the last would be an IP address
            raise ValueError(f"{text!r} is not a host name; {self.describe()}")
        return text

    def render(self, value: str) -> str:
        """Render as it is."""
        return value

    def describe(self) -> str:
        """Say what is allowed."""
        return "a host name such as mail.example.com: letters, digits and hyphens between dots"


@dataclass(frozen=True, slots=True)
class HostPort:
    """A host with an optional port: `mail.example.com`, `192.0.2.1:2525`, `[2001:db8::1]:25`."""

    def parse(self, text: str) -> str:
        """Take a host and port, or nothing."""
        text = text.strip()
        if text:
            split_host_port(text, 0)
        return text

    def render(self, value: str) -> str:
        """Render as it is."""
        return value

    def describe(self) -> str:
        """Say what is allowed."""
        return "a host name or address, perhaps with a port: mail.example.com:25, [2001:db8::1]:25"


@dataclass(frozen=True, slots=True)
class HostPorts:
    """Several hosts, each with an optional port.

    Attributes:
        default_port: of a host that is given without one.
    """

    default_port: int

    def parse(self, text: str) -> tuple[tuple[str, int], ...]:
        """Take hosts separated by spaces or commas, or nothing; each once, in the order given."""
        words = text.replace(",", " ").split()
        return tuple(dict.fromkeys(split_host_port(word, self.default_port) for word in words))

    def render(self, value: tuple[tuple[str, int], ...]) -> str:
        """Render separated by spaces, with the ports that are not the default."""
        return " ".join(
            host if port == self.default_port else with_port(host, port) for host, port in value
        )

    def describe(self) -> str:
        """Say what is allowed."""
        return "hosts separated by spaces, each perhaps with a port: 192.0.2.53 [2001:db8::1]:5353"


@dataclass(frozen=True, slots=True)
class WebUrl:
    """Scheme, host and optional port of a web server, or nothing."""

    def parse(self, text: str) -> str:
        """Take http://host or https://host, perhaps with a port; a final slash is cut off."""
        text = text.strip().rstrip("/")
        if text:
            scheme, _, place = text.partition("://")
            is_bare = place.count(":") > 1 and not place.startswith("[")  # RFC 3986 §3.2.2
            if not place or is_bare or scheme.lower() not in ("http", "https"):
                raise ValueError(f"{text!r} is not the address of a web server; {self.describe()}")
            split_host_port(place, 0)
        return text

    def render(self, value: str) -> str:
        """Render as it is."""
        return value

    def describe(self) -> str:
        """Say what is allowed."""
        return "http:// or https:// and a host, perhaps with a port: https://mail.example.com"


def with_port(host: str, port: int) -> str:
    """Write a host with its port; an IPv6 address goes into brackets (RFC 3986 §3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split_host_port(text: str, default_port: int) -> tuple[str, int]:
    """Split `host`, `host:port` or `[address]:port`.

    Raises:
        ValueError: it is none of these, or the port is out of range.
    """
    wrong = f"{text!r} is not a host with an optional port, such as mail.example.com:25"
    host, port = text, ""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(wrong)
        _check_address(host, wrong)
        port = rest[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    elif ":" in text:
        _check_address(text, wrong)
    if ":" not in host and not _HOST.fullmatch(host):
        raise ValueError(wrong)
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{port!r} is not a port from 1 to 65535 in {text!r}")
    return host, int(port) if port else default_port


def _check_address(text: str, wrong: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(wrong) from None


AnyKind = (
    Boolean | Integer | Duration | Instant | Text | Marks | Choice | Words | Ranges | IpAddresses
    | HostName | HostPort | HostPorts | WebUrl
)  # fmt: skip
__all__ = [
    "AnyKind", "Boolean", "Choice", "Duration", "HostName", "HostPort", "HostPorts", "Instant",
    "Integer", "IpAddresses", "Kind", "Marks", "Network", "Ranges", "Text", "WebUrl", "Words",
    "split_host_port", "with_port",
]  # fmt: skip
