"""`posthouse upgrade`: the databases of an earlier version brought to this one's."""

from __future__ import annotations

import click

from appliance import __version__
from appliance.cli.backup import configuration, holds, progress
from appliance.cli.command import Verb
from appliance.cli.session import Session


@click.command(
    cls=Verb,
    example="""
    posthouse upgrade --dry-run
    posthouse upgrade
    posthouse upgrade --no-backup
    """,
)
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--no-backup", is_flag=True, help="Make no backup first.")
@click.pass_obj
def upgrade(session: Session, *, dry_run: bool, no_backup: bool) -> None:
    """Bring the databases to this program's version.

    Stop the services first, on every node. Where there is something to do, a backup is made and
    verified before. A database is migrated as a whole or stays as it was.
    """
    from appliance.operations.upgrade import PlanUpgrade, UpgradeDatabases
    from appliance.upkeep.backup.operations import UpgradeWithBackup

    steps = session.ask(PlanUpgrade())
    for step in steps:
        click.echo(f"{step.database}: {step.found} -> {step.wanted}")
    if not steps:
        click.echo(f"All databases fit posthouse {__version__}: there is nothing to do.")
    elif not dry_run:
        if no_backup:
            session.perform(UpgradeDatabases())
        else:
            toml = configuration(session)
            with progress() as tell:
                made, _ = session.perform(UpgradeWithBackup(toml=toml, progress=tell))
            if made is not None:
                click.echo(f"Backup {made.name}: {holds(made)}.")
        click.echo("Done. The services can be started.")
