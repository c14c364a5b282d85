"""What a reader is shown: RFC 2046 §5.1, RFC 2387, RFC 2183, RFC 2392."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from appliance.mail.mime import parse
from appliance.mail.view import View, view

TEXT = "text/plain"
HTML = "text/html"


@dataclass(frozen=True)
class Multi:
    """A multipart for `seen`: its type, and its parts."""

    type: str
    parts: tuple[Multi | tuple[str, ...], ...]


def multi(type: str, *parts: Multi | tuple[str, ...]) -> Multi:
    return Multi(f"multipart/{type}", parts)


def entity(part: Multi | tuple[str, ...], level: int = 0) -> str:
    if isinstance(part, Multi):
        inner = "".join(f"--b{level}\r\n{entity(one, level + 1)}\r\n" for one in part.parts)
        parameters = "; boundary=b" + str(level)
        return f"Content-Type: {part.type}{parameters}\r\n\r\n{inner}--b{level}--"
    type, *rest = part
    *fields, body = rest or [type]
    return "\r\n".join([f"Content-Type: {type}", *fields, "", body])


def seen(part: Multi | tuple[str, ...]) -> View:
    octets = entity(part).encode()
    return view(parse(octets), octets)


def numbers(shown: View) -> Mapping[str, object]:
    """A view by the numbers of its parts, without what is empty."""
    found = {
        "html": shown.html.number if shown.html else None,
        "text": shown.text.number if shown.text else None,
        "more": [part.number for part in shown.more],
        "attachments": [part.number for part in shown.attachments],
        "inline": {cid: part.number for cid, part in shown.inline.items()},
    }
    return {name: value for name, value in found.items() if value not in (None, [], {})}


PICTURE = ("image/png", "Content-ID: <p@x>", "png")
FILE = ("application/pdf", "Content-Disposition: attachment; filename=a.pdf", "pdf")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ((TEXT,), {"text": ""}),
        ((HTML,), {"html": ""}),
        (("image/png",), {"attachments": [""]}),
        ((TEXT, "Content-Disposition: attachment", "x"), {"attachments": [""]}),
        (("message/rfc822", "A: b\r\n\r\nx"), {"attachments": [""]}),
        (multi("alternative", (TEXT,), (HTML,)), {"text": "1", "html": "2"}),
        (multi("alternative", (HTML,), (TEXT,)), {"html": "1", "text": "2"}),
        (multi("alternative", (TEXT,), ("text/x-amp-html",), (HTML,)), {"text": "1", "html": "3"}),
        (
            multi("alternative", (TEXT,), ("text/calendar",)),
            {"text": "1", "attachments": ["2"]},
        ),
        (multi("mixed", (TEXT,), FILE), {"text": "1", "attachments": ["2"]}),
        (
            multi(
                "mixed", multi("alternative", (TEXT,), (HTML,)), FILE, ("message/rfc822", "A: b")
            ),
            {"text": "1.1", "html": "1.2", "attachments": ["2", "3"]},
        ),
        # the footer of a list, and a note that was attached
        (multi("mixed", (TEXT,), (TEXT,)), {"text": "1", "more": ["2"]}),
        (
            multi("mixed", multi("alternative", (TEXT,), (HTML,)), (TEXT,)),
            {"text": "1.1", "html": "1.2", "more": ["2"]},
        ),
        (
            multi("mixed", (TEXT,), (TEXT, "Content-Disposition: inline; filename=a.txt", "x")),
            {"text": "1", "attachments": ["2"]},
        ),
        (multi("mixed", FILE, (TEXT,)), {"text": "2", "attachments": ["1"]}),
        # a report, and what is signed
        (
            multi("report", (TEXT,), ("message/delivery-status",), ("message/rfc822", "A: b")),
            {"text": "1", "more": ["2"], "attachments": ["3"]},
        ),
        (multi("signed", (TEXT,), ("application/pgp-signature",)), {"text": "1"}),
        (
            multi("signed", multi("mixed", (TEXT,), FILE), ("application/pkcs7-signature",)),
            {"text": "1.1", "attachments": ["1.2"]},
        ),
        (
            multi("appledouble", ("application/applefile",), ("image/jpeg",)),
            {"attachments": ["2"]},
        ),
        (multi("encrypted", ("application/pgp-encrypted",), FILE), {"attachments": ["1", "2"]}),
        # what Apple sends: the second form is itself mixed
        (
            multi("alternative", (TEXT,), multi("mixed", (HTML,), FILE, (HTML,))),
            {"text": "1", "html": "2.1", "more": ["2.3"], "attachments": ["2.2"]},
        ),
    ],
)
def test_each_part_goes_where_readers_look_for_it(
    message: Multi | tuple[str, ...], expected: dict[str, object]
) -> None:
    assert numbers(seen(message)) == expected


@pytest.mark.parametrize(
    "source",
    [
        '<img src="cid:p@x">',
        "<img src=CID:p%40x>",
        "<td background='cid:p&#64;x'>",
    ],
)
def test_image_that_the_html_shows_is_no_attachment(source: str) -> None:
    shown = seen(multi("related", (HTML, source), PICTURE))
    assert numbers(shown) == {"html": "1", "inline": {"p@x": "2"}}


def test_image_that_the_html_does_not_show_is_an_attachment() -> None:
    shown = seen(multi("related", (HTML, "<p>hello"), PICTURE))
    assert numbers(shown) == {"html": "1", "attachments": ["2"]}


def test_image_shown_from_outside_of_the_related_part_is_inline_too() -> None:
    attached = ("image/png", "Content-Disposition: attachment", "Content-ID: <p@x>", "png")
    shown = seen(multi("mixed", (HTML, "<img src=cid:p@x>"), attached))
    assert numbers(shown) == {"html": "1", "inline": {"p@x": "2"}}


def test_start_of_a_related_part_is_its_text() -> None:
    """RFC 2387 §3.2."""
    related = multi("related", PICTURE, (HTML, "Content-ID: <t@x>", "<img src=cid:p@x>"))
    octets = entity(related).replace("boundary=b0", 'boundary=b0; start="<t@x>"').encode()
    shown = view(parse(octets), octets)
    assert numbers(shown) == {"html": "2", "inline": {"p@x": "1"}}


def test_attachment_always_has_a_name() -> None:
    nameless = multi("mixed", (TEXT,), ("image/png",), ("image/gif",), ("application/x-a",))
    names = [part.filename for part in seen(nameless).attachments]
    assert names == ["image-1.png", "image-2.gif", "attachment-1.bin"]


def test_empty_message_shows_an_empty_text() -> None:
    assert numbers(view(parse(b""), b"")) == {"text": ""}
