"""From settings to what a service logs (CHECKLIST 257–260, 282, 307)."""

from __future__ import annotations

import pytest

from appliance.operations.watch import log_options
from appliance.settings import catalogue
from appliance.settings.snapshot import Snapshot


@pytest.mark.parametrize(
    ("service", "prefix"),
    [("SMTP", "smtp"), ("POP", "pop"), ("MTA", "mta"), ("HTTPMAIL", "httpmail"), ("WEB", "web")],
)
def test_each_service_has_its_own_switches(service: str, prefix: str) -> None:
    for name in ("activity", "debug", "w3c"):
        switch = f"{prefix}.log_{name}"
        default = catalogue.named(switch).default
        before = log_options(Snapshot({}), service)
        after = log_options(Snapshot({switch: not default}), service)
        assert getattr(before, name) == default
        assert getattr(after, name) != default
        others = {"activity", "debug", "w3c"} - {name}
        assert all(getattr(before, each) == getattr(after, each) for each in others)


def test_fields_and_rollover_of_the_w3c_log_are_shared() -> None:
    settings = Snapshot({"log.w3c_fields": ("date", "time"), "log.w3c_rollover": "hourly"})
    for service in ("SMTP", "POP", "MTA"):
        options = log_options(settings, service)
        assert (options.w3c_fields, options.w3c_rollover) == (("date", "time"), "hourly")
