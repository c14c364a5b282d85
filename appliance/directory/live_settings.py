"""The settings in force in this process, followed live.

A snapshot is immutable and swapped as a whole, within a second of a change: each refresh asks for
the directory's version only, and reads the values when that has grown.

Owns: the current snapshot. Failure: while the directory can't be read the last snapshot stays.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from appliance.database.errors import DatabaseError
from appliance.directory.lookup import Directory
from appliance.directory.sealing import Sealer, SealError
from appliance.settings import catalogue
from appliance.settings.snapshot import Snapshot, build

_log = logging.getLogger(__name__)


class LiveSettings:
    """Follows the settings of one node."""

    def __init__(self, directory: Directory, *, node: str, sealer: Sealer) -> None:
        """Read the settings once."""
        self._directory = directory
        self._node = node
        self._sealer = sealer
        self._listeners: list[Callable[[Snapshot], None]] = []
        self.current = self._read()

    def listen(self, listener: Callable[[Snapshot], None]) -> None:
        """Have a function called with the current snapshot, and with each later one."""
        self._listeners.append(listener)
        listener(self.current)

    def refresh(self) -> None:
        """Swap the snapshot if anything has changed."""
        try:
            if self._directory.version() == self.current.version:
                return
            self.current = self._read()
        except DatabaseError as error:
            _log.warning("the settings can't be read, the last ones stay: %s", error)
            return
        for listener in self._listeners:
            listener(self.current)

    def _read(self) -> Snapshot:
        version, rows = self._directory.setting_rows()
        opened: list[tuple[str, str, str, str]] = []
        sealed_for_ever: list[str] = []
        for name, scope, subject, text in rows:
            try:
                opened.append((name, scope, subject, self._open(name, text)))
            except SealError as error:  # a lost key costs that secret, not the mail
                sealed_for_ever.append(str(error))
        snapshot, passed_over = build(opened, node=self._node, version=version)
        for problem in (*sealed_for_ever, *passed_over):
            _log.warning("a stored setting is passed over: %s", problem)
        return snapshot

    def _open(self, name: str, text: str) -> str:
        secret = any(each.name == name and each.secret for each in catalogue.every())
        return self._sealer.open(text, name=name) if secret else text
