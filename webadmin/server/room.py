"""The console's blueprint and its navigation: what the operator can go to."""

from __future__ import annotations

from flask_babel import gettext as _

from appliance.directory.sessions import Room
from appliance.operations.queue import CountQueue
from webadmin.context import ask
from webadmin.rooms import NavItem
from webadmin.rooms import blueprint as room_blueprint
from webadmin.server.queued import FINISHED

blueprint = room_blueprint(Room.CONSOLE, __name__)


@blueprint.context_processor
def _navigation() -> dict[str, object]:
    return {"nav": nav}


def nav() -> list[NavItem]:
    """Return the room's navigation."""
    server = _("Server")
    return [
        NavItem("console.home", _("Overview"), "home"),
        NavItem("console.postoffices", _("Post offices"), "house"),
        NavItem("console.services", _("Services"), "server"),
        NavItem("console.queue", _("Queue"), "layers", count=waiting() or None),
        NavItem("console.messages", _("Messages"), "route"),
        NavItem("console.explain", _("What would happen?"), "wand"),
        NavItem("console.badmail", _("Bad mail"), "warn"),
        NavItem("console.settings", _("Settings"), "sliders", group=server),
        NavItem("console.changes", _("Changes"), "history", group=server),
        NavItem("console.operators", _("Operators and tokens"), "key", group=server),
        NavItem("console.logs", _("Logs"), "term", group=server),
    ]


def waiting() -> int:
    """Return how many recipients of messages in the queue are not finished."""
    return sum(each.count for each in ask(CountQueue()) if each.state not in FINISHED)
