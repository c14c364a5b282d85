"""`posthouse revision`: what was changed in the configuration, and the way back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from appliance.cli import options, output
from appliance.cli.command import VerbGroup
from appliance.cli.session import Session

if TYPE_CHECKING:
    from appliance.directory.records import Revision
    from appliance.operations.revisions import ReturnPlan


_NUMBER = click.IntRange(0)


@click.group(cls=VerbGroup)
def revision() -> None:
    """The configuration's history, and the way back."""


def _to_dict(found: Revision) -> dict[str, Any]:
    return {
        "number": found.number,
        "at": output.to_iso(found.at),
        "actor": found.actor,
        "door": found.door,
        "operation": found.operation,
        "object": found.object,
        "postoffice": found.postoffice,
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
    posthouse revision list --actor operator:anna --before 1200
    """,
)
@click.option("--about", metavar="OBJECT", default="", help="Only of this, as the list writes it.")
@click.option("--actor", metavar="WHO", default="", help="Only by this one, as the list writes it.")
@click.option("--before", metavar="N", type=_NUMBER, default=0, help="Only before this revision.")
@options.at_most(50)
@options.as_json
@click.pass_obj
def list_all(
    session: Session, *, about: str, actor: str, before: int, most: int, as_json: bool
) -> None:
    """List changes of the configuration, the newest first."""
    from appliance.operations.records import ListRevisions

    output.print_list(
        session.ask(ListRevisions(about=about, actor=actor, before=before, most=most)),
        {
            "no.": lambda each: each.number,
            "when": lambda each: output.local(each.at),
            "who": lambda each: each.actor,
            "what": lambda each: each.object,
            "change": _change,
        },
        to_dict=_to_dict,
        as_json=as_json,
        none="Nothing was changed yet." if not (about or actor or before) else "No such revision.",
    )


def _plan_to_dict(plan: ReturnPlan) -> dict[str, Any]:
    return {
        "revision": plan.revision,
        "steps": [{"object": each.object, "text": each.text} for each in plan.steps],
        "kept": [{"object": each.object, "text": each.text} for each in plan.kept],
        "digest": plan.digest,
    }


def _print_plan(plan: ReturnPlan) -> None:
    if not plan.steps:
        click.echo("Nothing is to be changed.")
    for step in plan.steps:
        noun = step.object.partition(" ")[0]
        click.echo(f"{noun:10}  {output.printable(step.text)}")
    for kept in plan.kept:
        click.secho(output.printable(f"kept        {kept.object}: {kept.text}"), dim=True)


@revision.command(example="posthouse revision plan 1234 --json")
@click.argument("number", type=_NUMBER)
@options.as_json
@click.pass_obj
def plan(session: Session, *, number: int, as_json: bool) -> None:
    """Show what going back to the state right after a revision would change.

    Mail and passwords are never touched; what depends on them is listed as kept. 0 is the state
    before the first revision.
    """
    from appliance.operations.revisions import PlanReturn

    found = session.ask(PlanReturn(revision=number))
    output.print_json(_plan_to_dict(found)) if as_json else _print_plan(found)


@revision.command(
    "return",
    example="""
    posthouse revision return 1234
    posthouse revision return 1234 --yes --json
    """,
)
@click.argument("number", type=_NUMBER)
@options.yes
@options.as_json
@click.pass_obj
def return_to(session: Session, *, number: int, yes: bool, as_json: bool) -> None:
    """Go back to the state right after a revision, as `plan` shows it.

    It is a change like others: it has revisions of its own, and can be gone back on.
    """
    from appliance.operations.revisions import PlanReturn, ReturnTo

    expected = ""
    if not yes and options.on_terminal():
        agreed = session.ask(PlanReturn(revision=number))
        _print_plan(agreed)
        if not agreed.steps:
            return
        options.confirm("Change this?", yes=yes)
        expected = agreed.digest
    _print_done(session.perform(ReturnTo(revision=number, expected=expected)), as_json=as_json)


@revision.command(example="posthouse revision undo 1234 --yes")
@click.argument("number", type=_NUMBER)
@options.yes
@options.as_json
@click.pass_obj
def undo(session: Session, *, number: int, yes: bool, as_json: bool) -> None:
    """Undo what one revision changed, unless the same thing has changed again since."""
    from appliance.operations.revisions import PlanUndo, UndoRevision

    expected = ""
    if not yes and options.on_terminal():
        agreed = session.ask(PlanUndo(revision=number))
        _print_plan(agreed)
        if agreed.steps:
            options.confirm("Change this?", yes=yes)
            expected = agreed.digest
    _print_done(session.perform(UndoRevision(revision=number, expected=expected)), as_json=as_json)


def _print_done(plan: ReturnPlan, *, as_json: bool) -> None:
    if as_json:
        output.print_json(_plan_to_dict(plan))
    else:
        _print_plan(plan)
