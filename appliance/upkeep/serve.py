"""All services of a server in one foreground process: `posthouse serve`, and so `make run`.

Owns: the listening sockets, opened before the fork, and `run/locks/serve` in the home.
Failure: `HomeError`, `ListenError`, `StartFailed`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from appliance.agents.housekeeping import agent as housekeeping
from appliance.agents.mta import agent as mta
from appliance.connectors.smtp_in.service import SmtpService
from appliance.connectors.smtp_out import agent as sender
from appliance.database.listen import listen as listen_for
from appliance.net.listeners import Listener, has_ipv6, listen
from appliance.operations.house import Config, HomeError, House
from appliance.operations.watch import log_options
from appliance.runtime import metrics
from appliance.runtime.doorbell import Doorbell
from appliance.runtime.locks import ProcessLock
from appliance.runtime.logs import Logs, NoteHandler
from appliance.runtime.process import run_until_stopped
from appliance.runtime.supervisor import Supervisor
from appliance.services.pop3.service import Pop3Service
from appliance.settings import pop, smtp
from appliance.settings.snapshot import Snapshot
from appliance.upkeep import wsgi
from appliance.upkeep.wsgi import WsgiService, wsgi_services

_WELL_KNOWN = {"smtp": 25, "submission": 587, "submissions": 465, "pop3": 110, "pop3s": 995}
_SERVICES = {"submission": "smtp", "submissions": "smtp", "pop3s": "pop3"}  # others: as named
_TLS = ("submissions", "pop3s")


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


def take(home: Path) -> ProcessLock:
    """Take a home for this process, to serve it.

    Raises:
        HomeError: another process serves it.
    """
    lock = ProcessLock(home / "run" / "locks" / "serve")
    if not lock.try_acquire():
        holder = lock.holder()
        who = f"process {holder}" if holder else "another process"
        lock.release()
        raise HomeError(f"{who} serves this home already: {home}")
    return lock


def serve(
    config: Config,
    numbers: Mapping[str, int],
    where: Mapping[str, Sequence[str]],
    announce: Callable[[], None],
    *,
    lock: ProcessLock,
) -> None:
    """Run all services until SIGINT or SIGTERM.

    Args:
        config: the home's; no database may be open in this process.
        numbers: port of each listener.
        where: addresses of each service, see `addresses`.
        announce: called when all of them answer.
        lock: the home's, see `take`; held until this process ends.

    Raises:
        ListenError: a port can't be listened on.
        StartFailed: a service did not become ready.
    """
    listeners = [
        listener
        for name, port in numbers.items()
        for listener in listen(name, where[service_of(name)], port, tls=name in _TLS)
    ]

    def own(service: str) -> tuple[list[Listener], list[Listener]]:
        mine = [each for each in listeners if service_of(each.name) == service]
        return mine, [each for each in listeners if each not in mine]

    services = [
        ("smtp", partial(_smtp, config, *own("smtp"))),
        ("mta", partial(_mta, config, listeners)),
        ("sender", partial(_sender, config, listeners)),
        ("pop3", partial(_pop3, config, *own("pop3"))),
        ("housekeeping", partial(_housekeeping, config, listeners)),
        *((each.name, partial(_wsgi, each, config, *own(each.name))) for each in wsgi_services()),
    ]
    Supervisor([(name, partial(_apart, lock, body)) for name, body in services]).run(announce)


def _apart(
    lock: ProcessLock, body: Callable[[Callable[[], None]], None], ready: Callable[[], None]
) -> None:
    """Run a service without the parent's lock: it would outlive the parent with it."""
    lock.release()
    body(ready)


def _enter(
    config: Config, log: str, service: str, others: Sequence[Listener]
) -> tuple[House, Logs]:
    """Begin as a service: own connections, own logs; what belongs to others is closed."""
    _close(others)
    return _open(config, log, service)


def _close(others: Sequence[Listener]) -> None:
    for listener in others:
        listener.socket.close()


def _open(config: Config, log: str, service: str) -> tuple[House, Logs]:
    house = House(config)
    logs = Logs(house.home, log)
    house.live.listen(lambda settings: logs.configure(log_options(settings, log)))
    logging.getLogger().addHandler(NoteHandler(logs))
    metrics.serve(house.home / "run" / "metrics", service)
    logs.note("info", f"the service {service} starts")
    return house, logs


def _smtp(
    config: Config, own: Sequence[Listener], others: Sequence[Listener], ready: Callable[[], None]
) -> None:
    house, logs = _enter(config, "SMTP", "smtp", others)
    run_until_stopped(lambda stop: SmtpService(house, logs, own).run(stop, ready))
    house.close()


def _pop3(
    config: Config, own: Sequence[Listener], others: Sequence[Listener], ready: Callable[[], None]
) -> None:
    house, logs = _enter(config, "POP", "pop3", others)
    run_until_stopped(lambda stop: Pop3Service(house, logs, own).run(stop, ready))
    house.close()


def _wsgi(
    service: WsgiService,
    config: Config,
    own: Sequence[Listener],
    others: Sequence[Listener],
    ready: Callable[[], None],
) -> None:
    _close(others)
    enter = partial(_open, config, service.log, service.name)
    wsgi.run(service, House(config), own, enter, ready)


def _bell(house: House, logs: Logs, service: str) -> Doorbell:
    """Begin as a worker on the queue: its doorbell, rung by other nodes too in a cluster.

    On SQLite one worker a service works on a queue; another one of the home waits for its end.
    """
    bell = Doorbell(house.home / "run" / "doorbell", service)
    if house.config.database_url:
        listen_for(house.config.database_url, service, bell.wake)
    else:
        lock = ProcessLock(house.home / "run" / "locks" / service)
        if not lock.try_acquire():
            logs.note(
                "warning", f"another {service} works on this home; this one waits for its end"
            )
            logs.flush()
            lock.acquire()
    return bell


def _sender(config: Config, others: Sequence[Listener], ready: Callable[[], None]) -> None:
    house, logs = _enter(config, "SMTP", "sender", others)
    bell = _bell(house, logs, "sender")
    run_until_stopped(lambda stop: sender.run(house, logs, bell, stop, ready))
    bell.close()
    house.close()


def _mta(config: Config, others: Sequence[Listener], ready: Callable[[], None]) -> None:
    house, logs = _enter(config, "MTA", "mta", others)
    bell = _bell(house, logs, "mta")
    mta.run(house, logs, bell, ready)
    bell.close()
    house.close()


def _housekeeping(config: Config, others: Sequence[Listener], ready: Callable[[], None]) -> None:
    house, logs = _enter(config, "MTA", "housekeeping", others)
    housekeeping.run(house, logs, ready)
    house.close()
