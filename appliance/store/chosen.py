"""Messages of a folder that are chosen by a list of uids of any length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from appliance.database.chosen import Chosen

__all__ = ["AT_ONCE", "MAX_UID", "Chosen", "pieces", "possible"]

AT_ONCE = 1000  # messages a commit: others get their turn in between
MAX_UID = 2**63 - 1


def pieces(uids: Iterable[int]) -> Iterator[list[int]]:
    """Yield uids in their order, each once, a thousand at a time; what can't be one is left out."""
    ordered = iter(possible(uids))
    while piece := list(islice(ordered, AT_ONCE)):
        yield piece


def possible(uids: Iterable[int]) -> list[int]:
    """Return uids in their order, each once, without those that no message can have."""
    return sorted({uid for uid in uids if 0 < uid <= MAX_UID})
