"""From settings to what a service logs."""

from __future__ import annotations

from datetime import datetime

from appliance.runtime.logs import LogOptions
from appliance.settings import log
from appliance.settings.setting import Setting
from appliance.settings.snapshot import Snapshot

_SWITCHES = {
    "SMTP": (log.smtp_activity, log.smtp_debug, log.smtp_w3c),
    "POP": (log.pop_activity, log.pop_debug, log.pop_w3c),
    "MTA": (log.mta_activity, log.mta_debug, log.mta_w3c),
    "HTTPMAIL": (log.httpmail_activity, log.httpmail_debug, log.httpmail_w3c),
    "WEB": (log.web_activity, log.web_debug, log.web_w3c),
}
VERBOSE: dict[str, Setting[datetime | None]] = {
    "SMTP": log.smtp_verbose,
    "POP": log.pop_verbose,
    "MTA": log.mta_verbose,
    "HTTPMAIL": log.httpmail_verbose,
    "WEB": log.web_verbose,
}

LOGGED = tuple(_SWITCHES)  # the names of the logs' folders


def log_options(settings: Snapshot, service: str) -> LogOptions:
    """Return what a service (SMTP, POP, MTA, WEB …) logs."""
    activity, debug, w3c = _SWITCHES[service]
    until = settings[VERBOSE[service]]
    return LogOptions(
        activity=settings[activity],
        debug=settings[debug],
        w3c=settings[w3c],
        w3c_fields=settings[log.w3c_fields],
        w3c_rollover=settings[log.w3c_rollover],
        verbose_until=0.0 if until is None else until.timestamp(),
    )
