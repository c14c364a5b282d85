"""`posthouse explain`: what would happen, decided by the very code that decides about real mail."""

from __future__ import annotations

import click

from appliance.cli import options, output
from appliance.cli.command import VerbGroup
from appliance.cli.session import Session

_COLOURS = {"accept": "green", "defer": "yellow"}


@click.group(cls=VerbGroup)
def explain() -> None:
    """What would happen, and by which rule: a dry run."""


@explain.command(
    example="""
    posthouse explain deliver --from a@b.example --to alice@example.com --client 192.0.2.1
    posthouse explain deliver --from "" --to x@b.example --client 192.0.2.1 --login alice@example
    """
)
@click.option(
    "--from", "reverse_path", required=True, metavar="ADDRESS", help='MAIL FROM; "" for a notice.'
)
@click.option("--to", "recipient", required=True, metavar="ADDRESS", help="RCPT TO.")
@click.option("--client", required=True, metavar="IP", help="Where the connection comes from.")
@click.option("--login", default="", metavar="LOGIN", help="Who has logged in, if anybody.")
@options.as_json
@click.pass_obj
def deliver(
    session: Session, *, reverse_path: str, recipient: str, client: str, login: str, as_json: bool
) -> None:
    """Say what would become of a message: every decision with its rule and setting.

    The exit code is 0 whether or not the message would be accepted.
    """
    from appliance.operations.messages import ExplainDelivery

    found = session.ask(
        ExplainDelivery(
            reverse_path=reverse_path.removeprefix("<").removesuffix(">"),
            recipient=recipient,
            client=client,
            login=login,
        )
    )
    accepted = all(reason.accepted for reason in found)
    if as_json:
        output.print_json({"accepted": accepted, "decisions": [each.to_dict() for each in found]})
        return
    for reason in found:
        outcome = click.style(reason.outcome.value.ljust(6), fg=_COLOURS.get(reason.outcome, "red"))
        click.echo(f"{outcome}  {output.printable(reason.text)}")
        click.secho(f"{'':8}rule {reason.rule}", dim=True)
        if reason.setting:
            click.secho(f"{'':8}setting {reason.setting}", dim=True)
        if reason.reply is not None:
            click.secho(f"{'':8}answered {output.printable(str(reason.reply))}", dim=True)
        for name, value in reason.inputs.items():
            if not value:
                continue
            click.secho(f"{'':8}{name}: {output.printable(value)}", dim=True)
