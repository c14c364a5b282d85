"""The TLS context in force: follows the certificate's files as they are renewed.

Owns: the context; listeners keep it, so a renewed certificate is loaded into the same one.
Failure: new files that can't be used are told, the certificate in use stays.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

from appliance.net.tls import TlsError, self_signed, server_context


class Certificates:
    """Loads the server's certificate, and again when its files change."""

    def __init__(self, own: Path, names: list[str]) -> None:
        """Remember where a self-signed certificate is kept, and for which names it is made."""
        self._own = own
        self._names = names
        self._loaded: tuple[object, ...] = ()
        self.context: ssl.SSLContext | None = None

    def follow(self, certificate: str, key: str, complain: Callable[[str], None]) -> None:
        """Load what the settings name, or the self-signed one; does nothing when nothing changed.

        Args:
            certificate: path, or empty for the self-signed one.
            key: path.
            complain: takes a sentence when the files can't be used.
        """
        if certificate:
            paths = (Path(certificate), Path(key))
        else:
            paths = self_signed(self._own, self._names)
        state: tuple[object, ...]
        try:
            state = tuple((str(path), path.stat().st_mtime_ns) for path in paths)
        except OSError as error:
            state = (str(error),)
        if state == self._loaded:
            return
        self._loaded = state
        try:
            fresh = server_context(*paths)
        except TlsError as error:
            complain(str(error))
            return
        if self.context is None:
            self.context = fresh
        else:
            self.context.load_cert_chain(*paths)
