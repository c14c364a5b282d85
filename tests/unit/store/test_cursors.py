"""Cursors are taken back as they were given out, and nothing else is taken."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.store import cursors
from appliance.store.errors import BadCursor, StoreError
from appliance.store.message import Order

NUMBERS = st.integers(0, 10**18 - 1)
KEYS: dict[Order, st.SearchStrategy[Any]] = {
    Order.DATE: NUMBERS,
    Order.SIZE: NUMBERS,
    Order.SENDER: st.binary(max_size=320),
    Order.SUBJECT: st.binary(max_size=320),
}


@pytest.mark.parametrize("order", Order)
@given(data=st.data(), uid=NUMBERS)
def test_cursor_is_read_as_it_was_written(order: Order, data: st.DataObject, uid: int) -> None:
    position = (data.draw(KEYS[order]), uid)
    text = cursors.write(order, position)
    assert cursors.read(order, text) == position
    assert text.replace(".", "").isalnum()  # fit for a URL as it is


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize(
    "text",
    [
        *("x", "date", "date..", "date.1", "date.-1.5", "date.1.5.", " date.1.5", "date.1.5\n"),
        *("date.²1.5", "date.9999999999999999999.1", "sender.0.1", "sender.zz.1", "size.ff.1"),
        *("subject.ff.1e5", "sender." + "00" * 641 + ".1", "DATE.1.5", "' OR 1=1 --", "\0"),
    ],
)
def test_broken_cursor_is_refused_with_a_text(order: Order, text: str) -> None:
    with pytest.raises(BadCursor, match=f"no place in a list by {order}"):
        cursors.read(order, text)


@given(st.text())
def test_any_text_is_a_place_or_refused(text: str) -> None:
    for order in Order:
        with suppress(StoreError):
            assert cursors.write(order, cursors.read(order, text)).split(".")[0] == order


def test_cursor_of_another_order_is_refused() -> None:
    with pytest.raises(BadCursor):
        cursors.read(Order.DATE, cursors.write(Order.SIZE, (5, 1)))
