"""The numbers of the first page as plots and ranks: asked of the samples, never made up here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from flask_babel import format_datetime, get_timezone
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from appliance.operations.health import Health
from appliance.operations.trends import Trend, Trends
from webadmin import formats
from webadmin.context import ask
from webadmin.plots import Drawing, Series, Span, bars, level

_RANKED = 5
_ACCEPTED, _WAITING = "accepted", "queue.waiting"


@dataclass(frozen=True, slots=True)
class Length:
    """A length of time that plots can show.

    Attributes:
        hours: how long.
        step: minutes in one step.
        label: on its button.
        title: in full.
        per: what one bar counts.
    """

    hours: int
    step: int
    label: object
    title: object
    per: object


SPANS = (
    Length(1, 1, _l("1 h"), _l("The last hour"), _l("Messages per minute")),
    Length(24, 30, _l("24 h"), _l("The last 24 hours"), _l("Messages per half hour")),
    Length(168, 180, _l("7 d"), _l("The last 7 days"), _l("Messages per 3 hours")),
    Length(720, 720, _l("30 d"), _l("The last 30 days"), _l("Messages per 12 hours")),
)


TABLES = {
    "messages": _l("Messages"),
    "queue": _l("Queue length"),
    "logins": _l("Failed logins"),
}


@dataclass(frozen=True, slots=True)
class Table:
    """A plot as a table.

    Attributes:
        columns: their heads, after the time.
        rows: when a step begins and its values, the newest first.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float | None, ...]], ...]


@dataclass(frozen=True, slots=True)
class Rank:
    """A line of a ranking: what, how many."""

    name: str
    value: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What moved in a time.

    Attributes:
        accepted: messages taken in.
        deferred: tries that failed for now.
        refused: commands that a rule refused.
        waiting: recipients in the queue now.
        logins: that failed.
        delivered: copies that reached a mailbox or another server.
        messages: bars of accepted, deferred and refused.
        queue: the queue's length.
        failed_logins: bars.
        rules: the rules that refused most.
        store: what takes most space, by post office, in octets.
        is_new: nothing has been counted at all, and nothing waits.
    """

    accepted: int
    deferred: int
    refused: int
    waiting: int
    logins: int
    delivered: int
    messages: Drawing
    queue: Drawing
    failed_logins: Drawing
    rules: tuple[Rank, ...]
    store: tuple[Rank, ...]
    is_new: bool


def figures(length: Length, health: Health) -> Figures:
    """Return the figures of a time up to now."""

    def trend(*series: str, prefix: str = "") -> Trends:
        return ask(Trend(series=series, prefix=prefix, hours=length.hours, step=length.step))

    main = trend(_ACCEPTED, _WAITING)
    steps = len(main.series[0].values)
    span = Span(main.since, main.step, steps, _offset_s())
    accepted = Series(main.series[0].values)
    waiting = Series(main.series[1].values)
    ends = trend(prefix="recipients.")
    refused = trend(prefix="refused.")
    tried = trend(prefix="logins.")
    deferred_in = _sum(ends, steps, "deferred", kind="p-warn")
    refused_in = _sum(refused, steps, kind="p-grey")
    failed_in = _sum(tried, steps, "wrong", "throttled", kind="p-bad")
    common = {"number": _number, "clock": _clock(length), "now": _("now")}
    oldest = health.queue.oldest_at
    flag = None
    if health.queue.worst and oldest > main.since:
        flag = (oldest, _("%(name)s waits", name=health.queue.worst))
    return Figures(
        accepted=int(accepted.total),
        deferred=int(deferred_in.total),
        refused=int(refused_in.total),
        waiting=health.queue.waiting,
        logins=int(failed_in.total),
        delivered=int(_sum(ends, steps, "delivered", "relayed").total),
        messages=bars([accepted, deferred_in, refused_in], span, **common),
        queue=level(waiting, span, **common, flag=flag),
        failed_logins=bars([failed_in], span, **common),
        rules=_ranks({each.series: _total(each.values) for each in refused.series}),
        store=_store(),
        is_new=not oldest
        and not any(_total(each.values) for each in (*main.series[:1], *ends.series)),
    )


def table(what: str, length: Length) -> Table:
    """Return the numbers that a plot draws."""
    asked = Trend(series=(_ACCEPTED, _WAITING), hours=length.hours, step=length.step)
    main = ask(asked)
    steps = len(main.series[0].values)
    columns: dict[str, Series] = {}
    if what == "queue":
        columns[_("Recipients waiting")] = Series(main.series[1].values)
    else:
        columns |= _columns(what, length, main.series[0].values, steps)
    written = _stamp(length)
    rows = (
        (
            written(main.since + step * main.step),
            tuple(each.values[step] for each in columns.values()),
        )
        for step in reversed(range(steps))
    )
    return Table(tuple(columns), tuple(rows))


def _columns(
    what: str, length: Length, accepted: tuple[int | None, ...], steps: int
) -> dict[str, Series]:
    def trend(prefix: str) -> Trends:
        return ask(Trend(prefix=prefix, hours=length.hours, step=length.step))

    if what == "logins":
        tried = trend("logins.")
        return {
            _("Right"): _sum(tried, steps, "right"),
            _("Wrong password"): _sum(tried, steps, "wrong"),
            _("Throttled"): _sum(tried, steps, "throttled"),
        }
    ends = trend("recipients.")
    return {
        _("Accepted"): Series(accepted),
        _("Delivered"): _sum(ends, steps, "delivered", "relayed"),
        _("Deferred"): _sum(ends, steps, "deferred"),
        _("Refused"): _sum(trend("refused."), steps),
    }


def _store() -> tuple[Rank, ...]:
    """Rank post offices by what they kept when that was last sampled."""
    found = ask(Trend(prefix="store.", hours=3, step=60))
    return _ranks({each.series: int(Series(each.values).now) for each in found.series})


def _ranks(values: dict[str, int]) -> tuple[Rank, ...]:
    """Return the largest values, named without their series' first word."""
    found = [Rank(name.partition(".")[2], value) for name, value in values.items() if value]
    return tuple(sorted(found, key=lambda rank: (-rank.value, rank.name))[:_RANKED])


