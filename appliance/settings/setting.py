"""What a setting is, and the registry that knows all of them.

Owns: the registry, filled at import by the section modules. Never: reads or writes a value.
Failure: `SettingsError` for an unknown name or a wrong value.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from appliance.settings.kinds import Kind

T = TypeVar("T")


class SettingsError(ValueError):
    """A setting's name or value is wrong; the text says which, why, and what would be right."""


class Scope(StrEnum):
    """Where a value may be set; a narrower one wins where a setting declares it."""

    SERVER = "server"
    NODE = "node"


class Effect(StrEnum):
    """When a new value takes effect."""

    LIVE = "live"  # within a second, in every process
    RESTART = "restart"
    ROOT = "root"  # addresses and ports: sockets are made again


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting(Generic[T]):
    """One setting.

    Attributes:
        name: `section.noun_qualifier`.
        kind: what its value may be.
        default: the value when none is set.
        title: a few words, as a label.
        help: what it does, and what to consider.
        manual: section of the manual it comes from, or empty.
        checklist: number of the checklist item, or empty.
        secret: its value is never shown.
        scopes: where it may be set.
        effect: when a new value takes effect.
    """

    name: str
    kind: Kind[T]
    default: T
    title: str
    help: str
    manual: str = ""
    checklist: str = ""
    secret: bool = False
    scopes: tuple[Scope, ...] = (Scope.SERVER,)
    effect: Effect = Effect.LIVE

    def parse(self, text: str) -> T:
        """Turn text into a value.

        Raises:
            SettingsError: it is not a value of this setting.
        """
        try:
            return self.kind.parse(text)
        except ValueError as error:
            raise SettingsError(f"{self.name}: {error}") from None

    @property
    def section(self) -> str:
        """The part of the name before the dot."""
        return self.name.partition(".")[0]


_registry: dict[str, Setting[Any]] = {}


def define(setting: Setting[T]) -> Setting[T]:
    """Enter a setting into the catalogue; its name must be new."""
    if setting.name in _registry:
        raise ValueError(f"the setting {setting.name} is defined twice")
    _registry[setting.name] = setting
    return setting
