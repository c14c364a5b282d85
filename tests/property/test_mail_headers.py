"""Fields and encoded-words say the same to us, and to Python's email package, after the wire."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.utils import parseaddr

from hypothesis import given
from hypothesis import strategies as st

from appliance.mail import words
from appliance.mail.compose import text_entity
from appliance.mail.headers import header, scan

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], include_characters=" "))
WORDS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=30),
    max_size=20,
).map(" ".join)


@given(st.text(st.characters(codec="utf-8")))
def test_encoded_words_decode_to_the_same_text(text: str) -> None:
    assert words.decode(words.encode(text)) == text


@given(WORDS)
def test_subject_survives_encoding_and_folding(text: str) -> None:
    wire = header("Subject", text)
    assert wire.isascii()
    assert scan(wire).subject == text[:998]


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=60)
)
def test_display_name_survives_beside_its_address(name: str) -> None:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    wire = header("From", f'"{quoted}" <a@example.com>')
    parsed, address = parseaddr(message_from_bytes(wire + b"\r\n")["From"])
    assert address == "a@example.com"
    assert str(make_header(decode_header(parsed))) == name


@given(st.text(st.characters(codec="utf-8")))
def test_text_entity_gives_its_text_back(text: str) -> None:
    wire = text_entity(text)
    assert wire.isascii()
    parsed = message_from_bytes(wire, policy=policy.default)
    expected = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n") + "\n"
    body = parsed.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert body.replace(b"\r\n", b"\n") == expected.encode()
