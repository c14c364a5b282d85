"""Any bytes as a message: its parts lie in it, are decoded, shown, summed up and answered."""

from __future__ import annotations

import sys

from appliance.mail.answer import Kind, answer
from appliance.mail.digest import Digest, digest
from appliance.mail.mime import (
    MAX_DEPTH,
    MAX_PARTS,
    decode,
    decode_chunks,
    decoded_text,
    find,
    parse,
    walk,
)
from appliance.mail.part import Part
from appliance.mail.view import view


def fuzz_one(data: bytes) -> None:
    """Parse and use; then the same inside of a message with parts."""
    for octets in (
        data,
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + data,
        b"Content-Type: " + data,
        b"Content-Disposition: attachment; " + data,
        b"Content-Transfer-Encoding: base64\n\n" + data,
        b"Content-Transfer-Encoding: quoted-printable\n\n" + data,
        b"Content-Transfer-Encoding: x-uuencode\n\nbegin 644 a\n" + data,
        b"Content-Type: text/html; charset=" + data,
    ):
        root = parse(octets)
        check(root, octets)
        summed_up = digest(octets)
        assert Digest.from_json(summed_up.to_json()) == summed_up
        assert len(summed_up.preview) <= 160
        assert summed_up.preview == " ".join(summed_up.preview.split())
        shown = view(root, octets)
        assert all(part.filename for part in shown.attachments)
        for kind in Kind:
            prepared = answer(kind, root, octets, own=["a@example.com"], introduction="Wrote:")
            assert all("\n" not in one for one in (*prepared.to, *prepared.cc, prepared.subject))


def check(root: Part, octets: bytes) -> None:
    """Whether the parts lie in the message, one after the other, and can be decoded."""
    parts = list(walk(root))
    assert len(parts) <= MAX_PARTS
    for part in parts:
        assert 0 <= part.header_start <= part.start <= part.end <= len(octets)
        assert part.number.count(".") <= MAX_DEPTH
        assert find(root, part.number) is part
        end = part.start
        for child in part.children:
            assert end <= child.header_start
            end = child.end
        assert end <= part.end
        assert not any(c in part.filename for c in "/\\\r\n\0")
        chunks = list(decode_chunks(part, octets))
        assert all(chunks)
        assert b"".join(chunks) == decode(part, octets)
        text = decoded_text(part, octets)
        assert "\r" not in text
        text.encode()
        part.filename.encode()


if __name__ == "__main__":
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, fuzz_one)
    atheris.Fuzz()
