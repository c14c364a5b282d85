"""One step of a message's journey."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from appliance.journey.reason import Reason


class Kind(StrEnum):
    """What happened."""

    ACCEPTED = "accepted"  # taken into the queue
    REFUSED = "refused"  # not taken: the client was told why
    ROUTED = "routed"  # the address map said where it goes
    DELIVERED = "delivered"  # it lies in a mailbox
    RELAYED = "relayed"  # another server has taken it
    DEFERRED = "deferred"  # tried, to be tried again
    FAILED = "failed"  # given up
    NOTIFIED = "notified"  # a delivery status notification was sent about it
    HELD = "held"
    RELEASED = "released"
    RETRIED = "retried"  # an operator asked for an attempt now
    RETURNED = "returned"  # an operator sends it back to its sender
    REMOVED = "removed"  # taken out of the queue by an operator
    DOWNLOADED = "downloaded"
    DELETED = "deleted"  # deleted by its reader


_write_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Event(NamedTuple):
    """One step.

    Attributes:
        at_us: when, microseconds since the epoch.
        message_id: the queue's id of the message (for `refused`: of the attempt).
        kind: what happened.
        reverse_path: the envelope's, as text; empty for the null reverse-path.
        recipient: whose copy it happened to, or empty for all.
        connector: SMTP, SF or LS, or empty.
        text: one sentence.
        reason: why, as `Reason.to_dict` gives it.
        detail: further facts by name.
    """

    at_us: int
    message_id: str
    kind: Kind
    reverse_path: str = ""
    recipient: str = ""
    connector: str = ""
    text: str = ""
    reason: Mapping[str, object] | None = None
    detail: Mapping[str, str] = MappingProxyType({})

    def data(self) -> str:
        """Return what has no column of its own, as JSON text."""
        found: dict[str, object] = {"text": self.text}
        if self.reason is not None:
            found["reason"] = dict(self.reason)
        if self.detail:
            found["detail"] = dict(self.detail)
        return _write_json(found)


def because(reason: Reason | None) -> Mapping[str, object] | None:
    """Turn a reason into what an event keeps of it."""
    return None if reason is None else reason.to_dict()
