"""How long readers and deliveries wait while mail comes in as fast as it can.

`starving.py [SECONDS]`, from the root of the tree.

smtp-source pushes over 50 connections; meanwhile one client logs in and says STAT, again and again,
and one message after the other is timed from its 250 until a POP3 client sees it. Then the same
without the load. No row of the catalogue: it prints a table.
"""

from __future__ import annotations

import pathlib
import poplib
import smtplib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence

import clients
import posthouse_server

_SMTP_SOURCE = "/usr/sbin/smtp-source"
_LOAD = 1_000_000  # messages: more than are sent in the time
_BETWEEN_S = 0.02  # of two log-ins
_PATIENCE_S = 30.0


def _stat(server: posthouse_server.Posthouse, account: clients.Account) -> int:
    session = poplib.POP3(server.pop3[0], server.pop3[1], timeout=_PATIENCE_S)
    session.user(account.login)
    session.pass_(account.password)
    count, _ = session.stat()
    session.quit()
    return count


def _logins(
    server: posthouse_server.Posthouse, account: clients.Account, until: float
) -> list[float]:
    """Returns the milliseconds from connect to the answer to STAT and QUIT, of each session."""
    taken = []
    while time.monotonic() < until:
        begin = time.perf_counter()
        _stat(server, account)
        taken.append((time.perf_counter() - begin) * 1000)
        time.sleep(_BETWEEN_S)
    return taken


def _lags(
    server: posthouse_server.Posthouse, account: clients.Account, until: float
) -> list[float]:
    """Returns the milliseconds from a message's 250 until a new session counts it."""
    taken = []
    while time.monotonic() < until:
        before = _stat(server, account)
        with smtplib.SMTP(server.smtp[0], server.smtp[1], timeout=_PATIENCE_S) as session:
            session.sendmail(clients.SENDER, [account.address], "Subject: when\r\n\r\nthen\r\n")
            begin = time.perf_counter()
        while _stat(server, account) == before and time.perf_counter() < begin + _PATIENCE_S:
            time.sleep(_BETWEEN_S / 4)
        taken.append((time.perf_counter() - begin) * 1000)
    return taken


def _told(name: str, taken: Sequence[float]) -> str:
    ordered = sorted(taken)
    p99 = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    middle = statistics.median(ordered)
    return (
        f"{name}: p50 {middle:.1f} ms, p99 {p99:.1f} ms, most {ordered[-1]:.1f} ms of {len(taken)}"
    )


def _measure(server: posthouse_server.Posthouse, seconds: float) -> None:
    until = time.monotonic() + seconds
    logins: list[float] = []
    reader = threading.Thread(
        target=lambda: logins.extend(_logins(server, server.accounts[0], until))
    )
    reader.start()
    lags = _lags(server, server.accounts[1], until)
    reader.join()
    print("  " + _told("login, STAT, QUIT", logins))
    print("  " + _told("250 until it is seen", lags), flush=True)


def main(seconds: float) -> None:
    """Measure, idle and under load."""
    with (
        tempfile.TemporaryDirectory(dir="var", prefix="starving-") as work,
        posthouse_server.Posthouse(pathlib.Path(work), 3) as server,
    ):
        for account in server.accounts:
            _stat(server, account)
        print("idle")
        _measure(server, seconds)
        before, begin = server.delivered(), time.monotonic()
        load = subprocess.Popen(
            [
                *(_SMTP_SOURCE, "-s", "50", "-m", str(_LOAD), "-l", "1024", "-d"),
                *("-f", clients.SENDER, "-t", server.accounts[2].address),
                f"{server.smtp[0]}:{server.smtp[1]}",
            ]
        )
        try:
            time.sleep(1)
            print("smtp-source, 50 connections")
            _measure(server, seconds)
            rate = (server.delivered() - before) / (time.monotonic() - begin)
            print(f"  meanwhile {rate:.0f} messages/s were delivered")
        finally:
            load.kill()
            load.wait()


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 10.0)
