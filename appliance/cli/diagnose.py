"""`posthouse diagnose`: how the server is, and what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from appliance.cli import options, output
from appliance.cli.command import Verb
from appliance.cli.failure import Failed
from appliance.cli.session import Session

if TYPE_CHECKING:
    from appliance.operations.health import Finding, Health

_COLOURS = {"bad": "red", "warn": "yellow", "info": "blue"}


@click.command(
    cls=Verb,
    example="""
    posthouse diagnose
    posthouse diagnose --json
    """,
)
@options.as_json
@click.pass_obj
def diagnose(session: Session, *, as_json: bool) -> None:
    """Health: what runs, what waits, what is wrong.

    The exit code is 1 when something is bad.
    """
    from appliance.operations.health import ShowHealth

    found = session.ask(ShowHealth())
    if as_json:
        output.print_json(_to_dict(found))
    else:
        _print(found)
    bad = [each.title for each in found.findings if each.severity == "bad"]
    if bad:
        raise Failed(f"something is bad: {', '.join(bad)}")


def _print(found: Health) -> None:
    queue, disk, certificate = found.queue, found.disk, found.certificate
    runs = [each.name for each in found.services if each.processes]
    output.print_facts(
        {
            "services": ", ".join(runs) or "none runs",
            "queue": f"{queue.waiting} waiting, {queue.held} on hold",
            "oldest message": output.local(queue.oldest_at),
            "disk": f"{disk.percent} % used, {output.size(disk.free)} free",
            "certificate": f"for {', '.join(certificate.names)}, "
            f"{output.counted(certificate.days_left, 'day')} left"
            if certificate.ends_at
            else "",
            "failed logins": f"{found.failed_logins} in the last hour",
        }
    )
    for each in found.findings:
        click.echo()
        word = click.style(each.severity.value.ljust(4), fg=_COLOURS[each.severity])
        click.echo(f"{word}  {output.printable(each.title)}")
        click.echo(f"      {output.printable(each.text)}")
    if not found.findings:
        click.echo("\nNothing is wrong.")


def _to_dict(found: Health) -> dict[str, Any]:
    queue, disk, certificate = found.queue, found.disk, found.certificate
    return {
        "services": [
            {
                "name": each.name,
                "processes": each.processes,
                "since": output.to_iso(each.since),
                "expected": each.expected,
            }
            for each in found.services
        ],
        "queue": {
            "waiting": queue.waiting,
            "held": queue.held,
            "oldest_at": output.to_iso(queue.oldest_at),
            "worst": queue.worst,
            "worst_status": queue.worst_status,
        },
        "disk": {"used": disk.used, "free": disk.free, "percent": disk.percent},
        "certificate": {
            "names": list(certificate.names),
            "ends_at": output.to_iso(certificate.ends_at),
            "days_left": certificate.days_left,
            "is_self_signed": certificate.is_self_signed,
        },
        "failed_logins": found.failed_logins,
        "findings": [_finding(each) for each in found.findings],
    }


def _finding(found: Finding) -> dict[str, str]:
    return {
        "severity": found.severity.value,
        "title": found.title,
        "text": found.text,
        "cause": found.cause,
        "link": found.link,
    }
