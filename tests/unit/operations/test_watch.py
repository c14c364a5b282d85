"""From settings to what a service logs (CHECKLIST 257–260, 282, 307)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from appliance.operations.watch import LOGGED, log_options
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
        others = {"activity", "debug", "w3c", "verbose_until"} - {name}
        assert all(getattr(before, each) == getattr(after, each) for each in others)


def test_a_service_is_verbose_until_its_own_moment() -> None:
    until = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
    for prefix, service in (("smtp", "SMTP"), ("pop", "POP"), ("web", "WEB")):
        settings = Snapshot({f"{prefix}.verbose_until": until})
        for each in LOGGED:
            ends = log_options(settings, each).verbose_until
            assert ends == (until.timestamp() if each == service else 0.0)


def test_fields_and_rollover_of_the_w3c_log_are_shared() -> None:
    settings = Snapshot({"log.w3c_fields": ("date", "time"), "log.w3c_rollover": "hourly"})
    for service in ("SMTP", "POP", "MTA"):
        options = log_options(settings, service)
        assert (options.w3c_fields, options.w3c_rollover) == (("date", "time"), "hourly")
