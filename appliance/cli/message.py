"""`posthouse message`: where is my mail?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from appliance.cli import options, output
from appliance.cli.command import VerbGroup
from appliance.cli.queue import recipient_rows
from appliance.cli.queue import to_dict as queued_to_dict
from appliance.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from appliance.journey.event import Event
    from appliance.operations.messages import Trace

_COLOURS = {
    "accepted": "cyan",
    "delivered": "green",
    "relayed": "green",
    "downloaded": "green",
    "deferred": "yellow",
    "held": "yellow",
    "refused": "red",
    "failed": "red",
    "removed": "red",
}
_WIDEST = 40


@click.group(cls=VerbGroup)
def message() -> None:
    """Where is my mail? A message's journey."""


def _to_dict(event: Event) -> dict[str, Any]:
    return {
        "at": output.to_iso(event.at_us),
        "message_id": event.message_id,
        "kind": event.kind.value,
        "reverse_path": event.reverse_path,
        "recipient": event.recipient,
        "connector": event.connector,
        "text": event.text,
        "reason": None if event.reason is None else dict(event.reason),
        "detail": dict(event.detail),
    }


@message.command(example="posthouse message trace 01K3Z8Q4T9XW2M7B")
@click.argument("id", type=options.MESSAGE_ID)
@options.as_json
@click.pass_obj
def trace(session: Session, *, id: str, as_json: bool) -> None:
    """Tell what happened to a message, step by step, and where it is now.

    ID is what the SMTP reply, the Received line and the logs give.
    """
    from appliance.operations.messages import TraceMessage

    found = session.ask(TraceMessage(message=id))
    if as_json:
        queued = None if found.queued is None else queued_to_dict(found.queued)
        output.print_json(
            {"id": found.id, "events": [_to_dict(each) for each in found.events], "queued": queued}
        )
    else:
        _print_journey(found)


def _print_journey(found: Trace) -> None:
    first = found.events[0]
    about = {
        "message": found.id,
        "from": first.reverse_path or "<> (a notice)",
        "to": ", ".join((first.detail.get("recipients") or first.recipient).split()),
    }
    if "subject" in first.detail:
        about["subject"] = first.detail["subject"]
    output.print_facts(about)
    click.echo()
    width = min(_WIDEST, max(len(_whose(each)) for each in found.events))
    for event in found.events:
        kind = click.style(event.kind.value.ljust(10), fg=_COLOURS.get(event.kind.value))
        who = f"{output.printable(_whose(event)):{width}}  " if width else ""
        click.echo(f"{output.local(event.at_us)}  {kind}  {who}{output.printable(event.text)}")
        if event.reason is not None:
            click.secho(f"{'':21}because of {_because(event.reason, event.text)}", dim=True)
    click.echo()
    if found.queued is None:
        click.echo("It is no longer in the queue.")
        return
    click.echo(f"In the queue since {output.local(found.queued.accepted_at)}:")
    for line in output.aligned(recipient_rows(found.queued.recipients)):
        click.echo(f"  {line}")


def _whose(event: Event) -> str:
    """Return whose copy an event is about; empty for several, which the head of the page names."""
    return "" if " " in event.recipient else event.recipient


def _because(reason: Mapping[str, object], told: str) -> str:
    """Return a reason's rule, the setting that would change it, and what was not told already."""
    text = str(reason.get("text", ""))
    parts = [f"rule {reason['rule']}"]
    if reason.get("setting"):
        parts.append(f"setting {reason['setting']}")
    if reason.get("reply"):
        parts.append(f"answered {str(reason['reply']).removesuffix(text).rstrip()}")
    if text not in told:
        parts.append(text)
    return output.printable(" · ".join(parts))


@message.command(
    example="""
    posthouse message search alice@example.com
    posthouse message search example.net --days 3 --json
    """
)
@click.argument("address")
@click.option(
    "--days", type=click.IntRange(1, 3650), default=30, show_default=True, help="How far back."
)
@options.at_most(100)
@options.as_json
@click.pass_obj
def search(session: Session, *, address: str, days: int, most: int, as_json: bool) -> None:
    """Find what happened to messages from or to an address, or part of one; the newest first."""
    from appliance.operations.messages import SearchMessages

    output.print_list(
        session.ask(SearchMessages(address=address, days=days, most=most)),
        {
            "id": lambda each: each.message_id,
            "when": lambda each: output.local(each.at_us),
            "what": lambda each: each.kind.value,
            "from": lambda each: each.reverse_path or "<>",
            "to": lambda each: each.recipient,
            "": lambda each: each.text,
        },
        to_dict=_to_dict,
        as_json=as_json,
        none="Nothing is known of a message from or to such an address.",
    )
