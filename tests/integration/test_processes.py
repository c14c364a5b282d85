"""A service of several processes: they share its work and its limits (checklist 224, 277)."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

import pytest

from appliance.runtime import metrics
from tests.integration.conftest import NOWHERE
from tests.support.serving import Server
from tests.support.waiting import until
from tests.support.wire import Wire

_PROCESSES = 3
_LIMIT = 20
_CLIENT_LIMIT = 8
_EXEMPT = "127.0.0.1"  # in the demo
_SERVICES = ("smtp", "pop3")
_TLS_DOORS = {"smtp": "submissions", "pop3": "pop3s"}


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose services have several processes, and room for few clients."""
    settings: dict[str, str | None] = {**NOWHERE}
    for section in ("smtp", "pop"):
        settings[f"{section}__processes"] = str(_PROCESSES)
        settings[f"{section}__max_connections"] = str(_LIMIT)
        settings[f"{section}__max_connections_per_client"] = str(_CLIENT_LIMIT)
    server = Server(tmp_path_factory.mktemp("busy") / "home", settings=settings)
    server.start()
    try:
        yield server
    finally:
        server.stop()
    server.check_traces()


@contextmanager
def _clients(server: Server, service: str, sources: Sequence[str]) -> Iterator[int]:
    """Have clients come at the same moment: all processes find them waiting.

    Returns:
        How many of them have been let in.
    """
    pids = list(server.pages(service))
    with ExitStack() as stack:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            port = server.ports[service]
            clients = [stack.enter_context(Wire(port, source=each)) for each in sources]
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        yield sum(each.line().startswith((b"220", b"+OK")) for each in clients)


def _open(server: Server, service: str) -> dict[int, int]:
    """Return how many connections each process of a service has open."""
    found = {}
    for pid, page in server.pages(service).items():
        counted = re.findall(r'posthouse_connections{service="\w+"} (\d+)', metrics.read(page))
        found[pid] = sum(map(int, counted))
    return found


def _until_all_serve(server: Server, service: str) -> None:
    """Wait until each process is given clients: one that has just been started is given none."""

    def shared() -> bool:
        with _clients(server, service, [_EXEMPT] * 2 * _PROCESSES):
            return len(shares := _open(server, service)) == _PROCESSES and all(shares.values())

    until(shared, f"all processes of {service} serve")
    _until_empty(server, service)


def _until_empty(server: Server, service: str) -> None:
    until(lambda: not sum(_open(server, service).values()), f"all clients of {service} have gone")


@pytest.mark.parametrize("service", _SERVICES)
def test_clients_that_come_together_are_spread_over_the_processes(
    busy: Server, service: str
) -> None:
    _until_empty(busy, service)
    _until_all_serve(busy, service)
    with _clients(busy, service, [_EXEMPT] * 50) as let_in:
        assert let_in == 50
        shares = _open(busy, service)
        assert len(shares) == _PROCESSES
        assert sum(shares.values()) == 50
        assert max(shares.values()) - min(shares.values()) <= 4, str(shares)


@pytest.mark.parametrize("service", _SERVICES)
def test_so_many_clients_come_in_as_may_in_all_processes_together(
    busy: Server, service: str
) -> None:
    _until_empty(busy, service)
    sources = [f"127.5.3.{number}" for number in range(1, 11)] * 4
    with _clients(busy, service, sources) as let_in:
        assert let_in == _LIMIT


@pytest.mark.parametrize("service", _SERVICES)
def test_so_many_connections_of_one_client_as_may_in_all_processes_together(
    busy: Server, service: str
) -> None:
    _until_empty(busy, service)
    with _clients(busy, service, ["127.5.4.1"] * 30) as let_in:
        assert let_in == _CLIENT_LIMIT


@pytest.mark.parametrize("service", _SERVICES)
def test_whom_a_killed_process_had_let_in_counts_no_longer(busy: Server, service: str) -> None:
    _until_empty(busy, service)
    source = ["127.5.5.1"] * _CLIENT_LIMIT
    with _clients(busy, service, source) as let_in:
        assert let_in == _CLIENT_LIMIT
        killed, count = max(_open(busy, service).items(), key=lambda found: found[1])
        os.kill(killed, signal.SIGKILL)
        pages = until(lambda: _started_again(busy, service, killed), "it is started again")
        assert sum(_open(busy, service).values()) == _CLIENT_LIMIT - count
        with _clients(busy, service, source) as anew:
            assert anew == count
    assert killed not in pages


@pytest.mark.parametrize(("service", "door"), _TLS_DOORS.items())
def test_clients_that_have_not_shaken_hands_count_too(
    busy: Server, service: str, door: str
) -> None:
    _until_empty(busy, service)
    source = "127.5.6.1"
    with ExitStack() as stack:
        for _ in range(_CLIENT_LIMIT):
            stack.enter_context(Wire(busy.ports[door], source=source))
        until(lambda: sum(_open(busy, service).values()) == _CLIENT_LIMIT, "all are counted")
        with Wire(busy.ports[service], source=source) as another:
            assert another.line().startswith((b"421", b"-ERR"))
    _until_empty(busy, service)


@pytest.mark.parametrize("ending", [Wire.reset, Wire.close])
@pytest.mark.parametrize("service", _SERVICES)
def test_client_that_goes_during_a_handshake_leaves_its_place(
    busy: Server, service: str, ending: Callable[[Wire], None]
) -> None:
    _until_empty(busy, service)
    asked = {"smtp": (b"EHLO there", b"STARTTLS"), "pop3": (b"STLS",)}[service]
    for _ in range(_CLIENT_LIMIT):
        begun = Wire(busy.ports[service], source="127.5.7.1")
        begun.line()
        for line in asked:
            begun.send(line + b"\r\n")
            while begun.line()[3:4] == b"-":
                pass
        ending(begun)
        ending(Wire(busy.ports[_TLS_DOORS[service]], source="127.5.7.1"))
    _until_empty(busy, service)


def _started_again(server: Server, service: str, killed: int) -> set[int]:
    pages = server.pages(service).keys() - {killed}
    with suppress(OSError):  # of one that begins
        if len(_open(server, service)) == _PROCESSES == len(pages):
            return set(pages)
    return set()


def test_the_list_of_services_has_every_process(busy: Server) -> None:
    found = [each["service"] for each in busy.json("service", "list")]
    assert found.count("smtp") == found.count("pop3") == _PROCESSES
    services = {each["name"]: each for each in busy.json("diagnose")["services"]}
    assert services["smtp"]["processes"] == _PROCESSES
    page = busy.command("service", "metrics").stdout
    assert len(set(re.findall(r'posthouse_connections{pid="(\d+)",process="smtp"', page))) == 3


def test_processes_are_named_in_what_the_parent_says(busy: Server) -> None:
    for pid in busy.pages("pop3"):
        os.kill(pid, signal.SIGKILL)
    until(lambda: "the service pop3.3 ended, it is started again" in busy.output, "it is told")
    until(lambda: _started_again(busy, "pop3", 0), "all are started again")
