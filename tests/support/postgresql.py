"""A throw-away PostgreSQL for a test session, shared by all its processes.

Whoever needs it first starts a guardian, which makes a cluster in a temporary folder and starts a
server there, on a unix socket only. Every process that uses it holds a shared lock; when the last
one has let go, however it ended, the guardian stops the server and removes the folder.

The cluster sorts as people do (ICU, en-US), not by bytes: what relies on C's order shows.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_USER = "postgres"  # the server refuses to run as root
_QUICK = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "deadlock_timeout": "200ms",
}
_MISSING = (
    "PostgreSQL is not installed here, and the contract tests run on it, always: "
    "apt-get install postgresql (make test does that)"
)


class ServerMissing(Exception):
    """There is no PostgreSQL to test with."""


class Cluster:
    """A running server."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def url(self, database: str) -> str:
        return f"postgresql://posthouse@/{database}?host={self._folder}"


@contextmanager
def share(meeting: Path) -> Iterator[Cluster]:
    """Join the session's server, or start it; `meeting` is a folder all processes know."""
    users = os.open(meeting / "postgresql.users", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(users, fcntl.LOCK_SH)
        yield Cluster(_find_or_start(meeting))
    finally:
        os.close(users)


def _find_or_start(meeting: Path) -> str:
    place = meeting / "postgresql.place"
    with (meeting / "postgresql.start").open("w") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        if not place.exists():
            _programs()  # say it here, where a test fails by it, if there are none
            guardian = subprocess.Popen(
                [sys.executable, __file__, str(meeting)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                start_new_session=True,
                text=True,
            )
            assert guardian.stdout is not None
            with guardian.stdout as said:
                folder = said.readline().strip()
            if not folder:
                raise ServerMissing("PostgreSQL could not be started; see above for its words")
            guardian.returncode = 0  # it outlives this process, and nobody waits for it
            place.write_text(folder, encoding="utf-8")
        return place.read_text(encoding="utf-8")


def _programs() -> Path:
    """Find the folder with initdb and pg_ctl, the newest version first."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    by_path = shutil.which("initdb")
    for folder in [*found, *([Path(by_path).resolve().parent] if by_path else [])]:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    raise ServerMissing(_MISSING)


def _version(folder: Path) -> float:
    try:
        return float(folder.parent.name)
    except ValueError:
        return 0.0


def _as_server_user() -> list[str]:
    if os.geteuid() != 0:
        return []
    try:
        pwd.getpwnam(_USER)
    except KeyError:
        raise ServerMissing(_MISSING) from None
    return ["runuser", "-u", _USER, "--"]


def _guard(meeting: Path) -> None:
    programs, prefix = _programs(), _as_server_user()
    with tempfile.TemporaryDirectory(prefix="posthouse-pg-") as folder:
        if prefix:
            shutil.chown(folder, _USER)
        data = f"{folder}/data"

        def run(program: str, *arguments: str) -> None:
            command = [*prefix, str(programs / program), "-D", data, *arguments]
            with Path(folder, "words").open("ab") as words:
                done = subprocess.run(command, stdout=words, stderr=words, cwd="/", check=False)
            if done.returncode:
                sys.exit(Path(folder, "words").read_text(encoding="utf-8", errors="replace"))

        run(
            *("initdb", "--username=posthouse", "--auth=trust", "--no-sync", "--encoding=UTF8"),
            *("--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"),
        )
        options = " ".join(f"-c {name}='{value}'" for name, value in _QUICK.items())
        run("pg_ctl", "--wait", f"--log={folder}/log", f"--options=-k {folder} {options}", "start")
        try:
            print(folder, flush=True)  # noqa: T201 - the answer to the process that waits
            os.dup2(2, 1)
            users = os.open(meeting / "postgresql.users", os.O_RDWR)
            fcntl.flock(users, fcntl.LOCK_EX)  # the last user has gone, and the next one waits
            (meeting / "postgresql.place").unlink(missing_ok=True)
        finally:
            run("pg_ctl", "--mode=immediate", "stop")


if __name__ == "__main__":
    _guard(Path(sys.argv[1]))
