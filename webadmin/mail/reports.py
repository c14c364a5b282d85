"""What a mail server reports about a message: per recipient, what happened and why.

Standards: RFC 3464 §2 (delivery status), RFC 6533 §3 (the same in UTF-8).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

REPORTS = frozenset(("message/delivery-status", "message/global-delivery-status"))
_MOST = 100  # recipients that are shown
_BLOCKS = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
_FOLD = re.compile(r"\n[ \t]+")
_DONE = frozenset(("delivered", "relayed", "expanded"))


@dataclass(frozen=True, slots=True)
class Fate:
    """What happened for one recipient.

    Attributes:
        recipient: the address.
        action: `failed`, `delayed`, `delivered`, `relayed`, `expanded`, or what else stands there.
        status: the enhanced status code, or empty.
        said: what the other server said, or empty.
        by: which server that was, or empty.
    """

    recipient: str
    action: str
    status: str
    said: str
    by: str

    @property
    def is_done(self) -> bool:
        """Whether the message got on."""
        return self.action in _DONE


@dataclass(frozen=True, slots=True)
class Report:
    """A delivery report.

    Attributes:
        server: who reports, or empty.
        fates: what happened, by recipient.
        more: how many recipients are left out.
    """

    server: str
    fates: tuple[Fate, ...]
    more: int


def report(text: str) -> Report | None:
    """Read a report's text; None when it names no recipient."""
    blocks = [_fields(block) for block in _BLOCKS.split(text.strip())]
    fates = [_fate(block) for block in blocks if "final-recipient" in block]
    if not fates:
        return None
    server = _after_type(blocks[0].get("reporting-mta", ""))
    return Report(server, tuple(fates[:_MOST]), max(len(fates) - _MOST, 0))


def _fate(block: dict[str, str]) -> Fate:
    recipient = block.get("original-recipient") or block["final-recipient"]
    return Fate(
        recipient=_after_type(recipient),
        action=block.get("action", "").partition(" ")[0].lower(),
        status=block.get("status", "").partition(" ")[0],
        said=_after_type(block.get("diagnostic-code", "")),
        by=_after_type(block.get("remote-mta", "")),
    )


def _fields(block: str) -> dict[str, str]:
    lines = (line.partition(":") for line in _FOLD.sub(" ", block).split("\n"))
    return {name.strip().lower(): " ".join(value.split()) for name, colon, value in lines if colon}


def _after_type(value: str) -> str:
    """Return a value without its type: `rfc822; a@b.example`."""
    kind, semicolon, rest = value.partition(";")
    return rest.strip() if semicolon else kind.strip()
