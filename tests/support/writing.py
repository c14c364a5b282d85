"""Somebody who writes letters in webmail without script: forms filled in, and what came of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from html import unescape
from io import BytesIO
from typing import Any

from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import TestResponse, encode_multipart

from appliance.operations.house import House
from appliance.queue.entry import Claimed, Connector
from appliance.store.mailbox import MailboxStore
from appliance.store.message import Use
from tests.support.webmail import Reader

_INPUT = re.compile(r"<input ([^>]*)>")
_TEXTAREA = re.compile(r'<textarea [^>]*?name="(\w+)"[^>]*>\n?(.*?)</textarea>', re.DOTALL)
_SELECT = re.compile(r'<select [^>]*?name="(\w+)"[^>]*>(.*?)</select>', re.DOTALL)
_CHOSEN = re.compile(r'<option value="([^"]*)" selected')
_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')
_WRONG = re.compile(r'id="(\w+)-wrong"[^>]*>(.*?)</div>', re.DOTALL)
_TAG = re.compile(r"<[^>]+>")


@dataclass
class Form:
    """The form of a letter as a browser without script fills it in."""

    page: str
    fields: MultiDict[str, Any] = field(default_factory=MultiDict)

    def __post_init__(self) -> None:
        """Take the fields as they stand on the page."""
        form = self.page[self.page.index('id="compose"') :]
        form = form[: form.index("</form>")]
        for text in _INPUT.findall(form):
            attributes = dict(_ATTRIBUTE.findall(text))
            if attributes.get("name") and attributes.get("type") != "file":
                self.fields.add(attributes["name"], unescape(attributes["value"]))
        for name, text in _TEXTAREA.findall(form):
            self.fields.add(name, unescape(text))
        for name, text in _SELECT.findall(form):
            chosen = _CHOSEN.search(text)
            self.fields.add(name, unescape(chosen[1]) if chosen else "")

    def __getitem__(self, name: str) -> str:
        """A field's value."""
        return str(self.fields[name])

    @property
    def files(self) -> list[str]:
        """The names of its attachments."""
        found = re.findall(r'<span class="name cut" dir="auto" title="([^"]*)">', self.page)
        return [unescape(name) for name in found]

    @property
    def wrong(self) -> dict[str, str]:
        """What is said beside its fields."""
        said = {
            name: " ".join(unescape(_TAG.sub("", text)).split())
            for name, text in _WRONG.findall(self.page)
        }
        return {name: text for name, text in said.items() if text}


@dataclass
class Writer:
    """Somebody signed in, and the house their letters go to."""

    reader: Reader
    house: House

    def begin(self, path: str = "/webmail/compose") -> Form:
        """Open the page of a letter."""
        return Form(self.reader.page(path))

    def answer(self, how: str, uid: int, use: Use = Use.INBOX) -> Form:
        """Begin a reply or a forward."""
        folder = self.reader.id(use)
        return self.begin(f"/webmail/compose?answer={how}&folder={folder}&uid={uid}")

    def press(self, form: Form, do: str, *files: tuple[str, bytes], **changed: str) -> TestResponse:
        """Fill in fields and press a button."""
        return self._post(_filled(form, do, files, changed), {})

    def press_by_script(
        self, form: Form, do: str, *files: tuple[str, bytes], **changed: str
    ) -> tuple[int, dict[str, Any]]:
        """Do the same as the page's script does; returns the status and what it is told."""
        answer = self._post(_filled(form, do, files, changed), {"Accept": "application/json"})
        told: dict[str, Any] = answer.get_json()
        return answer.status_code, told

    def _post(self, fields: MultiDict[str, Any], headers: dict[str, str]) -> TestResponse:
        boundary, body = encode_multipart(fields)
        return self.reader.visitor.client.post(
            "/webmail/compose",
            base_url="https://mail.test",
            data=body,
            headers=headers,
            content_type=f"multipart/form-data; boundary={boundary}",
        )

    def follow(self, answer: TestResponse) -> Form:
        """Go where an answer leads, and find the form there."""
        assert answer.status_code == 303, answer.text
        return self.begin(answer.location)

    def drafts(self) -> list[EmailMessage]:
        """What lies in Drafts."""
        return letters(self.reader.box, Use.DRAFTS)

    def copies(self) -> list[EmailMessage]:
        """What lies in Sent Items."""
        return letters(self.reader.box, Use.SENT)

    def sent(self) -> list[tuple[EmailMessage, list[str]]]:
        """What they have sent since this was asked last: each letter with its recipients."""
        entries: dict[str, list[Claimed]] = {}
        for each in self.house.queue.claim(Connector.UNROUTED, 1000):
            if str(each.envelope.reverse_path) == self.reader.address:
                entries.setdefault(each.entry_id, []).append(each)
        return [
            (
                parsed(self.house.queue.content_of(some[0]).read()),
                sorted(str(each.recipient.address) for each in some),
            )
            for some in entries.values()
        ]


def _filled(
    form: Form, do: str, files: Iterable[tuple[str, bytes]], changed: Mapping[str, str]
) -> MultiDict[str, Any]:
    fields = MultiDict(form.fields)
    for name, value in changed.items():
        fields.setlist(name.removesuffix("_"), [value])
    fields["do"] = do
    for name, octets in files:
        fields.add("file", FileStorage(BytesIO(octets), filename=name))
    return fields


def letters(box: MailboxStore, use: Use) -> list[EmailMessage]:
    """Return the messages of a special folder, oldest first."""
    folder = box.special(use)
    found = [box.message(folder.id, each.uid) for each in box.every(folder.id)]
    return [parsed(each.read()) for each in found if each is not None]


def parsed(octets: bytes) -> EmailMessage:
    """Read a message as other people's programs do."""
    found = BytesParser(policy=policy.default).parsebytes(octets)
    assert isinstance(found, EmailMessage)
    return found


def files_of(message: EmailMessage) -> dict[str, bytes]:
    """Return the attachments of a message by name."""
    return {
        str(part.get_filename()): part.get_payload(decode=True) or b""  # type: ignore[misc]
        for part in message.iter_attachments()
    }


def text_of(message: EmailMessage, kind: str = "plain") -> str:
    """Return the text of a message in one of its forms, without the last line's end."""
    part = message.get_body((kind,))
    text = str(part.get_content()) if part is not None else ""
    return text.replace("\r\n", "\n").removesuffix("\n")


def types_of(message: EmailMessage) -> list[str]:
    """Return the types of all its parts."""
    return [part.get_content_type() for part in message.walk()]
