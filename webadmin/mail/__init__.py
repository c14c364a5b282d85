"""Webmail: reading, filing and writing mail in a browser."""

from __future__ import annotations

from flask_babel import gettext as _

from appliance.directory.sessions import Room
from webadmin.mail import actions, compose, folders, news, pages, parts, reading
from webadmin.mail.mailbox import badge, icon, quota, title
from webadmin.mail.mailbox import folders as all_folders
from webadmin.mail.times import on_day
from webadmin.rooms import NavItem
from webadmin.rooms import blueprint as room

__all__ = ["blueprint"]

_FOLDER = "/<int:folder_id>"
_MESSAGE = f"{_FOLDER}/<int:uid>"

blueprint = room(Room.WEBMAIL, __name__)

blueprint.add_url_rule("/", "home", pages.home)
blueprint.add_url_rule("/page-size", "page_size", pages.page_size, methods=["POST"])
blueprint.add_url_rule("/news", "news", news.news)
blueprint.add_url_rule("/compose", "compose", compose.compose)
blueprint.add_url_rule("/compose", "write", compose.write, methods=["POST"])
blueprint.add_url_rule("/compose/<int:uid>", "draft", compose.draft)
blueprint.add_url_rule("/compose/quote", "quote", compose.quote)
blueprint.add_url_rule("/undo", "undo", actions.undo, methods=["POST"])
blueprint.add_url_rule("/new-folder", "new_folder", folders.new_folder, methods=["GET", "POST"])
for _path, _view, _methods in (
    ("rename", folders.rename_folder, ["GET", "POST"]),
    ("delete", folders.delete_folder, ["POST"]),
    ("empty", folders.empty_folder, ["GET", "POST"]),
):
    blueprint.add_url_rule(f"{_FOLDER}/{_path}", f"{_path}_folder", _view, methods=_methods)
blueprint.add_url_rule(f"{_FOLDER}/", "folder", pages.folder)
blueprint.add_url_rule(f"{_FOLDER}/act", "act", actions.act, methods=["POST"])
blueprint.add_url_rule(_MESSAGE, "message", reading.message)
blueprint.add_url_rule(f"{_MESSAGE}/body", "body", reading.body)
blueprint.add_url_rule(f"{_MESSAGE}/fields", "fields", reading.fields)
blueprint.add_url_rule(f"{_MESSAGE}/source", "source", reading.source)
blueprint.add_url_rule(f"{_MESSAGE}/part/<number>", "part", parts.part)
blueprint.add_url_rule(f"{_MESSAGE}/all.zip", "archive", parts.archive)


@blueprint.context_processor
def _about() -> dict[str, object]:
    """Return what every template of webmail knows."""
    return {
        "nav": _nav,
        "folder_title": title,
        "folder_icon": icon,
        "folder_badge": badge,
        "quota": quota,
        "on_day": on_day,
    }


def _nav() -> list[NavItem]:
    """Return the folders, for pages of the room that are no mail."""
    return [
        NavItem(
            endpoint="webmail.folder",
            label=title(each),
            icon=icon(each),
            count=badge(each) or None,
            group="" if each.use else _("Folders"),
            values={"folder_id": each.id},
        )
        for each in all_folders()
    ]
