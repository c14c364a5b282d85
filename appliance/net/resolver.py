"""Mail exchangers and addresses from the DNS, with every failure said to be for now or for good.

Standards: RFC 1035, RFC 2308 (negative answers), RFC 6761 §6.3 (localhost), RFC 7505 (null MX).
    Error texts name the codes of the manual's §9.5, where its readers look for them.
Owns: a cache of answers that respects their time to live, for one choice of servers.
Never: chooses among exchangers; whoever sends does.
Failure: `NxDomain`, `NoData` (for good), `Temporary`.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import dns.asyncresolver
import dns.exception
import dns.message
import dns.name
import dns.nameserver
import dns.rcode
import dns.resolver
from dns.rdtypes.ANY.MX import MX

__all__ = [
    "DnsResolver",
    "FixedResolver",
    "Mx",
    "NoData",
    "NxDomain",
    "Resolver",
    "ResolverError",
    "Temporary",
    "is_address",
]

_SERVER_TIMEOUT_S = 3.0  # then the next server is asked
_TIMEOUT_S = 12.0  # for all of them together
_CACHE_MOST = 8192  # answers
_MACHINE = Path("/etc/resolv.conf")

_FAILED, _TIMED_OUT, _BAD_PACKET, _OTHER_RCODE = 9002, 1460, 9502, 9504
_CODES = {
    dns.rcode.FORMERR: (9001, "the DNS server is unable to interpret the format"),
    dns.rcode.SERVFAIL: (_FAILED, "DNS server failure"),
    dns.rcode.NXDOMAIN: (9003, "the DNS name does not exist"),
    dns.rcode.NOTIMP: (9004, "the request is not supported by the name server"),
    dns.rcode.REFUSED: (9005, "the DNS operation was refused"),
    dns.rcode.YXDOMAIN: (9006, "a DNS name that ought not to exist does exist"),
    dns.rcode.YXRRSET: (9007, "a DNS RR set that ought not to exist does exist"),
    dns.rcode.NXRRSET: (9008, "a DNS RR set that ought to exist does not exist"),
    dns.rcode.NOTAUTH: (9009, "the DNS server is not authoritative for the zone"),
    dns.rcode.NOTZONE: (9010, "the DNS name is not in the zone"),
    dns.rcode.BADSIG: (9016, "the DNS signature failed to verify"),
    dns.rcode.BADKEY: (9017, "bad DNS key"),
    dns.rcode.BADTIME: (9018, "the DNS signature's validity has expired"),
}


class ResolverError(Exception):
    """A look-up without an answer.

    Attributes:
        name: what was looked up.
        code: the manual's code (§9.5).
    """

    def __init__(self, name: str, code: int, text: str) -> None:
        self.name = name
        self.code = code
        super().__init__(f"{name}: {text} ({code})")


class NxDomain(ResolverError):
    """The name does not exist (permanent)."""

    def __init__(self, name: str) -> None:
        super().__init__(name, *_CODES[dns.rcode.NXDOMAIN])


class NoData(ResolverError):
    """The name exists, and has no such records (permanent)."""

    def __init__(self, name: str, kind: str) -> None:
        super().__init__(name, 9501, f"no {kind} records were found")


class Temporary(ResolverError):
    """No server could answer: ask again later."""


@dataclass(frozen=True, slots=True)
class Mx:
    """A mail exchanger.

    Attributes:
        preference: lower is tried first.
        host: its name in lower case; empty says that the domain takes no mail (RFC 7505).
    """

    preference: int
    host: str


class Resolver(Protocol):
    """Where the DNS is asked."""

    async def mx(self, domain: str) -> list[Mx]:
        """Return a domain's mail exchangers, in no order; one at least.

        Raises:
            ResolverError: NoData when there are none; see its kinds.
        """

    async def addresses(self, host: str) -> list[str]:
        """Return a host's IP addresses, IPv4 first; one at least.

        Raises:
            ResolverError: NoData when there are none; see its kinds.
        """


class DnsResolver:
    """Asks DNS servers: those it is told, or the machine's."""

    def __init__(self, servers: Callable[[], Sequence[tuple[str, int]]]) -> None:
        """Take the source of the servers.

        Args:
            servers: gives host and port of each, in the order to try; asked before every look-up,
                so that a change holds for the next one. None given: the machine's resolvers.
        """
        self._servers = servers
        self._chosen: object = None
        self._asking: dns.asyncresolver.Resolver | None = None

    async def mx(self, domain: str) -> list[Mx]:
        """See `Resolver.mx`."""
        answer = await self._ask(domain, "MX")
        records = (record for record in answer if isinstance(record, MX))
        return [
            Mx(record.preference, record.exchange.to_text(omit_final_dot=True).lower().strip("."))
            for record in records
        ]

    async def addresses(self, host: str) -> list[str]:
        """See `Resolver.addresses`."""
        if is_address(host):
            return [host]
        if host == "localhost" or host.endswith(".localhost"):  # RFC 6761 §6.3
            return ["127.0.0.1", "::1"]
        answers = await asyncio.gather(
            self._ask(host, "A"), self._ask(host, "AAAA"), return_exceptions=True
        )
        found: list[str] = []
        errors: list[BaseException] = []
        for answer in answers:
            if isinstance(answer, BaseException):
                errors.append(answer)
            else:
                found += [record.to_text() for record in answer]
        if found:
            return found
        raise _gravest(host, errors)

    async def _ask(self, name: str, kind: str) -> dns.resolver.Answer:
        try:
            resolver = await self._resolver()
            absolute = dns.name.from_text(name)
            return await resolver.resolve(absolute, kind, search=False, lifetime=_TIMEOUT_S)
        except dns.resolver.NXDOMAIN:
            raise NxDomain(name) from None
        except dns.resolver.NoAnswer:
            raise NoData(name, kind) from None
        except dns.resolver.YXDOMAIN as error:
            raise Temporary(name, *_CODES[dns.rcode.YXDOMAIN]) from error
        except dns.resolver.NoNameservers as error:
            raise Temporary(name, *_failure(error)) from error
        except dns.resolver.LifetimeTimeout as error:
            raise Temporary(name, _TIMED_OUT, "no DNS server answered in time") from error
        except (dns.name.LabelTooLong, dns.name.NameTooLong, dns.name.EmptyLabel):
            raise NxDomain(name) from None  # nothing like it can be in the DNS
        except (dns.exception.DNSException, OSError) as error:
            text = f"the DNS can't be asked: {str(error) or type(error).__name__}"
            raise Temporary(name, _FAILED, text) from error

    async def _resolver(self) -> dns.asyncresolver.Resolver:
        servers = tuple(self._servers())
        chosen: object = servers or _changed_at(_MACHINE)
        if self._asking is None or chosen != self._chosen:
            self._asking = await _resolver_for(servers)
            self._chosen = chosen
        return self._asking


