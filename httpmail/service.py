"""HTTPMail as a service of `posthouse serve`: one process, whose memory holds the locks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from appliance.operations.house import House
from appliance.runtime.logs import Logs
from appliance.settings import httpmail
from appliance.upkeep.wsgi import WsgiService

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def _load() -> Callable[[House, Logs], WSGIApplication]:
    from httpmail.app import create_app

    return create_app


SERVICE = WsgiService(
    name="httpmail",
    log="HTTPMAIL",
    well_known_port=8080,
    listen=httpmail.listen,
    port=httpmail.port,
    workers=None,
    threads=httpmail.threads,
    load=_load,
)
