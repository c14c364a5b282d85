"""Bad mail: what could neither be delivered nor returned (manual §6.2)."""

from __future__ import annotations

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response as BaseResponse

from appliance.operations.badmail import (
    DeleteBadMail,
    ListBadMail,
    ReadBadMail,
    RequeueBadMail,
    ShowBadMail,
)
from webadmin.context import ask, perform
from webadmin.toasts import toast

_PAGE = 50
_SHOWN_OCTETS = 32 << 10


def register(blueprint: Blueprint) -> None:
    """Add the pages to the room."""
    add = blueprint.add_url_rule
    add("/badmail", "badmail", badmail)
    add("/badmail/<name>", "bad_message", bad_message)
    add("/badmail/<name>/message.eml", "bad_octets", bad_octets)
    add("/badmail/<name>/requeue", "requeue_badmail", requeue_badmail, methods=["POST"])
    add("/badmail/<name>/delete", "delete_badmail", delete_badmail, methods=["GET", "POST"])


def badmail() -> str:
    """List the copies."""
    after = request.args.get("after", "")
    found = ask(ListBadMail(most=_PAGE + 1, after=after))
    if not found and not after:
        heading = _("No bad mail")
    elif after or len(found) > _PAGE:
        heading = _("Messages reached neither recipient nor sender")
    else:
        heading = ngettext(
            "One message reached neither recipient nor sender",
            "%(num)s messages reached neither recipient nor sender",
            len(found),
        )
    return render_template(
        "server/badmail.html",
        found=found[:_PAGE],
        after=found[_PAGE - 1].name if len(found) > _PAGE else "",
        is_later=bool(after),
        heading=heading,
    )


def bad_message(name: str) -> str:
    """Show a copy: whom it was for, why it lies here, and how it begins."""
    found = ask(ShowBadMail(copy=name))
    begin = bytearray()
    for chunk in ask(ReadBadMail(copy=name)).chunks():
        begin += chunk
        if len(begin) >= _SHOWN_OCTETS:
            break
    return render_template(
        "server/bad_message.html",
        found=found,
        begin=bytes(begin[:_SHOWN_OCTETS]).decode("utf-8", "replace"),
        is_cut=found.size > _SHOWN_OCTETS,
    )


def bad_octets(name: str) -> Response:
    """Hand out the message as a file."""
    content = ask(ReadBadMail(copy=name))
    return Response(
        content.chunks(),
        mimetype="message/rfc822",
        headers={
            "Content-Disposition": f'attachment; filename="{name}.eml"',
            "Content-Length": str(content.size),
        },
    )


def requeue_badmail(name: str) -> BaseResponse:
    """Send a copy once more."""
    message_id = perform(RequeueBadMail(copy=name))
    toast(_("It is sent once more, as %(id)s.", id=message_id))
    return redirect(url_for(".message", message_id=message_id), 303)


def delete_badmail(name: str) -> str | BaseResponse:
    """Delete a copy for good, after a question."""
    found = ask(ShowBadMail(copy=name))
    if request.method == "GET":
        return render_template("server/delete_badmail.html", found=found)
    perform(DeleteBadMail(copy=name))
    toast(_("The copy for %(address)s is deleted.", address=found.recipient))
    return redirect(url_for(".badmail"), 303)
