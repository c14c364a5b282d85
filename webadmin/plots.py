"""Numbers as drawings: points become the places of bars, lines, scales and labels of an inline SVG.

Across, places are percents of the drawing's width, down they are pixels: a drawing fits every width
and its text stays as large as it was set. A line is drawn inside a box that is stretched, in
thousandths of its width.

Owns: nothing; values in, values out. Never: writes markup.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

HEIGHT = 116
_TOP, _BASE = 8.0, 98.0
_RIGHT = 99.0  # percent
_DIGIT = 2.9  # percent that a character of the scale takes at the narrowest width
_INTERVALS = 3
_MANTISSAS = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
_GAP = 0.22  # of a step, between bars
_THOUSAND = 1000
_LAST = 0.86  # where "now" begins to need the room
_MICROSECONDS = 1_000_000
_HOUR_S, _DAY_S = 3600, 86_400
_STEPS_S = (600, 1200, _HOUR_S, 3 * _HOUR_S, 6 * _HOUR_S, 9 * _HOUR_S, _DAY_S, 2 * _DAY_S,
            7 * _DAY_S, 10 * _DAY_S)  # fmt: skip
_MARKS = 4  # labels below a drawing, the last one is "now"


@dataclass(frozen=True, slots=True)
class Series:
    """What moved.

    Attributes:
        values: one for each step, the oldest first; None where nothing is known.
        kind: class of its shapes: `p-faint`, `p-warn`, `p-grey`, `p-bad`.
    """

    values: Sequence[float | None]
    kind: str = "p-faint"

    @property
    def total(self) -> float:
        """The sum of what is known."""
        return sum(value for value in self.values if value is not None)

    @property
    def now(self) -> float:
        """The last value known; 0 when there is none."""
        return next((value for value in reversed(self.values) if value is not None), 0)


@dataclass(frozen=True, slots=True)
class Span:
    """The time that is drawn.

    Attributes:
        since: when the first step begins, µs.
        step: how long one is, µs.
        steps: how many.
        offset_s: of the reader's zone from UTC; round times are the reader's.
    """

    since: int
    step: int
    steps: int
    offset_s: int = 0

    def place(self, at_us: int) -> float:
        """Return where a time is, 0 to 1."""
        return min(1.0, max(0.0, (at_us - self.since) / (self.step * max(1, self.steps))))


@dataclass(frozen=True, slots=True)
class Rule:
    """A line of the scale; `y` in pixels."""

    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A label of the time; `x` in percent."""

    x: float
    label: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a bar: across in percent, down in pixels."""

    x: float
    width: float
    y: float
    height: float
    kind: str


@dataclass(frozen=True, slots=True)
class Flag:
    """What happened at a moment: across in percent."""

    x: float
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A plot's shapes.

    Attributes:
        left: where the drawing begins beside its scale, in percent.
        width: of what is right of that, in percent.
        base: where zero is, in pixels.
        rules: the scale, from zero up.
        marks: the times.
        bars: rectangles.
        lines: the points of each unbroken piece of a line, in the stretched box.
        areas: the same, closed down to zero.
        dot: where the line ends now (percent, pixels); None without a line.
        flag: what happened, or None.
        height: in pixels.
    """

    left: float
    width: float
    base: float
    rules: tuple[Rule, ...]
    marks: tuple[Mark, ...]
    bars: tuple[Bar, ...] = ()
    lines: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    dot: tuple[float, float] | None = None
    flag: Flag | None = None
    height: int = HEIGHT


def bars(
    series: Sequence[Series],
    span: Span,
    *,
    number: Callable[[float], str],
    clock: Callable[[int], str],
    now: str,
) -> Drawing:
    """Draw counts as bars, one upon the other.

    Args:
        series: the lowest first.
        span: when.
        number: writes a number for the scale.
        clock: writes a time (µs) below the drawing.
        now: the word for the last time.
    """
    totals = [
        sum(each.values[step] or 0 for each in series if step < len(each.values))
        for step in range(span.steps)
    ]
    top = scale(max(totals, default=0))
    frame = _frame(top, span, number=number, clock=clock, now=now)
    step_width = frame.width / max(1, span.steps)
    shapes: list[Bar] = []
    for step in range(span.steps):
        at = _BASE
        for each in series:
            value = (each.values[step] if step < len(each.values) else None) or 0
            height = _pixels(value, top)
            if value:
                at -= height
                x = frame.left + step_width * (step + _GAP / 2)
                width = step_width * (1 - _GAP)
                shapes.append(
                    Bar(round(x, 2), round(width, 2), round(at, 1), round(height, 1), each.kind)
                )
    return replace(frame, bars=tuple(shapes))


