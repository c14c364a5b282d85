"""HTML that needs no repair: the HTML standard, §13.2.6."""

from __future__ import annotations

import pytest

from appliance.mail.markup import Tag, tokens
from appliance.mail.nesting import Nesting


def nested(source: str) -> str:
    nesting = Nesting()
    for token in tokens(source):
        if isinstance(token, str):
            nesting.text(token)
        elif token.closes:
            nesting.end(token.name)
        else:
            nesting.start(token.name, token.attributes.items())
    return nesting.finish()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<b>a", "<b>a</b>"),
        ("a</b>", "a"),
        ("<b><i>a</b>b</i>", "<b><i>a</i></b>b"),
        ("<p>a<div>b</div>", "<p>a</p><div>b</div>"),
        ("<p>a<b>b<p>c", "<p>a<b>b</b></p><p>c</p>"),
        ("<a>a<a>b", "<a>a</a><a>b</a>"),
        ("<h1>a<h2>b", "<h1>a</h1><h2>b</h2>"),
        ("<ul><li>a<ul><li>b</ul><li>c</ul>", "<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>"),
        ("<dl><dt>a<dd>b<dt>c", "<dl><dt>a</dt><dd>b</dd><dt>c</dt></dl>"),
        ("<br>a<hr>", "<br>a<hr>"),
        # tables: cells close cells, and nothing stands between them
        ("<td>a</td>", "a"),
        ("<table><td>a<b>b<td>c", "<table><td>a<b>b</b></td><td>c</td></table>"),
        ("<table><tr><b>a<td>b</b>c", "<table><tr><td><b>a</b></td><td>bc</td></tr></table>"),
        ("<table> a <tr> <td>b", "<table><td> a </td><tr> <td>b</td></tr></table>"),
        ("<table><tr><td>a<tr><td>b", "<table><tr><td>a</td></tr><tr><td>b</td></tr></table>"),
        (
            "<table><thead><td>a<tbody><td>b",
            "<table><thead><td>a</td></thead><tbody><td>b</td></tbody></table>",
        ),
        ("<table><table><td>a", "<table><td><table><td>a</td></table></td></table>"),
        ("<table><td><table><td>a</table>b", "<table><td><table><td>a</td></table>b</td></table>"),
        ("<div><table><td>a</div>b", "<div><table><td>ab</td></table></div>"),
        ("<p><table><td><p>a</table>", "<p></p><table><td><p>a</p></td></table>"),
        ("<p title='a\"b&lt;'>&lt;", '<p title="a&quot;b&lt;">&lt;</p>'),
    ],
)
def test_tags_are_written_well_nested(source: str, expected: str) -> None:
    assert nested(source) == expected


def test_depth_has_a_limit_and_the_text_below_stays() -> None:
    written = nested("<div>" * 1000 + "a" + "</div>" * 1000 + "b")
    assert written == "<div>" * 200 + "a" + "</div>" * 200 + "b"


def test_long_texts_are_written_in_several() -> None:
    assert nested("a" * 5000) == "a" * 4096 + "<!---->" + "a" * 904
    assert nested("<b>" + "a< " * 2000).count("<!---->") == 1


def test_what_formats_is_nested_less_deeply() -> None:
    assert nested("<b>" * 100 + "a").count("<b>") == 32


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('<a href="x"">b', [Tag("a", {"href": "x", '"': ""}), "b"]),
        ("<a href='?a&copy=1&amp;b'>", [Tag("a", {"href": "?a&copy=1&b"})]),
        ("<A B=1 b=2 c>", [Tag("a", {"b": "1", "c": ""})]),
        ("</A b=c>", [Tag("a", {"b": "c"}, closes=True)]),
        ("<a b='c", []),
        ("a < b <3", ["a ", "<", " b ", "<", "3"]),
        ("<!-->a<!--->b<!-- c --!>d<!-- e", ["a", "b", "d"]),
        ("<?a?><!b></ c></>d", ["d"]),
        (
            "<script></scripty></script x>a",
            [Tag("script", {}), Tag("script", {"x": ""}, closes=True), "a"],
        ),
        ("<style>a", [Tag("style", {})]),
    ],
)
def test_markup_is_cut_as_browsers_cut_it(source: str, expected: list[Tag | str]) -> None:
    """The HTML standard, §13.2.5."""
    assert list(tokens(source)) == expected
