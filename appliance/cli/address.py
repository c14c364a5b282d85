"""`posthouse address`: lines of the address map (manual §5.6, §12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from appliance.cli import options, output
from appliance.cli.command import VerbGroup
from appliance.cli.session import Session

if TYPE_CHECKING:
    from appliance.directory.records import MappedAddress


@click.group(cls=VerbGroup)
def address() -> None:
    """Addresses that lead to mailboxes."""


def _to_dict(found: MappedAddress) -> dict[str, Any]:
    return {
        "address": found.address,
        "mailbox": f"{found.mailbox}@{found.postoffice}",
        "postoffice": found.postoffice,
        "source": found.source,
        "destination": found.destination,
    }


@address.command(example="posthouse address create sales@example.com --mailbox alice@example")
@click.argument("address")
@click.option("--mailbox", required=True, metavar="LOGIN", help="The mailbox that gets the mail.")
@click.pass_obj
def create(session: Session, *, address: str, mailbox: str) -> None:
    """Give a mailbox a further address, in a domain of its own post office."""
    from appliance.operations.addresses import CreateAddress

    made = session.perform(CreateAddress(address=address, mailbox=mailbox))
    click.echo(f"{made.address} leads to {made.mailbox}@{made.postoffice}.")


@address.command("list", example="posthouse address list --mailbox alice@example")
@options.of_postoffice
@click.option("--mailbox", metavar="LOGIN", default="", help="Only of this mailbox.")
@options.as_json
@click.pass_obj
def list_all(session: Session, *, postoffice: str, mailbox: str, as_json: bool) -> None:
    """List the addresses of a post office or mailbox, or all."""
    from appliance.operations.addresses import ListAddresses

    output.print_list(
        session.ask(ListAddresses(postoffice=postoffice, mailbox=mailbox)),
        {
            "address": lambda each: each.address,
            "mailbox": lambda each: f"{each.mailbox}@{each.postoffice}",
            "destination": lambda each: each.destination,
        },
        to_dict=_to_dict,
        as_json=as_json,
        none="There is no address yet; domains and mailboxes make theirs.",
    )


@address.command(example="posthouse address delete sales@example.com")
@click.argument("address")
@options.yes
@click.pass_obj
def delete(session: Session, *, address: str, yes: bool) -> None:
    """Take an address away; the mailbox stays."""
    from appliance.operations.addresses import DeleteAddress

    options.confirm(f"Delete the address {address}?", yes=yes)
    session.perform(DeleteAddress(address=address))
    click.echo(f"Address {address} deleted.")
