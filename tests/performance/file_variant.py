"""Posthouse with a file for each message: what its own queue is measured against.

    file_variant.py --home DIR serve --demo …

It is the same server, with the same door, checks and processes. What differs is how a message is
kept: before its 250 it becomes a new file, which is synced and renamed, and its directory is
synced; then it is written into its mailbox in the same way and leaves the queue, as mail servers
with a file for each message do. Logs of the delivery, DSNs and everything else of the MTA agent are
left out.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import fcntl
import os
import pathlib
import signal
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from appliance.agents.mta import agent
from appliance.cli.main import main
from appliance.database.content import ContentWriter
from appliance.mail.address import Address
from appliance.mail.envelope import Envelope
from appliance.operations.house import House
from appliance.queue.entry import Origin
from appliance.queue.parts import WHOLE, Part
from appliance.queue.queue import Queue
from appliance.runtime.doorbell import Doorbell
from appliance.runtime.logs import Logs

__all__ = ["MAILBOXES", "QUEUE"]

QUEUE = "queues/files"
MAILBOXES = "postoffices/files"
_THREADS = 32  # enough to have an fsync of most connections under way
_PAUSE_S = 0.005


class _Folder:
    """A folder that files appear in whole and for good, as in a Maildir."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        (path / "tmp").mkdir(parents=True, exist_ok=True)
        (path / "new").mkdir(exist_ok=True)

    def keep(self, name: str, octets: bytes) -> str:
        """Writes a file that survives a power cut, and shows it under its name only then."""
        draft = self.path / "tmp" / name
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            os.write(descriptor, octets)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        draft.rename(self.path / "new" / name)
        directory = os.open(self.path / "new", os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        return name


class _Door:
    """A process's queue folder, with threads that write into it."""

    def __init__(self, home: pathlib.Path) -> None:
        self.folder = _Folder(home / QUEUE)
        self.pool = concurrent.futures.ThreadPoolExecutor(_THREADS)


_doors: dict[int, _Door] = {}


def _submit(
    self: Queue,
    envelope: Envelope,
    content: ContentWriter,
    origin: Origin,
    *,
    message_id: str | None = None,
    reason: dict[str, Any] | None = None,
) -> Awaitable[str]:
    """Keeps the envelope and the message in one file; see `Queue.submit_async`."""
    del origin, reason
    door = _doors.get(os.getpid())
    if door is None:
        door = _doors[os.getpid()] = _Door(self.folder.path.parents[1])
    lines = [str(envelope.reverse_path), *(str(each.address) for each in envelope.recipients), ""]
    octets = "\n".join(lines).encode() + b"\n" + (content.body() or b"")
    name = message_id or self.new_id()
    return asyncio.get_running_loop().run_in_executor(door.pool, door.folder.keep, name, octets)


def _deliver(
    house: House, logs: Logs, bell: Doorbell, ready: Callable[[], None], part: Part = WHOLE
) -> None:
    """Moves messages from the queue's folder to their mailboxes'; see `agent.run`."""
    del logs, bell, part
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    queue = _Folder(house.home / QUEUE)
    mailboxes: dict[int, _Folder] = {}
    with (queue.path / "lock").open("wb") as lock:
        ready()
        is_first = False  # of several agents one does it
        while not stopping.wait(_PAUSE_S):
            if not is_first:
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    is_first = True
            for path in sorted((queue.path / "new").iterdir()) if is_first else ():
                _deliver_one(house, path, mailboxes)


def _deliver_one(house: House, path: pathlib.Path, mailboxes: dict[int, _Folder]) -> None:
    envelope, _, octets = path.read_bytes().partition(b"\n\n")
    reverse_path, *recipients = envelope.decode().split("\n")
    for recipient in recipients:
        target = house.directory.target(Address.parse(recipient))
        folder = mailboxes.get(target.mailbox_id)
        if folder is None:
            folder = _Folder(house.home / MAILBOXES / str(target.mailbox_id))
            mailboxes[target.mailbox_id] = folder
        folder.keep(path.name, f"Return-Path: <{reverse_path}>\r\n".encode() + octets)
    path.unlink()


if __name__ == "__main__":
    # This is the whole variant.
    Queue.submit_async = _submit  # type: ignore[method-assign]
    agent.run = _deliver
    main()
