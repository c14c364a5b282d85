"""No mixture of markup becomes harmful, grows without bound, or is read differently later."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.mail.html import html_to_text, sanitise
from appliance.mail.markup import names
from appliance.mail.plain import text_to_html
from tests.fuzz.fuzz_html import DANGEROUS, check

NAMES = sorted(
    DANGEROUS
    | names("a b br center dd div dl dt font h1 h2 hr i li ol p pre span table tbody td tr u ul")
)
VALUES = st.sampled_from(
    [
        "javascript:alert(1)",
        "java\tscript:alert(1)",
        "&#106;avascript&colon;x",
        "data:text/html,x",
        "data:image/png;base64,QUJD",
        "https://a.example/x",
        "//a.example/x",
        "mailto:a@b.example",
        "cid:p",
        "color:red;position:fixed",
        "background:url(https://a.example/x)",
        "width:expression(x)",
        '"><script>x</script>',
        "</style><script>x</script>",
        "x",
    ]
)
ATTRIBUTES = st.tuples(
    st.sampled_from(
        [
            "href",
            "src",
            "style",
            "onerror",
            "ONLOAD",
            "title",
            "class",
            "id",
            "srcset",
            "background",
        ]
    ),
    VALUES,
    st.sampled_from(['"', "'", ""]),
).map(lambda one: f" {one[0]}={one[2]}{one[1]}{one[2]}")
STARTS = st.tuples(st.sampled_from(NAMES), st.lists(ATTRIBUTES, max_size=3)).map(
    lambda tag: f"<{tag[0]}{''.join(tag[1])}>"
)
ENDS = st.sampled_from(NAMES).map("</{}>".format)
PIECES = st.one_of(
    STARTS,
    ENDS,
    VALUES,
    st.sampled_from(
        ["<!--", "-->", "<![CDATA[", "]]>", "<", ">", '"', "'", "`", "&", "\0", "\n", "/"]
    ),
    st.text(max_size=5),
)
MARKUP = st.lists(PIECES, max_size=40).map("".join)


@given(MARKUP, st.booleans())
def test_any_markup_is_made_harmless(source: str, remote_images: bool) -> None:
    shown = sanitise(source, cid={"p": "/part/1"}, remote_images=remote_images)
    check(shown.html)
    assert len(shown.html) <= 60 * len(source) + 200
    if not remote_images:
        assert 'src="http' not in shown.html


@given(MARKUP)
def test_what_is_harmless_is_read_again_as_it_is(source: str) -> None:
    once = sanitise(source, cid={}, remote_images=True).html
    assert sanitise(once, cid={}, remote_images=True).html == once


@given(MARKUP)
def test_text_of_html_is_text_of_what_is_shown(source: str) -> None:
    text = html_to_text(source)
    check(text_to_html(text))
    assert len(text) <= 60 * len(source) + 200
