"""Write docs/settings.md from the catalogue of settings; with --check, only compare.

Owns: docs/settings.md. Never: reads a value, so that it needs no home.
Failure: with --check one line and exit code 1 when the page is not what the catalogue says.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from appliance.settings import catalogue
from appliance.settings.setting import Effect, Scope, Setting

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"

_HEAD = """\
# Settings

<!-- Written by tools/gen_settings.py from appliance/settings/; do not edit. -->

Every setting of the server, by section. `posthouse settings list` shows the values in force,
`posthouse settings set NAME VALUE` changes one, `posthouse settings reset NAME` returns it to its
default, and `posthouse settings describe NAME` says what stands here. § is the section of the
manual a setting comes from, No. its items in the acceptance checklist.
"""
_SCOPES = {Scope.SERVER: "server", Scope.NODE: "node"}
_EFFECTS = {
    Effect.LIVE: "within a second",
    Effect.RESTART: "when the services start again",
    Effect.ROOT: "when the services start again, on new sockets",
}


def render() -> str:
    """Return the page."""
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


def main(arguments: list[str], page: Path = PAGE) -> int:
    """Write the page, or compare it; return the exit code."""
    if arguments not in ([], ["--check"]):
        print("usage: gen_settings.py [--check]", file=sys.stderr)
        return 2
    text = render()
    if page.exists() and page.read_text(encoding="utf-8") == text:
        return 0
    if arguments:
        print(f"{page} is not what the catalogue says; run tools/gen_settings.py", file=sys.stderr)
        return 1
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, encoding="utf-8")
    print(f"wrote {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
