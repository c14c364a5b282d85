"""Addresses for all local parts and domains, not only for those that come to mind."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from appliance.mail.address import Address, AddressError, parse_domain

LABELS = st.from_regex(r"[a-z0-9]([a-z0-9\-]{0,20}[a-z0-9])?", fullmatch=True)
DOMAINS = st.tuples(
    st.lists(LABELS, max_size=3), st.from_regex(r"[a-z]{2,10}", fullmatch=True)
).map(lambda parts: ".".join([*parts[0], parts[1]]))
LOCAL_PARTS = st.text(
    st.one_of(
        st.sampled_from(string.printable[:95]),
        st.characters(min_codepoint=0xC0, max_codepoint=0x1FFF),
    ),
    min_size=1,
    max_size=10,
)


@given(LOCAL_PARTS, DOMAINS)
def test_wire_form_is_read_as_the_same_address(local_part: str, domain: str) -> None:
    address = Address(local_part, domain)
    assert Address.parse(str(address)) == address
    assert Address.restored(str(address)) == address


@given(LOCAL_PARTS, DOMAINS)
def test_key_is_its_own_key(local_part: str, domain: str) -> None:
    address = Address(local_part.upper(), domain)
    again = Address(*address.key.rsplit("@", 1))
    assert again.key == address.key


@given(st.text(max_size=300))
def test_text_is_refused_or_survives_its_wire_form(text: str) -> None:
    try:
        address = Address.parse(text)
    except AddressError:
        return
    assert Address.parse(str(address)) == address


@given(st.text(st.sampled_from("aZ0-.ü例。xn"), max_size=80))
def test_domain_is_stable_once_it_is_read(text: str) -> None:
    try:
        domain = parse_domain(text)
    except AddressError:
        return
    assert domain.isascii()
    assert parse_domain(domain) == domain
