from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.operations.operation import Invalid
from webadmin.mail.uids import MOST, pack, unpack


def test_neighbours_become_a_range() -> None:
    assert pack([9, 1, 2, 3, 2, 5]) == "1-3,5,9"


def test_no_uids_are_an_empty_text() -> None:
    assert pack([]) == ""
    assert unpack("") == []


@given(st.sets(st.integers(1, 5000)))
def test_what_is_packed_comes_out_again(uids: set[int]) -> None:
    assert unpack(pack(uids)) == sorted(uids)


@pytest.mark.parametrize("text", ["x", "1-", "-1", "1,,2", "1;2", " 1", "\u0661", "1" * 19, "1,"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(Invalid):
        unpack(text)


def test_a_short_text_for_very_many_uids_is_refused() -> None:
    with pytest.raises(Invalid):
        unpack(f"1-{MOST + 1}")
    with pytest.raises(Invalid):
        unpack("1-600000,600001-1200000")


def test_a_range_that_runs_backwards_names_nothing() -> None:
    assert unpack("5-1") == []
