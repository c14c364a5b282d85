"""Letters that people write: with copies, a second form in HTML, pictures in it, and attachments.

Standards: RFC 5322 §3.6 (fields); RFC 2046 §5.1 (multiparts), §5.2.1 (messages as attachments);
    RFC 2387 (related); RFC 2183, RFC 2231 (file names); RFC 6532 (addresses beyond ASCII).
Owns: nothing; date and message id are handed in.
Never: write what a server might not take: lines are short, and ASCII; hold an attachment in memory.
Failure: LetterError names the field and the address that is wrong; HeaderError for a value that may
    not be written, so nothing can be injected.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from appliance.mail import attachment, priority
from appliance.mail.address import Address, AddressError
from appliance.mail.addresses import addresses, mailbox
from appliance.mail.attachment import Attachment
from appliance.mail.compose import text_entity
from appliance.mail.headers import HeaderError, format_date, header
from appliance.mail.html_text import html_to_text
from appliance.mail.priority import Priority

__all__ = ["Attachment", "Letter", "LetterError", "write_letter"]

_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,250}>")
_MAX_REFERENCES = 50
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


class LetterError(ValueError):
    """An address of a letter that is none.

    Attributes:
        field: Where it stands: from, to, cc, bcc or reply_to.
        value: What was typed.
        why: What is wrong with it.
        suggestion: The address that was probably meant, or "".
    """

    def __init__(self, field: str, value: str, *, why: str, suggestion: str = "") -> None:
        self.field = field
        self.value = value
        self.why = why
        self.suggestion = suggestion
        meant = f"; did you mean {suggestion}?" if suggestion else ""
        super().__init__(f'{field}: "{value}": {why}{meant}')


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as its writer knows it.

    Attributes:
        from_: Display name and address.
        to: Recipients as typed, each one or several addresses.
        cc: The same, for copies.
        bcc: The same, for copies that the others don't know of.
        reply_to: Where answers shall go, if not to `from_`.
        subject: One line.
        text: The text. Where it is empty and there is HTML, that is written as text.
        html: The same in HTML, or "".
        in_reply_to: The message id that is answered, or "".
        references: The message ids of the conversation, the oldest first.
        priority: What the writer says of its urgency.
        attachments: Files, and images that the HTML shows.
        date: When it was written, with its time zone.
        message_id: With its angle brackets; boundaries are made from it, so it is used once.
    """

    from_: tuple[str, str]
    date: datetime
    message_id: str
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    reply_to: tuple[str, ...] = ()
    subject: str = ""
    text: str = ""
    html: str = ""
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    priority: Priority = Priority.NORMAL
    attachments: tuple[Attachment, ...] = ()

    def recipients(self) -> tuple[Address, ...]:
        """All who shall get it, each once.

        Raises:
            LetterError: One of them is no address.
        """
        fields = (("to", self.to), ("cc", self.cc), ("bcc", self.bcc))
        found = (address for field, typed in fields for _, address in _checked(field, typed))
        return tuple({address.key: address for address in found}.values())


def write_letter(letter: Letter, *, with_bcc: bool) -> Iterator[bytes]:
    """Write a letter piece by piece, all of it ASCII in lines ended by CRLF.

    What is wrong with its addresses and values is found before the first piece.

    Args:
        letter: The letter.
        with_bcc: It is for the writer's own eyes, a draft or the copy that is kept: blind copies
            are written, and a field with a recipient that is no address is left as it was typed.

    Raises:
        LetterError: An address is none.
        HeaderError: A value holds a line end, or is no message id where one has to be.
    """
    fields = _draft_recipients(letter) if with_bcc else _recipients(letter)
    head = b"".join((*_fields(letter, fields), header("MIME-Version", "1.0")))
    return _written(head, _Body(letter))


def _written(head: bytes, body: _Body) -> Iterator[bytes]:
    yield head
    yield from body.write()


def _fields(letter: Letter, recipients: Sequence[bytes]) -> Iterator[bytes]:
    if not _MESSAGE_ID.fullmatch(letter.message_id):
        raise HeaderError(f"not a message id: {letter.message_id[:80]!r}; give <local@domain>")
    (name, address), *_ = _checked("from", (mailbox(*letter.from_),))
    yield header("From", mailbox(name, str(address)), utf8=not address.is_ascii)
    yield from recipients
    yield header("Subject", letter.subject)
    yield header("Date", format_date(letter.date))
    yield header("Message-ID", letter.message_id)
    if _MESSAGE_ID.fullmatch(letter.in_reply_to):
        yield header("In-Reply-To", letter.in_reply_to)
    references = [known for known in letter.references if _MESSAGE_ID.fullmatch(known)]
    if len(references) > _MAX_REFERENCES:
        references[1 : 1 - _MAX_REFERENCES] = []
    if references:
        yield header("References", " ".join(references))
    for field, value in priority.written(letter.priority):
        yield header(field, value)


