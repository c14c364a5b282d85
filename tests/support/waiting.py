"""Waiting for something that another process or thread does: until a deadline, never for a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_PAUSE_S = 0.01


def until(condition: Callable[[], T], what: str, *, within_s: float = 10.0) -> T:
    """Ask until the answer is true, and return it.

    Raises:
        AssertionError: it was not in time; the text says what was waited for.
    """
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        threading.Event().wait(_PAUSE_S)
    return found
