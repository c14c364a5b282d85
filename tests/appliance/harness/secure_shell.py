"""How hosts are reached: one ssh configuration a run, for the harness, Ansible and testinfra.

A key for the session, a host key for each host, known before it boots: nothing is trusted blindly.
One connection to a host carries all commands (ControlMaster); it is closed when the host goes.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from tests.appliance.harness.machine import CommandFailed, call


class SecureShell:
    """The configuration, in a folder of the run; its path is short, for sockets stand there."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        self._folder = folder
        self.config = folder / "config"
        self.command = ["ssh", "-F", str(self.config)]
        self._known: dict[str, tuple[str, str]] = {}
        call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "session", "-f", folder / "key")
        self.login_key = (folder / "key.pub").read_text()

    def introduce(self, name: str, address: str) -> tuple[str, str]:
        """A new host: its private and its public key."""
        key = self._folder / f"host-{address}"
        call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", key)
        private, public = key.read_text(), key.with_name(f"{key.name}.pub").read_text()
        key.unlink()
        key.with_name(f"{key.name}.pub").unlink()
        self._known[name] = (address, public)
        self._write()
        return private, public

    def forget(self, name: str) -> None:
        """The host is no more."""
        self.hang_up(name)
        if self._known.pop(name, None):
            self._write()

    def hang_up(self, name: str) -> None:
        """Close the shared connection: it does not survive the host's restart."""
        if name in self._known and any(self._folder.glob("to-*")):
            with suppress(CommandFailed):  # there was none
                call(*self.command, "-O", "exit", name, timeout_s=10)

    def _write(self) -> None:
        folder = self._folder
        lines = [
            f"Host {name} {address}\n  HostName {address}\n  HostKeyAlias {name}"
            for name, (address, _) in self._known.items()
        ]
        lines.append(
            "Host *\n  User root\n  BatchMode yes\n  IdentitiesOnly yes\n"
            f"  IdentityFile {folder}/key\n  UserKnownHostsFile {folder}/known\n"
            "  GlobalKnownHostsFile none\n  StrictHostKeyChecking yes\n  LogLevel ERROR\n"
            "  ConnectTimeout 2\n  ServerAliveInterval 5\n  ServerAliveCountMax 6\n"
            f"  ControlMaster auto\n  ControlPath {folder}/to-%h\n  ControlPersist 300\n"
        )
        self.config.write_text("\n".join(lines))
        known = (f"{name} {public}" for name, (_, public) in self._known.items())
        (folder / "known").write_text("".join(known))


def hang_up_left_over(folder: Path) -> None:
    """Close the connections that a dead run left open."""
    for socket in folder.glob("to-*"):
        try:
            call("ssh", "-F", "none", "-S", socket, "-O", "exit", "left-over", timeout_s=10)
        except CommandFailed:
            socket.unlink(missing_ok=True)
