"""Message contents on disk: small ones in a row, large ones as files, both immutable.

Up to 128 KiB a row is faster than a file, above it slower (PERFORMANCE, measured at 16 KiB pages).

Owns: the files below one `content/` folder.
Failure: OSError when the disk is full or broken; nothing is acknowledged then.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from appliance.database.errors import CommitFailed
from appliance.runtime.files import sync_folder
from appliance.runtime.removals import Removals

INLINE_MAX = 128 << 10
CHUNK = 256 << 10


@dataclass(frozen=True, slots=True)
class Content:
    """A message's octets, wherever they are.

    Attributes:
        size: octets.
        body: the octets, when they are kept in a row.
        path: the file that holds them otherwise.
        crc: CRC-32 of the octets; None where nobody has reckoned it.
    """

    size: int
    body: bytes | None
    path: Path | None
    crc: int | None = None

    def chunks(self) -> Iterator[bytes]:
        """Yield the octets in pieces of at most 256 KiB."""
        if self.body is not None:
            yield self.body
            return
        assert self.path is not None
        with self.path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def read(self, limit: int | None = None) -> bytes:
        """Return the octets, or the first `limit` of them."""
        if self.body is not None:
            return self.body if limit is None else self.body[:limit]
        assert self.path is not None
        with self.path.open("rb") as file:
            return file.read() if limit is None else file.read(limit)


class ContentFolder:
    """The folder of one owner's large contents, in sub-folders by the end of the message id."""

    def __init__(self, path: Path, removals: Removals | None = None) -> None:
        """Name the folder; it is made when something is first put there.

        Args:
            path: the folder.
            removals: the home's, which a backup holds up.
        """
        self.path = path
        self._removals = removals

    def file(self, name: str) -> Path:
        """Return the path of a content's file."""
        return self.path / name[14:16] / name

    def make_place(self, name: str) -> Path:
        """Return the path of a new content's file, with its folder made."""
        path = self.file(name)
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            for folder in (self.path, self.path.parent):  # the new names have to last, too
                sync_folder(folder)
        return path

    def link(self, source: Path, name: str) -> None:
        """Give an existing content file a name here, durably; the octets are not copied."""
        path = self.make_place(name)
        try:
            os.link(source, path)
        except FileExistsError:  # left by a delivery that a crash cut off, or made before
            if not path.samefile(source):
                path.unlink()
                os.link(source, path)
        sync_folder(path.parent)

    def check(self, name: str) -> None:
        """See whether a file is still there, in the transaction that names it.

        Housekeeping sweeps files that no row names an hour after they were made, by the clock; a
        clock that jumps makes an hour of a moment.

        Raises:
            CommitFailed: it has gone.
        """
        if not self.file(name).exists():
            raise CommitFailed(f"the content {name} was removed before anything named it")

    def remove(self, name: str) -> None:
        """Unlink a content's file that no row names any more; one that has gone is no error.

        While a backup runs it stays: housekeeping sweeps it later.
        """
        if self._removals is None:
            self.file(name).unlink(missing_ok=True)
            return
        with self._removals.allowed() as may:
            if may:
                self.file(name).unlink(missing_ok=True)

    def names(self) -> Iterator[Path]:
        """Yield the files that exist."""
        if self.path.is_dir():
            yield from self.path.glob("*/*")


class ContentWriter:
    """Takes a message as it arrives; keeps it in memory while it is small, then in a file."""

    def __init__(self, folder: ContentFolder, name: str) -> None:
        """Prepare; `name` is the file's name, should it become one."""
        self._folder = folder
        self._name = name
        self._chunks: list[bytes] = []
        self._file: BinaryIO | None = None
        self.head = b""
        self.size = 0
        self.crc = 0  # CRC-32 of what was written

    def write(self, chunk: bytes) -> None:
        """Append octets."""
        self.size += len(chunk)
        self.crc = zlib.crc32(chunk, self.crc)
        if self._file is not None:
            self._file.write(chunk)
            return
        self._chunks.append(chunk)
        if self.size > INLINE_MAX:
            self._spill()

    @property
    def is_file(self) -> bool:
        """Whether it has become a file."""
        return self._file is not None

    def beginning(self) -> bytes:
        """Return the first octets (128 KiB at most): enough for the header section."""
        return self.head or self._joined()

    def body(self) -> bytes | None:
        """Return the octets of a small content, None for a file."""
        return None if self._file is not None else self._joined()

    def file_name(self) -> str | None:
        """Return the file's name, None for a small content."""
        return None if self._file is None else self._name

    def sync(self) -> None:
        """Make a file durable: its octets, then its name (blocks; a small content does nothing)."""
        if self._file is not None and not self._file.closed:
            self._file.flush()
            os.fdatasync(self._file.fileno())
            self._file.close()
            sync_folder(self._folder.file(self._name).parent)

    def check(self) -> None:
        """See whether a file is still there (see `ContentFolder.check`)."""
        if self._file is not None:
            self._folder.check(self._name)

    def abandon(self) -> None:
        """Throw away what was written."""
        self._chunks.clear()
        if self._file is not None:
            try:
                self._file.close()  # writes what is buffered, and fails again on a full disk
            except OSError:
                pass
            finally:
                self._folder.remove(self._name)

    def _joined(self) -> bytes:
        whole = b"".join(self._chunks)
        self._chunks = [whole]
        return whole

    def _spill(self) -> None:
        flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY
        descriptor = os.open(self._folder.make_place(self._name), flags, 0o600)
        file = os.fdopen(descriptor, "wb", buffering=CHUNK)
        written = b"".join(self._chunks)
        self.head = written[:INLINE_MAX]
        file.write(written)
        self._chunks.clear()
        self._file = file
