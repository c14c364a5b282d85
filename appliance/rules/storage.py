"""Is there room for more mail? What is left belongs to who reads, deletes and administers.

Standards: RFC 5321 §4.2.2 (452), RFC 3463 §3.4 (X.3.1), RFC 1870 §5 (452 by the announced size).
"""

from __future__ import annotations

from appliance.journey.reason import Outcome, Reason
from appliance.mail.reply import Reply
from appliance.settings import smtp

MIB = 1 << 20
_ROOM = Reason(
    rule="storage.room",
    outcome=Outcome.ACCEPT,
    text="There is room for mail.",
    setting=smtp.min_free_mb.name,
)


def judge(free: int, *, size: int, reserve_mb: int) -> Reason:
    """Decide about a message before it comes.

    Args:
        free: octets that the home's file system has left.
        size: octets of the message as its client announces it; 0 where it doesn't.
        reserve_mb: MiB that mail must leave; 0 for none.
    """
    if not reserve_mb or free - size >= reserve_mb * MIB:
        return _ROOM
    return Reason(
        rule="storage.reserve",
        outcome=Outcome.DEFER,
        text=f"The disk has {free // MIB} MiB left, and mail must leave {reserve_mb} MiB of it.",
        reply=Reply(452, "4.3.1", "Insufficient system storage, try again later"),
        setting=smtp.min_free_mb.name,
    )
