"""`posthouse queue`: messages on their way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from appliance.cli import options, output
from appliance.cli.command import VerbGroup
from appliance.cli.failure import Failed
from appliance.cli.session import Session

if TYPE_CHECKING:
    from appliance.queue.desk import QueuedMessage, QueuedRecipient

_STATES = ("pending", "deferred", "held", "done", "failed")


@click.group(cls=VerbGroup)
def queue() -> None:
    """Messages on their way: look, hold, retry, bounce, remove."""


def to_dict(found: QueuedMessage) -> dict[str, Any]:
    """Return a queued message as JSON has it."""
    return {
        "id": found.id,
        "accepted_at": output.to_iso(found.accepted_at),
        "reverse_path": found.reverse_path,
        "subject": found.subject,
        "size": found.size,
        "origin": found.origin,
        "login": found.login,
        "client": found.client,
        "recipients": [
            {
                "number": each.number,
                "address": each.address,
                "connector": each.connector,
                "destination": each.destination,
                "state": each.state,
                "due_at": output.to_iso(each.due_at),
                "attempts": each.attempts,
                "status": each.status,
            }
            for each in found.recipients
        ],
    }


def recipient_rows(recipients: tuple[QueuedRecipient, ...]) -> list[list[str]]:
    """Return what people read of a queued message's recipients, a row each."""
    return [
        [
            output.printable(each.address),
            each.state,
            output.counted(each.attempts, "attempt"),
            f"next {output.local(each.due_at)}" if each.state in ("pending", "deferred") else "",
            output.printable(each.status),
        ]
        for each in recipients
    ]


@queue.command(
    "list",
    example="""
    posthouse queue list
    posthouse queue list --state deferred --domain example.net --json
    """,
)
@click.option("--state", type=click.Choice(_STATES), default=None, help="With a recipient so.")
@click.option("--domain", metavar="NAME", default="", help="With a recipient who waits for it.")
@click.option(
    "--after", metavar="ID", type=options.MESSAGE_ID, default="", help="Go on after this message."
)
@options.at_most(100)
@options.as_json
@click.pass_obj
def list_all(
    session: Session, *, state: str | None, domain: str, after: str, most: int, as_json: bool
) -> None:
    """List messages in the queue, the oldest first."""
    from appliance.operations.queue import ListQueue

    output.print_list(
        session.ask(ListQueue(state=state or "", domain=domain.lower(), most=most, after=after)),
        {
            "id": lambda each: each.id,
            "accepted": lambda each: output.local(each.accepted_at),
            "from": lambda each: each.reverse_path or "<>",
            "to": _to,
            "state": lambda each: ", ".join(sorted({one.state for one in each.recipients})),
            "size": lambda each: output.size(each.size),
            "subject": lambda each: each.subject,
        },
        to_dict=to_dict,
        as_json=as_json,
        none="No such message is in the queue."
        if state or domain or after
        else "The queue is empty.",
    )


def _to(found: QueuedMessage) -> str:
    first, more = found.recipients[0].address, len(found.recipients) - 1
    return f"{first} and {more} more" if more else first


@queue.command(example="posthouse queue show 01K3Z8Q4T9XW2M7B")
@click.argument("id", type=options.MESSAGE_ID)
@options.as_json
@click.pass_obj
def show(session: Session, *, id: str, as_json: bool) -> None:
    """Show a message in the queue with each recipient's state."""
    from appliance.operations.queue import ShowQueued

    found = session.ask(ShowQueued(message=id))
    if as_json:
        output.print_json(to_dict(found))
        return
    output.print_facts(
        {
            "message": found.id,
            "accepted": output.local(found.accepted_at),
            "from": found.reverse_path or "<>",
            "subject": found.subject,
            "size": output.size(found.size),
            "origin": found.origin,
            "login": found.login,
            "client": found.client,
        }
    )
    for line in output.aligned(recipient_rows(found.recipients)):
        click.echo(f"  {line}")


