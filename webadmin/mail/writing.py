"""The form of a letter: what was typed, the files that came with it, how much fits.

Owns: nothing. Never: drop what was typed because something else is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from flask import request

from appliance.mail.html import MAX_HTML
from appliance.mail.priority import Priority
from appliance.settings import smtp
from appliance.store.message import Use
from webadmin.context import house
from webadmin.mail import drafts, rich
from webadmin.mail.draft import Answered, Draft, Kept, Source, Upload, key, page
from webadmin.mail.mailbox import special
from webadmin.uploads import Held

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_KIB = 1024
_BASE64 = 1.37  # what encoding adds


def typed() -> Draft:
    """Return what the form of the request holds, without a look at any mail."""
    form = request.form
    is_rich = form.get("format") == "html"
    return Draft(
        key=key(form.get("key", "")),
        page=page(form.get("page", "")),
        from_=form.get("from", ""),
        to=form.get("to", ""),
        cc=form.get("cc", ""),
        bcc=form.get("bcc", ""),
        subject=" ".join(_CONTROLS.sub(" ", form.get("subject", "")).split()),
        text=form.get("text", "").replace("\r\n", "\n"),
        html=rich.clean(form.get("html", "")),
        quote=rich.clean(form.get("quote", "")),
        is_rich=is_rich,
        priority=_priority(form.get("priority", "")),
        answers=Answered.read(form.get("answers", "")),
        in_reply_to=form.get("in_reply_to", ""),
        references=tuple(form.get("references", "").split()),
        source=Source.read(form.get("source", "")),
        uid=_number(form),
    )


def read() -> Draft:
    """Return what the form of the request holds, with the attachments that are to stay.

    Its page may not know where the draft is by now, see `drafts.current`.
    """
    found = typed()
    uid, folder_id = drafts.current(found), special(Use.DRAFTS).id
    source = found.source
    if source and source.folder_id == folder_id and uid:
        source = Source(folder_id, uid)
    dropped = request.form.get("do", "").removeprefix("drop-")
    wanted = [text for text in request.form.getlist("kept") if text.partition(" ")[0] != dropped]
    there = drafts.attachments(source) if wanted else ()
    kept = tuple(_found(wanted, there, is_known=source == found.source))
    return replace(found, uid=uid, source=source, kept=kept, lost=len(wanted) - len(kept))


def _found(wanted: Sequence[str], there: Sequence[Kept], *, is_known: bool) -> Iterator[Kept]:
    """Yield the attachments that a form names: by number, or, of another source, by the rest."""
    left = list(there)
    for text in wanted:
        number, _, rest = text.partition(" ")
        for each in left:
            if each.number == number if is_known else str(each).partition(" ")[2] == rest:
                left.remove(each)
                yield each
                break


def is_too_long() -> bool:
    """Tell whether the rich text is longer than what can be sent of one."""
    return any(len(request.form.get(name, "")) > MAX_HTML for name in ("html", "quote"))


def uploads() -> list[Upload]:
    """Return the files that came with the request."""
    return [
        Upload(
            file.filename,
            file.mimetype,
            file.stream.size if isinstance(file.stream, Held) else file.stream.seek(0, 2),
            file.stream,
        )
        for file in request.files.getlist("file")
        if file.filename
    ]


def limit() -> int:
    """Return the largest letter, in octets; 0 for none."""
    return house().settings[smtp.max_message_kb] * _KIB


def room(draft: Draft) -> int | None:
    """Return about how many octets of files still fit; None for any number."""
    most = limit()
    if not most:
        return None
    texts = 2 * len(draft.whole_html) + len(draft.text)
    return max(0, int((most - texts) / _BASE64) - sum(each.size for each in draft.kept))


def _priority(text: str) -> Priority:
    return Priority(text) if text in Priority.__members__.values() else Priority.NORMAL


def _number(form: Mapping[str, str]) -> int:
    text = form.get("draft", "")
    return int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else 0
