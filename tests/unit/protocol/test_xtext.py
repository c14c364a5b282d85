"""xtext and typed addresses."""

from __future__ import annotations

import pytest

from appliance.protocol.xtext import decode_orcpt, decode_xtext, encode_orcpt, encode_xtext


@pytest.mark.parametrize(
    ("text", "encoded"),
    [
        ("QQ314159", "QQ314159"),
        ("a+b=c", "a+2Bb+3Dc"),
        ("two words", "two+20words"),
        ("<>", "<>"),
        ("jürgen@example.org", "j+C3+BCrgen@example.org"),
    ],
)
def test_xtext_both_ways(text: str, encoded: str) -> None:
    # RFC 3461 §4
    assert encode_xtext(text) == encoded
    assert decode_xtext(encoded) == text


@pytest.mark.parametrize(
    "text", ["", "a b", "a=b", "a+2b", "a+2", "a+", "ü", "+0D+0A", "+00", "+FF"]
)
def test_what_is_no_xtext_or_unprintable_is_none(text: str) -> None:
    assert decode_xtext(text) is None


@pytest.mark.parametrize(
    ("orcpt", "encoded"),
    [
        ("rfc822;alice@example.org", "rfc822;alice@example.org"),
        ("rfc822;alice+shop@example.org", "rfc822;alice+2Bshop@example.org"),
        ("x400;/c=us/admd= /", "x400;/c+3Dus/admd+3D+20/"),
        ("utf-8;jürgen+a@example.org", r"utf-8;j\x{FC}rgen\x{2B}a@example.org"),
        ("utf-8;漢@example.org", r"utf-8;\x{6F22}@example.org"),
    ],
)
def test_orcpt_both_ways(orcpt: str, encoded: str) -> None:
    # RFC 3461 §4.2, RFC 6533 §3
    assert encode_orcpt(orcpt, utf8=False) == encoded
    assert decode_orcpt(encoded) == orcpt


def test_orcpt_leaves_utf8_as_it_is_where_the_next_server_takes_it() -> None:
    # RFC 6533 §3: utf-8-addr-unitext
    assert encode_orcpt("utf-8;jürgen+a@example.org", utf8=True) == (
        r"utf-8;jürgen\x{2B}a@example.org"
    )


@pytest.mark.parametrize(
    "text",
    [
        "alice@example.org",
        "rfc822;",
        ";alice@example.org",
        "rf c;a@b",
        "rfc822;jürgen@example.org",
        "rfc822;j+C3+BCrgen@example.org",
        "rfc822;a+0Ab",
        r"utf-8;a\x{0A}b",
        r"utf-8;a\x{D800}b",
        r"utf-8;a\x{FFFFFF}b",
    ],
)
def test_what_is_no_orcpt_is_none(text: str) -> None:
    assert decode_orcpt(text) is None
