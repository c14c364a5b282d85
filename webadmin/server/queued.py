"""What waits in the queue, as lines and sentences.

Owns: nothing; values in, values out. Never: asks the house.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask_babel import gettext as _
from flask_babel import ngettext

from appliance.queue.desk import DestinationCount, QueuedMessage, QueuedRecipient
from appliance.queue.entry import State
from webadmin.formats import number

FINISHED = (State.DONE, State.FAILED)


@dataclass(frozen=True, slots=True)
class Line:
    """A message as the list shows it: the recipients that still wait stand for it.

    Attributes:
        message: itself.
        waiting: its recipients that are not finished.
        state: the one that needs a look most.
        due_at: when the next of them is due, µs; 0 for none.
        attempts: the most that any of them has had.
        status: what was last heard, or empty.
    """

    message: QueuedMessage
    waiting: tuple[QueuedRecipient, ...]
    state: str
    due_at: int
    attempts: int
    status: str


def to_line(message: QueuedMessage) -> Line:
    """Return a message as the list shows it."""
    waiting = tuple(each for each in message.recipients if each.state not in FINISHED)
    order = (State.HELD, State.DEFERRED, State.PENDING)
    states = {each.state for each in waiting}
    tried = [each for each in waiting if each.attempts]
    return Line(
        message=message,
        waiting=waiting,
        state=next((each for each in order if each in states), State.DONE),
        due_at=min((each.due_at for each in waiting if each.state != State.HELD), default=0),
        attempts=max((each.attempts for each in waiting), default=0),
        status=max(tried, key=lambda each: each.attempts).status if tried else "",
    )


def heading(waiting: int, destinations: Sequence[DestinationCount]) -> str:
    """Say in a sentence how long the queue is and what makes it so."""
    if not waiting:
        return _("Nothing waits. Mail is flowing.")
    top = destinations[0] if destinations else None
    if top is not None and len(destinations) > 1 and top.waiting * 2 > waiting > 2:
        return _(
            "Mail for %(all)s recipients waits, %(some)s of them at %(name)s",
            all=number(waiting),
            some=number(top.waiting),
            name=top.destination,
        )
    if top is not None and len(destinations) == 1 and top.waiting == waiting > 1:
        return _(
            "Mail for %(all)s recipients waits, all of them at %(name)s",
            all=number(waiting),
            name=top.destination,
        )
    return ngettext(
        "Mail for one recipient waits",
        "Mail for %(count)s recipients waits",
        waiting,
        count=number(waiting),
    )


def explanation(destinations: Sequence[DestinationCount]) -> str:
    """Say what was last heard from the destination most wait for; nothing when that is unknown."""
    if not destinations or not destinations[0].status:
        return ""
    top = destinations[0]
    return _("Last heard about %(name)s: %(status)s", name=top.destination, status=top.status)
