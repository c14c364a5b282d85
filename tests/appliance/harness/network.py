"""The network of one run: a bridge in a namespace of its own, and a share of TEST-NET-2 behind it.

The outer machine has one foot in it, so it reaches the hosts; its firewall and its ports do not
matter to them. There is no route out. Runs at the same time take different shares.
"""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path

from tests.appliance.harness.machine import CommandFailed, call

SHARES = 8
_SHARES = list(ipaddress.IPv4Network("198.51.100.0/24").subnets(new_prefix=27))


class Network:
    """Share number N: its names, its addresses, its wires."""

    def __init__(self, share: int) -> None:
        self.share = share
        self.name = f"ph{share}"
        self.range = _SHARES[share]
        self.range6 = ipaddress.IPv6Network(f"2001:db8:5054:{share}::/64")
        self.numbers = range(2, 31)  # 0 and 31 are the range's own, 1 is the outer machine

    def address(self, number: int) -> str:
        """The address of a host; number 1 is the outer machine's."""
        return str(self.range[number])

    def address6(self, number: int) -> str:
        """The same by IPv6."""
        return str(self.range6[number])

    def namespace(self, number: int) -> str:
        """The name of a host's network namespace, for `ip netns`."""
        return f"{self.name}-{number}"

    def taken(self) -> bool:
        """Whether somebody else on this machine uses these addresses."""
        shown = json.loads(call("ip", "-json", "-4", "address"))
        return any(
            ipaddress.ip_address(address["local"]) in self.range
            for link in shown
            for address in link["addr_info"]
        )

    def make(self) -> None:
        """The bridge, and the outer machine's foot in it."""
        inside = ("ip", "-netns", self.name)
        call("ip", "netns", "add", self.name)
        call(*inside, "link", "add", "bridge", "type", "bridge", "forward_delay", "0")
        call("ip", "link", "add", self.name, "type", "veth", "peer", "out", "netns", self.name)
        for link in ("lo", "bridge", "out"):
            call(*inside, "link", "set", link, "up")
        call(*inside, "link", "set", "out", "master", "bridge")
        self._settle("ip", link=self.name, number=1)

    def attach(self, number: int) -> None:
        """A namespace with an `eth0` on the bridge."""
        space = self.namespace(number)
        wire = self._wire(number)
        call("ip", "netns", "add", space)
        there = ("link", "add", wire, "netns", self.name)
        # By its number, so that a later host of this address is found where the former one was.
        mac = f"02:50:48:00:{self.share:02x}:{number:02x}"
        call("ip", *there, "type", "veth", "peer", "eth0", "address", mac, "netns", space)
        call("ip", "-netns", self.name, "link", "set", wire, "master", "bridge", "up")
        self._settle("ip", "-netns", space, link="eth0", number=number)

    def detach(self, number: int) -> None:
        """Take the namespace away, and the wire with it."""
        call("ip", "-netns", self.name, "link", "delete", self._wire(number))
        call("ip", "netns", "delete", self.namespace(number))

    def wire(self, number: int, *, joined: bool) -> None:
        """Cut a host off, or join it again."""
        state = "up" if joined else "down"
        call("ip", "-netns", self.name, "link", "set", self._wire(number), state)

    def remove(self) -> None:
        """Everything that has the names of this share, also when it is only a part."""
        for space in Path("/run/netns").glob(f"{self.name}-*"):
            call("ip", "netns", "delete", space.name)
        if Path("/sys/class/net", self.name).exists():
            call("ip", "link", "delete", self.name)
        if Path("/run/netns", self.name).exists():
            call("ip", "netns", "delete", self.name)

    @staticmethod
    def _wire(number: int) -> str:
        return f"host{number}"

    def _settle(self, *ip: str, link: str, number: int) -> None:
        length = self.range.prefixlen
        call(*ip, "address", "add", f"{self.address(number)}/{length}", "dev", link)
        try:
            # Known to be unique: no half second of looking for duplicates.
            call(*ip, "address", "add", f"{self.address6(number)}/64", "dev", link, "nodad")
        except CommandFailed:
            if number != 1:  # the outer machine may do without IPv6
                raise
        call(*ip, "link", "set", link, "up")
