"""`posthouse mailbox`: mailboxes (manual §5.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from appliance.cli import options, output
from appliance.cli.command import VerbGroup
from appliance.cli.session import Session
from appliance.directory.records import Role

if TYPE_CHECKING:
    from appliance.directory.records import Mailbox
    from appliance.operations.mailboxes import MailboxDetails


@click.group(cls=VerbGroup)
def mailbox() -> None:
    """Mailboxes: who can log in and keep mail."""


def _to_dict(found: Mailbox) -> dict[str, Any]:
    return {
        "login": found.login,
        "name": found.name,
        "postoffice": found.postoffice,
        "full_name": found.full_name,
        "role": found.role.value,
        "enabled": found.enabled,
        "quota_kb": found.quota_kb,
        "created_at": output.to_iso(found.created_at),
        "last_login_at": output.to_iso(found.last_login_at),
    }


full_name_option = click.option(
    "--full-name", metavar="TEXT", help="Of its owner, as mail shows it."
)
quota_option = click.option(
    "--quota-kb",
    type=click.IntRange(min=0),
    metavar="N",
    help="KiB of mail it may hold; senders are asked to wait while it is full. 0: no quota.",
)


@mailbox.command(
    example="""
    posthouse mailbox create alice@example --password-stdin <password.txt
    posthouse mailbox create alice@example --full-name "Alice Arden" --password-stdin <password.txt
    posthouse mailbox create alice@example --role ADMIN --password-stdin <password.txt
    """
)
@click.argument("login")
@click.option(
    "--role",
    type=click.Choice(Role, case_sensitive=False),
    default=Role.USER,
    show_default=True,
    help="An ADMIN may use web administration.",
)
@full_name_option
@quota_option
@options.password_stdin
@click.pass_obj
def create(
    session: Session,
    *,
    login: str,
    role: Role,
    full_name: str | None,
    quota_kb: int | None,
    password_stdin: bool,
) -> None:
    """Create a mailbox with an address in every domain of its post office.

    LOGIN is mailbox@postoffice; it can't be changed later.
    """
    from appliance.operations.addresses import ListAddresses
    from appliance.operations.mailboxes import CreateMailbox

    password = options.read_password(login, from_stdin=password_stdin)
    made = session.perform(
        CreateMailbox(
            mailbox=login,
            password=password,
            role=role,
            full_name=full_name or "",
            quota_kb=quota_kb or 0,
        )
    )
    addresses = [each.address for each in session.ask(ListAddresses(mailbox=made.login))]
    where = ", ".join(addresses) or "no address yet: the post office has no domain"
    click.echo(f"Mailbox {made.login} created ({where}).")


@mailbox.command("list", example="posthouse mailbox list --postoffice example --json")
@options.of_postoffice
@options.as_json
@click.pass_obj
def list_all(session: Session, *, postoffice: str, as_json: bool) -> None:
    """List the mailboxes of a post office, or all."""
    from appliance.operations.mailboxes import ListMailboxes

    output.print_list(
        session.ask(ListMailboxes(postoffice=postoffice)),
        {
            "login": lambda each: each.login,
            "role": lambda each: each.role.value,
            "state": lambda each: output.enabled(value=each.enabled),
            "last login": lambda each: output.local(each.last_login_at) or "never",
            "full name": lambda each: each.full_name,
        },
        to_dict=_to_dict,
        as_json=as_json,
        none="There is no mailbox yet; `posthouse mailbox create` makes one.",
    )


@mailbox.command(example="posthouse mailbox show alice@example")
@click.argument("login")
@options.if_exists
@options.as_json
@click.pass_obj
def show(session: Session, *, login: str, if_exists: bool, as_json: bool) -> None:
    """Show a mailbox: its addresses, how many messages, how large."""
    from appliance.operations.mailboxes import ShowMailbox

    with options.perhaps(if_exists=if_exists, as_json=as_json):
        found = session.ask(ShowMailbox(mailbox=login))
        if as_json:
            output.print_json(_details_to_dict(found))
            return
        quota = found.mailbox.quota_kb
        output.print_facts(
            {
                "login": found.mailbox.login,
                "full name": found.mailbox.full_name,
                "role": found.mailbox.role.value,
                "state": output.enabled(value=found.mailbox.enabled),
                "created": output.local(found.mailbox.created_at),
                "last login": output.local(found.mailbox.last_login_at) or "never",
                "addresses": ", ".join(found.addresses) or "none",
                "messages": f"{found.messages} ({output.size(found.octets)})",
                "quota": output.size(quota * 1024) if quota else "",
            }
        )


def _details_to_dict(found: MailboxDetails) -> dict[str, Any]:
    return {
        **_to_dict(found.mailbox),
        "addresses": found.addresses,
        "messages": found.messages,
        "octets": found.octets,
    }


@mailbox.command(
    example="""
    posthouse mailbox edit alice@example --full-name "Alice Arden"
    posthouse mailbox edit alice@example --role ADMIN --quota-kb 1048576
    """
)
@click.argument("login")
@full_name_option
@click.option(
    "--role",
    type=click.Choice(Role, case_sensitive=False),
    help="An ADMIN may use web administration.",
)
@quota_option
@click.pass_obj
def edit(
    session: Session, *, login: str, full_name: str | None, role: Role | None, quota_kb: int | None
) -> None:
    """Change what a mailbox is; what is not given stays."""
    from appliance.operations.mailboxes import EditMailbox

    if full_name is None and role is None and quota_kb is None:
        raise click.UsageError("say what to change: --full-name, --role or --quota-kb")
    session.perform(EditMailbox(mailbox=login, full_name=full_name, role=role, quota_kb=quota_kb))
    click.echo(f"Mailbox {login} is changed.")


@mailbox.command(
    example="""
    posthouse mailbox password alice@example --password-stdin <password.txt
    posthouse mailbox password alice@example --check --json --password-stdin <password.txt
    """
)
@click.argument("login")
@click.option("--check", is_flag=True, help="Only say whether it is the password; change nothing.")
@options.password_stdin
@options.as_json
@click.pass_obj
def password(
    session: Session, *, login: str, check: bool, password_stdin: bool, as_json: bool
) -> None:
    """Set a mailbox's password, or check one.

    A password that is checked counts as no login, right or wrong.
    """
    from appliance.operations.mailboxes import CheckMailboxPassword, SetMailboxPassword

    given = options.read_password(login, from_stdin=password_stdin)
    if check:
        is_it = session.ask(CheckMailboxPassword(mailbox=login, password=given))
        found, text = {"is_password": is_it}, "is" if is_it else "is not"
        text = f"That {text} the password of {login}."
    else:
        session.perform(SetMailboxPassword(mailbox=login, password=given))
        found, text = {"changed": True}, f"The password of {login} is changed."
    if as_json:
        output.print_json({"login": login, **found})
    else:
        click.echo(text)


@mailbox.command(example="posthouse mailbox enable alice@example")
@click.argument("login")
@click.pass_obj
def enable(session: Session, *, login: str) -> None:
    """Let a suspended mailbox work again."""
    from appliance.operations.mailboxes import EnableMailbox

    session.perform(EnableMailbox(mailbox=login, enabled=True))
    click.echo(f"Mailbox {login} is enabled.")


@mailbox.command(example="posthouse mailbox disable alice@example")
@click.argument("login")
@click.pass_obj
def disable(session: Session, *, login: str) -> None:
    """Suspend a mailbox: no logins, and its addresses are unknown; its mail stays."""
    from appliance.operations.mailboxes import EnableMailbox

    session.perform(EnableMailbox(mailbox=login, enabled=False))
    click.echo(f"Mailbox {login} is disabled: no logins, and its addresses are unknown.")


@mailbox.command(example="posthouse mailbox delete alice@example")
@click.argument("login")
@options.yes
@click.pass_obj
def delete(session: Session, *, login: str, yes: bool) -> None:
    """Delete a mailbox with its addresses and its mail. This can't be undone."""
    from appliance.operations.mailboxes import DeleteMailbox

    options.confirm(f"Delete the mailbox {login} with its addresses and mail?", yes=yes)
    session.perform(DeleteMailbox(mailbox=login))
    click.echo(f"Mailbox {login} deleted.")
