"""The small CA of a server that was given no certificate, and the certificate it signs.

Run as a program, since what it needs takes 7 MiB, and each service would keep them:
`python -m appliance.net.authority FOLDER NAME…`

Owns: `server.pem`, `server.key`, `ca.pem` and `server.json` of a `config/tls/`.
Failure: an exit code, with what Python says.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import ipaddress
import sys
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from appliance.net.tls import RENEW_BEFORE, Described, TlsError, own_certificate, server_context
from appliance.runtime.files import write_whole

_VALID = dt.timedelta(days=825)
_BACKDATED = dt.timedelta(hours=1)


def main(words: Sequence[str]) -> None:
    """Make a certificate in a folder for some names, where there is none that serves; say so."""
    folder, names = Path(words[0]), list(words[1:])
    certificate, key = own_certificate(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several services may start at the same moment
        if not _serves(certificate, key, names):
            _make(folder, certificate, key, names)
        octets = certificate.read_bytes()
        ends_at = x509.load_pem_x509_certificate(octets).not_valid_after_utc
        Described.of(octets, names, ends_at).write(folder)


def _serves(certificate: Path, key: Path, names: list[str]) -> bool:
    """Tell whether a certificate is there with its key, for these names, for another month."""
    try:
        server_context(certificate, key)
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        extension = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (TlsError, ValueError, x509.ExtensionNotFound):
        return False
    is_for_them = list(extension.value) == [_general_name(name) for name in names]
    return is_for_them and found.not_valid_after_utc > dt.datetime.now(dt.UTC) + RENEW_BEFORE


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


if __name__ == "__main__":
    main(sys.argv[1:])
