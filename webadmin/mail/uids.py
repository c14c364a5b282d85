"""Many uids in few characters: `1-5,9`, as forms and headers carry them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from appliance.operations.operation import Invalid

MOST = 1_000_000  # uids that one text may stand for
_TEXT = re.compile(r"\d{1,18}(?:-\d{1,18})?(?:,\d{1,18}(?:-\d{1,18})?)*", re.ASCII)


def pack(uids: Iterable[int]) -> str:
    """Return uids as ranges, in their order; empty for none."""
    ranges: list[list[int]] = []
    for uid in sorted(set(uids)):
        if ranges and uid == ranges[-1][1] + 1:
            ranges[-1][1] = uid
        else:
            ranges.append([uid, uid])
    return ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in ranges)


def unpack(text: str) -> list[int]:
    """Return the uids of a text that `pack` wrote.

    Raises:
        Invalid: it is none, or stands for more than a million.
    """
    if not text:
        return []
    if not _TEXT.fullmatch(text):
        raise Invalid(f"{text[:40]!r} names no messages: numbers and ranges like 1-5,9 do")
    ranges = [part.partition("-") for part in text.split(",")]
    bounds = [(int(first), int(last or first)) for first, _, last in ranges]
    if sum(max(last - first + 1, 0) for first, last in bounds) > MOST:
        raise Invalid(f"{text[:40]!r} names more messages than a folder can have")
    return [uid for first, last in bounds for uid in range(first, last + 1)]
