"""Secrets that must be readable again, sealed with the server's key file.

Standards: AES-256-GCM (NIST SP 800-38D), a fresh nonce each, the setting's name as associated data;
    RFC 5869 (keys for other purposes).
Owns: nothing; reads the key file (0600), made when it is missing.
Failure: `SealError` when a secret can't be opened with this key.
"""

from __future__ import annotations

import base64
import contextlib
import os
from pathlib import Path

from appliance.runtime.files import sync_folder

_KEY = 32  # octets: 256 bits
_NONCE = 12
_PREFIX = "sealed:"


class SealError(Exception):
    """A sealed secret can't be opened: it was sealed with another key file."""


class Sealer:
    """Seals and opens secrets."""

    def __init__(self, key_file: Path) -> None:
        """Take the key file; a missing one is made."""
        self._key_file = key_file

    def seal(self, secret: str, *, name: str) -> str:
        """Seal a secret under a name."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE)
        sealed = AESGCM(self._key()).encrypt(nonce, secret.encode(), name.encode())
        return _PREFIX + base64.b64encode(nonce + sealed).decode()

    def open(self, sealed: str, *, name: str) -> str:
        """Open a sealed secret.

        Raises:
            SealError: the key file is another one, or the value was tampered with.
        """
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key = self._key()
        try:
            octets = base64.b64decode(sealed.removeprefix(_PREFIX), validate=True)
            opened = AESGCM(key).decrypt(octets[:_NONCE], octets[_NONCE:], name.encode())
        except (InvalidTag, ValueError):
            raise SealError(
                f"{name} was sealed with another key file than {self._key_file}; set it again"
            ) from None
        return opened.decode()

    def derive(self, purpose: str) -> bytes:
        """Return a key for one purpose, which says nothing about the others."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return HKDF(hashes.SHA256(), 32, salt=None, info=purpose.encode()).derive(self._key())

    def _key(self) -> bytes:
        try:
            return self._key_file.read_bytes()
        except FileNotFoundError:
            self._make_key()
            return self._key_file.read_bytes()

    def _make_key(self) -> None:
        """Make the key file; of several that do so at the same moment one wins whole."""
        self._key_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = self._key_file.with_name(f"{self._key_file.name}.{os.urandom(8).hex()}")
        descriptor = os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(_KEY))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(made, self._key_file)
        made.unlink()
        sync_folder(self._key_file.parent)
