"""The queue: what waits and why, and what the operator may do about it (manual §6.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response

from appliance.operations.operation import Action, NotFound
from appliance.operations.queue import (
    BounceMessage,
    CountDestinations,
    CountQueue,
    HoldMessage,
    ListQueue,
    ReleaseMessage,
    RemoveMessage,
    RetryMessages,
)
from appliance.queue.desk import DestinationCount
from appliance.queue.entry import State
from webadmin.context import ask, house, perform
from webadmin.formats import number
from webadmin.forms import way_back
from webadmin.server.queued import explanation, heading, to_line
from webadmin.toasts import toast

_PAGE = 50
_MOST_AT_ONCE = 1000  # messages that one request acts on
_SHOWN_DESTINATIONS = 50
_SHOWN_STATES = (State.PENDING, State.DEFERRED, State.HELD)
_FINAL = ("return", "remove")  # what can't be undone

Answer = str | Response | tuple[str, int]


def register(blueprint: Blueprint) -> None:
    """Add the pages to the room."""
    blueprint.add_url_rule("/queue", "queue", queue)
    blueprint.add_url_rule("/queue", "act_on_queue", act_on_queue, methods=["POST"])


def queue() -> str:
    """List what waits."""
    state, destination = _filter()
    after = request.args.get("after", "")
    found = ask(ListQueue(state=state, domain=destination, most=_PAGE + 1, after=after))
    counts = _counts()
    destinations = ask(CountDestinations(most=_SHOWN_DESTINATIONS))
    return render_template(
        "server/queue.html",
        heading=heading(sum(counts.values()), destinations),
        explanation=explanation(destinations),
        lines=[to_line(each) for each in found[:_PAGE]],
        after=found[_PAGE - 1].id if len(found) > _PAGE else "",
        is_later=bool(after),
        state=state,
        destination=destination,
        chips=_chips(state, destination, counts),
        choices=_choices(destination, destinations),
        everything=sum(counts.values()),
        all=_beyond(state, destination, counts, destinations) if len(found) > _PAGE else None,
        here_again=request.full_path.rstrip("?"),
        now=house().clock.now_us(),
    )


def act_on_queue() -> Answer:
    """Retry, hold, release, return or remove messages; what can't be undone asks first."""
    form = request.form
    action = form.get("action", "")
    back = way_back(url_for(".queue"))
    if action == "retry-all":
        count = perform(RetryMessages())
        toast(ngettext("One try was asked for.", "%(num)s tries were asked for.", count))
        return redirect(back, 303)
    if action not in _ACTIONS:
        return redirect(back, 303)
    ids = list(_chosen())
    if not ids:
        toast(_("Nothing was selected, so nothing was done."))
        return redirect(back, 303)
    if action in _FINAL and form.get("confirmed") != "yes":
        return render_template(
            "server/confirm_queue.html", action=action, ids=ids, count=len(ids), back=back
        )
    done, gone = _act(action, ids)
    _tell(action, done, gone)
    if len(ids) == _MOST_AT_ONCE:
        toast(_("%(count)s are done at once; there may be more.", count=number(len(ids))))
    return redirect(back, 303)


_ACTIONS: dict[str, Callable[[str], Action[Any]]] = {
    "retry": lambda message: RetryMessages(message=message),
    "hold": lambda message: HoldMessage(message=message),
    "release": lambda message: ReleaseMessage(message=message),
    "return": lambda message: BounceMessage(message=message),
    "remove": lambda message: RemoveMessage(message=message),
}


def _act(action: str, ids: Sequence[str]) -> tuple[list[str], int]:
    """Act on messages; returns the ids of those it was done to, and how many had left."""
    done: list[str] = []
    for each in ids:
        try:
            perform(_ACTIONS[action](each))
        except NotFound:  # delivered meanwhile
            continue
        done.append(each)
    return done, len(ids) - len(done)


def _tell(action: str, done: list[str], gone: int) -> None:
    count = len(done)
    texts = {
        "retry": ngettext("One message is tried now.", "%(num)s messages are tried now.", count),
        "hold": ngettext("One message is held.", "%(num)s messages are held.", count),
        "release": ngettext("One message goes on.", "%(num)s messages go on.", count),
        "return": ngettext(
            "One message is returned to its sender.",
            "%(num)s messages are returned to their senders.",
            count,
        ),
        "remove": ngettext("One message is removed.", "%(num)s messages are removed.", count),
    }
    back = {"hold": "release", "release": "hold"}.get(action)
    if done and back:
        fields = {"action": back, "messages": " ".join(done), "back": way_back(url_for(".queue"))}
        toast(texts[action], undo=(".act_on_queue", fields))
    elif done:
        toast(texts[action])
    if gone:
        toast(
            ngettext(
                "One message had left the queue before.",
                "%(num)s messages had left the queue before.",
                gone,
            )
        )


def _chosen() -> Iterator[str]:
    """Return the ids that a form names, one by one or as all that its filter shows."""
    form = request.form
    if form.get("all") != "yes":
        yield from dict.fromkeys([*form.getlist("message"), *form.get("messages", "").split()])
        return
    after, left = "", _MOST_AT_ONCE
    while left:
        found = ask(
            ListQueue(
                state=form.get("state", ""),
                domain=form.get("destination", ""),
                most=min(_PAGE, left),
                after=after,
            )
        )
        if not found:
            return
        yield from (each.id for each in found)
        after, left = found[-1].id, left - len(found)


def _counts() -> dict[str, int]:
    """Return how many recipients are in each state that waits."""
    found = dict.fromkeys(map(str, _SHOWN_STATES), 0)
    for each in ask(CountQueue()):
        if each.state in found:
            found[each.state] += each.count
    return found


def _chips(
    state: str, destination: str, counts: dict[str, int]
) -> list[tuple[str, str, bool, str]]:
    words = {
        "": _("All"),
        State.PENDING: _("To be tried"),
        State.DEFERRED: _("Deferred"),
        State.HELD: _("Held"),
    }
    everything = {"": sum(counts.values())} | counts
    return [
        (
            word,
            url_for(".queue", state=each or None, destination=destination or None),
            each == state,
            number(everything[each]),
        )
        for each, word in words.items()
    ]


def _choices(chosen: str, destinations: Sequence[DestinationCount]) -> list[tuple[str, str]]:
    """Return the destinations to choose from; one that is chosen is among them."""
    found = [("", _("Every destination"))]
    if chosen and all(each.destination != chosen for each in destinations):
        found.append((chosen, chosen))
    return found + [
        (each.destination, f"{each.destination} ({number(each.waiting)})") for each in destinations
    ]


def _beyond(
    state: str,
    destination: str,
    counts: dict[str, int],
    destinations: Sequence[DestinationCount],
) -> str:
    """Say how many a filter shows on all its pages, where that is known."""
    if not destination:
        return number(counts[state] if state else sum(counts.values()))
    waiting = next((each.waiting for each in destinations if each.destination == destination), 0)
    return number(waiting) if waiting and not state else ""


def _filter() -> tuple[str, str]:
    state = request.args.get("state", "")
    destination = request.args.get("destination", "").strip().lower()
    return state if state in _SHOWN_STATES else "", destination
