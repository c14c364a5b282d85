"""A disk that remembers each write and flush, to be had again as a power cut would have left it.

QEMU's storage daemon exports an image through its `blklogwrites` filter as a file; the kernel has
a loop device and a file system on it. What was written before a flush ended is on a disk after a
power cut; of what was written since, each write may be there, or not, or some of its sectors.

Owns: a folder with the images, a daemon, a loop device, a mount. Needs root, FUSE and loop devices.
Failure: `subprocess.CalledProcessError` of a tool, with what it said.
"""

from __future__ import annotations

import random
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from target import wait_for

from tests.support.disks import mounted, run

_SECTOR = 512
_ENTRY = struct.Struct("<QQQQ")  # dm-log-writes: sector, sectors, flags, octets of a mark
_FLUSH, _DISCARD = 1, 4
_EXPORT = "type=fuse,id=logged,node-name=logged,writable=on,allow-other=off"
_LOG_OCTETS = 64 << 30  # sparse
_KEPT, _TORN = 0.5, 0.1  # of what was not flushed


class _Write(NamedTuple):
    """An entry of the log.

    Attributes:
        sector: where it was written.
        sectors: how many; 0 for a flush alone.
        flags: as dm-log-writes has them.
        at: where its octets lie in the log.
    """

    sector: int
    sectors: int
    flags: int
    at: int


class _Reader:
    """Reads the log on from where it was."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = _SECTOR  # behind the head
        self.count = 0

    def read(self, until: int | None = None) -> Iterator[_Write]:
        """Yield entries up to a count, or those that are there."""
        with self._path.open("rb") as log:
            while until is None or self.count < until:
                log.seek(self._at)
                sector, sectors, flags, _ = _ENTRY.unpack(log.read(_ENTRY.size))
                if not sectors and not flags:
                    return
                found = _Write(sector, sectors, flags, self._at + _SECTOR)
                self._at = found.at + (0 if flags & _DISCARD else sectors * _SECTOR)
                self.count += 1
                yield found


class LoggedDisk:
    """A mounted file system on a disk that remembers.

    Attributes:
        place: where it is mounted.
        log: every write and flush.
        base: the image before the first of them.
    """

    def __init__(self, folder: Path, *, octets: int, file_system: str) -> None:
        """Make the disk and mount it.

        Args:
            folder: for all files.
            octets: the disk's size.
            file_system: such as ext4 or xfs.
        """
        image, export = folder / "disk", folder / "export"
        self.log, self.base, self.place = folder / "log", folder / "base", folder / "disk.mounted"
        for path, size in ((image, octets), (self.log, _LOG_OCTETS)):
            with path.open("wb") as file:
                file.truncate(size)
        run(f"mkfs.{file_system}", "-q", str(image))
        copy(image, self.base)
        export.touch()
        self._daemon = subprocess.Popen(
            [
                "qemu-storage-daemon",
                "--blockdev", f"driver=file,node-name=disk,filename={image}",
                "--blockdev", f"driver=file,node-name=log,filename={self.log}",
                "--blockdev", "driver=blklogwrites,node-name=logged,file=disk,log=log",
                "--export", f"{_EXPORT},mountpoint={export}",
            ],
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(lambda: export.stat().st_size == octets, 20, "the logged disk is not there")
        self._mounted = mounted(export, self.place)
        self._mounted.__enter__()
        self._reader = _Reader(self.log)

    def entries(self) -> int:
        """Count the writes and flushes up to now."""
        for _ in self._reader.read():
            pass
        return self._reader.count

    def close(self) -> None:
        """Unmount it; its log stays."""
        self._mounted.__exit__(None, None, None)
        self._daemon.terminate()
        self._daemon.wait(20)


class Replay:
    """Makes the disk anew as it was at one moment after another."""

    def __init__(self, disk: LoggedDisk, image: Path) -> None:
        """Begin with the empty disk.

        Args:
            disk: whose log is replayed.
            image: what was flushed, up to now.
        """
        self._log = disk.log
        self._image = image
        self._reader = _Reader(disk.log)
        self._unflushed: list[_Write] = []
        copy(disk.base, image)

    def cut(self, entries: int, chooser: random.Random, image: Path) -> tuple[int, int]:
        """Make an image as the disk may be when the power goes after so many entries.

        Returns:
            How many writes had not been flushed, and how many of them were lost, whole or in part.
        """
        with self._log.open("rb") as log:
            with self._image.open("r+b") as durable:
                for each in self._reader.read(entries):
                    if each.flags & _FLUSH:
                        for earlier in self._unflushed:
                            _write(log, durable, earlier, earlier.sectors)
                        self._unflushed.clear()
                    if each.sectors:
                        self._unflushed.append(each)
            copy(self._image, image)
            lost = 0
            with image.open("r+b") as cut:
                for each in self._unflushed:
                    sectors = _survivors(each.sectors, chooser)
                    lost += sectors < each.sectors
                    _write(log, cut, each, sectors)
        return len(self._unflushed), lost


def _survivors(sectors: int, chooser: random.Random) -> int:
    """Choose how many sectors of a write reach the disk."""
    dice = chooser.random()
    if dice < _KEPT:
        return sectors
    return chooser.randrange(sectors) if dice < _KEPT + _TORN else 0


def _write(log: BinaryIO, image: BinaryIO, entry: _Write, sectors: int) -> None:
    image.seek(entry.sector * _SECTOR)
    if entry.flags & _DISCARD:
        image.write(bytes(sectors * _SECTOR))
    else:
        log.seek(entry.at)
        image.write(log.read(sectors * _SECTOR))


def copy(image: Path, to: Path) -> None:
    """Copy an image without its holes."""
    run("cp", "--sparse=always", str(image), str(to))
