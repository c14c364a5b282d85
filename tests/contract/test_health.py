"""Health in one look: each part is what is there, each finding has its cause in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.database.content import Content
from appliance.net.tls import self_signed
from appliance.operations import services
from appliance.operations.health import Finding, Health, Severity, ShowHealth
from appliance.operations.queue import HoldMessage
from appliance.operations.settings import ChangeSetting
from appliance.queue import badmail
from appliance.queue.badmail import BadMail
from appliance.queue.entry import Connector, Rescheduled, Routed
from appliance.queue.samples import Samples
from appliance.runtime.clock import MICROSECONDS
from appliance.runtime.doorbell import Doorbell
from appliance.settings import auth
from tests.support.clock import SetClock
from tests.support.town import Town, claim_all, submit

DAY_S = 86_400


@pytest.fixture
def run_all(town: Town) -> Iterator[None]:
    """Run every service: this process."""
    bells = [Doorbell(town.house.home / "run" / "doorbell", name) for name in services.expected()]
    yield
    for bell in bells:
        bell.close()


def look(town: Town) -> Health:
    return town.ask(ShowHealth())


def by_cause(health: Health) -> dict[str, Finding]:
    return {each.cause: each for each in health.findings}


def test_new_server_that_does_not_run_yet(town: Town) -> None:
    health = look(town)
    assert set(services.OWN) <= {each.name for each in health.services}
    assert all(each.expected and not each.processes for each in health.services)
    assert health.findings[0].cause == "service.none"
    assert (health.queue.waiting, health.queue.oldest_at, health.queue.worst) == (0, 0, "")
    assert health.certificate.ends_at == 0
    assert health.failed_logins == 0


@pytest.mark.usefixtures("run_all")
def test_server_with_nothing_wrong_has_no_findings(town: Town) -> None:
    health = look(town)
    assert [each.processes for each in health.services] == [1] * len(services.expected())
    assert all(each.since for each in health.services)
    assert [each for each in health.findings if each.cause != "disk.space"] == []
    assert health.disk.free > 0
    assert 0 <= health.disk.percent <= 100


def test_service_that_does_not_run_is_found_and_one_nobody_expects_is_shown(town: Town) -> None:
    bells = [
        Doorbell(town.house.home / "run" / "doorbell", name)
        for name in (*services.expected(), "extra")
        if name != "pop3"
    ]
    health = look(town)
    assert by_cause(health)["service.down"].title == "The service pop3 does not run"
    (extra,) = (each for each in health.services if not each.expected)
    assert (extra.name, extra.processes) == ("extra", 1)
    for bell in bells:
        bell.close()


def test_queue_tells_the_destination_with_the_oldest_message(town: Town, clock: SetClock) -> None:
    house = town.house
    began = clock.now_us()
    submit(house, "a@slow.test")
    clock.advance(3600)
    held = submit(house, "a@b.test")
    town.do(HoldMessage(message=held))
    (claimed,) = claim_all(house)
    house.queue.mark([Routed(claimed, Connector.SMTP, "slow.test")], durable=True)
    (claimed,) = claim_all(house, Connector.SMTP)
    due = clock.now_us() + 900 * MICROSECONDS
    house.queue.mark([Rescheduled(claimed, due, "mx: 451 later")], durable=True)
    health = look(town)
    assert (health.queue.waiting, health.queue.held) == (1, 1)
    assert health.queue.oldest_at == began
    assert (health.queue.worst, health.queue.worst_status) == ("slow.test", "mx: 451 later")
    assert "1 hour" in by_cause(health)["queue.destination"].text
    assert "queue.held" in by_cause(health)
    assert "queue.behind" not in by_cause(health)


def test_mail_that_the_mta_agent_does_not_take_is_found(town: Town, clock: SetClock) -> None:
    submit(town.house, "alice@alpha.test")
    clock.advance(301)
    assert by_cause(look(town))["queue.behind"].severity is Severity.BAD


def test_certificate_in_force_is_read(town: Town, clock: SetClock, tmp_path: Path) -> None:
    house = town.house
    own, key = self_signed(house.home / "config" / "tls", ["mail.alpha.test", "127.0.0.1"])
    clock.at_us = own.stat().st_mtime_ns // 1000
    health = look(town)
    assert health.certificate.names == ("mail.alpha.test", "127.0.0.1")
    assert health.certificate.days_left == 824
    assert health.certificate.is_self_signed
    assert "certificate.self-signed" in by_cause(health)
    (house.home / "demo.json").write_text("{}")
    assert "certificate.self-signed" not in by_cause(look(town))

    copies = tmp_path / "cert.pem", tmp_path / "key.pem"
    for source, copy in zip((own, key), copies, strict=True):
        copy.write_bytes(source.read_bytes())
    town.do(ChangeSetting(setting="tls.certificate_file", value=str(copies[0])))
    town.do(ChangeSetting(setting="tls.key_file", value=str(copies[1])))
    assert not look(town).certificate.is_self_signed  # signed by another
    clock.advance(810 * DAY_S)
    health = look(town)
    assert health.certificate.days_left == 14
    assert by_cause(health)["certificate.ends"].severity is Severity.WARN
    copies[1].unlink()
    health = look(town)
    assert (health.certificate.ends_at, health.certificate.names) == (0, ())
    assert str(copies[0]) in by_cause(health)["certificate.unusable"].text


def test_failed_logins_of_the_last_hour_are_counted(town: Town, clock: SetClock) -> None:
    samples = Samples(town.house.databases.get("journey"))
    clock.advance(7200)
    for ago_s, count in ((3700, 100), (3500, 3), (60, 4)):
        at = clock.now_us() - ago_s * MICROSECONDS
        found = {"logins.smtp.wrong": count, "logins.pop3.throttled": 1, "logins.pop3.right": 50}
        samples.write(at, counts=found, levels={})
    assert look(town).failed_logins == 3 + 4 + 2


def test_address_that_guesses_is_found_while_it_is_kept_out(town: Town, clock: SetClock) -> None:
    throttle, pause = town.house.throttle, auth.pause.default
    for _ in range(auth.max_failures.default):
        throttle.count("client 192.0.2.9", within_s=pause)
    throttle.count("client 192.0.2.1", "login alice@alpha", within_s=pause)
    finding = by_cause(look(town))["logins.failing"]
    assert finding.title == "Many failed logins from 192.0.2.9"
    clock.advance(pause + 1)
    assert "logins.failing" not in by_cause(look(town))


def test_bad_mail_and_risky_settings_are_found(town: Town) -> None:
    copy = BadMail(
        entry_id="0" * 16,
        number=0,
        reverse_path="",
        recipient="a@b.test",
        subject="s",
        size=1,
        reason="r",
        at_us=1,
    )
    badmail.save(town.house.badmail, [copy], Content(1, b"x", None))
    town.do(ChangeSetting(setting="auth.without_tls", value="yes"))
    town.do(ChangeSetting(setting="relay.privileged_ranges", value="0.0.0.0/0"))
    causes = [each.cause for each in look(town).findings if each.cause != "disk.space"]
    assert causes == ["service.none", "setting.risky", "setting.risky", "badmail.waiting"]


def test_the_worst_comes_first(town: Town) -> None:
    town.do(ChangeSetting(setting="auth.without_tls", value="yes"))
    town.do(ChangeSetting(setting="smtp.dial_ranges", value="127.0.0.0/8"))
    found = [each.severity for each in look(town).findings]
    order = [Severity.BAD, Severity.WARN, Severity.INFO]
    assert found == sorted(found, key=order.index)
    assert set(found) == set(order)
