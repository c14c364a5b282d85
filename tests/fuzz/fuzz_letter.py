"""Any text as what people type: addresses come out, letters can be read, nothing is injected."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from appliance.mail import parameters
from appliance.mail.address import Address, AddressError
from appliance.mail.addresses import addresses, mailbox
from appliance.mail.headers import HeaderError, raw_fields
from appliance.mail.letter import Attachment, Letter, LetterError, write_letter
from appliance.mail.mime import parse, walk


def fuzz_one(data: bytes) -> None:
    """Read addresses, names and parameters, and write a letter of them."""
    text = data.decode("utf-8", "surrogateescape")
    for name, address in addresses(text):
        assert not any(c in name + address for c in "\r\n\0")
        try:
            right = str(Address.parse(address))
        except AddressError:
            continue
        assert addresses(mailbox(name, right))[0][1] == right
    parameters.parse(text)
    safe = parameters.file_name(text)
    assert parameters.file_name(safe) == safe
    letter = Letter(
        from_=(text, "a@example.com"),
        date=datetime(2026, 11, 22, tzinfo=UTC),
        message_id="<1@example.com>",
        to=(text,),
        subject=text,
        text=text,
        html=text,
        references=(text,),
        attachments=(Attachment(text, text, lambda: (data,)),),
    )
    for with_bcc in (False, True):
        try:
            written = b"".join(write_letter(letter, with_bcc=with_bcc))
        except (LetterError, HeaderError):
            continue
        assert b"\n" not in written.replace(b"\r\n", b"")
        section, _, _ = written.partition(b"\r\n\r\n")
        names = {name for name, _ in raw_fields(section)}
        assert names <= {
            *("From", "To", "Subject", "Date", "Message-ID", "References"),
            *("MIME-Version", "Content-Type"),
        }
        kinds = [part.type for part in walk(parse(written))]
        texts = ["multipart/alternative", "text/plain", "text/html"] if text else ["text/plain"]
        assert kinds[: len(texts) + 1] == ["multipart/mixed", *texts]


if __name__ == "__main__":
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, fuzz_one)
    atheris.Fuzz()
