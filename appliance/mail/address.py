"""Mail addresses as values: what stands between the angle brackets of a path.

Standards: RFC 5321 §4.1.2, §4.1.3, §4.5.3.1 (grammar, literals, limits); RFC 6531 §3.3 (UTF-8);
    RFC 5890 and UTS #46 (domains as A-labels).
Owns: nothing; an address is a frozen value.
Never: display names, comments or folding white space (those are header syntax), look-ups.
Failure: AddressError, which names the value, what is wrong with it and what would be right.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

import idna

__all__ = ["Address", "AddressError", "parse_domain"]

MAX_LOCAL_PART = 64  # octets, RFC 5321 §4.5.3.1.1
MAX_DOMAIN = 255  # octets, RFC 5321 §4.5.3.1.2
MAX_ADDRESS = 254  # octets, RFC 5321 §4.5.3.1.3: a path of 256 without its angle brackets

# RFC 6531 §3.3 adds UTF8-non-ascii; controls, line separators, direction overrides, the byte order
# mark and surrogates are left out of it: they only serve to make one address look like another.
_UTF8 = "\xa0-\u2027\u202f-\u2065\u206a-\ud7ff\ue000-\ufefe\uff00-\U0010ffff"
_ATEXT = rf"[A-Za-z0-9!#$%&'*+\-/=?^_`{{|}}~{_UTF8}]"
_DOT_STRING = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
_QUOTED_STRING = re.compile(rf'"((?:[ !#-\[\]-~{_UTF8}]|\\[ -~])*)"')
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"(?:{_LABEL}\.)*(?![0-9]+\Z){_LABEL}")
_RIGHT_ADDRESS = "an address like user@example.com"
_RIGHT_DOMAIN = "a domain like example.com"


class AddressError(ValueError):
    """A text that is no address, or no domain.

    Attributes:
        value: The text as it was given, cut to 80 characters.
        why: What is wrong with it.
        right: What would be right in its place.
    """

    def __init__(self, value: str, *, why: str, right: str = _RIGHT_ADDRESS) -> None:
        shown = "".join(c if c.isprintable() else "?" for c in value[:80])
        self.value = shown if len(value) <= 80 else shown[:77] + "..."
        self.why = why
        self.right = right
        super().__init__(f'"{self.value}": {why}; give {right}')


class Address(NamedTuple):
    """One mailbox address, in one canonical form whatever way it was written.

    Attributes:
        local_part: Its meaning, without quotes and backslashes, in the case it was given.
        domain: Lower-case A-labels, or an address literal: `[192.0.2.1]`, `[IPv6:2001:db8::1]`.
    """

    local_part: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read a Mailbox of RFC 5321 §4.1.2, with the characters RFC 6531 §3.3 adds.

        Args:
            text: `local-part@domain`, without angle brackets.

        Raises:
            AddressError: The text isn't an address, or is longer than an address may be.
        """
        if len(text) > 2 * MAX_ADDRESS:  # even with every character of it needlessly escaped
            raise AddressError(text, why=f"it is longer than {MAX_ADDRESS} octets")
        if text.startswith('"'):
            quoted = _QUOTED_STRING.match(text)
            if quoted is None or not text.startswith("@", quoted.end()):
                raise AddressError(text, why='the quoted local part does not end in "@')
            local_part = re.sub(r"\\(.)", r"\1", quoted[1])
            domain = text[quoted.end() + 1 :]
        else:
            local_part, at, domain = text.partition("@")
            if not at or not _DOT_STRING.fullmatch(local_part):
                raise AddressError(text, why=_local_part_fault(local_part, at))
        if not domain:
            raise AddressError(text, why="the domain after the @ is missing")
        address = cls(local_part, parse_domain(domain))
        if not local_part:
            # RFC 5321 §4.1.2 lets "" pass; nobody can own it and it would look like a catch-all.
            raise AddressError(text, why="the local part before the @ is empty")
        if len(text) > MAX_LOCAL_PART or not text.isascii():  # only then can a limit be broken
            address._check_limits(text)
        return address

    @classmethod
    def restored(cls, text: str) -> Address:
        """Read back what `str` has made of an address: it was looked at when it was parsed."""
        if text.startswith('"'):
            return cls.parse(text)
        local_part, _, domain = text.rpartition("@")
        return cls(local_part, domain)

    def _check_limits(self, text: str) -> None:
        wire = str(self).encode()
        if len(wire) - len(self.domain) - 1 > MAX_LOCAL_PART:
            why = f"the local part before the @ is longer than {MAX_LOCAL_PART} octets"
            raise AddressError(text, why=why)
        if len(wire) > MAX_ADDRESS:
            raise AddressError(text, why=f"it is longer than {MAX_ADDRESS} octets")

    def __str__(self) -> str:
        """The form for the wire; the local part is quoted only where it has to be."""
        return _wire(self.local_part, self.domain)

    @property
    def key(self) -> str:
        """`local@domain` for look-ups: the local part in NFC (RFC 6530 §10.1) and lower case."""
        local_part = self.local_part.lower()
        if not local_part.isascii():
            local_part = unicodedata.normalize("NFC", local_part)
        return f"{local_part}@{self.domain}"

    @property
    def is_ascii(self) -> bool:
        """Whether the address can travel without SMTPUTF8."""
        return self.local_part.isascii()

    @property
    def domain_unicode(self) -> str:
        """The domain for people: U-labels where the A-labels are sound ones."""
        if "xn--" not in self.domain:
            return self.domain
        return ".".join(_u_label(label) for label in self.domain.split("."))


