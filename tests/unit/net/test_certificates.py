"""The certificate in force: exchanged while listeners keep their context."""

from __future__ import annotations

import datetime as dt
import ssl
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from appliance.net.certificates import Certificates
from appliance.net.tls import TlsError, self_signed, server_context


def _pair(
    folder: Path, name: str, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
) -> tuple[str, str]:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    certificate, own = folder / f"{name}.pem", folder / f"{name}.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    own.write_bytes(secret)
    return str(certificate), str(own)


def _shown(context: ssl.SSLContext, server_name: str | None) -> str:
    """Return the common name of the certificate that a client is shown."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(to_client, to_server, server_hostname=server_name)
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    octets = client.getpeercert(binary_form=True)
    assert octets
    [attribute] = x509.load_der_x509_certificate(octets).subject
    return str(attribute.value)


@pytest.mark.parametrize("server_name", ["mail.example.com", None])
def test_a_certificate_with_another_kind_of_key_replaces_the_one_before(
    tmp_path: Path, server_name: str | None
) -> None:
    complaints: list[str] = []
    certificates = Certificates(tmp_path / "own", ["mail.example.com"])
    kept = certificates.context
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    certificates.follow(*_pair(tmp_path, "with-rsa", rsa_key), complaints.append)
    assert _shown(kept, server_name) == "with-rsa"
    other = ec.generate_private_key(ec.SECP256R1())
    certificates.follow(*_pair(tmp_path, "with-ec", other), complaints.append)
    assert _shown(kept, server_name) == "with-ec"
    certificates.follow(str(tmp_path / "missing.pem"), "missing.key", complaints.append)
    assert _shown(kept, server_name) == "with-ec", "what can't be used replaces nothing"
    certificates.follow("", "", complaints.append)
    assert _shown(kept, server_name) == "mail.example.com"
    assert len(complaints) == 1


def test_what_can_not_be_read_is_told_once_and_the_certificate_in_use_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Certificates(tmp_path / "own", ["mail.example.org"])
    told: list[str] = []
    found.follow("", "", told.append)
    whole = Path.read_bytes

    def fail(self: Path) -> bytes:
        raise OSError(24, "Too many open files", str(self))

    monkeypatch.setattr(Path, "read_bytes", fail)
    found.follow("", "", told.append)
    found.follow("", "", told.append)
    assert len(told) == 1
    assert "Too many open files" in told[0]
    assert _shown(found.context, None) == "mail.example.org"
    monkeypatch.setattr(Path, "read_bytes", whole)
    found.follow("", "", told.append)
    assert len(told) == 1


def _own(folder: Path) -> Path:
    certificate, _ = self_signed(folder, ["mail.example.org"])
    return certificate


@pytest.mark.parametrize("text", ["", "[]", "null", '{"ends_at": 7}', '{"ends_at": "2999-01-01"}'])
def test_what_is_known_of_our_own_certificate_is_found_out_again(tmp_path: Path, text: str) -> None:
    octets = _own(tmp_path).read_bytes()
    described = tmp_path / "server.json"
    whole = described.read_text(encoding="utf-8")
    described.write_text(text, encoding="utf-8")
    assert _own(tmp_path).read_bytes() == octets
    assert described.read_text(encoding="utf-8") == whole
    described.unlink()
    assert _own(tmp_path).read_bytes() == octets


@pytest.mark.parametrize("name", ["server.pem", "server.key"])
def test_a_damaged_certificate_of_our_own_is_made_again(tmp_path: Path, name: str) -> None:
    octets = _own(tmp_path).read_bytes()
    (tmp_path / name).write_bytes(b"-----BEGIN NOTHING-----\n")
    if name == "server.key":  # nobody looks at it before it is used
        (tmp_path / "server.json").unlink()
    assert _own(tmp_path).read_bytes() != octets
    server_context(tmp_path / "server.pem", tmp_path / "server.key")


def test_a_certificate_stays_in_use_where_no_new_one_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    octets = _own(tmp_path).read_bytes()
    (tmp_path / "server.json").unlink()
    (tmp_path / ".server.json.new").mkdir()  # in the way of who writes it
    found = Certificates(tmp_path, ["mail.example.org"])
    told: list[str] = []
    tries = 0
    make = subprocess.run

    def count(*words: object, **how: object) -> object:
        nonlocal tries
        tries += 1
        return make(*words, **how)  # type: ignore[call-overload] # as it was called

    monkeypatch.setattr(subprocess, "run", count)
    for _ in range(3):
        found.follow("", "", told.append)
    assert tries == 1, "it is not tried at each look"
    assert len(told) == 1
    assert "no certificate could be made" in told[0]
    assert _shown(found.context, None) == "mail.example.org"
    assert (tmp_path / "server.pem").read_bytes() == octets


def test_there_is_no_service_without_any_certificate(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(TlsError):
        Certificates(tmp_path, ["mail.example.org"])


def test_nothing_of_the_folder_one_is_in_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strange = tmp_path / "appliance"
    strange.mkdir()
    (strange / "__init__.py").write_text("raise SystemExit(9)\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert _own(tmp_path / "tls").exists()
