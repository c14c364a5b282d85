"""Lists of addresses as people and programs write them, right or wrong.

Standards: RFC 5322 §3.4 (address-list), §4.4 (old forms); RFC 2047 §5 (names).
Owns: nothing.
Never: judge an address; what stands in its place is handed on as it is (address.Address judges).
Failure: none.
"""

from __future__ import annotations

import re

from appliance.mail import words

__all__ = ["addresses", "mailbox"]

_MAX = 64 * 1024  # characters that are read
_TOKEN = re.compile(
    r'(?P<quoted>"(?:[^"\\]|\\.)*+"?)'
    r"|(?P<angle><[^<>]*+>?)"
    r"|(?P<literal>\[[^\[\]]*+\]?)"
    r"|(?P<comment>[()])"
    r"|(?P<end>[,;])"
    r"|(?P<colon>:)"
    r"|(?P<space>\s+)"
    r"|(?P<word>[^\"<>\[\](),;:\s]++|.)",
    re.DOTALL,
)
_NO_PARENTHESES = str.maketrans("()", "  ")
_ROUTE = re.compile(r"@[^:]*+:")  # RFC 5322 §4.4: <@a.example,@b.example:user@c.example>
_PLAIN_NAME = re.compile(r"[\w !#$%&'*+\-/=?^`{|}~.]*")
_AROUND_AT = re.compile(r"(?:(?<!\s)\s+)?@\s*")
_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


def addresses(value: str) -> list[tuple[str, str]]:
    """Read a list of addresses: (display name, what stands for the address), in their order.

    Names may be encoded or decoded already. Groups are resolved into their members; a comment
    stands in for a missing name. Semicolons and line ends separate like commas. What is no address
    comes out where the address would be, so that nothing a person typed disappears.
    """
    value = value[:_MAX]
    if value.count("(") != value.count(")"):
        value = value.translate(_NO_PARENTHESES)  # an open comment would swallow the rest
    reader = _Reader()
    for token in _TOKEN.finditer(value):
        reader.take(token.lastgroup or "", token[0])
    reader.finish()
    return reader.found


def mailbox(name: str, address: str) -> str:
    """Write a name and an address as one mailbox of a field: `"Doe, Jane" <j@a.example>`."""
    name = " ".join(_NOT_TEXT.sub(" ", name).split())
    if not name or name == address:
        return address
    if not _PLAIN_NAME.fullmatch(name) or "=?" in name:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        name = f'"{escaped}"'
    return f"{name} <{address}>"


class _Reader:
    """Collects one entry after the other."""

    def __init__(self) -> None:
        self.found: list[tuple[str, str]] = []
        self._raw: list[str] = []  # the words as written: an address, where there is no angle
        self._phrase: list[str] = []  # the same as a name, quotes undone
        self._comment: list[str] = []
        self._depth = 0
        self._angle: str | None = None

    def take(self, kind: str, token: str) -> None:
        if kind == "comment":
            self._parenthesis(token)
        elif self._depth:
            self._comment.append(token)
        elif kind == "end" or (kind == "space" and "\n" in token and self._is_whole()):
            self.finish()
        elif kind == "angle":
            if self._angle is not None:
                self.finish()
            self._angle = _ROUTE.sub("", token.strip("<>").strip(), count=1)
        elif kind == "colon" and self._angle is None and not any("@" in raw for raw in self._raw):
            self._raw.clear()  # RFC 5322 §3.4: the name of a group
            self._phrase.clear()
        else:
            self._raw.append(token)
            self._phrase.append(_unquoted(token) if kind == "quoted" else token)

    def finish(self) -> None:
        """The entry has ended; an empty one is none."""
        raw = "".join(self._raw).strip()
        name = _name("".join(self._phrase))
        comment = _name("".join(self._comment))
        if self._angle is not None:
            address = _AROUND_AT.sub("@", self._angle)
            name = name or comment
            self._add("" if name == address else name, address)
        elif raw:
            raw = _AROUND_AT.sub("@", raw)
            several = raw.split() if '"' not in raw else [raw]
            if len(several) > 1 and all("@" in one for one in several):
                for one in several:
                    self._add("", one)
            else:
                self._add(comment, raw)
        self._raw.clear()
        self._phrase.clear()
        self._comment.clear()
        self._angle = None

    def _is_whole(self) -> bool:
        """Whether a line end may end the entry: typed lists have one address a line."""
        return self._angle is not None or any("@" in raw for raw in self._raw)

    def _add(self, name: str, address: str) -> None:
        if name or address:
            self.found.append((name, _NOT_TEXT.sub("", address)))

    def _parenthesis(self, sign: str) -> None:
        if sign == ")":
            self._depth = max(0, self._depth - 1)
            return
        self._depth += 1
        if self._comment:
            self._comment.append(" ")


def _unquoted(token: str) -> str:
    inner = token[1:].removesuffix('"') if not token.endswith('\\"') else token[1:]
    return re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL)


def _name(text: str) -> str:
    return " ".join(_NOT_TEXT.sub(" ", words.decode(text)).split())
