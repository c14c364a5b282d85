"""A letter being written, as its form holds it.

Owns: nothing; all of it are frozen values.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from appliance.mail import headers
from appliance.mail.html_text import html_to_text
from appliance.mail.priority import Priority
from webadmin.mail.rich import joined

KINDS = ("reply", "replyall", "forward")
_KEY = re.compile(r"[0-9a-f]{32}")
_PAGE = re.compile(r"[0-9a-f]{16}")
_ANSWERED = re.compile(rf"(\d{{1,18}})\.(\d{{1,18}})\.({'|'.join(KINDS)})", re.ASCII)
_PLACE = re.compile(r"(\d{1,18})\.(\d{1,18})", re.ASCII)
_CHUNK = 57 * 1024  # a whole number of base64 lines


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
        found = _ANSWERED.fullmatch(text)
        return cls(int(found[1]), int(found[2]), found[3]) if found else None


@dataclass(frozen=True, slots=True)
class Source:
    """The message that holds what a letter has already: attachments, pictures of its text.

    It is the draft as it was saved last, or, before that, the message that is forwarded.

    Attributes:
        folder_id: where it is.
        uid: which.
    """

    folder_id: int
    uid: int

    def __str__(self) -> str:
        """Return the form it is kept in."""
        return f"{self.folder_id}.{self.uid}"

    @classmethod
    def read(cls, text: str) -> Source | None:
        """Read what `str` wrote; None for anything else."""
        found = _PLACE.fullmatch(text)
        return cls(int(found[1]), int(found[2])) if found else None


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

    def __str__(self) -> str:
        """Return what the form says of it."""
        return f"{self.number} {self.size} {self.filename}"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was just added.

    Attributes:
        filename: its name.
        content_type: as the browser says.
        size: octets.
        file: what holds them.
    """

    filename: str
    content_type: str
    size: int
    file: IO[bytes]

    def chunks(self) -> Iterator[bytes]:
        """Yield its octets, from the beginning each time."""
        self.file.seek(0)
        while chunk := self.file.read(_CHUNK):
            yield chunk


@dataclass(frozen=True, slots=True)
class Draft:
    """What the form holds.

    Attributes:
        key: the client key of this letter.
        page: the page it is written on: what that page saved before is replaced, and nothing else.
        from_: the address it is sent from; empty when the mailbox has none.
        to: as typed.
        cc: as typed.
        bcc: as typed.
        subject: one line.
        text: the plain text; of a rich letter what a page without script shows of it.
        html: the rich text, without the quotation, see `webadmin.mail.rich`.
        quote: the quotation of a rich letter.
        is_rich: it is sent as HTML with a plain alternative; otherwise as plain text only.
        priority: of the sender's choice.
        answers: what it answers; None for a new letter.
        in_reply_to: of the header.
        references: of the header.
        source: where `kept` and pictures are; None for nowhere.
        kept: its attachments.
        lost: how many attachments it had that are there no longer.
        uid: of the draft in Drafts; 0 while it is not saved.
    """

    key: str
    page: str
    from_: str = ""
    to: str = ""
    cc: str = ""
    bcc: str = ""
    subject: str = ""
    text: str = ""
    html: str = ""
    quote: str = ""
    is_rich: bool = True
    priority: Priority = Priority.NORMAL
    answers: Answered | None = None
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    source: Source | None = None
    kept: tuple[Kept, ...] = ()
    lost: int = 0
    uid: int = 0

    @property
    def name(self) -> str:
        """What its message id begins with while it is a draft."""
        return f"{self.key}-{self.page}"

    @property
    def whole_html(self) -> str:
        """The rich text with the quotation; empty for plain text."""
        return joined(self.html, self.quote) if self.is_rich else ""

    @property
    def whole_text(self) -> str:
        """The letter as plain text."""
        return html_to_text(self.whole_html) if self.is_rich else self.text

    @property
    def is_blank(self) -> bool:
        """Whether nothing was written or added by anybody."""
        typed = (self.to, self.cc, self.bcc, self.subject, self.whole_text)
        return not self.kept and not any(each.strip() for each in typed)

    def recipients(self) -> list[str]:
        """Return the addresses it goes to, as they were typed."""
        return [
            address
            for typed in (self.to, self.cc, self.bcc)
            for _, address in headers.addresses(typed)
        ]

    def submission(self, filenames: list[str]) -> str:
        """Return the key under which this letter is sent, with these words, once.

        The same letter again is the same submission, however often it is posted, and also when it
        was saved and opened in between. Changed meanwhile it is another: nothing that somebody
        sends is dropped silently.
        """
        said = (
            sorted({address.casefold() for address in self.recipients()}),
            self.subject,
            self.is_rich,
            self.whole_text.split(),
            sorted(filenames),
        )
        digest = hashlib.sha256(json.dumps(said).encode()).hexdigest()
        return f"{self.key}-{digest[:16]}"


def new_key() -> str:
    """Return the key of a new letter."""
    return secrets.token_hex(16)


def new_page() -> str:
    """Return the name of a new page."""
    return secrets.token_hex(8)


def key(text: str) -> str:
    """Return a key that came back; a new one in place of what is none."""
    return text if _KEY.fullmatch(text) else new_key()


def page(text: str) -> str:
    """Return the name of a page that came back; a new one in place of what is none."""
    return text if _PAGE.fullmatch(text) else new_page()
