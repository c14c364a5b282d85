"""What a host has of its own before it first boots: name, keys, a fresh look at packages.

Written into the upper layer, so that a clone of a provisioned host is another host.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

_APT_STAMPS = ("var/lib/apt/lists", "var/lib/apt/periodic/update-success-stamp")


def personalise(
    upper: Path,
    layers: Sequence[Path],
    *,
    name: str,
    address: str,
    host_key: tuple[str, str],
    login_key: str,
) -> None:
    """Give a new host its identity."""
    short = name.partition(".")[0]
    names = name if short == name else f"{name} {short}"

    def put(path: str, text: str, mode: int = 0o644) -> None:
        file = _folder(upper, layers, Path(path).parent) / Path(path).name
        file.write_text(text)
        file.chmod(mode)

    put("etc/hostname", f"{short}\n")
    put("etc/hosts", f"127.0.0.1 localhost\n::1 localhost\n{address} {names}\n")
    put("etc/machine-id", "")  # systemd makes one
    private, public = host_key
    put("etc/ssh/ssh_host_ed25519_key", private, 0o600)
    put("etc/ssh/ssh_host_ed25519_key.pub", public)
    put("root/.ssh/authorized_keys", login_key, 0o600)
    (upper / "root/.ssh").chmod(0o700)

    # A whiteout, overlayfs's word for a file that is gone; it becomes a link to /etc/machine-id.
    dbus = _folder(upper, layers, Path("var/lib/dbus")) / "machine-id"
    os.mknod(dbus, stat.S_IFCHR, os.makedev(0, 0))

    # Ansible's cache_valid_time asks how old these are; newer lists than the image's there are not.
    lists, stamp = map(Path, _APT_STAMPS)
    os.utime(_folder(upper, layers, lists))
    put(str(stamp), "")


def _folder(upper: Path, layers: Sequence[Path], path: Path) -> Path:
    """A folder in the upper layer, with owner and mode of the image's."""
    made = upper
    for part in path.parts:
        made /= part
        if made.exists():
            continue
        made.mkdir()
        below = [layer / made.relative_to(upper) for layer in layers]
        if found := next((folder for folder in below if folder.is_dir()), None):
            state = found.stat()
            os.chown(made, state.st_uid, state.st_gid)
            made.chmod(stat.S_IMODE(state.st_mode))
    return made
