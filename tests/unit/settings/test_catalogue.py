"""The catalogue: every setting once, whole, with the manual's default, and read by the program."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import ModuleType

import pytest

import appliance
from appliance.settings import catalogue
from appliance.settings.setting import Scope, Setting, SettingsError, define

ROOT = Path(appliance.__file__).parent


def variables() -> dict[str, tuple[str, str]]:
    """Find each setting's section module and variable, by the setting's name."""
    return {
        value.name: (section.__name__.rpartition(".")[2], variable)
        for section in catalogue.SECTIONS
        for variable, value in vars(section).items()
        if isinstance(value, Setting)
    }


def test_every_setting_is_a_variable_of_a_section() -> None:
    assert set(variables()) == {setting.name for setting in catalogue.every()}


def test_name_is_section_dot_words_and_found_by_it() -> None:
    for setting in catalogue.every():
        assert re.fullmatch(r"[a-z]+\.[a-z][a-z0-9_]*", setting.name)
        assert catalogue.named(setting.name) is setting
        assert setting.section == setting.name.split(".")[0]


def test_every_setting_explains_itself() -> None:
    for setting in catalogue.every():
        assert 3 <= len(setting.title) <= 60, setting.name
        assert len(setting.help) >= 10, setting.name
        assert setting.help.endswith((".", ")")), setting.name
        assert setting.scopes[0] is Scope.SERVER, setting.name


def test_every_default_is_a_right_value() -> None:
    for setting in catalogue.every():
        assert setting.parse(setting.kind.render(setting.default)) == setting.default


def test_secrets_have_an_empty_default() -> None:
    for setting in catalogue.every():
        assert not setting.secret or setting.default == ""


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("smtp.port", 25),  # CHECKLIST 032
        ("relay.authenticated", True),  # 095
        ("relay.privileged_ranges", ()),  # 099
        ("relay.local_senders", False),  # 100
        ("retry.first", 15 * 60),  # 246
        ("retry.second", 30 * 60),  # 247
        ("retry.third", 60 * 60),  # 248
        ("retry.subsequent", 240 * 60),  # 249
        ("smtp.no_ndr", False),  # 253
        ("smarthost.enabled", False),  # 254
        ("pop.port", 110),  # 276
    ],
)
def test_defaults_are_the_manuals(name: str, default: object) -> None:
    assert catalogue.named(name).default == default


def test_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"did you mean relay\.enabled"):
        catalogue.named("relay.enable")
    with pytest.raises(SettingsError, match="see `posthouse settings list`"):
        catalogue.named("zzzzzzzzzzzz")


def test_name_is_defined_once() -> None:
    with pytest.raises(ValueError, match="defined twice"):
        define(catalogue.every()[0])


# ── every setting is read somewhere ──────────────────────────────────────────────────────────────


def readers() -> dict[str, set[tuple[str, str]]]:
    """Find which settings' variables each source file outside the catalogue refers to."""
    found: dict[str, set[tuple[str, str]]] = {}
    doors = (ROOT.parent / "httpmail", ROOT.parent / "webadmin")
    for path in (each for package in (ROOT, *doors) for each in package.rglob("*.py")):
        if path.parent != ROOT / "settings":
            found[str(path.relative_to(ROOT.parent))] = set(
                _references(ast.parse(path.read_text("utf-8")))
            )
    return found


def _references(tree: ast.Module) -> list[tuple[str, str]]:
    sections: dict[str, str] = {}  # local name -> section
    references: list[tuple[str, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "appliance.settings":
            sections.update({each.asname or each.name: each.name for each in node.names})
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            "appliance.settings."
        ):
            section = (node.module or "").rpartition(".")[2]
            references += [(section, each.name) for each in node.names]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            section_or_none = sections.get(node.value.id)
            if section_or_none is not None:
                references.append((section_or_none, node.attr))
    return references


READ = {reference for references in readers().values() for reference in references}


@pytest.mark.parametrize("name", sorted(variables()))
def test_setting_is_read_somewhere_in_the_program(name: str) -> None:
    assert variables()[name] in READ, f"nothing reads {name}: it would be set without effect"


def test_what_the_program_reads_is_in_the_catalogue() -> None:
    known: dict[str, ModuleType] = {
        section.__name__.rpartition(".")[2]: section for section in catalogue.SECTIONS
    }
    unknown = [
        reference
        for reference in READ
        if reference[0] in known and not hasattr(known[reference[0]], reference[1])
    ]
    assert unknown == []
