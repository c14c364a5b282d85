"""The room of a post office's administrators: its blueprint, its navigation, whose post office."""

from __future__ import annotations

from flask_babel import gettext as _

from appliance.directory.sessions import Room
from appliance.operations.census import Overview, SurveyPostOffice
from webadmin.context import ask, session
from webadmin.rooms import NavItem
from webadmin.rooms import blueprint as room_blueprint

blueprint = room_blueprint(Room.WEBADMIN, __name__)


def postoffice() -> str:
    """Return the name of the post office of whoever is signed in."""
    return session().actor.postoffice


def overview() -> Overview:
    """Return the post office at a glance."""
    return ask(SurveyPostOffice(postoffice=postoffice()))


@blueprint.context_processor
def _navigation() -> dict[str, object]:
    return {"nav": nav}


def nav() -> list[NavItem]:
    """Return the room's navigation."""
    return [
        NavItem("webadmin.home", _("Overview"), "home"),
        NavItem("webadmin.mailboxes", _("Mailboxes"), "mail"),
        NavItem("webadmin.addresses", _("Addresses"), "at"),
    ]
