"""TLS contexts, and the certificate of a server that was given none.

Standards: RFC 8314, RFC 9325 (TLS 1.2 and 1.3 only).
Owns: `config/tls/` in the home, where `authority` makes the certificate.
Failure: `TlsError` names the file that can't be used.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import ssl
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from appliance.runtime.files import write_whole

RENEW_BEFORE = dt.timedelta(days=30)
_DESCRIBED = "server.json"
_MAKING_S = 60


class TlsError(Exception):
    """A certificate or key can't be used; the text says which file and why."""


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What a certificate says.

    Attributes:
        names: host names and IP addresses it is for.
        ends_at: until when it is good, UTC.
        is_own_issuer: it is signed by itself.
    """

    names: tuple[str, ...]
    ends_at: dt.datetime
    is_own_issuer: bool


def read_certificate(path: Path) -> CertificateFacts:
    """Read the first certificate of a PEM file.

    Raises:
        TlsError: there is none.
    """
    from cryptography import x509  # 7 MiB, for whoever asks

    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise TlsError(f"{path} can't be read as a certificate: {error}") from error
    try:
        extension = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names = tuple(str(each.value) for each in extension.value)
    except (x509.ExtensionNotFound, ValueError):
        names = ()
    is_own_issuer = found.issuer == found.subject
    return CertificateFacts(names, found.not_valid_after_utc, is_own_issuer)


def own_certificate(folder: Path) -> tuple[Path, Path]:
    """Return where the certificate that `self_signed` makes lies, and its key."""
    return folder / "server.pem", folder / "server.key"


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Make a context for accepting connections.

    Raises:
        TlsError: a file is missing, unreadable, or the key does not fit.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise TlsError(f"{certificate} with {key} can't be used for TLS: {error}") from error
    return context


@dataclass(frozen=True, slots=True)
class Described:
    """What is known of the certificate of our own, without reading it.

    Attributes:
        sha256: of its file.
        names: whom it is for.
        ends_at: until when it is good, in ISO 8601.
    """

    sha256: str
    names: tuple[str, ...]
    ends_at: str

    @classmethod
    def of(cls, octets: bytes, names: Sequence[str], ends_at: dt.datetime) -> Described:
        """Describe a certificate's file."""
        return cls(hashlib.sha256(octets).hexdigest(), tuple(names), ends_at.isoformat())

    def write(self, folder: Path) -> None:
        """Keep it beside the certificate."""
        write_whole(folder / _DESCRIBED, [self.to_json().encode()])

    def to_json(self) -> str:
        """Return it as it is kept."""
        return json.dumps(asdict(self))


def self_signed(folder: Path, names: list[str]) -> tuple[Path, Path]:
    """Return a certificate and key for this server, signed by a CA of its own.

    They are made when they are missing or damaged, for other names, or near their end.

    Args:
        folder: `config/tls` in the home; `ca.pem` there is what a client may trust.
        names: host names and IP addresses the certificate is for.

    Raises:
        TlsError: they can't be made.
    """
    certificate, key = own_certificate(folder)
    if _serves(folder, certificate, names):
        return certificate, key
    _make(folder, names)
    return certificate, key


def _serves(folder: Path, certificate: Path, names: list[str]) -> bool:
    """Tell whether the certificate is whole, for these names, and good for another month."""
    try:
        octets = certificate.read_bytes()
        known = json.loads((folder / _DESCRIBED).read_text(encoding="utf-8"))
        ends_at = dt.datetime.fromisoformat(known["ends_at"])
        whole = known == json.loads(Described.of(octets, names, ends_at).to_json())
        return bool(whole and ends_at > dt.datetime.now(dt.UTC) + RENEW_BEFORE)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return False


def _make(folder: Path, names: list[str]) -> None:
    # isolated: nothing of the folder that somebody happens to be in is run
    command = [sys.executable, "-I", "-m", "appliance.net.authority", str(folder), *names]
    try:
        subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_MAKING_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        told = str(error)
        if isinstance(error, subprocess.CalledProcessError):
            told = error.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise TlsError(f"no certificate could be made in {folder}: {told}") from error
