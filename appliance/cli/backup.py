"""`posthouse backup`: copies of everything, made while the services run, and the way back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from appliance.cli import options, output
from appliance.cli.command import VerbGroup
from appliance.cli.session import Session

if TYPE_CHECKING:
    from appliance.upkeep.backup.files import Progress
    from appliance.upkeep.backup.manifest import Manifest
    from appliance.upkeep.backup.operations import Listed


class _BackupName(click.ParamType[str]):
    name = "name"

    def convert(self, value: Any, param: object, ctx: object) -> str:  # noqa: ANN401, ARG002 - click's interface
        return str(value)

    def shell_complete(
        self,
        ctx: click.Context,
        param: object,  # noqa: ARG002 - click's interface
        incomplete: str,
    ) -> list[CompletionItem[str]]:
        from appliance.operations.house import HomeError, read_config
        from appliance.upkeep.backup import manifest
        from appliance.upkeep.backup.create import backups_of

        names: list[str] = []
        with suppress(HomeError, OSError):
            home: Path | None = ctx.find_root().params.get("home")
            folder = backups_of(home or read_config(None).home)
            names = [path.name for path in manifest.complete(folder)]
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


_NAME = _BackupName()


@click.group(cls=VerbGroup)
def backup() -> None:
    """Backups: copies of everything, and the way back."""


def to_dict(found: Manifest) -> dict[str, Any]:
    """Return what people and programs want to know of a backup; not its list of files."""
    return {
        "name": found.name,
        "label": found.label,
        "at": output.to_iso(found.at),
        "version": found.version,
        "node": found.node,
        "database": found.database,
        "schemas": dict(found.schemas),
        "counts": asdict(found.counts),
        "files": len(found.files),
        "size": found.size,
        "added": found.added,
        "missing": list(found.missing),
    }


def holds(found: Manifest) -> str:
    """Return what a backup holds, for people."""
    counts = found.counts
    return ", ".join(
        [
            output.counted(counts.postoffices, "post office"),
            output.counted(counts.mailboxes, "mailbox", "mailboxes"),
            output.counted(counts.messages, "message"),
            f"{counts.queued} in the queue",
        ]
    )


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Progress]:
    """Show what is going on, where somebody looks: on standard error, when it is a terminal."""
    from appliance.upkeep.backup.files import silent

    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as shown:
        task = shown.add_task("", total=None)

        def tell(what: str, done: int, of: int) -> None:
            shown.update(task, description=what, completed=done, total=of or None)

        yield tell


def configuration(session: Session) -> Path | None:
    """Return the configuration file that named the home, where it was not given."""
    from appliance.operations.house import config_path

    return None if session.home is not None else config_path(None)


@backup.command(
    example="""
    posthouse backup create
    posthouse backup create --label before-move --json
    """
)
@click.option("--label", metavar="TEXT", default="", help="A word of yours; part of its name.")
@options.as_json
@click.pass_obj
def create(session: Session, *, label: str, as_json: bool) -> None:
    """Back up everything, while the services run.

    The backup is a folder below `backups/` in the home. Contents of messages are linked, not
    copied, where the file system allows it. The oldest beyond backup.keep are removed once the new
    one is verified; what its verification finds wrong is printed, and the exit code is 1.
    """
    from appliance.upkeep.backup.operations import CreateBackup

    with progress() as tell:
        made = session.perform(
            CreateBackup(label=label, toml=configuration(session), progress=tell)
        )
    if as_json:
        found = to_dict(made.manifest)
        rest = {"problems": list(made.problems), "removed": list(made.removed)}
        output.print_json({**found, "folder": str(made.folder), **rest})
    else:
        kept = made.manifest
        click.echo(f"Backup {kept.name}: {holds(kept)}.")
        click.echo(f"{output.size(kept.size)}, of which {output.size(kept.added)} are copied.")
        if made.removed:
            click.echo(f"Removed: {', '.join(made.removed)}.")
    _tell_problems(made.problems, as_json=as_json)


def _tell_problems(problems: tuple[str, ...], *, as_json: bool) -> None:
    if not problems:
        return
    if not as_json:
        for sentence in problems:
            click.echo(f"posthouse: {output.printable(sentence)}", err=True)
    click.get_current_context().exit(1)


@backup.command("list", example="posthouse backup list --json")
@options.as_json
@click.pass_obj
def list_all(session: Session, *, as_json: bool) -> None:
    """List the backups in the home, the oldest first."""
    from appliance.upkeep.backup.operations import ListBackups

    def of_one(each: Listed) -> dict[str, Any]:
        if each.manifest is None:
            return {"name": each.name, "complete": False, "trouble": each.trouble}
        return {**to_dict(each.manifest), "complete": True}

    output.print_list(
        session.ask(ListBackups()),
        {
            "name": lambda each: each.name,
            "made": lambda each: output.local(each.manifest.at) if each.manifest else "unfinished",
            "size": lambda each: output.size(each.manifest.size) if each.manifest else "",
            "copied": lambda each: output.size(each.manifest.added) if each.manifest else "",
            "holds": lambda each: holds(each.manifest) if each.manifest else each.trouble,
        },
        to_dict=of_one,
        as_json=as_json,
        none="There is no backup in this home; `posthouse backup create` makes one.",
    )


@backup.command(
    example="""
    posthouse backup verify 20261123T010203Z
    posthouse backup verify /media/disk/20261123T010203Z --json
    """
)
@click.argument("name", type=_NAME)
@options.as_json
@click.pass_obj
def verify(session: Session, *, name: str, as_json: bool) -> None:
    """Verify a backup: its files, its databases, and that all counts agree.

    NAME is one of the home's backups, or the path of a folder. Everything is read again, which
    takes its time. Exit code 1 when something is wrong.
    """
    from appliance.upkeep.backup.operations import VerifyBackup

    with progress() as tell:
        found = session.ask(VerifyBackup(backup=name, progress=tell))
    if as_json:
        output.print_json({**to_dict(found.manifest), "problems": found.problems})
    elif not found.problems:
        click.echo(f"The backup {found.manifest.name} is sound: {holds(found.manifest)}.")
    _tell_problems(tuple(found.problems), as_json=as_json)


@backup.command(
    example="""
    posthouse backup restore 20261123T010203Z
    posthouse backup restore /media/disk/20261123T010203Z --yes
    """
)
@click.argument("name", type=_NAME)
@options.yes
@click.pass_obj
def restore(session: Session, *, name: str, yes: bool) -> None:
    """Restore a backup: everything is as it was then.

    NAME is one of the home's backups, or the path of a folder, as on a new machine. The services
    have to be stopped. The backup is verified first. What is in the home is put aside, below
    `scratch/`. Whoever was signed in to the web signs in again. Cut off, it goes on when it is run
    again.
    """
    from appliance.operations.house import House
    from appliance.operations.operation import Call, perform
    from appliance.upkeep.backup.operations import RestoreBackup

    config, actor = session.enter()
    options.confirm(
        f"Restore the backup {name} into {config.home}? What is there is put aside.", yes=yes
    )
    house = House(config, to_restore=True)
    try:
        with progress() as tell:
            done = perform(house, Call(actor, "cli"), RestoreBackup(backup=name, progress=tell))
    finally:
        house.close()
    again = "The restore that was cut off is finished" if done.went_on else "Restored"
    click.echo(f"{again}: {holds(done.manifest)}.")
    click.echo(f"What was there before is in {done.aside}; remove it when all is well.")
    click.echo("The services can be started.")


@backup.command(example="posthouse backup delete 20261123T010203Z --yes")
@click.argument("name", type=_NAME)
@options.yes
@click.pass_obj
def delete(session: Session, *, name: str, yes: bool) -> None:
    """Delete a backup of the home."""
    from appliance.upkeep.backup.operations import DeleteBackup

    options.confirm(f"Delete the backup {name} for good?", yes=yes)
    session.perform(DeleteBackup(backup=name))
    click.echo(f"Backup {name} deleted.")
