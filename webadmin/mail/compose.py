"""Writing a letter: the form, drafts, attachments, sending.

Every button posts the whole form, so that what was typed is never lost: without script a page comes
back, with it the part that changed, or JSON for drafts that save themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import IO

from flask import jsonify, redirect, render_template, request, url_for
from flask_babel import format_datetime, get_timezone
from flask_babel import gettext as _
from werkzeug.wrappers import Response as BaseResponse

from appliance.mail import headers
from appliance.mail.answer import HEADINGS, Kind
from appliance.mail.answer import answer as answer_to
from appliance.mail.headers import HeaderError
from appliance.mail.letter import LetterError
from appliance.mail.mime import parse
from appliance.mail.priority import Priority
from appliance.operations.outgoing import Fault, OutgoingRefused, send_letter
from appliance.settings import smtp
from appliance.store.message import Flag, Message, Use
from webadmin.context import client, house
from webadmin.formats import moment
from webadmin.mail import draft as drafts
from webadmin.mail.content import message_or_404, opened
from webadmin.mail.draft import Answered, Draft, Upload
from webadmin.mail.mailbox import folders, mailbox, owner, special
from webadmin.toasts import toast

_KINDS = {"reply": Kind.REPLY, "replyall": Kind.REPLY_ALL, "forward": Kind.FORWARD}
_CHUNK = 57 * 1024  # a whole number of base64 lines
_FIELDS = {"sender": "from", "from": "from", "recipients": "to", "size": "attachments"}
_KIB = 1024
_BASE64 = 1.37  # what encoding adds

Answer = BaseResponse | str | tuple[str, int]


def compose() -> Answer:
    """Begin a letter: a new one, or an answer to a message."""
    how = request.args.get("answer", "")
    folder_id, uid = request.args.get("folder", 0, int), request.args.get("uid", 0, int)
    begun = Draft(key=drafts.new_key(), to=request.args.get("to", ""))
    if how in _KINDS and uid:
        begun = _answering(Answered(folder_id, uid, how))
    return _page(_with_sender(begun))


def draft(uid: int) -> Answer:
    """Go on with a draft."""
    found = drafts.open_draft(uid)
    if found is None:
        toast(_("That draft is gone: it was sent or deleted."))
        return redirect(url_for("webmail.folder", folder_id=special(Use.DRAFTS).id), 303)
    return _page(_with_sender(found))


def write() -> Answer:
    """Do what a button of the form says: save, add or take away a file, send, discard."""
    written = _written()
    match request.form.get("do", "save").partition("-")[0]:
        case "send":
            return _send(written)
        case "discard":
            return _discard(written)
        case "drop":
            dropped = request.form["do"].partition("-")[2]
            kept = tuple(each for each in written.kept if each.number != dropped)
            return _save(replace(written, kept=kept))
        case _:
            return _save(written)


def _save(written: Draft) -> Answer:
    uploads = list(_uploads())
    left = _room(written) - sum(_size(each) for each in request.files.getlist("file"))
    if uploads and left < 0:
        text = _("That does not fit: a letter may have %(size)s MB.", size=_limit() >> 20)
        return _wrong(written, {"attachments": text})
    try:
        saved = drafts.save(written, uploads)
    except (LetterError, HeaderError) as error:
        return _wrong(written, _told(error))
    if _is_script():
        files = render_template("mail/compose_files.html", **_about(saved, {}))
        return jsonify(draft=saved.uid, source=_source(saved), saved=_clock(), files=files)
    return redirect(url_for("webmail.draft", uid=saved.uid), 303)


def _send(written: Draft) -> Answer:
    try:
        with drafts.written(written, list(_uploads()), with_bcc=False) as octets:
            entry_id = send_letter(
                house(),
                mailbox=owner(),
                client=client(),
                envelope_from=written.from_,
                recipients=drafts.recipients(written),
                octets=octets,
                origin="WEBMAIL",
                key=written.key,
            )
    except (LetterError, HeaderError) as error:
        return _wrong(written, _told(error))
    except OutgoingRefused as error:
        return _wrong(written, _refused(written, error))
    _file(written, entry_id)
    toast(_("Sent."))
    back = written.answers.folder_id if written.answers else special(Use.INBOX).id
    return redirect(url_for("webmail.folder", folder_id=back), 303)


def _file(written: Draft, entry_id: str) -> None:
    """Keep a copy in Sent Items under the same key, and mark what was answered."""
    content = mailbox().content()
    with drafts.written(written, list(_uploads()), with_bcc=True) as octets:
        for chunk in octets:
            content.write(chunk)
    sent = special(Use.SENT)
    mailbox().append(sent.id, content, flags=Flag.SEEN, key=written.key, entry_id=entry_id)
    if written.uid:
        mailbox().expunge(special(Use.DRAFTS).id, [written.uid])
    if written.answers:
        how = Flag.FORWARDED if written.answers.how == "forward" else Flag.ANSWERED
        known = {each.id for each in folders()}
        if written.answers.folder_id in known:
            mailbox().flag(written.answers.folder_id, [written.answers.uid], add=how)


def _discard(written: Draft) -> Answer:
    """Delete the draft; it can be taken back from Deleted Items."""
    drafts_folder, trash = special(Use.DRAFTS), special(Use.TRASH)
    if written.uid:
        moved = mailbox().move(drafts_folder.id, [written.uid], trash.id)
        back = {"what": "move", "folder": str(trash.id), "home": str(drafts_folder.id)}
        uids = {"uids": ",".join(str(uid) for uid in moved.values())}
        toast(_("The draft is deleted."), undo=("webmail.undo", back | uids))
    return redirect(url_for("webmail.home"), 303)


def _written() -> Draft:
    return drafts.read_form(request.form, request.form.getlist("kept"))


def _uploads() -> Iterator[Upload]:
    for file in request.files.getlist("file"):
        if file.filename:
            yield Upload(file.filename, file.mimetype, partial(_chunks, file.stream))


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    stream.seek(0)
    while chunk := stream.read(_CHUNK):
        yield chunk


def _answering(answered: Answered) -> Draft:
    """Return a letter that answers or forwards a message."""
    message = message_or_404(answered.folder_id, answered.uid)
    with opened(message) as octets:
        made = answer_to(
            _KINDS[answered.how],
            parse(octets),
            octets,
            own=drafts.addresses(),
            introduction=_introduction(answered, message),
            headings=dict(zip(HEADINGS, _headings(), strict=True)),
        )
        kept = drafts.attachments(answered) if answered.how == "forward" else ()
    return Draft(
        key=drafts.new_key(),
        to=", ".join(made.to),
        cc=", ".join(made.cc),
        subject=made.subject,
        text=made.text,
        html=made.html,
        answers=answered,
        in_reply_to=made.in_reply_to,
        references=made.references,
        source=(answered.folder_id, answered.uid) if kept else None,
        kept=kept,
    )


def _introduction(answered: Answered, message: Message) -> str:
    """Return the line above a quotation."""
    if answered.how == "forward":
        return _("---------- Forwarded message ----------")
    summary = headers.scan(message.read(headers.MAX_SECTION))
    people = headers.addresses(summary.from_header)
    who = (people[0][0] or people[0][1]) if people else _("somebody")
    when = format_datetime(moment(message.received_at), "d MMMM y, HH:mm", rebase=False)
    return _("On %(when)s, %(who)s wrote:", when=when, who=who)


def _headings() -> tuple[str, ...]:
    return _("From"), _("Date"), _("Subject"), _("To"), _("Cc")


def _with_sender(found: Draft) -> Draft:
    own = drafts.addresses()
    return found if found.from_ in own else replace(found, from_=own[0] if own else "")


def _page(found: Draft, errors: dict[str, str] | None = None) -> str:
    return render_template("mail/compose.html", **_about(found, errors or {}))


def _about(found: Draft, errors: dict[str, str]) -> dict[str, object]:
    return {
        "draft": found,
        "source": _source(found),
        "errors": errors,
        "own": drafts.addresses(),
        "all_folders": folders(),
        "folder": special(Use.DRAFTS),
        "priorities": list(Priority),
        "room": max(0, int(_room(found))),
        "most": _limit(),
        "saved_at": _clock() if found.uid else "",
    }


def _is_script() -> bool:
    """Tell whether the page's own script asks, which goes on with the form as it is."""
    return request.headers.get("Accept") == "application/json"