def _recipients(letter: Letter) -> list[bytes]:
    fields = (("To", "to", letter.to), ("Cc", "cc", letter.cc))
    answers = (("Reply-To", "reply_to", letter.reply_to),)
    written = [
        _address_field(name, found)
        for name, field, typed in (*fields, *answers)
        if (found := _checked(field, typed))
    ]
    _checked("bcc", letter.bcc)
    if not any(typed for _, _, typed in fields):
        written.insert(0, header("To", "undisclosed-recipients:;"))
    return written


def _address_field(name: str, found: Sequence[tuple[str, Address]]) -> bytes:
    value = ", ".join(mailbox(display, str(address)) for display, address in found)
    return header(name, value, utf8=not all(address.is_ascii for _, address in found))


def _draft_recipients(letter: Letter) -> list[bytes]:
    fields = (
        ("To", letter.to),
        ("Cc", letter.cc),
        ("Bcc", letter.bcc),
        ("Reply-To", letter.reply_to),
    )
    written: list[bytes] = []
    for name, typed in fields:
        try:
            found = _checked(name, typed)
        except LetterError:
            written.append(_as_typed(name, typed))
        else:
            written += [_address_field(name, found)] if found else []
    return written


def _as_typed(name: str, typed: Sequence[str]) -> bytes:
    value = _CONTROLS.sub(" ", ", ".join(one.strip() for one in typed))
    try:
        return header(name, value)
    except HeaderError:  # an address beyond ASCII
        return header(name, value, utf8=True)


def _checked(field: str, typed: Sequence[str]) -> list[tuple[str, Address]]:
    """The names and addresses of a field.

    Raises:
        LetterError: One of them is no address.
    """
    found: list[tuple[str, Address]] = []
    for one in typed:
        before = ""
        for name, written in addresses(one):
            try:
                found.append((name, Address.parse(written)))
            except AddressError as error:
                joined = _joined_by_a_dot(before, written)
                raise LetterError(
                    field,
                    f"{before},{written}" if joined else (written or name),
                    why="there is a comma in its domain" if joined else error.why,
                    suggestion=joined or _repaired(written),
                ) from None
            before = written
    return found


def _joined_by_a_dot(before: str, written: str) -> str:
    """`print@quay` and `example` were one address, with a comma for a dot."""
    if "@" not in before or "@" in written or "." in before.rpartition("@")[2]:
        return ""
    return _address_or_nothing(f"{before}.{written}")


def _repaired(written: str) -> str:
    mended = re.sub(r"\.{2,}", ".", re.sub(r"\s+", "", written)).strip(".,;:<>()[]'\"")
    mended = re.sub(r"@+", "@", mended).replace(".@", "@").replace("@.", "@")
    return _address_or_nothing(mended) if mended != written else ""


def _address_or_nothing(text: str) -> str:
    try:
        return str(Address.parse(text))
    except AddressError:
        return ""


class _Body:
    """Writes what follows the fields of a letter; multiparts are opened and closed one by one."""

    def __init__(self, letter: Letter) -> None:
        self._letter = letter
        self._digest = hashlib.sha256(letter.message_id.encode()).hexdigest()[:24]
        self._boundaries = 0
        for one in letter.attachments:
            attachment.head(one)  # raises before anything is written

    def write(self) -> Iterator[bytes]:
        letter = self._letter
        shown = [one for one in letter.attachments if one.content_id and letter.html]
        files = [one for one in letter.attachments if one not in shown]
        if not files:
            yield from self._texts(shown)
            return
        parts = (self._texts(shown), *(attachment.entity(one) for one in files))
        yield from self._multipart("mixed", parts)

    def _texts(self, shown: Sequence[Attachment]) -> Iterator[bytes]:
        letter = self._letter
        if not letter.html:
            yield text_entity(letter.text)
            return
        text = letter.text or html_to_text(letter.html)
        yield from self._multipart("alternative", ((text_entity(text),), self._html(shown)))

    def _html(self, shown: Sequence[Attachment]) -> Iterator[bytes]:
        entity = text_entity(self._letter.html, subtype="html")
        if not shown:
            yield entity
            return
        parts = ((entity,), *(attachment.entity(one) for one in shown))
        yield from self._multipart("related", parts, '; type="text/html"')

    def _multipart(
        self, subtype: str, parts: Iterable[Iterable[bytes]], parameter: str = ""
    ) -> Iterator[bytes]:
        # RFC 2045 §6.7: "=_" is in no body in quoted-printable, nor in base64.
        self._boundaries += 1
        boundary = f"=_{self._digest}_{self._boundaries}"
        yield header("Content-Type", f'multipart/{subtype}; boundary="{boundary}"{parameter}')
        yield b"\r\n"
        delimiter = b"--" + boundary.encode("ascii")
        for part in parts:
            yield delimiter + b"\r\n"
            yield from part
        yield delimiter + b"--\r\n"
