"""What the harness asks of the machine that it runs on, and how it calls programs there.

Failure: `Unfit` says in one sentence what is missing; nothing is skipped for it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

# The state of the runs that are going on, of every user of this machine; short, for ssh's sockets.
RUNS = Path("/run/posthouse-appliance")

_PROGRAMS = {
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "setsid": "util-linux",
    "ssh": "openssh-client",
    "systemd-nspawn": "systemd-container",
}


class Unfit(Exception):
    """This machine cannot carry hosts; the text says what it would take."""


class CommandFailed(Exception):
    """A program ended with something else than 0; the text has its last words."""


def call(*argv: str | Path, timeout_s: float = 60, env: Mapping[str, str] | None = None) -> str:
    """Run a program without a terminal, and return what it said.

    Raises:
        CommandFailed: it did not end with 0.
    """
    words = [str(word) for word in argv]
    ran = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout_s,
        check=False,
        env=None if env is None else {**os.environ, **env},
    )
    if ran.returncode:
        said = (ran.stderr.strip() or ran.stdout.strip())[-2000:]
        raise CommandFailed(f"{' '.join(words)} ended with {ran.returncode}: {said}")
    return ran.stdout


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for the lock that this file is; a process that dies lets go of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def caches() -> Path:
    """Where images stand: outside of every clone."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "posthouse"


def remove(folder: Path) -> None:
    """Remove a tree, and nothing of what may be mounted in it."""
    call("rm", "--recursive", "--force", "--one-file-system", "--", folder, timeout_s=300)


def cgroups() -> Path:
    """The root of the unified cgroup hierarchy; mounted among the runs if it is nowhere."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(where)
    own = RUNS / "cgroup"
    own.mkdir(parents=True, exist_ok=True)
    call("mount", "-t", "cgroup2", "cgroup2", own)
    return own


def check() -> None:
    """See whether this machine can carry hosts.

    Raises:
        Unfit: it cannot.
    """
    if os.geteuid() != 0:
        raise Unfit("The appliance tests make namespaces and mounts: run them as root.")
    if missing := sorted({p for name, p in _PROGRAMS.items() if not shutil.which(name)}):
        raise Unfit(f"The appliance tests need Debian's packages {', '.join(missing)}.")
    try:
        call("unshare", "--mount", "--net", "--propagation", "private", "true")
    except CommandFailed as error:
        raise Unfit(
            f"The appliance tests need CAP_SYS_ADMIN, to make namespaces: {error}"
        ) from None
    try:
        probe = cgroups() / "posthouse" / f"probe-{os.getpid()}"
        probe.mkdir(parents=True)
        killable = (probe / "cgroup.kill").exists()
        probe.rmdir()
    except (OSError, CommandFailed) as error:
        raise Unfit(f"The appliance tests need a writable cgroup2 hierarchy: {error}") from None
    if not killable:
        raise Unfit("The appliance tests need cgroup.kill, which Linux has since 5.14.")
    _check_overlay()


def _check_overlay() -> None:
    """An upper layer cannot lie on every file system, not on another overlay for instance."""
    place = caches() / f".probe-{os.getpid()}"
    for name in ("lower", "upper", "work", "root"):
        (place / name).mkdir(parents=True, exist_ok=True)
    options = f"volatile,lowerdir={place}/lower,upperdir={place}/upper,workdir={place}/work"
    mount = ("mount", "-t", "overlay", "-o", options, "overlay", place / "root")
    try:
        call("unshare", "--mount", "--propagation", "private", *mount)
    except CommandFailed as error:
        raise Unfit(
            f"The appliance tests need overlayfs on {caches()}; "
            f"name a folder on ext4, xfs or tmpfs in XDG_CACHE_HOME: {error}"
        ) from None
    finally:
        remove(place)
