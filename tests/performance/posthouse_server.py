"""Posthouse as the benchmark runs it: `posthouse serve --demo` on a fresh home.

The demo differs from production in nothing that a run measures: all default checks are on.
Mailboxes and settings are made before it starts, by the operations that the command line uses.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import random
import resource
import socket
import sqlite3
import time
from collections.abc import Iterator

import dns_stub
import furnish
from clients import send_mail
from pop3_load import stat
from server import Server, ServerError, run, wait_until

from appliance.operations.house import House, read_config
from appliance.upkeep import demo

__all__ = ["PORTS", "Posthouse", "commit", "port_base"]

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_COMMAND = _ROOT / ".venv/bin/posthouse"
PORTS = {
    "smtp": 25,
    "web": 80,
    "pop3": 110,
    "submissions": 465,
    "submission": 587,
    "pop3s": 995,
    "httpmail": 8080,
}
"""Each listener's port above the base."""
_LOGINS = 8
"""How often each mailbox logs in at the start: every process has most likely seen it then."""

_FEW = 20
"""Up to so many mailboxes are looked at by POP3, more in the store."""


class Posthouse(Server):
    """A demo server on a fresh home."""

    name = "posthouse"

    def start(self) -> None:
        """Furnishes the home, starts the server and waits for its line `ready`."""
        if not _COMMAND.exists():
            raise ServerError(f"{_COMMAND} is missing: run `make setup` first")
        self._dns = dns_stub.DnsStub()
        self._dns.__enter__()
        with self.house() as house:
            demo.furnish(house)
            furnish.change_settings(house, self.settings())
            self.accounts = furnish.make_accounts(
                house, mailboxes=self.mailboxes, postoffices=self.postoffices
            )
            self.furnish(house)
        self.serve()
        if len(self.accounts) <= _FEW:
            # The first login of each mailbox costs an argon2id hash in each of the processes.
            for account in self.accounts * _LOGINS:
                stat(self.pop3, account)

    def serve(self) -> None:
        """Starts the server on its home; its ports are in `ports` then."""
        base = port_base()
        self.log.unlink(missing_ok=True)
        words = ("--home", str(self.home), "serve", "--demo", "--port-base", str(base))
        self.launch([*self.command(), *words])
        self.await_ready(lambda: "ready" in self.log.read_text(errors="replace").splitlines())
        self.ports: dict[str, int] = json.loads((self.home / "demo.json").read_text())["ports"]
        self.smtp = ("127.0.0.1", self.ports["smtp"])
        self.pop3 = ("127.0.0.1", self.ports["pop3"])
        self.smtps = ("127.0.0.1", self.ports["submissions"])
        self.pop3s = ("127.0.0.1", self.ports["pop3s"])

    def restart(self) -> float:
        """Starts the server again on its home; returns the seconds until it was ready."""
        super().stop()
        begin = time.perf_counter()
        self.serve()
        return time.perf_counter() - begin

    def command(self) -> list[str]:
        """Returns what runs the `posthouse` command."""
        return [str(_COMMAND)]

    def furnish(self, house: House) -> None:
        """Puts what a row needs besides into the home, before the server starts."""

    def settings(self) -> dict[str, str]:
        """Returns what differs from the demonstration's settings."""
        found = {"smtp.dns_address": f"127.0.0.1:{self._dns.port}"}
        if self.recipients:
            found["smtp.max_recipients"] = str(self.recipients)
        if self.sessions:
            found["smtp.max_connections"] = str(self.sessions + 100)
            found["pop.max_connections"] = str(self.sessions + 100)
        return found

    @contextlib.contextmanager
    def house(self) -> Iterator[House]:
        """Opens the home's parts in this process."""
        # A store of its own for each of many post offices needs many descriptors.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        house = House(read_config(self.home))
        try:
            yield house
        finally:
            house.close()

    def posthouse(self, *words: str, given: str | None = None) -> str:
        """Runs the `posthouse` command on this home and returns what it printed."""
        return run(str(_COMMAND), "--home", str(self.home), *words, given=given)

    def services(self) -> dict[int, str]:
        """Returns the services' processes with what they are called."""
        living = set(self.meter.pids())
        names = [page.name.rpartition(".") for page in (self.home / "run/metrics").iterdir()]
        return {int(pid): service for service, _, pid in names if int(pid) in living}

    def delivered(self) -> int:
        """Counts by STAT in a session for each of few mailboxes, of many by the store."""
        if len(self.accounts) <= _FEW:
            return sum(stat(self.pop3, account) for account in self.accounts)
        ours = {account.login for account in self.accounts}
        total = 0
        with self.house() as house:
            for postoffice in house.directory.postoffices():
                boxes = house.directory.mailboxes(postoffice.name)
                shown = house.store.usages(postoffice.id)
                total += sum(shown.get(box.id, (0, 0))[0] for box in boxes if box.login in ours)
        return total

    def is_settled(self) -> bool:
        """Looks whether the queue holds no entry."""
        where = f"file:{self.home}/queues/queue.db?mode=ro"
        with contextlib.closing(sqlite3.connect(where, uri=True)) as queue:
            return queue.execute("SELECT 1 FROM queue_entries LIMIT 1").fetchone() is None

    def fill(self, count: int, size: int) -> None:
        """Few messages are sent by SMTP and delivered; many are put into the store as they are."""
        if count <= 20_000:
            before = self.delivered()
            send_mail(self.smtp, self.accounts, count=count, size=size, connections=20)
            wait_until(
                lambda: self.delivered() >= before + count,
                f"{count} messages delivered",
                pause=0.1,
            )
            return
        with self.house() as house:
            for account in self.accounts:
                mailbox = house.directory.mailbox(account.login)
                assert mailbox is not None
                furnish.put_messages(house, mailbox, count // len(self.accounts), size)

    def describe(self) -> dict[str, object]:
        """Returns the version and how durable a 250 is here."""
        return {
            "server": run(str(_COMMAND), "--version").strip(),
            "commit": commit(),
            "fsync": "always: SQLite WAL, synchronous=FULL; one for a group, before their 250s",
            "settings besides the demonstration's": self.settings(),
            "dns questions": self._dns.questions,
        }

    def stop(self) -> None:
        """Stops the server and the name server that it asks."""
        try:
            super().stop()
        finally:
            if hasattr(self, "_dns"):
                self._dns.__exit__(None, None, None)


def commit() -> str:
    """Returns the source's commit, or that there is none: a wheel has no repository.

    Results and the page made from them don't count as changes of the source.
    """
    made = (":!bench", ":!docs/performance", ":!docs/performance.md")
    try:
        found = run("git", "-C", str(_ROOT), "rev-parse", "--short", "HEAD").strip()
        changed = run("git", "-C", str(_ROOT), "status", "--porcelain", "--", ".", *made)
    except ServerError:
        return "unknown"
    return f"{found}-dirty" if changed.strip() else found


def port_base() -> int:
    """Returns a base whose ports are all free now, below those that the kernel gives to clients.

    By chance, so that two benchmarks that start at the same time rarely choose the same.
    """
    for base in random.sample(range(10000, 24000, 100), 140):
        try:
            for port in PORTS.values():
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", base + port))
        except OSError:
            continue
        return base
    raise ServerError("no free port base between 10000 and 24000")
