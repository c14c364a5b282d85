"""Services that are WSGI applications: found by entry point, run by gunicorn (see `arbiter`).

The house knows none of its web doors by name: a package enters a `WsgiService` under the entry
point group `posthouse.services`, and `serve` runs what it finds.

Owns: nothing. Failure: none.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from appliance.net.listeners import plain_address
from appliance.operations.house import House
from appliance.rules.recipients import is_in
from appliance.runtime.logs import Logs
from appliance.settings import web
from appliance.settings.setting import Setting

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_GROUP = "posthouse.services"


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
