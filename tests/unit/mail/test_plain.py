"""Plain text as HTML: RFC 3676 §4."""

from __future__ import annotations

import pytest

from appliance.mail.plain import lines, text_to_html

RIGHT = 'target="_blank" rel="noopener noreferrer nofollow"'


def shown(text: str, *, flowed: bool = False, delsp: bool = False) -> str:
    whole = text_to_html(text, flowed=flowed, delsp=delsp)
    before, inner = whole.split(">", 1)
    assert before == '<div class="plain-text"'
    assert inner.endswith("</div>")
    return inner.removesuffix("</div>").replace(f" {RIGHT}", "")


def test_text_is_escaped_and_keeps_its_lines() -> None:
    assert shown("a  <b>&\"'\n\n\tc\n\n\n") == "a  &lt;b&gt;&amp;&quot;&#x27;\n\n\tc"


def test_text_loses_what_can_not_be_seen() -> None:
    assert shown("a\0\x1b[31mb") == "a[31mb"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "a\n> b\n> c\n>> d\n> e\nf",
            "a<blockquote>b\nc<blockquote>d</blockquote>e</blockquote>f",
        ),
        ("> > > a", "<blockquote><blockquote><blockquote>a</blockquote></blockquote></blockquote>"),
        (">a\n>\n>b", "<blockquote>a\n\nb</blockquote>"),
        (">>a\n\nb", "<blockquote><blockquote>a</blockquote></blockquote>\nb"),
    ],
)
def test_quotes_are_set_apart_by_their_depth(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_depth_of_quotes_has_a_limit() -> None:
    assert shown(">" * 1000 + "a").count("<blockquote>") == 20


def test_signature_is_marked() -> None:
    assert shown("a\n-- \nBob\nb") == 'a<div class="signature">-- \nBob\nb</div>'
    assert shown("a\n-- \nBob\n> q") == (
        'a<div class="signature">-- \nBob</div><blockquote>q</blockquote>'
    )
    assert shown("a\n--\nBob") == "a\n--\nBob"


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("see https://example.com/a?b=1&c=2.", "https://example.com/a?b=1&amp;c=2"),
        ("(http://example.com/a_(b))", "http://example.com/a_(b)"),
        ("<http://example.com/>", "http://example.com/"),
        ("www.example.com, and", "http://www.example.com"),
        ("mailto:bob@example.com", "mailto:bob@example.com"),
        ("to bob@example.com.", "mailto:bob@example.com"),
        ("to bob@host.internal", "mailto:bob@host.internal"),
        ("https://bücher.example/ü", "https://bücher.example/ü"),
    ],
)
def test_links_can_be_followed(text: str, url: str) -> None:
    assert f'<a href="{url}">' in shown(text)
    assert RIGHT in text_to_html(text)


@pytest.mark.parametrize(
    "text",
    ["main.py", "README.md", "example.com", "javascript:alert(1)", "ftp://example.com/", "//a.b/"],
)
def test_what_is_no_link_stays_text(text: str) -> None:
    assert "<a" not in shown(text)


def test_quotes_around_a_link_can_not_end_it() -> None:
    html = shown("https://example.com/\"onclick='x'")
    assert '"onclick' not in html.replace('">', "")
    assert html.count('"') == 2


@pytest.mark.parametrize(
    ("text", "delsp", "expected"),
    [
        ("one \ntwo\nthree", False, [(0, "one two"), (0, "three")]),
        ("one \ntwo", True, [(0, "onetwo")]),
        ("> one \n> two \n>> three", False, [(1, "one two "), (2, "three")]),
        (" > not quoted\n From me", False, [(0, "> not quoted"), (0, "From me")]),
        ("one \n-- \nBob", False, [(0, "one "), (0, "-- "), (0, "Bob")]),
        (">a \n>b", False, [(1, "a b")]),
        ("one ", False, [(0, "one ")]),
        ("", False, [(0, "")]),
    ],
)
def test_flowed_lines_become_paragraphs(
    text: str, *, delsp: bool, expected: list[tuple[int, str]]
) -> None:
    """RFC 3676 §4.1 to §4.5."""
    assert list(lines(text, flowed=True, delsp=delsp)) == expected


@pytest.mark.parametrize(
    "piece", ["http://a", "a@b.com ", "www.a.com\n", "> ", ">", "\n", "@", "(", "a.", "mailto:"]
)
def test_texts_made_to_be_slow_are_one_pass(piece: str) -> None:
    text_to_html(piece * (500_000 // len(piece)))