class FixedResolver:
    """Answers out of dictionaries, for tests; what they don't hold does not exist."""

    def __init__(
        self,
        *,
        mx: Mapping[str, Sequence[Mx]] | None = None,
        addresses: Mapping[str, Sequence[str]] | None = None,
        errors: Mapping[str, ResolverError] | None = None,
    ) -> None:
        """Take the answers by name; a name in `errors` fails whatever is asked of it."""
        self._mx = {} if mx is None else mx
        self._addresses = {} if addresses is None else addresses
        self._errors = {} if errors is None else errors
        self.asked: list[str] = []

    async def mx(self, domain: str) -> list[Mx]:
        """See `Resolver.mx`."""
        self._look_up(domain)
        if domain in self._mx:
            return list(self._mx[domain])
        if domain in self._addresses:
            raise NoData(domain, "MX")
        raise NxDomain(domain)

    async def addresses(self, host: str) -> list[str]:
        """See `Resolver.addresses`."""
        if is_address(host):
            return [host]
        self._look_up(host)
        if host in self._addresses:
            return list(self._addresses[host])
        raise NxDomain(host)

    def _look_up(self, name: str) -> None:
        self.asked.append(name)
        if name in self._errors:
            raise self._errors[name]


def is_address(host: str) -> bool:
    """Tell whether a host is given by its IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _resolver_for(servers: Sequence[tuple[str, int]]) -> dns.asyncresolver.Resolver:
    """Make a resolver with an empty cache; a server given by name is looked up by the machine."""
    resolver = dns.asyncresolver.Resolver(configure=not servers)
    if servers:
        resolver.nameservers = [
            dns.nameserver.Do53Nameserver(address, port)
            for host, port in servers
            for address in await _addresses_of(host)
        ]
    resolver.timeout = _SERVER_TIMEOUT_S
    resolver.cache = dns.resolver.LRUCache(_CACHE_MOST)
    return resolver


async def _addresses_of(host: str) -> list[str]:
    if is_address(host):
        return [host]
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def _changed_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _gravest(host: str, errors: Sequence[BaseException]) -> BaseException:
    """Choose what is told of a host without addresses: what may pass counts most."""
    for kind in (Temporary, NoData, NxDomain):
        for error in errors:
            if isinstance(error, kind):
                return NoData(host, "A or AAAA") if kind is NoData else error
    return errors[0]


def _failure(error: dns.resolver.NoNameservers) -> tuple[int, str]:
    """Return code and text of the last server's failure, of a time-out if none has answered."""
    tried: Sequence[tuple[object, ...]] = error.kwargs.get("errors", ())
    for each in reversed(tried):
        response = each[-1]
        if isinstance(response, dns.message.Message):
            rcode = response.rcode()
            if rcode in _CODES:
                return _CODES[rcode]
            if rcode is not dns.rcode.NOERROR:
                return _OTHER_RCODE, f"DNS error, rcode {dns.rcode.to_text(rcode)}"
            return _BAD_PACKET, "bad DNS packet"
        if isinstance(each[-2], dns.exception.FormError):
            return _BAD_PACKET, "bad DNS packet"
    return _TIMED_OUT, "no DNS server answered in time"
