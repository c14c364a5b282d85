"""Any bytes as a letter posted with its envelope: the cut is the same however they come."""

from __future__ import annotations

import sys

from httpmail.rfc821 import BadEnvelope, EnvelopeReader

_ENVELOPE = b"MAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\n"

Found = tuple[str, list[str], bytes]


def fuzz_one(data: bytes) -> None:
    """Cut `data` at once and octet by octet."""
    for body in (data, _ENVELOPE + data, _ENVELOPE + b"\r\n" + data, b"MAIL FROM:" + data):
        found = cut([body])
        assert found == cut([body[at : at + 1] for at in range(len(body))])
        if found is not None:
            sender, recipients, message = found
            assert recipients
            assert all("\n" not in each and each for each in recipients)
            assert "\n" not in sender
            assert body.endswith(message)
    assert cut([_ENVELOPE + b"\r\n" + data]) == ("a@a.test", ["b@b.test"], data)


def cut(pieces: list[bytes]) -> Found | None:
    """Cut a body; None when it has no envelope."""
    reader = EnvelopeReader()
    try:
        message = b"".join([reader.feed(piece) for piece in pieces])
        reader.close()
    except BadEnvelope:
        return None
    return reader.reverse_path, reader.recipients, message


if __name__ == "__main__":
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, fuzz_one)
    atheris.Fuzz()
