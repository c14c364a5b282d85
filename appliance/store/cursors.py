"""Cursors: positions in an order of a folder, as clients carry them around.

A position is a sort key and a uid. As a text it is `ORDER.KEY.UID`, fit for a URL; keys that are
octets are in hexadecimal.

Failure: `BadCursor`.
"""

from __future__ import annotations

import re

from appliance.store.errors import BadCursor
from appliance.store.message import Order

Position = tuple[int | bytes, int]

_NUMBER = r"(\d{1,18})"  # fits into both databases' integers, with room for a step
_OCTETS = r"((?:[0-9a-f]{2}){0,640})"
_FORMS = {
    order: re.compile(
        rf"{order}\.{_OCTETS if order in (Order.SENDER, Order.SUBJECT) else _NUMBER}"
        rf"\.{_NUMBER}",
        re.ASCII,
    )
    for order in Order
}


def write(order: Order, position: Position) -> str:
    """Return a position's text."""
    key, uid = position
    return f"{order}.{key.hex() if isinstance(key, bytes) else key}.{uid}"


def read(order: Order, text: str) -> Position:
    """Return the position of a text.

    Raises:
        BadCursor: it is none of this order.
    """
    form = _FORMS[order].fullmatch(text)
    if form is None:
        raise BadCursor(
            f"{text[:40]!r} is no place in a list by {order}: begin at the first page again"
        )
    key, uid = form.groups()
    as_octets = order in (Order.SENDER, Order.SUBJECT)
    return bytes.fromhex(key) if as_octets else int(key), int(uid)
