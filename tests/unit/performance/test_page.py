from __future__ import annotations

import json
import re
from pathlib import Path

import page
import plot

_ROOT = Path(__file__).parents[3]
_RESULTS = sorted((_ROOT / "bench/results").glob("*.json"))


def test_the_page_and_its_plots_are_what_the_results_say() -> None:
    assert page.main(["--check"]) == 0


def test_every_result_has_its_place_with_its_command_and_commit() -> None:
    text = (_ROOT / "docs/performance.md").read_text(encoding="utf-8")
    for path in _RESULTS:
        found = json.loads(path.read_text(encoding="utf-8"))
        assert f"\n### {path.stem}\n" in text
        assert f"`make bench ROW={path.stem}`" in text
        assert f"`{found['commit']}`" in text


def test_what_another_machine_reached_stands_beside_it(tmp_path: Path) -> None:
    here = json.loads((_ROOT / "bench/results/accept-c50.json").read_text(encoding="utf-8"))
    there = {**here, "commit": "abcdef0"}
    for folder, record in (("results", here), ("elsewhere", there)):
        (tmp_path / "bench" / folder).mkdir(parents=True)
        (tmp_path / "bench" / folder / "one.json").write_text(json.dumps(record), encoding="utf-8")
    _, _, table = page.files(tmp_path)["docs/performance.md"].partition("on another machine\n")
    assert "`abcdef0`" in table
    assert "| [accept-c50](#accept-c50) | messages a second | ≥ 3× |" in table


def test_every_plot_has_a_text_alternative_on_the_page_and_in_itself() -> None:
    made = page.files(_ROOT)
    pictures = re.findall(
        r"!\[([^\]]+)\]\(performance/([\w-]+)\.svg\)", made["docs/performance.md"]
    )
    assert {name for _, name in pictures} == {
        Path(path).stem for path in made if path.endswith(".svg")
    }
    for words, name in pictures:
        drawn = made[f"docs/performance/{name}.svg"]
        assert len(words) > 40
        assert "<title " in drawn
        assert "<desc " in drawn


def test_a_plot_is_readable_in_the_dark_and_escapes_its_words() -> None:
    row = plot.Dot(label="a < b", values=[(1, 2, 3)], floor=1, goal=2, remark="2×")
    drawn = plot.dots("t", "d", [row], [plot.Series("ours", "ours")], caption="times")
    assert "prefers-color-scheme: dark" in drawn
    assert "a &lt; b" in drawn


def test_a_greater_value_stands_further_to_the_right() -> None:
    rows = [plot.Dot(label=str(n), values=[(n, n, n)]) for n in (1, 10, 100)]
    drawn = plot.dots("t", "d", rows, [plot.Series("x", "ours")], caption="", line_at=None)
    places = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', drawn)][1:]
    assert places == sorted(places)
    assert len(set(places)) == 3
