"""The steps of a message's journey as its page shows them: time, title, sentence, answer, reason.

Owns: nothing; events in, values out. Never: asks the house.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from appliance.journey.event import Event, Kind
from webadmin import formats

_LOOKS = {  # icon, tone
    Kind.ACCEPTED: ("okay", "ok"),
    Kind.REFUSED: ("block", "bad"),
    Kind.ROUTED: ("route", ""),
    Kind.DELIVERED: ("inbox", "ok"),
    Kind.RELAYED: ("sent", "ok"),
    Kind.DEFERRED: ("clock", "warn"),
    Kind.FAILED: ("error", "bad"),
    Kind.NOTIFIED: ("mail", ""),
    Kind.HELD: ("pause", "warn"),
    Kind.RELEASED: ("play", ""),
    Kind.RETRIED: ("retry", ""),
    Kind.RETURNED: ("bounce", "warn"),
    Kind.REMOVED: ("x", "bad"),
    Kind.DOWNLOADED: ("download", ""),
    Kind.DELETED: ("trash", ""),
}
_TITLES = {
    Kind.ACCEPTED: _l("Accepted into the queue"),
    Kind.REFUSED: _l("Refused"),
    Kind.ROUTED: _l("On its way to another server"),
    Kind.DELIVERED: _l("Stored in a mailbox"),
    Kind.RELAYED: _l("Taken by another server"),
    Kind.DEFERRED: _l("Deferred"),
    Kind.FAILED: _l("Given up"),
    Kind.NOTIFIED: _l("The sender was told"),
    Kind.HELD: _l("Held by an operator"),
    Kind.RELEASED: _l("Released by an operator"),
    Kind.RETRIED: _l("An operator asked for a try"),
    Kind.RETURNED: _l("Returned by an operator"),
    Kind.REMOVED: _l("Removed by an operator"),
    Kind.DOWNLOADED: _l("Downloaded"),
    Kind.DELETED: _l("Deleted by its reader"),
}
_TITLES_WITH = {
    Kind.DELIVERED: _l("Stored in the mailbox %(name)s"),
    Kind.RELAYED: _l("Taken by %(name)s"),
    Kind.DEFERRED: _l("Deferred by %(name)s"),
}
_ORIGINS = {
    "SMTP": _l("Accepted over SMTP"),
    "DSN": _l("Written by this server"),
    "COMMAND": _l("Sent by an operator"),
    "WEBMAIL": _l("Written in webmail"),
    "HTTPMAIL": _l("Written in an HTTPMail client"),
}
_REASON_SAYS_IT = (Kind.DELIVERED, Kind.ROUTED, Kind.RELAYED, Kind.DEFERRED, Kind.REFUSED)
_HAVE_ANSWERS = (Kind.REFUSED, Kind.RELAYED, Kind.DEFERRED, Kind.FAILED)
_CODES = re.compile(r"^[2-5][0-9]{2}(?: [245](?:\.[0-9]{1,3}){2})? ?")
_TITLE_SAYS_IT = (Kind.HELD, Kind.RELEASED, Kind.RETRIED, Kind.RETURNED)


@dataclass(frozen=True, slots=True)
class Look:
    """How a kind of event is shown.

    Attributes:
        icon: its symbol.
        tone: `ok`, `warn`, `bad` or empty.
        word: what happened.
    """

    icon: str
    tone: str
    word: str


@dataclass(frozen=True, slots=True)
class Why:
    """The reason behind a step.

    Attributes:
        rule: which rule decided.
        setting: the setting that would change it, or empty.
        inputs: the facts the rule looked at, by name.
    """

    rule: str
    setting: str
    inputs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One step on the timeline.

    Attributes:
        at: when, µs.
        passed: since the message arrived, µs.
        icon: its symbol.
        tone: `ok`, `warn`, `bad` or empty.
        title: what happened.
        text: a sentence more, or empty.
        quote: what was answered, word for word, or empty.
        why: the reason, or None.
        tries: when the same happened again, µs.
        planned: it lies ahead.
    """

    at: int
    icon: str
    title: str
    passed: int = 0
    tone: str = ""
    text: str = ""
    quote: str = ""
    why: Why | None = None
    tries: tuple[int, ...] = ()
    planned: bool = False


