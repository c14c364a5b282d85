"""docs/settings.md says what the catalogue says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

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


def test_the_page_is_what_the_catalogue_says(tool: ModuleType) -> None:
    assert tool.main(["--check"]) == 0


def test_every_setting_stands_on_the_page_with_title_help_and_range(tool: ModuleType) -> None:
    page = tool.render()
    for setting in catalogue.every():
        assert f"### `{setting.name}`\n\n**{setting.title}.** {setting.help}\n" in page
        assert setting.kind.describe().replace("|", "\\|") in page


def test_no_secret_has_a_default() -> None:
    assert [each.name for each in catalogue.every() if each.secret and each.default] == []


def test_a_page_that_fell_behind_is_told_and_not_touched(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "docs" / "settings.md"
    assert tool.main(["--check"], page) == 1
    assert not page.exists()
    assert tool.main([], page) == 0
    assert tool.main(["--check"], page) == 0
    page.write_text(page.read_text() + "by hand\n")
    assert tool.main(["--check"], page) == 1
    assert page.read_text().endswith("by hand\n")
    assert "run tools/gen_settings.py" in capsys.readouterr().err


def test_a_wrong_argument_is_usage(tool: ModuleType) -> None:
    assert tool.main(["--chek"]) == 2
