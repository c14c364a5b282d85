r"""Dialogue scripts: what a client sends and what the server must say, line by line.

A script is a header of `name: value` lines, a blank line, then the conversation:

    C: text        the client sends the text and CRLF; lines in a row go out together
    C> text        the same without CRLF
    S: text        the server's next line is exactly this, or begins with it where it ends in …
    E: tls         the client begins TLS
    E: closed      the server has hung up; each script ends with it
    # text         a comment

In C lines \r \n \0 \t \\ \xNN stand for octets, {password} for the header's password,
{x*600} for 600 times x, and {base64:text} for the text in base64.

A script runs over whatever `Transport` it is given: an engine in memory, or a socket. Its header
says what the server must be like; `smtp_engine` lists the names for SMTP.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_ESCAPE = re.compile(rb"\\(?:x([0-9a-f]{2})|([rn0t\\]))")
_ESCAPED = {b"r": b"\r", b"n": b"\n", b"0": b"\0", b"t": b"\t", b"\\": b"\\"}
_BASE64 = re.compile(r"\{base64:([^}]*)\}")
_REPEATED = re.compile(r"\{(.)\*([0-9]+)\}")


class Transport(Protocol):
    """A connection to a server."""

    def send(self, data: bytes) -> None:
        """Send octets."""

    def receive_line(self) -> bytes:
        """The server's next line without CRLF; EOFError once it has hung up."""

    def start_tls(self) -> None:
        """Begin TLS as a client; returns after the handshake."""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a script."""

    number: int
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Script:
    """A script as read."""

    name: str
    header: Mapping[str, str]
    steps: tuple[Step, ...]


class Mismatch(AssertionError):
    """The server said something else."""


def load(path: Path) -> Script:
    """Read a script."""
    header: dict[str, str] = {}
    steps: list[Step] = []
    in_header = True
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("#"):
            continue
        if in_header and line:
            name, _, value = line.partition(": ")
            header[name] = value
        elif line:
            kind, text = line[:2], line[3:]
            if kind not in {"C:", "C>", "S:", "E:"} or line[2:3] not in {"", " "}:
                raise ValueError(f"{path.name}:{number}: not a line of a dialogue: {line}")
            steps.append(Step(number, kind, text))
        in_header = in_header and bool(line)
    if not steps or (steps[-1].kind, steps[-1].text) != ("E:", "closed"):
        raise ValueError(f"{path.name}: a dialogue ends with E: closed")
    return Script(path.name, header, tuple(steps))


def play(script: Script, transport: Transport) -> None:
    """Hold the conversation; raises Mismatch at the first line that differs."""
    pending = b""
    for step in script.steps:
        if step.kind in {"C:", "C>"}:
            pending += _octets(step.text, script.header) + (b"\r\n" if step.kind == "C:" else b"")
            continue
        if pending:
            transport.send(pending)
            pending = b""
        if step.kind == "E:" and step.text == "tls":
            transport.start_tls()
        else:
            _expect(script, step, transport)


def _expect(script: Script, step: Step, transport: Transport) -> None:
    wanted = step.text if step.kind == "S:" else "(closed)"
    try:
        line = transport.receive_line().decode("utf-8", "backslashreplace")
    except EOFError:
        line = "(closed)"
    is_prefix = wanted.endswith("…")
    if line.startswith(wanted[:-1]) if is_prefix else line == wanted:
        return
    raise Mismatch(f"{script.name}:{step.number}: wanted {wanted!r}, the server said {line!r}")


def _octets(text: str, header: Mapping[str, str]) -> bytes:
    if "{password}" in text:
        text = text.replace("{password}", header["password"])
    text = _REPEATED.sub(lambda found: found[1] * int(found[2]), text)
    text = _BASE64.sub(lambda found: base64.b64encode(_unescape(found[1])).decode(), text)
    return _unescape(text)


def _unescape(text: str) -> bytes:
    return _ESCAPE.sub(
        lambda found: bytes.fromhex(found[1].decode()) if found[1] else _ESCAPED[found[2]],
        text.encode(),
    )
