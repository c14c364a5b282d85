"""Any text as HTML mail, and as plain text: what is shown is harmless, and not much more."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser

import nh3

from appliance.mail.html import html_to_text, sanitise
from appliance.mail.html_policy import TAGS
from appliance.mail.markup import names
from appliance.mail.plain import lines, text_to_html

DANGEROUS = names(
    "script style iframe frame frameset object embed applet base link meta form input button"
    " select textarea option svg math template noscript title xmp plaintext audio video source"
    " track canvas dialog portal marquee isindex keygen param html head body picture area map slot"
)
ATTRIBUTES = names(
    "align alt bgcolor border bordercolor cellpadding cellspacing class clear color colspan dir"
    " face height href hspace lang loading noshade nowrap referrerpolicy rel rowspan size span src"
    " start style target title type valign value vspace width"
)
LINK = re.compile(r"https?://[^/\s]|mailto:\S", re.IGNORECASE)
SOURCE = re.compile(
    r"https?://[^/\s]|data:image/(png|gif|jpe?g|webp);base64,[A-Za-z0-9+/=]+$|/part/", re.IGNORECASE
)
STYLE = re.compile(
    r"\b(url|expression|import|behaviou?r|binding|position|fixed|javascript)\b|image\(|var\("
    r"|[\\@<>{}]",
    re.IGNORECASE,
)


def fuzz_one(data: bytes) -> None:
    """Sanitise, make text of it, and show it as text."""
    text = data.decode("utf-8", "replace")
    for source in (
        text,
        f"<p>{text}",
        f'<a href="{text}">',
        f"<table><tr><td style='{text}'>{text}",
    ):
        for remote_images in (False, True):
            shown = sanitise(source, cid={"a": "/part/1"}, remote_images=remote_images)
            check(shown.html)
            assert shown.remote <= source.count("<")
            assert len(shown.html) <= 100 * len(source) + 1000
        assert "\0" not in html_to_text(source) or "\0" in source
    assert all(0 <= depth <= 20 for depth, _ in lines(text, flowed=True))
    for flowed in (False, True):
        check(text_to_html(text, flowed=flowed, delsp=flowed))


def check(shown: str) -> None:
    """Whether HTML holds nothing that runs or loads, as two parsers read it."""
    _Checker().feed(shown)
    # Were anything to become an element or a handler in a browser's parser, this would keep it.
    kept = nh3.clean(
        shown,
        tags=TAGS | DANGEROUS,
        clean_content_tags=set(),
        attributes={tag: {"onerror", "onload", "onclick", "srcdoc", "srcset"} for tag in TAGS},
        link_rel=None,
    )
    found = {tag.lower() for tag in re.findall(r"</?([a-zA-Z]+)", kept)}
    assert not found & DANGEROUS, found
    outside_of_values = re.sub(r'"[^"]*"', '""', kept)
    assert not re.search(r"<[^>]* (on\w+|src\w+)=", outside_of_values)


class _Checker(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        values = {name: value or "" for name, value in attrs}
        assert not set(values) - ATTRIBUTES, values
        assert LINK.match(values.get("href", "http://a")), values
        assert SOURCE.match(values.get("src", "/part/")), values
        assert not STYLE.search(values.get("style", "")), values
        if "href" in values:
            assert values["target"] == "_blank"
            assert values["rel"] == "noopener noreferrer nofollow"
        if tag == "img":
            assert values["referrerpolicy"] == "no-referrer"

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data}")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a declaration: {data}")


if __name__ == "__main__":
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, fuzz_one)
    atheris.Fuzz()
