"""The services of a home: what the process of each runs, whoever starts and ends it.

`serve` forks them from one parent, systemd runs each as a unit (`posthouse service run`).

Owns: nothing beyond a process; each body opens the house for itself. Failure: a body ends.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module

from appliance.net.door import Door, Places
from appliance.net.listeners import Listener
from appliance.operations.house import Config, House
from appliance.operations.watch import log_options
from appliance.queue.parts import WHOLE, Part, PartLock, how_many
from appliance.runtime import metrics
from appliance.runtime.doorbell import Doorbell
from appliance.runtime.logs import Logs, NoteHandler
from appliance.runtime.process import run_until_stopped
from appliance.settings import mta as mta_settings
from appliance.settings import pop, smtp
from appliance.settings.snapshot import Snapshot
from appliance.upkeep.wsgi import WsgiService, wsgi_services

_MOST_PROCESSES = 8


@dataclass(frozen=True, slots=True)
class Seat:
    """One process among those of a service.

    Attributes:
        service: which.
        number: of the process, from 0.
        of: how many there are.
        places: what they share of who is connected.
    """

    service: str
    number: int
    of: int
    places: Places

    @property
    def name(self) -> str:
        """The service's name, with a number from the second process on."""
        return f"{self.service}.{self.number + 1}" if self.number else self.service


Body = Callable[[Config, Sequence[Listener], Seat, Callable[[], None]], None]


def seats(service: str, settings: Snapshot) -> list[Seat]:
    """Return the processes that a service consists of; to be made before they are forked."""
    cores = len(os.sched_getaffinity(0))
    if service == "smtp":  # every other core: its writer and the MTA agent want the others
        many = settings[smtp.processes] or min(max(1, cores // 2), _MOST_PROCESSES)
    elif service == "pop3":
        many = settings[pop.processes] or min(cores, _MOST_PROCESSES)
    elif service == "mta":
        many = how_many(settings[mta_settings.processes], cores)
    else:
        many = 1
    places = Places(many)
    return [Seat(service, number, many, places) for number in range(many)]


_WITH_EVENT_LOOP = ("smtp", "sender", "pop3")
_ROOMS = {
    "smtp": "appliance.connectors.smtp_in.service",
    "mta": "appliance.agents.mta.agent",
    "sender": "appliance.connectors.smtp_out.agent",
    "pop3": "appliance.services.pop3.service",
    "housekeeping": "appliance.agents.housekeeping.agent",
}


def preload(service: str) -> None:
    """Import what a service needs before its processes are forked, so that they share it."""
    if service in _ROOMS:
        import_module(_ROOMS[service])
    if service in _WITH_EVENT_LOOP:
        import_module("uvloop")
    for each in wsgi_services():
        if each.name == service:
            import_module("appliance.upkeep.arbiter")
            each.load()


def bodies() -> dict[str, Body]:
    """Return what each service runs until SIGTERM, by its name.

    A body takes the home's configuration, the service's own listeners, which of the service's
    processes it is, and what to call when it serves. No database may be open in its process.
    """
    return {
        "smtp": _smtp,
        "mta": _mta,
        "sender": _sender,
        "pop3": _pop3,
        "housekeeping": _housekeeping,
        **{each.name: partial(_wsgi, each) for each in wsgi_services()},
    }


def _open(config: Config, log: str, service: str, of: int = 1) -> tuple[House, Logs]:
    """Begin as one of a service's processes: own connections, own logs."""
    house = House(config)
    house.passwords.share(of)
    logs = Logs(house.home, log)
    house.live.listen(lambda settings: logs.configure(log_options(settings, log)))
    logging.getLogger().addHandler(NoteHandler(logs))
    metrics.serve(house.home / "run" / "metrics", service)
    logs.note("info", f"the service {service} starts")
    return house, logs


def _smtp(config: Config, own: Sequence[Listener], seat: Seat, ready: Callable[[], None]) -> None:
    from appliance.connectors.smtp_in.service import SmtpService

    house, logs = _open(config, "SMTP", "smtp", seat.of)
    door = Door(seat.places, seat.number)
    run_until_stopped(lambda stop: SmtpService(house, logs, own, door).run(stop, ready))
    house.close()


def _pop3(config: Config, own: Sequence[Listener], seat: Seat, ready: Callable[[], None]) -> None:
    from appliance.services.pop3.service import Pop3Service

    house, logs = _open(config, "POP", "pop3", seat.of)
    door = Door(seat.places, seat.number)
    run_until_stopped(lambda stop: Pop3Service(house, logs, own, door).run(stop, ready))
    house.close()


def _wsgi(
    service: WsgiService,
    config: Config,
    own: Sequence[Listener],
    _seat: Seat,
    ready: Callable[[], None],
) -> None:
    from appliance.upkeep import arbiter

    enter = partial(_open, config, service.log, service.name)
    arbiter.run(service, config, own, enter, ready)


def _bell(house: House, logs: Logs, service: str, part: Part) -> Doorbell:
    """Begin as a worker on the queue: its doorbell, rung by other nodes too in a cluster.

    On SQLite one worker works on a part of the queue; another one of the home waits for its end.
    """
    bell = Doorbell(house.home / "run" / "doorbell", service)
    if house.config.database_url:
        from appliance.database.listen import listen as listen_for

        listen_for(house.config.database_url, service, bell.wake)
    else:
        lock = PartLock(house.home / "run" / "locks", service, part)
        if not lock.try_acquire():
            logs.note(
                "warning", f"another {service} works on this home; this one waits for its end"
            )
            logs.flush()
            lock.acquire()
    return bell


def _sender(
    config: Config, _own: Sequence[Listener], _seat: Seat, ready: Callable[[], None]
) -> None:
    from appliance.connectors.smtp_out import agent as sender

    house, logs = _open(config, "SMTP", "sender")
    bell = _bell(house, logs, "sender", WHOLE)
    run_until_stopped(lambda stop: sender.run(house, logs, bell, stop, ready))
    bell.close()
    house.close()


def _mta(config: Config, _own: Sequence[Listener], seat: Seat, ready: Callable[[], None]) -> None:
    from appliance.agents.mta import agent as mta

    house, logs = _open(config, "MTA", "mta")
    # on PostgreSQL recipients are leased: each worker takes from the whole queue
    part = WHOLE if config.database_url else Part(seat.number, seat.of)
    bell = _bell(house, logs, "mta", part)
    mta.run(house, logs, bell, ready, part)
    bell.close()
    house.close()


def _housekeeping(
    config: Config, _own: Sequence[Listener], _seat: Seat, ready: Callable[[], None]
) -> None:
    from appliance.agents.housekeeping import agent as housekeeping

    house, logs = _open(config, "MTA", "housekeeping")
    housekeeping.run(house, logs, ready)
    house.close()
