"""Addresses: RFC 5321 §4.1.2 and §4.1.3, RFC 6531 §3.3, RFC 5890."""

from __future__ import annotations

import pytest

from appliance.mail.address import Address, AddressError, parse_domain


@pytest.mark.parametrize(
    ("text", "local_part", "domain"),
    [
        ("alice@example.com", "alice", "example.com"),
        ("Alice.B+tag@Example.COM", "Alice.B+tag", "example.com"),
        ("!#$%&'*+-/=?^_`{|}~@a.b", "!#$%&'*+-/=?^_`{|}~", "a.b"),
        ("u@localhost", "u", "localhost"),
        ("u@3com.example", "u", "3com.example"),
        ('"a b"@example.com', "a b", "example.com"),
        ('"a@b"@example.com', "a@b", "example.com"),
        (r'"a\"b\\c"@example.com', r"a\"b\c".replace(r"\"", '"'), "example.com"),
        ('"u..v"@example.com', "u..v", "example.com"),
        ("jörg@example.com", "jörg", "example.com"),
        ("u@bücher.example", "u", "xn--bcher-kva.example"),
        ("u@BÜCHER。example", "u", "xn--bcher-kva.example"),
        ("u@XN--BCHER-KVA.example", "u", "xn--bcher-kva.example"),
        ("u@[192.0.2.1]", "u", "[192.0.2.1]"),
        ("u@[ipv6:2001:DB8:0::1]", "u", "[IPv6:2001:db8::1]"),
    ],
)
def test_mailbox_is_read_into_its_canonical_form(text: str, local_part: str, domain: str) -> None:
    assert Address.parse(text) == Address(local_part, domain)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "there is no @"),
        ("alice", "there is no @"),
        ("@example.com", "the local part before the @ is missing"),
        ("alice@", "the domain after the @ is missing"),
        ("u..v@example.com", "has two in a row"),
        (".u@example.com", "begins or ends with a dot"),
        ("u.@example.com", "begins or ends with a dot"),
        ("a b@example.com", "has a space outside quotes"),
        ("<a@example.com>", "has a < outside quotes"),
        ("a\x00@example.com", "has a control character outside quotes"),
        ("a\u202eb@example.com", "has a control character outside quotes"),
        ("a\ud800@example.com", "has a control character outside quotes"),
        ('"a@example.com', "quoted local part does not end"),
        ('"a"b@example.com', "quoted local part does not end"),
        ('"a\r\n"@example.com', "quoted local part does not end"),
        ('""@example.com', "the local part before the @ is empty"),
        ("a@b@example.com", "the domain has a @"),
        ("a@example..com", "has two in a row"),
        ("a@example.com.", "begins or ends with a dot"),
        ("a@-b.example", "begins or ends with a hyphen"),
        ("a@b-.example", "begins or ends with a hyphen"),
        ("a@b_c.example", "the domain has a _"),
        ("a@b.example\r\n", "the domain has a control character"),
        ("a@192.0.2.1", "an IP address goes into brackets"),
        ("a@bü\u2028cher.example", "not a valid internationalised name"),
        ("a@exam\uff20ple.com", "not a valid internationalised name"),
        ("a@[192.0.2.256]", "not an address literal"),
        ("a@[192.0.02.1]", "not an address literal"),
        ("a@[192.0.2.1", "not an address literal"),
        ("a@[IPv6:fe80::1%eth0]", "not an address literal"),
        ("a@[2001:db8::1]", "not an address literal"),
        ("a@[X-tag:y]", "not an address literal"),
    ],
)
def test_refusal_says_what_is_wrong(text: str, why: str) -> None:
    with pytest.raises(AddressError, match=why) as refused:
        Address.parse(text)
    assert refused.value.right
    assert str(refused.value).isprintable()


def test_refusal_names_a_long_value_by_its_beginning() -> None:
    with pytest.raises(AddressError) as refused:
        Address.parse("x" * 10_000)
    assert len(refused.value.value) == 80
    assert refused.value.value.endswith("...")


def test_limits_are_those_of_rfc_5321_4_5_3_1() -> None:
    label = "d" * 63
    longest_domain = ".".join([label, label, label, "e" * 59])
    assert Address.parse("l" * 64 + "@example.com").local_part == "l" * 64
    assert Address.parse("é" * 32 + "@example.com").local_part == "é" * 32
    assert len(str(Address.parse("uu@" + longest_domain))) == 254
    assert Address.parse('"' + "\\l" * 64 + '"@example.com').local_part == "l" * 64
    for text in (
        "l" * 65 + "@example.com",
        "é" * 33 + "@example.com",
        '"' + " " * 63 + '"@example.com',
        "uuu@" + longest_domain,
    ):
        with pytest.raises(AddressError, match="longer than"):
            Address.parse(text)


def test_domain_limits_are_63_octets_a_label_and_255_in_all() -> None:
    with pytest.raises(AddressError, match="longer than 63"):
        parse_domain("d" * 64 + ".example")
    with pytest.raises(AddressError, match="longer than 255"):
        parse_domain("d." * 130 + "e")
    with pytest.raises(AddressError, match="not a valid internationalised name"):
        parse_domain("ü" * 200)


@pytest.mark.parametrize(
    ("address", "wire"),
    [
        (Address("a.b", "example.com"), "a.b@example.com"),
        (Address("a b", "example.com"), '"a b"@example.com'),
        (Address('a"\\', "example.com"), '"a\\"\\\\"@example.com'),
        (Address("u..v", "example.com"), '"u..v"@example.com'),
        (Address("jörg", "example.com"), "jörg@example.com"),
    ],
)
def test_local_part_is_quoted_only_where_it_has_to_be(address: Address, wire: str) -> None:
    assert str(address) == wire


def test_key_ignores_case_and_ways_of_composing_a_letter() -> None:
    assert Address.parse("Alice@Example.com").key == "alice@example.com"
    assert Address.parse("JO\u0308RG@a.b").key == Address.parse("jörg@a.b").key


def test_case_of_the_local_part_is_kept() -> None:
    assert Address.parse("Alice@a.b") != Address.parse("alice@a.b")  # RFC 5321 §2.4


def test_only_the_local_part_decides_about_smtputf8() -> None:
    assert Address.parse("u@bücher.example").is_ascii
    assert not Address.parse("jörg@example.com").is_ascii


@pytest.mark.parametrize(
    ("domain", "shown"),
    [
        ("xn--bcher-kva.example", "bücher.example"),
        ("xn--nonsense-.example", "xn--nonsense-.example"),
        ("example.com", "example.com"),
    ],
)
def test_domain_is_shown_to_people_in_its_own_script(domain: str, shown: str) -> None:
    assert Address("u", domain).domain_unicode == shown
