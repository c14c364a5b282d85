"""`posthouse audit`: who asked for what."""

from __future__ import annotations

import click

from appliance.cli import options, output
from appliance.cli.command import VerbGroup
from appliance.cli.session import Session


@click.group(cls=VerbGroup)
def audit() -> None:
    """Who asked for what, carried out or refused."""


@audit.command("list", example="posthouse audit list --most 10")
@options.at_most(50)
@options.as_json
@click.pass_obj
def list_all(session: Session, *, most: int, as_json: bool) -> None:
    """List every change asked for, the newest first."""
    from appliance.operations.records import ListAudit

    output.print_list(
        session.ask(ListAudit(most=most)),
        {
            "when": lambda each: output.local(each.at),
            "who": lambda each: each.actor,
            "door": lambda each: each.door,
            "operation": lambda each: each.operation,
            "what": lambda each: each.object,
            "outcome": lambda each: each.outcome,
            "": lambda each: each.detail,
        },
        to_dict=lambda each: {
            "at": output.to_iso(each.at),
            "actor": each.actor,
            "door": each.door,
            "client": each.client,
            "operation": each.operation,
            "object": each.object,
            "outcome": each.outcome,
            "detail": each.detail,
        },
        as_json=as_json,
        none="Nothing was asked for yet.",
    )
