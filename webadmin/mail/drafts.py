"""Letters being written, in the store: saved in Drafts, opened again, written out.

A draft is a whole message, attachments included, so that any client can go on with it. Two header
fields of our own say what the form needs besides: the client key, which makes sending happen once,
and which message it answers. They are not in what is sent.

Owns: nothing. Failure: `LetterError` and `HeaderError` for what can't be written; `SourceGone`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial

from flask_babel import get_timezone
from werkzeug.exceptions import NotFound

from appliance.mail import headers
from appliance.mail.html_text import html_to_text
from appliance.mail.letter import Attachment, Letter, write_letter
from appliance.mail.mime import parse
from appliance.mail.part import Buffer, Part, find
from appliance.mail.priority import read as read_priority
from appliance.mail.transfer import decode_chunks, decoded_text
from appliance.mail.view import MAX_HTML, View, view
from appliance.runtime.clock import to_datetime
from appliance.store.errors import FolderNotFound
from appliance.store.message import Flag, Use
from webadmin.context import house
from webadmin.mail import rich
from webadmin.mail.content import number_of, opened
from webadmin.mail.draft import Answered, Draft, Kept, Source, Upload, key, new_page
from webadmin.mail.mailbox import mailbox, owner, special

KEY_FIELD = "X-Posthouse-Key"
ANSWERS_FIELD = "X-Posthouse-Answers"
_CONTENT_ID = re.compile(r"[!-;=?-~]{1,250}")  # what may be written again


class SourceGone(Exception):
    """The message that a letter has its attachments from is there no longer."""


def addresses() -> list[str]:
    """Return the addresses the signed-in mailbox may send from."""
    return [each.address for each in house().directory.addresses(mailbox=owner().login)]


def now() -> datetime:
    """Return the time as it stands in a letter: the writer's."""
    return to_datetime(house().clock.now_us()).astimezone(get_timezone())


def open_draft(uid: int) -> Draft | None:
    """Return the draft of a uid, as it was saved; None when it is gone."""
    folder = special(Use.DRAFTS)
    message = mailbox().message(folder.id, uid)
    if message is None:
        return None
    with opened(message) as octets:
        root = parse(octets)
        seen = view(root, octets)
        known = {name.lower(): value for name, value in headers.fields(octets[: root.start])}
        html = decoded_text(seen.html, octets, most=MAX_HTML) if seen.html else ""
        html, quote = rich.parted(rich.clean(html))
        found = headers.addresses(known.get("from", ""))
        return Draft(
            key=key(known.get(KEY_FIELD.lower(), "")),
            page=new_page(),
            from_=found[0][1] if found else "",
            to=known.get("to", ""),
            cc=known.get("cc", ""),
            bcc=known.get("bcc", ""),
            subject=known.get("subject", ""),
            text=_text(seen, octets),
            html=html,
            quote=quote,
            is_rich=seen.html is not None,
            priority=read_priority(known.items()),
            answers=Answered.read(known.get(ANSWERS_FIELD.lower(), "")),
            in_reply_to=known.get("in-reply-to", ""),
            references=tuple(known.get("references", "").split()),
            source=Source(folder.id, uid),
            kept=tuple(_kept(part) for part in seen.attachments),
            uid=uid,
        )


def current(draft: Draft) -> int:
    """Return the uid that a draft has now; 0 when it is not saved.

    Its page may know an older one, or none: an answer to it was lost on the way.
    """
    folder = special(Use.DRAFTS)
    if draft.uid and draft.uid in dict(mailbox().marks(folder.id, after_uid=draft.uid - 1, most=1)):
        return draft.uid
    found, after = 0, 0
    while piece := mailbox().every(folder.id, after_uid=after):
        for each in piece:
            if each.summary.message_id.startswith(f"<{draft.name}@"):
                found = each.uid
        after = piece[-1].uid
    return found


