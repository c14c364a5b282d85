"""Folders made, renamed, deleted and emptied; each but the last can be undone."""

from __future__ import annotations

from flask import abort, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response as BaseResponse

from appliance.operations.operation import Invalid
from appliance.store.errors import BadFolderName, FolderExists, FolderNotEmpty, TooManyFolders
from appliance.store.message import Folder, Use
from webadmin.mail.actions import undo_fields
from webadmin.mail.answers import Answer, answer, ask_first, layout, wants_part
from webadmin.mail.choice import marks
from webadmin.mail.mailbox import mailbox, special, title
from webadmin.toasts import toast

_EMPTIED = (Use.TRASH, Use.JUNK)
_NAME_ERRORS = (BadFolderName, FolderExists, TooManyFolders)

Page = str | tuple[str, int] | BaseResponse


def new_folder() -> Page:
    """Make a folder."""
    action = url_for("webmail.new_folder")
    if request.method == "GET":
        return _name_form(_("New folder"), action, _("Make folder"))
    name = request.form.get("name", "")
    try:
        made = mailbox().create_folder(name)
    except _NAME_ERRORS as error:
        return _name_form(_("New folder"), action, _("Make folder"), name=name, wrong=str(error))
    toast(_("The folder %(name)s is there", name=made.name))
    return _go_to(made)


def rename_folder(folder_id: int) -> Page:
    """Give a folder another name."""
    folder = _own_folder(folder_id)
    action = url_for("webmail.rename_folder", folder_id=folder_id)
    heading = _("Rename %(name)s", name=folder.name)
    if request.method == "GET":
        return _name_form(heading, action, _("Rename"), name=folder.name)
    name = request.form.get("name", "")
    try:
        renamed = mailbox().rename_folder(folder_id, name)
    except _NAME_ERRORS as error:
        return _name_form(heading, action, _("Rename"), name=name, wrong=str(error))
    toast(
        _("%(old)s is called %(new)s now", old=folder.name, new=renamed.name),
        undo=("webmail.undo", {"what": "name", "folder": str(folder_id), "name": folder.name}),
    )
    return _go_to(renamed)


def delete_folder(folder_id: int) -> Page:
    """Delete a folder; its messages go to Deleted Items."""
    folder = _own_folder(folder_id)
    trash = special(Use.TRASH)
    moved: dict[int, int] = {}
    while True:
        moved |= mailbox().move(folder_id, [uid for uid, _flags in marks(folder)], trash.id)
        try:
            mailbox().delete_folder(folder_id, only_empty=True)
        except FolderNotEmpty:  # something has come in meanwhile
            folder = _own_folder(folder_id)
            continue
        break
    if moved:
        text = ngettext(
            "Folder %(name)s deleted; its message is in Deleted Items",
            "Folder %(name)s deleted; its %(num)s messages are in Deleted Items",
            len(moved),
            name=folder.name,
        )
    else:
        text = _("Folder %(name)s deleted", name=folder.name)
    fields = undo_fields("folder", trash, moved.values(), name=folder.name)
    toast(text, undo=("webmail.undo", fields) if fields else None)
    return _go_to(special(Use.INBOX))


def empty_folder(folder_id: int) -> Page:
    """Delete all messages of Deleted Items or Junk E-mail for good, after a question."""
    folder = mailbox().folder(folder_id)
    if folder.use not in _EMPTIED:
        abort(404)
    if request.method == "GET":
        return ask_first(
            folder,
            question=ngettext(
                "Delete the message in %(folder)s for good?",
                "Delete all %(num)s messages in %(folder)s for good?",
                folder.messages,
                folder=title(folder),
            ),
            text=_("It can't be undone."),
            action=url_for("webmail.empty_folder", folder_id=folder_id),
            fields={"below": str(folder.next_uid)},
            button=_("Delete for good"),
        )
    below = request.form.get(
        "below", folder.next_uid, int
    )  # what has come since the question stays
    count = mailbox().empty(folder_id, below=below)
    toast(ngettext("%(num)s message deleted for good", "%(num)s messages deleted for good", count))
    return answer(Answer(folder, is_stale=True))


def _own_folder(folder_id: int) -> Folder:
    folder = mailbox().folder(folder_id)
    if folder.use:
        raise Invalid(
            _("%(name)s is a folder every mailbox has: it keeps its name.", name=title(folder))
        )
    return folder


def _name_form(
    heading: str, action: str, button: str, *, name: str = "", wrong: str = ""
) -> tuple[str, int]:
    page = render_template(
        "mail/folder_name.html",
        **layout(),
        heading=heading,
        action=action,
        button=button,
        name=name,
        wrong=wrong,
        back=url_for("webmail.home"),
    )
    if not wrong:
        return page, 200
    return page, 422 if wants_part() else 400  # htmx puts a form back for 422 alone


def _go_to(folder: Folder) -> BaseResponse:
    return answer(Answer(folder, leads_there=True))
