"""`posthouse postoffice`: the tenants (manual §5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from appliance.cli import options, output
from appliance.cli.command import VerbGroup
from appliance.cli.failure import Failed
from appliance.cli.session import Session

if TYPE_CHECKING:
    from appliance.directory.records import PostOffice


@click.group(cls=VerbGroup)
def postoffice() -> None:
    """Post offices: the tenants."""


def _to_dict(found: PostOffice) -> dict[str, Any]:
    return {
        "name": found.name,
        "enabled": found.enabled,
        "created_at": output.to_iso(found.created_at),
    }


@postoffice.command(example="posthouse postoffice create example --password-stdin <password.txt")
@click.argument("name")
@options.password_stdin
@click.pass_obj
def create(session: Session, *, name: str, password_stdin: bool) -> None:
    """Create a post office with its ADMIN mailbox.

    The password is that mailbox's: it may use web administration.
    """
    from appliance.operations.postoffices import ADMIN, CreatePostOffice

    password = options.read_password(f"{ADMIN}@{name}", from_stdin=password_stdin)
    made = session.perform(CreatePostOffice(postoffice=name, password=password))
    click.echo(f"Post office {made.name} created; its admin logs in as {ADMIN}@{made.name}.")


@postoffice.command("list", example="posthouse postoffice list --json")
@options.as_json
@click.pass_obj
def list_all(session: Session, *, as_json: bool) -> None:
    """List all post offices."""
    from appliance.operations.postoffices import ListPostOffices

    output.print_list(
        session.ask(ListPostOffices()),
        {
            "post office": lambda each: each.name,
            "state": lambda each: output.enabled(value=each.enabled),
            "created": lambda each: output.local(each.created_at),
        },
        to_dict=_to_dict,
        as_json=as_json,
        none="There is no post office yet; `posthouse postoffice create NAME` makes one.",
    )


@postoffice.command(example="posthouse postoffice show example")
@click.argument("name")
@options.if_exists
@options.as_json
@click.pass_obj
def show(session: Session, *, name: str, if_exists: bool, as_json: bool) -> None:
    """Show a post office with its domains and how many mailboxes it has."""
    with options.perhaps(if_exists=if_exists, as_json=as_json):
        found, domains, mailboxes = _look(session, name)
        if as_json:
            output.print_json({**_to_dict(found), "domains": domains, "mailboxes": mailboxes})
            return
        output.print_facts(
            {
                "post office": found.name,
                "state": output.enabled(value=found.enabled),
                "created": output.local(found.created_at),
                "domains": ", ".join(domains) or "none yet",
                "mailboxes": mailboxes,
            }
        )


def _look(session: Session, name: str) -> tuple[PostOffice, list[str], int]:
    from appliance.operations.domains import ListDomains
    from appliance.operations.mailboxes import ListMailboxes
    from appliance.operations.postoffices import ShowPostOffice

    found = session.ask(ShowPostOffice(postoffice=name))
    domains = [each.name for each in session.ask(ListDomains(postoffice=name))]
    return found, domains, len(session.ask(ListMailboxes(postoffice=name)))


@postoffice.command(example="posthouse postoffice enable example")
@click.argument("name")
@click.pass_obj
def enable(session: Session, *, name: str) -> None:
    """Let a suspended post office work again."""
    from appliance.operations.postoffices import EnablePostOffice

    session.perform(EnablePostOffice(postoffice=name, enabled=True))
    click.echo(f"Post office {name} is enabled.")


@postoffice.command(example="posthouse postoffice disable example")
@click.argument("name")
@click.pass_obj
def disable(session: Session, *, name: str) -> None:
    """Suspend a post office: no logins, no mail; nothing is deleted."""
    from appliance.operations.postoffices import EnablePostOffice

    session.perform(EnablePostOffice(postoffice=name, enabled=False))
    click.echo(f"Post office {name} is disabled: no logins, no mail.")


@postoffice.command(example="posthouse postoffice delete example --yes")
@click.argument("name")
@options.yes
@click.pass_obj
def delete(session: Session, *, name: str, yes: bool) -> None:
    """Delete a post office with its domains, mailboxes and mail. This can't be undone."""
    from appliance.operations.postoffices import DeletePostOffice

    if not yes:
        if not options.on_terminal():
            raise click.UsageError("nobody can be asked here: add --yes to delete a post office")
        found, domains, mailboxes = _look(session, name)
        click.echo(
            f"Post office {found.name} has {output.counted(len(domains), 'domain')} and "
            f"{output.counted(mailboxes, 'mailbox', 'mailboxes')}. All of it goes, with the mail.",
            err=True,
        )
        if click.prompt("Type its name to delete it", err=True) != found.name:
            raise Failed("that is not its name; nothing was changed")
    session.perform(DeletePostOffice(postoffice=name))
    click.echo(f"Post office {name} deleted.")
