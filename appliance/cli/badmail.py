"""`posthouse badmail`: copies of what could neither be delivered nor returned (manual §6.2)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from appliance.cli import options, output
from appliance.cli.command import VerbGroup
from appliance.cli.session import Session

if TYPE_CHECKING:
    from appliance.queue.badmail import BadMail


@click.group(cls=VerbGroup)
def badmail() -> None:
    """Copies of what could not be delivered."""


def _to_dict(found: BadMail) -> dict[str, Any]:
    return {
        "name": found.name,
        "message_id": found.entry_id,
        "number": found.number,
        "at": output.to_iso(found.at_us),
        "reverse_path": found.reverse_path,
        "recipient": found.recipient,
        "subject": found.subject,
        "size": found.size,
        "reason": found.reason,
    }


@badmail.command("list", example="posthouse badmail list --json")
@click.option(
    "--after", metavar="NAME", type=options.MESSAGE_ID, default="", help="Go on after this copy."
)
@options.at_most(100)
@options.as_json
@click.pass_obj
def list_all(session: Session, *, after: str, most: int, as_json: bool) -> None:
    """List the copies, the oldest message first."""
    from appliance.operations.badmail import ListBadMail

    output.print_list(
        session.ask(ListBadMail(most=most, after=after)),
        {
            "name": lambda each: each.name,
            "given up": lambda each: output.local(each.at_us),
            "from": lambda each: each.reverse_path or "<>",
            "to": lambda each: each.recipient,
            "size": lambda each: output.size(each.size),
            "reason": lambda each: each.reason,
        },
        to_dict=_to_dict,
        as_json=as_json,
        none="Bad mail is empty.",
    )


@badmail.command(
    example="""
    posthouse badmail show 01K3Z8Q4T9XW2M7B.0
    posthouse badmail show 01K3Z8Q4T9XW2M7B.0 --content >message.eml
    """
)
@click.argument("name", type=options.MESSAGE_ID)
@click.option("--content", is_flag=True, help="Print the message itself, as it is.")
@options.as_json
@click.pass_obj
def show(session: Session, *, name: str, content: bool, as_json: bool) -> None:
    """Show a copy: whom it was for, and why it lies here."""
    from appliance.operations.badmail import ReadBadMail, ShowBadMail

    if content:
        if as_json:
            raise click.UsageError("give either --content or --json")
        for chunk in session.ask(ReadBadMail(copy=name)).chunks():
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        return
    found = session.ask(ShowBadMail(copy=name))
    if as_json:
        output.print_json(_to_dict(found))
        return
    output.print_facts(
        {
            "name": found.name,
            "given up": output.local(found.at_us),
            "from": found.reverse_path or "<>",
            "to": found.recipient,
            "subject": found.subject,
            "size": output.size(found.size),
            "reason": found.reason,
        }
    )


@badmail.command(example="posthouse badmail requeue 01K3Z8Q4T9XW2M7B.0")
@click.argument("name", type=options.MESSAGE_ID)
@click.pass_obj
def requeue(session: Session, *, name: str) -> None:
    """Send a copy once more to the recipient it did not reach; it leaves bad mail."""
    from appliance.operations.badmail import RequeueBadMail

    made = session.perform(RequeueBadMail(copy=name))
    click.echo(f"{name} is in the queue again, as {made}.")


@badmail.command(example="posthouse badmail delete 01K3Z8Q4T9XW2M7B.0 --yes")
@click.argument("name", type=options.MESSAGE_ID)
@options.yes
@click.pass_obj
def delete(session: Session, *, name: str, yes: bool) -> None:
    """Delete a copy for good."""
    from appliance.operations.badmail import DeleteBadMail

    options.confirm(f"Delete the copy {name}? The message is lost then.", yes=yes)
    session.perform(DeleteBadMail(copy=name))
    click.echo(f"{name} deleted from bad mail.")
