"""Toasts: what has happened, in a sentence, with a form that undoes it where that can be.

A toast waits for the next page that is shown: within a request that answers with a part of a page
for this one, otherwise, in the session's cookie, for the page that the answer leads to.

Owns: nothing but what Flask keeps for a request and in the cookie.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from flask import Flask, flash, g, get_flashed_messages, request, url_for
from flask.sessions import SecureCookieSessionInterface

from webadmin.rooms import place

_CATEGORY = "toast"
_COOKIE_MAX = 2000  # octets; browsers drop cookies of more than 4 KiB


class ToastCookie(SecureCookieSessionInterface):
    """The cookie in which toasts wait: of one room, and of https where the page is."""

    def get_cookie_path(self, app: Flask) -> str:
        """Return the room's path."""
        here = place()
        return here.prefix if here else super().get_cookie_path(app)

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002 - Flask's interface
        """Tell whether the page came by https."""
        return request.is_secure


@dataclass(frozen=True, slots=True)
class Toast:
    """One toast.

    Attributes:
        text: what has happened.
        undo_action: the address to which the form that undoes it is posted; empty for none.
        undo_fields: the fields of that form, besides the proof that it is ours.
    """

    text: str
    undo_action: str = ""
    undo_fields: Mapping[str, str] = field(default_factory=dict)


def toast(text: str, *, undo: tuple[str, Mapping[str, str]] | None = None) -> None:
    """Say what has happened.

    Args:
        text: a sentence, translated.
        undo: endpoint and fields of the form that undoes it. What does not fit into a cookie is
            said without it.
    """
    said = Toast(text) if undo is None else Toast(text, url_for(undo[0]), dict(undo[1]))
    if request.headers.get("HX-Request"):
        _of_request().append(said)
    else:
        _flash(said)


def keep() -> None:
    """Keep the toasts of this request for the page that its answer leads to."""
    for said in _of_request():
        _flash(said)
    g.pop("toasts", None)


def waiting() -> list[Toast]:
    """Return the toasts that have not been shown, oldest first; they count as shown then.

    Plain texts that were flashed are toasts without undo.
    """
    flashed = cast("list[tuple[str, str]]", get_flashed_messages(with_categories=True))
    found = [
        Toast(**json.loads(text)) if category == _CATEGORY else Toast(text)
        for category, text in flashed
    ]
    found += _of_request()
    g.pop("toasts", None)
    return found


def _of_request() -> list[Toast]:
    held: list[Toast] = g.setdefault("toasts", [])
    return held


def _flash(said: Toast) -> None:
    written = _write(said)
    flash(written if len(written) <= _COOKIE_MAX else _write(Toast(said.text)), _CATEGORY)


def _write(said: Toast) -> str:
    fields = {"text": said.text, "undo_action": said.undo_action, "undo_fields": said.undo_fields}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