@queue.command(example="posthouse queue count --json")
@options.as_json
@click.pass_obj
def count(session: Session, *, as_json: bool) -> None:
    """Count the recipients that wait, by connector and state."""
    from appliance.operations.queue import CountQueue

    output.print_list(
        session.ask(CountQueue()),
        {
            "connector": lambda each: each.connector or "not yet routed",
            "state": lambda each: each.state,
            "recipients": lambda each: each.count,
            "next attempt": lambda each: output.local(each.next_due_at),
        },
        to_dict=lambda each: {
            "connector": each.connector,
            "state": each.state,
            "count": each.count,
            "next_due_at": output.to_iso(each.next_due_at),
        },
        as_json=as_json,
        none="The queue is empty.",
    )


@queue.command(example="posthouse queue destinations --oldest --most 10")
@click.option("--oldest", is_flag=True, help="Those with the oldest message first.")
@options.at_most(50)
@options.as_json
@click.pass_obj
def destinations(session: Session, *, oldest: bool, most: int, as_json: bool) -> None:
    """List where mail waits for, with what was last heard from there."""
    from appliance.operations.queue import CountDestinations

    output.print_list(
        session.ask(CountDestinations(most=most, oldest_first=oldest)),
        {
            "destination": lambda each: each.destination,
            "recipients": lambda each: each.waiting,
            "oldest": lambda each: output.local(each.oldest_at),
            "next attempt": lambda each: output.local(each.next_due_at),
            "last answer": lambda each: each.status,
        },
        to_dict=lambda each: {
            "destination": each.destination,
            "waiting": each.waiting,
            "oldest_at": output.to_iso(each.oldest_at),
            "next_due_at": output.to_iso(each.next_due_at),
            "status": each.status,
        },
        as_json=as_json,
        none="Nothing waits for another server.",
    )


@queue.command(example="posthouse queue hold 01K3Z8Q4T9XW2M7B")
@click.argument("id", type=options.MESSAGE_ID)
@click.pass_obj
def hold(session: Session, *, id: str) -> None:
    """Hold a message: no attempt is made until it is released."""
    from appliance.operations.queue import HoldMessage

    held = session.perform(HoldMessage(message=id))
    click.echo(f"Message {id} is held for {output.counted(held, 'recipient')}.")


@queue.command(example="posthouse queue release 01K3Z8Q4T9XW2M7B")
@click.argument("id", type=options.MESSAGE_ID)
@click.pass_obj
def release(session: Session, *, id: str) -> None:
    """Let a held message go on."""
    from appliance.operations.queue import ReleaseMessage

    released = session.perform(ReleaseMessage(message=id))
    click.echo(f"Message {id} goes on to {output.counted(released, 'recipient')}.")


@queue.command(
    example="""
    posthouse queue retry 01K3Z8Q4T9XW2M7B
    posthouse queue retry --all
    """
)
@click.argument("id", type=options.MESSAGE_ID, required=False)
@click.option("--all", "every", is_flag=True, help="All waiting messages.")
@click.pass_obj
def retry(session: Session, *, id: str | None, every: bool) -> None:
    """Try waiting messages now; those on hold stay."""
    from appliance.operations.queue import RetryMessages

    if every == (id is not None):
        raise click.UsageError("give either a message's ID or --all")
    tried = session.perform(RetryMessages(message=id or ""))
    click.echo(f"{output.counted(tried, 'recipient')} will be tried now.")


@queue.command(example="posthouse queue bounce 01K3Z8Q4T9XW2M7B --yes")
@click.argument("id", type=options.MESSAGE_ID)
@options.yes
@click.pass_obj
def bounce(session: Session, *, id: str, yes: bool) -> None:
    """Return a message to its sender now, as one that could not be delivered."""
    from appliance.operations.queue import BounceMessage

    options.confirm(f"Return the message {id} to its sender? No further attempt is made.", yes=yes)
    returned = session.perform(BounceMessage(message=id))
    click.echo(f"Message {id} is returned for {output.counted(returned, 'recipient')}.")


@queue.command(example="posthouse queue remove 01K3Z8Q4T9XW2M7B --yes")
@click.argument("id", type=options.MESSAGE_ID)
@options.yes
@click.pass_obj
def remove(session: Session, *, id: str, yes: bool) -> None:
    """Take a message out of the queue for good; nobody is told."""
    from appliance.operations.queue import RemoveMessage

    if not id:
        raise Failed("the message's ID is empty")
    options.confirm(
        f"Remove the message {id}? It will not be delivered, and nobody is told.", yes=yes
    )
    session.perform(RemoveMessage(message=id))
    click.echo(f"Message {id} removed.")
