"""`posthouse service`: which services run, what they count, and how one is run by systemd."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click

from appliance.cli import options, output
from appliance.cli.command import VerbGroup
from appliance.cli.failure import Failed
from appliance.cli.session import Session


@click.group(cls=VerbGroup)
def service() -> None:
    """The services that run, their metrics and sockets."""


@service.command("list", example="posthouse service list --json")
@options.as_json
@click.pass_obj
def list_all(session: Session, *, as_json: bool) -> None:
    """List the processes of this home that run on this machine."""
    from appliance.operations.services import ListServices

    output.print_list(
        session.ask(ListServices()),
        {
            "service": lambda each: each.service,
            "pid": lambda each: each.pid,
            "since": lambda each: output.local(each.since),
        },
        to_dict=lambda each: {
            "service": each.service,
            "pid": each.pid,
            "since": output.to_iso(each.since),
            "doorbell": each.has_doorbell,
            "metrics": each.has_metrics,
        },
        as_json=as_json,
        none="No service of this home runs.",
    )


@service.command(example="posthouse service metrics | grep posthouse_logins_total")
@click.pass_obj
def metrics(session: Session) -> None:
    """Print all processes' metrics as one Prometheus page.

    Each sample has the labels `process` and `pid` besides its own.
    """
    from appliance.operations.services import ReadMetrics

    click.echo(session.ask(ReadMetrics()), nl=False)


@service.command(example="posthouse service run smtp")
@click.argument("name")
@click.pass_obj
def run(session: Session, *, name: str) -> None:
    """Run one service until SIGTERM, as its unit of systemd does.

    It takes the sockets that systemd hands over, or opens those of the settings. `posthouse serve`
    runs all services without systemd.
    """
    from appliance.upkeep import units
    from appliance.upkeep.services import bodies

    if name not in bodies():
        raise Failed(f"there is no service {name!r}: use one of {', '.join(bodies())}")
    config, _ = session.enter()
    units.run(name, config, lambda text: click.echo(f"posthouse: {text}", err=True))


@service.command(example="posthouse service sockets --json")
@options.as_json
@click.pass_obj
def sockets(session: Session, *, as_json: bool) -> None:
    """Say where each socket listens, by the settings."""
    from appliance.operations.house import House
    from appliance.upkeep.units import streams

    config, _ = session.enter()
    house = House(config)
    found = streams(house.settings)
    house.close()
    if as_json:
        output.print_json(found)
    else:
        output.print_facts({name: "  ".join(each) for name, each in found.items()})


@service.command(
    example="""
    posthouse service apply --dry-run
    posthouse service apply
    """
)
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@options.as_json
@click.pass_obj
def apply(session: Session, *, dry_run: bool, as_json: bool) -> None:
    """Have systemd listen where the settings say: as root, after addresses or ports have changed.

    Only sockets that differ are made anew; their service pauses for that moment.
    """
    from appliance.upkeep import units

    changed = units.apply(_wanted(session.home), dry_run=dry_run)
    if as_json:
        output.print_json({"changed": changed})
        return
    for unit in changed:
        click.echo(f"{unit} {'would listen' if dry_run else 'listens'} anew")
    if not changed:
        click.echo("All sockets are as the settings say.")


def _wanted(home: Path | None) -> dict[str, list[str]]:
    """Ask for the sockets as the home's owner: root itself opens nothing that belongs to others."""
    place = ["--home", str(home)] if home else []
    done = subprocess.run(
        [sys.argv[0], *place, "service", "sockets", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failed(done.stderr.removeprefix("posthouse: ") or "the settings can't be read")
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found
