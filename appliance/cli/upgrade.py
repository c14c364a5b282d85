"""`posthouse upgrade`: the databases of an earlier version brought to this one's."""

from __future__ import annotations

import click

from appliance import __version__
from appliance.cli.command import Verb
from appliance.cli.session import Session


@click.command(
    cls=Verb,
    example="""
    posthouse upgrade --dry-run
    posthouse upgrade
    """,
)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.pass_obj
def upgrade(session: Session, *, dry_run: bool) -> None:
    """Bring the databases to this program's version.

    Stop the services first, on every node, and make a backup. A database is migrated as a whole or
    stays as it was.
    """
    from appliance.operations.upgrade import PlanUpgrade, UpgradeDatabases

    steps = session.ask(PlanUpgrade())
    for step in steps:
        click.echo(f"{step.database}: {step.found} -> {step.wanted}")
    if not steps:
        click.echo(f"All databases fit posthouse {__version__}: there is nothing to do.")
    elif not dry_run:
        session.perform(UpgradeDatabases())
        click.echo("Done. The services can be started.")
