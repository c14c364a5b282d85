"""What is worth knowing about the server's health, each finding from facts that were looked up.

Owns: nothing. Never: looks anything up; `health` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from appliance.queue.desk import DestinationCount, QueueLook
from appliance.runtime.clock import MICROSECONDS
from appliance.settings import auth, backup, relay, smtp
from appliance.settings.setting import Setting
from appliance.settings.snapshot import Snapshot

_BEHIND_S = 300  # that a message may be due for the MTA agent
_SLOW_S = 3600  # that mail for one destination may wait
_DISK_WARN, _DISK_BAD = 10, 5  # per cent free
_CERTIFICATE_WARN, _CERTIFICATE_BAD = 21, 7  # days left


class Severity(StrEnum):
    """How much a finding matters."""

    INFO = "info"  # good to know
    WARN = "warn"  # look at it today
    BAD = "bad"  # something does not work


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to know about the server's health.

    Attributes:
        severity: how much it matters.
        title: a few words.
        text: what is so, why, and what to do, in sentences.
        cause: what kind of finding it is: `service.down`, `queue.destination`.
        link: where to look: a page of the console, with its query: `queue?destination=example.net`.
    """

    severity: Severity
    title: str
    text: str
    cause: str
    link: str


@dataclass(frozen=True, slots=True)
class ServiceState:
    """A service on this machine.

    Attributes:
        name: smtp, mta …
        processes: how many of it run.
        since: when the oldest of them began, µs; 0 for none.
        expected: `serve` runs it.
    """

    name: str
    processes: int
    since: int
    expected: bool


@dataclass(frozen=True, slots=True)
class DiskHealth:
    """The home's file system.

    Attributes:
        used: octets.
        free: octets that the service may still use.
        percent: how much of it is used, 0 to 100.
    """

    used: int
    free: int
    percent: int


@dataclass(frozen=True, slots=True)
class CertificateHealth:
    """The certificate in force.

    Attributes:
        names: host names and addresses it is for.
        ends_at: when it ends, µs; 0 when there is none or it can't be read.
        days_left: until then; negative when it has ended.
        is_self_signed: made by the server itself.
    """

    names: tuple[str, ...]
    ends_at: int
    days_left: int
    is_self_signed: bool


def of_services(services: Sequence[ServiceState]) -> Iterator[Finding]:
    """Tell of services that should run and do not."""
    missing = [each.name for each in services if each.expected and not each.processes]
    if len(missing) == sum(each.expected for each in services):
        yield Finding(
            Severity.BAD,
            "The server does not run",
            "None of its services answers on this machine: mail is neither taken nor delivered. "
            "`posthouse serve` runs them.",
            "service.none",
            "services",
        )
        return
    for name in missing:
        yield Finding(
            Severity.BAD,
            f"The service {name} does not run",
            f"No process of {name} answers on this machine. What serves the home starts it again; "
            f"if it does not stay, its log says why.",
            "service.down",
            "services",
        )


def of_queue(looked: QueueLook, slow: Sequence[DestinationCount], now_us: int) -> Iterator[Finding]:
    """Tell of mail that waits for longer than it should.

    Args:
        looked: the queue in one look.
        slow: destinations, those with the oldest message first.
        now_us: the time.
    """
    late_s = (now_us - looked.unrouted_due_at) // MICROSECONDS if looked.unrouted_due_at else 0
    if late_s >= _BEHIND_S:
        yield Finding(
            Severity.BAD,
            "Mail is not handled",
            f"Something in the queue has been due for {_ago(late_s)}, and the MTA agent has not "
            "taken it: see whether it runs, and its log.",
            "queue.behind",
            "queue",
        )
    for each in slow:
        waited_s = (now_us - each.oldest_at) // MICROSECONDS
        if waited_s >= _SLOW_S:
            answer = f"The last answer: {each.status}" if each.status else "No answer so far."
            yield Finding(
                Severity.WARN,
                f"Mail waits for {each.destination}",
                f"{_counted(each.waiting, 'recipient')}, the oldest for {_ago(waited_s)}. {answer}",
                "queue.destination",
                f"queue?destination={quote(each.destination)}",
            )
    if looked.held:
        yield Finding(
            Severity.WARN,
            "Messages are on hold",
            f"{_counted(looked.held, 'recipient')} wait until somebody releases, returns or "
            "removes their messages.",
            "queue.held",
            "queue?state=held",
        )


