"""TLS for the peers, and for clients that hold many sessions: a certificate that nobody checks."""

from __future__ import annotations

import pathlib
import ssl

from server import run

__all__ = ["certificate", "trusting"]


def certificate(folder: pathlib.Path) -> pathlib.Path:
    """Makes an ECDSA key and a certificate of its own in one file, as Posthouse's own are."""
    both, key = folder / "server.pem", folder / "key.pem"
    run(
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-days", "30", "-subj", "/CN=mx.bench.test"),
        *("-keyout", str(key), "-out", str(both)),
    )
    both.write_text(key.read_text() + both.read_text())
    both.chmod(0o600)
    key.unlink()
    return both


def trusting() -> ssl.SSLContext:
    """Returns a client's context that takes any certificate: the server is on loopback."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