def save(draft: Draft, uploads: Sequence[Upload] = ()) -> Draft:
    """Save a draft, in place of the version before; returns it as it now is.

    Raises:
        LetterError: it can't be written.
        HeaderError: the same.
        SourceGone: its attachments are gone.
        OSError: the disk is full; nothing is saved.
    """
    folder = special(Use.DRAFTS)
    content = mailbox().content()
    try:
        content.write(headers.header(KEY_FIELD, draft.key))
        if draft.answers:
            content.write(headers.header(ANSWERS_FIELD, str(draft.answers)))
        with written(draft, uploads, with_bcc=True, at=now(), name=draft.name) as chunks:
            for chunk in chunks:
                content.write(chunk)
    except BaseException:
        content.abandon()
        raise
    flags = Flag.SEEN | Flag.DRAFT
    uid = mailbox().append(folder.id, content, flags=flags, replaces=draft.uid or None)
    saved = open_draft(uid)
    assert saved is not None
    return replace(saved, page=draft.page)


@contextmanager
def written(
    draft: Draft, uploads: Sequence[Upload] = (), *, with_bcc: bool, at: datetime, name: str
) -> Iterator[Iterator[bytes]]:
    """Give a letter's octets, piece by piece.

    Args:
        draft: what was written.
        uploads: attachments besides those it has.
        with_bcc: for the writer's own eyes: with Bcc, and recipients are left as they were typed.
        at: its date.
        name: what its message id begins with.

    Raises:
        LetterError: it can't be written.
        HeaderError: the same.
        SourceGone: its attachments are gone.
    """
    files = [Attachment(each.filename, each.content_type, each.chunks) for each in uploads]
    with open_source(draft.source) as octets:
        if octets is not None:
            files = [*_carried(draft, octets), *files]
        elif draft.kept:
            raise SourceGone
        # A draft can be saved in a mailbox that has no address (any more).
        from_ = draft.from_ or owner().login
        letter = Letter(
            from_=(owner().full_name, from_),
            to=_typed(draft.to),
            cc=_typed(draft.cc),
            bcc=_typed(draft.bcc),
            subject=draft.subject,
            text=draft.whole_text,
            html=draft.whole_html,
            in_reply_to=draft.in_reply_to,
            references=draft.references,
            priority=draft.priority,
            attachments=tuple(files),
            date=at,
            message_id=f"<{name}@{from_.rpartition('@')[2] or house().local_domain}>",
        )
        yield write_letter(letter, with_bcc=with_bcc)


def attachments(source: Source | None) -> tuple[Kept, ...]:
    """Return the attachments of a message of the mailbox; none when it is gone."""
    with open_source(source) as octets:
        seen = view(parse(octets), octets).attachments if octets is not None else ()
        return tuple(_kept(part) for part in seen)


@contextmanager
def open_source(source: Source | None) -> Iterator[Buffer | None]:
    """Give the octets of a message of the mailbox; None when it, or its folder, is gone."""
    with ExitStack() as stack:
        octets = None
        if source is not None:
            with suppress(FolderNotFound, NotFound):
                message = mailbox().message(source.folder_id, source.uid)
                octets = stack.enter_context(opened(message)) if message else None
        yield octets


def _text(seen: View, octets: Buffer) -> str:
    """Return all of a letter as plain text, without the line end that closes it."""
    parts = [part for part in (seen.text or seen.html, *seen.more) if part is not None]
    texts = [(part.type, decoded_text(part, octets)) for part in parts]
    shown = [html_to_text(text) if type_ == "text/html" else text for type_, text in texts]
    return "\n".join(text.removesuffix("\n") for text in shown)


def _carried(draft: Draft, octets: Buffer) -> Iterator[Attachment]:
    """Yield what the letter has of its source: attachments that stay, pictures that it shows."""
    root = parse(octets)
    for kept in draft.kept:
        part = find(root, "" if kept.number == number_of(root) else kept.number)
        if part is not None:
            yield _copied(part, octets, filename=kept.filename)
    shown = rich.cids(draft.whole_html)
    for cid, part in view(root, octets).inline.items():
        if cid in shown and _CONTENT_ID.fullmatch(cid):
            yield _copied(part, octets, filename=part.filename, content_id=cid)


def _copied(part: Part, octets: Buffer, *, filename: str, content_id: str = "") -> Attachment:
    is_text = part.type.startswith("text/") and part.charset
    type_ = f"{part.type}; charset={part.charset}" if is_text else part.type
    return Attachment(filename, type_, partial(decode_chunks, part, octets), content_id)


def _typed(text: str) -> tuple[str, ...]:
    return (text,) if text.strip() else ()


def _kept(part: Part) -> Kept:
    return Kept(number_of(part), part.filename, part.type, part.size)
