"""What is worth knowing about the server's health, from facts."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from appliance.operations.findings import (
    CertificateHealth,
    DiskHealth,
    Finding,
    ServiceState,
    Severity,
    of_bad_mail,
    of_certificate,
    of_debugging,
    of_disk,
    of_failures,
    of_queue,
    of_services,
    of_settings,
)
from appliance.queue.desk import DestinationCount, QueueLook
from appliance.settings.snapshot import build

NOW = 1_750_000_000_000_000
MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000
EMPTY = QueueLook(0, 0, 0, 0)


def found(findings: Iterable[Finding]) -> list[tuple[Severity, str]]:
    listed = list(findings)
    for each in listed:
        assert each.title[0].isupper()
        assert not each.title.endswith(".")
        assert len(each.title) <= 60
        assert each.text.endswith((".", each.text[-1]))
        assert each.link
    return [(each.severity, each.cause) for each in listed]


def state(name: str, processes: int = 1, *, expected: bool = True) -> ServiceState:
    return ServiceState(name, processes, NOW if processes else 0, expected)


# ── services ─────────────────────────────────────────────────────────────────────────────────────


def test_service_that_should_run_and_does_not_is_told() -> None:
    services = [state("mta", 0), state("other", 0, expected=False), state("smtp", 2)]
    (finding,) = of_services(services)
    assert (finding.severity, finding.cause) == (Severity.BAD, "service.down")
    assert finding.title == "The service mta does not run"
    assert finding.link == "services"


def test_server_that_does_not_run_is_told_once() -> None:
    assert found(of_services([state("mta", 0), state("smtp", 0)])) == [
        (Severity.BAD, "service.none")
    ]
    assert found(of_services([state("mta"), state("smtp")])) == []


# ── the queue ────────────────────────────────────────────────────────────────────────────────────


def waiting(since: int, status: str = "mx.test: 451 4.7.1 Greylisted") -> DestinationCount:
    return DestinationCount("slow.test", 3, since, NOW + HOUR, status)


def test_mail_that_waits_long_for_one_destination_is_told_with_the_last_answer() -> None:
    (finding,) = of_queue(EMPTY, [waiting(NOW - 5 * HOUR)], NOW)
    assert finding.severity is Severity.WARN
    assert finding.title == "Mail waits for slow.test"
    assert finding.text == (
        "3 recipients, the oldest for 5 hours. The last answer: mx.test: 451 4.7.1 Greylisted"
    )
    assert finding.link == "queue?destination=slow.test"
    (finding,) = of_queue(EMPTY, [waiting(NOW - 2 * DAY, status="")], NOW)
    assert finding.text.endswith("for 2 days. No answer so far.")
    assert found(of_queue(EMPTY, [waiting(NOW - 59 * MINUTE)], NOW)) == []


def test_mail_that_nobody_takes_up_is_bad() -> None:
    def looked(due_at: int) -> QueueLook:
        return QueueLook(waiting=1, held=0, oldest_at=NOW, unrouted_due_at=due_at)

    assert found(of_queue(looked(NOW - 5 * MINUTE), [], NOW)) == [(Severity.BAD, "queue.behind")]
    assert found(of_queue(looked(NOW - 4 * MINUTE), [], NOW)) == []
    assert found(of_queue(looked(NOW + HOUR), [], NOW)) == []


def test_messages_on_hold_are_told() -> None:
    looked = QueueLook(waiting=0, held=1, oldest_at=NOW, unrouted_due_at=0)
    (finding,) = of_queue(looked, [], NOW)
    assert (finding.cause, finding.link) == ("queue.held", "queue?state=held")


# ── disk and certificate ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        (100, []),
        (99, [(Severity.WARN, "disk.space")]),
        (50, [(Severity.WARN, "disk.space")]),
        (49, [(Severity.BAD, "disk.space")]),
        (0, [(Severity.BAD, "disk.space")]),
    ],
)
def test_disk_is_told_of_below_10_and_5_per_cent(
    free: int, expected: list[tuple[Severity, str]]
) -> None:
    disk = DiskHealth(1000 - free, free, 100 - free // 10)
    assert found(of_disk(disk, reserve_mb=0)) == expected


def test_a_disk_without_room_for_mail_is_told_of_however_large_it_is() -> None:
    mib = 1 << 20
    assert found(of_disk(DiskHealth(0, 100 * mib, 0), reserve_mb=100)) == []
    short = DiskHealth(0, 100 * mib - 1, 0)
    assert found(of_disk(short, reserve_mb=100)) == [(Severity.BAD, "disk.reserve")]


def certificate(days: int, *, is_self_signed: bool = False) -> CertificateHealth:
    return CertificateHealth(("mail.test",), NOW + days * DAY, days, is_self_signed)


@pytest.mark.parametrize(
    ("days", "expected", "title"),
    [
        (21, None, ""),
        (20, Severity.WARN, "The certificate ends soon"),
        (7, Severity.WARN, "The certificate ends soon"),
        (6, Severity.BAD, "The certificate ends soon"),
        (0, Severity.BAD, "The certificate ends soon"),
        (-1, Severity.BAD, "The certificate has ended"),
    ],
)
def test_certificate_is_told_of_three_weeks_before_its_end(
    days: int, expected: Severity | None, title: str
) -> None:
    told = list(of_certificate(certificate(days), "", is_demo=False))
    assert [each.severity for each in told] == ([] if expected is None else [expected])
    assert [each.title for each in told] == ([] if expected is None else [title])
    if days == -1:
        assert told[0].text.startswith("It ended 1 day ago: ")


def test_self_signed_certificate_is_right_in_a_demonstration_only() -> None:
    own = certificate(800, is_self_signed=True)
    assert found(of_certificate(own, "", is_demo=False)) == [
        (Severity.WARN, "certificate.self-signed")
    ]
    assert found(of_certificate(own, "", is_demo=True)) == []


def test_certificate_that_can_not_be_used_is_bad_and_one_that_is_not_made_yet_is_nothing() -> None:
    none = CertificateHealth((), 0, 0, is_self_signed=False)
    (finding,) = of_certificate(none, "/x.pem can't be read", is_demo=False)
    assert (finding.severity, finding.cause) == (Severity.BAD, "certificate.unusable")
    assert "/x.pem can't be read." in finding.text
    assert found(of_certificate(none, "", is_demo=False)) == []


# ── logins, bad mail, settings ───────────────────────────────────────────────────────────────────


def test_guessed_logins_are_told_by_address_and_by_login() -> None:
    told = list(of_failures([("client 192.0.2.1", 12), ("login alice@alpha", 10)]))
    assert [each.title for each in told] == [
        "Many failed logins from 192.0.2.1",
        "Many failed logins as alice@alpha",
    ]
    assert [each.link for each in told] == [
        "logs?kind=debug&q=192.0.2.1",
        "logs?kind=debug&q=alice%40alpha",
    ]


@pytest.mark.parametrize(
    ("count", "text"), [(1, "1 copy"), (12, "12 copies"), (100, "100 copies or more")]
)
def test_bad_mail_is_told(count: int, text: str) -> None:
    (finding,) = of_bad_mail(count, most=100)
    assert finding.severity is Severity.INFO
    assert finding.text.startswith(f"{text} of what")
    assert found(of_bad_mail(0, most=100)) == []


@pytest.mark.parametrize(
    ("name", "value", "severity"),
    [
        ("auth.without_tls", "yes", Severity.WARN),
        ("relay.local_senders", "yes", Severity.WARN),
        ("relay.privileged_ranges", "10.0.0.0/8", None),
        ("relay.privileged_ranges", "10.0.0.0/8 0.0.0.0/0", Severity.BAD),
        ("relay.privileged_ranges", "::/0", Severity.BAD),
        ("smtp.dial_ranges", "127.0.0.0/8", Severity.INFO),
    ],
)
def test_risky_setting_is_told_by_its_name(
    name: str, value: str, severity: Severity | None
) -> None:
    snapshot, _ = build([(name, "server", "", value)], node="one", version=1)
    told = list(of_settings(snapshot))
    assert [each.severity for each in told] == ([] if severity is None else [severity])
    for each in told:
        assert each.text.endswith(f"The setting is {name}.")
        assert each.link == f"settings?q={name}"


def test_defaults_are_not_risky() -> None:
    assert found(of_settings(build([], node="one", version=0)[0])) == []


# ── logs ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_verbose_log_is_good_to_know() -> None:
    (finding,) = of_debugging([("SMTP", "2026-11-23T14:30:00Z")])
    assert found([finding]) == [(Severity.INFO, "log.verbose")]
    assert "2026-11-23T14:30:00Z" in finding.text
    assert finding.link == "logs?service=SMTP&kind=debug"
    assert found(of_debugging([])) == []
