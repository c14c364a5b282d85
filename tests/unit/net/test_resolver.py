"""The resolver against name servers on loopback (RFC 1035, RFC 2308, RFC 7505; manual §9.5)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import dns.asyncresolver
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset
import pytest

from appliance.net import resolver as resolver_module
from appliance.net.resolver import (
    DnsResolver,
    FixedResolver,
    Mx,
    NoData,
    NxDomain,
    ResolverError,
    Temporary,
)

ZONE = {
    ("example.com.", "MX"): ["10 mx1.Example.com.", "20 mx2.example.com."],
    ("mx1.example.com.", "A"): ["192.0.2.1", "192.0.2.2"],
    ("mx1.example.com.", "AAAA"): ["2001:db8::1"],
    ("mx2.example.com.", "A"): ["192.0.2.3"],
    ("null.example.", "MX"): ["0 ."],
    ("plain.example.", "A"): ["192.0.2.9"],
    ("empty.example.", "TXT"): ['"only this"'],
}
SOA = "ns.example. hostmaster.example. 1 3600 600 86400 60"


class NameServer(asyncio.DatagramProtocol):
    """Answers from the zone, or always with the same rcode, or never."""

    def __init__(self, *, rcode: dns.rcode.Rcode | None = None, is_silent: bool = False) -> None:
        self.rcode = rcode
        self.is_silent = is_silent
        self.asked: list[tuple[str, str]] = []
        self.garbage = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)
        self.port: int = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        question = dns.message.from_wire(data)
        asked = question.question[0]
        name, kind = asked.name.to_text().lower(), dns.rdatatype.to_text(asked.rdtype)
        self.asked.append((name, kind))
        if not self.is_silent:
            reply = self.garbage or self.reply(question, name, kind).to_wire()
            self.transport.sendto(reply, addr)

    def reply(self, question: dns.message.Message, name: str, kind: str) -> dns.message.Message:
        reply = dns.message.make_response(question, recursion_available=True)
        if self.rcode is not None:
            reply.set_rcode(self.rcode)
        elif records := ZONE.get((name, kind)):
            reply.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *records))
        else:
            if all(name != known for known, _ in ZONE):
                reply.set_rcode(dns.rcode.NXDOMAIN)
            reply.authority.append(dns.rrset.from_text("example.", 60, "IN", "SOA", SOA))
        return reply


@asynccontextmanager
async def serving(*servers: NameServer) -> AsyncIterator[DnsResolver]:
    loop = asyncio.get_running_loop()
    for server in servers:
        await loop.create_datagram_endpoint(lambda: server, local_addr=("127.0.0.1", 0))  # noqa: B023 - called at once
    try:
        yield DnsResolver(lambda: [("127.0.0.1", server.port) for server in servers])
    finally:
        for server in servers:
            server.transport.close()


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario())


def test_mail_exchangers_come_with_their_preferences() -> None:
    async def scenario() -> None:
        async with serving(NameServer()) as resolver:
            found = await resolver.mx("example.com")
        assert sorted(found, key=lambda mx: mx.preference) == [
            Mx(10, "mx1.example.com"),
            Mx(20, "mx2.example.com"),
        ]

    run(scenario)


def test_addresses_of_both_families_come_ipv4_first() -> None:
    async def scenario() -> None:
        async with serving(NameServer()) as resolver:
            found = await resolver.addresses("mx1.example.com")
        assert set(found[:2]) == {"192.0.2.1", "192.0.2.2"}
        assert found[2:] == ["2001:db8::1"]

    run(scenario)


def test_a_null_mx_has_no_host() -> None:
    """RFC 7505 §3."""

    async def scenario() -> None:
        async with serving(NameServer()) as resolver:
            assert await resolver.mx("null.example") == [Mx(0, "")]

    run(scenario)


def test_what_needs_no_name_server_asks_none() -> None:
    """An IP address, and localhost (RFC 6761 §6.3)."""

    async def scenario() -> None:
        server = NameServer()
        async with serving(server) as resolver:
            assert await resolver.addresses("2001:db8::7") == ["2001:db8::7"]
            assert await resolver.addresses("localhost") == ["127.0.0.1", "::1"]
        assert server.asked == []

    run(scenario)


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [("nowhere.example", NxDomain, 9003), ("empty.example", NoData, 9501)],
)
def test_what_does_not_exist_is_told_from_what_has_no_records(
    name: str, kind: type[ResolverError], code: int
) -> None:
    async def scenario() -> None:
        async with serving(NameServer()) as resolver:
            for look_up in (resolver.mx, resolver.addresses):
                with pytest.raises(kind, match=rf"^{name}: .*\({code}\)$") as caught:
                    await look_up(name)
                assert caught.value.code == code
                assert caught.value.name == name

    run(scenario)


@pytest.mark.parametrize(
    ("rcode", "code"),
    [
        (dns.rcode.FORMERR, 9001),
        (dns.rcode.SERVFAIL, 9002),
        (dns.rcode.NOTIMP, 9004),
        (dns.rcode.REFUSED, 9005),
        (dns.rcode.YXDOMAIN, 9006),
        (dns.rcode.NOTAUTH, 9009),
        (dns.rcode.DSOTYPENI, 9504),
    ],
)
def test_a_server_failure_is_temporary_and_has_the_manuals_code(
    rcode: dns.rcode.Rcode, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Manual §9.5."""
    monkeypatch.setattr(resolver_module, "_TIMEOUT_S", 1.0)

    async def scenario() -> None:
        async with serving(NameServer(rcode=rcode)) as resolver:
            with pytest.raises(Temporary) as caught:
                await resolver.mx("example.com")
        assert caught.value.code == code

    run(scenario)


