"""Encoded-words: text of any script inside header fields of ASCII.

Standards: RFC 2047 (the syntax), RFC 2231 §5 (language suffix, ignored).
Owns: nothing.
Never: unfold, strip or judge; that is headers' subject.
Failure: none; what can't be decoded comes out as the nearest readable text.
"""

from __future__ import annotations

import binascii
import re
import string
from itertools import groupby

from appliance.mail import charset

__all__ = ["decode", "decode_bytes", "decode_phrases", "encode", "is_encoded"]

# RFC 2047 §2 allows words of 75 characters in lines of 76: with words of 64 the first one finds
# room beside the name of an ordinary field.
_MAX_PAYLOAD = 52
_WORD = re.compile(r"=\?([\w.:+\-]{1,40})(?:\*[\w\-]{0,40})?\?([bBqQ])\?([^?]*)\?=", re.ASCII)
_RUN = re.compile(rf"{_WORD.pattern}(?:\s*{_WORD.pattern})*", re.ASCII)
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")
# What Q leaves as it is in a phrase (RFC 2047 §5(3)), and its sign for a space.
_Q_SAFE = {ord(c): c for c in string.ascii_letters + string.digits + "!*+-/"} | {0x20: "_"}
# Where structure counts: a quoted string, closed or not, or a run of encoded-words outside of one.
_PHRASE = re.compile(rf'"((?:[^"\\]|\\.)*+)"?|{_RUN.pattern}', re.ASCII | re.DOTALL)
_SPECIAL = re.compile(r'[()<>\[\]:;@\\,"]')


def is_encoded(text: str) -> bool:
    """Whether a reader would find an encoded-word in this text."""
    return _WORD.search(text) is not None


def decode(text: str) -> str:
    """Decode every encoded-word; white space between two of them vanishes (RFC 2047 §6.2).

    Neighbours of one charset are joined before decoding, because many senders split characters.
    """
    if "=?" not in text:
        return text
    return _RUN.sub(_decode_run, text)


def decode_phrases(text: str) -> str:
    """Decode the encoded-words of a structured field, such as a list of addresses.

    What comes out of a word stays one phrase: it is quoted where it holds commas, angle brackets
    and the like, so that no name turns into an address. Words inside quotes, against RFC 2047 §5
    but frequent, are decoded too.
    """
    if "=?" not in text:
        return text
    return _PHRASE.sub(_decode_phrase, text)


def decode_bytes(data: bytes, declared: str = "") -> str:
    """Read bytes in the named charset, or by trying UTF-8 and then windows-1252."""
    name = charset.codec(declared) if declared else ""
    if name:
        try:
            return charset.decode(data, name)
        except (LookupError, UnicodeError):
            pass  # a name of the right shape for a charset that nobody has: guess
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def encode(text: str) -> str:
    """The whole text as encoded-words in UTF-8, separated by single spaces.

    Fit for a phrase as well as for unstructured text, and each word holds whole characters
    (RFC 2047 §5); Q or B is chosen by which is shorter.
    """
    kind, write = min(("q", _q), ("b", _b), key=lambda form: len(form[1](text)))
    payloads: list[str] = []
    start = 0
    for end in range(1, len(text) + 1):
        if len(write(text[start:end])) > _MAX_PAYLOAD:
            payloads.append(write(text[start : end - 1]))
            start = end - 1
    payloads.append(write(text[start:]))
    return " ".join(f"=?utf-8?{kind}?{payload}?=" for payload in payloads)


def _q(text: str) -> str:
    return "".join(_Q_SAFE.get(byte) or f"={byte:02X}" for byte in text.encode())


def _b(text: str) -> str:
    return binascii.b2a_base64(text.encode(), newline=False).decode("ascii")


def _decode_run(run: re.Match[str]) -> str:
    words = ((name.lower(), _payload(*word)) for name, *word in _WORD.findall(run[0]))
    return "".join(
        decode_bytes(b"".join(data for _, data in same), name)
        for name, same in groupby(words, key=lambda word: word[0])
    )


def _decode_phrase(found: re.Match[str]) -> str:
    if found[0].startswith('"'):
        if "=?" not in found[0]:
            return found[0]
        phrase = decode(re.sub(r"\\(.)", r"\1", found[1], flags=re.DOTALL))
    else:
        phrase = decode(found[0])
    if not _SPECIAL.search(phrase):
        return phrase
    escaped = phrase.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _payload(encoding: str, payload: str) -> bytes:
    data = payload.encode("utf-8", "replace")
    if encoding in "qQ":
        return binascii.a2b_qp(data, header=True)
    data = _NOT_BASE64.sub(b"", data)
    whole = len(data) - (len(data) % 4 == 1)  # one odd sixth of a byte says nothing
    return binascii.a2b_base64(data[:whole] + b"==")
