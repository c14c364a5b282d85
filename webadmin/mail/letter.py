"""A message as the reading pane shows it: who wrote to whom, its text, what can be saved.

HTML of a mail never gets into a page of ours: it has a frame of its own (`webadmin.mail.reading`).

Never: raise on what strangers wrote; read more of a text than a screen can show.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from markupsafe import Markup

from appliance.mail import headers
from appliance.mail.html import Sanitised, sanitise
from appliance.mail.part import Buffer, Part, walk
from appliance.mail.plain import text_to_html
from appliance.mail.transfer import decoded_text
from appliance.mail.view import MAX_HTML, View, view
from appliance.runtime.clock import MICROSECONDS
from webadmin.mail.content import number_of
from webadmin.mail.reports import REPORTS, Report, report

MAX_TEXT = 512 * 1024  # octets of plain text that are shown; the rest can be saved
PICTURES = frozenset(("image/png", "image/jpeg", "image/gif", "image/webp"))
_ICONS = {
    "image": "image",
    "text": "draft",
    "message": "mail",
    "audio": "play",
    "video": "play",
    "application/pdf": "pdf",
    "application/zip": "layers",
    "application/gzip": "layers",
    "application/x-tar": "layers",
}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody named in a header.

    Attributes:
        name: as written; empty for none.
        address: as written.
    """

    name: str
    address: str

    @property
    def called(self) -> str:
        """The name, or the address of who has none."""
        return self.name or self.address


@dataclass(frozen=True, slots=True)
class File:
    """Something that can be saved.

    Attributes:
        number: names it in an address.
        name: without path.
        icon: its symbol.
        size: octets, about.
        is_picture: a browser can show it without running anything.
        is_text: the same, for plain text.
        is_message: a message that can be read like this one.
    """

    number: str
    name: str
    icon: str
    size: int
    is_picture: bool
    is_text: bool
    is_message: bool


@dataclass(frozen=True, slots=True)
class Letter:
    """A message, read.

    Attributes:
        subject: as written; empty for none.
        sender: who it says it is from; None when it doesn't say.
        reply_to: where answers go, if that is somewhere else.
        to: recipients.
        cc: recipients of a copy.
        bcc: recipients unknown to the others: in one's own mail only.
        sent_at: when it says it was sent, µs; 0 when it doesn't say.
        is_framed: its text is HTML, or contains some, and needs a frame.
        has_plain: it brings the same as plain text.
        text: the text to show without a frame.
        remote: how many images it would load from elsewhere.
        is_cut: it is longer than what is shown.
        report: what a mail server reports in it; None for no report.
        files: what can be saved.
    """

    subject: str
    sender: Person | None
    reply_to: tuple[Person, ...]
    to: tuple[Person, ...]
    cc: tuple[Person, ...]
    bcc: tuple[Person, ...]
    sent_at: int
    is_framed: bool
    has_plain: bool
    text: Markup
    remote: int
    is_cut: bool
    report: Report | None
    files: tuple[File, ...]


def read(root: Part, octets: Buffer, *, plain: bool) -> Letter:
    """Read a message.

    Args:
        root: the message, or the one inside of a message/rfc822 part.
        octets: what it was parsed from.
        plain: show plain text where there is some.
    """
    seen = view(root, octets)
    header = headers.fields(octets[root.header_start : root.start])
    is_framed = _has_html(seen) and not (plain and seen.text is not None)
    text = Markup() if is_framed else _text(seen, octets)
    sender = _people(header, "from")[:1]
    reply_to = tuple(
        each for each in _people(header, "reply-to") if each.address not in _of(sender)
    )
    return Letter(
        subject=_value(header, "subject"),
        sender=sender[0] if sender else None,
        reply_to=reply_to,
        to=_people(header, "to"),
        cc=_people(header, "cc"),
        bcc=_people(header, "bcc"),
        sent_at=_sent_at(_value(header, "date")),
        is_framed=is_framed,
        has_plain=_has_html(seen) and seen.text is not None,
        text=text,
        remote=sum(each.remote for each in pieces(seen, octets)) if is_framed else 0,
        is_cut=_is_cut(seen, is_framed=is_framed),
        report=_report(root, octets),
        files=tuple(_file(each) for each in seen.attachments),
    )


def pieces(
    seen: View, octets: Buffer, *, pictures: dict[str, str] | None = None, remote: bool = False
) -> list[Sanitised]:
    """Return the HTML of a message, fit for its frame: its text and what follows.

    Args:
        seen: the message.
        octets: what it was parsed from.
        pictures: addresses of the images that came with it, by content id.
        remote: load images from elsewhere.
    """
    found = []
    for part in (seen.html or seen.text, *_more(seen)):
        if part is None:
            continue
        if part.type == "text/html":
            text = decoded_text(part, octets, most=MAX_HTML)
            found.append(sanitise(text, cid=pictures or {}, remote_images=remote))
        else:
            found.append(Sanitised(_plain(part, octets)))
    return found


def _more(seen: View) -> list[Part]:
    return [part for part in seen.more if part.type not in REPORTS]


def _has_html(seen: View) -> bool:
    return seen.html is not None or any(part.type == "text/html" for part in seen.more)


def _text(seen: View, octets: Buffer) -> Markup:
    parts = [part for part in (seen.text, *_more(seen)) if part is not None]
    shown = [_plain(part, octets) for part in parts if part.type != "text/html"]
    return Markup("<hr>").join(Markup(text) for text in shown)  # noqa: S704 - escaped by mail.html


def _plain(part: Part, octets: Buffer) -> str:
    text = decoded_text(part, octets, most=MAX_TEXT)
    flowed = part.parameter("format").lower() == "flowed"
    return text_to_html(text, flowed=flowed, delsp=part.parameter("delsp").lower() == "yes")


def _is_cut(seen: View, *, is_framed: bool) -> bool:
    part, most = (seen.html, MAX_HTML) if is_framed else (seen.text, MAX_TEXT)
    return part is not None and part.size > most


def _people(header: list[tuple[str, str]], name: str) -> tuple[Person, ...]:
    return tuple(
        Person(*each)
        for field, value in header
        if field.lower() == name
        for each in headers.addresses(value)
    )


def _of(people: tuple[Person, ...]) -> set[str]:
    return {each.address for each in people}


def _value(header: list[tuple[str, str]], name: str) -> str:
    return next((value for field, value in header if field.lower() == name), "")


def _sent_at(text: str) -> int:
    """Return the time of a Date field, µs; 0 for what is none, or lies out of reason."""
    try:
        then = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError, OverflowError):
        return 0
    if not 1970 < then.year < 9999:
        return 0
    aware = then if then.tzinfo else then.replace(tzinfo=UTC)
    return int((aware - datetime.fromtimestamp(0, UTC)).total_seconds()) * MICROSECONDS


def _report(root: Part, octets: Buffer) -> Report | None:
    if root.type != "multipart/report":
        return None
    found = next((part for part in walk(root) if part.type in REPORTS), None)
    return report(decoded_text(found, octets, most=MAX_TEXT)) if found is not None else None


def _file(part: Part) -> File:
    main = part.type.partition("/")[0]
    return File(
        number=number_of(part),
        name=part.filename,
        icon=_ICONS.get(part.type) or _ICONS.get(main) or "clip",
        size=part.size,
        is_picture=part.type in PICTURES,
        is_text=part.type == "text/plain",
        is_message=part.type == "message/rfc822" and bool(part.children),
    )
