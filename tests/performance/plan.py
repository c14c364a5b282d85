"""How a row is to be run: what the command line said."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable

__all__ = ["Plan"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What every row is told.

    Attributes:
        pairs: how often both sides are run.
        scale: a factor on counts and sizes, for a try; 1 for a result.
        peer_only: the peer runs on both sides, which shows the noise; others run as ever.
        work: an empty folder on the disk to measure.
        say: shows progress.
    """

    pairs: int
    scale: float
    peer_only: bool
    work: pathlib.Path
    say: Callable[[str], None]
