"""The encodings inside DSN parameters: xtext, and addresses of a stated type.

Standards: RFC 3461 §4 (xtext), §4.2 (ORCPT); RFC 6533 §3 (UTF-8 addresses).
Owns: nothing.
Never: which values a parameter may have.
Failure: reading gives None for a text that is not in the encoding.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["decode_orcpt", "decode_xtext", "encode_orcpt", "encode_xtext"]

_XTEXT: Final = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+")
_XTEXT_UNSAFE: Final = re.compile(rb"[^!-*,-<>-~]")
_HEX_OCTET: Final = re.compile(rb"\+([0-9A-F]{2})")
_UNICODE_ESCAPE: Final = re.compile(r"\\x\{([0-9A-F]{2,6})\}")
_UNICODE_UNSAFE: Final = re.compile(r"[\\+= ]")
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]")
_ATOM: Final = re.compile(r"[A-Za-z0-9!#$%&'*/?^_`{|}~-]+")


def decode_xtext(text: str) -> str | None:
    """Read xtext (RFC 3461 §4).

    Returns:
        The text; None where it is not xtext or stands for something unprintable.
    """
    if not _XTEXT.fullmatch(text):
        return None
    if "+" not in text:
        return text
    octets = _HEX_OCTET.sub(lambda found: bytes.fromhex(found[1].decode()), text.encode())
    try:
        decoded = octets.decode()
    except UnicodeDecodeError:
        return None
    return decoded if decoded.isprintable() else None


def encode_xtext(text: str) -> str:
    """Write xtext (RFC 3461 §4); what is not ASCII is encoded as UTF-8 first."""
    return _XTEXT_UNSAFE.sub(lambda found: b"+%02X" % found[0][0], text.encode()).decode()


def decode_orcpt(text: str) -> str | None:
    r"""Read an ORCPT value with its type (RFC 3461 §4.2, RFC 6533 §3).

    Returns:
        `addr-type;address` with the address as it was before its encoding, or None.
    """
    kind, semicolon, encoded = text.partition(";")
    if not semicolon or not encoded or not _ATOM.fullmatch(kind):
        return None
    if kind.lower() != "utf-8":
        address = decode_xtext(encoded)
        return f"{kind};{address}" if address and address.isascii() else None
    points = [int(point, 16) for point in _UNICODE_ESCAPE.findall(encoded)]
    if any(point > 0x10FFFF or 0xD800 <= point <= 0xDFFF for point in points):
        return None
    address = _UNICODE_ESCAPE.sub(lambda found: chr(int(found[1], 16)), encoded)
    return f"{kind};{address}" if address.isprintable() else None


def encode_orcpt(orcpt: str, *, utf8: bool) -> str:
    r"""Write the value that `decode_orcpt` reads.

    Args:
        orcpt: `addr-type;address`.
        utf8: the next server takes SMTPUTF8, so UTF-8 addresses may stay as they are; else their
            characters become `\x{...}`.
    """
    kind, _, address = orcpt.partition(";")
    if kind.lower() != "utf-8":
        return f"{kind};{encode_xtext(address)}"
    escaped = _UNICODE_UNSAFE.sub(_escape, address)
    if not utf8:
        escaped = _NOT_ASCII.sub(_escape, escaped)
    return f"{kind};{escaped}"


def _escape(found: re.Match[str]) -> str:
    return f"\\x{{{ord(found[0]):02X}}}"
