"""Health in one look: services, queue, disk, certificate, logins, and what is wrong with them.

Owns: nothing. Failure: `StoreBusy` (temporary).
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from sqlalchemy import select

from appliance.database.statement import Statement, param
from appliance.directory.throttle import failures
from appliance.net.tls import TlsError, own_certificate, read_certificate, server_context
from appliance.operations.debugging import verbose_until
from appliance.operations.findings import (
    CertificateHealth,
    DiskHealth,
    Finding,
    ServiceState,
    Severity,
    of_backups,
    of_bad_mail,
    of_certificate,
    of_debugging,
    of_disk,
    of_failures,
    of_queue,
    of_scrub,
    of_services,
    of_settings,
)
from appliance.operations.house import House
from appliance.operations.operation import Question
from appliance.operations.services import expected, running
from appliance.operations.watch import LOGGED
from appliance.queue.desk import Desk
from appliance.queue.samples import MINUTE_US, Samples
from appliance.rules.access import Permission
from appliance.runtime.clock import MICROSECONDS, to_iso
from appliance.settings import auth, backup, smtp, tls

__all__ = [
    "SCRUB_REPORT",
    "CertificateHealth",
    "DiskHealth",
    "Finding",
    "Health",
    "QueueHealth",
    "ServiceState",
    "Severity",
    "ShowHealth",
]

SCRUB_REPORT = "scrub.json"  # in the home
_DESTINATIONS = 5  # that are told of
_THROTTLED = 5
_BAD_MAIL = 1000
_HOUR_US = 60 * MINUTE_US

_FAILING = Statement(
    select(failures.c.key, failures.c.count)
    .where(failures.c.since > param("since_us"), failures.c.count >= param("least"))
    .order_by(failures.c.count.desc(), failures.c.key)
    .limit(param("most"))
)


@dataclass(frozen=True, slots=True)
class QueueHealth:
    """The queue in one look.

    Attributes:
        waiting: recipients to be tried, now or later.
        held: recipients that wait for an operator.
        oldest_at: when the oldest message in it was accepted, µs; 0 when it is empty.
        worst: the destination with the oldest waiting message, or empty.
        worst_status: what was last heard from there.
    """

    waiting: int
    held: int
    oldest_at: int
    worst: str
    worst_status: str


@dataclass(frozen=True, slots=True)
class Health:
    """The server's health.

    Attributes:
        services: by name.
        queue: what waits.
        disk: of the home.
        certificate: what clients are shown.
        failed_logins: wrong or refused ones in the last hour.
        findings: the worst first.
    """

    services: tuple[ServiceState, ...]
    queue: QueueHealth
    disk: DiskHealth
    certificate: CertificateHealth
    failed_logins: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowHealth(Question[Health]):
    """How the server is."""

    name = "health.show"
    permission = Permission.SERVER_READ

    def answer(self, house: House) -> Health:
        """Look at everything."""
        house.live.refresh()
        now_us = house.clock.now_us()
        desk = Desk(house.queue)
        looked = desk.look()
        slow = desk.destinations(most=_DESTINATIONS, oldest_first=True)
        services = _services(house)
        disk = _disk(house)
        certificate, unusable = _certificate(house, now_us)
        findings = [
            *of_services(services),
            *of_queue(looked, slow, now_us),
            *of_disk(disk, reserve_mb=house.settings[smtp.min_free_mb]),
            *of_certificate(certificate, unusable, is_demo=(house.home / "demo.json").exists()),
            *of_failures(_throttled(house, now_us)),
            *of_bad_mail(_bad_mail(house), most=_BAD_MAIL),
            *of_backups(_newest_backup(house), house.settings[backup.max_age], now_us),
            *of_scrub(*_scrubbed(house)),
            *of_settings(house.settings),
            *of_debugging(_verbose(house)),
        ]
        order = list(Severity)
        return Health(
            services=services,
            queue=QueueHealth(
                waiting=looked.waiting,
                held=looked.held,
                oldest_at=looked.oldest_at,
                worst=slow[0].destination if slow else "",
                worst_status=slow[0].status if slow else "",
            ),
            disk=disk,
            certificate=certificate,
            failed_logins=_failed_logins(house, now_us),
            findings=tuple(sorted(findings, key=lambda each: -order.index(each.severity))),
        )


def _verbose(house: House) -> list[tuple[str, str]]:
    ends = {service: verbose_until(house, service) for service in LOGGED}
    return [(service, to_iso(end)) for service, end in ends.items() if end]


def _services(house: House) -> tuple[ServiceState, ...]:
    names = expected()
    found: dict[str, list[int]] = {name: [] for name in names}
    for process in running(house):
        found.setdefault(process.service, []).append(process.since)
    return tuple(
        ServiceState(name, len(since), min(since, default=0), name in names)
        for name, since in sorted(found.items())
    )


def _disk(house: House) -> DiskHealth:
    found = shutil.disk_usage(house.home)
    usable = found.used + found.free  # the rest is root's
    return DiskHealth(found.used, found.free, round(100 * found.used / usable) if usable else 100)


def _certificate(house: House, now_us: int) -> tuple[CertificateHealth, str]:
    """Return the certificate in force, and why it can't be used, or empty."""
    chosen = house.settings[tls.certificate_file]
    if chosen:
        certificate, key = Path(chosen), Path(house.settings[tls.key_file])
    else:
        certificate, key = own_certificate(house.home / "config" / "tls")
        if not certificate.exists():  # made when a service first starts
            return CertificateHealth((), 0, 0, is_self_signed=True), ""
    try:
        facts = read_certificate(certificate)
        server_context(certificate, key)
    except TlsError as error:
        return CertificateHealth((), 0, 0, is_self_signed=False), str(error)
    ends_at = int(facts.ends_at.timestamp()) * MICROSECONDS
    days = (ends_at - now_us) // (86_400 * MICROSECONDS)
    is_self_signed = not chosen or facts.is_own_issuer
    return CertificateHealth(facts.names, ends_at, days, is_self_signed), ""


