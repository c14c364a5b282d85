"""The web as a service of `posthouse serve`."""

from __future__ import annotations

from appliance.settings import web
from appliance.upkeep.wsgi import WsgiService
from webadmin.app import create_app

SERVICE = WsgiService(
    name="web",
    log="WEB",
    well_known_port=80,
    listen=web.listen,
    port=web.port,
    workers=web.workers,
    threads=web.threads,
    application=create_app,
)