def _sum(found: Trends, steps: int, *endings: str, kind: str = "p-faint") -> Series:
    """Add up series, all or those whose names end so, step by step."""
    wanted = [
        each.values
        for each in found.series
        if not endings or each.series.rpartition(".")[2] in endings
    ]
    return Series(tuple(sum(values[step] or 0 for values in wanted) for step in range(steps)), kind)


def _total(values: tuple[int | None, ...]) -> int:
    return sum(value or 0 for value in values)


def _offset_s() -> int:
    """Return how far the reader's zone is from UTC now."""
    offset = datetime.now(UTC).astimezone(get_timezone()).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def _stamp(length: Length) -> Callable[[int], str]:
    """Return how times are written in a table: within a day without the date."""
    shape = "HH:mm" if length.hours <= 24 else _("d MMM HH:mm")
    return lambda us: str(format_datetime(formats.moment(us), shape, rebase=False))


def _clock(length: Length) -> Callable[[int], str]:
    """Return how times are written below a drawing: hours of a day, days of a month."""
    shape = "HH:mm" if length.hours <= 24 else "EEE" if length.hours <= 168 else _("d MMM")
    return lambda us: str(format_datetime(formats.moment(us), shape, rebase=False))


def _number(value: float) -> str:
    """Write a number of a scale: 900, 1.5 K, 12 K, 3 M."""
    for size, unit in ((1_000_000, " M"), (10_000, " K")):
        if value >= size:
            shown = value / (1000 if unit == " K" else 1_000_000)
            return f"{formats.number(round(shown, 1))}{unit}"
    return formats.number(value)
