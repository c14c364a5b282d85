"""The processes of a service that answers HTTP: gunicorn, whose workers run its application.

Owns: the gunicorn arbiter of one service, which starts its workers and starts dead ones again.
Failure: an application that can't be made ends its worker, and the service with it.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from appliance.net.listeners import Listener
from appliance.operations.house import Config, House
from appliance.runtime import manager
from appliance.runtime.logs import Logs
from appliance.upkeep.wsgi import Forwarded, WsgiService

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_GRACE_S = 8  # a little less than the supervisor's patience
_IDLE_S = 20  # of a connection that is kept open


def run(
    service: WsgiService,
    config: Config,
    listeners: Sequence[Listener],
    enter: Callable[[], tuple[House, Logs]],
    ready: Callable[[], None],
) -> None:
    """Answer requests until SIGTERM; SIGHUP exchanges the workers, one after the other.

    Args:
        service: what.
        config: of the home whose settings say how.
        listeners: where; they are gunicorn's from now on.
        enter: opens house and logs in a worker.
        ready: called by each worker that answers.
    """
    fixed = {
        "bind": [f"fd://{each.socket.detach()}" for each in listeners],
        "post_worker_init": lambda _worker: ready(),
    }
    service.load()  # in the parent: the workers share what is imported
    gc.collect()
    gc.freeze()
    _Arbiter(_Application(service, config, enter, fixed)).run()


class _Arbiter(Arbiter):  # type: ignore[misc] # gunicorn ships no types
    """gunicorn's parent of the workers, which also tells the service manager how it does."""

    def murder_workers(self) -> None:
        """End hung workers; called once a second."""
        manager.beat()
        super().murder_workers()

    def handle_hup(self) -> None:
        """Exchange the workers for some with the settings of now."""
        super().handle_hup()
        manager.told_of_reload()

    def handle_term(self) -> None:
        """Stop, letting requests under way end."""
        manager.tell("STOPPING=1")
        super().handle_term()


class _Application(BaseApplication):  # type: ignore[misc] # gunicorn ships no types
    """gunicorn's view of a service: its options, and how a worker gets the application."""

    def __init__(
        self,
        service: WsgiService,
        config: Config,
        enter: Callable[[], tuple[House, Logs]],
        options: dict[str, Any],
    ) -> None:
        self._service = service
        self._config = config
        self._enter = enter
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        """Set what differs from gunicorn's own defaults; at a reload once more."""
        house = House(self._config)
        service, settings = self._service, house.settings
        house.close()  # before workers are forked
        fixed = {
            "workers": 1 if service.workers is None else settings[service.workers],
            "threads": settings[service.threads],
            "worker_class": "gthread",
            "keepalive": _IDLE_S,
            "timeout": 120,
            "graceful_timeout": _GRACE_S,
            "control_socket_disable": True,
            "forwarded_allow_ips": "",  # see `Forwarded`
            "loglevel": "warning",
            "accesslog": None,
            "proc_name": f"posthouse-{service.name}",
        }
        for name, value in (fixed | self._options).items():
            self.cfg.set(name, value)

    def load(self) -> WSGIApplication:
        """Make the application, in the worker that will run it."""
        house, logs = self._enter()
        return Forwarded(self._service.load()(house, logs), house)
