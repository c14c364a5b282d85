"""Retries by the schedule, until lifetime or number of attempts ends it (CHECKLIST 246–252)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.rules.retry import Again, GiveUp, after_failure
from appliance.runtime.clock import MICROSECONDS
from appliance.settings.snapshot import Snapshot

NOON = 1_750_000_000 * MICROSECONDS
spans = st.integers(1, 604_800)
settings = st.fixed_dictionaries(
    {
        "retry.first": spans,
        "retry.second": spans,
        "retry.third": spans,
        "retry.subsequent": spans,
        "retry.count": st.integers(1, 60),
        "retry.lifetime": st.integers(1, 2_592_000),
        "retry.delay_notice": st.sampled_from(["off", "first", "every"]),
    }
)
# how long each attempt takes before it has failed
efforts = st.lists(st.integers(0, 3_600 * MICROSECONDS), min_size=1, max_size=5)


def run(values: dict[str, object], efforts: list[int]) -> tuple[list[Again], GiveUp, list[int]]:
    """Fail until it is given up; returns the retries, the end, and when each attempt failed."""
    snapshot, now = Snapshot(values), NOON
    retries: list[Again] = []
    failed_at: list[int] = []
    for attempts in range(1, 1000):
        now += efforts[attempts % len(efforts)]
        failed_at.append(now)
        decided = after_failure(attempts=attempts, accepted_at=NOON, now=now, settings=snapshot)
        if isinstance(decided, GiveUp):
            return retries, decided, failed_at
        retries.append(decided)
        now = decided.due_at
    raise AssertionError("it is never given up")


@given(settings, efforts)
def test_message_is_given_up_by_count_or_lifetime_whichever_comes_first(
    values: dict[str, object], efforts: list[int]
) -> None:
    count, lifetime = values["retry.count"], values["retry.lifetime"]
    assert isinstance(count, int)
    assert isinstance(lifetime, int)
    retries, end, failed_at = run(values, efforts)
    attempts = len(failed_at)
    assert attempts <= count
    over = failed_at[-1] - NOON >= lifetime * MICROSECONDS
    assert attempts == count or over
    assert all(at - NOON < lifetime * MICROSECONDS for at in failed_at[:-1])
    assert end.reason.setting in ("retry.count", "retry.lifetime")
    assert len(retries) == attempts - 1


@given(settings, efforts)
def test_each_retry_follows_its_span_but_none_after_the_lifetime(
    values: dict[str, object], efforts: list[int]
) -> None:
    retries, _, failed_at = run(values, efforts)
    names = ["retry.first", "retry.second", "retry.third"]
    for number, (again, failed) in enumerate(zip(retries, failed_at, strict=False)):
        name = names[number] if number < len(names) else "retry.subsequent"
        span, lifetime = values[name], values["retry.lifetime"]
        assert isinstance(span, int)
        assert isinstance(lifetime, int)
        end = NOON + lifetime * MICROSECONDS
        assert again.due_at == min(failed + span * MICROSECONDS, end)
        assert again.due_at > failed  # never at once, never backwards
        assert again.reason.setting == name


@given(settings, efforts)
def test_sender_is_told_of_the_delay_as_set(values: dict[str, object], efforts: list[int]) -> None:
    retries, _, _ = run(values, efforts)
    told = [again.notify for again in retries]
    match values["retry.delay_notice"]:
        case "off":
            assert not any(told)
        case "first":
            assert told == [number == 0 for number in range(len(told))]
        case _:
            assert all(told)
