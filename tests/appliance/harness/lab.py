"""A run's hosts: where they are made, and where all of them end.

Owns: a share of the network, found free under a lock, and with it `RUNS/SHARE/` (ssh, small things)
and `~/.cache/posthouse/runs/SHARE/` (layers). The lock on the share lasts as long as the process.
Whatever stands under a share that nobody holds belongs to a dead run; the next run removes it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable
from io import TextIOWrapper
from pathlib import Path
from typing import Self

from tests.appliance.harness import images
from tests.appliance.harness.cache import cached
from tests.appliance.harness.guests import kill_left_over
from tests.appliance.harness.hosts import Host, Image
from tests.appliance.harness.machine import RUNS, Unfit, caches, check, locked, remove
from tests.appliance.harness.network import SHARES, Network
from tests.appliance.harness.secure_shell import SecureShell, hang_up_left_over


class Lab:
    """A context: inside it there are hosts, after it there are none."""

    def __init__(self) -> None:
        check()
        self.base = Image((images.base(),))
        self._lock, self.network = _take_share()
        try:
            self.folder = RUNS / str(self.network.share)
            self.folder.mkdir(mode=0o700)
            self._disk = caches() / "runs" / str(self.network.share)
            remove(self._disk)
            self._disk.mkdir(parents=True)
            (self.folder / "disk").symlink_to(self._disk)
            (self.folder / "pid").write_text(f"{os.getpid()}\n")
            self.network.make()
            self.ssh = SecureShell(self.folder / "ssh")
        except BaseException:
            self._give_back()
            raise
        self._hosts: dict[str, Host] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            for host in list(self._hosts.values()):
                self.remove(host)
        finally:
            self._give_back()

    @property
    def outer(self) -> str:
        """The address of the machine that the tests run on, as the hosts see it."""
        return self.network.address(1)

    def host(self, name: str, image: Image | None = None, *, start: bool = True) -> Host:
        """A new host of this name, from the bare base or from a snapshot, up and ready.

        Args:
            name: in full; the part before the first dot is the hostname.
            image: what it starts from.
            start: without it, `Host.start` is still to be called.
        """
        assert name not in self._hosts, f"there is a host {name} already"
        used = {host.number for host in self._hosts.values()}
        number = next(n for n in self.network.numbers if n not in used)
        host = Host(
            name,
            number,
            image=image or self.base,
            disk=self._disk / str(number),
            network=self.network,
            ssh=self.ssh,
        )
        self._hosts[name] = host  # from here on the end of the lab removes what there is of it
        host.create()
        if start:
            host.start()
        return host

    def remove(self, host: Host) -> None:
        """Take a host away; its name and its address are free again."""
        host.remove()
        del self._hosts[host.name]

    def image(
        self,
        kind: str,
        made_from: Iterable[str | bytes],
        provision: Callable[[Host], None],
        *,
        name: str = "",
    ) -> Image:
        """A snapshot that later runs find again, as long as it is made from the same things.

        Args:
            kind: the name of its shelf in the cache, where the few used last stay.
            made_from: whatever decides what is on it; the base is already among it.
            provision: makes it out of a bare host that is up.
            name: the host's name while it is made; without one, the kind.
        """

        def make(folder: Path) -> None:
            host = self.host(name or kind)
            try:
                provision(host)
                host.snapshot(folder / "upper")
            finally:
                self.remove(host)

        [base] = self.base.layers
        return Image((cached(kind, (base.name, *made_from), make) / "upper", base))

    def _give_back(self) -> None:
        _sweep(self.network)
        self._lock.close()


def _take_share() -> tuple[TextIOWrapper, Network]:
    """Remove what dead runs left, and take a share that nobody uses.

    Raises:
        Unfit: all of them are in use.
    """
    taken: tuple[TextIOWrapper, Network] | None = None
    with locked(RUNS / "lock"):
        for network in map(Network, range(SHARES)):
            lock = (RUNS / f"{network.share}.lock").open("a")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            _sweep(network)
            if taken or network.taken():
                lock.close()
            else:
                taken = lock, network
    if not taken:
        raise Unfit("Every share of 198.51.100.0/24 is in use on this machine: see `ip address`.")
    return taken


def _sweep(network: Network) -> None:
    """End and remove whatever stands under this share, whoever made it."""
    folder = RUNS / str(network.share)
    kill_left_over(network.name)
    hang_up_left_over(folder / "ssh")
    network.remove()
    if (folder / "disk").is_symlink():
        remove((folder / "disk").readlink())
    if folder.exists():
        remove(folder)
