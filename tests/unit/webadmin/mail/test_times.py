from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from flask import Flask
from flask_babel import Babel

from webadmin.mail.times import below_heading, day_heading, day_key, without_heading

_NOW = date(2026, 11, 22)  # a Sunday


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    app = Flask(__name__)
    Babel(app, default_locale="en", default_timezone="Europe/Berlin")
    with app.test_request_context():
        yield


def _us(year: int, month: int, day: int, hour: int = 12, minute: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("at", "heading", "below", "alone"),
    [
        (_us(2026, 11, 22, 13, 32), "Today", "14:32", "14:32"),
        (_us(2026, 11, 21), "Yesterday", "13:00", "21 Nov"),
        (_us(2026, 11, 16), "Monday", "13:00", "16 Nov"),
        (_us(2026, 11, 15), "November", "15 Nov", "15 Nov"),
        (_us(2026, 1, 3), "January", "3 Jan", "3 Jan"),
        (_us(2025, 11, 22), "November 2025", "22 Nov", "22 Nov 2025"),
    ],
)
def test_a_heading_says_what_the_time_below_need_not(
    at: int, heading: str, below: str, alone: str
) -> None:
    assert day_heading(at, _NOW) == heading
    assert below_heading(at, _NOW) == below
    assert without_heading(at, _NOW) == alone


def test_days_are_those_of_the_readers_zone() -> None:
    assert day_heading(_us(2026, 11, 21, 23, 30), _NOW) == "Today"


def test_days_of_late_have_a_heading_each_and_older_ones_one_a_month() -> None:
    keys = [day_key(_us(2026, 11, day), _NOW) for day in (22, 21, 16, 15, 2)]
    assert keys == ["2026-11-22", "2026-11-21", "2026-11-16", "2026-11", "2026-11"]
