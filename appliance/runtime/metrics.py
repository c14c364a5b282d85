"""What every daemon counts, and how it is asked for: Prometheus text on a socket of its own.

Each process answers HTTP on `run/metrics/SERVICE.PID`; `posthouse service metrics` reads them all.
docs/metrics.md lists every metric; a test holds the two together.

Owns: this process's counters.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from appliance.runtime.sockets import socket_address

REGISTRY = CollectorRegistry()
_HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: %d\r\n\r\n"


class _Exchanges(Collector):
    """Counts commands and their answers, several for each message, so they are counted cheaply.

    The answer's class is its first digit, or +OK and -ERR. The MTA agent's are words, such as
    delivered: their first is the class.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._counts: dict[tuple[str, str, str], int] = {}

    def add(self, kind: str, command: str, response: str, *, times: int = 1) -> None:
        """Count an exchange, or several alike."""
        is_word = kind == "MTA" or response[:1] in "+-"
        answer = response.partition(" ")[0] if is_word else response[:1]
        key = (kind, command if command.isalpha() else "?", answer)
        with self._guard:
            self._counts[key] = self._counts.get(key, 0) + times

    def collect(self) -> Iterable[CounterMetricFamily]:
        """Return what was counted, for prometheus_client."""
        found = CounterMetricFamily(
            "posthouse_exchanges_total",
            "Commands answered, by kind of transaction, command and class of the answer.",
            labels=("kind", "command", "answer"),
        )
        with self._guard:
            counts = dict(self._counts)
        for key, count in counts.items():
            found.add_metric(key, count)
        return [found]


EXCHANGES = _Exchanges()
REGISTRY.register(EXCHANGES)
NOTES = Counter(
    "posthouse_notes_total",
    "Lines written to the Debug log, by service and level.",
    ("service", "level"),
    registry=REGISTRY,
)
CONNECTIONS = Gauge(
    "posthouse_connections",
    "Connections open at this moment, by service.",
    ("service",),
    registry=REGISTRY,
)
REFUSED = Counter(
    "posthouse_refused_total",
    "Refusals, by the rule that refused.",
    ("rule",),
    registry=REGISTRY,
)
ACCEPTED = Counter(
    "posthouse_accepted_messages_total",
    "Messages taken into the queue.",
    registry=REGISTRY,
)
ACCEPT_SECONDS = Histogram(
    "posthouse_accept_seconds",
    "Time from the end of a message's content to its durable acceptance.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5),
    registry=REGISTRY,
)
RECIPIENTS = Counter(
    "posthouse_recipients_total",
    "Recipients finished or deferred, by connector and outcome.",
    ("connector", "outcome"),
    registry=REGISTRY,
)
LOGINS = Counter(
    "posthouse_logins_total",
    "Logins tried, by service and outcome.",
    ("service", "outcome"),
    registry=REGISTRY,
)


def serve(directory: Path, service: str) -> Path:
    """Answer requests for this process's metrics on a unix socket, from a thread of its own."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{service}.{os.getpid()}"
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with socket_address(path) as address:
        listener.bind(address)
    listener.listen(4)
    threading.Thread(target=_answer_all, args=(listener,), name="metrics", daemon=True).start()
    return path


def _answer_all(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.settimeout(2)
            connection.recv(4096)
            body = generate_latest(REGISTRY)
            connection.sendall(_HEAD % len(body) + body)


def read(path: Path) -> str:
    """Ask one process for its metrics; empty when it has gone."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(2)
        try:
            with socket_address(path) as address:
                connection.connect(address)
        except OSError:
            path.unlink(missing_ok=True)
            return ""
        connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return answer.partition(b"\r\n\r\n")[2].decode()
