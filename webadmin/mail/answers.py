"""Answers to what was done in webmail: the parts of the page that changed, or the way to a page.

With htmx an answer carries the folders with their counts, and toasts; what happened to messages is
told to the page as an event, `mail:changed`, so that the list keeps its place. Without script it
leads back to the list or the message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from appliance.store.message import NO_FLAGS, Flag, Folder, Use
from webadmin.mail.listing import address, asked
from webadmin.mail.mailbox import folders
from webadmin.toasts import keep

_FOLDER_IN_PATH = re.compile(r"/webmail/(\d{1,18})/")
_CLASSES = {Flag.SEEN: "new", Flag.FLAGGED: "flagged"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What happened, for the page that asked for it.

    Attributes:
        folder: where.
        gone: uids that left it, packed.
        marked: uids whose flag changed, packed.
        flag: which flag.
        is_set: whether it is set now.
        is_stale: the list has to be read again.
        leads_there: the page that shows the folder comes next.
    """

    folder: Folder
    gone: str = ""
    marked: str = ""
    flag: Flag = NO_FLAGS
    is_set: bool = False
    is_stale: bool = False
    leads_there: bool = False

    def event(self) -> dict[str, object]:
        """Return what the page is told."""
        told: dict[str, object] = {"folder": self.folder.id}
        if self.gone:
            told["gone"] = self.gone
        if self.marked:
            told["marked"] = self.marked
            told["as"] = _CLASSES[self.flag]
            told["on"] = self.is_set != (self.flag is Flag.SEEN)
        if self.is_stale:
            told["stale"] = True
        return told


def wants_part(target: str = "") -> bool:
    """Tell whether a part of the page is asked for, and, by its id, into which place it goes."""
    headers = request.headers
    if headers.get("HX-History-Restore-Request") or not headers.get("HX-Request"):
        return False
    return not target or headers.get("HX-Target", "").partition("#")[2] == target


def answer(what: Answer) -> BaseResponse:
    """Answer a form."""
    there = url_for("webmail.folder", folder_id=what.folder.id)
    if not wants_part():
        return redirect(_next(what), code=303)
    if what.leads_there:
        keep()
        return Response(headers={"HX-Redirect": there})
    response = make_response(render_template("mail/changed.html", **shown()))
    response.headers["HX-Trigger"] = json.dumps({"mail:changed": what.event()})
    return response


def ask_first(
    folder: Folder,
    *,
    question: str,
    text: str,
    action: str,
    fields: Mapping[str, str],
    button: str,
) -> BaseResponse:
    """Ask before something that can't be undone: in a dialog, or on a page of its own.

    Args:
        folder: where it is to be done.
        question: with the loss in numbers.
        text: what else is to be known.
        action: where the form that says yes is posted to.
        fields: of that form.
        button: what it says.
    """
    response = make_response(
        render_template(
            "mail/sure.html",
            **layout(),
            heading=question,
            text=text,
            action=action,
            fields=fields,
            button=button,
            back=address(folder, asked().first()),
        )
    )
    if wants_part():
        response.headers["HX-Retarget"] = "#dialog"
        response.headers["HX-Reswap"] = "innerHTML"
    return response


def layout() -> dict[str, str]:
    """Return what a question or a small form stands in: a dialog, or a page of its own."""
    if wants_part():
        return {"layout": "mail/dialog.html", "heading_level": "h2"}
    return {"layout": "mail/alone.html", "heading_level": "h1"}


def shown() -> dict[str, object]:
    """Return the folders as they are now, and the one that the page shows, for its counts."""
    found = folders()
    current = urlsplit(request.headers.get("HX-Current-URL", "")).path
    in_path = _FOLDER_IN_PATH.match(current)
    folder = next(
        (each for each in found if in_path and each.id == int(in_path[1])),
        next(each for each in found if each.use == Use.INBOX),
    )
    return {"all_folders": found, "folder": folder}


def _next(what: Answer) -> str:
    """Return where somebody without script goes on: the message that stays open, or the list."""
    uid = request.form.get("open", 0, int)
    stays = what.marked and not (what.flag is Flag.SEEN and not what.is_set)
    wanted = asked().first()
    if uid and stays:
        return url_for("webmail.message", folder_id=what.folder.id, uid=uid, **wanted.sorting())
    return address(what.folder, wanted)
