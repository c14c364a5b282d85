from __future__ import annotations

import page
import pytest
from catalogue import CATALOGUE
from rows import ROWS, Row, Work

_PAIRED = list(ROWS.values())


@pytest.mark.parametrize("row", _PAIRED, ids=lambda row: row.name)
def test_work_is_spread_evenly_over_mailboxes_and_connections(row: Row) -> None:
    if row.work is Work.ACCEPT:
        assert row.connections % row.mailboxes == 0
        assert row.count % row.connections == 0
    assert row.count % row.mailboxes == 0
    assert row.mailboxes % row.postoffices == 0


@pytest.mark.parametrize("row", _PAIRED, ids=lambda row: row.name)
def test_a_try_does_the_same_with_fewer_messages(row: Row) -> None:
    few = row.scaled(0.1)
    assert 0 < few.count <= row.count
    assert few.count % few.connections == 0
    assert few.mailboxes == (few.count if row.mailboxes == row.count else row.mailboxes)
    assert row.scaled(1) == row


def test_every_row_has_its_place_on_the_page() -> None:
    placed = [name for _, names in page.SECTIONS for name in names]
    assert sorted(placed) == sorted(CATALOGUE)
