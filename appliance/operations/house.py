"""A home with everything in it: the one place where the rooms' parts are put together.

Owns: the open parts. Failure: `HomeError` when the home or its configuration can't be used.
"""

from __future__ import annotations

import os
import socket
import tomllib
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.database.databases import Databases
from appliance.directory import sessions as session_tables
from appliance.directory import tables as directory_tables
from appliance.directory import throttle as throttle_tables
from appliance.directory.live_settings import LiveSettings
from appliance.directory.lookup import Directory
from appliance.directory.passwords import Passwords
from appliance.directory.sealing import Sealer
from appliance.directory.sessions import SessionStore
from appliance.directory.throttle import Throttle
from appliance.queue import journey as journey_tables
from appliance.queue import tables as queue_tables
from appliance.queue.journey import Journey
from appliance.runtime.clock import Clock, SystemClock
from appliance.runtime.doorbell import Ringer
from appliance.runtime.space import Space
from appliance.settings import smtp
from appliance.settings.snapshot import Snapshot
from appliance.store import tables as store_tables

if TYPE_CHECKING:
    from appliance.queue.queue import Queue
    from appliance.store.store import Store

SCHEMAS = {
    schema.role: schema
    for schema in (
        directory_tables.SCHEMA,
        session_tables.SCHEMA,
        queue_tables.SCHEMA,
        journey_tables.SCHEMA,
        store_tables.SCHEMA,
        throttle_tables.SCHEMA,
    )
}
_KNOWN = {"home": str, "database_url": str, "key_file": str, "node": str}
RESTORE_UNFINISHED = (
    "restore-unfinished.json"  # in the home while `backup restore` puts files there
)


class HomeError(Exception):
    """The home or `posthouse.toml` can't be used; the text says what would be right."""


@dataclass(frozen=True, slots=True)
class Config:
    """What `posthouse.toml` holds: only what must be known before the directory can be read.

    Attributes:
        home: `$POSTHOUSE_HOME`.
        database_url: a PostgreSQL URL; empty for SQLite in the home.
        key_file: seals the secrets that must be readable again.
        node: this machine's name in a cluster.
    """

    home: Path
    database_url: str
    key_file: Path
    node: str


def config_path(home: Path | None) -> Path:
    """Return the configuration file of a home, or the one that names the home."""
    if home is not None:
        return home / "posthouse.toml"
    return Path(os.environ.get("POSTHOUSE_CONFIG", "/etc/posthouse/posthouse.toml"))


def read_config(home: Path | None) -> Config:
    """Read the configuration.

    Args:
        home: given on the command line; its own `posthouse.toml` counts. Without it
            `$POSTHOUSE_CONFIG` or `/etc/posthouse/posthouse.toml` names the home.

    Raises:
        HomeError: the file can't be read or has a wrong entry.
    """
    path = config_path(home)
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        found = {}
    except (OSError, ValueError) as error:  # no TOML, or no UTF-8
        raise HomeError(f"{path} can't be read: {error}") from error
    for name, value in found.items():
        if name not in _KNOWN or not isinstance(value, _KNOWN[name]):
            raise HomeError(f"{path}: {name} is not one of {', '.join(_KNOWN)}, each a text")
    place = home or Path(
        found.get("home") or os.environ.get("POSTHOUSE_HOME", "/var/lib/posthouse")
    )
    return Config(
        home=place,
        database_url=found.get("database_url", ""),
        key_file=Path(found.get("key_file", place / "config" / "key")),
        node=found.get("node", socket.gethostname().partition(".")[0]),
    )


class House:
    """The parts of one home, each made when it is first used."""

    def __init__(
        self, config: Config, *, clock: Clock | None = None, to_restore: bool = False
    ) -> None:
        """Open a home.

        Args:
            config: where it is.
            clock: the time.
            to_restore: it may be one whose restore was cut off.

        Raises:
            HomeError: the home can't be made or written, or a restore was cut off there.
            UnsafeHome: SQLite on a network file system.
        """
        self.config = config
        self.home = config.home
        self.clock = clock or SystemClock()
        try:
            self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise HomeError(f"the home {self.home} can't be made: {error.strerror}") from error
        if not os.access(self.home, os.W_OK):
            raise HomeError(f"the home {self.home} is not writable by {os.getuid()}")
        if not to_restore and (self.home / RESTORE_UNFINISHED).exists():
            raise HomeError(
                f"the restore of the home {self.home} was cut off: run `posthouse backup restore` "
                "once more with the same backup; until then nothing may work here"
            )
        self.databases = Databases(self.home, config.database_url, SCHEMAS)
        self.ringer = Ringer(self.home / "run" / "doorbell")
        self.passwords = Passwords()
        self.sealer = Sealer(config.key_file)

    @cached_property
    def directory(self) -> Directory:
        """Who exists."""
        return Directory(self.databases.get("directory"))

    @cached_property
    def live(self) -> LiveSettings:
        """The settings, followed live."""
        return LiveSettings(self.directory, node=self.config.node, sealer=self.sealer)

    @property
    def settings(self) -> Snapshot:
        """The settings in force."""
        return self.live.current

    @cached_property
    def throttle(self) -> Throttle:
        """Failed logins."""
        return Throttle(self.databases.get("state"), clock=self.clock)

    @cached_property
    def sessions(self) -> SessionStore:
        """Who is signed in to the web."""
        return SessionStore(self.databases.get("sessions"))

    @cached_property
    def journey(self) -> Journey:
        """What happened to messages."""
        return Journey(self.databases.get("journey"))

    @cached_property
    def queue(self) -> Queue:
        """The queue."""
        from appliance.queue.queue import Queue

        return Queue(
            self.databases.get("queue"),
            self.home,
            self.journey,
            clock=self.clock,
            ring=self.ringer.ring,
        )

    @cached_property
    def store(self) -> Store:
        """Everybody's mail."""
        from appliance.store.store import Store

        return Store(self.databases, clock=self.clock)

    @cached_property
    def space(self) -> Space:
        """The room that is left for it."""
        return Space(self.home)

    @property
    def badmail(self) -> Path:
        """Where copies of what could not be delivered lie."""
        return self.home / "badmail"

    @property
    def local_domain(self) -> str:
        """The name this server goes by."""
        return self.settings[smtp.local_domain] or _machine_name()

    def close(self) -> None:
        """Close all databases; parts open again when used."""
        self.databases.release()
        self.ringer.close()
        for part in ("directory", "live", "throttle", "sessions", "journey", "queue", "store"):
            self.__dict__.pop(part, None)


@cache
def _machine_name() -> str:
    """Ask for the machine's full name once: it may take a look-up in the DNS."""
    return socket.getfqdn()
