"""The beginning of a letter that answers or forwards a message.

Mail in HTML is answered in HTML, and plain text in plain text, quoted line by line.
"""

from __future__ import annotations

from collections.abc import Iterable

from flask_babel import format_datetime
from flask_babel import gettext as _

from appliance.mail import headers
from appliance.mail.answer import HEADINGS, Kind
from appliance.mail.answer import answer as answer_to
from appliance.mail.mime import parse
from appliance.mail.view import view
from appliance.store.message import Message
from webadmin.formats import moment
from webadmin.mail import drafts, rich
from webadmin.mail.content import message_or_404, opened
from webadmin.mail.draft import Answered, Draft, Source, new_key, new_page

_KINDS = {"reply": Kind.REPLY, "replyall": Kind.REPLY_ALL, "forward": Kind.FORWARD}


def begin(answered: Answered) -> Draft:
    """Return a letter that answers or forwards a message, with what it takes from there."""
    message = message_or_404(answered.folder_id, answered.uid)
    source = Source(answered.folder_id, answered.uid)
    own = drafts.addresses()
    with opened(message) as octets:
        root = parse(octets)
        seen = view(root, octets)
        made = answer_to(
            _KINDS[answered.how],
            root,
            octets,
            own=own,
            introduction=_introduction(answered, message),
            headings=dict(zip(HEADINGS, _headings(), strict=True)),
            cid=rich.places(seen.inline),
        )
        named = _named(headers.fields(octets[: root.start]))
    is_rich = seen.html is not None
    return Draft(
        key=new_key(),
        page=new_page(),
        from_=next((address for address in own if address.casefold() in named), ""),
        to=", ".join(made.to),
        cc=", ".join(made.cc),
        subject=made.subject,
        text=f"\n\n{made.text}",
        quote=rich.named(made.html) if is_rich else "",
        is_rich=is_rich,
        answers=answered,
        in_reply_to=made.in_reply_to,
        references=made.references,
        source=source,
        kept=drafts.attachments(source) if answered.how == "forward" else (),
    )


def _named(fields: Iterable[tuple[str, str]]) -> set[str]:
    """Return to whom a message was sent: an answer comes from the address that was written to."""
    return {
        address.casefold()
        for name, value in fields
        if name.lower() in ("to", "cc", "delivered-to")
        for _, address in headers.addresses(value)
    }


def _introduction(answered: Answered, message: Message) -> str:
    """Return the line above a quotation."""
    if answered.how == "forward":
        return _("---------- Forwarded message ----------")
    summary = headers.scan(message.read(headers.MAX_SECTION))
    people = headers.addresses(summary.from_header)
    who = (people[0][0] or people[0][1]) if people else _("somebody")
    when = format_datetime(moment(message.received_at), _("d MMMM y, HH:mm"), rebase=False)
    return _("On %(when)s, %(who)s wrote:", when=when, who=who)


def _headings() -> tuple[str, ...]:
    return _("From"), _("Date"), _("Subject"), _("To"), _("Cc")
