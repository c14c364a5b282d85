"""The command of `make bench`: measures Posthouse against its peers, pair by pair.

    .venv/bin/python tests/performance/bench.py --row list
    .venv/bin/python tests/performance/bench.py --row accept-c50 --pairs 5

Runs go in turn, peer and Posthouse, each on a fresh folder of the same disk with the same client.
The result is the median of the pairs' ratios; `bench/README.md` tells what is measured and how.

Never: gates anything. The exit code is 0 whatever the ratios are, 1 when no result came about.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence

import flat
import install
import machine
import measure
import peers
import posthouse_server
import report
import rows
import sink
from clients import ClientError
from server import Server, ServerError

__all__ = ["main"]

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_LIMIT = 150.0
"""Seconds that a row's runs may take: no pair begins that would end after them.

Removing the folders comes on top."""

_PEERS: dict[rows.Peer, type[Server]] = {
    rows.Peer.POSTFIX: peers.Postfix,
    rows.Peer.POSTFIX_LMTP: peers.PostfixLmtp,
    rows.Peer.POSTFIX_RELAY: sink.PostfixRelay,
    rows.Peer.DOVECOT: peers.Dovecot,
}
_OURS: dict[rows.Peer, type[Server]] = {rows.Peer.POSTFIX_RELAY: sink.PosthouseRelay}


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench.py", description="Measures Posthouse against its peers."
    )
    parser.add_argument("--row", required=True, help="a row's name, `all`, or `list`")
    parser.add_argument("--pairs", type=int, default=5, help="how many pairs of runs (5)")
    parser.add_argument(
        "--scale", type=float, default=1.0, help="factor on the number of messages, for a try (1)"
    )
    parser.add_argument(
        "--peer-only", action="store_true", help="measure the peer against itself; writes no result"
    )
    parser.add_argument(
        "--work",
        type=pathlib.Path,
        default=_ROOT / "var/bench",
        help="folder on the disk to measure (var/bench)",
    )
    parser.add_argument(
        "--out",
        type=pathlib.Path,
        default=None,
        help="folder for the results (bench/results, none for a try)",
    )
    parser.add_argument("--keep", action="store_true", help="keep the servers' folders and logs")
    options = parser.parse_args(words)
    if options.row not in {"list", "all", "flat", *rows.ROWS}:
        parser.error(f"no row {options.row!r}; there are: list, all, flat, {', '.join(rows.ROWS)}")
    if options.pairs < 1 or options.scale <= 0:
        parser.error("--pairs and --scale must be greater than 0")
    return options


def _list() -> None:
    _say(f"{'row':22}{'peer':22}{'floor':>7}{'goal':>7}  what\n")
    for row in rows.ROWS.values():
        cpu = (
            f"; CPU floor {row.cpu_floor:.3g}, goal {row.cpu_goal:.3g}"
            if row.cpu_goal and row.cpu_floor
            else ""
        )
        _say(f"{row.name:22}{row.peer:22}{row.floor:>6g}x{row.goal:>6g}x  {row.title}{cpu}\n")
    _say("flat: webmail's list page at 100,000 messages against 100; at most 1.5x, goal 1.2x\n")


class _Session:
    """The runs of one row, in a working folder of their own."""

    def __init__(self, row: rows.Row, work: pathlib.Path, ours: type[Server]) -> None:
        self.row = row
        self.work = work
        self.sides: tuple[type[Server], type[Server]] = (_PEERS[row.peer], ours)
        self.described: list[dict[str, object]] = [{}, {}]
        self.cpu_method = ""
        self._runs = 0

    def run(self, side: int) -> measure.Figures:
        """Runs one side once, on a fresh folder."""
        self._runs += 1
        home = self.work / f"{self._runs:02}"
        home.mkdir()
        with self.sides[side](home, self.row.mailboxes) as server:
            figures = measure.measure(server, self.row)
            if not self.described[side]:
                self.described[side] = server.describe()
            self.cpu_method = server.meter.method
        return figures


def _bench(row: rows.Row, options: argparse.Namespace) -> bool:
    """Measures one row; returns whether a result came about."""
    begin = time.monotonic()
    options.work.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix=f"{row.name[:12]}-", dir=options.work.resolve()))
    work.chmod(0o755)
    session = _Session(
        row,
        work,
        _PEERS[row.peer] if options.peer_only else _OURS.get(row.peer, posthouse_server.Posthouse),
    )
    names = (session.sides[0].name, session.sides[1].name + (" again" if options.peer_only else ""))
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    described = machine.describe(work)
    pairs: list[report.Pair] = []
    longest = 0.0
    try:
        for number in range(1, options.pairs + 1):
            start = time.monotonic()
            if pairs and start + longest > begin + _LIMIT:
                _say(f"  stopped after {len(pairs)} pairs: a row takes at most {_LIMIT:.0f} s\n")
                break
            pair = report.Pair(session.run(0), session.run(1))
            pairs.append(pair)
            longest = max(longest, time.monotonic() - start)
            _say(
                f"  pair {number}: {names[0]} {pair.peer.rate:,.0f}/s {pair.peer.cpu_us:,.0f} us,"
                f" {names[1]} {pair.ours.rate:,.0f}/s {pair.ours.cpu_us:,.0f} us,"
                f" ratio {pair.ours.rate / pair.peer.rate:.2f}\n"
            )
    except (ClientError, ServerError, measure.RunError, OSError) as error:
        sys.stderr.write(f"{row.name}: no result: {error}\n")
        return False
    finally:
        # Only now: on ext4, creating files right after mass unlinks is slow.
        if options.keep:
            _say(f"  kept: {work}\n")
        else:
            shutil.rmtree(work, ignore_errors=True)
    _say(report.table(row, report.summarise(pairs), names))
    out = options.out or (
        None if options.peer_only or options.scale != 1 else _ROOT / "bench/results"
    )
    if out is not None:
        record: dict[str, object] = {
            "measured at": now,
            "pairs wanted": options.pairs,
            "seconds": round(time.monotonic() - begin),
            "order": "peer, Posthouse, peer, Posthouse, ...; each a fresh server on a fresh folder",
            "cpu method": session.cpu_method,
            "machine": described,
            "peer": session.described[0],
            "posthouse": session.described[1],
        }
        path = out / f"{row.name}.json"
        report.write(path, row, pairs, record, work=work)
        _say(f"  written: {path}\n")
    return True


def _end(signum: int, _frame: object) -> None:
    """Turns a signal into an exception, so that the servers are stopped."""
    raise SystemExit(128 + signum)


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        words: the arguments; those of the process when None.

    Returns:
        0 when every row has a result, 1 otherwise.
    """
    options = _arguments(words)
    if options.row == "list":
        _list()
        return 0
    if options.row == "flat":  # Posthouse against itself
        return flat.main([])
    signal.signal(signal.SIGTERM, _end)
    os.umask(0o022)
    try:
        install.ensure_peers()
    except install.InstallError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    chosen = list(rows.ROWS.values()) if options.row == "all" else [rows.ROWS[options.row]]
    results = [_bench(row.scaled(options.scale), options) for row in chosen]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
