"""What the `posthouse` command is made of: nouns loaded when named, verbs with examples.

Owns: nothing. Never: imports a noun's module before somebody names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click
from click.exceptions import NoSuchCommand
from click.shell_completion import CompletionItem


class Verb(click.Command):
    """A command whose help ends with examples; the tests run each of them."""

    def __init__(self, *args: Any, example: str, **kwargs: Any) -> None:  # noqa: ANN401 - click's own
        """Take click's arguments and the examples.

        Args:
            args: click's.
            example: one command line on each line.
            kwargs: click's.
        """
        super().__init__(*args, **kwargs)
        self.example = example

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples as they are, without wrapping."""
        super().format_epilog(ctx, formatter)
        lines = self.example.strip().splitlines()
        with formatter.section("Examples" if len(lines) > 1 else "Example"):
            for line in lines:
                formatter.write(f"{'':>{formatter.current_indent}}{line.strip()}\n")


class VerbGroup(click.Group):
    """A noun with its verbs, in the order they are written."""

    command_class = Verb

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - click's own
        """Take click's arguments."""
        super().__init__(*args, **{"subcommand_metavar": "VERB ...", **kwargs})

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        """Return the verbs: make, look, change, delete; not by the alphabet."""
        return list(self.commands)


@dataclass(frozen=True, slots=True)
class Noun:
    """An entry of the overview.

    Attributes:
        section: under which heading `posthouse --help` lists it.
        module: the module in this package.
        help: one line, the same as the noun's own.
        name: the command's name inside the module.
    """

    section: str
    module: str
    help: str
    name: str


class LazyGroup(click.Group):
    """The root: knows its nouns by name and help, and imports the one that is asked for."""

    def __init__(self, *args: Any, nouns: Mapping[str, Noun], **kwargs: Any) -> None:  # noqa: ANN401 - click's own
        """Take click's arguments and the nouns by name."""
        super().__init__(*args, **kwargs)
        self._nouns = nouns

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        """Return the nouns in the order of the overview."""
        return list(self._nouns)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's interface
        """Import a noun."""
        noun = self._nouns.get(cmd_name)
        if noun is None:
            return None
        found: click.Command = getattr(import_module(f"appliance.cli.{noun.module}"), noun.name)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the noun; an unknown one is answered with those that look like it."""
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand:
            raise NoSuchCommand(args[0], possibilities=self._nouns, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's interface
        """Write the overview, by sections, without importing anything."""
        for section in dict.fromkeys(noun.section for noun in self._nouns.values()):
            rows = [
                (name, noun.help) for name, noun in self._nouns.items() if noun.section == section
            ]
            with formatter.section(section):
                formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Complete a noun from the overview."""
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        return [
            CompletionItem(name, help=noun.help)
            for name, noun in self._nouns.items()
            if name.startswith(incomplete)
        ]