def test_a_silent_server_is_a_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver_module, "_TIMEOUT_S", 0.2)

    async def scenario() -> None:
        async with serving(NameServer(is_silent=True)) as resolver:
            with pytest.raises(Temporary, match="1460"):
                await resolver.addresses("mx1.example.com")

    run(scenario)


@pytest.mark.parametrize(
    "first",
    [NameServer(rcode=dns.rcode.REFUSED), NameServer(is_silent=True)],
    ids=["refuses", "silent"],
)
def test_the_next_server_is_asked_when_one_fails(
    first: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Manual §6.2, DNS Address."""
    monkeypatch.setattr(resolver_module, "_SERVER_TIMEOUT_S", 0.1)

    async def scenario() -> None:
        async with serving(first, NameServer()) as resolver:
            assert len(await resolver.mx("example.com")) == 2
        assert first.asked

    run(scenario)


def test_answers_and_refusals_are_remembered_for_their_time_to_live(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """RFC 1035 §3.2.1; RFC 2308 §5."""
    now = 1_750_000_000.0
    for module in (dns.resolver, dns.asyncresolver):
        monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: now))

    async def scenario() -> None:
        nonlocal now
        server = NameServer()
        async with serving(server) as resolver:
            for _ in range(3):
                await resolver.mx("example.com")
                with pytest.raises(NxDomain):
                    await resolver.mx("nowhere.example")
            assert len(server.asked) == 2
            now += 61
            await resolver.mx("example.com")
            with pytest.raises(NxDomain):
                await resolver.mx("nowhere.example")
            assert len(server.asked) == 4

    run(scenario)


def test_other_servers_are_asked_from_the_next_look_up_on() -> None:
    """smtp.dns_address is live: what the old servers said does not count any more."""

    async def scenario() -> None:
        old, new = NameServer(), NameServer()
        async with serving(old), serving(new):
            servers = [("127.0.0.1", old.port)]
            resolver = DnsResolver(lambda: servers)
            await resolver.mx("example.com")
            servers = [("localhost", new.port)]
            await resolver.mx("example.com")
        assert (len(old.asked), len(new.asked)) == (1, 1)

    run(scenario)


def test_a_machine_without_resolvers_is_a_temporary_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_configuration(**_: object) -> None:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr("dns.asyncresolver.Resolver", no_configuration)

    async def scenario() -> None:
        with pytest.raises(Temporary, match="can't be asked"):
            await DnsResolver(list).mx("example.com")

    run(scenario)


def test_a_name_that_the_dns_can_not_hold_does_not_exist() -> None:
    async def scenario() -> None:
        async with serving(NameServer()) as resolver:
            with pytest.raises(NxDomain):
                await resolver.mx(f"{'a' * 64}.example")

    run(scenario)


def test_the_fixed_resolver_answers_out_of_its_dictionaries() -> None:
    async def scenario() -> None:
        failing = Temporary("busy.example", 9002, "DNS server failure")
        resolver = FixedResolver(
            mx={"example.com": [Mx(10, "mx.example.com")]},
            addresses={"mx.example.com": ["192.0.2.1"]},
            errors={"busy.example": failing},
        )
        assert await resolver.mx("example.com") == [Mx(10, "mx.example.com")]
        assert await resolver.addresses("mx.example.com") == ["192.0.2.1"]
        assert await resolver.addresses("192.0.2.5") == ["192.0.2.5"]
        for name, error in (
            ("mx.example.com", NoData),
            ("other.example", NxDomain),
            ("busy.example", Temporary),
        ):
            with pytest.raises(error):
                await resolver.mx(name)
        with pytest.raises(NxDomain):
            await resolver.addresses("other.example")

    run(scenario)
