"""Settings: list, show, change (the catalogue is `appliance.settings`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sqlalchemy import delete, insert, select

from appliance.database.statement import Statement, param
from appliance.directory import tables
from appliance.directory.sealing import SealError
from appliance.operations.fitness import check
from appliance.operations.house import House
from appliance.operations.operation import Change, Invalid, Question, Work
from appliance.rules.access import Permission
from appliance.settings import catalogue
from appliance.settings.setting import Scope, Setting, SettingsError

HIDDEN = "(hidden)"
_NAMED = 3  # settings that an audit record names, of several changed together

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
    """A setting with its values, as text; a secret's are hidden.

    Attributes:
        setting: which.
        value: in force on this node.
        is_default: nothing is set that counts on this node.
        server_value: set for the whole server, or the default.
        is_own: this node has a value of its own.
    """

    setting: Setting[Any]
    value: str
    is_default: bool
    server_value: str
    is_own: bool


def _found(name: str) -> Setting[Any]:
    try:
        return catalogue.named(name)
    except SettingsError as error:
        raise Invalid(str(error), field="setting") from None


class _Shower:
    """Shows settings as they are stored and in force at one moment."""

    def __init__(self, house: House) -> None:
        house.live.refresh()
        self._settings = house.settings
        self._node = house.config.node
        _, rows = house.directory.setting_rows()
        self._stored = {(name, scope, subject): text for name, scope, subject, text in rows}

    def show(self, setting: Setting[Any]) -> SettingValue:
        """Return a setting with its values."""
        is_default = self._settings.is_default(setting)
        server_value = self._stored.get((setting.name, Scope.SERVER, ""))
        is_own = (setting.name, Scope.NODE, self._node) in self._stored
        if setting.secret:
            value = "" if is_default else HIDDEN
            return SettingValue(
                setting, value, is_default, "" if server_value is None else HIDDEN, is_own
            )
        kind = setting.kind
        value = kind.render(self._settings[setting])
        if server_value is None:
            server_value = kind.render(setting.default)
        return SettingValue(setting, value, is_default, server_value, is_own)


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
        shower = _Shower(house)
        wanted = self.containing.casefold()
        values = [
            shower.show(each)
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
        return _Shower(house).show(_found(self.setting))


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
        return checked_value(house, self)

    def apply(self, work: Work) -> None:
        """Write the value."""
        after = None if self.value is None else work.prepared
        _write(work, _found(self.setting), after, node=self.node)


@dataclass(frozen=True, slots=True)
class SettingChange:
    """One setting that becomes another value.

    Attributes:
        setting: which.
        before: the value set until now, as text; None where nothing was set. A secret's is hidden.
        after: the new one; None for the default. A secret's is hidden.
    """

    setting: Setting[Any]
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfSettings:
    """What planning and changing several settings share.

    Attributes:
        values: new values as text, by the settings' names; None returns one to its default.
        node: for this node only; empty for the whole server.
    """

    values: Mapping[str, str | None] = field(repr=False)
    node: str = ""

    def object(self) -> str:
        """Return what it is about."""
        names = sorted(self.values)
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        where = f" on {self.node}" if self.node else ""
        return f"settings {', '.join(names[:_NAMED])}{more}{where}"

    def checked(self, house: House) -> dict[str, str | None]:
        """Check all of them; returns the texts to store. The first wrong one is told."""
        together = {name: value or "" for name, value in self.values.items()}
        texts: dict[str, str | None] = {}
        for name, value in self.values.items():
            change = ChangeSetting(setting=name, value=value, node=self.node)
            try:
                text = checked_value(house, change, together=together)
            except Invalid as error:
                where = "node" if error.field == "node" else "values"
                raise Invalid(str(error), field=where) from None
            texts[name] = None if value is None else text
        return texts


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSettings(_OfSettings, Question[list[SettingChange]]):
    """What changing several settings would change."""

    name = "settings.plan"
    permission = Permission.SERVER_CHANGE  # it tells whether a secret is the one that is set

    def answer(self, house: House) -> list[SettingChange]:
        """Return what differs, by name."""
        _, rows = house.directory.setting_rows()
        stored = {(name, scope, subject): text for name, scope, subject, text in rows}
        scope = Scope.NODE if self.node else Scope.SERVER
        return [
            _change(setting, before, after)
            for name, after in sorted(self.checked(house).items())
            for setting in (catalogue.named(name),)
            for before in (stored.get((name, scope, self.node)),)
            if not _is_same(house, setting, before, after)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSettings(_OfSettings, Change[list[SettingChange]]):
    """Set several settings, or return them to their defaults: all of them, or none."""

    name = "settings.load"
    permission = Permission.SERVER_CHANGE

    def prepare(self, house: House) -> str:
        """Check all names, scopes and values; returns the texts to store."""
        return json.dumps(self.checked(house))

    def apply(self, work: Work) -> list[SettingChange]:
        """Write what differs; returns it, by name. Each setting has a revision of its own."""
        texts: dict[str, str | None] = json.loads(work.prepared)
        written = (
            _write(work, _found(name), text, node=self.node) for name, text in sorted(texts.items())
        )
        return [each for each in written if each is not None]


def _write(
    work: Work, setting: Setting[Any], after: str | None, *, node: str
) -> SettingChange | None:
    """Write a value where it differs, with its revision; returns what changed."""
    this = {
        "setting": setting.name,
        "where": Scope.NODE if node else Scope.SERVER,
        "whose": node,
    }
    before = work.transaction.value(_READ, this)
    if _is_same(work.house, setting, before, after):
        return None
    work.transaction.run(_DELETE, this)
    if after is not None:
        row = {"name": setting.name, "scope": this["where"], "subject": node, "value": after}
        work.transaction.run(_INSERT, row)
    work.revise(
        f"setting {setting.name}" + (f" on {node}" if node else ""),
        before={"value": _told(setting, before)},
        after={"value": _told(setting, after)},
    )
    return _change(setting, before, after)


def _change(setting: Setting[Any], before: str | None, after: str | None) -> SettingChange:
    return SettingChange(setting, _told(setting, before), _told(setting, after))


def _is_same(house: House, setting: Setting[Any], before: str | None, after: str | None) -> bool:
    """Tell whether two stored texts mean the same; secrets are sealed differently each time."""
    if before is None or after is None or not setting.secret:
        return before == after
    try:
        was = house.sealer.open(before, name=setting.name)
    except SealError:  # by another key: nobody can read it any more
        return False
    return was == house.sealer.open(after, name=setting.name)


def checked_value(
    house: House, change: ChangeSetting, *, together: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Check a change's name, scope and value; returns the text to store.

    Args:
        house: where it is to be in force.
        change: which setting, its value and node.
        together: settings that are changed in the same step, with their new values as text.

    Raises:
        Invalid: it can't be set so.
    """
    setting = _found(change.setting)
    if change.node and Scope.NODE not in setting.scopes:
        raise Invalid(
            f"{setting.name} can't be set for a node, only for the whole server", field="node"
        )
    if change.value is None:
        return ""
    try:
        value = setting.parse(change.value)
    except SettingsError as error:
        if setting.secret:  # the text would repeat it
            right = setting.kind.describe()
            text = f"{setting.name}: that is not {right} of one line"
            raise Invalid(text, field="value") from None
        raise Invalid(str(error), field="value") from None
    check(house, setting, value, node=change.node, together=together)
    text = str(setting.kind.render(value))
    return house.sealer.seal(text, name=setting.name) if setting.secret else text


def _told(setting: Setting[Any], text: str | None) -> str | None:
    """Return what a revision says of a value: None for the default, a secret hidden."""
    if text is None:
        return None
    return HIDDEN if setting.secret else text
