"""Bodies out of their transfer encodings, piece by piece.

Standards: RFC 2045 §6.7 (quoted-printable), §6.8 (base64), §6.4 (what is unknown stays as it is);
    uuencode as POSIX has it.
Owns: nothing.
Never: raise on what strangers wrote; hold more than a few pieces.
Failure: none; what is no sound encoding is skipped, or stays as it is.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator

from appliance.mail import charset
from appliance.mail.part import Buffer, Part

__all__ = ["decode", "decode_chunks", "decoded_text"]

CHUNK = 64 * 1024
_NOT_BASE64 = bytes(
    sorted(
        set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
    )
)
_PADDED_SOFT_BREAK = re.compile(rb"=[ \t]{1,200}+(?=\r?\n)")
_META_CHARSET = re.compile(
    rb"<meta[^>]{0,200}?charset\s{0,5}=\s{0,5}[\"']?([\w.:\-]{1,40})", re.IGNORECASE
)
_CHARSET_WITHIN = 2048  # octets of HTML in which its own declaration counts


def decode(part: Part, octets: Buffer) -> bytes:
    """The body of a part, transfer encoding undone."""
    return b"".join(decode_chunks(part, octets))


def decode_chunks(part: Part, octets: Buffer) -> Iterator[bytes]:
    """The same in pieces of at most 64 KiB, none of them empty."""
    pieces = (
        octets[place : min(place + CHUNK, part.end)] for place in range(part.start, part.end, CHUNK)
    )
    decoder = _DECODERS.get(part.encoding)
    yield from pieces if decoder is None else filter(None, decoder(pieces))


def decoded_text(part: Part, octets: Buffer, *, most: int | None = None) -> str:
    """The text of a part, with line ends of LF alone.

    Read in the charset it declares (HTML may do so in itself); else UTF-8, else the best guess.

    Args:
        part: The part.
        octets: The message.
        most: Octets that are decoded, all by default.
    """
    if most is None:
        data = decode(part, octets)
    else:
        kept: list[bytes] = []
        room = most
        for piece in decode_chunks(part, octets):
            kept.append(piece[:room])
            room -= len(piece)
            if room <= 0:
                break
        data = b"".join(kept)
    declared = part.charset
    if part.type == "text/html" and not charset.codec(declared):
        meta = _META_CHARSET.search(data, 0, _CHARSET_WITHIN)
        declared = meta[1].decode("ascii") if meta else declared
        if declared.lower().startswith("utf-16"):  # it could be read, so it isn't
            declared = ""
    return charset.text(data, declared).replace("\r\n", "\n").replace("\r", "\n")


def _base64(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """What is not of the alphabet is skipped; each padding ends a run of quads."""
    rest = b""
    for piece in pieces:
        data = rest + piece.translate(None, _NOT_BASE64)
        if b"=" in data:
            *runs, data = data.split(b"=")
            yield b"".join(_quads(run) for run in runs if run)
        whole = len(data) - len(data) % 4
        yield binascii.a2b_base64(data[:whole])
        rest = data[whole:]
    yield _quads(rest)


def _quads(run: bytes) -> bytes:
    whole = len(run) - (len(run) % 4 == 1)  # one odd sixth of a byte says nothing
    return binascii.a2b_base64(run[:whole] + b"==")


def _quoted_printable(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        data = rest + piece
        cut = data.rfind(b"\n") + 1
        if cut == 0:  # a line longer than any: cut it, but not inside of =XX
            sign = data.rfind(b"=", max(0, len(data) - 2))
            cut = len(data) if sign < 0 else sign
        yield _unquoted(data[:cut])
        rest = data[cut:]
    yield _unquoted(rest)


def _unquoted(data: bytes) -> bytes:
    return binascii.a2b_qp(_PADDED_SOFT_BREAK.sub(b"=", data))


def _uuencode(pieces: Iterator[bytes]) -> Iterator[bytes]:
    begun = False
    for line in _lines(pieces):
        if not begun:
            begun = line.startswith(b"begin ")
        elif line.rstrip() == b"end":
            return
        elif line.strip():
            yield _uu_line(line)


def _uu_line(line: bytes) -> bytes:
    count = (line[0] - 32) & 63
    try:  # only as much as the line says it holds: some writers pad it
        return binascii.a2b_uu(line[: 1 + (count * 4 + 2) // 3])
    except binascii.Error:
        return b""


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            yield line.rstrip(b"\r")
        rest = rest[:CHUNK]
    yield rest.rstrip(b"\r")


_DECODERS: dict[str, Callable[[Iterator[bytes]], Iterator[bytes]]] = {
    "base64": _base64,
    "quoted-printable": _quoted_printable,
    **dict.fromkeys(("x-uuencode", "uuencode", "x-uue", "uue"), _uuencode),
}
