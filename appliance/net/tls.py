"""TLS contexts, and the certificate of a server that was given none.

Standards: RFC 8314, RFC 9325 (TLS 1.2 and 1.3 only).
Owns: `config/tls/` in the home: a small CA of its own and a certificate signed by it.
Failure: `TlsError` names the file that can't be used.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from appliance.runtime.files import write_whole

_VALID = dt.timedelta(days=825)
_RENEW_BEFORE = dt.timedelta(days=30)
_BACKDATED = dt.timedelta(hours=1)


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


def self_signed(folder: Path, names: list[str]) -> tuple[Path, Path]:
    """Return a certificate and key for this server, signed by a CA of its own.

    They are made when they are missing, for other names, or near their end.

    Args:
        folder: `config/tls` in the home; `ca.pem` there is what a client may trust.
        names: host names and IP addresses the certificate is for.
    """
    certificate, key = own_certificate(folder)
    if _serves(certificate, names):
        return certificate, key
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several services may start at the same moment
        if not _serves(certificate, names):
            _make(folder, certificate, key, names)
    return certificate, key


def _serves(certificate: Path, names: list[str]) -> bool:
    """Tell whether a certificate is there, is for these names, and is good for another month."""
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        extension = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (FileNotFoundError, ValueError, x509.ExtensionNotFound):
        return False
    is_for_them = list(extension.value) == [_general_name(name) for name in names]
    return is_for_them and found.not_valid_after_utc > dt.datetime.now(dt.UTC) + _RENEW_BEFORE


def _make(folder: Path, certificate: Path, key: Path, names: list[str]) -> None:
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, f"Posthouse CA of {names[0][:40]}")]
    )
    ca = _sign(ca_name, ca_name, ca_key, ca_key, [], is_ca=True)
    own_key = ec.generate_private_key(ec.SECP256R1())
    own_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    own = _sign(own_name, ca_name, own_key, ca_key, names, is_ca=False)
    pem = serialization.Encoding.PEM
    secret = own_key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_whole(folder / "ca.pem", [ca.public_bytes(pem)], mode=0o644)
    write_whole(key, [secret])
    write_whole(certificate, [own.public_bytes(pem), ca.public_bytes(pem)], mode=0o644)


def _sign(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    names: list[str],
    *,
    is_ca: bool,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + _VALID)
        .add_extension(
            x509.BasicConstraints(ca=is_ca, path_length=0 if is_ca else None), critical=True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=is_ca,
                crl_sign=is_ca,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if not is_ca:
        alternatives = [_general_name(name) for name in names]
        builder = builder.add_extension(
            x509.SubjectAlternativeName(alternatives), critical=False
        ).add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
