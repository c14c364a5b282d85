"""The TLS context in force: follows the certificate's files as they are renewed.

Owns: the context that listeners keep. It hands each handshake the one of the certificate in force:
a context can't forget a certificate, and one of another kind of key would stand beside it.
Failure: files that can't be used are told, and the certificate in use stays: at the start that is
    the self-signed one, so that no listener is ever without TLS.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from pathlib import Path

from appliance.net.tls import TlsError, own_certificate, self_signed, server_context

_REST_S = 60.0


class Certificates:
    """Loads the server's certificate, and again when its files change."""

    def __init__(self, own: Path, names: list[str]) -> None:
        """Begin with the self-signed certificate: where it is kept, for which names it is made."""
        self._own = own
        self._names = names
        self._loaded: tuple[object, ...] = ()
        self._told = ""
        self._rests_until = 0.0
        try:
            found = self_signed(own, names)
        except (OSError, TlsError):  # told by `follow`; one that was made before may do
            found = own_certificate(own)
        self.context = server_context(*found)
        self._in_force = self.context
        self.context.sni_callback = self._choose

    def follow(self, certificate: str, key: str, complain: Callable[[str], None]) -> None:
        """Load what the settings name, or the self-signed one; does nothing when nothing changed.

        Args:
            certificate: path, or empty for the self-signed one.
            key: path.
            complain: takes a sentence when the files can't be used.
        """
        try:
            if certificate:
                paths = (Path(certificate), Path(key))
            elif time.monotonic() < self._rests_until:
                return
            else:
                paths = self._own_pair()
            state = tuple((str(path), path.stat().st_mtime_ns) for path in paths)
            if state == self._loaded:
                return
            self._loaded = state
            self._in_force = server_context(*paths)
        except (OSError, TlsError) as error:
            if str(error) != self._told:
                complain(str(error))
            self._told = str(error)
        else:
            self._told = ""

    def _own_pair(self) -> tuple[Path, Path]:
        """Return the certificate of our own; one that can't be made is not tried at each look."""
        self._rests_until = time.monotonic() + _REST_S
        found = self_signed(self._own, self._names)
        self._rests_until = 0.0
        return found

    def _choose(self, handshake: ssl.SSLSocket | ssl.SSLObject, *_: object) -> None:
        """Give a handshake the certificate in force, whatever name the client asks for."""
        handshake.context = self._in_force
