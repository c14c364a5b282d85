"""The page on which a letter is written, and what its script is told.

Owns: nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from flask import jsonify, render_template, request, url_for
from flask_babel import format_datetime
from werkzeug.wrappers import Response as BaseResponse

from appliance.mail.html_text import html_to_text
from appliance.store.message import Use
from webadmin.mail import drafts, writing
from webadmin.mail.draft import Draft
from webadmin.mail.mailbox import folders, owner, special
from webadmin.mail.sending import Wrong

Answer = BaseResponse | str | tuple[str, int]
Wrongs = Mapping[str, Sequence[Wrong]]

NONE_WRONG: Wrongs = {}
_IN_ORDER = ("from", "to", "cc", "bcc", "subject")


def page(found: Draft, wrongs: Wrongs = NONE_WRONG) -> str:
    """Return the form with a letter in it, and what is wrong beside its fields."""
    return render_template("mail/compose.html", **_about(_with_sender(found), wrongs))


def wrong(written: Draft, wrongs: Wrongs, *, status: int = 400) -> Answer:
    """Answer a form that was refused; what was typed stays."""
    if not is_script():
        return page(written, wrongs), status
    told = {
        name: render_template("mail/compose_wrong.html", name=name, wrongs=some)
        for name, some in wrongs.items()
    }
    answer = jsonify(wrongs=told)
    answer.status_code = status
    return answer


def told(saved: Draft, wrongs: Wrongs) -> Answer:
    """Tell the page's script what is saved now."""
    about = _about(saved, wrongs)
    return jsonify(
        draft=saved.uid,
        source=str(saved.source),
        saved=about["saved_at"],
        here=url_for("webmail.draft", uid=saved.uid),
        quote=about["quote_address"],
        files=render_template("mail/compose_files.html", **about),
    )


def is_script() -> bool:
    """Tell whether the page's own script asks, which goes on with the form as it is."""
    return request.headers.get("Accept") == "application/json"


def _with_sender(found: Draft) -> Draft:
    own = drafts.addresses()
    return found if found.from_ in own else replace(found, from_=own[0] if own else "")


def _about(found: Draft, wrongs: Wrongs) -> dict[str, object]:
    """Return what the templates know."""
    return {
        "draft": found,
        "wrongs": wrongs,
        "first_wrong": next((name for name in _IN_ORDER if name in wrongs), ""),
        "own": drafts.addresses(),
        "full_name": owner().full_name,
        "login": owner().login,
        "all_folders": folders(),
        "folder": special(Use.DRAFTS),
        "room": writing.room(found),
        "saved_at": format_datetime(drafts.now(), "HH:mm", rebase=False) if found.uid else "",
        "back": _back(found),
        "quote_address": _quote_address(found),
        "plain_quote": html_to_text(found.quote),
    }


def _back(found: Draft) -> str:
    """Return where closing leads to: what was read, or the list."""
    answered = found.answers
    if answered:
        return url_for("webmail.message", folder_id=answered.folder_id, uid=answered.uid)
    if found.uid:
        return url_for("webmail.folder", folder_id=special(Use.DRAFTS).id)
    return url_for("webmail.home")


def _quote_address(found: Draft) -> str:
    """Return where the quotation of a rich letter is, as a document; empty for none."""
    if not found.quote:
        return ""
    if found.uid:
        return url_for("webmail.quote", draft=found.uid)
    answered = found.answers
    if answered is None:
        return ""
    return url_for(
        "webmail.quote", answer=answered.how, folder=answered.folder_id, uid=answered.uid
    )