def of_disk(disk: DiskHealth, *, reserve_mb: int) -> Iterator[Finding]:
    """Tell of a disk that is nearly full.

    Args:
        disk: the home's file system.
        reserve_mb: what mail must leave of it (`smtp.min_free_mb`).
    """
    free = 100 * disk.free / max(1, disk.used + disk.free)
    if disk.free < reserve_mb << 20:
        yield Finding(
            Severity.BAD,
            "The disk has no room for mail",
            f"{disk.free >> 20} MiB of the home's file system are free, and mail must leave "
            f"{reserve_mb} MiB ({smtp.min_free_mb.name}). Senders are told to try again later.",
            "disk.reserve",
            "postoffices",
        )
    elif free < _DISK_WARN:
        yield Finding(
            Severity.BAD if free < _DISK_BAD else Severity.WARN,
            "The disk is nearly full",
            f"{free:.1f} % of the home's file system is free ({disk.free >> 20} MiB). Once it is "
            "full, no mail is accepted until there is room again.",
            "disk.space",
            "postoffices",
        )


def of_certificate(
    certificate: CertificateHealth, unusable: str, *, is_demo: bool
) -> Iterator[Finding]:
    """Tell of a certificate that clients do not take, or will not for long.

    Args:
        certificate: the one in force.
        unusable: why its files can't be used, or empty.
        is_demo: the home is a demonstration's, where a self-signed one is right.
    """
    link = "settings?q=tls.certificate_file"
    if unusable:
        yield Finding(
            Severity.BAD,
            "The certificate can't be used",
            f"{unusable}. Services go on with the one they had, and start with their own.",
            "certificate.unusable",
            link,
        )
        return
    if not certificate.ends_at:
        return
    if certificate.days_left < _CERTIFICATE_WARN:
        left = certificate.days_left
        is_over = left < 0
        yield Finding(
            Severity.BAD if left < _CERTIFICATE_BAD else Severity.WARN,
            "The certificate has ended" if is_over else "The certificate ends soon",
            f"{'It ended' if is_over else 'It ends in'} {_counted(abs(left), 'day')}"
            f"{' ago' if is_over else ''}: clients and other servers refuse what is over. Renew "
            "it; services take the new one within seconds.",
            "certificate.ends",
            link,
        )
    if certificate.is_self_signed and not is_demo:
        yield Finding(
            Severity.WARN,
            "The certificate is self-signed",
            "Mail programs and browsers warn of it, and some refuse. Get one for "
            f"{', '.join(certificate.names[:1]) or 'this server'} from an authority, and name its "
            "files in tls.certificate_file and tls.key_file.",
            "certificate.self-signed",
            link,
        )


def of_failures(failing: Sequence[tuple[str, int]]) -> Iterator[Finding]:
    """Tell of logins that are being guessed.

    Args:
        failing: keys of the throttle (`client ADDRESS`, `login NAME`) with how often they failed.
    """
    for key, count in failing:
        kind, _, name = key.partition(" ")
        whose = f"from {name}" if kind == "client" else f"as {name}"
        yield Finding(
            Severity.WARN,
            f"Many failed logins {whose}",
            f"{_counted(count, 'attempt')} {whose} failed within auth.pause; further ones are not "
            "looked at for now. Either somebody guesses, or a mail program has an old password.",
            "logins.failing",
            f"logs?kind=debug&q={quote(name)}",
        )


