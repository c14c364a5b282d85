"""Whom to call (RFC 5321 §5.1, RFC 7505, manual §6.2 Smart Host)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from appliance.connectors.smtp_out.route import MOST_ADDRESSES, Host, Route, Router
from appliance.journey.reason import Outcome, Reason
from appliance.net.resolver import FixedResolver, Mx, NxDomain, ResolverError, Temporary
from appliance.settings import catalogue
from appliance.settings.snapshot import Snapshot

OURS = "192.0.2.100"


def settings(**texts: str) -> Snapshot:
    names = {name.replace("__", "."): text for name, text in texts.items()}
    return Snapshot({name: catalogue.named(name).parse(text) for name, text in names.items()})


def find(
    domain: str,
    in_force: Snapshot | None = None,
    *,
    mx: Mapping[str, Sequence[Mx]] | None = None,
    addresses: Mapping[str, Sequence[str]] | None = None,
    errors: Mapping[str, ResolverError] | None = None,
) -> Route | Reason:
    router = Router(
        FixedResolver(mx=mx, addresses=addresses, errors=errors),
        shuffle=lambda records: records.reverse(),
        has_address=lambda address: address in (OURS, "127.0.0.1"),
    )
    return asyncio.run(router.route(domain, in_force or Snapshot({}), local_domain="mail.a.test"))


def called(found: Route | Reason) -> list[str]:
    assert isinstance(found, Route), found
    return [host.address for host in found.hosts]


def refused(found: Route | Reason) -> tuple[str, Outcome, str]:
    assert isinstance(found, Reason), found
    assert found.reply is not None
    assert found.reply.is_permanent == (found.outcome is Outcome.REJECT)
    return found.rule, found.outcome, found.reply.status


def test_exchangers_are_called_by_preference_and_equal_ones_in_random_order() -> None:
    found = find(
        "b.test",
        mx={"b.test": [Mx(20, "c"), Mx(10, "a"), Mx(10, "b")]},
        addresses={"a": ["192.0.2.1"], "b": ["192.0.2.2"], "c": ["192.0.2.3", "2001:db8::3"]},
    )
    assert called(found) == ["192.0.2.2", "192.0.2.1", "192.0.2.3", "2001:db8::3"]
    assert isinstance(found, Route)
    assert found.hosts[0] == Host("b", "192.0.2.2", 25)
    assert found.login is None


def test_a_domain_without_exchangers_is_its_own() -> None:
    found = find("b.test", addresses={"b.test": ["192.0.2.1"]})
    assert called(found) == ["192.0.2.1"]


@pytest.mark.parametrize(
    ("domain", "address"),
    [("[192.0.2.7]", "192.0.2.7"), ("[IPv6:2001:db8::7]", "2001:db8::7")],
)
def test_an_address_literal_is_called_directly(domain: str, address: str) -> None:
    found = find(domain)
    assert called(found) == [address]
    assert isinstance(found, Route)
    assert str(found.hosts[0]) == f"[{address}]"


def test_at_most_ten_addresses_are_called() -> None:
    records = [Mx(number, f"h{number}") for number in range(8)]
    addresses = {f"h{number}": [f"192.0.2.{number}", f"198.51.100.{number}"] for number in range(8)}
    assert (
        len(called(find("b.test", mx={"b.test": records}, addresses=addresses))) == MOST_ADDRESSES
    )


def test_exchangers_that_do_not_exist_are_passed_over() -> None:
    records = [Mx(10, "gone"), Mx(20, "there")]
    found = find("b.test", mx={"b.test": records}, addresses={"there": ["192.0.2.1"]})
    assert called(found) == ["192.0.2.1"]


def test_a_null_mx_takes_no_mail() -> None:
    found = find("b.test", mx={"b.test": [Mx(0, "")]})
    assert refused(found) == ("dns.null-mx", Outcome.REJECT, "5.1.10")
    assert isinstance(found, Reason)
    assert found.reply is not None
    assert found.reply.code == 556


def test_a_null_mx_beside_others_is_none() -> None:
    records = [Mx(0, ""), Mx(10, "a")]
    assert called(find("b.test", mx={"b.test": records}, addresses={"a": ["192.0.2.1"]})) == [
        "192.0.2.1"
    ]


def test_a_domain_that_does_not_exist_is_final() -> None:
    assert refused(find("b.test")) == ("dns.no-domain", Outcome.REJECT, "5.1.2")


def test_exchangers_without_any_address_are_final() -> None:
    found = find("b.test", mx={"b.test": [Mx(10, "gone")]})
    assert refused(found) == ("dns.no-address", Outcome.REJECT, "5.4.4")


@pytest.mark.parametrize("name", ["b.test", "a"])
def test_a_dns_failure_is_for_now(name: str) -> None:
    failing = Temporary(name, 9002, "DNS server failure")
    found = find("b.test", mx={"b.test": [Mx(10, "a")]}, errors={name: failing})
    assert refused(found) == ("dns.temporary", Outcome.DEFER, "4.4.3")


def test_this_server_and_worse_exchangers_are_left_out() -> None:
    """RFC 5321 §5.1: as a backup it sends only to better ones."""
    found = find(
        "b.test",
        mx={"b.test": [Mx(10, "main"), Mx(20, "backup"), Mx(20, "us"), Mx(30, "last")]},
        addresses={
            "main": ["192.0.2.1"],
            "backup": ["192.0.2.2"],
            "us": [OURS],
            "last": ["192.0.2.4"],
        },
    )
    assert called(found) == ["192.0.2.1"]


@pytest.mark.parametrize(
    ("address", "listen"),
    [(OURS, "0.0.0.0 ::"), ("203.0.113.5", "203.0.113.5"), ("0.0.0.0", "203.0.113.5")],
)
def test_a_domain_whose_best_exchanger_is_this_server_loops(address: str, listen: str) -> None:
    found = find(
        "b.test",
        settings(smtp__listen=listen),
        mx={"b.test": [Mx(10, "us"), Mx(20, "other")]},
        addresses={"us": [address], "other": ["192.0.2.1"]},
    )
    assert refused(found) == ("routing.mx-loop", Outcome.REJECT, "5.4.6")


def test_a_backup_waits_while_the_main_exchanger_can_not_be_looked_up() -> None:
    found = find(
        "b.test",
        mx={"b.test": [Mx(10, "main"), Mx(20, "us")]},
        addresses={"us": [OURS]},
        errors={"main": Temporary("main", 1460, "timed out")},
    )
    assert refused(found) == ("dns.temporary", Outcome.DEFER, "4.4.3")


@pytest.mark.parametrize(
    "texts",
    [
        {"smtp__remote_port": "2525"},
        {"smtp__listen": "203.0.113.5"},
        {"smtp__dial_ranges": f"{OURS}/32"},
    ],
)
def test_this_machines_address_is_another_server_where_ours_does_not_listen(
    texts: dict[str, str],
) -> None:
    found = find(
        "b.test", settings(**texts), mx={"b.test": [Mx(10, "us")]}, addresses={"us": [OURS]}
    )
    assert called(found) == [OURS]


def test_a_smart_host_takes_the_mail_of_every_domain() -> None:
    in_force = settings(
        smarthost__enabled="yes",
        smarthost__host="relay.example:587",
        smarthost__username="us",
        smarthost__password="secret",
    )
    found = find("b.test", in_force, addresses={"relay.example": ["192.0.2.1"]})
    assert found == Route((Host("relay.example", "192.0.2.1", 587),), ("us", "secret"))


@pytest.mark.parametrize(
    ("host", "rule"),
    [
        ("", "smarthost.missing"),
        ("nowhere.example", "smarthost.unknown"),
        (OURS, "smarthost.self"),
        (f"{OURS}:587", "smarthost.self"),
        ("mail.a.test", "smarthost.self"),
    ],
)
def test_mail_waits_for_a_smart_host_that_can_not_be(host: str, rule: str) -> None:
    in_force = settings(smarthost__enabled="yes", smarthost__host=host)
    found = find("b.test", in_force, addresses={"mail.a.test": ["192.0.2.1"]})
    assert refused(found)[:2] == (rule, Outcome.DEFER)


def test_another_server_on_this_machine_may_be_the_smart_host() -> None:
    in_force = settings(smarthost__enabled="yes", smarthost__host="127.0.0.1:2525")
    assert called(find("b.test", in_force)) == ["127.0.0.1"]


def test_only_addresses_in_the_ranges_are_called() -> None:
    records = {"b.test": [Mx(10, "a"), Mx(20, "b")]}
    addresses = {"a": ["192.0.2.1"], "b": ["198.51.100.1"]}
    in_force = settings(smtp__dial_ranges="198.51.100.0/24")
    assert called(find("b.test", in_force, mx=records, addresses=addresses)) == ["198.51.100.1"]
    outside = settings(smtp__dial_ranges="127.0.0.0/8 ::1")
    found = find("b.test", outside, mx=records, addresses=addresses)
    assert refused(found) == ("dial.not-allowed", Outcome.DEFER, "4.7.1")
    assert isinstance(found, Reason)
    assert found.setting == "smtp.dial_ranges"
    assert "127.0.0.0/8 ::1/128" in found.text


@pytest.mark.parametrize(
    ("error", "name_server", "rule"),
    [
        (Temporary("b.test", 1460, "no DNS server answered in time"), "", "dial.not-allowed"),
        (Temporary("b.test", 9002, "failure"), "192.0.2.53", "dial.not-allowed"),
        (NxDomain("b.test"), "", "dial.not-allowed"),
        (NxDomain("b.test"), "192.0.2.53", "dns.no-domain"),
    ],
)
def test_where_only_some_addresses_are_called_an_unknown_one_is_not(
    error: ResolverError, name_server: str, rule: str
) -> None:
    """A demonstration without a network: its resolver knows nothing of the world outside."""
    in_force = settings(smtp__dial_ranges="127.0.0.0/8", smtp__dns_address=name_server)
    assert refused(find("b.test", in_force, errors={"b.test": error}))[0] == rule


def test_an_exchanger_without_address_is_not_called_either() -> None:
    in_force = settings(smtp__dial_ranges="127.0.0.0/8")
    found = find("b.test", in_force, mx={"b.test": [Mx(10, "gone")]})
    assert refused(found)[0] == "dial.not-allowed"
