"""Settings: found, explained, changed a section at a time, and led back (DESIGN, Settings)."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response

from appliance.directory.records import Revision
from appliance.operations.operation import Clash, Invalid
from appliance.operations.records import ListRevisions
from appliance.operations.settings import ChangeSetting, GetSetting, ListSettings, SettingValue
from appliance.settings.setting import SettingsError
from webadmin.context import ask, house, perform
from webadmin.forms import way_back
from webadmin.server.controls import (
    NODE,
    Change,
    Field,
    changes,
    field,
    section_title,
    sections,
    value_text,
)
from webadmin.toasts import toast

Answer = str | Response | tuple[str, int]


@dataclass(frozen=True, slots=True)
class Section:
    """Settings that belong together.

    Attributes:
        name: the part of their names before the dot.
        title: what it is called.
        fields: what is shown of it.
    """

    name: str
    title: str
    fields: tuple[Field, ...]


def register(blueprint: Blueprint) -> None:
    """Add the pages to the room."""
    blueprint.add_url_rule("/settings", "settings", settings)
    blueprint.add_url_rule("/settings", "change_settings", change_settings, methods=["POST"])
    blueprint.add_url_rule("/settings/reset", "reset_setting", reset_setting, methods=["POST"])
    blueprint.add_url_rule("/settings/<name>", "setting", setting)


def settings() -> str:
    """Show settings: a section, what a search has found, or what differs from the default."""
    return _page(None, {})


def setting(name: str) -> Response:
    """Lead to where a setting stands."""
    section = ask(GetSetting(setting=name)).setting.section
    return redirect(url_for(".settings", section=section, _anchor=name), 303)


def change_settings() -> Answer:
    """Save what was changed: all of it, or nothing when something is wrong."""
    form = request.form
    wanted = changes(ask(ListSettings()), form)
    errors = _check(wanted)
    if errors:
        return _page(form, errors), 400
    done: list[Change] = []
    for each in wanted:
        try:
            perform(_operation(each))
        except (Invalid, Clash) as error:  # what was right a moment ago no longer is
            text = _plain(str(error), each.setting)
            if done:
                toast(_("Saved before that: %(names)s", names=_names(done)))
            return _page(form, {each.setting: text}), 400
        done.append(each)
    if done:
        count = len(done)
        toast(
            ngettext(
                "%(names)s is saved.", "%(num)s settings are saved: %(names)s.", count,
                names=_names(done),
            )
        )  # fmt: skip
    else:
        toast(_("Nothing had changed, so nothing was saved."))
    return redirect(way_back(url_for(".settings", section=form.get("section"))), 303)


def reset_setting() -> Response:
    """Return a setting to its default, or this node to the server's value."""
    name = request.form.get("setting", "")
    before = ask(GetSetting(setting=name))
    node = house().config.node if before.is_own else ""
    perform(ChangeSetting(setting=name, value=None, node=node))
    after = ask(GetSetting(setting=name))
    text = _(
        "%(name)s is %(value)s again.", name=name, value=value_text(after.setting, after.value)
    )
    if before.setting.secret:
        toast(_("%(name)s is empty again.", name=name))
    else:
        undo = {
            f"{name}:shown": "yes",
            f"{name}:scope": NODE if before.is_own else "server",
            name: before.value,
            "section": before.setting.section,
        }
        toast(text, undo=(".change_settings", undo))
    return redirect(way_back(url_for(".settings", section=before.setting.section)), 303)


def _page(form: MultiDict[str, str] | None, errors: dict[str, str]) -> str:
    args = request.args if form is None else form
    containing = args.get("q", "").strip()
    only_changed = args.get("changed") == "yes"
    everything = ask(ListSettings())
    wanted = {each.setting.name for each in ask(ListSettings(containing=containing))}
    names = sections()
    chosen = args.get("section", "")
    is_search = bool(containing) or only_changed
    if not is_search and chosen not in names:
        chosen = names[0]
    shown = [
        each
        for each in everything
        if each.setting.name in wanted
        and (not only_changed or not each.is_default)
        and (not chosen or each.setting.section == chosen)
    ]
    found = _sections(shown, form, errors)
    count = sum(len(each.fields) for each in found)
    return render_template(
        "server/settings.html",
        heading=_heading(containing, chosen, count, only_changed=only_changed),
        sections=found,
        tabs=[
            (
                section_title(name),
                url_for(".settings", section=name),
                name == chosen,
                _changed_in(everything, name) or None,
            )
            for name in names
        ],
        changed=sum(not each.is_default for each in everything),
        section=chosen,
        containing=containing,
        only_changed=only_changed,
        errors=errors,
        labels={each.setting.name: each.setting.title for each in shown},
        resettable=[each.setting.name for each in shown if not each.is_default],
        here_again=_here_again(chosen, containing, only_changed=only_changed),
        revisions=_last_revisions(shown),
        node=house().config.node,
        value_text=value_text,
    )


def _here_again(section: str, containing: str, *, only_changed: bool) -> str:
    return url_for(
        ".settings",
        section=section or None,
        q=containing or None,
        changed="yes" if only_changed else None,
    )


def _sections(
    shown: list[SettingValue], form: MultiDict[str, str] | None, errors: dict[str, str]
) -> list[Section]:
    found: list[Section] = []
    for name in sections():
        fields = tuple(field(each, form, errors) for each in shown if each.setting.section == name)
        if fields:
            found.append(Section(name, section_title(name), fields))
    return found


def _check(wanted: list[Change]) -> dict[str, str]:
    """Return what is wrong with changes, by setting, before any of them is made."""
    errors: dict[str, str] = {}
    for each in wanted:
        try:
            _operation(each).prepare(house())
        except (Invalid, SettingsError) as error:
            errors[each.setting] = _plain(str(error), each.setting)
    return errors


def _operation(wanted: Change) -> ChangeSetting:
    node = house().config.node if wanted.scope == NODE else ""
    return ChangeSetting(setting=wanted.setting, value=wanted.value, node=node)


def _plain(text: str, name: str) -> str:
    """Leave out the name, beside which the text stands."""
    text = text.removeprefix(f"{name}: ")
    return text[:1].upper() + text[1:]


def _names(done: list[Change]) -> str:
    return ", ".join(each.setting for each in done)


def _changed_in(everything: list[SettingValue], section: str) -> int:
    return sum(not each.is_default and each.setting.section == section for each in everything)


def _last_revisions(shown: list[SettingValue]) -> dict[str, Revision]:
    """Return who changed the settings last that differ from their defaults."""
    found: dict[str, Revision] = {}
    for each in shown:
        if not each.is_default:
            name = each.setting.name
            about = f"setting {name}" + (f" on {house().config.node}" if each.is_own else "")
            found.update((name, one) for one in ask(ListRevisions(about=about, most=1)))
    return found


def _heading(containing: str, section: str, count: int, *, only_changed: bool) -> str:
    if containing and not count:
        return _("No setting speaks of “%(wanted)s”", wanted=containing)
    if containing:
        return ngettext(
            "One setting speaks of “%(wanted)s”",
            "%(num)s settings speak of “%(wanted)s”",
            count,
            wanted=containing,
        )
    if only_changed and not count:
        return _("Every setting has its default")
    if only_changed:
        return ngettext(
            "One setting differs from its default",
            "%(num)s settings differ from their defaults",
            count,
        )
    return section_title(section)