def _wrong(written: Draft, errors: dict[str, str]) -> Answer:
    """Return the form with what is wrong beside its fields."""
    if _is_script():
        answer = jsonify(error=" ".join(errors.values()))
        answer.status_code = 400
        return answer
    return _page(written, errors), 400


def _told(error: LetterError | HeaderError) -> dict[str, str]:
    field = getattr(error, "field", "subject")
    return {_FIELDS.get(field, field): str(error)}


def _refused(written: Draft, error: OutgoingRefused) -> dict[str, str]:
    """Return what was refused beside the field it was typed in."""
    if not error.faults:
        return {_FIELDS.get(error.field, error.field): str(error)}
    found: dict[str, list[str]] = {}
    for fault in error.faults:
        found.setdefault(_field_of(written, fault), []).append(f"{fault.address}: {fault.text}")
    return {name: " ".join(texts) for name, texts in found.items()}


def _field_of(written: Draft, fault: Fault) -> str:
    for name in ("to", "cc", "bcc"):
        if fault.address.casefold() in getattr(written, name).casefold():
            return name
    return "to"


def _source(found: Draft) -> str:
    return f"{found.source[0]}.{found.source[1]}" if found.source else ""


def _limit() -> int:
    """Return the largest letter, in octets."""
    return house().settings[smtp.max_message_kb] * _KIB


def _room(found: Draft) -> float:
    """Return how many octets of files still fit."""
    return _limit() / _BASE64 - sum(each.size for each in found.kept) - len(found.html) * 2


def _size(file: object) -> int:
    stream: IO[bytes] = file.stream  # type: ignore[attr-defined] # a FileStorage
    return stream.seek(0, 2)


def _clock() -> str:
    return format_datetime(datetime.now(get_timezone()), "HH:mm", rebase=False)
