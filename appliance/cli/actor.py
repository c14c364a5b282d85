"""Who runs the command: an operator by the unix user, or nobody.

Root, the home's owner and the members of the unix group `posthouse` are operators. Root becomes the
home's owner before anything is opened, so that no file in the home ever belongs to root.

Owns: the process's user and group, until the command ends. Failure: `Failed`.
"""

from __future__ import annotations

import codecs
import grp
import os
import pwd
from importlib import import_module
from pathlib import Path

from appliance.cli.failure import Failed
from appliance.rules.access import Actor, ActorKind

GROUP = "posthouse"


def identify(home: Path) -> Actor:
    """Decide who runs the command on a home; run by root, become the home's owner.

    Args:
        home: need not exist: whoever makes it will own it.

    Returns:
        The operator, named by the unix user, or by the one who called sudo.

    Raises:
        Failed: the user is no operator here, or the home can't be reached.
    """
    uid = os.getuid()
    name = _name(uid)
    try:
        found = home.stat()
    except FileNotFoundError:
        return Actor(ActorKind.OPERATOR, _behind_sudo(name))
    except OSError as error:
        raise Failed(f"the home {home} can't be reached: {error.strerror}") from error
    if uid in (0, found.st_uid):
        # Only they are believed: anybody else could write any name into the environment.
        name = _behind_sudo(name)
        if uid == 0 and found.st_uid != 0:
            _become(found.st_uid, found.st_gid)
    elif not _in_group():
        raise Failed(
            f"{name} is no operator of the home {home}: be its owner {_name(found.st_uid)}, "
            f"root, or a member of the unix group {GROUP}"
        )
    return Actor(ActorKind.OPERATOR, name)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a container's user without an entry
        return str(uid)


def _behind_sudo(name: str) -> str:
    return os.environ.get("SUDO_USER") or name


def _in_group() -> bool:
    try:
        wanted = grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return False
    return wanted in (os.getegid(), *os.getgroups())


def _become(uid: int, gid: int) -> None:
    """Give up root for good: groups first, the user last."""
    _load_late_modules()
    try:
        os.initgroups(pwd.getpwuid(uid).pw_name, gid)
    except KeyError:
        os.setgroups([gid])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _load_late_modules() -> None:
    """Load what Python loads at its first use; below /root the owner could not read it any more."""
    for codec in ("idna", "punycode", "unicode_escape"):
        codecs.lookup(codec)
    for module in ("rich.console", "rich.progress", "rich.table"):
        import_module(module)
