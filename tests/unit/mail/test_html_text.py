"""HTML as plain text."""

from __future__ import annotations

import pytest

from appliance.mail.html import html_to_text


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", ""),
        ("a\n  b&nbsp;&amp;&lt;", "a b\xa0&<"),
        ("<p>a<p>b</p>c", "a\n\nb\n\nc"),
        ("<div>a</div><div>b</div>c<br>d<br><br>e", "a\nb\nc\nd\n\ne"),
        ("a <b>b</b> <i> c</i>d", "a b cd"),
        ("<h1>a</h1>b<hr>c", "a\n\nb\n--------------------\nc"),
        ("<ul><li>a<li>b<ul><li>c</ul></ul>d", "* a\n* b\n  * c\n\nd"),
        ("<ol><li>a<li>b</ol>", "1. a\n2. b"),
        ("<table><tr><td>a<td>b<tr><th>c</th></table>d", "a b\nc\n\nd"),
        ("<pre>a\n  b\n</pre>c  d", "a\n  b\n\nc d"),
        (
            "a<blockquote>b<blockquote>c</blockquote>d</blockquote>e",
            "a\n\n> b\n>\n>> c\n>\n> d\n\ne",
        ),
        ("<a href=https://a.example/x>this</a>!", "this <https://a.example/x>!"),
        ("<a href=https://a.example/>https://a.example</a>", "https://a.example"),
        ("<a href=mailto:b@a.example>b@a.example</a>", "b@a.example"),
        ("<a href=javascript:x>this</a>", "this"),
        ("<a href=https://a.example><p>one<p>two</a>", "one\n\ntwo <https://a.example>"),
        ("<img src=x alt='a cat'>", "a cat"),
        ("<title>x</title><style>x</style><script>x</script><!-- x -->a", "a"),
        ("</ul></ul></blockquote></pre>a", "a"),
    ],
)
def test_html_reads_as_text(source: str, expected: str) -> None:
    assert html_to_text(source) == expected


def test_links_and_images_can_be_left_out() -> None:
    source = "<a href=https://a.example/>this</a><img alt=cat> that"
    assert html_to_text(source, links=False) == "this that"


@pytest.mark.parametrize(
    "piece", ["<blockquote>", "<ul><li>", "<pre>", "<a href=https://a>b", "<td>"]
)
def test_html_made_to_grow_or_to_be_slow_does_neither(piece: str) -> None:
    source = piece * (500_000 // len(piece))
    assert len(html_to_text(source)) < 10 * len(source)
