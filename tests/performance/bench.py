"""The command of `make bench`: measures Posthouse against its peers, pair by pair.

    .venv/bin/python tests/performance/bench.py --row list
    .venv/bin/python tests/performance/bench.py --row accept-c50 --pairs 5

The result of a row is the median of the pairs' ratios; `bench/README.md` tells what is measured and
how, and `docs/performance.md` is made from the results.

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

import install
import machine
import profiling
import result
from catalogue import CATALOGUE, Entry
from clients import ClientError
from measure import RunError
from plan import Plan
from posthouse_server import commit
from result import Result
from server import ServerError

__all__ = ["main"]

_ROOT = pathlib.Path(__file__).resolve().parents[2]


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench.py", description="Measures Posthouse against its peers."
    )
    parser.add_argument(
        "--row", required=True, help="names of rows with commas between, `all`, or `list`"
    )
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
    parser.add_argument(
        "--profile",
        action="store_true",
        help="look where Posthouse's time goes instead, into bench/profiles; wants perf",
    )
    parser.add_argument("--keep", action="store_true", help="keep the servers' folders and logs")
    options = parser.parse_args(words)
    if options.row not in {"list", "all"}:
        for name in options.row.split(","):
            if name not in CATALOGUE:
                parser.error(f"no row {name!r}; there are: {', '.join(CATALOGUE)}, and all, list")
    if options.pairs < 1 or options.scale <= 0:
        parser.error("--pairs and --scale must be greater than 0")
    return options


def _list() -> None:
    _say(f"{'row':24}{'against':24}{'floor, goal':28}what\n")
    for entry in CATALOGUE.values():
        _say(f"{entry.name:24}{entry.against:24}{entry.goals:28}{entry.title}\n")


def _bench(entry: Entry, options: argparse.Namespace) -> bool:
    """Measures one row; returns whether a result came about."""
    begin = time.monotonic()
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    options.work.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix=f"{entry.name[:12]}-", dir=options.work.resolve()))
    work.chmod(0o755)
    described = machine.describe(work)
    _say(f"{entry.name}: {entry.title}\n")
    plan = Plan(
        pairs=options.pairs,
        scale=options.scale,
        peer_only=options.peer_only,
        work=work,
        say=_say,
    )
    found: Result | profiling.Profile
    try:
        if options.profile:
            assert entry.look is not None
            found = entry.look(plan)
        else:
            found = entry.run(plan)
    except (ClientError, ServerError, RunError, profiling.ProfileError, OSError) as error:
        sys.stderr.write(f"{entry.name}: no result: {error}\n")
        return False
    finally:
        # Only now: on ext4, creating files right after mass unlinks is slow.
        if options.keep:
            _say(f"  kept: {work}\n")
        else:
            shutil.rmtree(work, ignore_errors=True)
            os.sync()  # so that the next row does not wait for it
    if not isinstance(found, Result):
        path = (options.out or _ROOT / "bench/profiles") / f"{entry.name}.json"
        profiling.write(path, entry.name, {"measured at": now, "commit": commit()}, found)
        _say(f"  written: {path}\n")
        return True
    seconds = round(time.monotonic() - begin)
    _say(result.table(found) + f"  took {seconds} s\n")
    is_try = options.peer_only or options.scale != 1
    out = options.out or (None if is_try else _ROOT / "bench/results")
    if out is not None:
        path = out / f"{entry.name}.json"
        about = {
            "measured at": now,
            "seconds": seconds,
            "scale": options.scale,
            "command": f"make bench ROW={entry.name}",
            "commit": commit(),
            "machine": described,
        }
        result.write(path, found, about, work=work)
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
    signal.signal(signal.SIGTERM, _end)
    os.umask(0o022)
    try:
        install.ensure_peers()
    except install.InstallError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    names = list(CATALOGUE) if options.row == "all" else options.row.split(",")
    if options.profile and options.row == "all":
        names = [name for name in names if CATALOGUE[name].look is not None]
    elif options.profile and (none := [each for each in names if CATALOGUE[each].look is None]):
        sys.stderr.write(f"no profile is made of {', '.join(none)}: see bench/README.md\n")
        return 2
    results = [_bench(CATALOGUE[name], options) for name in names]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
