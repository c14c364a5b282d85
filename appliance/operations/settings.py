"""Settings: list, show, change (the catalogue is `appliance.settings`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, insert, select

from appliance.database.statement import Statement, param
from appliance.directory import tables
from appliance.operations.fitness import check
from appliance.operations.house import House
from appliance.operations.operation import Change, Invalid, Question, Work
from appliance.rules.access import Permission
from appliance.settings import catalogue
from appliance.settings.setting import Scope, Setting, SettingsError

HIDDEN = "(hidden)"

_s = tables.settings.c
_THIS = (
    _s.name == param("setting"),
    _s.scope == param("where"),
    _s.subject == param("whose"),
)
_READ = Statement(select(_s.value).where(*_THIS))
_DELETE = Statement(delete(tables.settings).where(*_THIS))
_INSERT = Statement(insert(tables.settings))


@dataclass(frozen=True, slots=True)
class SettingValue:
    """A setting with the value in force on this node, as text; a secret is hidden."""

    setting: Setting[Any]
    value: str
    is_default: bool


def _found(name: str) -> Setting[Any]:
    try:
        return catalogue.named(name)
    except SettingsError as error:
        raise Invalid(str(error)) from None


def _shown(house: House, setting: Setting[Any]) -> SettingValue:
    is_default = house.settings.is_default(setting)
    value = setting.kind.render(house.settings[setting])
    if setting.secret:
        value = "" if is_default else HIDDEN
    return SettingValue(setting, value, is_default)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSettings(Question[list[SettingValue]]):
    """All settings with their values.

    Attributes:
        changed: only those that differ from the default.
        containing: only those whose name, title or help holds this text.
    """

    name = "settings.list"
    permission = Permission.SERVER_READ
    changed: bool = False
    containing: str = ""

    def answer(self, house: House) -> list[SettingValue]:
        """Return them by name."""
        house.live.refresh()
        wanted = self.containing.casefold()
        values = [
            _shown(house, each)
            for each in catalogue.every()
            if wanted in f"{each.name} {each.title} {each.help}".casefold()
        ]
        return [value for value in values if not (self.changed and value.is_default)]


@dataclass(frozen=True, slots=True, kw_only=True)
class GetSetting(Question[SettingValue]):
    """One setting with its value.

    Attributes:
        setting: its name.
    """

    name = "settings.get"
    permission = Permission.SERVER_READ
    setting: str

    def answer(self, house: House) -> SettingValue:
        """Return it."""
        house.live.refresh()
        return _shown(house, _found(self.setting))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSetting(Change[None]):
    """Set a setting, or return it to its default.

    Attributes:
        setting: its name.
        value: the new value as text; None returns to the default.
        node: for this node only; empty for the whole server.
    """

    name = "settings.set"
    permission = Permission.SERVER_CHANGE
    setting: str
    value: str | None = field(repr=False)
    node: str = ""

    def object(self) -> str:
        """Return what it is about."""
        return f"setting {self.setting}" + (f" on {self.node}" if self.node else "")

    def prepare(self, house: House) -> str:
        """Check name, scope and value; returns the text to store."""
        setting = _found(self.setting)
        if self.node and Scope.NODE not in setting.scopes:
            raise Invalid(f"{setting.name} can't be set for a node, only for the whole server")
        if self.value is None:
            return ""
        try:
            value = setting.parse(self.value)
        except SettingsError as error:
            if setting.secret:  # the text would repeat it
                right = setting.kind.describe()
                raise Invalid(f"{setting.name}: that is not {right} of one line") from None
            raise Invalid(str(error)) from None
        check(house, setting, value, node=self.node)
        text = str(setting.kind.render(value))
        return house.sealer.seal(text, name=setting.name) if setting.secret else text

    def apply(self, work: Work) -> None:
        """Write the value."""
        setting = _found(self.setting)
        scope = Scope.NODE if self.node else Scope.SERVER
        this = {"setting": setting.name, "where": scope, "whose": self.node}
        before = work.transaction.value(_READ, this)
        after = None if self.value is None else work.prepared
        if before == after:
            return
        work.transaction.run(_DELETE, this)
        if after is not None:
            row = {"name": setting.name, "scope": scope, "subject": self.node, "value": after}
            work.transaction.run(_INSERT, row)
        work.revise(
            self.object(),
            before={"value": _told(setting, before)},
            after={"value": _told(setting, after)},
        )


def _told(setting: Setting[Any], text: str | None) -> str | None:
    """Return what a revision says of a value: None for the default, a secret hidden."""
    if text is None:
        return None
    return HIDDEN if setting.secret else text
