"""Replies and forwards: to whom, under which subject, in which conversation, quoting what.

Standards: RFC 5322 §3.6.2 (Reply-To), §3.6.4 (References), §3.6.5 (Re:); RFC 3676 §4.5 (quoting).
Owns: nothing.
Never: word a sentence; the caller gives those, in its reader's language.
Failure: none; what the original lacks is empty.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from appliance.mail import headers
from appliance.mail.address import Address, AddressError
from appliance.mail.addresses import addresses, mailbox
from appliance.mail.html import html_to_text, sanitise
from appliance.mail.mime import Buffer, Part, decoded_text
from appliance.mail.plain import lines, text_to_html
from appliance.mail.view import View, view

__all__ = ["HEADINGS", "Answer", "Kind", "answer"]

HEADINGS = ("From", "Date", "Subject", "To", "Cc")  # of what a forward says of the original
_MAX_TEXT = 512 * 1024  # octets of the original that are quoted
_MAX_IDS = 50
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,250}>")
_NUMBER = r"(?:\s?\[\d{1,3}\]|\s?\(\d{1,3}\)|\^\d{1,3})?"
# What programs of other languages put before a subject; \uff1a is the colon of CJK texts.
_REPLIED = re.compile(
    rf"\s*(?:re|aw|antw|antwort|sv|vs|odp|ref|rif|res|ynt|回复|答复|回覆){_NUMBER}\s?[:\uff1a]\s*",
    re.IGNORECASE,
)
_FORWARDED = re.compile(
    rf"\s*(?:fwd?|wg|tr|rv|enc|vb|doorst|pd|i|转发|轉寄){_NUMBER}\s?[:\uff1a]\s*", re.IGNORECASE
)
_NOBODY: Mapping[str, str] = MappingProxyType({})


class Kind(StrEnum):
    """What an answer is."""

    REPLY = "reply"
    REPLY_ALL = "reply-all"
    FORWARD = "forward"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a letter begins with that answers another one.

    Attributes:
        to: Mailboxes, each fit for a field.
        cc: The same, for copies.
        subject: With one "Re: " or "Fwd: ".
        in_reply_to: The original's message id; "" for a forward.
        references: The conversation so far, the oldest first.
        text: The original, introduced and quoted.
        html: The same in HTML, sanitised.
    """

    to: tuple[str, ...]
    cc: tuple[str, ...]
    subject: str
    in_reply_to: str
    references: tuple[str, ...]
    text: str
    html: str


def answer(
    kind: Kind,
    root: Part,
    octets: Buffer,
    *,
    own: Collection[str],
    introduction: str,
    headings: Mapping[str, str] = _NOBODY,
    cid: Mapping[str, str] = _NOBODY,
    remote_images: bool = False,
) -> Answer:
    """Prepare a reply or a forward.

    Args:
        kind: Which of them.
        root: The original.
        octets: What it was parsed from.
        own: The addresses of who answers. A reply to all leaves them out, unless nobody remains;
            a reply to one's own letter goes where that went.
        introduction: The line before the quote: "On Sunday, Jane wrote:", "Forwarded message".
        headings: Words for `HEADINGS`, those by default.
        cid: Content ids to URLs, for the original's images in the HTML.
        remote_images: Keep images from the web in the HTML.
    """
    fields = headers.raw_fields(octets[root.header_start : root.start])
    to, cc = _recipients(kind, fields, own)
    chain = _references(fields)
    shown = view(root, octets)
    original = _text(shown, octets)
    markup = _markup(shown, octets, cid, remote_images=remote_images)
    if kind is Kind.FORWARD:
        about = _about(headers.fields(octets[root.header_start : root.start]), headings)
        text = "\n".join([introduction, *about, "", *original])
        above = "<br>".join(html.escape(line) for line in (introduction, *about))
        markup = f"<p>{above}</p>{markup}"
    else:
        text = "\n".join([introduction, *_quoted(original)])
        markup = f"<p>{html.escape(introduction)}</p><blockquote>{markup}</blockquote>"
    return Answer(
        to=to,
        cc=cc,
        subject=_subject(kind, fields),
        in_reply_to=chain[-1] if chain and kind is not Kind.FORWARD else "",
        references=chain,
        text=text,
        html=markup,
    )


