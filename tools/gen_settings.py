"""Write what is made from the catalogue of settings; with --check, only compare.

Owns: docs/settings.md, and of roles/posthouse_settings the variables' specification and the
mapping from settings to variables. Never: reads a value, so that it needs no home.
Failure: with --check a line for each file that is not what the catalogue says, exit code 1.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from textwrap import wrap
from typing import Any

from appliance.settings import catalogue
from appliance.settings.kinds import (
    Boolean,
    Choice,
    HostPorts,
    Integer,
    IpAddresses,
    Ranges,
    Words,
)
from appliance.settings.setting import Effect, Scope, Setting

ROOT = Path(__file__).resolve().parent.parent

_HEAD = """\
# Settings

<!-- Written by tools/gen_settings.py from appliance/settings/; do not edit. -->

Every setting of the server, by section. `posthouse settings list` shows the values in force,
`posthouse settings set NAME VALUE` changes one, `posthouse settings reset NAME` returns it to its
default, and `posthouse settings describe NAME` says what stands here. § is the section of the
manual a setting comes from, No. its items in the acceptance checklist. `posthouse settings load`
sets many in one step; the Ansible role `posthouse_settings` does, by a variable for each:
`posthouse_smtp_max_recipients` for `smtp.max_recipients`.
"""
_SCOPES = {Scope.SERVER: "server", Scope.NODE: "node"}
_EFFECTS = {
    Effect.LIVE: "within a second",
    Effect.RESTART: "when the services start again",
    Effect.ROOT: "when the services start again, on new sockets",
}


_MADE_BY = "# Written by tools/gen_settings.py from appliance/settings/; do not edit.\n"
_SPEC_HEAD = f"""\
---
{_MADE_BY}argument_specs:
  main:
    short_description: The settings of a Posthouse server
    description:
      - Each variable sets the setting it is named after, all of them in one step.
      - A setting whose variable is not defined stays as it is.
    options:
      posthouse_command:
        type: path
        default: /usr/local/bin/posthouse
        description:
          - The C(posthouse) command on the host.
      posthouse_settings_reset:
        type: list
        elements: str
        default: []
        description:
          - The names of settings that return to their defaults, such as C(smtp.max_recipients).
"""
_LISTS = (HostPorts, IpAddresses, Ranges, Words)


def page() -> str:
    """Return docs/settings.md."""
    parts = [_HEAD, _overview()]
    for section, settings in _sections().items():
        parts.append(f"\n## {section}\n\n{_about(section)}\n")
        parts.extend(_entry(setting) for setting in settings)
    return "".join(parts)


def _sections() -> dict[str, list[Setting[Any]]]:
    """Return the settings by section, the sections in the catalogue's own order."""
    found: dict[str, list[Setting[Any]]] = {_name(module): [] for module in catalogue.SECTIONS}
    for setting in catalogue.every():
        found[setting.section].append(setting)
    return found


def _name(module: object) -> str:
    return str(vars(module)["__name__"]).rpartition(".")[2]


def _about(section: str) -> str:
    module = next(each for each in catalogue.SECTIONS if _name(each) == section)
    return (module.__doc__ or "").strip().partition("\n\n")[0].replace("\n", " ")


def _overview() -> str:
    lines = [
        f"- [{section}](#{section}): {', '.join(map(_link, settings))}\n"
        for section, settings in _sections().items()
    ]
    return "\n" + "".join(lines)


def _link(setting: Setting[Any]) -> str:
    return f"[`{setting.name}`](#{setting.name.replace('.', '')})"


def _entry(setting: Setting[Any]) -> str:
    default = setting.kind.render(setting.default)
    facts = {
        "Default": f"`{default}`" if default else "(none)",
        "Allowed": setting.kind.describe() + (" (secret: never shown)" if setting.secret else ""),
        "Set for": ", ".join(_SCOPES[scope] for scope in setting.scopes),
        "Takes effect": _EFFECTS[setting.effect],
        "§": setting.manual,
        "No.": setting.checklist,
    }
    cells = {name: value.replace("|", "\\|") for name, value in facts.items() if value}
    return (
        f"\n### `{setting.name}`\n\n**{setting.title}.** {setting.help}\n\n"
        f"| {' | '.join(cells)} |\n|{'---|' * len(cells)}\n"
        f"| {' | '.join(cells.values())} |\n"
    )


def argument_specs() -> str:
    """Return the role's meta/argument_specs.yml."""
    return _SPEC_HEAD + "".join(map(_option, catalogue.every()))


def variable(setting: Setting[Any]) -> str:
    """Return the Ansible variable of a setting."""
    return f"posthouse_{setting.name.replace('.', '_')}"


def _option(setting: Setting[Any]) -> str:
    lines = [f"      {variable(setting)}:", f"        type: {_type(setting)}"]
    if isinstance(setting.kind, Choice):
        lines += ["        choices:", *(f"          - {json.dumps(w)}" for w in setting.kind.words)]
    if isinstance(setting.kind, _LISTS):
        lines += ["        elements: str"]
    if setting.secret:
        lines += ["        no_log: true"]
    default = setting.kind.render(setting.default)
    told = f"V({default})" if default else "none"
    facts = f"Setting C({setting.name}): {setting.kind.describe()}. Default: {told}."
    lines += ["        description:", *_folded(f"{setting.title}. {setting.help}"), *_folded(facts)]
    return "\n".join(lines) + "\n"


def _type(setting: Setting[Any]) -> str:
    """Return Ansible's type; what the command takes as text stays text."""
    if isinstance(setting.kind, _LISTS):
        return "list"
    return {Boolean: "bool", Integer: "int"}.get(type(setting.kind), "str")


def _folded(text: str) -> list[str]:
    """Return an item of a list as a folded block, which needs no quoting."""
    lines = wrap(text, 88, break_long_words=False, break_on_hyphens=False)
    return ["          - >-", *(f"            {line}" for line in lines)]


def mapping() -> str:
    """Return the role's vars/main.yml: null, where a variable is not defined, is passed over."""
    lines = [
        f'  {setting.name}: "{{{{ {variable(setting)} | default(none) }}}}"\n'
        for setting in catalogue.every()
    ]
    return f"---\n{_MADE_BY}posthouse_settings_values:\n{''.join(lines)}"


FILES = {
    "docs/settings.md": page,
    "roles/posthouse_settings/meta/argument_specs.yml": argument_specs,
    "roles/posthouse_settings/vars/main.yml": mapping,
}


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Write the files, or compare them; return the exit code."""
    if arguments not in ([], ["--check"]):
        print("usage: gen_settings.py [--check]", file=sys.stderr)
        return 2
    code = 0
    for name, render in FILES.items():
        path, text = root / name, render()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if arguments:
            print(
                f"{path} is not what the catalogue says; run tools/gen_settings.py", file=sys.stderr
            )
            code = 1
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path}")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
