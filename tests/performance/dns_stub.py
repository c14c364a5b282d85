"""A name server for the benchmark: it knows the client's domain, and that nothing else exists.

Without it, a server that checks SPF or MX would wait for a network that isn't there, and the row
would measure time-outs. Its answers may be cached for an hour, as a real one's.
"""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

__all__ = ["DnsStub"]

_ZONE = {
    ("sender.test.", "TXT"): '"v=spf1 ip4:127.0.0.1 -all"',
    ("sender.test.", "MX"): "10 client.sender.test.",
    ("sender.test.", "A"): "127.0.0.1",
    ("client.sender.test.", "A"): "127.0.0.1",
    ("1.0.0.127.in-addr.arpa.", "PTR"): "client.sender.test.",
}
_NAMES = {name for name, _ in _ZONE}
_SOA = ". 3600 IN SOA ns.sender.test. hostmaster.sender.test. 1 3600 600 86400 3600"


class DnsStub:
    """Answers UDP questions on a loopback port, in a thread of its own, until closed.

    Attributes:
        port: where it listens.
        questions: how many it was asked.
    """

    def __init__(self) -> None:
        self.questions = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self.port: int = self._socket.getsockname()[1]
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="dns-stub", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                wire, client = self._socket.recvfrom(4096)
                question = dns.message.from_wire(wire)
            except (TimeoutError, dns.exception.DNSException):
                continue
            self.questions += 1
            self._socket.sendto(_reply(question).to_wire(), client)


def _reply(question: dns.message.Message) -> dns.message.Message:
    reply = dns.message.make_response(question, recursion_available=True)
    if not question.question:
        reply.set_rcode(dns.rcode.FORMERR)
        return reply
    asked = question.question[0]
    name = asked.name.to_text().lower()
    kind = dns.rdatatype.to_text(asked.rdtype)
    if text := _ZONE.get((name, kind)):
        reply.answer.append(dns.rrset.from_text(asked.name, 3600, "IN", kind, text))
        return reply
    if name not in _NAMES:
        reply.set_rcode(dns.rcode.NXDOMAIN)
    owner, ttl, rdclass, rdtype, *rest = _SOA.split(" ", 4)
    reply.authority.append(dns.rrset.from_text(owner, int(ttl), rdclass, rdtype, *rest))
    return reply
