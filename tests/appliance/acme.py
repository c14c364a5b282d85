"""A certificate authority that speaks ACME, to try the role's way to a certificate with certbot.

It checks signatures and nonces, asks the host itself for the challenge's answer, and signs the
request that it is sent; it knows one account and as many orders as come.

Standards: RFC 8555 (§6 to §8.3), RFC 7638.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import http.client
import ipaddress
import json
import secrets
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

_VALID = dt.timedelta(days=90)


class Authority:
    """What the authority knows: its key, one account, orders, certificates."""

    def __init__(self, folder: Path, address: str) -> None:
        """Make the authority's certificate, and one for its own address, in a folder."""
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Quay test authority")])
        self.root = _certificate(self.name, self.key.public_key(), self, is_ca=True)
        self.ca_file = folder / "authority.pem"
        self.ca_file.write_bytes(_pem(self.root))
        own = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "acme.test")])
        alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        signed = _certificate(subject, own.public_key(), self, alternative=alternative)
        self.server_file = folder / "authority-server.pem"
        self.server_file.write_bytes(
            own.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + _pem(signed)
        )
        self.nonces: set[str] = set()
        self.account: dict[str, Any] = {}
        self.orders: list[dict[str, Any]] = []
        self.asked: list[str] = []  # where challenges were answered: name and path
        self.signed: list[int] = []  # serial numbers

    def nonce(self) -> str:
        """Return a nonce, good for one request."""
        made = secrets.token_urlsafe(12)
        self.nonces.add(made)
        return made

    def thumbprint(self) -> str:
        """Return the account key's thumbprint (RFC 7638)."""
        key = {name: self.account[name] for name in ("e", "kty", "n")}
        text = json.dumps(key, separators=(",", ":"), sort_keys=True)
        return _encoded(hashlib.sha256(text.encode()).digest())

    def sign(self, request: bytes) -> bytes:
        """Sign a certificate request; returns certificate and issuer as PEM."""
        csr = x509.load_der_x509_csr(request)
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        signed = _certificate(csr.subject, csr.public_key(), self, alternative=names)
        self.signed.append(signed.serial_number)
        return _pem(signed) + _pem(self.root)


