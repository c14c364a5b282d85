"""Which messages a form means: the ticked ones, or all that a folder had when it was shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flask import request

from appliance.store.message import Flag, Folder
from webadmin.mail.mailbox import mailbox
from webadmin.mail.uids import unpack

_PIECE = 1000


@dataclass(frozen=True, slots=True)
class Choice:
    """Some messages of a folder.

    Attributes:
        named: uids that the form names; some may be gone.
        flags: of those that are there, by uid.
        is_all: the form meant the whole folder.
    """

    named: list[int]
    flags: dict[int, Flag]
    is_all: bool


def chosen(folder: Folder) -> Choice:
    """Return the messages that the form of the request names.

    `uid` is one message and may come several times, `uids` many; `all` means every message of the
    folder with a uid below `below`, so that what has come since is not meant.

    Raises:
        Invalid: a value is none of that.
    """
    form = request.form
    if form.get("all"):
        found = dict(marks(folder, below=form.get("below", folder.next_uid, int)))
        return Choice(list(found), found, is_all=True)
    texts = [*form.getlist("uid"), form.get("uids", "")]
    named = sorted({uid for text in texts for uid in unpack(text)})
    flags = {each.uid: each.flags for each in mailbox().listed(folder.id, named)}
    return Choice(named, flags, is_all=False)


def marks(
    folder: Folder, *, after: int = 0, below: int | None = None
) -> Iterator[tuple[int, Flag]]:
    """Yield uid and flags of a folder's messages, beyond one uid and before another."""
    end = folder.next_uid if below is None else below
    while piece := mailbox().marks(folder.id, after_uid=after, most=_PIECE):
        for uid, flags in piece:
            if uid >= end:
                return
            yield uid, flags
        after = piece[-1][0]
