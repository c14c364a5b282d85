"""Web administration: a post office in the hands of its own administrators (manual §7.2)."""

from __future__ import annotations

from webadmin.postoffice import addresses, home, mailboxes
from webadmin.postoffice.room import blueprint

for views in (home, mailboxes, addresses):
    views.register(blueprint)

__all__ = ["blueprint"]
