"""Posthouse as the benchmark runs it: `posthouse serve --demo` on a fresh home.

The demo differs from production in nothing that a run measures: all default checks are on.
Mailboxes are made by the command line, as a person would; mail gets in by SMTP only.
"""

from __future__ import annotations

import concurrent.futures
import json
import pathlib
import socket

import dns_stub
from clients import Account, send_mail, stat
from server import Server, ServerError, run, wait_until

__all__ = ["Posthouse"]

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_COMMAND = _ROOT / ".venv/bin/posthouse"
_PORTS = (25, 80, 110, 465, 587, 995, 8080)
_PASSWORD = "correct horse battery staple"


class Posthouse(Server):
    """A demo server on a fresh home."""

    name = "posthouse"

    def start(self) -> None:
        """Starts the server, waits for its line `ready`, then makes the mailboxes."""
        if not _COMMAND.exists():
            raise ServerError(f"{_COMMAND} is missing: run `make setup` first")
        self._dns = dns_stub.DnsStub()
        self._dns.__enter__()
        base = _port_base()
        self.launch(
            [str(_COMMAND), "--home", str(self.home), "serve", "--demo", "--port-base", str(base)]
        )
        self.await_ready(lambda: "ready" in self.log.read_text(errors="replace").splitlines())
        demo = json.loads((self.home / "demo.json").read_text())
        self.smtp = ("127.0.0.1", demo["ports"]["smtp"])
        self.pop3 = ("127.0.0.1", demo["ports"]["pop3"])
        domain = next(
            a["address"] for a in demo["accounts"] if a["login"] == "alice@demo"
        ).rpartition("@")[2]
        self.posthouse("settings", "set", "smtp.dns_address", f"127.0.0.1:{self._dns.port}")
        self.accounts = [
            Account(f"m{n}@demo", f"m{n}@{domain}", _PASSWORD) for n in range(1, self.mailboxes + 1)
        ]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(self._create, self.accounts))
        # The first login of each mailbox costs an argon2id hash; it shows what is there already.
        self._before = {account.login: stat(self.pop3, account) for account in self.accounts}

    def posthouse(self, *words: str, given: str | None = None) -> str:
        """Runs the `posthouse` command on this home and returns what it printed."""
        return run(str(_COMMAND), "--home", str(self.home), *words, given=given)

    def delivered(self) -> int:
        """Counts by STAT, in a session for each mailbox."""
        return sum(
            stat(self.pop3, account) - self._before[account.login] for account in self.accounts
        )

    def fill(self, count: int, size: int) -> None:
        """Sends the messages by SMTP and waits until all are delivered."""
        send_mail(self.smtp, self.accounts, count=count, size=size, connections=20)
        wait_until(lambda: self.delivered() >= count, f"{count} messages delivered", pause=0.1)

    def describe(self) -> dict[str, object]:
        """Returns the version and how durable a 250 is here."""
        return {
            "server": run(str(_COMMAND), "--version").strip(),
            "commit": _commit(),
            "fsync": "always: SQLite WAL, synchronous=FULL; one for a group, before their 250s",
            "dns questions": self._dns.questions,
        }

    def stop(self) -> None:
        """Stops the server and the name server that it asks."""
        try:
            super().stop()
        finally:
            if hasattr(self, "_dns"):
                self._dns.__exit__(None, None, None)

    def _create(self, account: Account) -> None:
        self.posthouse(
            "mailbox", "create", account.login, "--password-stdin", given=account.password + "\n"
        )


def _commit() -> str:
    """Returns the source's commit, or that there is none: a wheel has no repository."""
    try:
        return run("git", "-C", str(_ROOT), "describe", "--always", "--dirty").strip()
    except ServerError:
        return "unknown"


def _port_base() -> int:
    """Returns a base whose ports are all free now."""
    for base in range(20000, 31000, 500):
        try:
            for port in _PORTS:
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", base + port))
        except OSError:
            continue
        return base
    raise ServerError("no free port base between 20000 and 31000")