def _throttled(house: House, now_us: int) -> list[tuple[str, int]]:
    since = now_us - house.settings[auth.pause] * MICROSECONDS
    wanted = {
        "since_us": since,
        "least": house.settings[auth.max_failures],
        "most": _THROTTLED,
    }
    with house.databases.get("state").reader() as connection:
        return [(row[0], row[1]) for row in connection.tuples(_FAILING, wanted)]


def _bad_mail(house: House) -> int:
    """Count the copies in bad mail, up to a number."""
    if not house.badmail.is_dir():
        return 0
    return sum(1 for _ in islice(house.badmail.glob("*.json"), _BAD_MAIL))


def _newest_backup(house: House) -> int:
    """Return when the newest backup was made, µs, by its folder's name; 0 where there is none."""
    names = [path.parent.name for path in house.home.glob("backups/*/manifest.json")]
    try:
        made = datetime.strptime(max(names)[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:  # none, or folders that are somebody else's
        return 0
    return int(made.timestamp()) * MICROSECONDS


def _scrubbed(house: House) -> tuple[list[str], list[str]]:
    """Return what the last scrub found, in sentences: what it left, and what it mended."""
    try:
        told = json.loads((house.home / SCRUB_REPORT).read_text(encoding="utf-8"))["findings"]
    except FileNotFoundError:
        return [], []
    left = [each["text"] for each in told if each["left"]]
    return left, [each["text"] for each in told if not each["left"]]


def _failed_logins(house: House, now_us: int) -> int:
    samples = Samples(house.databases.get("journey"))
    window = {"since_us": now_us - _HOUR_US, "until_us": now_us, "step_us": _HOUR_US}
    return sum(
        group.total
        for name in samples.names("logins.")
        if name.endswith((".wrong", ".throttled"))
        for group in samples.grouped(name, **window).values()
    )
