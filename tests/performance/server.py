"""What both sides have in common: a server that a run starts, fills, measures and stops.

Owns: the server's process, its CPU meter and its folder.
Failure: `ServerError` when a server doesn't come up in time, with the end of its log.
"""

from __future__ import annotations

import abc
import pathlib
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self

import cgroup
from clients import Account, Endpoint

__all__ = [
    "Server",
    "ServerError",
    "Watch",
    "Watched",
    "answers",
    "free_port",
    "pss_kib",
    "run",
    "wait_until",
]

START = 60.0
"""Seconds that a server has to come up."""

STOP = 15.0
"""Seconds that a server has to go down before it is killed."""


class ServerError(Exception):
    """A server could not be started, set up or asked."""


class Watched(Protocol):
    """What can be looked at while it works."""

    def services(self) -> Mapping[int, str]:
        """Returns the ids of its processes, with what each is called."""


Watch = Callable[[Watched], AbstractContextManager[None]]
"""What looks at a server for as long as it is entered."""


def run(*command: str, given: str | None = None, patience: float = 60.0) -> str:
    """Runs a command to its end and returns what it printed.

    Args:
        command: the words of the command.
        given: its standard input.
        patience: seconds after which it is ended.

    Raises:
        ServerError: it failed, or took too long; the message has its own words.
    """
    try:
        done = subprocess.run(
            command,
            input=given or "",
            text=True,
            errors="replace",
            capture_output=True,
            timeout=patience,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServerError(str(error)) from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise ServerError(f"{' '.join(command)}: exit code {done.returncode}: {said}")
    return done.stdout


def wait_until(
    condition: Callable[[], bool], what: str, *, patience: float = START, pause: float = 0.05
) -> None:
    """Looks every `pause` seconds until the condition holds.

    Raises:
        ServerError: it did not hold within `patience` seconds.
    """
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise ServerError(f"{what}: not within {patience:.0f} s")
        time.sleep(pause)


def free_port() -> int:
    """Returns a loopback TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Server(abc.ABC):
    """A server in a folder of its own; a context manager that starts and stops it.

    Attributes:
        smtp: where it accepts mail, when it does.
        pop3: where its mailboxes are read, when it does.
        smtps: the same with TLS from the first octet.
        pop3s: the same.
        accounts: the mailboxes that the run uses.
        meter: what counts the CPU time of its processes.
    """

    name: str
    smtp: Endpoint
    pop3: Endpoint
    smtps: Endpoint
    pop3s: Endpoint
    accounts: list[Account]

    def __init__(
        self,
        home: pathlib.Path,
        mailboxes: int,
        *,
        postoffices: int = 1,
        recipients: int = 0,
        sessions: int = 0,
    ) -> None:
        """Name the folder and what the server is to be furnished with.

        Args:
            home: an empty folder.
            mailboxes: how many there are in all.
            postoffices: over how many tenants, of a domain each, they are spread.
            recipients: how many a message may have; 0 leaves the default.
            sessions: how many connections may be open; 0 leaves the default.
        """
        self.home = home
        self.mailboxes = mailboxes
        self.postoffices = postoffices
        self.recipients = recipients
        self.sessions = sessions
        self.meter = cgroup.open_meter()
        self._process: subprocess.Popen[bytes] | None = None

    @abc.abstractmethod
    def start(self) -> None:
        """Sets the folder up, starts the server and returns when it answers."""

    @abc.abstractmethod
    def delivered(self) -> int:
        """Returns how many messages the mailboxes show, cheaply."""

    @abc.abstractmethod
    def is_settled(self) -> bool:
        """Tells, cheaply, whether nothing waits in the server's queue any more."""

    @abc.abstractmethod
    def fill(self, count: int, size: int) -> None:
        """Puts `count` messages with `size` bytes of body into the mailboxes, evenly."""

    @abc.abstractmethod
    def describe(self) -> dict[str, object]:
        """Returns versions and settings for the record."""

    def cpu_seconds(self) -> float:
        """Returns the CPU time of all the server's processes since the start."""
        return self.meter.seconds()

    def services(self) -> dict[int, str]:
        """Returns the ids of its processes, with what each is called: a peer's are all alike."""
        return dict.fromkeys(self.meter.pids(), self.name)

    def memory_kib(self) -> int:
        """Returns the proportional memory (PSS) of all the server's processes."""
        return sum(pss_kib(pid) for pid in self.meter.pids())

    def stop(self) -> None:
        """Ends the server by its process id, and what it left behind."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.stop()
        finally:
            self.meter.close()

    def launch(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        """Starts the server's first process; its output goes to the log."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.meter.wrap(list(command)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=env,
            )
        self.meter.started(self._process.pid)

    def await_ready(self, ready: Callable[[], bool]) -> None:
        """Waits until the server is ready; raises at once when it ended instead."""

        def look() -> bool:
            if self._process is not None and self._process.poll() is not None:
                raise ServerError(f"{self.name} ended with exit code {self._process.returncode}")
            return ready()

        try:
            wait_until(look, f"{self.name} ready")
        except ServerError as error:
            raise ServerError(f"{error}; its log ends: {self.log_end()}") from error

    @property
    def log(self) -> pathlib.Path:
        """The file that the server's output goes to."""
        return self.home.parent / f"{self.home.name}.log"

    def log_end(self) -> str:
        """Returns the last lines of the log."""
        return self.log.read_text(errors="replace")[-1500:] if self.log.exists() else ""


def pss_kib(pid: int) -> int:
    """Returns a process's memory, each shared page divided by its users; 0 when it has ended."""
    try:
        text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))


def answers(endpoint: Endpoint, greeting: bytes) -> bool:
    """Tells whether a server greets there as it should."""
    try:
        with socket.create_connection(endpoint, timeout=5) as sock:
            return sock.recv(512).startswith(greeting)
    except OSError:
        return False
