"""A snapshot: the effective values for one node at one moment."""

from __future__ import annotations

import itertools

import pytest

from appliance.settings import smtp
from appliance.settings.setting import Scope
from appliance.settings.snapshot import Snapshot, build

SERVER = ("smtp.local_domain", "server", "", "mail.example.com")
NODE_ONE = ("smtp.local_domain", "node", "one", "one.example.com")
NODE_TWO = ("smtp.local_domain", "node", "two", "two.example.com")


@pytest.mark.parametrize("rows", list(itertools.permutations([SERVER, NODE_ONE, NODE_TWO])))
def test_value_of_the_own_node_wins_in_whatever_order_the_rows_come(
    rows: tuple[tuple[str, str, str, str], ...],
) -> None:
    for node, expected in (
        ("one", "one.example.com"),
        ("two", "two.example.com"),
        ("three", "mail.example.com"),
    ):
        snapshot, passed_over = build(rows, node=node, version=7)
        assert snapshot[smtp.local_domain] == expected
        assert passed_over == []
        assert snapshot.version == 7


def test_narrower_value_wins_only_where_the_setting_declares_it() -> None:
    # DESIGN, Settings
    assert Scope.NODE not in smtp.max_recipients.scopes
    rows = [("smtp.max_recipients", "server", "", "5"), ("smtp.max_recipients", "node", "one", "9")]
    snapshot, passed_over = build(rows, node="one", version=1)
    assert snapshot[smtp.max_recipients] == 5
    assert len(passed_over) == 1


def test_what_is_not_set_has_its_default() -> None:
    snapshot = Snapshot({"smtp.port": 26})
    assert snapshot[smtp.port] == 26
    assert not snapshot.is_default(smtp.port)
    assert snapshot[smtp.max_recipients] == 300
    assert snapshot.is_default(smtp.max_recipients)


def test_unknown_name_and_wrong_value_are_passed_over_and_told() -> None:
    rows = [
        ("future.setting", "server", "", "1"),
        ("smtp.max_recipients", "server", "", "many"),
        ("smtp.port", "server", "", "26"),
    ]
    snapshot, passed_over = build(rows, node="one", version=1)
    assert (snapshot[smtp.port], snapshot[smtp.max_recipients]) == (26, 300)
    assert "future.setting" in passed_over[0]
    assert "'many'" in passed_over[1]


def test_wrong_value_of_a_node_leaves_the_servers() -> None:
    rows = [("smtp.port", "server", "", "26"), ("smtp.port", "node", "one", "many")]
    snapshot, passed_over = build(rows, node="one", version=1)
    assert snapshot[smtp.port] == 26
    assert len(passed_over) == 1


def test_snapshot_does_not_follow_what_it_was_made_of() -> None:
    values = {"smtp.port": 26}
    snapshot = Snapshot(values)
    values["smtp.port"] = 27
    assert snapshot[smtp.port] == 26
