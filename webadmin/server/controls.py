"""Settings as fields of a form: which control fits a kind, and what was typed into it.

Owns: nothing. Never: names a setting or a default; all of it comes from the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.datastructures import MultiDict

from appliance.operations.settings import HIDDEN, SettingValue
from appliance.settings import catalogue, kinds
from appliance.settings.setting import Effect, Scope, Setting, SettingsError

SERVER, NODE = Scope.SERVER.value, Scope.NODE.value
_FEW = 5  # choices that stand beside each other; more are a list
_LISTS = (kinds.Words, kinds.Ranges, kinds.IpAddresses, kinds.HostPorts)

SECTIONS = {
    "smtp": _l("Receiving and sending"),
    "relay": _l("Who may send to elsewhere"),
    "retry": _l("Tries and returns"),
    "smarthost": _l("Smart host"),
    "mta": _l("Mail transfer agent"),
    "pop": _l("POP3"),
    "httpmail": _l("HTTPMail"),
    "web": _l("Web"),
    "auth": _l("Signing in"),
    "tls": _l("Certificates"),
    "limits": _l("Exceptions from limits"),
    "log": _l("Logs"),
    "journey": _l("Journeys"),
    "trends": _l("Plots"),
    "backup": _l("Backups"),
}
EFFECTS = {
    Effect.LIVE: _l("Takes effect within a second"),
    Effect.RESTART: _l("Takes effect when the service starts again"),
    Effect.ROOT: _l("Takes effect when the server starts again"),
}


@dataclass(frozen=True, slots=True)
class Control:
    """What a setting is typed into.

    Attributes:
        shape: `switch`, `number`, `choice`, `select`, `many`, `lines`, `secret` or `line`.
        minimum: of a number.
        maximum: of a number.
        words: to choose from.
        is_short: what is typed takes a few characters.
    """

    shape: str
    minimum: int = 0
    maximum: int = 0
    words: tuple[str, ...] = ()
    is_short: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """A setting on the page.

    Attributes:
        setting: which.
        control: what it is typed into.
        shown: its values.
        typed: what stands in the control: what was typed, or the value.
        chosen: of several words.
        scope: what it is for: the whole server, or this node.
        error: what is wrong with it, or empty.
    """

    setting: Setting[Any]
    control: Control
    shown: SettingValue
    typed: str
    chosen: tuple[str, ...]
    scope: str
    error: str

    @property
    def default(self) -> str:
        """The default as text; empty for none."""
        return str(self.setting.kind.render(self.setting.default))

    @property
    def effect(self) -> str:
        """When a new value takes effect."""
        return str(EFFECTS[self.setting.effect])

    @property
    def later(self) -> bool:
        """Whether a new value takes effect only later."""
        return self.setting.effect is not Effect.LIVE

    @property
    def allowed(self) -> str:
        """What is allowed, where the control does not show that by itself."""
        if self.control.shape in ("switch", "choice", "select", "many"):
            return ""
        return str(self.setting.kind.describe())

    @property
    def has_scopes(self) -> bool:
        """Whether a node may have a value of its own."""
        return Scope.NODE in self.setting.scopes


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody wants changed.

    Attributes:
        setting: its name.
        value: as text.
        scope: for the whole server, or for this node.
    """

    setting: str
    value: str
    scope: str


def control_of(setting: Setting[Any]) -> Control:
    """Return what a setting is typed into."""
    kind = setting.kind
    if setting.secret:
        return Control("secret")
    match kind:
        case kinds.Boolean():
            return Control("switch")
        case kinds.Integer():
            return Control("number", minimum=kind.minimum, maximum=kind.maximum)
        case kinds.Choice():
            shape = "choice" if len(kind.words) <= _FEW else "select"
            return Control(shape, words=kind.words)
        case kinds.Words() if kind.allowed:
            return Control("many", words=kind.allowed)
        case kinds.Duration() | kinds.Marks():
            return Control("line", is_short=True)
        case _ if isinstance(kind, _LISTS):
            return Control("lines")
    return Control("line")


def section_title(section: str) -> str:
    """Return what a section is called."""
    return str(SECTIONS.get(section, section))


def sections() -> list[str]:
    """Return the sections that have settings, in the catalogue's order."""
    found = {each.section for each in catalogue.every()}
    return [name for name in SECTIONS if name in found] + sorted(found - SECTIONS.keys())


def field(
    shown: SettingValue, form: MultiDict[str, str] | None = None, errors: Mapping[str, str] = {}
) -> Field:
    """Return a setting as a field.

    Args:
        shown: the setting with its values.
        form: what was typed, when the page is shown again.
        errors: what is wrong, by the settings' names.
    """
    setting = shown.setting
    control = control_of(setting)
    value = "" if setting.secret else shown.value
    if form is not None and f"{setting.name}:shown" in form:
        value = typed(setting, form)
    scope = NODE if shown.is_own else SERVER
    if form is not None:
        scope = form.get(f"{setting.name}:scope", scope)
    if setting.secret:
        value = ""
    return Field(
        setting=setting,
        control=control,
        shown=shown,
        typed="\n".join(value.split()) if control.shape == "lines" else value,
        chosen=tuple(value.split()) if control.shape == "many" else (),
        scope=scope,
        error=errors.get(setting.name, ""),
    )


def typed(setting: Setting[Any], form: MultiDict[str, str]) -> str:
    """Return what was typed into a setting's control, as the text that its kind takes."""
    values = form.getlist(setting.name)
    match control_of(setting).shape:
        case "switch":
            return values[-1] if values else "no"
        case "many" | "lines":
            return " ".join(" ".join(values).split())
        case _:
            return values[-1] if values else ""


def changes(shown: list[SettingValue], form: MultiDict[str, str]) -> list[Change]:
    """Return what a form changes of the settings it has shown.

    A value that is still as the form has shown it is no change, whatever others have made of it
    since; nor is one that says what holds already.
    """
    found: list[Change] = []
    for each in shown:
        setting = each.setting
        if f"{setting.name}:shown" not in form:
            continue
        text = typed(setting, form)
        scope = form.get(f"{setting.name}:scope", SERVER)
        is_untouched = form.get(f"{setting.name}:where") == scope and _same(
            setting, text, form[f"{setting.name}:shown"]
        )
        if is_untouched and not setting.secret:
            continue
        if setting.secret:
            is_same = not text  # nothing typed keeps what there is
        elif scope == NODE:
            is_same = each.is_own and _same(setting, text, each.value)
        else:
            is_same = not each.is_own and _same(setting, text, each.server_value)
        if not is_same:
            found.append(Change(setting.name, text, scope))
    return found


def value_text(setting: Setting[Any], value: str) -> str:
    """Say a value in a sentence or a list: nothing is said as such."""
    if value == HIDDEN:
        return _("hidden")
    if isinstance(setting.kind, kinds.Boolean):
        return _("on") if value == "yes" else _("off")
    return value or _("nothing")


def _same(setting: Setting[Any], text: str, other: str) -> bool:
    try:
        return bool(setting.parse(text) == setting.parse(other))
    except SettingsError:
        return False
