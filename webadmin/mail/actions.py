"""What is done with messages: move, delete, junk, mark; each answered by a toast that undoes it.

A form names its messages (see `choice`) and what to do as `do`: a name of `Do`, or `move-ID` with
the id of the folder to move them to. Only what can't be undone asks first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from flask import request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response as BaseResponse

from appliance.operations.operation import Invalid
from appliance.store.message import NO_FLAGS, Flag, Folder, Use
from webadmin.mail.answers import Answer, answer, ask_first
from webadmin.mail.choice import Choice, chosen
from webadmin.mail.mailbox import mailbox, special, title
from webadmin.mail.uids import pack, unpack
from webadmin.toasts import toast

UNDO_MOST = 60_000  # characters of uids that an undo form carries
_MOVE = "move-"


class Do(StrEnum):
    """What a form may ask for, besides moving to a folder."""

    DELETE = "delete"
    EXPUNGE = "expunge"  # delete for good; the answer to the question that DELETE asks in the trash
    JUNK = "junk"
    NOT_JUNK = "notjunk"
    READ = "read"
    UNREAD = "unread"
    FLAG = "flag"
    UNFLAG = "unflag"


@dataclass(frozen=True, slots=True)
class _Mark:
    """A flag to set or to clear."""

    flag: Flag
    is_set: bool

    @property
    def add(self) -> Flag:
        return self.flag if self.is_set else NO_FLAGS

    @property
    def remove(self) -> Flag:
        return NO_FLAGS if self.is_set else self.flag


_MARKS = {
    Do.READ: _Mark(Flag.SEEN, is_set=True),
    Do.UNREAD: _Mark(Flag.SEEN, is_set=False),
    Do.FLAG: _Mark(Flag.FLAGGED, is_set=True),
    Do.UNFLAG: _Mark(Flag.FLAGGED, is_set=False),
}
_OPPOSITE = {Do.READ: Do.UNREAD, Do.UNREAD: Do.READ, Do.FLAG: Do.UNFLAG, Do.UNFLAG: Do.FLAG}


def act(folder_id: int) -> BaseResponse:
    """Do something with messages of a folder."""
    folder = mailbox().folder(folder_id)
    do = request.form.get("do", "")
    choice = chosen(folder)
    if not choice.flags:
        toast(_("No message is chosen, or they are gone. Tick some first."))
        return answer(Answer(folder, gone=pack(choice.named)))
    if do.startswith(_MOVE) and do[len(_MOVE) :].isdecimal():
        return _move(folder, choice, mailbox().folder(int(do[len(_MOVE) :])))
    if do not in Do.__members__.values():
        raise Invalid(f"{do[:40]!r} is nothing that can be done with a message", field="do")
    wanted = Do(do)
    if wanted in _MARKS:
        return _mark(folder, choice, wanted)
    if wanted is Do.JUNK:
        return _move(folder, choice, special(Use.JUNK))
    if wanted is Do.NOT_JUNK:
        return _move(folder, choice, special(Use.INBOX))
    if folder.use != Use.TRASH:
        return _move(folder, choice, special(Use.TRASH))
    if wanted is Do.DELETE:
        return ask_first(
            folder,
            question=ngettext(
                "Delete %(num)s message for good?",
                "Delete %(num)s messages for good?",
                len(choice.flags),
            ),
            text=_("It can't be undone."),
            action=url_for("webmail.act", folder_id=folder.id),
            fields={"do": Do.EXPUNGE, "uids": pack(choice.flags)},
            button=_("Delete for good"),
        )
    return _expunge(folder, choice)


def undo() -> BaseResponse:
    """Put back what an action has done; what is gone meanwhile stays gone."""
    form = request.form
    what = form.get("what", "")
    uids = unpack(form.get("uids", ""))
    folder = mailbox().folder(_id("folder"))
    if what == "move":
        home = mailbox().folder(_id("home"))
        count = len(mailbox().move(folder.id, uids, home.id))
        toast(ngettext("%(num)s message is back", "%(num)s messages are back", count))
        return answer(Answer(home, is_stale=True))
    if what == "name":
        renamed = mailbox().rename_folder(folder.id, form.get("name", ""))
        toast(_("The folder is called %(name)s again", name=renamed.name))
        return answer(Answer(renamed, leads_there=True))
    if what == "folder":
        home = mailbox().create_folder(form.get("name", ""))
        mailbox().move(folder.id, uids, home.id)
        toast(_("The folder %(name)s is back", name=title(home)))
        return answer(Answer(home, leads_there=True))
    if what not in _MARKS:
        raise Invalid(f"{what[:40]!r} is nothing that can be undone", field="what")
    mark = _MARKS[Do(what)]
    count = mailbox().flag(folder.id, uids, add=mark.add, remove=mark.remove)
    toast(ngettext("%(num)s message is as before", "%(num)s messages are as before", count))
    return answer(Answer(folder, marked=pack(uids), flag=mark.flag, is_set=mark.is_set))


def undo_fields(
    what: str, folder: Folder, uids: Iterable[int], **more: str
) -> dict[str, str] | None:
    """Return the fields of a form that undoes something; None when they would be too many."""
    packed = pack(uids)
    if len(packed) > UNDO_MOST:
        return None
    return {"what": what, "folder": str(folder.id), "uids": packed, **more}


def _move(folder: Folder, choice: Choice, target: Folder) -> BaseResponse:
    moved = mailbox().move(folder.id, choice.flags, target.id) if target.id != folder.id else {}
    name = title(target)
    if not moved:
        toast(_("Nothing was moved: the messages are in %(folder)s already, or gone", folder=name))
        return answer(Answer(folder, is_stale=True))
    text = ngettext(
        "%(num)s message moved to %(folder)s",
        "%(num)s messages moved to %(folder)s",
        len(moved),
        folder=name,
    )
    fields = undo_fields("move", target, moved.values(), home=str(folder.id))
    toast(text, undo=("webmail.undo", fields) if fields else None)
    return answer(Answer(folder, gone=pack(choice.named), is_stale=choice.is_all))


def _expunge(folder: Folder, choice: Choice) -> BaseResponse:
    count = len(mailbox().expunge(folder.id, choice.flags))
    toast(ngettext("%(num)s message deleted for good", "%(num)s messages deleted for good", count))
    return answer(Answer(folder, gone=pack(choice.named), is_stale=choice.is_all))


def _mark(folder: Folder, choice: Choice, do: Do) -> BaseResponse:
    mark = _MARKS[do]
    others = [uid for uid, flags in choice.flags.items() if bool(flags & mark.flag) != mark.is_set]
    mailbox().flag(folder.id, others, add=mark.add, remove=mark.remove)
    fields = undo_fields(_OPPOSITE[do], folder, others) if others else None
    toast(_marked(do, len(choice.flags)), undo=("webmail.undo", fields) if fields else None)
    marked = pack(choice.flags)
    return answer(Answer(folder, marked=marked, flag=mark.flag, is_set=mark.is_set))


def _marked(do: Do, count: int) -> str:
    texts = {
        Do.READ: ngettext("%(num)s message marked read", "%(num)s messages marked read", count),
        Do.UNREAD: ngettext(
            "%(num)s message marked unread", "%(num)s messages marked unread", count
        ),
        Do.FLAG: ngettext("%(num)s message flagged", "%(num)s messages flagged", count),
        Do.UNFLAG: ngettext(
            "Flag taken off %(num)s message", "Flags taken off %(num)s messages", count
        ),
    }
    return texts[do]


def _id(name: str) -> int:
    return request.form.get(name, 0, int)
