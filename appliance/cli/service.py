"""`posthouse service`: which services run, and what they count."""

from __future__ import annotations

import click

from appliance.cli import options, output
from appliance.cli.command import VerbGroup
from appliance.cli.session import Session


@click.group(cls=VerbGroup)
def service() -> None:
    """The services that run, and their metrics."""


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
