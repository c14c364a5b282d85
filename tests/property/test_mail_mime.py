"""Parts and transfer encodings say the same to us as to Python's email package."""

from __future__ import annotations

import binascii
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

from hypothesis import given
from hypothesis import strategies as st

from appliance.mail.digest import digest
from appliance.mail.mime import decode, parse, walk

TREES = st.recursive(
    st.one_of(
        st.text("abc =\r\n-ü", max_size=40),
        st.binary(max_size=80),
    ),
    lambda children: st.lists(children, min_size=1, max_size=4),
    max_leaves=12,
)


def built(tree: object) -> MIMEBase:
    if isinstance(tree, str):
        return MIMEText(tree, "plain", "utf-8")
    if isinstance(tree, bytes):
        part = MIMEBase("application", "x-test")
        part.set_payload(binascii.b2a_base64(tree).decode())
        part["Content-Transfer-Encoding"] = "base64"
        return part
    assert isinstance(tree, list)
    whole = MIMEMultipart()
    for child in tree:
        whole.attach(built(child))
    return whole


@given(TREES, st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_tree_that_python_writes_is_found(tree: object, end: bytes) -> None:
    message = built(tree)
    octets = message.as_bytes().replace(b"\n", end)
    ours = [(part.type, decode(part, octets)) for part in walk(parse(octets)) if not part.children]
    theirs = [
        (part.get_content_type(), part.get_payload(decode=True))
        for part in message.walk()
        if not part.is_multipart()
    ]
    assert ours == theirs
    assert digest(octets).has_attachments is any(type_ != "text/plain" for type_, _ in ours)


@given(st.binary(max_size=500))
def test_base64_is_undone(data: bytes) -> None:
    octets = b"Content-Transfer-Encoding: base64\r\n\r\n" + binascii.b2a_base64(data)
    assert decode(parse(octets), octets) == data


@given(st.binary(max_size=500), st.integers(0, 3))
def test_quoted_printable_is_undone_wherever_it_is_cut(data: bytes, shift: int) -> None:
    # A line longer than a piece: the decoder cuts it itself.
    data = (b"x" * shift + b"=\xff\xc3" * 30_000 + data).replace(b"\r", b"").replace(b"\n", b"")
    quoted = b"".join(b"=%02X" % byte for byte in data)
    octets = b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + quoted
    assert decode(parse(octets), octets) == data


@given(st.binary(max_size=300))
def test_uuencode_is_undone(data: bytes) -> None:
    lines = [binascii.b2a_uu(data[place : place + 45]) for place in range(0, len(data), 45)]
    body = b"begin 644 a\n" + b"".join(lines) + b"`\nend\n"
    octets = b"Content-Transfer-Encoding: x-uuencode\r\n\r\n" + body
    assert decode(parse(octets), octets) == data
