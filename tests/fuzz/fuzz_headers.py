"""Any bytes as the beginning of a message: summed up without an error, into harmless text."""

from __future__ import annotations

import sys
from dataclasses import astuple

from appliance.mail import words
from appliance.mail.headers import HeaderError, Summary, header, scan, split


def fuzz_one(data: bytes) -> None:
    """Cut, sum up and write again."""
    section, body = split(data)
    assert section + body == data
    for block in (data, b"Subject: " + data, b"From: =?" + data):
        summary = scan(block)
        check(summary)
    text = data.decode("utf-8", "surrogateescape")
    words.decode(text)
    for name in ("Subject", "From"):
        try:
            field = header(name, text)
        except HeaderError:
            continue
        assert field.isascii()
        assert field.endswith(b"\r\n")
        lines = field[:-2].split(b"\r\n")
        assert all(line[:1] in b" \t" and line.strip() for line in lines[1:])
        assert not any(byte in b"\r\n\0" for line in lines for byte in line)


def check(summary: Summary) -> None:
    """Whether a summary is safe to keep and to show."""
    for value in astuple(summary):
        if isinstance(value, str):
            assert len(value) <= 998
            assert not any(c < " " or c == "\x7f" for c in value)
            value.encode()
    assert Summary.from_json(summary.to_json()) == summary


if __name__ == "__main__":
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, fuzz_one)
    atheris.Fuzz()
