"""Wake-ups between the nodes of a cluster: PostgreSQL's LISTEN and NOTIFY.

On one server the doorbells do it (`runtime.doorbell`); here a ring reaches the other nodes, with
the commit that makes the work visible. Like a doorbell it is a hint: whoever wakes looks at the
table.

Owns: one connection and thread a listener. Failure: a lost connection is opened again; the poll
each second covers the time between.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from appliance.database.statement import POSTGRESQL
from appliance.database.writer import Transaction

_PAUSE_S = 1.0

_log = logging.getLogger(__name__)


def notify(transaction: Transaction, service: str) -> None:
    """Ring a service on every node once this transaction is committed; nothing on SQLite."""
    if transaction.dialect == POSTGRESQL:
        transaction.script(f"NOTIFY posthouse_{service}")


def listen(url: str, service: str, wake: Callable[[], None]) -> None:
    """Call `wake` whenever a service is rung, from a thread that ends with the process."""
    thread = threading.Thread(
        target=_listen, args=(url, f"posthouse_{service}", wake), name="listen", daemon=True
    )
    thread.start()


def _listen(url: str, channel: str, wake: Callable[[], None]) -> None:
    import psycopg  # large, and not needed on SQLite

    pause = threading.Event()
    while True:
        try:
            with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
                connection.execute(f"LISTEN {channel}")
                wake()  # what was missed while there was no connection
                for _ in connection.notifies():
                    wake()
        except psycopg.Error as error:
            _log.warning("the wake-ups of %s are lost for a moment: %s", channel, error)
        pause.wait(_PAUSE_S)
