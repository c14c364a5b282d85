"""How urgent a sender calls a message: four fields of four traditions, one answer.

Standards: RFC 2156 §5.3.6 (Importance, Priority), RFC 4021 §2.1.54; X-Priority and
    X-MSMail-Priority have none.
Owns: nothing.
Never: judge; what a sender claims is shown, and changes nothing.
Failure: none; what says nothing known is normal.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

__all__ = ["FIELDS", "Priority", "read", "written"]


class Priority(StrEnum):
    """What the sender says of a message's urgency."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


FIELDS = frozenset(("x-priority", "importance", "priority", "x-msmail-priority"))
_WORDS = {
    "1": Priority.HIGH,
    "2": Priority.HIGH,
    "high": Priority.HIGH,
    "highest": Priority.HIGH,
    "urgent": Priority.HIGH,
    "4": Priority.LOW,
    "5": Priority.LOW,
    "low": Priority.LOW,
    "lowest": Priority.LOW,
    "non-urgent": Priority.LOW,
}
_FIELDS = {
    Priority.HIGH: (("X-Priority", "1 (Highest)"), ("Importance", "high")),
    Priority.LOW: (("X-Priority", "5 (Lowest)"), ("Importance", "low")),
}


def read(fields: Iterable[tuple[str, str]]) -> Priority:
    """Tell the priority from header fields: the first that says something else than normal."""
    for name, value in fields:
        if name.lower() in FIELDS:
            words = value.replace("(", " ").split(None, 1)
            priority = _WORDS.get(words[0].lower() if words else "")
            if priority is not None:
                return priority
    return Priority.NORMAL


def written(priority: Priority) -> tuple[tuple[str, str], ...]:
    """The header fields that say it; none for a normal message."""
    return _FIELDS.get(priority, ())
