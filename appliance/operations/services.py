"""The services that run on a home's machine, and what they count.

A process is known by the sockets it listens on; a socket that a dead one left does not count.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from appliance.operations.house import House
from appliance.operations.operation import Question
from appliance.rules.access import Permission
from appliance.runtime import metrics
from appliance.runtime.sockets import socket_address

OWN = ("smtp", "mta", "sender", "pop3", "housekeeping")
INSTALLED = "posthouse.services"  # the group of entry points


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process of a service.

    Attributes:
        service: its name.
        pid: its process id.
        since: when it began to listen, µs.
        has_doorbell: it can be woken.
        has_metrics: it can be asked for its metrics.
    """

    service: str
    pid: int
    since: int
    has_doorbell: bool
    has_metrics: bool


def expected() -> tuple[str, ...]:
    """Return the services that `serve` runs: the appliance's own, and those that are installed."""
    return (*OWN, *sorted(each.name for each in entry_points(group=INSTALLED)))


def running(house: House) -> list[Process]:
    """Return the processes that run, by service and process id."""
    bells = _listening(house.home / "run" / "doorbell", socket.SOCK_DGRAM)
    pages = _listening(house.home / "run" / "metrics", socket.SOCK_STREAM)
    return [
        Process(
            service=service,
            pid=pid,
            since=min(each[service, pid] for each in (bells, pages) if (service, pid) in each),
            has_doorbell=(service, pid) in bells,
            has_metrics=(service, pid) in pages,
        )
        for service, pid in sorted(bells.keys() | pages.keys())
    ]


def _listening(directory: Path, kind: socket.SocketKind) -> dict[tuple[str, int], int]:
    """Return service and process id of each socket somebody listens on, with its age."""
    found: dict[tuple[str, int], int] = {}
    if directory.is_dir():
        for path in directory.iterdir():
            service, _, pid = path.name.rpartition(".")
            if service and pid.isdecimal() and _answers(path, kind):
                found[service, int(pid)] = path.stat().st_mtime_ns // 1000
    return found


def _answers(path: Path, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_UNIX, kind) as probe:
        probe.settimeout(2)
        try:
            with socket_address(path) as address:
                probe.connect(address)
        except PermissionError:  # there is somebody, only not for us
            return True
        except OSError:
            return False
    return True


def pages(house: House) -> Iterator[tuple[Process, str]]:
    """Yield what each process of this machine counts, as Prometheus text; empty where one hangs."""
    directory = house.home / "run" / "metrics"
    for process in running(house):
        if process.has_metrics:
            try:
                text = metrics.read(directory / f"{process.service}.{process.pid}")
            except OSError:
                text = ""
            yield process, text


class _Page(Collector):
    """Metrics that were read elsewhere, for the library to write."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def merge(pages: Iterable[tuple[str, int, str]]) -> str:
    """Merge the metrics of several processes into one page.

    Args:
        pages: service, process id and text of each.

    Returns:
        The same format: each family once, each sample with the further labels `process` (the
        service that counted) and `pid`.
    """
    families: dict[str, Metric] = {}
    for service, pid, text in pages:
        for family in text_string_to_metric_families(text):
            merged = families.setdefault(
                family.name, Metric(family.name, family.documentation, family.type)
            )
            for sample in family.samples:
                labels = {**sample.labels, "process": service, "pid": str(pid)}
                merged.add_sample(sample.name, labels, sample.value)
    return generate_latest(_Page(families.values())).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListServices(Question[list[Process]]):
    """The processes of this home that run on this machine."""

    name = "service.list"
    permission = Permission.SERVER_READ

    def answer(self, house: House) -> list[Process]:
        """Return them by service."""
        return running(house)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadMetrics(Question[str]):
    """What all processes count, as one page in Prometheus' text format."""

    name = "service.metrics"
    permission = Permission.SERVER_READ

    def answer(self, house: House) -> str:
        """Return the page; empty when nothing runs."""
        return merge((each.service, each.pid, text) for each, text in pages(house))
