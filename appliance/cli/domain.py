"""`posthouse domain`: domains of a post office (manual §5.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from appliance.cli import options, output
from appliance.cli.command import VerbGroup
from appliance.cli.session import Session

if TYPE_CHECKING:
    from appliance.directory.records import Domain


@click.group(cls=VerbGroup)
def domain() -> None:
    """Domains that post offices receive mail for."""


def _to_dict(found: Domain) -> dict[str, Any]:
    return {
        "name": found.name,
        "postoffice": found.postoffice,
        "enabled": found.enabled,
        "created_at": output.to_iso(found.created_at),
    }


@domain.command(example="posthouse domain create example.com --postoffice example")
@click.argument("name")
@click.option("--postoffice", required=True, metavar="NAME", help="Whose domain it is.")
@click.pass_obj
def create(session: Session, *, name: str, postoffice: str) -> None:
    """Host a domain; each mailbox of the post office gets an address there."""
    from appliance.operations.domains import CreateDomain

    made = session.perform(CreateDomain(domain=name, postoffice=postoffice))
    click.echo(f"Domain {made.name} created for the post office {made.postoffice}.")


@domain.command("list", example="posthouse domain list --postoffice example")
@options.of_postoffice
@options.as_json
@click.pass_obj
def list_all(session: Session, *, postoffice: str, as_json: bool) -> None:
    """List the domains of a post office, or all."""
    from appliance.operations.domains import ListDomains

    output.print_list(
        session.ask(ListDomains(postoffice=postoffice)),
        {
            "domain": lambda each: each.name,
            "post office": lambda each: each.postoffice,
            "state": lambda each: output.enabled(value=each.enabled),
            "created": lambda each: output.local(each.created_at),
        },
        to_dict=_to_dict,
        as_json=as_json,
        none="There is no domain yet; `posthouse domain create` makes one.",
    )


@domain.command(example="posthouse domain show example.com")
@click.argument("name")
@options.if_exists
@options.as_json
@click.pass_obj
def show(session: Session, *, name: str, if_exists: bool, as_json: bool) -> None:
    """Show a domain: whose it is, and whether mail is accepted for it."""
    from appliance.operations.domains import ShowDomain

    with options.perhaps(if_exists=if_exists, as_json=as_json):
        found = session.ask(ShowDomain(domain=name))
        if as_json:
            output.print_json(_to_dict(found))
            return
        output.print_facts(
            {
                "domain": found.name,
                "post office": found.postoffice,
                "state": output.enabled(value=found.enabled),
                "created": output.local(found.created_at),
            }
        )


@domain.command(example="posthouse domain enable example.com")
@click.argument("name")
@click.pass_obj
def enable(session: Session, *, name: str) -> None:
    """Accept mail for a domain again."""
    from appliance.operations.domains import EnableDomain

    session.perform(EnableDomain(domain=name, enabled=True))
    click.echo(f"Domain {name} is enabled.")


@domain.command(example="posthouse domain disable example.com")
@click.argument("name")
@click.pass_obj
def disable(session: Session, *, name: str) -> None:
    """Accept no mail for a domain; nothing is deleted."""
    from appliance.operations.domains import EnableDomain

    session.perform(EnableDomain(domain=name, enabled=False))
    click.echo(f"Domain {name} is disabled: no mail is accepted for it.")


@domain.command(example="posthouse domain delete example.com")
@click.argument("name")
@options.yes
@click.pass_obj
def delete(session: Session, *, name: str, yes: bool) -> None:
    """Delete a domain with its addresses; the mailboxes and their mail stay."""
    from appliance.operations.domains import DeleteDomain

    options.confirm(f"Delete the domain {name} with all its addresses?", yes=yes)
    session.perform(DeleteDomain(domain=name))
    click.echo(f"Domain {name} deleted with its addresses.")
