"""Disks to fill up or to break: images with a file system, mounted by a loop device.

Owns: what it mounted and started, for the time of a `with` block. Needs root, loop devices, FUSE.
Failure: `subprocess.CalledProcessError` of a tool.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from tests.support.waiting import until

_MIB = 1 << 20


def run(*words: str) -> str:
    """Run a tool and return what it printed."""
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def mounted(image: Path, place: Path, *, journal: Path | None = None) -> Iterator[Path]:
    """Have the file system of an image at a place; its journal may lie in an image of its own."""
    place.mkdir(exist_ok=True)
    with ExitStack() as stack:
        loop = stack.enter_context(_device(image))
        options: tuple[str, ...] = ()
        if journal is not None:
            options = ("-o", f"journal_path={stack.enter_context(_device(journal))}")
        run("mount", *options, loop, str(place))
        stack.callback(run, "umount", str(place))
        yield place


@contextmanager
def _device(image: Path) -> Iterator[str]:
    # without direct I/O: the storage daemon of Debian 12 mixes up writes that come side by side
    loop = run("losetup", "--find", "--show", str(image))
    try:
        yield loop
    finally:
        run("losetup", "--detach", loop)


@contextmanager
def small_disk(folder: Path, *, octets: int, inodes: int = 0) -> Iterator[Path]:
    """Have a disk of so many octets, for so many files."""
    image = _image(folder, octets, *(("-N", str(inodes)) if inodes else ()))
    with mounted(image, folder / "disk.mounted") as place:
        yield place


def fill(file: Path, *, leave: int = 0) -> None:
    """Write into a file until the disk is full, or has so many octets left."""
    for step in (_MIB, 4096, 1):
        with suppress(OSError), file.open("ab", buffering=0) as open_file:
            while True:
                open_file.write(bytes(step))
    os.truncate(file, file.stat().st_size - leave)


def fill_names(folder: Path) -> None:
    """Make files until the disk has no inode left."""
    folder.mkdir()
    with suppress(OSError):
        for number in range(1 << 20):
            (folder / str(number)).touch()


class FaultyDisk:
    """A disk whose reads or writes fail, or are slow, for as long as asked.

    Attributes:
        place: where it is mounted.
    """

    def __init__(self, folder: Path, *, octets: int, spares_journal: bool = False) -> None:
        """Make the disk.

        Args:
            folder: for all files.
            octets: the disk's size.
            spares_journal: the file system's journal is on another disk, which never fails.
        """
        self._journal = folder / "journal" if spares_journal else None
        self._image = _image(folder, octets, journal=self._journal)
        self._triggers = {what: folder / f"fail-{what}" for what in ("pread", "pwrite")}
        self._export = folder / "export"
        self._sockets = folder / "nbd", folder / "qmp"
        self._stack = ExitStack()
        self._mount = ExitStack()
        self.place = folder / "disk.mounted"

    def __enter__(self) -> Self:
        """Start the daemons and mount the disk."""
        nbd, qmp = self._sockets
        with self._stack as stack:
            failing = [
                f"error-{what}{word}"
                for what, trigger in self._triggers.items()
                for word in ("=EIO", "-rate=100%", f"-file={trigger}")
            ]
            self._start(
                *("nbdkit", "--foreground", "--unix", str(nbd), "--filter=error"),
                *("file", str(self._image), *failing),
            )
            until(nbd.exists, "the failing disk answers")
            self._export.touch()
            export = f"id=out,node-name=slow,writable=on,mountpoint={self._export},allow-other=off"
            self._start(
                "qemu-storage-daemon",
                *("--object", "throttle-group,id=pace"),
                *("--blockdev", f"driver=nbd,node-name=failing,server.type=unix,server.path={nbd}"),
                *("--blockdev", "driver=throttle,node-name=slow,throttle-group=pace,file=failing"),
                *("--export", f"type=fuse,{export}"),
                *("--chardev", f"socket,id=talk,path={qmp},server=on,wait=off"),
                *("--monitor", "chardev=talk"),
            )
            size = self._image.stat().st_size
            until(lambda: self._export.stat().st_size == size, "the disk is there")
            self.mount()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Unmount it and end the daemons."""
        self.heal()
        self.unmount()
        self._stack.close()

    def mount(self) -> None:
        """Have the file system at its place."""
        self._mount.enter_context(mounted(self._export, self.place, journal=self._journal))

    def unmount(self) -> None:
        """Take it away."""
        self._mount.close()

    @contextmanager
    def power_cut(self, folder: Path) -> Iterator[Path]:
        """Have what is on the disk now, as after a power cut, mounted at another place.

        Nobody should write meanwhile: with a journal apart there are two disks to copy.
        """
        folder.mkdir()
        copies = [folder / each.name for each in (self._image, self._journal) if each is not None]
        for copy in copies:
            run("cp", "--sparse=always", str(self._image.with_name(copy.name)), str(copy))
        journal = copies[1] if len(copies) > 1 else None
        with mounted(copies[0], folder / "mounted", journal=journal) as place:
            yield place

    def fail(self, what: str) -> None:
        """Have each read (`pread`) or write (`pwrite`) fail with EIO."""
        self._triggers[what].touch()

    def slow_down(self, writes_a_second: int) -> None:
        """Have it write no more often than that; 0 for as often as it can."""
        with socket.socket(socket.AF_UNIX) as talk:
            talk.connect(str(self._sockets[1]))
            with talk.makefile("rw") as lines:
                lines.readline()  # it greets
                limits = {"iops-write": writes_a_second}
                path = {"path": "/objects/pace", "property": "limits", "value": limits}
                for command, arguments in (("qmp_capabilities", {}), ("qom-set", path)):
                    _tell(lines, {"execute": command, "arguments": arguments})

    def heal(self) -> None:
        """Have it work again."""
        for trigger in self._triggers.values():
            trigger.unlink(missing_ok=True)
        self.slow_down(0)

    def _start(self, *command: str) -> None:
        daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        self._stack.callback(daemon.wait, 20)
        self._stack.callback(daemon.terminate)


def _tell(lines: Any, words: dict[str, object]) -> None:  # noqa: ANN401 - a text file
    lines.write(json.dumps(words) + "\n")
    lines.flush()
    answer = json.loads(lines.readline())
    assert "return" in answer, answer


def _image(folder: Path, octets: int, *options: str, journal: Path | None = None) -> Path:
    image = _empty(folder / "disk", octets)
    if journal is None:
        run("mkfs.ext4", "-q", "-m", "0", *options, str(image))
        return image
    with _device(_empty(journal, 16 * _MIB)) as log, _device(image) as device:
        run("mke2fs", "-q", "-b", "4096", "-O", "journal_dev", log)
        run("mkfs.ext4", "-q", "-m", "0", "-b", "4096", "-J", f"device={log}", *options, device)
    return image


def _empty(path: Path, octets: int) -> Path:
    with path.open("wb") as file:
        file.truncate(octets)
    return path
