"""Numbers that move, minute by minute: what housekeeping samples, as points to plot.

docs/metrics.md lists the series.

Owns: nothing. Failure: `Invalid` (too long a time, too small a step); `StoreBusy` (temporary).
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass

from appliance.operations.house import House
from appliance.operations.operation import Invalid, Question
from appliance.queue.samples import MINUTE_US, Group, Samples
from appliance.rules.access import Permission
from appliance.settings import trends

MARKER = "accepted"  # sampled every minute, also when it is 0: it tells a quiet time from a stop
_MOST_STEPS = 2000
_MOST_SERIES = 100
# What stands for several minutes, by the first word of a series' name; the highest for others.
_SUMS = ("accepted", "recipients", "refused", "logins")
_LOWEST = "disk.free"
_HOURLY = "store."  # the value stays until the next one


@dataclass(frozen=True, slots=True)
class Points:
    """One series, a value for each step.

    Attributes:
        series: its name: `recipients.SMTP.deferred`.
        values: the oldest first: the sum of a count, the highest of a level (the lowest of
            `disk.free`). None where nothing was sampled: the server did not run, or the minute
            is not over yet.
    """

    series: str
    values: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Trends:
    """Series over one time.

    Attributes:
        since: when the first step begins, µs.
        step: how long one is, in µs.
        series: by name; all have the same number of values.
    """

    since: int
    step: int
    series: tuple[Points, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend(Question[Trends]):
    """How numbers moved, up to now.

    Attributes:
        series: their names; one that was never sampled has zeros.
        prefix: besides, all series whose name begins so, the first hundred by name; empty: none.
        hours: how far back, 1 to `trends.days` × 24.
        step: minutes in one step; at most 2000 steps are given.
    """

    name = "trend.show"
    permission = Permission.SERVER_READ
    series: tuple[str, ...] = ()
    prefix: str = ""
    hours: int = 24
    step: int = 5

    def answer(self, house: House) -> Trends:
        """Return the points."""
        self._check(house)
        samples = Samples(house.databases.get("journey"))
        step_us = self.step * MINUTE_US
        until = house.clock.now_us() // MINUTE_US * MINUTE_US
        count = -(-self.hours * 60 // self.step)
        since = (until - 1) // step_us * step_us - (count - 1) * step_us
        found = samples.names(self.prefix)[:_MOST_SERIES] if self.prefix else []
        grouped = {
            name: samples.grouped(name, since_us=since, until_us=until, step_us=step_us)
            for name in dict.fromkeys([MARKER, *self.series, *found])
        }
        sampled = grouped[MARKER]
        wanted = dict.fromkeys([*self.series, *found])
        series = (Points(name, _values(name, grouped[name], sampled, count)) for name in wanted)
        return Trends(since, step_us, tuple(series))

    def _check(self, house: House) -> None:
        most = house.settings[trends.days] * 24
        if not 1 <= self.hours <= most:
            raise Invalid(
                f"{self.hours} hours: numbers are kept {most} hours (trends.days)", field="hours"
            )
        minutes = self.hours * 60
        least = max(1, -(-minutes // _MOST_STEPS))
        if not least <= self.step <= minutes:
            raise Invalid(
                f"a step of {self.step} minutes: for {self.hours} hours use {least} to {minutes}",
                field="step",
            )
        if len(self.series) > _MOST_SERIES:
            text = f"{len(self.series)} series: ask for {_MOST_SERIES} at most"
            raise Invalid(text, field="series")


def _values(
    series: str, grouped: Mapping[int, Group], sampled: Container[int], count: int
) -> tuple[int | None, ...]:
    found: list[int | None] = []
    # what a minute means in which others were sampled, this one not
    nothing: int | None = None if series.startswith(_HOURLY) else 0
    for step in range(count):
        group = grouped.get(step)
        if group is None:
            found.append(nothing if step in sampled else None)
            continue
        if series.partition(".")[0] in _SUMS:
            found.append(group.total)
        else:
            found.append(group.lowest if series == _LOWEST else group.highest)
        if series.startswith(_HOURLY):
            nothing = found[-1]
    return tuple(found)
