"""Options that many verbs share, and what they ask for: passwords, confirmations, message ids."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from appliance.cli.failure import Failed

F = TypeVar("F", bound=Callable[..., Any])

_MAX_LINE = 8192

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
if_exists = click.option(
    "--if-exists", is_flag=True, help="Succeed also where there is none; as JSON that is null."
)
yes = click.option("--yes", is_flag=True, help="Do not ask whether you are sure.")
password_stdin = click.option(
    "--password-stdin",
    is_flag=True,
    help="Take the password from the first line of standard input.",
)
of_postoffice = click.option("--postoffice", metavar="NAME", default="", help="Only of this one.")


def at_most(number: int) -> Callable[[F], F]:
    """Return the option that bounds a list."""
    return click.option(
        "--most",
        type=click.IntRange(1, 100_000),
        default=number,
        show_default=True,
        metavar="N",
        help="How many at most.",
    )


class _MessageId(click.ParamType[str]):
    name = "id"

    def convert(self, value: Any, param: object, ctx: object) -> str:  # noqa: ANN401, ARG002 - click's interface
        return str(value).strip().upper()


MESSAGE_ID = _MessageId()


def on_terminal() -> bool:
    """Tell whether somebody is there to be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def first_line() -> str:
    """Return the first line of standard input."""
    if sys.stdin is None:
        raise Failed("there is no standard input to read from")
    line: bytes = sys.stdin.buffer.readline(_MAX_LINE)
    try:
        return line.rstrip(b"\r\n").decode()
    except UnicodeDecodeError:
        raise Failed("the first line of standard input is not UTF-8 text") from None


def read_password(whose: str, *, from_stdin: bool) -> str:
    """Return a new password, from standard input or by asking twice; never from an argument.

    Args:
        whose: what it is the password of, for the question.
        from_stdin: whether `--password-stdin` was given.
    """
    if from_stdin:
        password = first_line()
        if not password:
            raise Failed("the first line of standard input is empty; it should be the password")
        return password
    if not on_terminal():
        raise click.UsageError("give the password on standard input with --password-stdin")
    typed: str = click.prompt(
        f"Password of {whose}", hide_input=True, confirmation_prompt=True, err=True
    )
    return typed


@contextmanager
def perhaps(*, if_exists: bool, as_json: bool) -> Iterator[None]:
    """Take what is not there for an answer, where `--if-exists` was given."""
    from appliance.operations.operation import NotFound

    try:
        yield
    except NotFound:
        if not if_exists:
            raise
        if as_json:
            click.echo("null")


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something can't be undone, where there is somebody to ask."""
    if not yes and on_terminal():
        click.confirm(question, abort=True, err=True)
