"""Messages that an operator has returned to their senders: why each recipient failed.

Owns: nothing. Failure: `StoreBusy` (temporary).
"""

from __future__ import annotations

from collections.abc import Sequence

from appliance.connectors.returns import Failure
from appliance.journey.reason import Outcome, Reason
from appliance.mail.reply import Reply
from appliance.queue.desk import Desk
from appliance.queue.entry import Claimed

_TEXT = "An operator of this server has returned the message without delivering it."


def failures(desk: Desk, claimed: Sequence[Claimed]) -> list[Failure]:
    """Return what the senders are told: that it was decided here, and what was heard last."""
    found: list[Failure] = []
    statuses: dict[tuple[str, int], str] = {}
    for entry_id in sorted({each.entry_id for each in claimed}):
        message = desk.message(entry_id)
        if message is not None:
            statuses |= {(entry_id, each.number): each.status for each in message.recipients}
    for each in claimed:
        status = statuses.get((each.entry_id, each.number), "")
        reason = Reason(
            rule="queue.returned",
            outcome=Outcome.REJECT,
            text=f"{_TEXT} The last problem: {status}" if status else _TEXT,
            reply=Reply(550, "5.0.0", _TEXT),
        )
        found.append(Failure(each, reason))
    return found