def level(
    series: Series,
    span: Span,
    *,
    number: Callable[[float], str],
    clock: Callable[[int], str],
    now: str,
    flag: tuple[int, str] | None = None,
) -> Drawing:
    """Draw a level as a line above its area.

    Args:
        series: what moved.
        span: when.
        number: writes a number for the scale.
        clock: writes a time (µs) below the drawing.
        now: the word for the last time.
        flag: when something happened (µs), and what.
    """
    known = [value for value in series.values if value is not None]
    top = scale(max(known, default=0))
    frame = _frame(top, span, number=number, clock=clock, now=now)
    lines: list[str] = []
    areas: list[str] = []
    points = [
        (_THOUSAND * (step + 0.5) / max(1, span.steps), value)
        for step, value in enumerate(series.values)
    ]
    if points:  # the last value holds until now
        points.append((float(_THOUSAND), points[-1][1]))
    for is_known, piece in groupby(points, lambda point: point[1] is not None):
        if is_known:
            found = [(x, _BASE - _pixels(value or 0, top)) for x, value in piece]
            lines.append(_points(found))
            areas.append(_points([(found[0][0], _BASE), *found, (found[-1][0], _BASE)]))
    dot = None
    if series.values and series.values[-1] is not None:
        dot = (_RIGHT, round(_BASE - _pixels(series.values[-1], top), 1))
    return replace(
        frame,
        lines=tuple(lines),
        areas=tuple(areas),
        dot=dot,
        flag=None if flag is None else _flag(frame, span, *flag),
    )


def scale(maximum: float) -> float:
    """Return the top of a scale of three intervals, each a round number, that holds a value."""
    step = max(1.0, maximum / _INTERVALS)
    power: float = 10.0 ** math.floor(math.log10(step))
    for mantissa in _MANTISSAS:
        found = mantissa * power
        if found >= step and (found == int(found) or power < 1):
            return found * _INTERVALS
    return 10 * power * _INTERVALS


def _frame(
    top: float,
    span: Span,
    *,
    number: Callable[[float], str],
    clock: Callable[[int], str],
    now: str,
) -> Drawing:
    values = [top * part / _INTERVALS for part in range(_INTERVALS + 1)]
    labels = [number(value) for value in values]
    left = round((max(map(len, labels)) + 1) * _DIGIT, 2)
    rules = tuple(
        Rule(round(_BASE - _pixels(value, top), 1), label)
        for value, label in zip(values, labels, strict=True)
    )
    width = round(_RIGHT - left, 2)
    return Drawing(left, width, _BASE, rules, _marks(span, left, width, clock=clock, now=now))


def _marks(
    span: Span, left: float, width: float, *, clock: Callable[[int], str], now: str
) -> tuple[Mark, ...]:
    """Label round times of the reader's clock, and now."""
    length_s = span.step * span.steps / _MICROSECONDS
    step_s = next((each for each in _STEPS_S if length_s / each <= _MARKS), _STEPS_S[-1])
    begin_s = span.since / _MICROSECONDS + span.offset_s
    at_s = math.ceil(begin_s / step_s) * step_s
    found: list[Mark] = []
    while (at_s - begin_s) / max(1, length_s) < _LAST:
        at_us = int((at_s - span.offset_s) * _MICROSECONDS)
        place = span.place(at_us)
        anchor = "middle" if place > 0.06 else "start"
        found.append(Mark(round(left + width * place, 2), clock(at_us), anchor))
        at_s += step_s
    return (*found[:_MARKS], Mark(_RIGHT, now, "end"))


def _flag(frame: Drawing, span: Span, at_us: int, text: str) -> Flag:
    place = span.place(at_us)
    x = round(frame.left + frame.width * place, 2)
    return Flag(x, text, "end" if place > 0.5 else "start")


def _pixels(value: float, top: float) -> float:
    return (_BASE - _TOP) * value / top


def _points(found: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in found)
