"""Lists of addresses: RFC 5322 §3.4, §4.4, RFC 2047 §5, and what people type."""

from __future__ import annotations

import pytest

from appliance.mail.addresses import addresses, mailbox


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", []),
        (" , ;, ", []),
        ("a@example.com", [("", "a@example.com")]),
        ("Bob <b@example.com>", [("Bob", "b@example.com")]),
        ('"Doe, Jane" <j@example.com>, c@d.e', [("Doe, Jane", "j@example.com"), ("", "c@d.e")]),
        ('"a\\"b\\\\c" <c@d.e>', [('a"b\\c', "c@d.e")]),
        ("b@c.d (Bob (the builder))", [("Bob the builder", "b@c.d")]),
        ("(Bob) b@c.d", [("Bob", "b@c.d")]),
        ("Jane (not Bob) <j@c.d>", [("Jane", "j@c.d")]),
        ("undisclosed-recipients:;", []),
        ("team: a@b.c, Bob <b@b.c>;, d@b.c", [("", "a@b.c"), ("Bob", "b@b.c"), ("", "d@b.c")]),
        ("<@a.example,@b.example:u@c.example>", [("", "u@c.example")]),
        ('"john doe"@example.com', [("", '"john doe"@example.com')]),
        ("u@[IPv6:2001:db8::1]", [("", "u@[IPv6:2001:db8::1]")]),
        ("a @ b.c", [("", "a@b.c")]),
        ("<>", []),
        ("b@c.d <b@c.d>", [("", "b@c.d")]),
        # encoded-words, whole and in quotes
        ("=?utf-8?q?M=C3=BCller=2C_J?= <m@c.d>", [("Müller, J", "m@c.d")]),
        ('"=?utf-8?q?M=C3=BCller?=" <m@c.d>', [("Müller", "m@c.d")]),
        # typed
        ("a@b.c; d@e.f", [("", "a@b.c"), ("", "d@e.f")]),
        ("a@b.c\nBob <d@e.f>\r\n", [("", "a@b.c"), ("Bob", "d@e.f")]),
        ("a@b.c d@e.f", [("", "a@b.c"), ("", "d@e.f")]),
        ("Bob\n <b@c.d>", [("Bob", "b@c.d")]),
        ("mailto:b@c.d", [("", "b@c.d")]),
        # wrong, and nothing of it disappears
        ("bob", [("", "bob")]),
        ("Müller, Jürgen <j@c.d>", [("", "Müller"), ("Jürgen", "j@c.d")]),
        ("print@quay,example", [("", "print@quay"), ("", "example")]),
        ("bob jane@c.d", [("", "bob jane@c.d")]),
        ("Bob <b@c.d", [("Bob", "b@c.d")]),
        ("Bob <b@c.d> <e@f.g>", [("Bob", "b@c.d"), ("", "e@f.g")]),
        ('"unclosed <a@b.c>', [("", '"unclosed <a@b.c>')]),
        ("a@b.c (oops, d@e.f", [("", "a@b.c  oops"), ("", "d@e.f")]),
        ("Bob <>", [("Bob", "")]),
    ],
)
def test_addresses_come_out_however_they_are_written(
    value: str, expected: list[tuple[str, str]]
) -> None:
    assert addresses(value) == expected


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("", "j@a.example"),
        ("j@a.example", "j@a.example"),
        ("Jane", "Jane <j@a.example>"),
        ("Doe, Jane", '"Doe, Jane" <j@a.example>'),
        ('a"b\\c', '"a\\"b\\\\c" <j@a.example>'),
        ("Jörg  Groß\r\n", "Jörg Groß <j@a.example>"),
        ("=?utf-8?q?a?=", '"=?utf-8?q?a?=" <j@a.example>'),
    ],
)
def test_mailbox_is_quoted_where_it_has_to_be(name: str, written: str) -> None:
    assert mailbox(name, "j@a.example") == written


@pytest.mark.parametrize("piece", ["(", ")", '"', "<", "a@", "[", ":", "\\", " ", ",", '"\\'])
def test_lists_made_to_be_slow_are_one_pass(piece: str) -> None:
    addresses(piece * 500_000)
