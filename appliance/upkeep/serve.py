"""All services of a server in one foreground process: `posthouse serve`, and so `make run`.

Owns: the listening sockets, opened before the fork, and `run/locks/serve` in the home.
Failure: `HomeError`, `ListenError`, `StartFailed`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from appliance.database.statement import POSTGRESQL, SQLITE, compile_all
from appliance.net.listeners import Listener, has_ipv6, listen
from appliance.operations.house import Config, HomeError
from appliance.runtime.locks import ProcessLock
from appliance.runtime.process import bound_heap
from appliance.runtime.supervisor import Supervisor
from appliance.settings import pop, smtp
from appliance.settings.snapshot import Snapshot
from appliance.upkeep.services import Body, Seat, bodies, preload, seats
from appliance.upkeep.wsgi import wsgi_services

_WELL_KNOWN = {"smtp": 25, "submission": 587, "submissions": 465, "pop3": 110, "pop3s": 995}
_SERVICES = {"submission": "smtp", "submissions": "smtp", "pop3s": "pop3"}  # others: as named
TLS = ("submissions", "pop3s")  # TLS begins with the first byte


def ports(settings: Snapshot, port_base: int | None) -> dict[str, int]:
    """Return the port of each listener: by the settings, or the well-known ones from a base."""
    of_web = wsgi_services()
    if port_base is not None:
        known = _WELL_KNOWN | {each.name: each.well_known_port for each in of_web}
        return {name: port_base + port for name, port in known.items()}
    return {
        "smtp": settings[smtp.port],
        "submission": settings[smtp.submission_port],
        "submissions": settings[smtp.submissions_port],
        "pop3": settings[pop.port],
        "pop3s": settings[pop.tls_port],
        **{each.name: settings[each.port] for each in of_web},
    }


def addresses(settings: Snapshot) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Return the addresses of each service, and what there is to say about them.

    Where the machine has no IPv6 the default goes without it; addresses that were chosen stay.
    """
    found: dict[str, tuple[str, ...]] = {}
    notes: list[str] = []
    of_web = [(each.name, each.listen) for each in wsgi_services()]
    for service, setting in [("smtp", smtp.listen), ("pop3", pop.listen), *of_web]:
        chosen = settings[setting]
        if settings.is_default(setting) and not has_ipv6():
            chosen = tuple(address for address in chosen if ":" not in address)
            notes.append(f"this machine has no IPv6: {setting.name} is {' '.join(chosen)}")
        found[service] = chosen
    return found, notes


def service_of(listener: str) -> str:
    """Return the service that answers at a listener, by their names."""
    return _SERVICES.get(listener, listener)


def take(home: Path, *, shared: bool = False) -> ProcessLock:
    """Take a home for this process, to serve it.

    Args:
        home: which.
        shared: together with other services that are processes of their own (units of systemd);
            otherwise alone.

    Raises:
        HomeError: another process serves it, or one that does not share it.
    """
    lock = ProcessLock(home / "run" / "locks" / "serve")
    if not lock.try_acquire(shared=shared):
        holder = lock.holder()
        who = f"process {holder}" if holder else "another process"
        lock.release()
        raise HomeError(f"{who} serves this home already: {home}")
    return lock


def serve(
    config: Config,
    numbers: Mapping[str, int],
    where: Mapping[str, Sequence[str]],
    settings: Snapshot,
    announce: Callable[[], None],
    *,
    lock: ProcessLock,
) -> None:
    """Run all services until SIGINT or SIGTERM.

    Args:
        config: the home's; no database may be open in this process.
        numbers: port of each listener.
        where: addresses of each service, see `addresses`.
        settings: say how many processes each service has.
        announce: called when all of them answer.
        lock: the home's, see `take`; held until this process ends.

    Raises:
        ListenError: a port can't be listened on.
        StartFailed: a service did not become ready.
    """
    bound_heap()
    listeners = [
        listener
        for name, port in numbers.items()
        for listener in listen(name, where[service_of(name)], port, tls=name in TLS)
    ]
    services = [
        (seat.name, partial(be, body, config, listeners, seat, lock=lock))
        for service, body in bodies().items()
        for seat in seats(service, settings)
    ]
    for service in bodies():
        preload(service)
    compile_all(POSTGRESQL if config.database_url else SQLITE)
    Supervisor(services).run(announce)


def be(
    body: Body,
    config: Config,
    listeners: Sequence[Listener],
    seat: Seat,
    ready: Callable[[], None],
    *,
    lock: ProcessLock,
) -> None:
    """Run a service in a child, without what is the parent's or another service's."""
    lock.release()  # it would outlive the parent with this process
    own = [each for each in listeners if service_of(each.name) == seat.service]
    for each in listeners:
        if each not in own:
            each.socket.close()
    body(config, own, seat, ready)
