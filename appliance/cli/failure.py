"""How a command ends when it could not do its work: one line, never a traceback.

Failure: `Failed` is exit code 1 with one line on stderr; `EndedBy` is the signal's own end.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

import click


class Failed(click.ClickException):
    """The command was refused or has failed; the text says why."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the one line."""
        click.echo(f"posthouse: {' '.join(self.format_message().split())}", file=file, err=True)


class EndedBy(BaseException):
    """The command ends as by a signal: Ctrl-C, or nobody reads its output any more."""

    def __init__(self, number: signal.Signals) -> None:
        """Name the signal."""
        super().__init__(number)
        self.number = number


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """Turn what can be expected to go wrong into `Failed` and `EndedBy`; a defect goes through."""
    try:
        yield
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:  # `posthouse settings list | head -1`
        raise EndedBy(signal.SIGPIPE) from None
    except KeyboardInterrupt:
        raise EndedBy(signal.SIGINT) from None
    except click.Abort:  # a question was answered with no, Ctrl-C or Ctrl-D
        raise Failed("nothing was changed") from None
    except Exception as error:
        text = _expected(error)
        if text is None:
            raise
        if isinstance(error, OSError):
            _let_output_go()
        raise Failed(text) from error


def _let_output_go() -> None:
    """Drop what can't be printed: Python would try again at its end, and end by code 120."""
    with suppress(OSError, ValueError, AttributeError):  # no standard output, or none of a file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _expected(error: Exception) -> str | None:
    """Return what to say of an error that is no defect of the program."""
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    from appliance.database.errors import DatabaseError
    from appliance.directory.sealing import SealError
    from appliance.net.listeners import ListenError
    from appliance.operations.house import HomeError
    from appliance.operations.operation import OperationError
    from appliance.runtime.supervisor import StartFailed
    from appliance.settings.setting import SettingsError
    from appliance.upkeep.units import UnitError

    known = (OperationError, DatabaseError, HomeError, SealError, SettingsError)
    daemons = (ListenError, StartFailed, UnitError)
    return str(error) if isinstance(error, known + daemons) else None
