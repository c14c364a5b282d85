"""`make powercuts`: have the power go at random moments under load, then count the mail.

The server lives on a disk that remembers its writes (`disk.py`). From one run under load the disk
is made again as it was at random moments, with what had not been flushed lost at random; the server
is started on each of these disks, and has to have all that it had acknowledged, once.

Prints for each cut what had been acknowledged and what was lost or doubled. Exits 1 when anything
was.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

from disk import LoggedDisk, Replay
from load import REMOTE, Ledger, Sink, drain
from target import NotYet, Server, free_port_base, furnish, load, wait_for

from tests.support.disks import mounted

_DISK_OCTETS = 1 << 30
_CUTS_A_RUN = 10
_BEGIN_S = 2.0
_PAUSE_S = (0.2, 1.5)
_IN_FLIGHT_S = 0.05
_FURTHER = 40  # entries
_FURTHER_S = 0.05
_READ_EVERY_S = 1.0  # what has been read needs to be on no disk
_SETTLE_S = 120.0
_DRAIN_S = 30.0
_CONNECTIONS = 5  # smtp.max_send_per_destination

Recipient = tuple[str, str]  # message id, address


@dataclass(frozen=True, slots=True)
class Options:
    """What is asked for.

    Attributes:
        count: of cuts.
        broken: what is broken on purpose, or empty.
        file_system: on the disk.
    """

    count: int
    broken: str
    file_system: str


@dataclass(frozen=True, slots=True)
class _Seen:
    """What clients had seen at a moment.

    Attributes:
        found: uids of what was read, by recipient.
        sunk: how often the remote host was given a message.
    """

    found: Mapping[Recipient, AbstractSet[str]]
    sunk: Counter[str]

    @classmethod
    def by(cls, ledger: Ledger) -> _Seen:
        with ledger.guard:
            return cls({key: set(uids) for key, uids in ledger.found.items()}, ledger.sunk.copy())


@dataclass(frozen=True, slots=True)
class _Cut:
    """A moment at which the power goes.

    Attributes:
        acknowledged: before it.
        before: what clients had seen before it.
        entries: of the disk's log.
        after: what they had seen at some time after it.
    """

    acknowledged: AbstractSet[Recipient]
    before: _Seen
    entries: int
    after: _Seen


def _record(disk: LoggedDisk, ledger: Ledger, cuts: int, chooser: random.Random) -> Iterator[_Cut]:
    """Choose moments while the server is under load."""
    pause = threading.Event().wait
    pause(_BEGIN_S)
    for _ in range(cuts):
        pause(chooser.uniform(*_PAUSE_S))
        with ledger.guard:
            acknowledged = set(ledger.acknowledged)
        before = _Seen.by(ledger)
        pause(_IN_FLIGHT_S)  # the log's own writes come in any order
        wanted = disk.entries() + chooser.randrange(
            _FURTHER
        )  # not only where a client was answered
        with contextlib.suppress(NotYet):
            wait_for(partial(_has, disk, wanted), _FURTHER_S, "nothing is written")
        entries = min(wanted, disk.entries())
        yield _Cut(acknowledged, before, entries, _Seen.by(ledger))


def _has(disk: LoggedDisk, entries: int) -> bool:
    return disk.entries() >= entries


def _reconcile(cut: _Cut, found: _Seen) -> tuple[list[Recipient], list[Recipient], int]:
    """Return who has lost a message, who has it twice, and how many were relayed again."""
    lost, doubled, again = [], [], 0
    for recipient in cut.acknowledged:
        message_id, address = recipient
        if address.endswith(f"@{REMOTE}"):
            is_there = cut.after.sunk[message_id] + found.sunk[message_id]
            again += cut.before.sunk[message_id] + found.sunk[message_id] > 1
        else:
            now: AbstractSet[str] = found.found.get(recipient, set())
            is_there = len(now) + (recipient in cut.after.found)
            if len(now | cut.before.found.get(recipient, set())) > 1:
                doubled.append(recipient)
        if not is_there:
            lost.append(recipient)
    return lost, doubled, again


def _cuts(
    folder: Path, ledger: Ledger, sink: Sink, chooser: random.Random, options: Options
) -> Iterator[tuple[_Cut, tuple[int, int], _Seen]]:
    """Yield cuts of one run with the writes that were lost, and what the server still has."""
    disk = LoggedDisk(folder, octets=_DISK_OCTETS, file_system=options.file_system)
    log, port_base = folder / "serve.log", free_port_base()
    try:
        gate = {"BREAK": options.broken}
        server = Server(disk.place / "home", log, port_base=port_base, gate=gate)
        try:
            accounts = furnish(server, sink.port)
            seed = chooser.randrange(1 << 20)
            with load(ledger, server, accounts, seed=seed, read_every_s=_READ_EVERY_S):
                cuts = list(_record(disk, ledger, options.count, chooser))
        finally:
            server.stop()
    finally:
        disk.close()
    replay = Replay(disk, folder / "flushed")
    for cut in cuts:
        lost = replay.cut(cut.entries, chooser, folder / "cut")
        ledger.forget()
        with mounted(folder / "cut", folder / "cut.mounted") as place:
            try:
                server = Server(place / "home", log, port_base=port_base, gate={})
            except NotYet as error:
                print(f"the server does not start: {error}")
            else:
                try:
                    wait_for(server.queue_is_empty, _SETTLE_S, "the queue did not empty")
                    drain(ledger, server.ports["pop3"], accounts, within_s=_DRAIN_S)
                finally:
                    server.stop()
        yield cut, lost, _Seen.by(ledger)


def run(options: Options, seed: int) -> int:
    """Cut, count and tell; returns the exit code."""
    chooser = random.Random(seed)
    ledger = Ledger()
    sink = Sink(ledger)
    sink.open()
    total: Counter[str] = Counter()
    print("cut  acknowledged  not flushed  of them lost  recipients lost  doubled  relayed again")
    try:
        left = options.count
        while left:
            some = replace(options, count=min(left, _CUTS_A_RUN))
            left -= some.count
            ledger.forget()
            with tempfile.TemporaryDirectory(prefix="posthouse-powercuts-") as folder:
                for cut, (unflushed, missing), found in _cuts(
                    Path(folder), ledger, sink, chooser, some
                ):
                    lost, doubled, again = _reconcile(cut, found)
                    total.update(cuts=1, acknowledged=len(cut.acknowledged), unflushed=unflushed)
                    total.update(missing=missing, lost=len(lost), doubled=len(doubled), again=again)
                    counts = (len(cut.acknowledged), unflushed, missing)
                    print(
                        "{:<3}{:>14}{:>13}{:>14}{:>17}{:>9}{:>15}".format(
                            total["cuts"], *counts, len(lost), len(doubled), again
                        ),
                        flush=True,
                    )
                    for name, some_of_them in (("lost", lost), ("doubled", doubled)):
                        if some_of_them:
                            print(f"    {name}: {some_of_them[:5]}")
    finally:
        sink.close()
    allowed = _CONNECTIONS * total["cuts"]
    print(
        "total{:>12}{:>13}{:>14}{:>17}{:>9}{:>15}".format(
            *(
                total[name]
                for name in ("acknowledged", "unflushed", "missing", "lost", "doubled", "again")
            )
        )
    )
    print(f"remote copies sent again: {total['again']}, of {allowed} that the cuts may cause")
    return 1 if total["lost"] or total["doubled"] or total["again"] > allowed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=5, help="how many cuts")
    parser.add_argument(
        "--seed", type=int, default=1, help="of the moments, the losses and the load"
    )
    parser.add_argument("--break", dest="broken", default="", choices=("", "no-fsync"))
    parser.add_argument("--file-system", default="ext4", choices=("ext4", "xfs", "btrfs"))
    chosen = parser.parse_args()
    sys.exit(run(Options(chosen.n, chosen.broken, chosen.file_system), chosen.seed))
