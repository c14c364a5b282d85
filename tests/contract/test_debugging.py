"""Verbose Debug logs: on for a while, off, and back by themselves; on both databases."""

from __future__ import annotations

import pytest

from appliance.operations.debugging import (
    Debugging,
    ListDebugging,
    StartDebugging,
    StopDebugging,
)
from appliance.operations.health import ShowHealth
from appliance.operations.operation import Invalid
from appliance.operations.records import ListAudit, ListRevisions
from appliance.operations.settings import ChangeSetting
from appliance.operations.watch import LOGGED, log_options
from tests.support.clock import SetClock
from tests.support.town import Town

SECOND, MINUTE, DAY = 1_000_000, 60_000_000, 86_400_000_000


def start(town: Town, service: str = "SMTP", seconds: int = 600) -> Debugging:
    found = town.do(StartDebugging(service=service, for_s=seconds))
    town.house.live.refresh()
    return found


def verbose(town: Town) -> list[str]:
    return [each.service for each in town.ask(ListDebugging()) if each.verbose]


def test_one_service_is_verbose_until_the_end_and_back_by_itself(
    town: Town, clock: SetClock
) -> None:
    began = clock.now_us()
    found = start(town)
    assert (found.service, found.verbose, found.changed) == ("SMTP", True, True)
    assert found.ends_at == began // SECOND * SECOND + 10 * MINUTE
    assert found.log.startswith(f"{town.house.home}/logs/SMTP/SMTP-Debug-")
    assert verbose(town) == ["SMTP"]
    assert log_options(town.house.settings, "SMTP").verbose_until == found.ends_at / SECOND
    clock.advance(599)
    assert verbose(town) == ["SMTP"]
    clock.advance(1)
    assert verbose(town) == []


def test_each_service_has_an_end_of_its_own_and_all_can_be_ended(town: Town) -> None:
    for service in ("SMTP", "WEB"):
        start(town, service)
    assert verbose(town) == ["SMTP", "WEB"]
    assert [each.service for each in town.ask(ListDebugging())] == list(LOGGED)
    found = town.do(StopDebugging(service="WEB"))
    assert [(each.service, each.changed) for each in found] == [("WEB", True)]
    assert verbose(town) == ["SMTP"]
    found = town.do(StopDebugging())
    assert [each.service for each in found if each.changed] == ["SMTP"]
    assert verbose(town) == []
    assert not any(each.changed for each in town.do(StopDebugging()))


def test_asked_again_it_changes_nothing_until_the_end_would_be_another(
    town: Town, clock: SetClock
) -> None:
    first = start(town)
    clock.advance(30)
    again = start(town)
    assert (again.ends_at, again.changed) == (first.ends_at, False)
    clock.advance(300)
    later = start(town)
    assert later.changed
    assert later.ends_at == first.ends_at + 330 * SECOND
    shorter = start(town, seconds=60)
    assert shorter.changed
    assert shorter.ends_at < first.ends_at


@pytest.mark.parametrize("seconds", [0, 59, 86_401])
def test_a_length_is_from_a_minute_to_a_day(town: Town, seconds: int) -> None:
    with pytest.raises(Invalid) as refused:
        start(town, seconds=seconds)
    assert refused.value.field == "for_s"
    assert verbose(town) == []
    for right in (60, 86_400):
        start(town, seconds=right)


def test_what_has_no_logs_is_refused(town: Town) -> None:
    with pytest.raises(Invalid, match="'IMAP' has no logs; one of SMTP, POP"):
        town.do(StartDebugging(service="IMAP"))
    with pytest.raises(Invalid, match="'IMAP' has no logs; one of SMTP, POP"):
        town.do(StopDebugging(service="IMAP"))


def test_the_setting_itself_reaches_no_further_than_a_day(town: Town, clock: SetClock) -> None:
    change = ChangeSetting(setting="smtp.verbose_until", value="2099-01-01T00:00:00Z")
    with pytest.raises(Invalid, match="is more than a day from now"):
        town.do(change)
    start(town, seconds=86_400)
    clock.advance(-2 * DAY / SECOND)  # a clock that was wrong
    assert verbose(town) == []


def test_it_is_audited_revised_and_known_to_who_asks_for_the_health(town: Town) -> None:
    start(town)
    (entry,) = [each for each in town.ask(ListAudit(most=5)) if each.operation == "debug.on"]
    assert (entry.actor, entry.object, entry.outcome) == ("operator:anna", "log SMTP", "done")
    (revision, *_) = town.ask(ListRevisions(most=1))
    assert revision.object == "setting smtp.verbose_until"
    causes = [each.cause for each in town.ask(ShowHealth()).findings]
    assert causes.count("log.verbose") == 1
