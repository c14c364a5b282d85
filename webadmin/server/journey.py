"""A message's journey as a page tells it: what became of it, for whom, step by step and why.

Everything said here comes from the trace: its events, their reasons, and the queue's own entry.

Owns: nothing; values in, values out. Never: asks the house.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from flask_babel import gettext as _
from flask_babel import ngettext

from appliance.journey.event import Event, Kind
from appliance.operations.messages import Trace
from appliance.queue.desk import QueuedMessage, QueuedRecipient
from appliance.queue.entry import State
from webadmin import formats
from webadmin.server.hops import Hop, hops, input_of, sentence, told
from webadmin.server.queued import FINISHED
from webadmin.server.words import elapsed, soon

_ENDS = (Kind.DELIVERED, Kind.RELAYED, Kind.FAILED, Kind.REFUSED)
_AFTERWARDS = (Kind.DOWNLOADED, Kind.DELETED)
_URGENCY = {"bad": 0, "warn": 1, "": 2, "ok": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What has become of the copy for one recipient.

    Attributes:
        address: whose.
        word: in a word or two.
        icon: its symbol.
        tone: `ok`, `warn`, `bad` or empty.
        text: a sentence more.
        waits: it is still to be delivered.
        hops: what happened to this copy alone.
    """

    address: str
    word: str
    icon: str
    tone: str
    text: str
    waits: bool = False
    hops: tuple[Hop, ...] = ()


@dataclass(frozen=True, slots=True)
class Branch:
    """Recipients whose copies have the same fate by the same steps.

    Attributes:
        fate: of the first of them.
        addresses: of all of them.
    """

    fate: Fate
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The page of one message.

    Attributes:
        id: the queue's.
        begun: when it arrived, µs.
        subject: of the message; empty when it has none, or nobody knows it any more.
        sentence: what became of it, in a line or two.
        reverse_path: of the envelope.
        branches: of its recipients, what needs a look first.
        hops: what happened to the message as a whole.
        later: what happened to it afterwards: read, deleted.
        facts: about the envelope, by name.
        destinations: where copies of it wait to be sent to.
        is_queued: it can be acted on.
        is_held: all that waits is on hold.
    """

    id: str
    begun: int
    subject: str
    sentence: str
    reverse_path: str
    branches: tuple[Branch, ...]
    hops: tuple[Hop, ...]
    later: tuple[Hop, ...]
    facts: tuple[tuple[str, str], ...]
    destinations: tuple[str, ...]
    is_queued: bool
    is_held: bool


@dataclass(slots=True)
class _Copy:
    """What is gathered of one recipient."""

    address: str
    events: list[Event] = field(default_factory=list)
    queued: QueuedRecipient | None = None


def tell(trace: Trace) -> Story:
    """Tell a journey."""
    events = sorted(trace.events, key=lambda event: event.at_us)
    first, queued = events[0], trace.queued
    copies = _copies(events, queued)
    removed = any(each.kind is Kind.REMOVED and not each.recipient for each in events)
    fates = sorted(
        (_fate(copy, first.at_us, removed=removed) for copy in copies.values()),
        key=lambda fate: _URGENCY[fate.tone],
    )
    of_copies = {id(event) for copy in copies.values() for event in copy.events}
    common = [event for event in events if id(event) not in of_copies]
    waiting = [each for each in queued.recipients if each.state not in FINISHED] if queued else []
    destinations = (each.destination for each in waiting if each.destination)
    return Story(
        id=trace.id,
        begun=first.at_us,
        subject=queued.subject if queued else first.detail.get("subject", ""),
        sentence=_sentence(events, fates),
        reverse_path=first.reverse_path,
        branches=_branches(fates),
        hops=hops(
            [each for each in common if each.kind not in _AFTERWARDS],
            first.at_us,
            people=len(copies),
        ),
        later=hops([each for each in common if each.kind in _AFTERWARDS], first.at_us),
        facts=_facts(trace.id, first, queued),
        destinations=tuple(dict.fromkeys(destinations)),
        is_queued=bool(waiting),
        is_held=bool(waiting) and all(each.state == State.HELD for each in waiting),
    )


def _branches(fates: Iterable[Fate]) -> tuple[Branch, ...]:
    """Put fates together that differ by no more than the local part and the moment."""
    found: dict[object, list[Fate]] = {}
    for fate in fates:
        domain = fate.address.rpartition("@")[2]
        steps = tuple((hop.icon, hop.title, hop.quote, len(hop.tries)) for hop in fate.hops)
        found.setdefault((fate.word, domain, steps), []).append(fate)
    return tuple(
        Branch(alike[0], tuple(fate.address for fate in alike)) for alike in found.values()
    )


def _copies(events: Iterable[Event], queued: QueuedMessage | None) -> dict[str, _Copy]:
    """Return what is known of each recipient, in the envelope's order where that is known."""
    found: dict[str, _Copy] = {}
    for each in queued.recipients if queued else ():
        found.setdefault(each.address, _Copy(each.address)).queued = each
    for event in events:
        if event.kind is Kind.ACCEPTED:
            for address in event.detail.get("recipients", "").split():
                found.setdefault(address, _Copy(address))
        elif event.recipient and " " not in event.recipient and event.kind not in _AFTERWARDS:
            found.setdefault(event.recipient, _Copy(event.recipient)).events.append(event)
    return found


