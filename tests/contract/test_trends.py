"""Numbers that move: sampled each minute over all processes, kept, and given as points to plot."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.agents.housekeeping import agent, chores
from appliance.agents.housekeeping.sampler import Sampler
from appliance.database.database import Database
from appliance.database.errors import StoreBusy
from appliance.operations import services
from appliance.operations.house import House
from appliance.operations.operation import Invalid
from appliance.operations.queue import HoldMessage
from appliance.operations.services import Process
from appliance.operations.settings import ChangeSetting
from appliance.operations.trends import Points, Trend
from appliance.queue.samples import MINUTE_US, Samples
from appliance.runtime import metrics
from appliance.runtime.logs import Logs
from tests.support.clock import SetClock
from tests.support.letters import delivery, entry
from tests.support.town import Town, submit
from tests.support.waiting import until

_DOC = Path(__file__).parents[2] / "docs" / "metrics.md"


class Counting:
    """Processes and what each says that it has counted."""

    def __init__(self, clock: SetClock) -> None:
        self._clock = clock
        self.pages: dict[tuple[str, int], tuple[int, dict[str, int]]] = {}

    def start(self, service: str, pid: int, **counts: int) -> None:
        self.pages[service, pid] = (self._clock.now_us(), self._named(counts))

    def count(self, service: str, pid: int, **counts: int) -> None:
        since, _ = self.pages[service, pid]
        self.pages[service, pid] = (since, self._named(counts))

    def stop(self, service: str, pid: int) -> None:
        del self.pages[service, pid]

    def _named(self, counts: dict[str, int]) -> dict[str, int]:
        lines = {
            "accepted": "posthouse_accepted_messages_total",
            "delivered": 'posthouse_recipients_total{connector="SF",outcome="delivered"}',
            "refused": 'posthouse_refused_total{rule="recipient.unknown"}',
            "wrong": 'posthouse_logins_total{service="pop3",outcome="wrong"}',
            "open": 'posthouse_connections{service="smtp"}',
        }
        return {lines[name]: value for name, value in counts.items()}

    def all(self, house: House) -> Iterator[tuple[Process, str]]:
        for (service, pid), (since, counts) in self.pages.items():
            process = Process(
                service=service, pid=pid, since=since, has_doorbell=True, has_metrics=True
            )
            text = "# HELP posthouse_x What.\n# TYPE posthouse_x gauge\nposthouse_x 1.0\n"
            yield process, text + "".join(f"{name} {value}\n" for name, value in counts.items())


@pytest.fixture
def counting(clock: SetClock, monkeypatch: pytest.MonkeyPatch) -> Counting:
    clock.at_us -= clock.at_us % MINUTE_US
    found = Counting(clock)
    monkeypatch.setattr("appliance.agents.housekeeping.sampler.pages", found.all)
    return found


def values(house: House, *series: str, minutes: int = 3) -> list[tuple[int | None, ...]]:
    """Return the last minutes of some series."""
    found = Trend(series=series, hours=1, step=1).answer(house)
    return [each.values[-minutes:] for each in found.series]


# ── sampling ─────────────────────────────────────────────────────────────────────────────────────


def test_counts_are_what_all_processes_have_added_since_the_minute_before(
    house: House, clock: SetClock, counting: Counting
) -> None:
    counting.start("smtp", 1, accepted=100, refused=7)
    counting.start("mta", 2, delivered=90)
    clock.advance(1)
    sampler = Sampler(house)
    clock.advance(1)
    counting.start("smtp", 3, accepted=4)  # started since: what it has counted is new
    counting.count("smtp", 1, accepted=105, refused=7)
    counting.count("mta", 2, delivered=96)
    clock.advance(60)
    sampler.sample()
    counting.count("smtp", 1, accepted=106, refused=9)
    counting.stop("smtp", 3)
    clock.advance(60)
    sampler.sample()
    assert values(house, "accepted", "refused.recipient.unknown", "recipients.SF.delivered") == [
        *((None, 9, 1), (None, 0, 2), (None, 6, 0)),
    ]


def test_process_that_begins_anew_begins_at_0(
    house: House, clock: SetClock, counting: Counting
) -> None:
    counting.start("smtp", 1, accepted=100)
    clock.advance(1)
    sampler = Sampler(house)
    counting.stop("smtp", 1)
    counting.start("smtp", 1, accepted=3)  # even under the same process id
    clock.advance(60)
    sampler.sample()
    assert values(house, "accepted", minutes=1) == [(3,)]


def test_what_was_counted_before_housekeeping_ran_belongs_to_no_minute(
    house: House, clock: SetClock, counting: Counting
) -> None:
    counting.start("smtp", 1, accepted=1_000_000, wrong=500)
    clock.advance(1)
    sampler = Sampler(house)
    clock.advance(60)
    sampler.sample()
    assert values(house, "accepted", "logins.pop3.wrong", minutes=1) == [(0,), (0,)]


def test_process_that_does_not_answer_is_asked_again(
    house: House, clock: SetClock, counting: Counting
) -> None:
    counting.start("smtp", 1, accepted=10)
    clock.advance(1)
    sampler = Sampler(house)
    page = counting.pages["smtp", 1]
    silent = iter([(next(iter(counting.all(house)))[0], "")])
    clock.advance(60)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("appliance.agents.housekeeping.sampler.pages", lambda _: silent)
        sampler.sample()
    counting.pages["smtp", 1] = page
    counting.count("smtp", 1, accepted=12)
    clock.advance(60)
    sampler.sample()
    assert values(house, "accepted", minutes=2) == [(0, 2)]


def test_levels_are_what_is_at_the_minutes_end(
    town: Town, clock: SetClock, counting: Counting
) -> None:
    house = town.house
    sampler = Sampler(house)
    counting.start("smtp", 1, open=3)
    counting.start("smtp", 2, open=4)
    held = submit(house, "a@b.test", "c@b.test")
    submit(house, "a@b.test")
    town.do(HoldMessage(message=held))
    clock.advance(60)
    sampler.sample()
    series = ("connections.smtp", "queue.waiting", "queue.unrouted.pending", "queue.unrouted.held")
    assert values(house, *series, minutes=1) == [(7,), (1,), (1,), (2,)]
    used, free = values(house, "disk.used", "disk.free", minutes=1)
    assert used[0]
    assert free[0]


def test_mail_kept_is_sampled_once_an_hour_and_stays_until_the_next_time(
    town: Town, clock: SetClock, counting: Counting
) -> None:
    house = town.house
    alpha = house.directory.postoffice("alpha")
    assert alpha is not None
    clock.at_us -= clock.at_us % (60 * MINUTE_US)
    sampler = Sampler(house)
    octets = b"Subject: x\r\n\r\n" + b"x" * 86
    house.store.deliver(alpha.id, [delivery(entry(1), 11, octets=octets)])
    clock.advance(60)
    sampler.sample()
    house.store.deliver(alpha.id, [delivery(entry(2), 11, octets=octets)])
    clock.advance(60)
    sampler.sample()
    assert values(house, "store.alpha", "store.beta") == [(None, 100, 100), (None, 0, 0)]
    clock.advance(3540)
    sampler.sample()
    assert values(house, "store.alpha", minutes=1) == [(200,)]


def test_another_machines_counts_of_a_minute_are_added_and_levels_replaced(
    house: House, clock: SetClock
) -> None:
    samples = Samples(house.databases.get("journey"))
    samples.write(clock.now_us(), counts={"accepted": 3}, levels={"queue.waiting": 8})
    samples.write(clock.now_us() + 1, counts={"accepted": 4}, levels={"queue.waiting": 9})
    clock.advance(60)
    assert values(house, "accepted", "queue.waiting", minutes=1) == [(7,), (9,)]


def test_real_processes_are_sampled_by_their_sockets(house: House, clock: SetClock) -> None:
    labels = metrics.LOGINS.labels("test-trends", "wrong")
    path = metrics.serve(house.home / "run" / "metrics", "smtp")
    clock.at_us = path.stat().st_mtime_ns // 1000 + 1
    sampler = Sampler(house)
    labels.inc(5)
    clock.advance(60)
    sampler.sample()
    path.unlink()
    clock.advance(60)
    (found,) = values(house, "logins.test-trends.wrong", minutes=3)
    assert 5 in found


def test_sample_that_fails_costs_its_minute_only(
    house: House, clock: SetClock, counting: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = Logs(house.home, "MTA")
    counting.start("smtp", 1, accepted=0)
    clock.advance(1)
    sampler = Sampler(house)
    counting.count("smtp", 1, accepted=5)
    clock.advance(60)
    with monkeypatch.context() as patch:
        patch.setattr(Samples, "write", _busy)
        agent.sample(sampler, logs)
    clock.advance(60)
    agent.sample(sampler, logs)
    assert values(house, "accepted", minutes=2) == [(None, 5)]
    logs.close()
    (log,) = (house.home / "logs" / "MTA").glob("*Debug*")
    assert "numbers were not sampled: the disk is full" in log.read_text(encoding="utf-8")


def test_housekeeping_samples_by_itself_when_a_minute_ends(
    house: House, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers: list[Callable[[], None]] = []
    monkeypatch.setattr("signal.signal", lambda _, handler: handlers.append(handler))
    logs = Logs(house.home, "MTA")
    clock.at_us += MINUTE_US - clock.at_us % MINUTE_US - 1  # the last microsecond of a minute
    thread = threading.Thread(target=agent.run, args=(house, logs, lambda: None))
    thread.start()
    samples = Samples(_journey(house))
    until(lambda: "disk.used" in samples.names(), "a sample")
    handlers[0]()
    thread.join(20)
    assert not thread.is_alive()


def _busy(*_: object, **__: object) -> None:
    raise StoreBusy("the disk is full")


def test_every_series_that_is_sampled_is_documented(
    town: Town, clock: SetClock, counting: Counting
) -> None:
    sampler = Sampler(town.house)
    clock.advance(1)
    counting.start("smtp", 1, accepted=1, delivered=1, refused=1, wrong=1, open=1)
    submit(town.house, "a@b.test")
    clock.advance(60)
    sampler.sample()
    page = _DOC.read_text(encoding="utf-8").partition("## Trends")[2]
    listed = {each.partition(".")[0] for each in re.findall(r"^\| `([\w.]+)`", page, re.MULTILINE)}
    found = {name.partition(".")[0] for name in Samples(_journey(town.house)).names()}
    assert found == listed


def _journey(house: House) -> Database:
    return house.databases.get("journey")


# ── keeping ──────────────────────────────────────────────────────────────────────────────────────


def test_samples_are_kept_trends_days(town: Town, clock: SetClock) -> None:
    clock.at_us -= clock.at_us % MINUTE_US
    samples = Samples(_journey(town.house))
    town.do(ChangeSetting(setting="trends.days", value="2"))
    town.house.live.refresh()
    for _ in range(3):
        samples.write(clock.now_us(), counts={"accepted": 1}, levels={"queue.waiting": 1})
        clock.advance(86_400)
    assert chores.expire_trends(town.house) == "2 samples forgotten"
    assert chores.expire_trends(town.house) == ""
    clock.advance(10 * 86_400)
    chores.expire_trends(town.house)
    assert samples.names() == []


def test_series_are_named_by_their_beginning_in_any_collation(
    house: House, clock: SetClock
) -> None:
    samples = Samples(_journey(house))
    names = ["refused.B", "refused.a-b", "refused.a.b", "refused", "refuse.x", "Refused.z", "é.x"]
    samples.write(clock.now_us(), counts=dict.fromkeys(names, 1), levels={})
    assert samples.names("refused.") == ["refused.B", "refused.a-b", "refused.a.b"]
    assert samples.names() == sorted(names)


# ── asking ───────────────────────────────────────────────────────────────────────────────────────


def fill(house: House, clock: SetClock, minutes: int, **series: Callable[[int], int]) -> None:
    """Write a value a minute, up to now."""
    samples = Samples(_journey(house))
    for minute in range(minutes):
        at = clock.now_us() - (minutes - minute) * MINUTE_US
        found = {name.replace("__", "."): value(minute) for name, value in series.items()}
        samples.write(at, counts={"accepted": 1, **found}, levels={})


def test_points_are_sums_of_counts_and_extremes_of_levels(town: Town, clock: SetClock) -> None:
    clock.at_us -= clock.at_us % (60 * MINUTE_US)
    fill(town.house, clock, 10, queue__waiting=lambda minute: minute, disk__free=lambda m: 50 - m)
    found = town.ask(Trend(series=("accepted", "queue.waiting", "disk.free"), hours=1, step=5))
    assert (found.step, found.since) == (5 * MINUTE_US, clock.now_us() - 60 * MINUTE_US)
    nothing = (None,) * 10
    assert found.series == (
        Points("accepted", (*nothing, 5, 5)),
        Points("queue.waiting", (*nothing, 4, 9)),
        Points("disk.free", (*nothing, 46, 41)),
    )


def test_quiet_time_is_0_and_a_stop_is_a_gap(town: Town, clock: SetClock) -> None:
    clock.at_us -= clock.at_us % (60 * MINUTE_US)
    samples = Samples(_journey(town.house))
    samples.write(clock.now_us() - 3 * MINUTE_US, counts={"accepted": 0}, levels={})
    samples.write(clock.now_us() - MINUTE_US, counts={"accepted": 0}, levels={})
    assert values(town.house, "refused.never.heard.of") == [(0, None, 0)]


def test_series_are_chosen_by_name_and_by_their_beginning(town: Town, clock: SetClock) -> None:
    fill(town.house, clock, 2, refused__a=lambda _: 1, refused__b=lambda _: 1, x=lambda _: 1)
    found = town.ask(Trend(series=("x", "refused.b"), prefix="refused."))
    assert [each.series for each in found.series] == ["x", "refused.b", "refused.a"]
    assert [each.series for each in town.ask(Trend(prefix="refused.")).series] == [
        *("refused.a", "refused.b"),
    ]
    assert town.ask(Trend()).series == ()


def test_steps_stand_on_the_same_grid_whenever_they_are_asked_for(
    town: Town, clock: SetClock
) -> None:
    clock.at_us -= clock.at_us % (60 * MINUTE_US)
    clock.advance(7 * 60 + 13)
    found = town.ask(Trend(series=("accepted",), hours=2, step=30))
    assert found.since % (30 * MINUTE_US) == 0
    assert len(found.series[0].values) == 4
    last = found.since + 3 * 30 * MINUTE_US
    assert last <= clock.now_us() < last + 30 * MINUTE_US


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (Trend(hours=0), "kept 720 hours"),
        (Trend(hours=721), "kept 720 hours"),
        (Trend(step=0), "for 24 hours use 1 to 1440"),
        (Trend(step=1441), "for 24 hours use 1 to 1440"),
        (Trend(hours=720, step=5), "for 720 hours use 22 to 43200"),
        (Trend(series=tuple(map(str, range(101)))), "100 at most"),
    ],
)
def test_question_that_would_cost_too_much_is_refused(
    town: Town, question: Trend, told: str
) -> None:
    with pytest.raises(Invalid, match=told):
        town.ask(question)


# ── which services there are ─────────────────────────────────────────────────────────────────────


def test_process_that_hangs_has_an_empty_page(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Process(service="smtp", pid=1, since=1, has_doorbell=True, has_metrics=True)

    def hang(_: Path) -> str:
        raise TimeoutError

    monkeypatch.setattr(services, "running", lambda _: [process])
    monkeypatch.setattr(metrics, "read", hang)
    assert list(services.pages(house)) == [(process, "")]