def of_bad_mail(count: int, *, most: int) -> Iterator[Finding]:
    """Tell of copies in bad mail.

    Args:
        count: how many, as far as they were counted.
        most: where counting ends.
    """
    if count:
        copies = f"{most} copies or more" if count >= most else _counted(count, "copy", "copies")
        yield Finding(
            Severity.INFO,
            "There is bad mail",
            f"{copies} of what could be neither delivered nor returned. Each says why; send them "
            "once more, or delete them.",
            "badmail.waiting",
            "badmail",
        )


def of_backups(newest_at: int, max_age_s: int, now_us: int) -> Iterator[Finding]:
    """Tell of a newest backup that has grown old.

    Args:
        newest_at: when it was made, µs; 0 for a home without backups.
        max_age_s: how old it may be; 0 for any age.
        now_us: the time.
    """
    age_s = (now_us - newest_at) // MICROSECONDS
    if newest_at and 0 < max_age_s < age_s:
        yield Finding(
            Severity.WARN,
            "The newest backup is old",
            f"It was made {_ago(age_s)} ago: what came since would be lost with the disk. See why "
            "`posthouse backup create` has not been run, or has failed.",
            "backup.old",
            f"settings?q={backup.max_age.name}",
        )


def of_scrub(left: Sequence[str], mended: Sequence[str]) -> Iterator[Finding]:
    """Tell of what the last scrub has found, in sentences: what is left, and what it has mended."""
    if left:
        yield Finding(
            Severity.BAD,
            "What is kept is damaged",
            f"{' '.join(left)} Mend what can be mended with: posthouse scrub --mend",
            "scrub.left",
            "",
        )
    if mended:
        yield Finding(
            Severity.WARN,
            "The last scrub has mended something",
            f"{' '.join(mended)} That comes of a disk or memory that fails, or of a program that "
            "does: see the machine's own logs.",
            "scrub.mended",
            "",
        )


def of_settings(settings: Snapshot) -> Iterator[Finding]:
    """Tell of settings that open the server, or keep mail in it."""
    if settings[auth.without_tls]:
        yield _risky(
            auth.without_tls,
            Severity.WARN,
            "Passwords go in clear text",
            "Clients may log in without TLS, and whoever is on the way reads their passwords.",
        )
    if settings[relay.local_senders]:
        yield _risky(
            relay.local_senders,
            Severity.WARN,
            "Anybody may relay as one of us",
            "Whoever claims a hosted domain in MAIL FROM may send anywhere. Spammers do.",
        )
    if any(network.prefixlen == 0 for network in settings[relay.privileged_ranges]):
        yield _risky(
            relay.privileged_ranges,
            Severity.BAD,
            "The server is an open relay",
            "Every address may send anywhere without a login. Such servers are soon blacklisted.",
        )
    if settings[smtp.dial_ranges]:
        yield _risky(
            smtp.dial_ranges,
            Severity.INFO,
            "Mail goes to chosen addresses only",
            "Mail for all other servers stays in the queue.",
        )


def of_debugging(verbose: Sequence[tuple[str, str]]) -> Iterator[Finding]:
    """Tell of Debug logs that are verbose.

    Args:
        verbose: services with the moment each ends at, as text.
    """
    for service, until in verbose:
        yield Finding(
            Severity.INFO,
            f"The Debug log of {service} is verbose",
            f"Until {until} it also has each command and answer. It ends by itself; `posthouse "
            f"debug off {service}` ends it now.",
            "log.verbose",
            f"logs?service={service}&kind=debug",
        )


def _risky(setting: Setting[Any], severity: Severity, title: str, text: str) -> Finding:
    return Finding(
        severity,
        title,
        f"{text} The setting is {setting.name}.",
        "setting.risky",
        f"settings?q={setting.name}",
    )


def _counted(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _ago(seconds: int) -> str:
    """Return a length of time as people say it: in its largest unit."""
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            return _counted(seconds // length, unit)
    return _counted(seconds, "second")
