"""Which hosts take a domain's mail, in the order to call them, or why nobody is called.

Standards: RFC 5321 §5.1 (exchangers, implicit MX, no loops), §4.1.3 (literals); RFC 7505 (null MX);
    RFC 3463 (status codes). Manual §6.2 (smart host).
Owns: nothing; the DNS is asked through the resolver it is handed.
Never: opens a connection.
Failure: a `Reason` in place of a route: REJECT for good, DEFER for now.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from appliance.journey.reason import Outcome, Reason
from appliance.mail.reply import Reply
from appliance.net.resolver import (
    Mx,
    NoData,
    NxDomain,
    Resolver,
    ResolverError,
    Temporary,
    is_address,
)
from appliance.rules.recipients import is_in
from appliance.settings import smarthost, smtp
from appliance.settings.kinds import split_host_port
from appliance.settings.snapshot import Snapshot

MOST_ADDRESSES = 10  # that are called for one attempt

Login = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Host:
    """An address to be called.

    Attributes:
        name: the host's name, or its address in brackets where it has none.
        address: IP address.
        port: TCP port.
    """

    name: str
    address: str
    port: int

    def __str__(self) -> str:
        """Name and address, for people: `mx.example.com [192.0.2.1]`."""
        return f"{self.name} [{self.address}]" if self.has_name else self.name

    @property
    def has_name(self) -> bool:
        """Whether it was found by a name."""
        return not self.name.startswith("[")


@dataclass(frozen=True, slots=True)
class Route:
    """The hosts to call, the best first.

    Attributes:
        hosts: one at least.
        login: name and password for AUTH, or None.
    """

    hosts: tuple[Host, ...]
    login: Login | None = None


class Router:
    """Finds routes."""

    def __init__(
        self,
        resolver: Resolver,
        *,
        shuffle: Callable[[list[Mx]], None],
        has_address: Callable[[str], bool],
    ) -> None:
        """Take what a decision needs from outside.

        Args:
            resolver: the DNS.
            shuffle: brings exchangers of one preference into a random order.
            has_address: tells whether an IP address is this machine's.
        """
        self._resolver = resolver
        self._shuffle = shuffle
        self._has_address = has_address

    async def route(self, domain: str, settings: Snapshot, *, local_domain: str) -> Route | Reason:
        """Decide whom to call.

        Args:
            domain: the recipients' domain, A-labels or an address literal.
            settings: in force.
            local_domain: this server's name.
        """
        if settings[smarthost.enabled]:
            found = await self._smart_host(settings, local_domain)
        else:
            found = await self._exchangers(domain, settings)
        return found if isinstance(found, Reason) else _allowed(found, domain, settings)

    async def _smart_host(self, settings: Snapshot, local_domain: str) -> Route | Reason:
        text = settings[smarthost.host]
        if not text:
            return _defer(
                "smarthost.missing",
                "A smart host is enabled, and none is named.",
                "4.3.5",
                setting=smarthost.host.name,
            )
        name, port = split_host_port(text, settings[smtp.remote_port])
        try:
            addresses = await self._resolver.addresses(name.lower().rstrip("."))
        except (
            ResolverError
        ) as error:  # for now whatever it is: mail must not pay for a typing error
            return _defer(
                "smarthost.unknown",
                f"The smart host can't be looked up: {error}.",
                "4.4.3",
                setting=smarthost.host.name,
            )
        ports = (smtp.port, smtp.submission_port, smtp.submissions_port)
        our_port = port in (settings[each] for each in ports)
        if our_port and (
            name.lower() == local_domain.lower()
            or any(self._is_ours(address, settings) for address in addresses)
        ):
            return _defer(
                "smarthost.self",
                f"The smart host {text} is this server itself; mail would go round in a loop.",
                "4.4.6",
                setting=smarthost.host.name,
            )
        login = (settings[smarthost.username], settings[smarthost.password])
        hosts = tuple(_host(name, address, port) for address in addresses[:MOST_ADDRESSES])
        return Route(hosts, login if login[0] else None)

    async def _exchangers(self, domain: str, settings: Snapshot) -> Route | Reason:
        if domain.startswith("["):  # RFC 5321 §4.1.3
            address = domain[1:-1].removeprefix("IPv6:")
            groups = [[Mx(0, address)]]
        else:
            try:
                groups = self._order(await self._resolver.mx(domain))
            except NoData:
                groups = [[Mx(0, domain)]]  # RFC 5321 §5.1: the implicit MX
            except ResolverError as error:
                return _no_answer(error, domain, settings)
        if groups[0][0].host == "":  # RFC 7505 §3
            return _reject(
                "dns.null-mx", f"{domain} takes no mail: it has a null MX.", 556, "5.1.10"
            )
        return await self._hosts(domain, groups, settings)

    def _order(self, records: Sequence[Mx]) -> list[list[Mx]]:
        """Group exchangers by preference, the best first; equal ones in random order."""
        real = [record for record in records if record.host] or records  # RFC 7505 §3: alone or not
        by_preference = sorted(real, key=lambda record: record.preference)
        groups = [list(group) for _, group in groupby(by_preference, key=lambda mx: mx.preference)]
        for group in groups:
            self._shuffle(group)
        return groups

    async def _hosts(
        self, domain: str, groups: Sequence[Sequence[Mx]], settings: Snapshot
    ) -> Route | Reason:
        """Look up the exchangers' addresses, as many as will be called.

        Where one of them is this server, it and all of the same or a worse preference are left
        out: they would bring the message back (RFC 5321 §5.1).
        """
        port = settings[smtp.remote_port]
        our_port = port == settings[smtp.port]
        hosts: list[Host] = []
        errors: list[ResolverError] = []
        for group in groups:
            found: list[Host] = []
            for record in group[:MOST_ADDRESSES]:
                try:
                    addresses = await self._resolver.addresses(record.host)
                except ResolverError as error:
                    errors.append(error)
                    continue
                found += [_host(record.host, address, port) for address in addresses]
            if our_port and any(self._is_ours(host.address, settings) for host in found):
                if hosts or _first_temporary(errors):
                    break
                return _reject(
                    "routing.mx-loop",
                    f"The mail exchanger of {domain} is this server, which does not host {domain}.",
                    554,
                    "5.4.6",
                )
            hosts += found
            if len(hosts) >= MOST_ADDRESSES:
                break
        if hosts:
            return Route(tuple(hosts[:MOST_ADDRESSES]))
        return _no_address(domain, groups, errors, settings)

    def _is_ours(self, address: str, settings: Snapshot) -> bool:
        """Whether our own service would answer at this address and the port it listens on."""
        if ipaddress.ip_address(address).is_unspecified:
            return True  # connecting there reaches this machine
        if is_in(address, settings[smtp.dial_ranges]):
            return False  # a test network, where this machine plays other servers as well
        listens = settings[smtp.listen]
        anywhere = "::" if ":" in address else "0.0.0.0"  # noqa: S104 - compared, not bound
        return address in listens or (anywhere in listens and self._has_address(address))


def _host(name: str, address: str, port: int) -> Host:
    return Host(f"[{address}]" if is_address(name) else name, address, port)


def _no_address(
    domain: str, groups: Sequence[Sequence[Mx]], errors: Sequence[ResolverError], settings: Snapshot
) -> Reason:
    temporary = _first_temporary(errors)
    if temporary is not None or _is_apart(errors[0], settings):
        return _no_answer(temporary or errors[0], domain, settings)
    if groups[0][0].host == domain:  # neither exchangers nor an address
        text = f"There is no mail server for {domain}: {errors[0]}."
        return _reject("dns.no-address", text, 550, "5.1.2")
    text = f"The mail exchangers of {domain} have no addresses: {errors[0]}."
    return _reject("dns.no-address", text, 550, "5.4.4")


def _first_temporary(errors: Sequence[ResolverError]) -> ResolverError | None:
    return next((error for error in errors if isinstance(error, Temporary)), None)


def _is_apart(error: ResolverError, settings: Snapshot) -> bool:
    """Whether this is a network apart, whose resolver's failure says nothing of the world outside.

    Where only some addresses are called, the machine's resolver often knows but those; a name
    server that the settings name is taken at its word.
    """
    trusted = isinstance(error, NxDomain | NoData) and bool(settings[smtp.dns_address])
    return bool(settings[smtp.dial_ranges]) and not trusted


def _no_answer(error: ResolverError, domain: str, settings: Snapshot) -> Reason:
    if _is_apart(error, settings):
        return _not_allowed(f"The address of {domain} is not known ({error})", settings)
    if isinstance(error, NxDomain):
        return _reject("dns.no-domain", f"The domain does not exist. {error}.", 550, "5.1.2")
    return _defer("dns.temporary", f"The look-up in the DNS failed. {error}.", "4.4.3")


def _allowed(route: Route, domain: str, settings: Snapshot) -> Route | Reason:
    ranges = settings[smtp.dial_ranges]
    if not ranges:
        return route
    hosts = tuple(host for host in route.hosts if is_in(host.address, ranges))
    if hosts:
        return Route(hosts, route.login)
    named = ", ".join(str(host) for host in route.hosts[:3])
    return _not_allowed(f"Mail for {domain} would go to {named}", settings)


def _not_allowed(text: str, settings: Snapshot) -> Reason:
    ranges = smtp.dial_ranges.kind.render(settings[smtp.dial_ranges])
    return _defer(
        "dial.not-allowed",
        f"{text}, and this server may call only addresses in {ranges}: it stays in the queue.",
        "4.7.1",
        setting=smtp.dial_ranges.name,
    )


def _reject(rule: str, text: str, code: int, status: str) -> Reason:
    reply = Reply(code, status, text)
    return Reason(rule=rule, outcome=Outcome.REJECT, text=text, reply=reply)


def _defer(rule: str, text: str, status: str, *, setting: str = "") -> Reason:
    reply = Reply(451, status, text)
    return Reason(rule=rule, outcome=Outcome.DEFER, text=text, reply=reply, setting=setting)
