"""Encoded-words: RFC 2047."""

from __future__ import annotations

import encodings
import re
import sys

import pytest

from appliance.mail import words


@pytest.mark.parametrize(
    ("encoded", "text"),
    [
        ("plain", "plain"),
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?ISO-8859-1?Q?caf=E9_au_lait?= now", "café au lait now"),
        ("=?utf-8?B?R3LDvMOfZQ==?=", "Grüße"),
        # RFC 2047 §8: white space between two words vanishes, beside other text it stays
        ("(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"),
        ("=?utf-8?q?a?=\r\n =?utf-8?q?b?= c", "ab c"),
        ("=?utf-8*en?q?a?=", "a"),  # RFC 2231 §5
        # what senders do against the rules
        ("=?utf-8?b?w7w?=", "ü"),
        ("=?utf-8?b?w7wx!?=", "ü1"),
        ("=?utf-8?b?w?=", ""),
        ("=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "ü"),
        ("=?utf-8?q?a b=ZZ?=", "a b=ZZ"),
        ("=?iso-8859-1?q?=80?=", "€"),
        ("=?gb2312?b?g6E=?=", b"\x83\xa1".decode("gb18030")),
        ("=?x-unheard-of?q?=C3=BC?=", "ü"),
        ("=?cp999?q?=FC?=", "ü"),
        ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
        ("=?utf-8?q?open", "=?utf-8?q?open"),
    ],
)
def test_encoded_words_are_decoded_with_tolerance(encoded: str, text: str) -> None:
    assert words.decode(encoded) == text


@pytest.mark.parametrize("charset", ["rot13", "idna", "punycode", "unicode_escape", "os.path"])
def test_charset_of_a_stranger_never_reaches_an_unusual_codec(charset: str) -> None:
    assert words.decode(f"=?{charset}?q?abc?=") == "abc"


def test_invented_charsets_are_not_remembered() -> None:
    cache = vars(encodings)["_cache"]
    before = len(cache)
    words.decode(" ".join(f"=?invented-{number}?q?a?=" for number in range(100)))
    assert len(cache) == before
    assert not any("invented" in name for name in sys.modules)


@pytest.mark.parametrize("text", ["", "ü", "Grüße aus Köln", "Привет, мир! " * 20, "🎉" * 50])
def test_encoded_text_comes_back_in_words_of_at_most_75_characters(text: str) -> None:
    encoded = words.encode(text)
    assert all(re.fullmatch(r"=\?utf-8\?[qb]\?[!->@-~]*\?=", w) for w in encoded.split(" "))
    assert max(map(len, encoded.split(" "))) <= 75
    assert words.decode(encoded) == text


def test_bytes_without_a_charset_are_utf8_or_windows_1252() -> None:
    assert words.decode_bytes("é€".encode()) == "é€"
    assert words.decode_bytes("é€".encode("cp1252")) == "é€"
    assert words.decode_bytes(b"\x81") == "\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("written", "decoded"),
    [
        ("=?utf-8?q?M=C3=BCller?= <m@a.b>", "Müller <m@a.b>"),
        ("=?utf-8?q?M=C3=BCller=2C?= =?utf-8?q?_J?= <m@a.b>", '"Müller, J" <m@a.b>'),
        ('"=?utf-8?q?M=C3=BCller=2C_J?=" <m@a.b>', '"Müller, J" <m@a.b>'),
        ('"=?utf-8?q?M=C3=BCller?= \\"x" <m@a.b>', '"Müller \\"x" <m@a.b>'),
        ('"a, b" =?utf-8?q?=22=5C?= <m@a.b>', '"a, b" "\\"\\\\" <m@a.b>'),
        ('=?utf-8?q?a?= "unclosed, b', 'a "unclosed, b'),
        ("plain, text", "plain, text"),
    ],
)
def test_words_among_structure_stay_one_phrase_each(written: str, decoded: str) -> None:
    assert words.decode_phrases(written) == decoded
