"""The `posthouse` command: its nouns, and how every run of it begins and ends.

Failure: exit code 0 done, 1 refused or failed with one line on stderr, 2 wrong usage.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import click

from appliance import __version__
from appliance.cli.command import LazyGroup, Noun
from appliance.cli.failure import EndedBy, told_in_one_line
from appliance.cli.session import Session

_TENANTS, _MAIL, _SERVER = "Tenants", "Mail", "The server"

NOUNS = {
    name: Noun(section, module, help, name)
    for section, name, module, help in (
        (_TENANTS, "postoffice", "postoffice", "Post offices: the tenants."),
        (_TENANTS, "domain", "domain", "Domains that post offices receive mail for."),
        (_TENANTS, "mailbox", "mailbox", "Mailboxes: who can log in and keep mail."),
        (_TENANTS, "address", "address", "Addresses that lead to mailboxes."),
        (_MAIL, "queue", "queue", "Messages on their way: look, hold, retry, bounce, remove."),
        (_MAIL, "badmail", "badmail", "Copies of what could not be delivered."),
        (_MAIL, "message", "message", "Where is my mail? A message's journey."),
        (_MAIL, "explain", "explain", "What would happen, and by which rule: a dry run."),
        (_MAIL, "send", "send", "Send a message."),
        (_SERVER, "serve", "serve", "Run all services until Ctrl-C."),
        (_SERVER, "service", "service", "The services that run, their metrics and sockets."),
        (_SERVER, "settings", "settings", "Settings: look up, change, describe."),
        (_SERVER, "operator", "operator", "Operators: accounts of those who run the server."),
        (_SERVER, "token", "token", "Tokens: what programs show to the API."),
        (_SERVER, "logs", "logs", "The services' logs."),
        (_SERVER, "debug", "debug", "A service's Debug log in full detail, for a while."),
        (_SERVER, "revision", "revision", "The configuration's history, and the way back."),
        (_SERVER, "audit", "audit", "Who asked for what, carried out or refused."),
        (_SERVER, "diagnose", "diagnose", "Health: what runs, what waits, what is wrong."),
        (_SERVER, "probe", "probe", "Try every door as a client would."),
        (_SERVER, "backup", "backup", "Backups: copies of everything, and the way back."),
        (_SERVER, "scrub", "scrub", "Look whether all that is kept is whole, and mend it."),
        (_SERVER, "upgrade", "upgrade", "Bring the databases to this program's version."),
        (_SERVER, "completion", "completion", "Print a script that completes commands."),
    )
}


class Posthouse(LazyGroup):
    """The root, around every run."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's interface
        """Run the command; close what it opened; say in one line what went wrong."""
        with told_in_one_line():
            try:
                return super().invoke(ctx)
            finally:
                if isinstance(ctx.obj, Session):
                    ctx.obj.close()


@click.group(
    cls=Posthouse,
    nouns=NOUNS,
    subcommand_metavar="NOUN VERB ...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help=(
        "Where everything is kept. Without it: the home that $POSTHOUSE_CONFIG or "
        "/etc/posthouse/posthouse.toml names, $POSTHOUSE_HOME, or /var/lib/posthouse."
    ),
)
@click.version_option(__version__, prog_name="posthouse", message="%(prog)s %(version)s")
@click.pass_context
def posthouse(context: click.Context, *, home: Path | None) -> None:
    """Run a Posthouse mail server from the command line.

    Every noun and verb has its own --help. Lists and single things are printed as JSON by --json.
    """
    context.obj = Session(home)


def main() -> None:
    """Run the command, as the installed script does."""
    os.umask(0o077)  # what is made in a home is its owner's alone
    try:
        posthouse(prog_name="posthouse")
    except EndedBy as ended:  # so that a shell sees what happened, and ends its loop on Ctrl-C
        signal.signal(ended.number, signal.SIG_DFL)
        os.kill(os.getpid(), ended.number)
