"""Webmail's page: folders, list and reading pane; or the part of it that htmx asks for.

The address says what is shown: `/webmail/FOLDER/` a list, `/webmail/FOLDER/UID` a message too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from flask import make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from appliance.store.message import Folder, Use
from webadmin.forms import way_back
from webadmin.mail import listing
from webadmin.mail.answers import Answer, wants_part
from webadmin.mail.mailbox import folders, mailbox, special

_YEAR_S = 31_536_000


def home() -> BaseResponse:
    """Show the Inbox."""
    return _list(special(Use.INBOX))


def folder(folder_id: int) -> BaseResponse:
    """Show a folder's list."""
    return _list(mailbox().folder(folder_id))


def page_size() -> BaseResponse:
    """Keep how many messages this browser wants on a page."""
    wanted = request.form.get("size", 0, int)
    response = redirect(way_back(url_for("webmail.home")), code=303)
    if wanted in listing.PAGE_SIZES:
        response.set_cookie(
            listing.PAGE_COOKIE,
            str(wanted),
            path="/webmail",
            secure=request.is_secure,
            httponly=True,
            samesite="Lax",
            max_age=_YEAR_S,
        )
    return response


def page(
    shown: Folder, reader: str, values: Mapping[str, object], *, happened: Answer | None = None
) -> BaseResponse:
    """Return the whole page, or the part that is asked for with what changes elsewhere by it.

    Args:
        shown: the folder whose list it is.
        reader: template of what the reading pane shows.
        values: what that template needs.
        happened: what showing it has changed.
    """
    found = folders()
    current = next(each for each in found if each.id == shown.id)
    wanted = listing.asked()
    about: dict[str, object] = {
        "all_folders": found,
        "folder": current,
        "sorting": wanted.sorting(),
        "list_address": listing.address(current, wanted.first()),
        "reader": reader,
        **values,
    }
    if wants_part("reader"):
        response = make_response(render_template("mail/part_reader.html", **about))
        if happened is not None:
            response.headers["HX-Trigger"] = json.dumps({"mail:changed": happened.event()})
        return response
    about |= _rows(current, wanted)
    about["keeps_reader"] = "rows" in request.args  # the list is read again beside what is read
    template = "mail/part_list.html" if wants_part("list") else "mail/page.html"
    return make_response(render_template(template, **about))


def _list(shown: Folder) -> BaseResponse:
    if not wants_part("more"):
        return page(shown, "mail/nothing.html", {})
    wanted = listing.asked()
    about = {"folder": shown, **_rows(shown, wanted)}
    return make_response(render_template("mail/rows.html", **about))


def _rows(shown: Folder, wanted: listing.Asked) -> dict[str, object]:
    """Return what the templates of a list need."""
    found = listing.read_page(shown, wanted)
    under = request.args.get("under", "") if wants_part("more") else ""
    groups = listing.groups(shown, wanted, found.messages, under=under)
    older = older_part = newer = ""
    if found.after:
        after = wanted.page_after(found.after)
        older = listing.address(shown, after)
        older_part = listing.address(shown, after, under=groups[-1].key if groups else "")
    if found.before:
        newer = listing.address(shown, wanted.page_before(found.before))
    return {
        "groups": groups,
        "older": older,
        "older_part": older_part,
        "newer": newer,
        "wanted": wanted,
        "sorts": listing.sorts(shown, wanted),
        "page_sizes": listing.PAGE_SIZES,
        "page_size": listing.page_size(),
    }