def _fate(copy: _Copy, begin: int, *, removed: bool) -> Fate:
    queued = copy.queued
    steps = hops(copy.events, begin)
    if queued is not None and queued.state not in FINISHED:
        return _waits(queued, steps)
    end = next((each for each in reversed(copy.events) if each.kind in _ENDS), None)
    word, icon, tone = _("Unknown"), "help", ""
    text = _("Nothing more was written down.")
    if end is not None and end.kind is Kind.REFUSED:
        word, icon, tone, text = _("Refused"), "block", "bad", sentence(end.text)
    elif end is not None and end.kind is Kind.FAILED:
        word, icon, tone, text = _("Given up"), "error", "bad", told(end)
    elif end is not None:
        word, icon, tone, text = _("Delivered"), "okay", "ok", _arrived(end, begin)
    elif queued is not None and queued.state == State.DONE:  # its event is still to be written
        word, icon, tone, text = _("Delivered"), "okay", "ok", sentence(queued.status)
    elif queued is not None:
        word, icon, tone, text = _("Given up"), "error", "bad", sentence(queued.status)
    elif removed:
        word, icon, tone = _("Removed"), "x", "bad"
        text = _("An operator took it out of the queue.")
    return Fate(address=copy.address, word=word, icon=icon, tone=tone, text=text, hops=steps)


def _arrived(end: Event, begin: int) -> str:
    after = elapsed(end.at_us - begin)
    if end.kind is Kind.DELIVERED:
        return _("in the mailbox after %(time)s", time=after)
    host = input_of(end, "host")
    if host:
        return _("taken by %(host)s after %(time)s", host=host, time=after)
    return _("taken by another server after %(time)s", time=after)


def _waits(queued: QueuedRecipient, steps: tuple[Hop, ...]) -> Fate:
    address = queued.address
    if queued.state == State.HELD:
        return Fate(
            address=address,
            word=_("Held"),
            icon="pause",
            tone="warn",
            text=_("until an operator releases it"),
            waits=True,
            hops=steps,
        )
    if queued.attempts:
        word = ngettext("Waits, %(num)s try", "Waits, %(num)s tries", queued.attempts)
        text = _("next try %(time)s", time=soon(queued.due_at))
    else:
        word, text = _("Waits"), _("first try %(time)s", time=soon(queued.due_at))
    planned = Hop(at=queued.due_at, icon="retry", title=_("Next try"), planned=True)
    return Fate(
        address=address,
        word=word,
        icon="clock",
        tone="warn",
        text=text,
        waits=True,
        hops=(*steps, planned),
    )


def _sentence(events: Sequence[Event], fates: Sequence[Fate]) -> str:
    """Say in a line or two what became of a message."""
    done = sum(fate.tone == "ok" for fate in fates)
    lost = [fate for fate in fates if fate.tone == "bad"]
    waiting = [fate for fate in fates if fate.waits]
    told: list[str] = []
    if done == len(fates) == 1:
        told.append(_("Delivered to %(address)s.", address=fates[0].address))
    elif done and done == len(fates):
        told.append(_("Delivered to all %(count)s recipients.", count=done))
    elif done:
        told.append(_("Delivered to %(done)s of %(all)s recipients.", done=done, all=len(fates)))
    if len(lost) == 1:
        told.append(_("It did not reach %(address)s.", address=lost[0].address))
    elif lost:
        told.append(_("It did not reach %(count)s recipients.", count=len(lost)))
    if waiting:
        told.append(_waiting_sentence(waiting, of=len(fates)))
    return " ".join(told) or sentence(events[-1].text)


def _waiting_sentence(waiting: Sequence[Fate], *, of: int) -> str:
    if all(fate.icon == "pause" for fate in waiting):
        return _("It is held until an operator releases it.")
    problems = [hop for fate in waiting for hop in fate.hops if hop.icon == "clock"]
    nexts = [hop.at for fate in waiting for hop in fate.hops if hop.planned]
    if of == 1:
        told = [_("It waits.")]
    else:
        told = [ngettext("One still waits.", "%(num)s still wait.", len(waiting))]
    if problems:
        told.append(problems[-1].text)
    if nexts:
        told.append(_("Next try %(time)s.", time=soon(min(nexts))))
    return " ".join(told)


def _facts(
    message_id: str, first: Event, queued: QueuedMessage | None
) -> tuple[tuple[str, str], ...]:
    detail = first.detail
    client, login = detail.get("client", ""), detail.get("login", "")
    octets = detail.get("size", "")
    size = queued.size if queued else int(octets) if octets.isdecimal() else 0
    if client and login:
        client = _("%(client)s, signed in as %(login)s", client=client, login=login)
    found = (
        (_("Reverse-path"), first.reverse_path or "<>"),
        (_("Client"), client or login),
        (_("Queue id"), message_id),
        (_("Message-ID"), detail.get("message_id_header", "")),
        (_("Size"), formats.size(size) if size else ""),
        (_("Arrived"), formats.exactly(first.at_us)),
    )
    return tuple((name, value) for name, value in found if value)