def hops(events: Sequence[Event], begin: int, *, people: int = 0) -> tuple[Hop, ...]:
    """Return the steps; a try with the same answer as the one before counts as one more try.

    Args:
        events: in the order they happened.
        begin: when the message arrived, µs.
        people: how many recipients it has.
    """
    found: list[Hop] = []
    for event in events:
        hop = _hop(event, begin, people)
        last = found[-1] if found else None
        if (
            last is not None
            and event.kind is Kind.DEFERRED
            and (last.title, last.text, last.quote) == (hop.title, hop.text, hop.quote)
        ):
            found[-1] = replace(last, tries=(*last.tries, hop.at))
        else:
            found.append(hop)
    return tuple(found)


def look_of(kind: Kind) -> Look:
    """Return how a kind of event is shown."""
    icon, tone = _LOOKS[kind]
    return Look(icon, tone, str(_TITLES[kind]))


def input_of(event: Event, name: str) -> str:
    """Return a fact that the reason of an event was based on, or nothing."""
    inputs = (event.reason or {}).get("inputs")
    return str(inputs.get(name, "")) if isinstance(inputs, Mapping) else ""


def told(event: Event) -> str:
    """Return what an event says of itself, without what its title says."""
    return sentence(event.text.removeprefix("given up: "))


def sentence(text: str) -> str:
    """Return a text with a capital, as a sentence begins."""
    return text[:1].upper() + text[1:]


def _hop(event: Event, begin: int, people: int) -> Hop:
    icon, tone = _LOOKS[event.kind]
    return Hop(
        at=event.at_us,
        passed=event.at_us - begin,
        icon=icon,
        tone=tone,
        title=_title(event),
        text=_arrival(event.detail, people) if event.kind is Kind.ACCEPTED else _text(event),
        quote=_quote(event),
        why=_why(event),
    )


def _title(event: Event) -> str:
    if event.kind is Kind.ACCEPTED:
        return str(_ORIGINS.get(event.detail.get("origin", ""), _TITLES[event.kind]))
    if event.kind is Kind.DELIVERED:
        name = event.text.removeprefix("delivered to ")
    else:
        name = input_of(event, "host")
    shape = _TITLES_WITH.get(event.kind)
    return str(shape) % {"name": name} if shape is not None and name else str(_TITLES[event.kind])


def _text(event: Event) -> str:
    if event.kind in _TITLE_SAYS_IT:
        return ""
    said = str((event.reason or {}).get("text", "")) if event.kind in _REASON_SAYS_IT else ""
    return said or told(event)


def _arrival(detail: Mapping[str, str], people: int) -> str:
    login, client = detail.get("login", ""), detail.get("client", "")
    octets = detail.get("size", "")
    said: list[str] = []
    if login and client:
        said.append(_("%(login)s sent it from %(client)s.", login=login, client=client))
    elif login:
        said.append(_("%(login)s sent it.", login=login))
    elif client:
        said.append(_("%(client)s handed it over without a login.", client=client))
    if people and octets.isdecimal():
        size = formats.size(int(octets))
        said.append(
            ngettext(
                "%(num)s recipient, %(size)s.", "%(num)s recipients, %(size)s.", people, size=size
            )
        )
    return " ".join(said)


def _quote(event: Event) -> str:
    """Return the answer, where somebody was refused something and the text does not say it."""
    reply = str((event.reason or {}).get("reply", ""))
    words = _CODES.sub("", reply)
    is_said = bool(words) and words.rstrip(".") in _text(event)
    return "" if event.kind not in _HAVE_ANSWERS or is_said else reply


def _why(event: Event) -> Why | None:
    if event.reason is None:
        return None
    inputs = event.reason.get("inputs")
    pairs = inputs.items() if isinstance(inputs, Mapping) else ()
    return Why(
        rule=str(event.reason.get("rule", "")),
        setting=str(event.reason.get("setting", "")),
        inputs=tuple((str(name), str(value)) for name, value in pairs),
    )
