"""Where a server listens when the machine has no IPv6."""

from __future__ import annotations

import errno
import socket

import pytest

from appliance.net.listeners import has_ipv6
from appliance.settings.snapshot import Snapshot
from appliance.upkeep.serve import addresses, ports


@pytest.fixture
def without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel started with ipv6.disable=1."""
    real = socket.socket

    def refuse(family: int, kind: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return real(family, kind)

    monkeypatch.setattr("appliance.net.listeners.socket.socket", refuse)


@pytest.mark.usefixtures("without_ipv6")
def test_the_default_goes_without_ipv6_where_there_is_none_and_says_so() -> None:
    assert not has_ipv6()
    where, notes = addresses(Snapshot({}))
    assert where == {
        **dict.fromkeys(("smtp", "pop3", "httpmail"), ("0.0.0.0",)),
        "web": ("127.0.0.1",),
    }
    assert {
        "this machine has no IPv6: smtp.listen is 0.0.0.0",
        "this machine has no IPv6: pop.listen is 0.0.0.0",
        "this machine has no IPv6: httpmail.listen is 0.0.0.0",
    } <= set(notes)


@pytest.mark.usefixtures("without_ipv6")
def test_addresses_that_were_chosen_stay() -> None:
    chosen = {
        "smtp": ("::",),
        "pop3": ("127.0.0.1",),
        "httpmail": ("192.0.2.1",),
        "web": ("::1",),
    }
    settings = {f"{name.removesuffix('3')}.listen": value for name, value in chosen.items()}
    where, notes = addresses(Snapshot(settings))
    assert where == chosen
    assert notes == []


def test_the_default_is_both_where_there_is_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.upkeep.serve.has_ipv6", lambda: True)
    where, notes = addresses(Snapshot({}))
    assert where == {
        **dict.fromkeys(("smtp", "pop3", "httpmail"), ("0.0.0.0", "::")),
        "web": ("127.0.0.1",),
    }
    assert notes == []


def test_ports_are_those_of_the_settings_or_the_well_known_ones_from_a_base() -> None:
    settings = Snapshot({"httpmail.port": 81, "web.port": 8001, "pop.port": 1110})
    found = ports(settings, None)
    assert (found["httpmail"], found["web"], found["pop3"]) == (81, 8001, 1110)
    found = ports(settings, 3000)
    assert (found["httpmail"], found["web"], found["pop3"]) == (11_080, 3080, 3110)
