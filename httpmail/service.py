"""HTTPMail as a service of `posthouse serve`: one process, whose memory holds the locks."""

from __future__ import annotations

from appliance.settings import httpmail
from appliance.upkeep.wsgi import WsgiService
from httpmail.app import SERVICE as NAME
from httpmail.app import create_app

SERVICE = WsgiService(
    name=NAME,
    log="HTTPMAIL",
    well_known_port=8080,
    listen=httpmail.listen,
    port=httpmail.port,
    workers=None,
    threads=httpmail.threads,
    application=create_app,
)
