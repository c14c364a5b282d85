"""Labelled steps of everything durable, so that a test can stop a process at each of them.

A step is a place between two effects (content synced, commit done, client answered). The tables in
docs/durability.md name them; `make kills` ends processes there. Without a gate nothing happens.

Owns: the gate. Never: decides anything.
"""

from __future__ import annotations

from collections.abc import Callable

gate: Callable[[str], None] | None = None

STEPS: dict[str, str] = {
    "submit.content-synced": "a large content is a synced file, no row names it yet",
    "queue.commit.before": "the queue transaction is written, not committed",
    "queue.commit.after": "the queue transaction is durable, its callers are not answered",
    "smtp.answered": "the 250 has been handed to the socket",
    "mta.claimed": "the MTA agent has chosen due recipients, nothing is done yet",
    "store.content-linked": "a large content is linked into the post office, no row names it yet",
    "store.commit.before": "the delivery is written to the store, not committed",
    "store.commit.after": "the delivery is durable, the queue does not know",
    "mta.delivered": "all post offices of the batch are done, no recipient is marked",
    "queue.mark.before": "the marks of finished recipients are written, not committed",
    "queue.mark.after": "the marks are committed lazily",
    "sender.connected": "a connection to a remote host stands, nothing is sent",
    "sender.sent": "the remote host has answered the content, no recipient is marked",
    "pop3.expunge.before": "QUIT is being carried out, nothing is deleted",
    "pop3.expunge.after": "the deletion is durable, the client is not answered",
}


def reach(label: str) -> None:
    """Pass a labelled step."""
    if gate is not None:
        gate(label)
