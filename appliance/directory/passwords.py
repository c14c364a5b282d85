"""Password hashes (argon2id) and the short memory of passwords that were right.

Standards: RFC 9106 (argon2id, 19 MiB, t=2, p=1).
Owns: a cache of keyed digests, never a password. Failure: none; a broken hash is a wrong password.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import threading
import time
from collections import OrderedDict
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_AT_A_TIME = 2
_REMEMBER_S = 300.0
_REMEMBER_MOST = 10_000


def _octets(text: str) -> bytes:
    """Encode text, also such as a client's octets that are no UTF-8 became."""
    return text.encode("utf-8", "surrogatepass")


def hash_password(password: str) -> str:
    """Hash a new password."""
    return _HASHER.hash(_octets(password))


def fingerprint(stored: str) -> str:
    """Return what tells one password of an account from the next, and nothing about either."""
    return hashlib.sha256(stored.encode()).hexdigest()[:16]


@cache
def _nobody() -> str:
    """Return what is verified against when a login does not exist: both take equally long."""
    return hash_password(os.urandom(16).hex())


class Passwords:
    """Checks passwords; one check costs about 20 ms, a repeated one microseconds.

    Attributes:
        turns: held while a password is verified, so that a burst costs neither all cores nor
            19 MiB for each attempt. Whoever waited for it looks at the throttle again.
    """

    def __init__(self) -> None:
        """Begin with an empty memory and a key of its own."""
        self.turns = threading.BoundedSemaphore(_AT_A_TIME)
        self._key = os.urandom(32)
        self._right: OrderedDict[bytes, float] = OrderedDict()
        self._guard = threading.Lock()

    def share(self, processes: int) -> None:
        """Be one of several processes of a service, before the first password is verified.

        Together they verify at most two at a time, or one each where they are more.
        """
        self.turns = threading.BoundedSemaphore(max(1, _AT_A_TIME // processes))

    def remembers(self, login: str, password: str, stored: str) -> bool:
        """Tell whether this password was right for this hash a short time ago."""
        digest = self._digest(login, password, stored)
        with self._guard:
            until = self._right.get(digest, 0.0)
        return until > time.monotonic()

    def verify(self, login: str, password: str, stored: str | None) -> bool:
        """Check a password against a hash; None for a login that does not exist."""
        nobody = _nobody()  # also where it is not needed: the first time takes twice as long
        try:
            _HASHER.verify(stored or nobody, _octets(password))
        except (VerificationError, InvalidHashError):
            return False
        if stored is None:
            return False
        digest = self._digest(login, password, stored)
        with self._guard:
            self._right[digest] = time.monotonic() + _REMEMBER_S
            while len(self._right) > _REMEMBER_MOST:
                self._right.popitem(last=False)
        return True

    def _digest(self, login: str, password: str, stored: str) -> bytes:
        return hmac.digest(self._key, _octets(f"{login}\0{password}\0{stored}"), "sha256")
