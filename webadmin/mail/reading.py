"""Reading a message: the pane, all fields, the source, and HTML in a frame that runs nothing.

Standards: CSP Level 3 (sandbox), RFC 2392 (cid).
Never: HTML of a mail outside of the frame; a script inside of it, whoever wrote it.
Failure: 404 for a message, part or folder that is not there, or is somebody else's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from babel.lists import format_list
from flask import Response, abort, make_response, redirect, render_template, request, url_for
from flask_babel import get_locale
from flask_babel import gettext as _
from markupsafe import Markup, escape
from werkzeug.wrappers import Response as BaseResponse

from appliance.mail import headers, mime
from appliance.mail.part import Buffer, Part
from appliance.mail.view import view
from appliance.store.message import Flag, Message, Use
from webadmin.context import house
from webadmin.mail.answers import Answer
from webadmin.mail.content import message_or_404, number_of, opened, part_or_404
from webadmin.mail.letter import Letter, Person, pieces, read
from webadmin.mail.mailbox import mailbox, owner
from webadmin.mail.pages import page
from webadmin.mail.uids import pack

_FRAME_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox allow-same-origin; default-src 'none'; "
    "img-src 'self' data:{remote}; style-src 'self' 'unsafe-inline'; font-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_NOTHING_RUNS = "sandbox; default-src 'none'; frame-ancestors 'none'"
_SETS_COLOURS = re.compile(r"colou?r\s*[:=]|background(?:-image)?\s*[:=]", re.IGNORECASE)
_HEADER_MOST = 64 * 1024
_NAMES_SHOWN = 3


def message(folder_id: int, uid: int) -> BaseResponse:
    """Show a message, beside the list it is in; it counts as read."""
    found = message_or_404(folder_id, uid)
    shown = mailbox().folder(folder_id)
    inside = request.args.get("inside", "")
    if shown.use == Use.DRAFTS and not inside:
        return redirect(url_for("webmail.draft", uid=uid))
    happened = _mark_read(folder_id, found)
    with opened(found) as octets:
        root = _root(octets, inside)
        letter = read(root, octets, plain="plain" in request.args)
    return page(
        shown,
        "mail/letter.html",
        {
            "message": found,
            "letter": letter,
            "inside": inside,
            "is_plain": "plain" in request.args,
            "is_flagged": bool(found.flags & Flag.FLAGGED),
            "shows_images": "images" in request.args,
            "to": _addresses(folder_id, uid, inside, images="images" in request.args),
            **_recipients(letter),
        },
        happened=happened,
    )


def body(folder_id: int, uid: int) -> Response:
    """Return the HTML of a message as the document of its frame, which can run nothing."""
    found = message_or_404(folder_id, uid)
    inside, remote = request.args.get("inside", ""), "images" in request.args
    with opened(found) as octets:
        root = _root(octets, inside)
        seen = view(root, octets)
        pictures = {cid: _picture(folder_id, uid, part) for cid, part in seen.inline.items()}
        shown = pieces(seen, octets, pictures=pictures, remote=remote)
    html = Markup("<hr>").join(Markup(each.html) for each in shown)  # noqa: S704 - see mail.html
    return framed(html, remote=remote)


def framed(html: Markup, *, remote: bool = False) -> Response:
    """Return HTML that was made harmless as the document of a frame, which can run nothing.

    Args:
        html: what stands in its body.
        remote: images from elsewhere are loaded.
    """
    brings_colours = bool(_SETS_COLOURS.search(html))
    response = make_response(
        render_template("mail/body.html", html=html, brings_colours=brings_colours)
    )
    more = " https: http:" if remote else ""
    response.headers["Content-Security-Policy"] = _FRAME_POLICY.format(remote=more)
    return response


def fields(folder_id: int, uid: int) -> BaseResponse:
    """Show all header fields of a message."""
    found = message_or_404(folder_id, uid)
    shown = mailbox().folder(folder_id)
    with opened(found) as octets:
        header = headers.fields(found.prefix + octets[:_HEADER_MOST])
    return page(shown, "mail/fields.html", {"message": found, "fields": header})


def source(folder_id: int, uid: int) -> Response:
    """Return a message as it came, as text; or, to be saved, as a file."""
    found = message_or_404(folder_id, uid)
    response = Response(_chunks(found), content_type="text/plain; charset=utf-8")
    if "save" in request.args:
        response.content_type = "message/rfc822"
        response.headers.set("Content-Disposition", "attachment", filename=f"message-{uid}.eml")
    response.headers["Content-Security-Policy"] = _NOTHING_RUNS
    response.content_length = found.size
    return response


def _chunks(found: Message) -> Iterator[bytes]:
    yield from filter(None, found.chunks())


def _mark_read(folder_id: int, found: Message) -> Answer | None:
    if found.flags & Flag.SEEN or request.method != "GET":
        return None
    mailbox().flag(folder_id, [found.uid], add=Flag.SEEN)
    shown = mailbox().folder(folder_id)
    return Answer(shown, marked=pack([found.uid]), flag=Flag.SEEN, is_set=True)


def _root(octets: Buffer, inside: str) -> Part:
    """Return the message, or the one in a part of it."""
    root = mime.parse(octets)
    if not inside:
        return root
    part = part_or_404(root, inside)
    if part.type != "message/rfc822" or not part.children:
        abort(404)
    return part.children[0]


def _picture(folder_id: int, uid: int, part: Part) -> str:
    return url_for("webmail.part", folder_id=folder_id, uid=uid, number=number_of(part), show="1")


def _addresses(folder_id: int, uid: int, inside: str, *, images: bool) -> dict[str, str]:
    """Return the addresses that the page of a message leads to."""
    at: dict[str, Any] = {"folder_id": folder_id, "uid": uid}
    part: dict[str, Any] = at | ({"inside": inside} if inside else {})
    return {
        "here": url_for("webmail.message", **at),
        "designed": url_for("webmail.message", **part),
        "plain": url_for("webmail.message", plain=1, **part),
        "images": url_for("webmail.message", images=1, **part),
        "frame": url_for("webmail.body", images=1 if images else None, **part),
        "frame_images": url_for("webmail.body", images=1, **part),
        "fields": url_for("webmail.fields", **at),
        "source": url_for("webmail.source", **at),
        "save": url_for("webmail.source", save=1, **at),
        "archive": url_for("webmail.archive", **at),
        "part": url_for("webmail.part", number="", **at),
        **{
            each: url_for("webmail.compose", answer=each, folder=folder_id, uid=uid)
            for each in ("reply", "replyall", "forward")
        },
    }


def _recipients(letter: Letter) -> dict[str, object]:
    """Return who it went to in a few words, and whether an answer to all goes further."""
    mapped = house().directory.addresses(mailbox=owner().login)
    own = {each.address.lower() for each in mapped}
    everybody = (*letter.to, *letter.cc, *letter.bcc)
    names = list(dict.fromkeys(_called(each, own) for each in everybody))
    shown = names if len(names) <= _NAMES_SHOWN + 1 else names[:_NAMES_SHOWN]
    if len(shown) < len(names):
        shown.append(escape(_("%(count)s more", count=len(names) - len(shown))))
    line = Markup(format_list(shown, locale=get_locale()))  # noqa: S704 - of escaped names
    said = Markup(_("to %(names)s")) % {"names": line} if shown else _("to nobody named")  # noqa: S704
    others = {each.address.lower() for each in (*letter.to, *letter.cc)} - own
    sender = {letter.sender.address.lower()} if letter.sender else set()
    return {
        "to_line": said,
        "can_reply_all": bool(others - sender),
    }


def _called(person: Person, own: set[str]) -> Markup:
    if person.address.lower() in own:
        return escape(_("you"))
    return Markup("<bdi>{}</bdi>").format(person.called)
