"""The server under test in a home of its own, its accounts, and the load on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from load import Ledger, Reader, Sender

from tests.support.serving import free_port_base

__all__ = ["Account", "NotYet", "Server", "free_port_base", "furnish", "load", "wait_for"]

_GATED = Path(__file__).with_name("gated.py")
_POSTHOUSE = Path(sys.executable).with_name("posthouse")
_MAILBOXES = 5
_SENDERS = 4


class NotYet(SystemExit):
    """Something did not happen in time."""


Account = tuple[str, str, str]  # login, password, address


class Server:
    """`posthouse serve --demo`, run by `gated.py`.

    Attributes:
        ports: of each service.
    """

    def __init__(
        self,
        home: Path,
        log: Path,
        *,
        port_base: int,
        gate: Mapping[str, str],
        database_url: str = "",
    ) -> None:
        """Start it.

        Args:
            home: where it lives.
            log: where its output goes.
            port_base: as `serve` takes it.
            gate: what `gated.py` takes from its environment.
            database_url: of PostgreSQL; SQLite without it.
        """
        self._home = home
        self._log = log
        if database_url:
            home.mkdir()
            toml = f"database_url = {json.dumps(database_url)}\n"
            (home / "posthouse.toml").write_text(toml, encoding="utf-8")
        command = [sys.executable, str(_GATED), "--home", str(home), "serve", "--demo"]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [*command, "--port-base", str(port_base)],
                env={**os.environ, **gate},
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        wait_for(self._is_ready, 90, "the server did not become ready")
        self.ports: dict[str, int] = json.loads((home / "demo.json").read_text("utf-8"))["ports"]

    def command(self, *words: str, text: str = "") -> str:
        """Run a `posthouse` command on the home."""
        return subprocess.run(
            [str(_POSTHOUSE), "--home", str(self._home), *words],
            input=text, text=True, capture_output=True, check=True,
        ).stdout  # fmt: skip

    def queue_is_empty(self) -> bool:
        """Whether nothing is left to be delivered."""
        return bool(json.loads(self.command("queue", "count", "--json")) == [])

    def stop(self) -> None:
        """End it as a service manager does."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)

    def _is_ready(self) -> bool:
        if self._process.poll() is not None:
            raise NotYet(f"the server ended:\n{self._log.read_text('utf-8')}")
        return b"\nready\n" in self._log.read_bytes()


def furnish(server: Server, sink_port: int) -> list[Account]:
    """Make mailboxes, and a smart host that takes what goes out."""
    server.command("postoffice", "create", "kill", "--password-stdin", text="kill-admin-1\n")
    server.command("domain", "create", "kill.test", "--postoffice", "kill")
    accounts = []
    for number in range(_MAILBOXES):
        login, password = f"m{number}@kill", f"password-{number}"
        server.command("mailbox", "create", login, "--password-stdin", text=password + "\n")
        accounts.append((login, password, f"m{number}@kill.test"))
    for name, value in (
        ("smarthost.host", f"127.0.0.1:{sink_port}"),
        ("smarthost.enabled", "yes"),
        ("retry.first", "1s"),
        ("retry.second", "1s"),
        ("retry.third", "1s"),
        ("retry.subsequent", "1s"),
        ("retry.count", "1000"),
        ("retry.delay_notice", "off"),
    ):
        server.command("settings", "set", name, value)
    return accounts


@contextmanager
def load(
    ledger: Ledger,
    server: Server,
    accounts: Sequence[Account],
    *,
    seed: int,
    read_every_s: float = 0.05,
) -> Iterator[None]:
    """Have senders and readers at work."""
    stop = threading.Event()
    addresses = [address for _, _, address in accounts]
    threads: list[threading.Thread] = [
        Sender(
            ledger, stop, seed=seed * 1000 + number, port=server.ports["smtp"],
            login=accounts[0][:2], mailboxes=addresses,
        )
        for number in range(_SENDERS)
    ]  # fmt: skip
    threads += [
        Reader(
            ledger,
            stop,
            port=server.ports["pop3"],
            login=login,
            password=password,
            address=address,
            every_s=read_every_s,
        )
        for login, password, address in accounts
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def wait_for(condition: Callable[[], bool], within_s: float, complaint: str) -> None:
    """Wait until a condition holds, looking every 10 ms."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise NotYet(complaint)
        threading.Event().wait(0.01)
