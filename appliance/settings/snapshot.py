"""All settings at one moment, immutable: what a process reads, swapped as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, cast

from appliance.settings import catalogue
from appliance.settings.setting import Scope, Setting, SettingsError

T = TypeVar("T")


class Snapshot:
    """The effective values for one node at one version of the directory."""

    __slots__ = ("_values", "version")

    def __init__(self, values: Mapping[str, Any], version: int = 0) -> None:
        """Take the values that differ from the defaults, by name."""
        self._values = dict(values)
        self.version = version

    def __getitem__(self, setting: Setting[T]) -> T:
        """Return a setting's effective value."""
        return cast("T", self._values.get(setting.name, setting.default))

    def is_default(self, setting: Setting[Any]) -> bool:
        """Tell whether no value is set."""
        return setting.name not in self._values


def build(
    rows: Iterable[tuple[str, str, str, str]], *, node: str, version: int
) -> tuple[Snapshot, list[str]]:
    """Build a snapshot out of stored rows.

    Args:
        rows: name, scope, subject (the node's name, or empty) and text of each value set.
        node: this node.
        version: of the directory the rows were read at.

    Returns:
        The snapshot, and what was passed over: values that a newer or older program left.
    """
    values: dict[str, Any] = {}
    passed_over: list[str] = []
    for name, scope, subject, text in sorted(rows, key=lambda row: row[1] == Scope.NODE):
        if scope == Scope.NODE and subject != node:
            continue
        try:
            setting = catalogue.named(name)
            if scope not in setting.scopes:
                raise SettingsError(f"{name}: there is no value for a {scope}")
            values[name] = setting.parse(text)
        except SettingsError as error:
            passed_over.append(str(error))
    return Snapshot(values, version), passed_over