def _all(fields: Iterable[tuple[str, str]], name: str) -> list[tuple[str, str]]:
    values = (value for known, value in fields if known.lower() == name)
    found = (entry for value in values for entry in addresses(value))
    return [(display, address) for display, address in found if "@" in address]


def _recipients(
    kind: Kind, fields: list[tuple[str, str]], own: Collection[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if kind is Kind.FORWARD:
        return (), ()
    ours = {_key(address) for address in own}
    author = _all(fields, "from")
    to = _all(fields, "reply-to") or author
    others = _all(fields, "to")
    copies = _all(fields, "cc")
    if author and all(_key(address) in ours for _, address in author):
        to, others = others or to, []
    seen: set[str] = set()
    if kind is Kind.REPLY:
        return tuple(_mailboxes(to, seen)), ()
    everybody = tuple(_mailboxes(to, set()))
    seen |= ours
    first = tuple(_mailboxes(to, seen))
    second = tuple(_mailboxes([*others, *copies], seen))
    if first:
        return first, second
    return (second, ()) if second else (everybody, ())


def _mailboxes(found: Iterable[tuple[str, str]], seen: set[str]) -> Iterator[str]:
    """Those that were not seen yet; they are then."""
    for name, address in found:
        key = _key(address)
        if key not in seen:
            seen.add(key)
            yield mailbox(name, address)


def _key(address: str) -> str:
    try:
        return Address.parse(address).key
    except AddressError:
        return address.lower()


def _first(fields: Iterable[tuple[str, str]], name: str) -> str:
    return next((value for known, value in fields if known.lower() == name), "")


def _references(fields: list[tuple[str, str]]) -> tuple[str, ...]:
    """The conversation with the original in it (RFC 5322 §3.6.4)."""
    chain = _MESSAGE_ID.findall(_first(fields, "references"))
    if not chain:
        before = _MESSAGE_ID.findall(_first(fields, "in-reply-to"))
        chain = before if len(before) == 1 else []
    chain = list(dict.fromkeys([*chain, *_MESSAGE_ID.findall(_first(fields, "message-id"))[:1]]))
    return tuple(chain if len(chain) <= _MAX_IDS else [chain[0], *chain[1 - _MAX_IDS :]])


def _subject(kind: Kind, fields: list[tuple[str, str]]) -> str:
    subject = headers.decoded(_first(fields, "subject"))
    known, prefix = (_FORWARDED, "Fwd: ") if kind is Kind.FORWARD else (_REPLIED, "Re: ")
    while found := known.match(subject):
        subject = subject[found.end() :]
    return prefix + subject


def _about(fields: list[tuple[str, str]], headings: Mapping[str, str]) -> list[str]:
    known = ((name, _first(fields, name.lower())) for name in HEADINGS)
    return [f"{headings.get(name, name)}: {value}" for name, value in known if value]


def _text(shown: View, octets: Buffer) -> list[str]:
    """The original's lines as plain text, without its signature."""
    found: list[str] = []
    for part in (shown.text or shown.html, *shown.more):
        if part is None:
            continue
        text = decoded_text(part, octets, most=_MAX_TEXT)
        if part.type == "text/html":
            found += html_to_text(text).split("\n")
            continue
        text = text.rstrip("\n")
        for depth, line in lines(text, flowed=part.is_flowed, delsp=part.is_delsp):
            if line == "-- " and not depth:
                break
            found.append(">" * depth + " " * bool(depth and line) + line.rstrip())
    while found and not found[-1].strip():
        found.pop()
    return found


def _quoted(text: Iterable[str]) -> Iterator[str]:
    for line in text:
        yield f">{line}" if not line or line.startswith(">") else f"> {line}"


def _markup(shown: View, octets: Buffer, cid: Mapping[str, str], *, remote_images: bool) -> str:
    found: list[str] = []
    for part in (shown.html or shown.text, *shown.more):
        if part is None:
            continue
        text = decoded_text(part, octets, most=_MAX_TEXT)
        if part.type == "text/html":
            found.append(sanitise(text, cid=cid, remote_images=remote_images).html)
        else:
            found.append(text_to_html(text, flowed=part.is_flowed, delsp=part.is_delsp))
    return "".join(found)
