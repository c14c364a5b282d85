"""The processes of a service that answers HTTP: gunicorn, whose workers run its application.

Several workers have an arbiter, which starts dead ones again. A single one is the service's own
process: an arbiter beside it would take 20 MiB, and who runs the service starts it again anyway.

Owns: the listeners, as gunicorn's. Failure: an application that can't be made ends its worker, and
the service with it.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.sock import create_sockets
from gunicorn.workers.gthread import ThreadWorker

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
    """Answer requests until SIGTERM; SIGHUP exchanges several workers, one after the other.

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
    application = _Application(service, config, enter, fixed)
    if application.cfg.workers == 1:
        _be_the_worker(application)
        return
    service.load()  # in the parent: the workers share what is imported
    gc.collect()
    gc.freeze()
    _Arbiter(application).run()


def _be_the_worker(application: _Application) -> None:
    """Answer requests in this process until SIGTERM."""
    options = application.cfg
    log = options.logger_class(options)
    sockets = create_sockets(options, log)
    told = options.post_worker_init

    def begun(worker: ThreadWorker) -> None:
        manager.answer_reload()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's: Ctrl-C reaches both
        told(worker)

    options.set("post_worker_init", begun)
    _Worker(1, os.getppid(), sockets, application, options.timeout, options, log).init_process()


class _Worker(ThreadWorker):  # type: ignore[misc] # gunicorn ships no types
    """gunicorn's worker without an arbiter, which tells the service manager how it does."""

    def notify(self) -> None:
        """Say that the main loop goes round; called at least once a second."""
        manager.beat()
        super().notify()

    def handle_exit(self, *args: object) -> None:
        """Stop, letting requests under way end."""
        manager.tell("STOPPING=1")
        super().handle_exit(*args)


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
