"""A clock that shows what a test says."""

from __future__ import annotations

_NOON = 1_750_000_000_000_000


class SetClock:
    """Stands still until it is moved."""

    def __init__(self, at_us: int = _NOON) -> None:
        self.at_us = at_us

    def now_us(self) -> int:
        return self.at_us

    def advance(self, seconds: float) -> None:
        self.at_us += round(seconds * 1_000_000)
