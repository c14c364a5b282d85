"""The web as a service of `posthouse serve`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from appliance.operations.house import House
from appliance.runtime.logs import Logs
from appliance.settings import web
from appliance.upkeep.wsgi import WsgiService

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def _load() -> Callable[[House, Logs], WSGIApplication]:
    from webadmin.app import create_app

    return create_app


SERVICE = WsgiService(
    name="web",
    log="WEB",
    well_known_port=80,
    listen=web.listen,
    port=web.port,
    workers=web.workers,
    threads=web.threads,
    load=_load,
)
