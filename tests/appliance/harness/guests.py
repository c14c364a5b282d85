"""The process side of a host: booting a tree of files, stopping it, being sure that it is gone.

systemd powers off on SIGRTMIN+4 to its PID 1, and nspawn ends with 133 when the guest asked for a
reboot. A killed nspawn leaves its guest running; killing the cgroup does not. The cgroup is found
by its name, so a later run can end what a dead one left behind.
"""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.appliance.harness.machine import cgroups, remove
from tests.support.waiting import until

_GROUP = "posthouse"
_STOP_S = 30.0
_KILL_S = 10.0

# Arguments: name, options of the overlay, mount point. nspawn's own folder in /run is private, too.
_BOOT = f"""
set -eu
name=$1
mount -t overlay -o "$2" overlay "$3"
mkdir -p /run/systemd/nspawn
mount -t tmpfs -o mode=755 tmpfs /run/systemd/nspawn
umount -R /sys/fs/cgroup || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
group=/sys/fs/cgroup/{_GROUP}/$name
mkdir -p "$group"
ended=133
while [ "$ended" = 133 ]; do
    echo "$BASHPID" >"$group/cgroup.procs"
    ended=0
    SYSTEMD_NSPAWN_API_VFS_WRITABLE=network systemd-nspawn --quiet -D "$3" --machine="$name" \\
        --boot --register=no --keep-unit --console=pipe \\
        --network-namespace-path="/run/netns/$name" --resolv-conf=off --timezone=off \\
        --link-journal=no --capability=CAP_NET_ADMIN,CAP_BPF,CAP_PERFMON \\
        --system-call-filter=bpf || ended=$?
done
exit "$ended"
"""


class Guest:
    """A container by this name; its network namespace has the same one."""

    def __init__(self, name: str, *, console: Path) -> None:
        self.name = name
        self.console = console
        self._group = cgroups() / _GROUP / name
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def boot(self, layers: tuple[Path, ...], *, work: Path) -> None:
        """Start PID 1 on these layers, the first of which is written to."""
        assert not self.running, f"{self.name} runs already"
        upper, *lower = layers
        for folder in (work / "work", work / "root"):
            remove(folder)  # a volatile overlay's work folder is good for one mount
            folder.mkdir()
        # redirect_dir: a program may rename a folder that an image holds.
        options = (
            f"volatile,redirect_dir=on,lowerdir={':'.join(map(str, lower))},"
            f"upperdir={upper},workdir={work / 'work'}"
        )
        script = ("bash", "-c", _BOOT, "boot", self.name, options, str(work / "root"))
        with self.console.open("ab") as console:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", *script],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )

    def init(self) -> int | None:
        """The process, in the outer machine's numbers, that is the guest's PID 1."""
        try:
            processes = (self._group / "payload/init.scope/cgroup.procs").read_text().split()
            for process in processes:
                status = Path("/proc", process, "status").read_text()
                if (
                    "\nNSpid:" in status
                    and status.split("\nNSpid:")[1].split("\n")[0].split()[-1] == "1"
                ):
                    return int(process)
        except (OSError, ValueError):
            return None  # not started yet, or just ended
        return None

    def shut_down(self) -> None:
        """Power off in order, then make sure of it."""
        if self.running and self._process and (init := self.init()):
            with suppress(ProcessLookupError):
                os.kill(init, signal.SIGRTMIN + 4)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_S)
        self.kill()

    def kill(self) -> None:
        """End every process of the guest, and remove its cgroup."""
        kill_group(self._group)
        if self._process:
            if self._process.poll() is None:  # it had not got as far as its cgroup
                self._process.kill()
            self._process.wait(_KILL_S)
            self._process = None
            kill_group(self._group)


def kill_left_over(run: str) -> None:
    """End the guests of a run that died."""
    for group in (cgroups() / _GROUP).glob(f"{run}-*"):
        kill_group(group)


def kill_group(group: Path) -> None:
    """End what is in this cgroup and below, and remove it."""
    if not group.exists():
        return
    (group / "cgroup.kill").write_text("1")

    def empty() -> bool:
        return "populated 0" in (group / "cgroup.events").read_text()

    until(empty, f"the end of {group.name}", within_s=_KILL_S)
    for folder, _, _ in os.walk(group, topdown=False):
        Path(folder).rmdir()
