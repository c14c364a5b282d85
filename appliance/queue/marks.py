"""Marks: what became of recipients, written in whatever transaction they belong to.

The states and what a crash before each mark means are in docs/durability.md.

Owns: nothing. Never: opens a transaction.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import delete, select, update

from appliance.database.statement import Statement, param
from appliance.database.writer import Transaction
from appliance.queue import tables
from appliance.queue.entry import (
    ACTIVE,
    Claimed,
    Connector,
    Finished,
    Mark,
    Rescheduled,
    Routed,
    State,
)

_e, _r, _c = tables.entries.c, tables.recipients.c, tables.contents.c

_DELETE_CONTENT = Statement(delete(tables.contents).where(_c.id == param("content")))
_DELETE_ENTRY = Statement(delete(tables.entries).where(_e.id == param("entry")))
_DELETE_RECIPIENTS = Statement(delete(tables.recipients).where(_r.entry_id == param("entry")))
_LOCK_ENTRY = Statement(select(_e.id).where(_e.id == param("entry")).with_for_update())
_UNFINISHED = Statement(
    select(_r.number)
    .where(_r.entry_id == param("entry"), _r.state.not_in([State.DONE, State.FAILED]))
    .limit(1)
)
_FINISH = Statement(
    update(tables.recipients)
    .where(*tables.THIS_RECIPIENT)
    .values(state=param("new_state"), status=param("new_status"), lease_until=0)
)
# What an operator has decided meanwhile stays: held, or on its way back to the sender.
_GOES_ON = (_r.state.in_(ACTIVE), _r.connector != Connector.RETURN)
_RESCHEDULE = Statement(
    update(tables.recipients)
    .where(*tables.THIS_RECIPIENT, *_GOES_ON)
    .values(
        state=State.DEFERRED,
        due_at=param("due"),
        attempts=param("tried"),
        status=param("new_status"),
        lease_until=0,
    )
)
_ROUTE = Statement(
    update(tables.recipients)
    .where(*tables.THIS_RECIPIENT, *_GOES_ON)
    .values(connector=param("to"), destination=param("target"), lease_until=0)
)


def write_marks(transaction: Transaction, marks: Collection[Mark]) -> list[str]:
    """Write marks; returns the names of content files that nothing refers to any more."""
    finished: dict[str, list[Finished]] = {}
    rescheduled: list[dict[str, Any]] = []
    routed: list[dict[str, Any]] = []
    for mark in marks:
        this = {"entry": mark.claimed.entry_id, "recipient": mark.claimed.number}
        match mark:
            case Finished():
                finished.setdefault(mark.claimed.entry_id, []).append(mark)
            case Rescheduled(claimed, due_at, status):
                tried = claimed.attempts + 1
                rescheduled.append({**this, "due": due_at, "tried": tried, "new_status": status})
            case Routed(_, connector, destination):
                routed.append({**this, "to": connector, "target": destination})
    if rescheduled:
        transaction.run_many(_RESCHEDULE, rescheduled)
    if routed:
        transaction.run_many(_ROUTE, routed)
    return _finish(transaction, finished)


def _finish(transaction: Transaction, finished: dict[str, list[Finished]]) -> list[str]:
    gone: list[Claimed] = []
    for entry_id, marks in sorted(finished.items()):  # in one order, so that no two wait in a ring
        claimed = marks[0].claimed
        if len({mark.claimed.number for mark in marks}) < claimed.of:
            # PostgreSQL: of two workers that finish the last two, the second sees the first's mark
            transaction.value(_LOCK_ENTRY, {"entry": entry_id})
            transaction.run_many(
                _FINISH,
                [
                    {
                        "entry": entry_id,
                        "recipient": mark.claimed.number,
                        "new_state": mark.state,
                        "new_status": mark.status,
                    }
                    for mark in marks
                ],
            )
            if transaction.value(_UNFINISHED, {"entry": entry_id}) is not None:
                continue
        gone.append(claimed)
    if gone:
        entries = [{"entry": claimed.entry_id} for claimed in gone]
        transaction.run_many(_DELETE_RECIPIENTS, entries)
        transaction.run_many(_DELETE_ENTRY, entries)
        transaction.run_many(_DELETE_CONTENT, [{"content": each.content_id} for each in gone])
    return [claimed.file for claimed in gone if claimed.file is not None]