@lru_cache(maxsize=4096)  # one address is written several times while its message is handled
def _wire(local_part: str, domain: str) -> str:
    if _DOT_STRING.fullmatch(local_part):
        return f"{local_part}@{domain}"
    escaped = local_part.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"@{domain}'


def parse_domain(text: str) -> str:
    """Read a Domain or address-literal of RFC 5321 §4.1.2 and §4.1.3.

    Returns:
        Lower-case A-labels, or the literal in its canonical spelling.

    Raises:
        AddressError: It is neither.
    """
    if len(text) > MAX_DOMAIN:
        why = f"the domain is longer than {MAX_DOMAIN} octets"
        raise AddressError(text, why=why, right=_RIGHT_DOMAIN)
    if _DOMAIN.fullmatch(text):
        return text.lower()
    if text.startswith("["):
        return _parse_literal(text)
    if not text.isascii():
        try:
            domain = idna.encode(text, uts46=True).decode("ascii").lower()
        except UnicodeError:
            why = "the domain is not a valid internationalised name"
            raise AddressError(text, why=why, right=_RIGHT_DOMAIN) from None
        if len(domain) <= MAX_DOMAIN and _DOMAIN.fullmatch(domain):
            return domain
    raise AddressError(text, why=_domain_fault(text), right=_RIGHT_DOMAIN)


def _parse_literal(text: str) -> str:
    inner = text[1:-1] if text.endswith("]") else ""
    try:
        # RFC 5321 §4.1.3: the tag is in any case; a zone index ("%eth0") means nothing elsewhere.
        if inner[:5].lower() == "ipv6:" and "%" not in inner:
            return f"[IPv6:{IPv6Address(inner[5:])}]"
        return f"[{IPv4Address(inner)}]"
    except ValueError:
        right = "a literal like [192.0.2.1] or [IPv6:2001:db8::1]"
        raise AddressError(text, why="it is not an address literal", right=right) from None


def _u_label(label: str) -> str:
    try:
        return idna.ulabel(label)
    except UnicodeError:
        return label


def _local_part_fault(local_part: str, at: str) -> str:
    if not at:
        return "there is no @ in it"
    if not local_part:
        return "the local part before the @ is missing"
    if "" in local_part.split("."):
        return "the local part begins or ends with a dot or has two in a row"
    wrong = re.sub(rf"{_ATEXT}|\.", "", local_part)[:1]
    return f"the local part has {_name(wrong)} outside quotes"


def _domain_fault(domain: str) -> str:
    labels = domain.split(".")
    if not domain:
        return "the domain is missing"
    if "" in labels:
        return "the domain begins or ends with a dot or has two in a row"
    if any(len(label) > 63 for label in labels):
        return "a part of the domain is longer than 63 characters"  # RFC 1035 §2.3.4
    if any(label.startswith("-") or label.endswith("-") for label in labels):
        return "a part of the domain begins or ends with a hyphen"
    wrong = re.sub(r"[A-Za-z0-9.\-]", "", domain)[:1]
    if wrong and wrong.isascii():
        return f"the domain has {_name(wrong)} in it"
    if wrong:
        return "the domain is not a valid internationalised name"
    return "the domain ends in a number; an IP address goes into brackets"  # RFC 3696 §2


def _name(character: str) -> str:
    if character == " ":
        return "a space"
    return f"a {character}" if character.isprintable() else "a control character"
