"""The rooms of the web: who may enter each, under which path, and what its navigation shows.

A room is a blueprint whose views all need a session of that room, save those `open_to_all`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from flask import Blueprint, current_app, request
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _l

from appliance.directory.sessions import Room

F = TypeVar("F", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class NavItem:
    """A line of a room's navigation.

    Attributes:
        endpoint: the view it leads to.
        label: its words, translated.
        icon: its symbol in icons.svg, without `i-`.
        count: a number beside it; None for none.
        group: the heading it stands under; empty for the first, which has none.
        values: of the view's URL.
    """

    endpoint: str
    label: str
    icon: str
    count: int | None = None
    group: str = ""
    values: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """A room as pages and cookies know it.

    Attributes:
        room: which.
        title: added to the word-mark; empty for webmail.
        prefix: path of all its pages, and of its cookie.
        home: endpoint of its first page.
    """

    room: Room
    title: object
    prefix: str
    home: str


PLACES = {
    place.room: place
    for place in (
        Place(Room.WEBMAIL, "", "/webmail", "webmail.home"),
        Place(Room.WEBADMIN, _l("Admin"), "/webadmin", "webadmin.home"),
        Place(Room.CONSOLE, _l("Console"), "/console", "console.home"),
    )
}


def blueprint(room: Room, import_name: str) -> Blueprint:
    """Return the blueprint of a room: named and placed as the room is."""
    return Blueprint(room.value, import_name, url_prefix=PLACES[room].prefix)


def place() -> Place | None:
    """Return the room of the request; None outside of rooms."""
    return next((each for each in PLACES.values() if each.room == request.blueprint), None)


def is_inside(here: Place, path: str) -> bool:
    """Tell whether a path, as a form or an address names it, is a page of a room."""
    inside = path == here.prefix or path.startswith(f"{here.prefix}/")
    return inside and "\\" not in path and path.isprintable()


def open_to_all(view: F) -> F:
    """Mark a view of a room that needs no session: signing in."""
    view.open_to_all = True  # type: ignore[attr-defined] # a mark for `is_open`
    return view


def gives_back(answer: Callable[[], ResponseReturnValue]) -> Callable[[F], F]:
    """Mark a view that takes forms of long work, so that these are never lost.

    Args:
        answer: answers the form, with what was typed, when whoever sent it is signed out or their
            page is too old. `session` may be there or not. Files may be larger than what is taken.
    """

    def mark(view: F) -> F:
        view.gives_back = answer  # type: ignore[attr-defined] # a mark for `giving_back`
        return view

    return mark


def giving_back() -> Callable[[], ResponseReturnValue] | None:
    """Return what `gives_back` has set for the form of the request."""
    view = current_app.view_functions.get(request.endpoint or "")
    return getattr(view, "gives_back", None) if request.method == "POST" else None


def by_itself(view: F) -> F:
    """Mark a view that an open page asks by itself: it keeps no session from being idle."""
    view.by_itself = True  # type: ignore[attr-defined] # a mark for `is_by_itself`
    return view


def is_by_itself() -> bool:
    """Tell whether the request is a page's own, with no person behind it."""
    view = current_app.view_functions.get(request.endpoint or "")
    return getattr(view, "by_itself", False)


def is_open() -> bool:
    """Tell whether the view of the request needs no session."""
    view = current_app.view_functions.get(request.endpoint or "")
    return getattr(view, "open_to_all", False)
