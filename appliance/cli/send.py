"""`posthouse send`: a plain-text message through the queue, as every origin does."""

from __future__ import annotations

import sys

import click

from appliance.cli import options, output
from appliance.cli.command import Verb
from appliance.cli.failure import Failed
from appliance.cli.session import Session

_MAX_OCTETS = 16 << 20


@click.command(
    cls=Verb,
    example="""
    posthouse send --from a@example.com --to b@example.net --subject Test --text "It works."
    posthouse send --from a@example.com --to b@example.net --subject Report --text - <report.txt
    """,
)
@click.option("--from", "sender", required=True, metavar="ADDRESS", help="Who it is from.")
@click.option(
    "--to",
    "recipients",
    required=True,
    multiple=True,
    metavar="ADDRESS",
    help="Also several times.",
)
@click.option("--subject", default="", metavar="TEXT", help="One line.")
@click.option(
    "--text",
    default="-",
    show_default=True,
    metavar="TEXT",
    help="The body; - reads standard input.",
)
@options.as_json
@click.pass_obj
def send(
    session: Session,
    *,
    sender: str,
    recipients: tuple[str, ...],
    subject: str,
    text: str,
    as_json: bool,
) -> None:
    """Send a message.

    Its id is printed once the queue has it for good; `posthouse message trace` follows it.
    """
    from appliance.operations.messages import SendMessage

    body = _standard_input() if text == "-" else text
    made = session.perform(
        SendMessage(sender=sender, recipients=recipients, subject=subject, text=body)
    )
    if as_json:
        output.print_json({"id": made})
    else:
        click.echo(made)


def _standard_input() -> str:
    if sys.stdin is None:
        raise Failed("there is no standard input to read the text from")
    octets = sys.stdin.buffer.read(_MAX_OCTETS + 1)
    if len(octets) > _MAX_OCTETS:
        raise Failed(f"the text is longer than {output.size(_MAX_OCTETS)}")
    try:
        return octets.decode()
    except UnicodeDecodeError as error:
        raise Failed(f"the text on standard input is not UTF-8: {error.reason}") from None
