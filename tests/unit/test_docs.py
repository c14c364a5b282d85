"""The pages say what the code does: metrics, labelled steps, links, rooms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from appliance.runtime import metrics
from appliance.runtime.steps import STEPS

_ROOT = Path(__file__).parents[2]
_PAGES = sorted([*_ROOT.glob("*.md"), *(_ROOT / "docs").rglob("*.md")])
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def test_every_metric_is_listed_and_every_listed_metric_exists() -> None:
    page = (_ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(posthouse_\w+)`", page, re.MULTILINE))
    counted = set()
    for family in metrics.REGISTRY.collect():
        counted.add(family.name + ("_total" if family.type == "counter" else ""))
    assert listed == counted


def test_every_labelled_step_is_in_the_state_tables_and_reached_by_the_code() -> None:
    page = (_ROOT / "docs/durability.md").read_text(encoding="utf-8")
    code = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (_ROOT / "appliance").rglob("*.py")
        if path.name != "steps.py"
    )
    for step in STEPS:
        assert f"`{step}`" in page, step
        # the writer's steps are named by the database's role
        named = step.rpartition(".")[2] in ("before", "after") and not step.startswith("pop3")
        assert named or f'reach("{step}")' in code, step


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(_ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_architecture_names_every_room() -> None:
    page = (_ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for room in (_ROOT / "appliance").iterdir():
        if (room / "__init__.py").exists():
            assert re.search(rf"\b{room.name}\b", page), room.name
