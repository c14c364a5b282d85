"""A letter being written: from the form to a message, and from a message back to the form.

A draft is a whole message in Drafts, attachments included, so that any client can go on with it.
Two header fields of our own say what the form needs besides: the client key, which makes sending
happen once, and which message it answers. They are not in what is sent.

Owns: nothing. Failure: `LetterError` for what can't be written, with the field that is wrong.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial

from appliance.mail import headers
from appliance.mail.html import sanitise
from appliance.mail.html_text import html_to_text
from appliance.mail.letter import Attachment, Letter, write_letter
from appliance.mail.mime import parse
from appliance.mail.part import Buffer, Part, find
from appliance.mail.priority import Priority
from appliance.mail.priority import read as read_priority
from appliance.mail.transfer import decode_chunks, decoded_text
from appliance.mail.view import MAX_HTML, view
from appliance.runtime.clock import to_datetime
from appliance.store.message import Flag, Use
from webadmin.context import house
from webadmin.mail.content import number_of, opened
from webadmin.mail.mailbox import mailbox, owner, special

KEY_FIELD = "X-Posthouse-Key"
ANSWERS_FIELD = "X-Posthouse-Answers"
_MAX_TEXT = 1024 * 1024  # characters


@dataclass(frozen=True, slots=True)
class Answered:
    """The message that a letter answers or forwards.

    Attributes:
        folder_id: where it is.
        uid: which.
        how: reply, replyall or forward.
    """

    folder_id: int
    uid: int
    how: str

    def __str__(self) -> str:
        """Return the form it is kept in."""
        return f"{self.folder_id}.{self.uid}.{self.how}"

    @classmethod
    def read(cls, text: str) -> Answered | None:
        """Read what `str` wrote; None for anything else."""
        folder_id, _, rest = text.partition(".")
        uid, _, how = rest.partition(".")
        if not (
            folder_id.isdecimal() and uid.isdecimal() and how in ("reply", "replyall", "forward")
        ):
            return None
        return cls(int(folder_id[:18]), int(uid[:18]), how)


@dataclass(frozen=True, slots=True)
class Kept:
    """An attachment that the letter has already.

    Attributes:
        number: its part's in the source.
        filename: its name.
        content_type: its type.
        size: octets, about.
    """

    number: str
    filename: str
    content_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was just added.

    Attributes:
        filename: its name.
        content_type: as the browser says.
        chunks: gives its octets.
    """

    filename: str
    content_type: str
    chunks: partial[Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class Draft:
    """What the form holds.

    Attributes:
        key: the client key of this letter.
        from_: the address it is sent from.
        to: as typed.
        cc: as typed.
        bcc: as typed.
        subject: one line.
        text: the plain text.
        html: the rich text; empty for plain text only.
        priority: of the sender's choice.
        answers: what it answers; None for a new letter.
        in_reply_to: of the header.
        references: of the header.
        source: folder and uid of the message that its attachments are in; None for none.
        kept: those.
        uid: of the draft in Drafts; 0 while it is not saved.
    """

    key: str
    from_: str = ""
    to: str = ""
    cc: str = ""
    bcc: str = ""
    subject: str = ""
    text: str = ""
    html: str = ""
    priority: Priority = Priority.NORMAL
    answers: Answered | None = None
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    source: tuple[int, int] | None = None
    kept: tuple[Kept, ...] = field(default=())
    uid: int = 0


def new_key() -> str:
    """Return the key of a new letter."""
    return secrets.token_hex(16)


def addresses() -> list[str]:
    """Return the addresses the signed-in mailbox may send from."""
    return [each.address for each in house().directory.addresses(mailbox=owner().login)]


def read_form(form: Mapping[str, str], numbers: Iterable[str]) -> Draft:
    """Return what was typed.

    Args:
        form: the fields.
        numbers: parts of the source that are to stay.
    """
    html = _clean(form.get("html", "")) if form.get("format") == "html" else ""
    text = html_to_text(html) if html else form.get("text", "")[:_MAX_TEXT]
    source = Answered.read(f"{form.get('source', '')}.forward")
    wanted = set(numbers)
    kept = [each for each in attachments(source) if each.number in wanted] if source else []
    return Draft(
        key=form.get("key", "") or new_key(),
        from_=form.get("from", ""),
        to=form.get("to", ""),
        cc=form.get("cc", ""),
        bcc=form.get("bcc", ""),
        subject=" ".join(form.get("subject", "").split()),
        text=text,
        html=html,
        priority=_priority(form.get("priority", "")),
        answers=Answered.read(form.get("answers", "")),
        in_reply_to=form.get("in_reply_to", ""),
        references=tuple(form.get("references", "").split()),
        source=(source.folder_id, source.uid) if source else None,
        kept=tuple(kept),
        uid=int(form["draft"]) if form.get("draft", "").isdecimal() else 0,
    )


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
        text = decoded_text(seen.text, octets, most=_MAX_TEXT) if seen.text else ""
        found = headers.addresses(known.get("from", ""))
        return Draft(
            key=known.get(KEY_FIELD.lower(), "") or new_key(),
            from_=found[0][1] if found else "",
            to=known.get("to", ""),
            cc=known.get("cc", ""),
            bcc=known.get("bcc", ""),
            subject=known.get("subject", ""),
            text=text or html_to_text(html),
            html=_clean(html),
            priority=read_priority(known.items()),
            answers=Answered.read(known.get(ANSWERS_FIELD.lower(), "")),
            in_reply_to=known.get("in-reply-to", ""),
            references=tuple(known.get("references", "").split()),
            source=(folder.id, uid),
            kept=tuple(_kept(part) for part in seen.attachments),
            uid=uid,
        )


def save(draft: Draft, uploads: Sequence[Upload] = ()) -> Draft:
    """Save a draft, in place of the version before; returns it as it now is.

    Raises:
        LetterError: it can't be written.
        OSError: the disk is full; nothing is saved.
    """
    folder = special(Use.DRAFTS)
    content = mailbox().content()
    ours = [(KEY_FIELD, draft.key)]
    if draft.answers:
        ours.append((ANSWERS_FIELD, str(draft.answers)))
    try:
        for name, value in ours:
            content.write(headers.header(name, value))
        with written(draft, uploads, with_bcc=True) as chunks:
            for chunk in chunks:
                content.write(chunk)
        flags = Flag.SEEN | Flag.DRAFT
        uid = mailbox().append(folder.id, content, flags=flags, replaces=draft.uid or None)
    except BaseException:
        content.abandon()
        raise
    saved = open_draft(uid)
    assert saved is not None
    return saved


@contextmanager
def written(
    draft: Draft, uploads: Sequence[Upload] = (), *, with_bcc: bool
) -> Iterator[Iterator[bytes]]:
    """Give a letter's octets, piece by piece.

    Args:
        draft: what was written.
        uploads: attachments besides those of its source.
        with_bcc: for the writer's own eyes: with Bcc, and recipients are left as they were typed.

    Raises:
        LetterError: it can't be written.
    """
    with ExitStack() as stack:
        files = [_uploaded(each) for each in uploads]
        if draft.source and draft.kept:
            message = mailbox().message(*draft.source)
            if message is not None:
                octets = stack.enter_context(opened(message))
                root = parse(octets)
                parts = [
                    find(root, "" if each.number == "0" else each.number) for each in draft.kept
                ]
                files = [_copied(part, octets) for part in parts if part] + files
        yield write_letter(_letter(draft, tuple(files)), with_bcc=with_bcc)


def _letter(draft: Draft, files: tuple[Attachment, ...]) -> Letter:
    domain = draft.from_.rpartition("@")[2] or house().local_domain
    return Letter(
        from_=(owner().full_name, draft.from_),
        to=_several(draft.to),
        cc=_several(draft.cc),
        bcc=_several(draft.bcc),
        subject=draft.subject,
        text=draft.text,
        html=draft.html,
        in_reply_to=draft.in_reply_to,
        references=draft.references,
        priority=draft.priority,
        attachments=files,
        date=to_datetime(house().clock.now_us()),
        message_id=f"<{draft.key}@{domain}>",
    )


def _several(typed: str) -> tuple[str, ...]:
    return (typed,) if typed.strip() else ()


def _uploaded(upload: Upload) -> Attachment:
    return Attachment(upload.filename, upload.content_type, upload.chunks)


def _copied(part: Part, octets: Buffer) -> Attachment:
    return Attachment(part.filename, part.type, partial(decode_chunks, part, octets))


def attachments(source: Answered) -> tuple[Kept, ...]:
    """Return the attachments of a message of the mailbox."""
    message = mailbox().message(source.folder_id, source.uid)
    if message is None:
        return ()
    with opened(message) as octets:
        seen = view(parse(octets), octets)
        return tuple(_kept(part) for part in seen.attachments)


def recipients(draft: Draft) -> list[str]:
    """Return the addresses a letter goes to, as they were typed."""
    return [
        address
        for typed in (draft.to, draft.cc, draft.bcc)
        for _, address in headers.addresses(typed)
    ]


def _kept(part: Part) -> Kept:
    return Kept(number_of(part), part.filename, part.type, part.size)


def _clean(html: str) -> str:
    """Return what may be sent of a rich text: no scripts, no images from elsewhere."""
    return sanitise(html[:_MAX_TEXT], cid={}, remote_images=False).html if html.strip() else ""


def _priority(text: str) -> Priority:
    return Priority(text) if text in Priority.__members__.values() else Priority.NORMAL
