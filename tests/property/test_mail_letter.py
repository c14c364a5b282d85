"""What is written into a letter is read out of it, by us and by Python's email package."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy

from hypothesis import given
from hypothesis import strategies as st

from appliance.mail import parameters
from appliance.mail.addresses import addresses, mailbox
from appliance.mail.headers import fields
from appliance.mail.letter import Attachment, Letter, write_letter
from appliance.mail.mime import decode, decoded_text, parse
from appliance.mail.view import view

VISIBLE = st.characters(codec="utf-8", exclude_categories=["C", "Z"])
LINES = st.text(st.one_of(VISIBLE, st.sampled_from(" \n>.-")))
WORDS = st.lists(st.text(VISIBLE, min_size=1, max_size=20), max_size=10).map(" ".join)
NAMES = st.text(st.one_of(VISIBLE, st.just(" ")), max_size=200)
TYPES = st.sampled_from(["application/pdf", "image/png", "text/plain", "text/html", "nonsense", ""])
FILES = st.lists(st.tuples(NAMES, TYPES, st.binary(max_size=300)), max_size=4)


def attachment(name: str, type_: str, octets: bytes, content_id: str = "") -> Attachment:
    return Attachment(name, type_, lambda: (octets[:7], octets[7:]), content_id=content_id)


@given(WORDS, LINES, LINES, FILES, st.binary(max_size=200))
def test_letter_gives_back_what_was_put_into_it(
    subject: str,
    text: str,
    html: str,
    files: list[tuple[str, str, bytes]],
    picture: bytes,
) -> None:
    shows_picture = bool(html)
    letter = Letter(
        from_=("Jane", "jane@example.com"),
        to=("bob@example.com",),
        subject=subject,
        text=text,
        html=html and html + "<img src='cid:p@x'>",
        date=datetime(2026, 11, 22, tzinfo=UTC),
        message_id="<1@example.com>",
        attachments=(
            *(attachment(*file) for file in files),
            *([attachment("p.png", "image/png", picture, "p@x")] if shows_picture else []),
        ),
    )
    octets = b"".join(write_letter(letter, with_bcc=False))
    assert octets.isascii()
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    assert not any(
        part.defects for part in message_from_bytes(octets, policy=policy.compat32).walk()
    )
    shown = view(parse(octets), octets)
    assert dict(fields(octets))["Subject"] == subject
    assert shown.text is not None
    if text:
        assert decoded_text(shown.text, octets).rstrip("\n") == text.rstrip("\n")
    if html:
        assert shown.html is not None
        assert decoded_text(shown.html, octets).rstrip("\n") == letter.html.rstrip("\n")
        assert decode(shown.inline["p@x"], octets) == picture
    found = [(part.filename, decode(part, octets)) for part in shown.attachments]
    assert [data for _, data in found] == [data for _, _, data in files]
    for (written, _), (name, _, _) in zip(found, files, strict=True):
        safe = parameters.file_name(name)
        assert written == safe or (not safe and written.startswith("attachment"))


@given(st.lists(st.text(st.characters(codec="utf-8")), max_size=5))
def test_mailboxes_that_are_written_are_read(names: list[str]) -> None:
    value = ", ".join(mailbox(name, f"u{place}@a.example") for place, name in enumerate(names))
    found = addresses(value)
    assert [address for _, address in found] == [
        f"u{place}@a.example" for place in range(len(names))
    ]


@given(NAMES.filter(lambda value: "=?" not in value), st.sampled_from(["name", "filename"]))
def test_parameters_that_are_written_are_read(value: str, name: str) -> None:
    written = parameters.written(name, value)
    assert written.isascii()
    assert parameters.parse(written) == {name: value}
    assert parameters.file_name(parameters.file_name(value)) == parameters.file_name(value)
