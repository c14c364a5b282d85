"""HTTPMail as a service of `posthouse serve` (CHECKLIST 316, 318)."""

from __future__ import annotations

from appliance.settings import httpmail
from appliance.upkeep.wsgi import wsgi_services
from httpmail.service import SERVICE


def test_it_is_found_and_goes_by_its_settings() -> None:
    assert SERVICE in wsgi_services()
    assert (SERVICE.listen, SERVICE.port) == (httpmail.listen, httpmail.port)
    assert (SERVICE.threads, SERVICE.well_known_port) == (httpmail.threads, 8080)


def test_it_is_one_process_because_its_memory_holds_the_locks() -> None:
    assert SERVICE.workers is None
