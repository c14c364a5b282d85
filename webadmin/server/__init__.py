"""The console: the operator's room (manual §5, the management console)."""

from __future__ import annotations

from webadmin.server import (
    badmail,
    changes,
    explain,
    logs,
    mailboxes,
    messages,
    operators,
    overview,
    postoffices,
    queue,
    services,
    settings,
    words,
)
from webadmin.server.room import blueprint

for views in (
    *(overview, postoffices, mailboxes, services, queue, messages, explain, badmail),
    *(settings, changes, operators, logs, words),
):
    views.register(blueprint)

__all__ = ["blueprint"]
