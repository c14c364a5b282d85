"""Rows measured against Posthouse itself: the same page of a small and of a large folder.

    make bench ROW=flat

A home gets two mailboxes, with 100 and with 100,000 messages, by the store's own way of delivery;
then `posthouse serve` runs on it, and both pages are asked for in turn over HTTP, signed in.
"""

from __future__ import annotations

import argparse
import http.client
import json
import pathlib
import re
import statistics
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Sequence
from functools import partial

import posthouse_server

from appliance.database.content import Content
from appliance.directory.records import Mailbox
from appliance.mail.headers import scan
from appliance.operations.house import House, read_config
from appliance.store.message import Delivery, Order, Use

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_SIZES = (100, 100_000)
_BATCH = 500
_GOAL, _FLOOR = 1.2, 1.5  # PERFORMANCE.md: list page of 100,000 against 100
_WARM = 5


def _fill(house: House, mailbox: Mailbox, count: int) -> None:
    """Deliver so many messages, five hundred a commit."""
    for start in range(0, count, _BATCH):
        deliveries = []
        for number in range(start, min(start + _BATCH, count)):
            octets = (
                f"From: Person {number % 977} <p{number % 977}@example.net>\r\n"
                f"To: {mailbox.login}\r\nSubject: Subject {number * 7919 % 100_003}\r\n"
                "Date: Sun, 22 Nov 2026 12:00:00 +0000\r\n\r\n"
                f"The text of message {number}, which says something.\r\n"
            ).encode()
            entry = f"{mailbox.id:05}-{number:010}"
            deliveries.append(
                Delivery(
                    id=f"{entry}.0",
                    entry_id=entry,
                    mailbox_id=mailbox.id,
                    content=Content(len(octets), octets, None),
                    of=1,
                    prefix=b"Return-Path: <p@example.net>\r\n",
                    summary=scan(octets).to_json(),
                )
            )
        house.store.deliver(mailbox.postoffice_id, deliveries)


class _Browser:
    """One signed-in connection to webmail."""

    def __init__(self, port: int, login: str, password: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)
        self._cookies: dict[str, str] = {}
        page = self.get("/webmail/login").decode()
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', page)
        assert found is not None
        form = {"csrf": found[1], "user": login, "password": password}
        self._ask("POST", "/webmail/login", urllib.parse.urlencode(form), status=302)

    def get(self, path: str) -> bytes:
        """Ask for a page."""
        return self._ask("GET", path, None, status=200)

    def _ask(self, method: str, path: str, body: str | None, *, status: int) -> bytes:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        octets = answer.read()
        if answer.status != status:
            raise SystemExit(f"{method} {path} answered {answer.status}")
        for line in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = line.partition(";")[0].partition("=")
            self._cookies[name] = value
        return octets


def _ask_one(asked: Sequence[tuple[_Browser, str]], side: int) -> bytes:
    browser, path = asked[side]
    return browser.get(path)


def _times(ask: Callable[[int], object], runs: int) -> tuple[list[float], list[float]]:
    """Return milliseconds of both sides, asked in turn."""
    taken: tuple[list[float], list[float]] = ([], [])
    for run in range(runs + _WARM):
        for side in (0, 1):
            begin = time.perf_counter()
            ask(side)
            if run >= _WARM:
                taken[side].append((time.perf_counter() - begin) * 1000)
    return taken


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print a table, write bench/results/webmail-list.json; see `bench.main`."""
    parser = argparse.ArgumentParser(description="Pages of a small and a large folder.")
    parser.add_argument("--runs", type=int, default=100, help="how often each page is asked for")
    parser.add_argument("--out", type=pathlib.Path, default=_ROOT / "bench/results")
    options = parser.parse_args(words)
    work = _ROOT / "var/bench"
    work.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=work) as folder,
        posthouse_server.Posthouse(pathlib.Path(folder), len(_SIZES)) as server,
    ):
        house = House(read_config(server.home))
        boxes = [house.directory.mailbox(account.login) for account in server.accounts]
        mailboxes = [box for box in boxes if box is not None]
        begin = time.monotonic()
        for mailbox, count in zip(mailboxes, _SIZES, strict=True):
            _fill(house, mailbox, count)
        sys.stdout.write(
            f"{sum(_SIZES):,} messages delivered in {time.monotonic() - begin:.0f} s\n"
        )
        inboxes = [
            house.store.mailbox(box.postoffice_id, box.id).special(Use.INBOX) for box in mailboxes
        ]
        house.close()
        port = json.loads((server.home / "demo.json").read_text())["ports"]["web"]
        browsers = [_Browser(port, each.login, each.password) for each in server.accounts]
        rows = {}
        sys.stdout.write(f"{'page':28}{'100':>10}{'100,000':>10}{'ratio':>8}\n")
        for order in Order:
            for descending in (True, False):
                query = urllib.parse.urlencode(
                    {"order": order.value, "way": "down" if descending else "up"}
                )
                paths = [f"/webmail/{inbox.id}/?{query}" for inbox in inboxes]
                asked = list(zip(browsers, paths, strict=True))
                small, large = _times(partial(_ask_one, asked), options.runs)
                ratio = statistics.median(large) / statistics.median(small)
                name = f"by {order.value}, {'down' if descending else 'up'}"
                rows[name] = {"ms at 100": small, "ms at 100,000": large, "ratio": round(ratio, 3)}
                sys.stdout.write(
                    f"{name:28}{statistics.median(small):>7.2f} ms"
                    f"{statistics.median(large):>7.2f} ms{ratio:>8.2f}\n"
                )
    record = {"goal": _GOAL, "floor": _FLOOR, "runs": options.runs, "pages": rows}
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "webmail-list.json"
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"written: {path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
