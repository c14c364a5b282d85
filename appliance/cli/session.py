"""One run of the command: the home it works on, and who runs it.

Owns: the open house. Failure: `Failed`, and what operations raise.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from appliance.cli.failure import Failed

if TYPE_CHECKING:  # a verb that asks nothing of the house starts without the databases' code
    from appliance.operations.house import Config, House
    from appliance.operations.operation import Action, Call, Change, Question
    from appliance.rules.access import Actor

R = TypeVar("R")


class Session:
    """Hands operations to the house; nothing is opened before the first one."""

    def __init__(self, home: Path | None) -> None:
        """Take the home given on the command line, if any."""
        self._home = None if home is None else home.absolute()

    @property
    def home(self) -> Path | None:
        """The home given on the command line, if any."""
        return self._home

    @cached_property
    def _opened(self) -> tuple[House, Call]:
        from appliance.operations.house import House
        from appliance.operations.operation import Call

        config, actor = self.enter()
        return House(config), Call(actor, "cli")

    def enter(self) -> tuple[Config, Actor]:
        """Become somebody who may use the home; returns its configuration, and who that is."""
        from appliance.cli.actor import identify
        from appliance.operations.house import read_config

        if self._home is None:
            config = read_config(None)
            return config, identify(config.home)
        actor = identify(self._home)  # the home's own posthouse.toml is read as its owner
        return read_config(self._home), actor

    def perform(self, operation: Change[R] | Action[R]) -> R:
        """Carry out a change."""
        from appliance.operations.operation import perform

        house, call = self._opened
        return perform(house, call, operation)

    def ask(self, question: Question[R]) -> R:
        """Ask a question; of a home that is not there, none is asked."""
        from appliance.operations.house import read_config
        from appliance.operations.operation import ask

        if "_opened" not in self.__dict__:
            home = self._home or read_config(None).home
            if not home.exists():
                raise Failed(
                    f"there is no home {home}; `posthouse serve` or a first change makes it"
                )
        house, call = self._opened
        return ask(house, call, question)

    def close(self) -> None:
        """Write what is still to be written, and close the house."""
        opened = self.__dict__.pop("_opened", None)
        if opened is not None:
            opened[0].close()