class _Handler(BaseHTTPRequestHandler):
    """One request to the authority."""

    authority: Authority
    base: str
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/directory":
            words = {"newNonce": "nonce", "newAccount": "account", "newOrder": "order"}
            self._answer(200, {name: f"{self.base}/{word}" for name, word in words.items()})
        else:
            self._answer(204)

    do_HEAD = do_GET  # noqa: N815 - the name that the standard library looks for

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        protected = json.loads(_decoded(body["protected"]))
        if protected["nonce"] not in self.authority.nonces:
            self._answer(400, {"type": "urn:ietf:params:acme:error:badNonce"})
            return
        self.authority.nonces.remove(protected["nonce"])
        jwk = protected.get("jwk", self.authority.account)
        key = rsa.RSAPublicNumbers(_number(jwk["e"]), _number(jwk["n"])).public_key()
        key.verify(
            _decoded(body["signature"]),
            f"{body['protected']}.{body['payload']}".encode(),
            padding.PKCS1v15(),
            hashes.SHA256(),
        )
        assert protected["url"] == self.base + self.path
        payload = json.loads(_decoded(body["payload"]) or "{}")
        _, word, *rest = self.path.split("/")
        getattr(self, f"_{word}")(payload, *rest, **({"jwk": jwk} if word == "account" else {}))

    def _account(self, payload: dict[str, Any], *_: str, jwk: dict[str, Any]) -> None:
        self.authority.account = jwk
        self._answer(201, {"status": "valid", **payload}, Location=f"{self.base}/account/1")

    def _order(self, payload: dict[str, Any], number: str = "") -> None:
        orders = self.authority.orders
        if not number:
            orders.append(
                {
                    "identifiers": payload["identifiers"],
                    "tokens": [secrets.token_urlsafe(24) for _ in payload["identifiers"]],
                    "valid": set(),
                    "certificate": b"",
                }
            )
            number = str(len(orders) - 1)
            self._answer(201, self._shown(number), Location=f"{self.base}/order/{number}")
        else:
            self._answer(200, self._shown(number), Location=f"{self.base}/order/{number}")

    def _shown(self, number: str) -> dict[str, Any]:
        order = self.authority.orders[int(number)]
        count = range(len(order["identifiers"]))
        is_ready = len(order["valid"]) == len(count)
        shown = {
            "status": "valid" if order["certificate"] else "ready" if is_ready else "pending",
            "identifiers": order["identifiers"],
            "authorizations": [f"{self.base}/authz/{number}/{each}" for each in count],
            "finalize": f"{self.base}/finalize/{number}",
        }
        if order["certificate"]:
            shown["certificate"] = f"{self.base}/cert/{number}"
        return shown

    def _authz(self, _payload: dict[str, Any], number: str, which: str) -> None:
        order = self.authority.orders[int(number)]
        status = "valid" if int(which) in order["valid"] else "pending"
        challenge = {
            "type": "http-01",
            "url": f"{self.base}/challenge/{number}/{which}",
            "token": order["tokens"][int(which)],
            "status": status,
        }
        identifier = order["identifiers"][int(which)]
        self._answer(200, {"status": status, "identifier": identifier, "challenges": [challenge]})

    def _challenge(self, _payload: dict[str, Any], number: str, which: str) -> None:
        order = self.authority.orders[int(number)]
        token, name = order["tokens"][int(which)], order["identifiers"][int(which)]["value"]
        path = f"/.well-known/acme-challenge/{token}"
        asked = http.client.HTTPConnection(self.client_address[0], 80, timeout=20)
        asked.request("GET", path, headers={"Host": name})
        found = asked.getresponse()
        answer = found.read().decode()
        assert found.status == 200, f"{name}{path} answers {found.status}"
        asked.close()
        assert answer.strip() == f"{token}.{self.authority.thumbprint()}"
        self.authority.asked.append(f"{name}{path}")
        order["valid"].add(int(which))
        url = f"{self.base}/challenge/{number}/{which}"
        self._answer(
            200,
            {"type": "http-01", "url": url, "token": token, "status": "valid"},
            Link=f'<{self.base}/authz/{number}/{which}>;rel="up"',
        )

    def _finalize(self, payload: dict[str, Any], number: str) -> None:
        order = self.authority.orders[int(number)]
        order["certificate"] = self.authority.sign(_decoded(payload["csr"]))
        self._answer(200, self._shown(number), Location=f"{self.base}/order/{number}")

    def _cert(self, _payload: dict[str, Any], number: str) -> None:
        self._answer(200, self.authority.orders[int(number)]["certificate"])

    def _answer(self, status: int, found: object = None, **headers: str) -> None:
        octets = found if isinstance(found, bytes) else b"" if found is None else _json(found)
        self.send_response(status)
        kind = (
            "application/pem-certificate-chain" if isinstance(found, bytes) else "application/json"
        )
        headers |= {"Content-Type": kind, "Content-Length": str(len(octets))}
        for name, value in {**headers, "Replay-Nonce": self.authority.nonce()}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(octets)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def authority(folder: Path, address: str) -> Iterator[tuple[Authority, str]]:
    """Run an authority at an address of this machine; yields it, and its directory's URL."""
    made = Authority(folder, address)

    class Handler(_Handler):
        authority = made

    with ThreadingHTTPServer((address, 0), Handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(made.server_file)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        base = f"https://{address}:{server.server_port}"
        Handler.base = base
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield made, f"{base}/directory"
        finally:
            server.shutdown()
            thread.join()


def _certificate(
    subject: x509.Name,
    key: Any,  # noqa: ANN401 - any public key
    issuer: Authority,
    *,
    alternative: x509.SubjectAlternativeName | None = None,
    is_ca: bool = False,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.name)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )
    if alternative is not None:
        builder = builder.add_extension(alternative, critical=False)
    return builder.sign(issuer.key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _json(found: object) -> bytes:
    return json.dumps(found).encode()


def _encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _number(text: str) -> int:
    return int.from_bytes(_decoded(text), "big")
