"""Plots as SVG files: dots with their spread, and stacked bars; readable in light and dark.

Each has a title and a description for whoever can't see it, and is the same, octet by octet, for
the same values.

Never: reads or measures anything.
"""

from __future__ import annotations

import dataclasses
import html
import math
from collections.abc import Iterable, Sequence

__all__ = ["Bar", "Dot", "Series", "dots", "stacked"]

_WIDTH = 930
_LABELS = 320
"""Width of the labels at the left."""
_REMARKS = 190
"""Width of the values at the right."""
_ROW = 28
_TOP = 62
_FAR = 8
"""Values that differ by this factor are shown on a logarithmic axis."""

# Surface, words, faint words, lines; then what stands for something, each with a shape of its own.
_STYLE = """
svg { --surface: #ffffff; --ink: #1f2328; --faint: #59636e; --line: #d8dee4;
  --ours: #0969da; --peer: #8250a8; --goal: #1a7f37; --floor: #9a6700; --missed: #c62f2f;
  --s0: #0969da; --s1: #bf5b04; --s2: #1a7f37; --s3: #8250a8; --s4: #0e7c86; --s5: #b3386d;
  --s6: #6e7781; --s7: #8a6d00; }
@media (prefers-color-scheme: dark) { svg { --surface: #0d1117; --ink: #e6edf3; --faint: #9198a1;
  --line: #30363d; --ours: #58a6ff; --peer: #c297ff; --goal: #3fb950; --floor: #d9a536;
  --missed: #ff7b72; --s0: #58a6ff; --s1: #f0883e; --s2: #3fb950; --s3: #c297ff; --s4: #39c5cf;
  --s5: #f778ba; --s6: #9198a1; --s7: #d9a536; } }
text { font: 13px system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif;
  fill: var(--ink); font-variant-numeric: tabular-nums; }
.title { font-size: 16px; font-weight: 600; } .faint { fill: var(--faint); font-size: 12px; }
.missed { fill: var(--missed); } .right { text-anchor: end; } .middle { text-anchor: middle; }
.line { stroke: var(--line); } .axis { stroke: var(--faint); }
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Series:
    """What a colour and shape stand for."""

    label: str
    style: str  # ours, peer, or s0 … s7
    is_hollow: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A line of a plot of dots.

    Attributes:
        label: at the left.
        values: least, middle, greatest of each series; None where there is none.
        floor: where the floor's mark is.
        goal: where the goal's mark is.
        remark: at the right.
        is_missed: whether the remark is to stand out.
    """

    label: str
    values: Sequence[tuple[float, float, float] | None]
    floor: float | None = None
    goal: float | None = None
    remark: str = ""
    is_missed: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A line of a plot of stacked bars: a value for each series; the rest as in `Dot`."""

    label: str
    values: Sequence[float]
    remark: str = ""
    is_missed: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class _Scale:
    """From values to places between the labels and the remarks."""

    least: float
    most: float
    is_log: bool

    def x(self, value: float) -> float:
        left, right = _LABELS, _WIDTH - _REMARKS
        value = min(max(value, self.least), self.most)
        if self.is_log:
            share = math.log(value / self.least) / math.log(self.most / self.least)
        else:
            share = (value - self.least) / (self.most - self.least)
        return round(left + share * (right - left), 1)

    def ticks(self) -> list[float]:
        if not self.is_log:
            step = _step(self.most - self.least)
            count = math.floor((self.most - self.least) / step + 1e-9)
            return [round(self.least + number * step, 9) for number in range(count + 1)]
        found = []
        decades = range(math.floor(math.log10(self.least)), math.ceil(math.log10(self.most)) + 1)
        for decade in decades:
            few = len(decades) <= 4
            found += [factor * 10.0**decade for factor in ((1, 2, 5) if few else (1,))]
        return [
            tick for tick in found if self.least <= tick * 1.0001 and tick <= self.most * 1.0001
        ]


def _step(span: float) -> float:
    rough = span / 6
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)


def _linear(values: Sequence[float]) -> _Scale:
    step = _step(max(values))
    return _Scale(0.0, math.ceil(max(values) / step) * step, is_log=False)


def _scale(values: Sequence[float]) -> _Scale:
    """Returns a scale that begins at 0, or a logarithmic one where values lie far apart."""
    low, high = min(values), max(values)
    if high < _FAR * low:
        return _linear(values)
    return _Scale(low / 1.15, high * 1.15, is_log=True)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:g}"


def _text(x: float, y: float, words: str, style: str = "") -> str:
    named = f' class="{style}"' if style else ""
    return f'<text x="{x:g}" y="{y:g}"{named}>{html.escape(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, look: str) -> str:
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" {look}/>'


def _circle(x: float, y: float, series: Series) -> str:
    fill = "var(--surface)" if series.is_hollow else f"var(--{series.style})"
    return (
        f'<circle cx="{x:g}" cy="{y:g}" r="5" fill="{fill}" stroke="var(--{series.style})"'
        ' stroke-width="2"/>'
    )


def _floor_mark(x: float, y: float) -> str:
    """A bar with a foot: the least."""
    return _mark(f"M{x:g} {y - 9:g}v18m-4 0h8", 'stroke="var(--floor)" stroke-width="2.5"')


def _goal_mark(x: float, y: float) -> str:
    """A diamond: what is aimed at."""
    return _mark(f"M{x:g} {y - 7:g}l5 7-5 7-5-7z", 'fill="var(--goal)"')


def _mark(path: str, look: str) -> str:
    """Draws a mark with a rim of the surface, so that it can be seen on a bar too."""
    rim = f'<path d="{path}" stroke="var(--surface)" stroke-width="7" stroke-linejoin="round"/>'
    return f'<g fill="none">{rim}<path d="{path}" {look}/></g>'


def _document(title: str, description: str, height: float, body: Iterable[str]) -> str:
    return "\n".join(
        (
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:g}"'
                f' width="{_WIDTH}" height="{height:g}" role="img" aria-labelledby="t d">'
            ),
            f'<title id="t">{html.escape(title)}</title>',
            f'<desc id="d">{html.escape(description)}</desc>',
            f"<style>{_STYLE}</style>",
            '<rect width="100%" height="100%" rx="8" fill="var(--surface)"/>',
            *body,
            "</svg>\n",
        )
    )


def _axis(scale: _Scale, top: float, bottom: float, caption: str) -> list[str]:
    drawn = []
    for tick in scale.ticks():
        x = scale.x(tick)
        drawn.append(_line(x, top, x, bottom, 'class="line"'))
        drawn.append(_text(x, bottom + 17, _number(tick), "faint middle"))
    centre = (_LABELS + _WIDTH - _REMARKS) / 2
    drawn.append(_text(centre, bottom + 35, caption, "faint middle"))
    return drawn


def dots(
    title: str,
    description: str,
    rows: Sequence[Dot],
    series: Sequence[Series],
    *,
    caption: str,
    line_at: float | None = None,
) -> str:
    """Draws a line for each row, a dot for each series, with a stroke from least to greatest.

    Args:
        title: above it.
        description: says in words what can be seen.
        rows: from top to bottom.
        series: what the dots are of.
        caption: of the axis.
        line_at: a value that is drawn as a line through all rows.
    """
    every = [value for row in rows for spread in row.values if spread for value in spread]
    every += [mark for row in rows for mark in (row.floor, row.goal) if mark is not None]
    scale = _scale([*every, *(() if line_at is None else (line_at,))])
    bottom = _TOP + _ROW * len(rows)
    body = [_text(16, 27, title, "title")]
    has_marks = any(row.floor is not None for row in rows)
    body += _legend(series, has_marks=has_marks)
    body += _axis(scale, _TOP, bottom, f"{caption}; logarithmic" if scale.is_log else caption)
    if line_at is not None:
        x = scale.x(line_at)
        body.append(_line(x, _TOP, x, bottom, 'class="axis" stroke-width="1.5"'))
    for number, row in enumerate(rows):
        y = _TOP + _ROW * number + _ROW / 2
        body.append(_text(_LABELS - 12, y + 4.5, row.label, "right"))
        if row.floor is not None:
            body.append(_floor_mark(scale.x(row.floor), y))
        if row.goal is not None:
            body.append(_goal_mark(scale.x(row.goal), y))
        for each, spread in zip(series, row.values, strict=True):
            if spread is None:
                continue
            low, middle, high = (scale.x(value) for value in spread)
            look = f'stroke="var(--{each.style})" stroke-width="3" stroke-linecap="round"'
            body.append(_line(low, y, high, y, look))
            body.append(_circle(middle, y, each))
        body.append(_remark(y, row.remark, is_missed=row.is_missed))
    return _document(title, description, bottom + 50, body)


def _legend(series: Sequence[Series], *, has_marks: bool) -> list[str]:
    drawn, x, y = [], 22.0, 47.0
    for each in series:
        drawn += [_circle(x, y, each), _text(x + 11, y + 4, each.label, "faint")]
        x += 34 + 6.6 * len(each.label)
    return drawn + (_marks_legend(x, y) if has_marks else [])


def _remark(y: float, words: str, *, is_missed: bool) -> str:
    return _text(_WIDTH - _REMARKS + 14, y + 4.5, words, "missed" if is_missed else "")


def _marks_legend(x: float, y: float) -> list[str]:
    return [
        _floor_mark(x, y),
        _text(x + 11, y + 4, "floor", "faint"),
        _goal_mark(x + 62, y),
        _text(x + 73, y + 4, "goal", "faint"),
    ]


def stacked(
    title: str,
    description: str,
    rows: Sequence[Bar],
    series: Sequence[Series],
    *,
    caption: str,
    floor: float | None = None,
    goal: float | None = None,
) -> str:
    """Draws a bar for each row, in pieces by series.

    Args:
        title: above it.
        description: says in words what can be seen.
        rows: from top to bottom.
        series: what the pieces are of.
        caption: of the axis.
        floor: a mark on every bar.
        goal: another.
    """
    marks = [mark for mark in (floor, goal) if mark is not None]
    scale = _linear([*(sum(row.values) for row in rows), *marks])
    high = 2 * _ROW
    bottom = _TOP + high * len(rows)
    body = [_text(16, 27, title, "title")]
    x = 22.0
    for each in series:
        body.append(
            f'<rect x="{x - 5:g}" y="42" width="10" height="10" fill="var(--{each.style})"/>'
        )
        body.append(_text(x + 11, 51, each.label, "faint"))
        x += 30 + 6.6 * len(each.label)
    if marks:
        body += _marks_legend(x, 47)
    body += _axis(scale, _TOP, bottom, caption)
    for number, row in enumerate(rows):
        y = _TOP + high * number + high / 2
        body.append(_text(_LABELS - 12, y + 4.5, row.label, "right"))
        total = 0.0
        for each, value in zip(series, row.values, strict=True):
            left, right = scale.x(total), scale.x(total + value)
            total += value
            # The surface shows between two pieces, so that they can be told apart without colour.
            width = max(right - left - 1.5, 0.5)
            body.append(
                f'<rect x="{left:g}" y="{y - 12:g}" width="{width:g}" height="24"'
                f' fill="var(--{each.style})"/>'
            )
        if floor is not None:
            body.append(_floor_mark(scale.x(floor), y))
        if goal is not None:
            body.append(_goal_mark(scale.x(goal), y))
        body.append(_remark(y, row.remark, is_missed=row.is_missed))
    return _document(title, description, bottom + 50, body)
