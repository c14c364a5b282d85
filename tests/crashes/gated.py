"""The server as `make kills` and `make powercuts` run it.

The gate ends the process that passes the labelled step named in `KILL_FILE`, once. To show that the
counts notice, `BREAK=early-answer` has the writer answer its callers before the commit, and
`BREAK=no-fsync` has nothing written to the disk before the kernel finds the time.

On PostgreSQL a worker that has ended keeps what it had in hand until its lease is over: `LEASE_S`
makes that shorter, so that a test need not wait.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections import Counter
from pathlib import Path

from appliance.cli.main import main
from appliance.database import sqlite, writer
from appliance.queue import queue
from appliance.runtime import steps
from appliance.runtime.clock import MICROSECONDS

_UNTIL_ANSWERED_S = 0.05  # the callers' 250 is on its way before the commit


class Gate:
    """Ends this process at an armed step."""

    def __init__(self, armed: Path, record: Path) -> None:
        self._armed = armed
        self._record = record
        self._passed: Counter[str] = Counter()

    def __call__(self, label: str) -> None:
        try:
            wanted, _, count = self._armed.read_text(encoding="ascii").partition(" ")
        except FileNotFoundError:
            return
        if wanted != label:
            return
        self._passed[label] += 1
        if self._passed[label] < int(count or 1):
            return
        try:
            self._armed.unlink()
        except FileNotFoundError:  # another process was quicker
            return
        with self._record.open("a", encoding="ascii") as record:
            record.write(f"{label} {os.getpid()}\n")
        os.kill(os.getpid(), signal.SIGKILL)


def answer_early() -> None:
    """Break the writer: its callers are answered while the commit is still to come."""

    def commit(self: writer.Writer, batch: list[writer._Pending]) -> None:
        transaction = self._connect()
        with self._engine.exclusive():
            transaction.script(self._engine.begin)
            for pending in batch:
                self._run_one(transaction, pending)
            writer._answer(batch)  # noqa: SLF001 - what is broken on purpose
            threading.Event().wait(_UNTIL_ANSWERED_S)
            steps.reach(self._before)
            transaction.script("COMMIT")
        steps.reach(self._afterwards)

    def write_here(self: writer.Writer) -> None:
        self._asked = None
        self._call_thread()

    writer.Writer._write_here = write_here  # type: ignore[method-assign] # noqa: SLF001 - the same
    writer.Writer._commit = commit  # type: ignore[method-assign] # noqa: SLF001 - the same


def sync_nothing() -> None:
    """Break durability: nobody waits for the disk."""
    connect = sqlite.SqliteEngine.connect

    def connect_unsynced(self: sqlite.SqliteEngine, **how: bool) -> sqlite3.Connection:
        raw: sqlite3.Connection = connect(self, **how)
        raw.execute("PRAGMA synchronous=OFF")
        return raw

    sqlite.SqliteEngine.connect = connect_unsynced  # type: ignore[method-assign]
    os.fsync = os.fdatasync = lambda fd: None


_BROKEN = {"early-answer": answer_early, "no-fsync": sync_nothing}


if __name__ == "__main__":
    if "KILL_FILE" in os.environ:
        steps.gate = Gate(Path(os.environ["KILL_FILE"]), Path(os.environ["KILL_RECORD"]))
    if lease_s := os.environ.get("LEASE_S"):
        queue._LEASE_US = int(lease_s) * MICROSECONDS  # noqa: SLF001 - see the module
    if broken := os.environ.get("BREAK"):
        _BROKEN[broken]()
    main()
