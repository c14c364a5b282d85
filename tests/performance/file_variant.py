"""Posthouse with a file for each message: what its own queue is measured against.

    file_variant.py --home DIR serve --demo …

It is the same server, with the same door, checks and processes. Only what happens between a
message's last octet and its 250 differs: it becomes a new file, which is fsynced and renamed, and
its directory is fsynced, as mail servers with a file for each message do. Nothing is delivered from
there.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import pathlib
from collections.abc import Awaitable
from typing import Any

from appliance.cli.main import main
from appliance.database.content import ContentWriter
from appliance.mail.envelope import Envelope
from appliance.queue.entry import Origin
from appliance.queue.queue import Queue

__all__ = ["FOLDER"]

FOLDER = "queues/files"
_THREADS = 32  # more than enough to have an fsync of each connection under way


class _Files:
    """The folder, and the threads that write into it; each process has its own."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        (folder / "tmp").mkdir(parents=True, exist_ok=True)
        (folder / "new").mkdir(exist_ok=True)
        self.pool = concurrent.futures.ThreadPoolExecutor(_THREADS)

    def keep(self, name: str, octets: bytes) -> str:
        """Writes a file that survives a power cut, and shows it under its name only then."""
        draft = self.folder / "tmp" / name
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            os.write(descriptor, octets)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        draft.rename(self.folder / "new" / name)
        directory = os.open(self.folder / "new", os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        return name


_files: dict[int, _Files] = {}


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
    files = _files.get(os.getpid())
    if files is None:
        files = _files[os.getpid()] = _Files(self.folder.path.parent / "files")
    name = message_id or self.new_id()
    lines = [str(envelope.reverse_path), *(str(each.address) for each in envelope.recipients), ""]
    octets = "\n".join(lines).encode() + (content.body() or b"")
    return asyncio.get_running_loop().run_in_executor(files.pool, files.keep, name, octets)


if __name__ == "__main__":
    Queue.submit_async = _submit  # type: ignore[method-assign] # this is the whole variant
    main()
