"""`make kills`: end a service at a labelled step under load, again and again, then count the mail.

Prints for each step how often a process was ended there, how many recipients had been acknowledged
meanwhile, and how many of them were lost or doubled. Exits 1 when anything was lost or doubled.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from load import Ledger, Reader, Sender, Sink, drain

from appliance.runtime.steps import STEPS

_GATED = Path(__file__).with_name("gated.py")
_POSTHOUSE = Path(sys.executable).with_name("posthouse")
_MAILBOXES = 5
_SENDERS = 4
_ARMED_S = 40.0
_SETTLE_S = 120.0
# Steps at which the sender may end with answers it has not marked yet.
_ENDS_SENDER = ("sender.sent", "sender.connected", "queue.commit.before", "queue.commit.after")
_CONNECTIONS = 5  # smtp.max_send_per_destination


class Server:
    """The server under test in a home of its own."""

    def __init__(self, home: Path, *, port_base: int, broken: str) -> None:
        self.home = home
        self.armed = home / "armed"
        self.record = home / "killed"
        self.ports: dict[str, int] = {}
        environment = {
            **os.environ,
            "KILL_FILE": str(self.armed),
            "KILL_RECORD": str(self.record),
            "BREAK": broken,
        }
        self._log = (home / "serve.log").open("wb")
        self._process = subprocess.Popen(
            [
                sys.executable, str(_GATED), "--home", str(home / "home"),
                "serve", "--demo", "--port-base", str(port_base),
            ],
            env=environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(self._is_ready, 60, "the server did not become ready")
        self.ports = json.loads((home / "home" / "demo.json").read_text(encoding="utf-8"))["ports"]

    def command(self, *words: str, text: str = "") -> str:
        """Run a `posthouse` command on the home."""
        return subprocess.run(
            [str(_POSTHOUSE), "--home", str(self.home / "home"), *words],
            input=text, text=True, capture_output=True, check=True,
        ).stdout  # fmt: skip

    def kills(self) -> int:
        """How many processes the gate has ended."""
        return len(self.record.read_text().splitlines()) if self.record.exists() else 0

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(30)
        self._log.close()

    def _is_ready(self) -> bool:
        if self._process.poll() is not None:
            raise SystemExit(f"the server ended:\n{(self.home / 'serve.log').read_text()}")
        return b"\nready\n" in (self.home / "serve.log").read_bytes()


def wait_for(condition: object, within_s: float, complaint: str) -> None:
    """Wait until a condition holds, looking every 10 ms."""
    deadline = time.monotonic() + within_s
    while not condition():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise SystemExit(complaint)
        threading.Event().wait(0.01)


def run(*, count: int, seed: int, broken: str, steps: Sequence[str]) -> int:
    """Kill, count and tell; returns the exit code."""
    chooser = random.Random(seed)
    ledger, stop = Ledger(), threading.Event()
    sink = Sink(ledger)
    sink.open()
    plan = [steps[number % len(steps)] for number in range(count)]
    chooser.shuffle(plan)
    with tempfile.TemporaryDirectory(prefix="posthouse-kills-") as folder:
        server = Server(Path(folder), port_base=_port_base(), broken=broken)
        try:
            accounts = _furnish(server, sink.port)
            threads = _load(ledger, stop, server, accounts, seed)
            done: Counter[str] = Counter()
            started = time.monotonic()
            for number, step in enumerate(plan):
                ledger.round = number
                if _kill(server, step, chooser):
                    done[step] += 1
                print(f"\r{number + 1}/{count} {step:<24}", end="", file=sys.stderr, flush=True)
            ledger.round = count
            took = time.monotonic() - started
            stop.set()
            for thread in threads:
                thread.join(60)
            server.armed.unlink(missing_ok=True)
            wait_for(lambda: _queue_is_empty(server), _SETTLE_S, "the queue did not empty")
            drain(ledger, server.ports["pop3"], accounts, within_s=_SETTLE_S)
        finally:
            stop.set()
            server.stop()
            sink.close()
    print(file=sys.stderr)
    return _tell(ledger, plan, done, took=took, broken=broken)


def _kill(server: Server, step: str, chooser: random.Random) -> bool:
    """Arm a step and wait until a process has ended there."""
    before = server.kills()
    draft = server.armed.with_suffix(".new")
    draft.write_text(f"{step} {chooser.randint(1, 15)}", encoding="ascii")
    draft.replace(server.armed)
    deadline = time.monotonic() + _ARMED_S
    while server.kills() == before and time.monotonic() < deadline:
        threading.Event().wait(0.005)
    server.armed.unlink(missing_ok=True)
    return server.kills() > before


def _furnish(server: Server, sink_port: int) -> list[tuple[str, str, str]]:
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


def _load(
    ledger: Ledger,
    stop: threading.Event,
    server: Server,
    accounts: list[tuple[str, str, str]],
    seed: int,
) -> list[threading.Thread]:
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
            ledger, stop, port=server.ports["pop3"], login=login, password=password, address=address
        )
        for login, password, address in accounts
    ]
    for thread in threads:
        thread.start()
    return threads


def _queue_is_empty(server: Server) -> bool:
    return bool(json.loads(server.command("queue", "count", "--json")) == [])


def _tell(ledger: Ledger, plan: list[str], done: Counter[str], *, took: float, broken: str) -> int:
    plan = [*plan, "(afterwards)"]
    acknowledged, lost, doubled, sent_again = Counter(), Counter(), Counter(), Counter()  # type: ignore[var-annotated]
    for (message_id, recipient), number in ledger.acknowledged.items():
        step = plan[number]
        acknowledged[step] += 1
        if recipient.endswith("@sink.example"):
            copies = ledger.sunk[message_id]
            sent_again[step] += copies > 1
        else:
            copies = len(ledger.found.get((message_id, recipient), ()))
            doubled[step] += copies > 1
        lost[step] += copies == 0
    # What a remote host has answered and the queue does not know yet is sent again (RFC 1047): one
    # message a connection.
    again = sum(sent_again.values())
    allowed = _CONNECTIONS * sum(done[step] for step in _ENDS_SENDER)
    print(f"{'step':<24}{'kills':>7}{'acknowledged':>14}{'lost':>7}{'doubled':>9}")
    for step in [*STEPS, "(afterwards)"]:
        if step in plan:
            print(
                f"{step:<24}{done[step]:>7}{acknowledged[step]:>14}{lost[step]:>7}{doubled[step]:>9}"
            )
    losses, doubles = sum(lost.values()), sum(doubled.values())
    everything = (sum(done.values()), sum(acknowledged.values()), losses, doubles)
    print("{:<24}{:>7}{:>14}{:>7}{:>9}".format("total", *everything))
    print(f"remote copies sent again: {again}, of {allowed} that kills of the sender may cause")
    print(
        f"{sum(done.values())} kills in {took:.0f} s" + (f", broken by {broken}" if broken else "")
    )
    missed = [step for step in set(plan[:-1]) if not done[step]]
    if missed:
        print(f"never reached: {', '.join(sorted(missed))}")
    return 1 if losses or doubles or missed or again > allowed else 0


def _port_base() -> int:
    """Find a base whose ports are free."""
    for base in range(20000, 60000, 1000):
        try:
            for port in (25, 80, 110, 465, 587, 995, 8080):
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", base + port))
        except OSError:
            continue
        return base
    raise SystemExit("no free ports")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=20, help="how many kills")
    parser.add_argument("--seed", type=int, default=1, help="of the plan and the load")
    parser.add_argument("--break", dest="broken", default="", choices=("", "early-answer"))
    parser.add_argument("--steps", default="", help="only these steps, separated by commas")
    options = parser.parse_args()
    only = [step for step in options.steps.split(",") if step] or list(STEPS)
    sys.exit(run(count=options.n, seed=options.seed, broken=options.broken, steps=only))
