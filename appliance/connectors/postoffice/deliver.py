"""Delivering a batch: one transaction for each post office it concerns (connector SF).

Owns: nothing. Failure: a post office whose store can't be written defers its recipients alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.database.content import Content
from appliance.database.errors import DatabaseError
from appliance.directory.records import Target
from appliance.operations.house import House
from appliance.queue.entry import Claimed
from appliance.store.message import Delivery


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of one recipient: None for the error when it lies in its mailbox."""

    claimed: Claimed
    target: Target
    error: str


def deliver(house: House, batch: Sequence[tuple[Claimed, Target]]) -> list[Delivered]:
    """Put messages into mailboxes.

    Args:
        house: whose store and queue.
        batch: recipients with the mailbox each goes to.
    """
    by_postoffice: dict[int, list[tuple[Claimed, Target]]] = {}
    for claimed, target in batch:
        by_postoffice.setdefault(target.postoffice_id, []).append((claimed, target))
    contents: dict[str, Content] = {}
    done: list[Delivered] = []
    for postoffice_id, copies in by_postoffice.items():
        error = ""
        try:
            deliveries = [_delivery(house, contents, *copy) for copy in copies]
            house.store.deliver(postoffice_id, deliveries)
        except (DatabaseError, OSError, LookupError) as problem:
            error = str(problem)
        done.extend(Delivered(claimed, target, error) for claimed, target in copies)
    return done


def _delivery(
    house: House, contents: dict[str, Content], claimed: Claimed, target: Target
) -> Delivery:
    content = contents.get(claimed.entry_id)
    if content is None:
        content = contents[claimed.entry_id] = house.queue.content_of(claimed)
    reverse_path = claimed.envelope.reverse_path
    return Delivery(
        id=f"{claimed.entry_id}.{claimed.number}",
        entry_id=claimed.entry_id,
        mailbox_id=target.mailbox_id,
        content=content,
        of=claimed.of,
        prefix=f"Return-Path: <{reverse_path or ''}>\r\n".encode(),  # RFC 5321 §4.4
        summary=claimed.summary_json,
    )
