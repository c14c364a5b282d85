from __future__ import annotations

import json
from pathlib import Path

import pytest
from result import Better, Judged, Measure, Result, Verdict, table, write


def of(**values: object) -> Measure:
    return Measure(**{"name": "rate", "label": "messages a second", **values})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [(60, Verdict.GOAL), (59, Verdict.FLOOR), (30, Verdict.FLOOR), (29, Verdict.MISSED)],
)
def test_a_rate_is_judged_by_the_median_of_the_pairs_ratios(ours: float, verdict: Verdict) -> None:
    measure = of(better=Better.MORE, ours=[1, ours, 1000], peer=[10, 10, 10], floor=3, goal=6)
    assert measure.verdict is verdict


@pytest.mark.parametrize(
    ("ours", "verdict"), [(5, Verdict.GOAL), (9, Verdict.FLOOR), (11, Verdict.MISSED)]
)
def test_where_less_is_better_the_ratio_must_not_exceed(ours: float, verdict: Verdict) -> None:
    assert of(ours=[ours], peer=[10], floor=1, goal=1 / 2).verdict is verdict


def test_memory_is_judged_by_its_own_value_whatever_the_peer_takes() -> None:
    measure = of(ours=[13.0], peer=[1.0], floor=32, goal=12, judged=Judged.VALUE)
    assert measure.verdict is Verdict.FLOOR


def test_a_ratio_is_taken_pair_by_pair() -> None:
    assert of(ours=[10, 40], peer=[10, 20]).ratios == [1, 2]


def test_without_a_goal_there_is_no_verdict() -> None:
    assert of(ours=[1], peer=[1]).verdict is None


def test_a_result_keeps_the_raw_values_and_no_path_of_its_machine(tmp_path: Path) -> None:
    measure = of(ours=[1.5, 2.5], peer=[1.0, 1.0], better=Better.MORE, floor=1, goal=2)
    result = Result(
        row="row",
        title="what is done",
        sides=("peer", "posthouse"),
        measures=[measure],
        details={"peer": {"home": f"{tmp_path}/1-peer"}},
    )
    write(tmp_path / "row.json", result, {"commit": "abc"}, work=tmp_path)
    found = json.loads((tmp_path / "row.json").read_text())
    assert found["measures"][0]["raw"] == {"ours": [1.5, 2.5], "peer": [1.0, 1.0]}
    assert found["measures"][0]["ratio"] == {"min": 1.5, "median": 2.0, "max": 2.5}
    assert found["peer"]["home"] == "WORK/1-peer"
    assert "goal reached" in table(result)
