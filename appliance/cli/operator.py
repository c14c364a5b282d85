"""`posthouse operator`: named accounts of those who run the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from appliance.cli import options, output
from appliance.cli.command import VerbGroup
from appliance.cli.session import Session

if TYPE_CHECKING:
    from appliance.directory.records import Operator


@click.group(cls=VerbGroup)
def operator() -> None:
    """Operators: accounts of those who run the server."""


def _to_dict(found: Operator) -> dict[str, Any]:
    return {
        "name": found.name,
        "enabled": found.enabled,
        "created_at": output.to_iso(found.created_at),
    }


@operator.command(example="posthouse operator create anna --password-stdin <password.txt")
@click.argument("name")
@options.password_stdin
@click.pass_obj
def create(session: Session, *, name: str, password_stdin: bool) -> None:
    """Create an operator's account, for the console and the API."""
    from appliance.operations.operators import CreateOperator

    password = options.read_password(name, from_stdin=password_stdin)
    made = session.perform(CreateOperator(operator=name, password=password))
    click.echo(f"Operator {made.name} created.")


@operator.command("list", example="posthouse operator list")
@options.as_json
@click.pass_obj
def list_all(session: Session, *, as_json: bool) -> None:
    """List all operators."""
    from appliance.operations.operators import ListOperators

    output.print_list(
        session.ask(ListOperators()),
        {
            "operator": lambda each: each.name,
            "state": lambda each: output.enabled(value=each.enabled),
            "created": lambda each: output.local(each.created_at),
        },
        to_dict=_to_dict,
        as_json=as_json,
        none="There is no operator's account yet; `posthouse operator create` makes one.",
    )


@operator.command(example="posthouse operator password anna --password-stdin <password.txt")
@click.argument("name")
@options.password_stdin
@click.pass_obj
def password(session: Session, *, name: str, password_stdin: bool) -> None:
    """Set an operator's password."""
    from appliance.operations.operators import SetOperatorPassword

    new = options.read_password(name, from_stdin=password_stdin)
    session.perform(SetOperatorPassword(operator=name, password=new))
    click.echo(f"The password of {name} is changed.")


@operator.command(example="posthouse operator delete anna")
@click.argument("name")
@options.yes
@click.pass_obj
def delete(session: Session, *, name: str, yes: bool) -> None:
    """Delete an operator's account."""
    from appliance.operations.operators import DeleteOperator

    options.confirm(f"Delete the account of the operator {name}?", yes=yes)
    session.perform(DeleteOperator(operator=name))
    click.echo(f"Operator {name} deleted.")
