"""Services that are WSGI applications: found by entry point, run by gunicorn in threads.

The house knows none of its web doors by name: a package enters a `WsgiService` under the entry
point group `posthouse.services`, and `serve` runs what it finds.

Owns: the gunicorn arbiter of one service, which starts its workers and starts dead ones again.
Failure: an application that can't be made ends its worker, and the service with it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from appliance.net.listeners import Listener, plain_address
from appliance.operations.house import Config, House
from appliance.rules.recipients import is_in
from appliance.runtime import manager
from appliance.runtime.logs import Logs
from appliance.settings import web
from appliance.settings.setting import Setting

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_GROUP = "posthouse.services"
_GRACE_S = 8  # a little less than the supervisor's patience
_IDLE_S = 20  # of a connection that is kept open


@dataclass(frozen=True, slots=True, kw_only=True)
class WsgiService:
    """A service that answers HTTP.

    Attributes:
        name: of its process and its metrics.
        log: the folder and name of its logs.
        well_known_port: added to `--port-base`.
        listen: the setting that says at which addresses it listens.
        port: the setting that says at which port.
        workers: the setting that says how many processes; None for a single one.
        threads: the setting that says how many requests one process answers at a time.
        load: imports the application, and returns what makes it in a worker, after the fork.
    """

    name: str
    log: str
    well_known_port: int
    listen: Setting[tuple[str, ...]]
    port: Setting[int]
    workers: Setting[int] | None
    threads: Setting[int]
    load: Callable[[], Callable[[House, Logs], WSGIApplication]]


@cache
def wsgi_services() -> tuple[WsgiService, ...]:
    """Return the services that are installed, by name."""
    found: list[WsgiService] = [each.load() for each in entry_points(group=_GROUP)]
    return tuple(sorted(found, key=lambda service: service.name))


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


class Forwarded:
    """Tells the application who a client is when a web server in front of us says so.

    Such a server appends the address it saw to X-Forwarded-For, so that the last one is its word.
    """

    def __init__(self, application: WSGIApplication, house: House) -> None:
        """Take the application, and the house whose settings say whom to believe."""
        self._application = application
        self._house = house

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        chain = environ.pop("HTTP_X_FORWARDED_FOR", "")
        scheme = environ.pop("HTTP_X_FORWARDED_PROTO", "")
        trusted = self._house.settings[web.trusted_proxies]
        peer = plain_address(environ.get("REMOTE_ADDR", ""))
        if peer and is_in(peer, trusted):
            peer = _address(chain.rpartition(",")[2].strip()) or peer
            if scheme in ("http", "https"):
                environ["wsgi.url_scheme"] = scheme
        environ["REMOTE_ADDR"] = peer
        return self._application(environ, start_response)


def _address(text: str) -> str:
    """Return an IP address as it is usually written; empty when the text is none."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""
