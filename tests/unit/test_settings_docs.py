"""docs/settings.md and the role posthouse_settings say what the catalogue says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped] # ships no types

from appliance.settings import catalogue

_TOOL = Path(__file__).parents[2] / "tools" / "gen_settings.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gen_settings", _TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def options(tool: ModuleType) -> dict[str, dict[str, Any]]:
    spec: dict[str, Any] = yaml.safe_load(tool.argument_specs())["argument_specs"]["main"]
    found: dict[str, dict[str, Any]] = spec["options"]
    return found


def test_the_files_are_what_the_catalogue_says(tool: ModuleType) -> None:
    assert tool.main(["--check"]) == 0


def test_every_setting_stands_on_the_page_with_title_help_and_range(tool: ModuleType) -> None:
    page = tool.page()
    for setting in catalogue.every():
        assert f"### `{setting.name}`\n\n**{setting.title}.** {setting.help}\n" in page
        assert setting.kind.describe().replace("|", "\\|") in page


def test_no_secret_has_a_default() -> None:
    assert [each.name for each in catalogue.every() if each.secret and each.default] == []


def test_every_setting_has_a_variable_that_is_described_and_not_required(
    tool: ModuleType, options: dict[str, dict[str, Any]]
) -> None:
    others = dict(options)
    mapped = yaml.safe_load(tool.mapping())["posthouse_settings_values"]
    assert set(mapped) == {each.name for each in catalogue.every()}
    for setting in catalogue.every():
        name = f"posthouse_{setting.name.replace('.', '_')}"
        assert mapped[setting.name] == f"{{{{ {name} | default(none) }}}}"
        option = others.pop(name)
        title, facts = option["description"]
        assert title == f"{setting.title}. {setting.help}"
        assert f"C({setting.name}): {setting.kind.describe()}" in facts
        assert "required" not in option
        assert "default" not in option  # or it would be set on every host
        assert option.get("no_log", False) is setting.secret
    assert set(others) == {"posthouse_command", "posthouse_settings_reset"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("relay_enabled", {"type": "bool"}),
        ("smtp_max_recipients", {"type": "int"}),
        ("retry_first", {"type": "str"}),
        ("smtp_listen", {"type": "list", "elements": "str"}),
        ("smarthost_password", {"type": "str", "no_log": True}),
        # quoted: as a bare word of YAML, off is false
        ("retry_delay_notice", {"type": "str", "choices": ["off", "first", "every"]}),
    ],
)
def test_a_variable_has_the_type_that_yaml_gives_its_value(
    options: dict[str, dict[str, Any]], name: str, expected: dict[str, Any]
) -> None:
    option = options[f"posthouse_{name}"]
    assert {each: option[each] for each in option if each != "description"} == expected


def test_files_that_fell_behind_are_told_and_not_touched(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [tmp_path / name for name in tool.FILES]
    assert len(paths) == 3
    assert tool.main(["--check"], tmp_path) == 1
    assert not any(path.exists() for path in paths)
    assert tool.main([], tmp_path) == 0
    assert tool.main(["--check"], tmp_path) == 0
    for path in paths:
        right = path.read_text()
        path.write_text(right + "# by hand\n")
        capsys.readouterr()
        assert tool.main(["--check"], tmp_path) == 1
        told = capsys.readouterr().err
        assert told == f"{path} is not what the catalogue says; run tools/gen_settings.py\n"
        assert path.read_text().endswith("by hand\n")
        path.write_text(right)


def test_a_wrong_argument_is_usage(tool: ModuleType) -> None:
    assert tool.main(["--chek"]) == 2
