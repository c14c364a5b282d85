"""Time and the ids that are made of it."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from appliance.runtime.clock import SystemClock, new_id, to_datetime, to_iso

moments = st.integers(0, 4_102_444_800_000_000)


def test_clock_tells_microseconds_since_1970() -> None:
    before = time.time_ns() // 1000
    assert before <= SystemClock().now_us() <= time.time_ns() // 1000


def test_moments_are_told_in_utc() -> None:
    assert to_iso(1_055_203_199_999_999) == "2003-06-09T23:59:59Z"
    assert to_datetime(1_055_203_199_000_000).isoformat() == "2003-06-09T23:59:59+00:00"


@given(moments)
def test_id_is_16_letters_and_digits_that_nobody_confuses(at_us: int) -> None:
    made = new_id(at_us)
    assert len(made) == 16
    assert set(made) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")


@given(moments, moments)
def test_ids_sort_by_time(one: int, other: int) -> None:
    if one // 1000 < other // 1000:
        assert new_id(one) < new_id(other)


def test_ids_of_one_moment_differ() -> None:
    assert len({new_id(1_750_000_000_000_000) for _ in range(1000)}) == 1000
