"""Where WsgiDAV's lock manager keeps its locks: in memory, few for each mailbox, none for long.

The service is one process, so its memory is the one place. WsgiDAV's own storage may grow without
end, and two threads that find the same lock expired can block each other in it.

Standards: RFC 4918 §6.6 (time-outs), §7. Owns: the locks. Failure: `Refused`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from wsgidav.lock_man.lock_manager import LockManager, normalize_lock_root

from httpmail.refusal import Refused

MOST_OF_ONE = 200  # locks of one mailbox
LONGEST_S = 3600.0

Lock = dict[str, Any]  # as WsgiDAV describes it in `lock_man.lock_manager`


class LockStorage:
    """Keeps locks; the methods are those that `LockManager` calls."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        """Take the clock: seconds since the epoch."""
        self._now_s = now_s
        self._guard = threading.RLock()
        self._by_token: dict[str, Lock] = {}
        self._by_root: dict[str, list[str]] = {}

    def open(self) -> None:
        """Begin."""

    def close(self) -> None:
        """End."""

    def get(self, token: str) -> Lock | None:
        """Return a lock that is in force."""
        with self._guard:
            lock = self._by_token.get(token)
            if lock is not None and lock["expire"] < self._now_s():
                self.delete(token)
                return None
            return lock

    def create(self, path: str, lock: Lock) -> Lock:
        """Take a new lock; it gets its root, token and end.

        Raises:
            Refused: its owner has too many.
        """
        with self._guard:
            for token in list(self._by_token):
                self.get(token)  # drops what has ended
            own = sum(each["principal"] == lock["principal"] for each in self._by_token.values())
            if own >= MOST_OF_ONE:
                raise Refused(507, f"There are {own} locks already; release some")
            lock["root"] = normalize_lock_root(path)
            lock["token"] = f"opaquelocktoken:{uuid4()}"
            self._last(lock, lock["timeout"])
            self._by_token[lock["token"]] = lock
            self._by_root.setdefault(lock["root"], []).append(lock["token"])
            return lock

    def refresh(self, token: str, *, timeout: float) -> Lock:
        """Let a lock last longer."""
        with self._guard:
            lock = self._by_token[token]
            self._last(lock, timeout)
            return lock

    def delete(self, token: str) -> bool:
        """Drop a lock; returns whether it was there."""
        with self._guard:
            lock = self._by_token.pop(token, None)
            if lock is None:
                return False
            tokens = self._by_root[lock["root"]]
            tokens.remove(token)
            if not tokens:
                del self._by_root[lock["root"]]
            return True

    def get_lock_list(
        self, path: str, *, include_root: bool, include_children: bool, token_only: bool
    ) -> list[Any]:
        """Return the locks on a path, below it, or both."""
        root = normalize_lock_root(path)
        below = root.rstrip("/") + "/"
        with self._guard:
            tokens: list[str] = []
            if include_root:
                tokens += self._by_root.get(root, [])
            if include_children and self._by_root:
                tokens += (
                    token
                    for each, found in self._by_root.items()
                    if each.startswith(below) and each != root
                    for token in found
                )
            locks = [lock for token in tokens if (lock := self.get(token)) is not None]
        return [lock["token"] for lock in locks] if token_only else locks

    def _last(self, lock: Lock, timeout: float) -> None:
        seconds = float(timeout)
        if seconds < 0 or seconds > LONGEST_S:
            seconds = LONGEST_S
        lock["timeout"] = seconds
        lock["expire"] = self._now_s() + seconds


def lock_manager(now_s: Callable[[], float]) -> LockManager:
    """Return WsgiDAV's lock manager with a storage that stays small."""
    return LockManager(LockStorage(now_s))
