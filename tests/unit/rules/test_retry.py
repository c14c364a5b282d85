"""The manual's schedule of retries (§6.2, Delivery; CHECKLIST 246–252)."""

from __future__ import annotations

import pytest

from appliance.journey.reason import Outcome
from appliance.rules.retry import Again, GiveUp, after_failure
from appliance.runtime.clock import MICROSECONDS
from appliance.settings.snapshot import Snapshot

NOON = 1_750_000_000 * MICROSECONDS
MINUTE = 60 * MICROSECONDS
DEFAULTS = Snapshot({})


def decide(
    attempts: int, *, after_us: int = 0, is_choice: bool = False, **values: object
) -> Again | GiveUp:
    settings = Snapshot({f"retry.{name}": value for name, value in values.items()})
    return after_failure(
        attempts=attempts,
        accepted_at=NOON,
        now=NOON + after_us,
        settings=settings,
        is_choice=is_choice,
    )


@pytest.mark.parametrize(
    ("attempts", "minutes"), [(1, 15), (2, 30), (3, 60), (4, 240), (5, 240), (23, 240)]
)
def test_retries_follow_after_15_30_60_and_then_each_240_minutes(
    attempts: int, minutes: int
) -> None:
    # CHECKLIST 246, 247, 248, 249
    again = decide(attempts)
    assert isinstance(again, Again)
    assert again.due_at == NOON + minutes * MINUTE
    assert again.reason.outcome is Outcome.DEFER


def test_reaching_the_count_ends_it_though_the_lifetime_is_not_over() -> None:
    # CHECKLIST 251
    assert isinstance(decide(23), Again)
    end = decide(24)
    assert isinstance(end, GiveUp)
    assert end.reason.outcome is Outcome.REJECT
    assert (end.reason.rule, end.reason.setting) == ("retry.count", "retry.count")
    assert isinstance(decide(1, count=1), GiveUp)


def test_lifetime_ends_it_though_the_count_is_not_reached() -> None:
    # CHECKLIST 250
    day = 24 * 60 * MINUTE
    assert isinstance(decide(4, after_us=4 * day - 1), Again)
    end = decide(4, after_us=4 * day)
    assert isinstance(end, GiveUp)
    assert (end.reason.rule, end.reason.setting) == ("retry.lifetime", "retry.lifetime")
    assert "within 4d" in end.reason.text


def test_last_attempt_is_made_when_the_lifetime_ends() -> None:
    again = decide(4, after_us=59 * MINUTE, lifetime=3600)
    assert isinstance(again, Again)
    assert again.due_at == NOON + 60 * MINUTE


@pytest.mark.parametrize(
    ("wish", "first", "later"),
    [("off", False, False), ("first", True, False), ("every", True, True)],
)
def test_delay_notice_off_at_the_first_failure_or_at_each(
    wish: str, first: bool, later: bool
) -> None:
    # CHECKLIST 252
    for attempts, expected in ((1, first), (2, later), (9, later)):
        again = decide(attempts, delay_notice=wish)
        assert isinstance(again, Again)
        assert again.notify == expected


def test_what_this_server_chose_not_to_try_is_not_counted_and_not_told() -> None:
    again = decide(1000, is_choice=True, delay_notice="every")
    assert isinstance(again, Again)
    assert not again.notify
    assert isinstance(decide(1, is_choice=True, after_us=10**15), GiveUp)
