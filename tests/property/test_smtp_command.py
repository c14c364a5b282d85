"""Commands written and read back."""

from __future__ import annotations

import base64
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from appliance.mail.address import Address
from appliance.mail.envelope import Notify, Recipient
from appliance.protocol.smtp_command import (
    Auth,
    Mail,
    Rcpt,
    parse_command,
)
from appliance.protocol.xtext import decode_orcpt, decode_xtext, encode_orcpt, encode_xtext

VISIBLE = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
LOCAL_PARTS = st.text(VISIBLE, min_size=1, max_size=30)
DOMAINS = st.sampled_from(["example.org", "[192.0.2.1]", "[IPv6:2001:db8::1]", "a-b.c.test"])
ADDRESSES = st.builds(Address, LOCAL_PARTS, DOMAINS)
PRINTABLE = st.text(st.characters(codec="utf-8"), min_size=1, max_size=25).filter(str.isprintable)
ASCII = st.text(VISIBLE, min_size=1, max_size=30)
TYPED = st.builds("rfc822;{}".format, ASCII) | st.builds("utf-8;{}".format, PRINTABLE)
EVENTS = st.just(frozenset({Notify.NEVER})) | st.frozensets(
    st.sampled_from([Notify.SUCCESS, Notify.FAILURE, Notify.DELAY]), min_size=1
)


@given(
    st.builds(
        Mail,
        reverse_path=st.none() | ADDRESSES,
        size=st.none() | st.integers(0, 10**20 - 1),
        body=st.sampled_from(["7BIT", "8BITMIME"]),
        smtputf8=st.booleans(),
        ret=st.sampled_from([None, "FULL", "HDRS"]),
        envid=st.none() | ASCII,
        auth=st.none() | PRINTABLE,
    ),
    st.randoms(),
)
def test_mail_is_read_as_it_was_meant(command: Mail, random: Random) -> None:
    parameters = [f"BODY={command.body}"]
    if command.size is not None:
        parameters.append(f"SIZE={command.size}")
    if command.smtputf8:
        parameters.append("SMTPUTF8")
    if command.ret is not None:
        parameters.append(f"ret={command.ret.lower()}")
    if command.envid is not None:
        parameters.append(f"ENVID={encode_xtext(command.envid)}")
    if command.auth is not None:
        parameters.append(f"AUTH={encode_xtext(command.auth)}")
    random.shuffle(parameters)
    path = str(command.reverse_path) if command.reverse_path else ""
    line = f"MAIL FROM:<{path}> {' '.join(parameters)}".encode()
    if command.envid is not None and len(encode_xtext(command.envid)) > 100:
        return
    assert parse_command(line, local_domain="x.test") == command


@given(st.builds(Recipient, ADDRESSES, st.none() | EVENTS, st.none() | TYPED), st.booleans())
def test_rcpt_is_read_as_it_was_meant(recipient: Recipient, utf8: bool) -> None:
    line = f"RCPT TO:<{recipient.address}>"
    if recipient.notify is not None:
        line += f" NOTIFY={','.join(recipient.notify)}"
    if recipient.orcpt is not None:
        line += f" ORCPT={encode_orcpt(recipient.orcpt, utf8=utf8)}"
    assert parse_command(line.encode(), local_domain="x.test") == Rcpt(recipient)


@given(st.binary(max_size=60))
def test_initial_response_is_read_as_it_was_meant(initial: bytes) -> None:
    # RFC 4954 §4: an empty one is written "="
    line = b"AUTH PLAIN " + (base64.b64encode(initial) or b"=")
    assert parse_command(line, local_domain="x.test") == Auth("PLAIN", initial)


@given(PRINTABLE)
def test_xtext_is_ascii_without_spaces_and_comes_back(text: str) -> None:
    encoded = encode_xtext(text)
    assert encoded.isascii()
    assert not set(encoded) & set(" =")
    assert decode_xtext(encoded) == text


@given(TYPED)
def test_typed_address_travels_as_ascii_where_it_has_to(orcpt: str) -> None:
    # RFC 6533 §3
    encoded = encode_orcpt(orcpt, utf8=False)
    assert encoded.isascii()
    assert " " not in encoded
    assert decode_orcpt(encoded) == orcpt
