"""One host: systemd as PID 1 in a container of its own, reached by ssh as root.

It is an overlay on an image, a network namespace, a subtree of cgroup2 and `systemd-nspawn --boot`.
The overlay is mounted in a mount namespace that ends with the host. It is volatile: fsync costs
nothing, and a killed guest still finds all it wrote, for the outer kernel lives on.

Owns: the run's folder NUMBER with the upper layer, and the process that boots the guest.
Failure: CommandFailed for a command of the caller, AssertionError for a host that does not come up;
its text ends with the console's last lines.
"""

from __future__ import annotations

import shlex
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.appliance.harness.guests import Guest
from tests.appliance.harness.identity import personalise
from tests.appliance.harness.machine import CommandFailed, remove
from tests.appliance.harness.network import Network
from tests.appliance.harness.secure_shell import SecureShell
from tests.support.waiting import until

_BOOT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Image:
    """What a host starts from: layers, the topmost first."""

    layers: tuple[Path, ...]


class Host:
    """A host of a `Lab`, which makes it and takes it away."""

    def __init__(
        self,
        name: str,
        number: int,
        *,
        image: Image,
        disk: Path,
        network: Network,
        ssh: SecureShell,
    ) -> None:
        self.name = name
        self.number = number
        self.address = network.address(number)
        self.address6 = network.address6(number)
        self.image = image
        self._disk = disk
        self._upper = disk / "upper"
        self._network = network
        self._ssh = ssh
        self._guest = Guest(network.namespace(number), console=disk / "console.log")

    # ── life ─────────────────────────────────────────────────────────────────────────────────────
    def create(self) -> None:
        """An empty upper layer with the host's own names and keys, and its wire."""
        self._disk.mkdir(parents=True)
        self._upper.mkdir(mode=0o755)
        self._network.attach(self.number)
        host_key = self._ssh.introduce(self.name, self.address)
        personalise(
            self._upper,
            self.image.layers,
            name=self.name,
            address=self.address,
            host_key=host_key,
            login_key=self._ssh.login_key,
        )

    def start(self, *, degraded: bool = False) -> None:
        """Boot, and return when every unit that starts with the host has started.

        Args:
            degraded: a unit may have failed.
        """
        self._guest.boot((self._upper, *self.image.layers), work=self._disk)
        self._wait_until_up(degraded=degraded)

    def stop(self) -> None:
        """Shut down in order; kill it if that takes too long."""
        self._ssh.hang_up(self.name)
        self._guest.shut_down()

    def kill(self) -> None:
        """End every process of the host at once, as a power cut does; what it wrote stays."""
        self._guest.kill()
        self._ssh.hang_up(self.name)

    def reboot(self, *, degraded: bool = False) -> None:
        """Have the host restart itself, and wait until it is up again."""
        before = self._guest.init()
        self.run("systemctl reboot", check=False)
        self._ssh.hang_up(self.name)

        def again() -> bool:
            assert self._guest.running, f"{self.name} ended in place of a reboot{self._console()}"
            return self._guest.init() not in {None, before}

        until(again, f"a reboot of {self.name}", within_s=_BOOT_S)
        self._wait_until_up(degraded=degraded)

    @property
    def running(self) -> bool:
        return self._guest.running

    def remove(self) -> None:
        """Kill it, and remove all there is of it."""
        self._guest.kill()
        self._ssh.forget(self.name)
        with suppress(CommandFailed):
            self._network.detach(self.number)
        remove(self._disk)

    def snapshot(self, folder: Path | None = None) -> Image:
        """Stop, and move what the host wrote aside: later hosts may start from it.

        The host itself is a new one on top of that; `start` it again if it is still wanted.

        Args:
            folder: where the layer goes; without it, it goes when the run goes.
        """
        self.stop()
        layer = folder or self._disk.parent / f"layer-{time.monotonic_ns()}"
        self._upper.rename(layer)
        self._upper.mkdir(mode=0o755)
        self.image = Image((layer, *self.image.layers))
        return self.image

    # ── what it does ─────────────────────────────────────────────────────────────────────────────
    def run(
        self, command: str, *, check: bool = True, stdin: str = "", timeout_s: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command as root.

        Raises:
            CommandFailed: it did not end with 0, and `check` was asked for.
        """
        ran = subprocess.run(
            [*self._ssh.command, self.name, command],
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
        if check and ran.returncode:
            said = (ran.stdout + ran.stderr).strip()[-2000:]
            raise CommandFailed(f"{command!r} on {self.name} ended with {ran.returncode}: {said}")
        return ran

    def ask(self, command: str, *, timeout_s: float = 120) -> str:
        """Run a shell command as root, and return its standard output without the last newline."""
        return self.run(command, timeout_s=timeout_s).stdout.rstrip("\n")

    def read(self, path: str) -> str:
        """The text of a file."""
        return self.run(f"cat -- {shlex.quote(path)}").stdout

    def write(self, path: str, text: str, *, mode: str = "0644") -> None:
        """Write a file, and the folders it stands in."""
        self.run(f"install -D -m {mode} /dev/stdin {shlex.quote(path)}", stdin=text)

    def know(self, *hosts: Host) -> None:
        """Write the names of other hosts into /etc/hosts; there is no DNS."""
        lines = "".join(f"{h.address} {h.name}\n{h.address6} {h.name}\n" for h in hosts)
        self.run("cat >>/etc/hosts", stdin=lines)

    def cut(self) -> None:
        """Pull the wire: from now on nobody reaches the host, and it nobody."""
        self._network.wire(self.number, joined=False)

    def join(self) -> None:
        """Plug the wire in again."""
        self._network.wire(self.number, joined=True)

    # ── coming up ────────────────────────────────────────────────────────────────────────────────
    def _wait_until_up(self, *, degraded: bool) -> None:
        def state() -> str:
            assert self._guest.running, f"{self.name} ended while it started{self._console()}"
            asked = self.run("systemctl is-system-running --wait", check=False, timeout_s=_BOOT_S)
            # 255 is ssh's own: not up yet, or still shutting down
            return "" if asked.returncode == 255 else asked.stdout.strip()

        try:
            found = until(state, f"ssh on {self.name}", within_s=_BOOT_S)
        except AssertionError as error:
            raise AssertionError(f"{error}{self._console()}") from None
        if found != "running" and not (degraded and found == "degraded"):
            failed = self.run("systemctl --failed --plain --no-legend", check=False).stdout
            raise AssertionError(f"{self.name} is {found}: {failed.strip()}{self._console()}")

    def _console(self) -> str:
        lines = self._guest.console.read_text(errors="replace").splitlines()[-15:]
        return "\nconsole:\n" + "\n".join(lines)
