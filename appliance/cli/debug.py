"""`posthouse debug`: one service's Debug log verbose for a while, and back by itself."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from appliance.cli import options, output
from appliance.cli.command import VerbGroup
from appliance.cli.session import Session
from appliance.operations.watch import LOGGED
from appliance.settings.kinds import Duration

if TYPE_CHECKING:
    from appliance.operations.debugging import Debugging

_SERVICE = click.Choice(LOGGED, case_sensitive=False)
_LENGTH = Duration(60, 86_400)


class _Length(click.ParamType[int]):
    name = "length"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's interface
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> int:
        try:
            return _LENGTH.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group(cls=VerbGroup)
def debug() -> None:
    """A service's Debug log in full detail, for a while."""


def _to_dict(found: Debugging) -> dict[str, Any]:
    return {
        "service": found.service,
        "verbose": found.verbose,
        "until": output.to_iso(found.ends_at),
        "log": found.log,
    }


@debug.command(
    example="""
    posthouse debug on SMTP
    posthouse debug on POP --for 2h
    """
)
@click.argument("service", type=_SERVICE)
@click.option(
    "--for",
    "for_s",
    type=_Length(),
    metavar="LENGTH",
    default="30m",
    show_default=True,
    help="How long, from 1m to 24h.",
)
@options.as_json
@click.pass_obj
def on(session: Session, *, service: str, for_s: int, as_json: bool) -> None:
    """Make a service's Debug log verbose; it ends by itself.

    The log then also has every command and answer without passwords, what decisions were made of,
    what the DNS answered, TLS, and how long steps took; also where its switch is off. Neither a
    restart nor a crash leaves it on. Asked again, the end moves.
    """
    from appliance.operations.debugging import StartDebugging

    since = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"  # as `logs show --since` takes it
    found = session.perform(StartDebugging(service=service, for_s=for_s))
    if as_json:
        output.print_json({**_to_dict(found), "since": since, "changed": found.changed})
        return
    until = output.local(found.ends_at)
    click.echo(f"{service} is verbose until {until}: {output.printable(found.log)}")


@debug.command(
    example="""
    posthouse debug off SMTP
    posthouse debug off --all
    """
)
@click.argument("service", type=_SERVICE, required=False)
@click.option("--all", "every", is_flag=True, help="Of all services.")
@options.as_json
@click.pass_obj
def off(session: Session, *, service: str | None, every: bool, as_json: bool) -> None:
    """End a service's verbose Debug log now."""
    from appliance.operations.debugging import StopDebugging

    if every == (service is not None):
        raise click.UsageError("give either a service or --all")
    found = session.perform(StopDebugging(service=service or ""))
    if as_json:
        told = [{**_to_dict(each), "changed": each.changed} for each in found]
        output.print_json(told if every else told[0])
        return
    ended = [each.service for each in found if each.changed]
    click.echo(
        f"No longer verbose: {', '.join(ended)}."
        if ended
        else f"{service or 'No service'} was {'not ' if service else ''}verbose."
    )


@debug.command("list", example="posthouse debug list --json")
@options.as_json
@click.pass_obj
def list_all(session: Session, *, as_json: bool) -> None:
    """List the services that have logs, and which of them are verbose until when."""
    from appliance.operations.debugging import ListDebugging

    output.print_list(
        session.ask(ListDebugging()),
        {
            "service": lambda each: each.service,
            "verbose until": lambda each: output.local(each.ends_at) or "-",
            "log": lambda each: each.log,
        },
        to_dict=_to_dict,
        as_json=as_json,
        none="No service has logs.",
    )
