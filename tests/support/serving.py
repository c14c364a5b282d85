"""A real server for tests: `posthouse serve --demo` on a home of its own, and hands on that home.

Changes are made by operations in this process, which is what the command line does, only quicker.
"""

from __future__ import annotations

import base64
import json
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from appliance.operations.house import House, read_config
from appliance.operations.mailboxes import CreateMailbox
from appliance.operations.operation import Action, Call, Change, Question, ask, perform
from appliance.operations.settings import ChangeSetting
from appliance.rules.access import Actor, ActorKind
from appliance.upkeep import demo
from tests.support.waiting import until

R = TypeVar("R")

POSTHOUSE = Path(sys.executable).with_name("posthouse")
SERVICES = ("smtp", "mta", "sender", "pop3", "housekeeping", "httpmail", "web")
_CORES = len(os.sched_getaffinity(0))
_SEVERAL = {"smtp": min(8, max(1, _CORES // 2)), "pop3": min(8, _CORES)}
PROCESSES = 1 + sum(_SEVERAL.get(each, 1) for each in SERVICES)
# A change that was seen at one connection is in force, and a service has one process to look at.
ONE_PROCESS = {"smtp__processes": "1", "pop__processes": "1"}

_WELL_KNOWN = (25, 80, 110, 465, 587, 995, 8080)
_CALL = Call(Actor(ActorKind.OPERATOR, "tests"), "tests")
_numbers = count(1)
_claims: list[socket.socket] = []


@dataclass(frozen=True, slots=True)
class Box:
    """A mailbox made for one test."""

    login: str
    address: str
    password: str

    @property
    def name(self) -> str:
        """What stands before the @."""
        return self.login.partition("@")[0]


class Server:
    """The server, its home and its processes."""

    def __init__(
        self,
        home: Path,
        *,
        settings: Mapping[str, str | None] | None = None,
        database_url: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Furnish a home, without starting anything.

        Args:
            home: where; a home that was used before is used on.
            settings: what differs from the demo's.
            database_url: of PostgreSQL; SQLite without it.
            environment: variables that the server and commands have besides this process's own.
        """
        self.home = home
        self._environment = {**os.environ, **(environment or {})}
        self.secrets: set[str] = set()
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None
        home.mkdir(exist_ok=True)
        if database_url:
            toml = f"database_url = {json.dumps(database_url)}\n"
            (home / "posthouse.toml").write_text(toml, encoding="utf-8")
        if settings is not None:
            demo.furnish(self.house)
            self.set(**settings)

    # ── its processes ────────────────────────────────────────────────────────────────────────────

    def start(self, *, port_base: int | None = None) -> None:
        """Start it and wait for its line `ready`."""
        if self._process is not None:
            self._process.wait(timeout=15)  # it was interrupted or killed before
        self.starts += 1
        base = free_port_base() if port_base is None else port_base
        with self.output_path.open("wb") as output:
            self._process = subprocess.Popen(
                [
                    str(POSTHOUSE),
                    "--home",
                    str(self.home),
                    "serve",
                    "--demo",
                    f"--port-base={base}",
                ],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                cwd=self.home.parent,
                env=self._environment,
            )
        try:
            until(self._is_ready, "the server is ready", within_s=30)
        except BaseException:
            self.stop()
            raise
        self.secrets.update(account["password"] for account in self.accounts.values())

    def interrupt(self) -> int:
        """Do what Ctrl-C does: SIGINT to the process group; returns the exit code."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGINT)
        return self._process.wait(timeout=15)

    def stop(self) -> None:
        """End it, if it runs, and close the home."""
        if self._process is not None and self._process.poll() is None:
            self.interrupt()
        if "house" in self.__dict__:
            self.house.close()

    @property
    def pid(self) -> int:
        """The parent's process id, which is the session's and the process group's too."""
        assert self._process is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        assert self._process is not None
        return self._process.poll()

    @property
    def output_path(self) -> Path:
        """Where it writes what would be seen on the terminal."""
        return self.home.with_name(f"{self.home.name}.output{self.starts}")

    @property
    def output(self) -> str:
        """What it has printed since its last start."""
        return self.output_path.read_text(encoding="utf-8")

    def processes(self) -> set[int]:
        """Return the ids of all living processes of the session."""
        found = set()
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):  # it has just ended
                _, _, fields = path.read_text(encoding="utf-8").rpartition(") ")
                state, _, _, session, *_ = fields.split()
                if int(session) == self.pid and state != "Z":
                    found.add(int(path.parent.name))
        return found

    def service(self, name: str) -> int:
        """Return the process id of a service, or of one of its processes, once it runs."""
        return until(lambda: next(iter(self.pages(name)), 0), f"the service {name} runs")

    def pages(self, name: str) -> dict[int, Path]:
        """Return where each process of a service tells its metrics, by process id."""
        living = self.processes()
        found = {int(p.suffix[1:]): p for p in (self.home / "run" / "metrics").glob(f"{name}.*")}
        return {pid: path for pid, path in found.items() if pid in living}

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"the server has ended: {self.output}"
        return "ready" in self.output.splitlines()

    # ── its home ─────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def house(self) -> House:
        """The home, opened in this process."""
        return House(read_config(self.home))

    def perform(self, operation: Change[R] | Action[R]) -> R:
        """Carry out an operation as an operator."""
        return perform(self.house, _CALL, operation)

    def ask(self, question: Question[R]) -> R:
        """Ask as an operator."""
        return ask(self.house, _CALL, question)

    def set(self, **settings: str | None) -> None:
        """Set settings; a double underscore in a name stands for its dot, None for the default."""
        for name, value in settings.items():
            self.perform(ChangeSetting(setting=name.replace("__", "."), value=value))

    def mailbox(self, *, postoffice: str = "demo", domain: str = "demo.test") -> Box:
        """Make a mailbox that no other test has."""
        name = f"m{next(_numbers)}"
        box = Box(f"{name}@{postoffice}", f"{name}@{domain}", f"pass word-{name}-{random.random()}")
        self.perform(CreateMailbox(mailbox=box.login, password=box.password))
        self.secrets.add(box.password)
        return box

    def command(
        self, *words: str, given: str = "", check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run the `posthouse` command on the home."""
        command = [str(POSTHOUSE), "--home", str(self.home), *words]
        return subprocess.run(
            command, input=given, text=True, capture_output=True, check=check, env=self._environment
        )

    def json(self, *words: str) -> Any:  # noqa: ANN401 - whatever the command prints
        """Run a command with `--json` and return what it printed."""
        return json.loads(self.command(*words, "--json").stdout)

    @property
    def demo(self) -> dict[str, Any]:
        """What `demo.json` holds."""
        found: dict[str, Any] = json.loads((self.home / "demo.json").read_text(encoding="utf-8"))
        return found

    @property
    def ports(self) -> dict[str, int]:
        """The port of each listener."""
        ports: dict[str, int] = self.demo["ports"]
        return ports

    @property
    def accounts(self) -> dict[str, dict[str, str]]:
        """The demo's accounts by login."""
        return {account["login"]: account for account in self.demo["accounts"]}

    @property
    def alice(self) -> Box:
        """The demo's own mailbox of that name."""
        found = self.accounts["alice@demo"]
        return Box(found["login"], found["address"], found["password"])

    @property
    def tls(self) -> ssl.SSLContext:
        """What a client needs that trusts the demo's own CA, and only that."""
        return ssl.create_default_context(cafile=str(self.home / "ca.pem"))

    # ── its logs ─────────────────────────────────────────────────────────────────────────────────

    def log(self, service: str, kind: str) -> str:
        """Return what a log holds: SMTP, POP, MTA or *; Activity, Debug."""
        paths = sorted((self.home / "logs").glob(f"{service}/*-{kind}-*.log"))
        return "".join(path.read_text(encoding="utf-8") for path in paths)

    def until_logged(self, service: str, kind: str, text: str, at_least: int = 1) -> list[str]:
        """Return the lines of a log that hold a text, once there are so many of them."""

        def find() -> list[str]:
            lines = [line for line in self.log(service, kind).splitlines() if text in line]
            return lines if len(lines) >= at_least else []

        return until(find, f"{at_least} lines of {service}-{kind} hold {text!r}")

    def activity(self, service: str) -> list[list[str]]:
        """Return the Activity log's lines by their columns."""
        return [line.split("\t") for line in self.log(service, "Activity").splitlines()]

    def check_traces(self) -> None:
        """Look through all that was written: no password, and no error that nobody foresaw."""
        written = {
            path: path.read_bytes()
            for path in (
                *(self.home / "logs").glob("*/*"),
                *self.home.parent.glob(f"{self.home.name}.output*"),
            )
        }
        for path, octets in written.items():
            if path.parent == self.home.parent:  # the demo prints its own logins, which is meant
                octets = re.sub(rb"(?m)^login .*$", b"", octets)  # noqa: PLW2901
            for form in (form for secret in self.secrets for form in _forms(secret)):
                assert form not in octets, f"{path} holds a password"
            for sign in (b"Traceback", b"a session failed", b"a batch failed", b"never retrieved"):
                assert sign not in octets, f"{path}: {_around(octets, sign)}"


def _forms(secret: str) -> Iterator[bytes]:
    """Yield a password as it is and what of it can be found in base64, wherever it begins there."""
    octets = secret.encode()
    yield octets
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + octets)
        yield whole[4 if shift else 0 : (shift + len(octets)) // 3 * 4]


def _around(octets: bytes, sign: bytes) -> str:
    at = octets.find(sign)
    return octets[max(0, at - 500) : at + 3000].decode("utf-8", "replace")


def free_port_base() -> int:
    """Find a base whose ports are free, below those that the system gives to clients.

    Two processes of tests never find the same port, even before a server has it: each keeps bases
    of its own while it lives (0 to 29 above a thousand, so that no two well-known ports meet).
    """
    for base in range(12_000 + _share(), 24_000, 1000):
        with ExitStack() as probes, suppress(OSError):
            for port in _WELL_KNOWN:
                probe = probes.enter_context(socket.socket())
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", base + port))
            return base
    raise RuntimeError("no free ports between 12000 and 33000")


@cache
def _share() -> int:
    """Take a number that no other living process of tests has, until this one ends."""
    for number in range(30):
        claim = socket.socket(socket.AF_UNIX)
        with suppress(OSError):  # another has this one
            claim.bind(f"\0posthouse-tests-{number}")
            _claims.append(claim)
            return number
        claim.close()
    raise RuntimeError("more than 30 processes of tests look for ports")
