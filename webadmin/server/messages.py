"""Where is my mail? Search for messages, and the journey of one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response

from appliance.journey.event import Event, Kind
from appliance.operations.messages import SearchMessages, TraceMessage
from appliance.operations.operation import NotFound
from appliance.operations.queue import CountDestinations
from webadmin.context import ask
from webadmin.server.hops import Look, look_of
from webadmin.server.journey import tell

_MOST_EVENTS = 400
_MOST_FOUND = 100
_MOST_BRANCHES = 20
_DAYS = (1, 7, 30, 90)
_ID_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Found:
    """A message that a search has found.

    Attributes:
        id: the queue's.
        last: the newest of its events that were found.
        look: of that.
        subject: where an event gives it.
        sender: its reverse-path.
        recipients: whose copies the events are about.
    """

    id: str
    last: Event
    look: Look
    subject: str
    sender: str
    recipients: tuple[str, ...]


def register(blueprint: Blueprint) -> None:
    """Add the pages to the room."""
    blueprint.add_url_rule("/messages", "messages", messages)
    blueprint.add_url_rule("/messages/<message_id>", "message", message)


def messages() -> str | Response:
    """Search for messages; an id leads to its journey."""
    wanted = request.args.get("q", "").strip()
    days = request.args.get("days", 7, type=int)
    days = days if days in _DAYS else 7
    if _is_id(wanted):
        try:
            found_id = ask(TraceMessage(message=wanted)).id
        except NotFound:
            pass  # the search says that there is none
        else:
            return redirect(url_for(".message", message_id=found_id), 303)
    events = ask(SearchMessages(address=wanted, days=days, most=_MOST_EVENTS))
    found = [_with_subject(each) for each in group(events)[:_MOST_FOUND]]
    return render_template(
        "server/messages.html",
        wanted=wanted,
        days=days,
        choices=[(each, ngettext("the last day", "the last %(num)s days", each)) for each in _DAYS],
        found=found,
        heading=_heading(wanted, len(found)),
        is_cut=len(events) == _MOST_EVENTS or len(found) == _MOST_FOUND,
    )


def message(message_id: str) -> str:
    """Tell a message's journey."""
    story = tell(ask(TraceMessage(message=message_id)))
    everybody = request.args.get("all") == "yes"
    waiting = (
        {each.destination: each for each in ask(CountDestinations())}
        if (story.destinations)
        else {}
    )
    return render_template(
        "server/message.html",
        story=story,
        branches=story.branches if everybody else story.branches[:_MOST_BRANCHES],
        others=[waiting[each] for each in story.destinations if each in waiting],
    )


def group(events: Iterable[Event]) -> list[Found]:
    """Return the messages that events are about, the one with the newest event first."""
    by_id: dict[str, list[Event]] = {}
    for event in events:
        if event.message_id:
            by_id.setdefault(event.message_id, []).append(event)
    return [_found(message_id, of) for message_id, of in by_id.items()]


def _found(message_id: str, events: list[Event]) -> Found:
    people: list[str] = []
    for event in reversed(events):
        listed = event.detail.get("recipients", "") if event.kind is Kind.ACCEPTED else ""
        people += (listed or event.recipient).split()
    return Found(
        id=message_id,
        last=events[0],
        look=look_of(events[0].kind),
        subject=next((each.detail["subject"] for each in events if "subject" in each.detail), ""),
        sender=next((each.reverse_path for each in events if each.reverse_path), ""),
        recipients=tuple(dict.fromkeys(people)),
    )


def _with_subject(found: Found) -> Found:
    """Return a message with its subject, which only its first event gives."""
    if found.subject:
        return found
    try:
        first = ask(TraceMessage(message=found.id)).events[0]
    except NotFound:  # forgotten meanwhile
        return found
    sender = found.sender or first.reverse_path
    return replace(found, subject=first.detail.get("subject", ""), sender=sender)


def _heading(wanted: str, count: int) -> str:
    if not wanted:
        return _("Where is a message?")
    if not count:
        return _("No message from or to “%(wanted)s” is known", wanted=wanted)
    return ngettext(
        "One message from or to “%(wanted)s”",
        "%(num)s messages from or to “%(wanted)s”",
        count,
        wanted=wanted,
    )


def _is_id(text: str) -> bool:
    return len(text) == _ID_LENGTH and text.isascii() and text.isalnum()
