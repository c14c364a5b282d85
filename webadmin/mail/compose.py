"""Writing a letter: its page, drafts that save themselves, attachments, sending.

Every button posts the whole form. Without script a page comes back; the page's own script is told
in JSON what changed, and what is wrong beside which field. Whatever is wrong, what was typed stays:
also when the session has ended, and when the server is busy.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from flask import abort, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext as _
from markupsafe import Markup

from appliance.database.errors import DatabaseError
from appliance.mail.mime import parse
from appliance.mail.view import view
from appliance.store.message import Use
from webadmin import formats
from webadmin.context import parts, session_or_none
from webadmin.mail import answering, drafts, rich, sending, writing
from webadmin.mail.actions import undo_fields
from webadmin.mail.compose_page import Answer, is_script, page, told, wrong
from webadmin.mail.content import number_of
from webadmin.mail.draft import KINDS, Answered, Draft, Source, Upload, new_key, new_page
from webadmin.mail.mailbox import folders, mailbox, special
from webadmin.mail.reading import framed
from webadmin.mail.sending import WHOLE, Refusal, Wrong
from webadmin.rooms import gives_back
from webadmin.toasts import toast


def compose() -> Answer:
    """Begin a letter: a new one, or an answer to a message."""
    answered = _answered()
    begun = answering.begin(answered) if answered else _begun()
    return page(begun)


def draft(uid: int) -> Answer:
    """Go on with a draft."""
    found = drafts.open_draft(uid)
    if found is None:
        toast(_("That draft is gone: it was sent, deleted, or saved again elsewhere."))
        return redirect(url_for("webmail.folder", folder_id=special(Use.DRAFTS).id), 303)
    return page(found)


def quote() -> Answer:
    """Return what a letter quotes, as the document of a frame."""
    answered, uid = _answered(), request.args.get("draft", 0, int)
    found = drafts.open_draft(uid) if uid else answering.begin(answered) if answered else None
    if found is None:
        abort(404)
    return framed(Markup(rich.pictures(found.quote, _pictures(found.source))))  # noqa: S704 - cleaned


def give_back() -> Answer:
    """Return a form whose sender is signed out, or whose page was too old; nothing is done."""
    is_signed_out = session_or_none() is None
    status = 401 if is_signed_out else 403
    if is_script():
        answer = jsonify(signed_out=is_signed_out)
        answer.status_code = status
        return answer
    if is_signed_out:
        typed = [
            (name, value)
            for name, value in request.form.items(multi=True)
            if name not in ("csrf", "do")
        ]
        about = {"typed": typed, "had_files": bool(writing.uploads())}
        return render_template("mail/signed_out.html", **about), status
    text = _("You have signed in again since. Look the letter through, then go on.")
    return page(writing.read(), {WHOLE: [Wrong(text)]}), status


@gives_back(give_back)
def write() -> Answer:
    """Do what a button of the form says: save, add or take away a file, send, discard."""
    written = writing.typed()
    try:
        written, uploads = writing.read(), writing.uploads()
        return _do(request.form.get("do", "save"), written, uploads)
    except Refusal as error:
        if not is_script():
            written = _kept(written, uploads)
        return wrong(written, error.wrongs)
    except (DatabaseError, OSError) as error:
        parts().logs.note("error", f"{request.path} could not be answered: {error}")
        text = _("The server is busy. Nothing is lost; try again in a moment.")
        return wrong(written, {WHOLE: [Wrong(text)]}, status=503)


def _do(do: str, written: Draft, uploads: Sequence[Upload]) -> Answer:
    name, _dash, what = do.partition("-")
    match name:
        case "send":
            return _send(written, uploads)
        case "discard":
            return _discard(written, uploads)
        case "fix":
            return _save(_fixed(written, what), uploads)
        case _:
            return _save(written, uploads)


def _check(written: Draft, uploads: Sequence[Upload]) -> None:
    """Look at what may not even be saved: files that don't fit.

    Raises:
        Refusal: there are some.
    """
    if writing.is_too_long():
        text = _("The text is too long to be sent with formatting; make it plain text.")
        raise Refusal({WHOLE: [Wrong(text)]})
    room, size = writing.room(written), sum(each.size for each in uploads)
    if room is None or size <= room:
        return
    sizes = {"size": formats.size(size), "room": formats.size(room)}
    if len(uploads) == 1:
        name = uploads[0].filename
        text = _("%(name)s has %(size)s; %(room)s still fit into this letter.", name=name, **sizes)
    else:
        text = _("The files have %(size)s; %(room)s still fit into this letter.", **sizes)
    raise Refusal({"attachments": [Wrong(text)]})


def _save(written: Draft, uploads: Sequence[Upload]) -> Answer:
    _check(written, uploads)
    saved = sending.save(written, uploads)
    wrongs = sending.lost(written.lost)
    if is_script():
        return told(saved, wrongs)
    if wrongs:
        return page(saved, wrongs)
    return redirect(url_for("webmail.draft", uid=saved.uid), 303)


def _send(written: Draft, uploads: Sequence[Upload]) -> Answer:
    _check(written, uploads)
    if written.lost:
        raise Refusal(sending.lost(written.lost))
    sending.send(written, uploads)
    toast(_("Sent."))
    return _leave(written)


def _discard(written: Draft, uploads: Sequence[Upload]) -> Answer:
    """Delete the letter; it can be taken back from Deleted Items."""
    drafts_folder, trash = special(Use.DRAFTS), special(Use.TRASH)
    uid = written.uid
    if uploads or not written.is_blank:
        uid = _kept(written, uploads).uid
    moved = mailbox().move(drafts_folder.id, [uid], trash.id) if uid else {}
    if moved:
        fields = undo_fields("move", trash, moved.values(), home=str(drafts_folder.id))
        toast(_("The draft is deleted."), undo=("webmail.undo", fields) if fields else None)
    return _leave(written)


def _kept(written: Draft, uploads: Sequence[Upload]) -> Draft:
    """Return a letter saved as far as that can be, with its new files if they fit."""
    for files in (uploads, ()):
        with suppress(Refusal):
            _check(written, files)
            return sending.save(written, files)
    return written


def _leave(written: Draft) -> Answer:
    """Go on in the list: the one that what was answered is in, or the Inbox."""
    answered = written.answers
    known = {each.id for each in folders()}
    home = answered.folder_id if answered and answered.folder_id in known else None
    address = url_for("webmail.folder", folder_id=home or special(Use.INBOX).id)
    return jsonify(leave=address) if is_script() else redirect(address, 303)


def _fixed(written: Draft, what: str) -> Draft:
    """Return a letter with one address put right: field, what is wrong, what is right."""
    field, _tab, rest = what.partition("\t")
    meant, _tab, right = rest.partition("\t")
    if field not in ("to", "cc", "bcc") or not meant:
        return written
    pattern = r"\s*,\s*".join(re.escape(piece) for piece in meant.split(","))
    changed = re.sub(pattern, lambda _found: right, getattr(written, field), count=1)
    return _with(written, field, changed)


def _with(written: Draft, field: str, value: str) -> Draft:
    if field == "to":
        return replace(written, to=value)
    return replace(written, cc=value) if field == "cc" else replace(written, bcc=value)


def _begun() -> Draft:
    to, cc, bcc, subject = (
        " ".join(request.args.get(name, "").split()) for name in ("to", "cc", "bcc", "subject")
    )
    return Draft(key=new_key(), page=new_page(), to=to, cc=cc, bcc=bcc, subject=subject)


def _answered() -> Answered | None:
    """Return which message the address says is answered."""
    how, args = request.args.get("answer", ""), request.args
    found = Answered(args.get("folder", 0, int), args.get("uid", 0, int), how)
    return found if how in KINDS and found.uid else None


def _pictures(source: Source | None) -> dict[str, str]:
    """Return where the pictures of a message are, by content id."""
    with drafts.open_source(source) as octets:
        if source is None or octets is None:
            return {}
        folder_id, uid = source.folder_id, source.uid
        return {
            cid: url_for("webmail.part", folder_id=folder_id, uid=uid, number=number, show=1)
            for cid, part in view(parse(octets), octets).inline.items()
            for number in (number_of(part),)
        }
