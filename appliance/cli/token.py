"""`posthouse token`: what programs show to the API instead of a password."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from appliance.cli import options, output
from appliance.cli.command import VerbGroup
from appliance.cli.session import Session
from appliance.rules.access import TOKEN_PERMISSIONS, Permission

if TYPE_CHECKING:
    from appliance.directory.records import Token


@click.group(cls=VerbGroup)
def token() -> None:
    """Tokens: what programs show to the API."""


def _to_dict(found: Token) -> dict[str, Any]:
    return {
        "name": found.name,
        "permissions": list(found.permissions),
        "postoffice": found.postoffice or None,
        "created_at": output.to_iso(found.created_at),
        "expires_at": output.to_iso(found.expires_at),
        "last_used_at": output.to_iso(found.last_used_at),
    }


@token.command(
    example="""
    posthouse token create monitoring --allow server.read --allow queue.read
    posthouse token create billing --allow mailbox.read --postoffice example --days 90
    """
)
@click.argument("name")
@click.option(
    "--allow",
    "permissions",
    type=click.Choice(sorted(each.value for each in TOKEN_PERMISSIONS)),
    multiple=True,
    required=True,
    help="What it may do; give it once for each permission.",
)
@click.option(
    "--postoffice",
    metavar="NAME",
    default="",
    help="It reaches only this post office's things. Without it: the whole server.",
)
@click.option(
    "--days",
    type=click.IntRange(min=0),
    metavar="N",
    default=0,
    help="It ends by itself after so many days. Without it: never.",
)
@options.as_json
@click.pass_obj
def create(
    session: Session,
    *,
    name: str,
    permissions: tuple[str, ...],
    postoffice: str,
    days: int,
    as_json: bool,
) -> None:
    """Make a token and print its secret, which is shown this once.

    NAME says what it is for. A program sends the secret as `Authorization: Bearer SECRET`.
    """
    from appliance.operations.tokens import CreateToken

    made = session.perform(
        CreateToken(
            token=name,
            permissions=tuple(Permission(each) for each in permissions),
            postoffice=postoffice,
            days=days,
        )
    )
    if as_json:
        output.print_json({**_to_dict(made.token), "secret": made.secret})
        return
    click.echo(made.secret)
    click.echo(f"Token {name} created; keep the secret, it is shown this once.", err=True)


@token.command("list", example="posthouse token list --json")
@options.as_json
@click.pass_obj
def list_all(session: Session, *, as_json: bool) -> None:
    """List all tokens, without their secrets."""
    from appliance.operations.tokens import ListTokens

    output.print_list(
        session.ask(ListTokens()),
        {
            "token": lambda each: each.name,
            "permissions": lambda each: " ".join(each.permissions),
            "postoffice": lambda each: each.postoffice,
            "expires": lambda each: output.local(each.expires_at) or "never",
            "last used": lambda each: output.local(each.last_used_at) or "never",
        },
        to_dict=_to_dict,
        as_json=as_json,
        none="There is no token yet; `posthouse token create` makes one.",
    )


@token.command(example="posthouse token revoke monitoring")
@click.argument("name")
@options.yes
@click.pass_obj
def revoke(session: Session, *, name: str, yes: bool) -> None:
    """Make a token useless, at once and for good."""
    from appliance.operations.tokens import RevokeToken

    options.confirm(f"Revoke the token {name}? Programs that use it are locked out.", yes=yes)
    session.perform(RevokeToken(token=name))
    click.echo(f"Token {name} is revoked.")
