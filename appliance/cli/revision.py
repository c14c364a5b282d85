"""`posthouse revision`: what was changed in the configuration."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from appliance.cli import options, output
from appliance.cli.command import VerbGroup
from appliance.cli.session import Session

if TYPE_CHECKING:
    from appliance.directory.records import Revision


@click.group(cls=VerbGroup)
def revision() -> None:
    """What was changed: the configuration's history."""


def _to_dict(found: Revision) -> dict[str, Any]:
    return {
        "number": found.number,
        "at": output.to_iso(found.at),
        "actor": found.actor,
        "door": found.door,
        "operation": found.operation,
        "object": found.object,
        "before": _value(found.before),
        "after": _value(found.after),
    }


def _value(text: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = json.loads(text) if text else None
    return found


def _change(found: Revision) -> str:
    """Return what a revision changed, in one line."""
    before, after = _value(found.before), _value(found.after)
    if after is None:
        return "deleted"
    old = before or {}
    parts = [
        f"{name} {_shown(old[name])} → {_shown(value)}"
        if name in old
        else f"{name} {_shown(value)}"
        for name, value in after.items()
    ]
    return ("created: " if before is None else "") + ", ".join(parts)


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "(default)" if value is None else str(value)


@revision.command(
    "list",
    example="""
    posthouse revision list --most 10
    posthouse revision list --about "mailbox alice@example"
    """,
)
@click.option("--about", metavar="OBJECT", default="", help="Only of this, as the list writes it.")
@options.at_most(50)
@options.as_json
@click.pass_obj
def list_all(session: Session, *, about: str, most: int, as_json: bool) -> None:
    """List changes of the configuration, the newest first."""
    from appliance.operations.records import ListRevisions

    output.print_list(
        session.ask(ListRevisions(about=about, most=most)),
        {
            "no.": lambda each: each.number,
            "when": lambda each: output.local(each.at),
            "who": lambda each: each.actor,
            "what": lambda each: each.object,
            "change": _change,
        },
        to_dict=_to_dict,
        as_json=as_json,
        none="Nothing was changed yet.",
    )
