"""The services of a home: what the process of each runs, whoever starts and ends it.

`serve` forks them from one parent, systemd runs each as a unit (`posthouse service run`).

Owns: nothing beyond a process; each body opens the house for itself. Failure: a body ends.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

from appliance.agents.housekeeping import agent as housekeeping
from appliance.agents.mta import agent as mta
from appliance.connectors.smtp_in.service import SmtpService
from appliance.connectors.smtp_out import agent as sender
from appliance.database.listen import listen as listen_for
from appliance.net.listeners import Listener
from appliance.operations.house import Config, House
from appliance.operations.watch import log_options
from appliance.runtime import metrics
from appliance.runtime.doorbell import Doorbell
from appliance.runtime.locks import ProcessLock
from appliance.runtime.logs import Logs, NoteHandler
from appliance.runtime.process import run_until_stopped
from appliance.services.pop3.service import Pop3Service
from appliance.upkeep import wsgi
from appliance.upkeep.wsgi import WsgiService, wsgi_services

Body = Callable[[Config, Sequence[Listener], Callable[[], None]], None]


def bodies() -> dict[str, Body]:
    """Return what each service runs until SIGTERM, by its name.

    A body takes the home's configuration, the service's own listeners, and what to call when it
    serves. No database may be open in its process.
    """
    return {
        "smtp": _smtp,
        "mta": _mta,
        "sender": _sender,
        "pop3": _pop3,
        "housekeeping": _housekeeping,
        **{each.name: partial(_wsgi, each) for each in wsgi_services()},
    }


def _open(config: Config, log: str, service: str) -> tuple[House, Logs]:
    """Begin as a service: own connections, own logs."""
    house = House(config)
    logs = Logs(house.home, log)
    house.live.listen(lambda settings: logs.configure(log_options(settings, log)))
    logging.getLogger().addHandler(NoteHandler(logs))
    metrics.serve(house.home / "run" / "metrics", service)
    logs.note("info", f"the service {service} starts")
    return house, logs


def _smtp(config: Config, own: Sequence[Listener], ready: Callable[[], None]) -> None:
    house, logs = _open(config, "SMTP", "smtp")
    run_until_stopped(lambda stop: SmtpService(house, logs, own).run(stop, ready))
    house.close()


def _pop3(config: Config, own: Sequence[Listener], ready: Callable[[], None]) -> None:
    house, logs = _open(config, "POP", "pop3")
    run_until_stopped(lambda stop: Pop3Service(house, logs, own).run(stop, ready))
    house.close()


def _wsgi(
    service: WsgiService,
    config: Config,
    own: Sequence[Listener],
    ready: Callable[[], None],
) -> None:
    enter = partial(_open, config, service.log, service.name)
    wsgi.run(service, config, own, enter, ready)


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


def _sender(config: Config, _own: Sequence[Listener], ready: Callable[[], None]) -> None:
    house, logs = _open(config, "SMTP", "sender")
    bell = _bell(house, logs, "sender")
    run_until_stopped(lambda stop: sender.run(house, logs, bell, stop, ready))
    bell.close()
    house.close()


def _mta(config: Config, _own: Sequence[Listener], ready: Callable[[], None]) -> None:
    house, logs = _open(config, "MTA", "mta")
    bell = _bell(house, logs, "mta")
    mta.run(house, logs, bell, ready)
    bell.close()
    house.close()


def _housekeeping(config: Config, _own: Sequence[Listener], ready: Callable[[], None]) -> None:
    house, logs = _open(config, "MTA", "housekeeping")
    housekeeping.run(house, logs, ready)
    house.close()
