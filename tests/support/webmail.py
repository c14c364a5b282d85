"""Somebody signed in to webmail, in a mailbox of their own, and what pages say to them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html import unescape
from itertools import count
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from appliance.operations.house import House
from appliance.operations.mailboxes import CreateMailbox
from appliance.store.mailbox import MailboxStore
from appliance.store.message import NO_FLAGS, Flag, Use
from tests.support.boxes import file, letter
from tests.support.town import PASSWORD, Town
from tests.support.webtest import Visitor, sign_in

_numbers = count(1)
_TOAST = re.compile(r'<div class="toast" data-toast><span>(.*?)</span>')
_UNDO = re.compile(r'<form method="post" action="/webmail/undo">(.*?)</form>', re.DOTALL)
_FIELD = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


@dataclass(frozen=True, slots=True)
class Post:
    """The house and the application that all tests share."""

    house: House
    town: Town
    app: Flask


class Reader:
    """Somebody signed in to webmail."""

    def __init__(self, post: Post, *, quota_kb: int = 0) -> None:
        self.login = f"r{next(_numbers)}@alpha"
        made = CreateMailbox(mailbox=self.login, password=PASSWORD, quota_kb=quota_kb)
        post.town.do(made)
        mailbox = post.house.directory.mailbox(self.login)
        assert mailbox is not None
        self.box: MailboxStore = post.house.store.mailbox(mailbox.postoffice_id, mailbox.id)
        self.visitor: Visitor = sign_in(post.app, "webmail", self.login)
        self.address = f"{mailbox.name}@alpha.test"

    def id(self, use: Use = Use.INBOX) -> int:
        """The id of a special folder."""
        return self.box.special(use).id

    def file(
        self, octets: bytes = letter(), flags: Flag = NO_FLAGS, *, use: Use = Use.INBOX
    ) -> int:
        """File a message; returns its uid."""
        return file(self.box, self.id(use), octets, flags=flags)

    def get(self, path: str, *, into: str = "", **headers: str) -> TestResponse:
        """Ask for a page, or as htmx for what goes into a place of it."""
        return self.visitor.get(path, headers=_htmx(into) | headers)

    def page(self, path: str, *, into: str = "") -> str:
        """Return a page that has to be there."""
        answer = self.get(path, into=into)
        assert answer.status_code == 200, answer.text
        return str(answer.text)

    def post(self, path: str, *, into: str = "", **fields: Any) -> TestResponse:  # noqa: ANN401
        """Send a form."""
        return self.visitor.post(path, fields, headers=_htmx(into))

    def act(
        self, do: str, *uids: int, use: Use = Use.INBOX, into: str = "fresh", **fields: str
    ) -> TestResponse:
        """Do something with messages of a special folder."""
        path = f"/webmail/{self.id(use)}/act"
        return self.post(path, into=into, do=do, uid=[str(uid) for uid in uids], **fields)

    def undo(self, answer: TestResponse) -> TestResponse:
        """Press the Undo of the latest toast."""
        return self.post("/webmail/undo", into="fresh", **undo_of(answer))

    def flags(self, use: Use = Use.INBOX) -> dict[int, Flag]:
        """The flags of a special folder's messages, by uid."""
        return dict(self.box.marks(self.id(use)))


def toasts(answer: TestResponse) -> list[str]:
    """Return what the toasts of a page say."""
    return [unescape(text) for text in _TOAST.findall(answer.text)]


def undo_of(answer: TestResponse) -> dict[str, str]:
    """Return the fields of the latest toast's Undo."""
    forms = _UNDO.findall(answer.text)
    assert forms, toasts(answer)
    fields = dict(_FIELD.findall(forms[-1]))
    fields.pop("csrf")
    return fields


def event(answer: TestResponse) -> dict[str, Any]:
    """Return what an answer tells the page."""
    told: dict[str, Any] = json.loads(answer.headers["HX-Trigger"])["mail:changed"]
    return told


def _htmx(into: str) -> dict[str, str]:
    return {"HX-Request": "true", "HX-Target": f"section#{into}"} if into else {}
