"""Services that are WSGI applications: found by entry point, and behind a web server."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

from appliance.operations.house import House, read_config
from appliance.operations.operation import Call, perform
from appliance.operations.settings import ChangeSetting
from appliance.rules.access import Actor, ActorKind
from appliance.upkeep.wsgi import Forwarded, wsgi_services

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_CALL = Call(Actor(ActorKind.OPERATOR, "anna"), "test")


def _who(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answer whom the application takes the client for."""
    start_response("200 OK", [])
    return [f"{environ['wsgi.url_scheme']} {environ['REMOTE_ADDR']}".encode()]


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(read_config(tmp_path))
    perform(house, _CALL, ChangeSetting(setting="web.trusted_proxies", value="192.0.2.80"))
    house.live.refresh()
    return house


def ask(house: House, peer: str, **headers: str) -> str:
    builder = EnvironBuilder(
        headers=Headers([(name.replace("_", "-"), value) for name, value in headers.items()]),
        environ_base={"REMOTE_ADDR": peer},
    )
    chunks, _, _ = run_wsgi_app(Forwarded(_who, house), builder.get_environ())
    return b"".join(chunks).decode()


def test_the_web_and_httpmail_are_found() -> None:
    found = {(each.name, each.well_known_port) for each in wsgi_services()}
    assert found == {("web", 80), ("httpmail", 8080)}


def test_a_client_is_its_own_word_for_nothing(house: House) -> None:
    forged = ask(house, "198.51.100.7", X_Forwarded_For="192.0.2.1", X_Forwarded_Proto="https")
    assert forged == "http 198.51.100.7"


def test_a_web_server_in_front_names_the_client_it_saw(house: House) -> None:
    told = ask(
        house,
        "192.0.2.80",
        X_Forwarded_For="203.0.113.9, 198.51.100.7",  # the first is the client's own claim
        X_Forwarded_Proto="https",
    )
    assert told == "https 198.51.100.7"


@pytest.mark.parametrize("chain", ["", "unknown", "198.51.100.7, nonsense"])
def test_what_is_no_address_leaves_the_web_server_as_the_client(house: House, chain: str) -> None:
    assert ask(house, "192.0.2.80", X_Forwarded_For=chain) == "http 192.0.2.80"


def test_an_ipv4_client_of_an_ipv6_socket_keeps_its_own_address(house: House) -> None:
    assert ask(house, "::ffff:198.51.100.7") == "http 198.51.100.7"
