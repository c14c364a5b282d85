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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_USER = "postgres"  # the server refuses to run as root
DURABLE = {"listen_addresses": "", "shared_buffers": "32MB", "max_connections": "200"}
_QUICK = {**DURABLE, "fsync": "off", "full_page_writes": "off", "deadlock_timeout": "200ms"}
_MISSING = (
    "PostgreSQL is not installed here, and the contract tests run on it, always: "
    "apt-get install postgresql (make test does that)"
)


class ServerMissing(Exception):
    """There is no PostgreSQL to test with."""


class ServerFailed(Exception):
    """PostgreSQL could not be made, started or stopped; its own words."""


class Cluster:
    """A running server.

    Attributes:
        folder: where its socket is.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def url(self, database: str) -> str:
        return f"postgresql://posthouse@/{database}?host={self.folder}"


class OwnCluster(Cluster):
    """A server of one's own, to be stopped and started."""

    def __init__(self, folder: str, settings: Mapping[str, str]) -> None:
        """Make its files in an empty folder."""
        super().__init__(folder)
        self._settings = settings
        self._programs, self._prefix = _programs(), _as_server_user()
        if self._prefix:
            shutil.chown(folder, _USER)
        self._run(
            *("initdb", "--username=posthouse", "--auth=trust", "--no-sync", "--encoding=UTF8"),
            *("--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"),
        )

    def start(self) -> None:
        """Start it; returns when it answers."""
        options = " ".join(f"-c {name}='{value}'" for name, value in self._settings.items())
        self._run(
            *("pg_ctl", "--wait", f"--log={self.folder}/log"),
            *(f"--options=-k {self.folder} {options}", "start"),
        )

    def stop(self, mode: str) -> None:
        """Stop it: `fast` rolls back what is under way, `immediate` is a crash."""
        self._run("pg_ctl", f"--mode={mode}", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        words = Path(self.folder, "words")
        command = [*self._prefix, str(self._programs / program), "-D", f"{self.folder}/data"]
        with words.open("ab") as said:
            done = subprocess.run(
                [*command, *arguments], stdout=said, stderr=said, cwd="/", check=False
            )
        if done.returncode:
            raise ServerFailed(words.read_text(encoding="utf-8", errors="replace"))


@contextmanager
def own(settings: Mapping[str, str]) -> Iterator[OwnCluster]:
    """Have a server of one's own, started."""
    with tempfile.TemporaryDirectory(prefix="posthouse-pg-") as folder:
        server = OwnCluster(folder, settings)
        server.start()
        try:
            yield server
        finally:
            server.stop("immediate")


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
    with own(_QUICK) as server:
        print(server.folder, flush=True)  # noqa: T201 - the answer to the process that waits
        os.dup2(2, 1)
        users = os.open(meeting / "postgresql.users", os.O_RDWR)
        fcntl.flock(users, fcntl.LOCK_EX)  # the last user has gone, and the next one waits
        (meeting / "postgresql.place").unlink(missing_ok=True)


if __name__ == "__main__":
    _guard(Path(sys.argv[1]))
