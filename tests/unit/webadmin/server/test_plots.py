from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webadmin.plots import HEIGHT, Drawing, Series, Span, bars, level, scale

_HALF_HOUR = 1_800_000_000
_DAY = Span(since=1_795_000_000_000_000, step=_HALF_HOUR, steps=48)


def _clock(us: int) -> str:
    minutes = us // 60_000_000 % 1440
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _bars(*series: Series, span: Span = _DAY) -> Drawing:
    return bars(series, span, number=lambda value: f"{value:g}", clock=_clock, now="now")


def _level(series: Series, span: Span = _DAY, flag: tuple[int, str] | None = None) -> Drawing:
    return level(
        series, span, number=lambda value: f"{value:g}", clock=_clock, now="now", flag=flag
    )


@pytest.mark.parametrize(
    ("maximum", "top"),
    [(0, 3), (1, 3), (3, 3), (4, 6), (10, 12), (42, 45), (60, 60), (860, 900), (12_345, 15_000)],
)
def test_a_scale_has_three_round_intervals(maximum: float, top: float) -> None:
    assert scale(maximum) == top


@given(st.floats(0, 1e12))
def test_a_scale_holds_its_maximum_and_is_not_half_empty(maximum: float) -> None:
    top = scale(maximum)
    assert maximum <= top <= max(3, maximum * 2)


def test_zero_is_the_base_and_four_lines_carry_numbers() -> None:
    drawing = _bars(Series([30] * 48))
    assert [rule.label for rule in drawing.rules] == ["0", "10", "20", "30"]
    assert drawing.rules[0].y == drawing.base


def test_bars_stand_upon_each_other() -> None:
    drawing = _bars(Series([2] + [0] * 47), Series([1] + [0] * 47, "p-warn"))
    lower, upper = drawing.bars
    assert (lower.kind, upper.kind) == ("p-faint", "p-warn")
    assert lower.y + lower.height == pytest.approx(drawing.base)
    assert upper.y + upper.height == pytest.approx(lower.y)
    assert upper.x == lower.x


def test_what_is_zero_or_unknown_has_no_bar() -> None:
    assert _bars(Series([0, None, 5] + [0] * 45)).bars[0].x > 0
    assert len(_bars(Series([0, None, 5] + [0] * 45)).bars) == 1


def test_the_time_is_labelled_at_round_hours_of_the_reader_and_ends_now() -> None:
    here = _bars(Series([0] * 48)).marks
    india = Span(since=_DAY.since, step=_HALF_HOUR, steps=48, offset_s=19_800)
    there = _bars(Series([0] * 48), span=india).marks
    assert [mark.label for mark in here] == ["12:00", "18:00", "00:00", "06:00", "now"]
    assert [mark.label for mark in there][:2] == ["12:30", "18:30"]  # 18:00 and 00:00 there


def test_a_line_breaks_where_nothing_is_known() -> None:
    values = [1] * 10 + [None] * 5 + [2] * 33
    drawing = _level(Series(values))
    assert len(drawing.lines) == len(drawing.areas) == 2
    assert drawing.dot is not None


def test_a_line_that_ended_has_no_dot_at_now() -> None:
    assert _level(Series([1] * 47 + [None])).dot is None


def test_nothing_at_all_is_an_empty_scale() -> None:
    drawing = _level(Series([None] * 48))
    assert drawing.lines == ()
    assert [rule.label for rule in drawing.rules] == ["0", "1", "2", "3"]


def test_a_cause_is_written_where_it_happened_and_reads_away_from_the_edge() -> None:
    late = _level(Series([1] * 48), flag=(_DAY.since + 46 * _HALF_HOUR, "mx defers")).flag
    early = _level(Series([1] * 48), flag=(_DAY.since + _HALF_HOUR, "mx defers")).flag
    assert late is not None
    assert early is not None
    assert (late.anchor, early.anchor) == ("end", "start")


@given(st.lists(st.none() | st.integers(0, 10**9), min_size=1, max_size=60))
def test_every_shape_lies_within_the_drawing(values: list[int | None]) -> None:
    span = Span(since=_DAY.since, step=_HALF_HOUR, steps=len(values))
    drawing = _bars(Series(values), span=span)
    for bar in drawing.bars:
        assert drawing.left - 0.01 <= bar.x <= bar.x + bar.width <= 100
        assert 0 <= bar.y <= bar.y + bar.height <= HEIGHT
    for line in _level(Series(values), span=span).lines:
        for point in line.split():
            x, _, y = point.partition(",")
            assert 0 <= float(x) <= 1000
            assert 0 <= float(y) <= HEIGHT
