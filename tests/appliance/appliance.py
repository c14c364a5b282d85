"""A provisioned appliance: what the playbook made of a bare Debian, and clients of its doors."""

from __future__ import annotations

import base64
import contextlib
import http.client
import poplib
import re
import smtplib
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from functools import partial
from pathlib import Path

from tests.appliance.harness.hosts import Host
from tests.appliance.harness.playbook import ROOT
from tests.support.waiting import until

NAME = "mail.example.test"
ALICE, BOB = "alice@example", "bob@example"
PASSWORD = "cast iron kettle 7"
RELAY_SECRET = "tarred rope 31"
SERVICES = ("smtp", "mta", "sender", "pop3", "httpmail", "web", "housekeeping")
CA = "/var/lib/posthouse/config/tls/ca.pem"


Given = Callable[..., dict[str, object]]


def variables(wheel: Path, wheelhouse: Path, **others: object) -> dict[str, object]:
    """Return what a provider writes into the inventory."""
    return {
        "posthouse_hostname": NAME,
        "posthouse_wheel": str(wheel),
        "posthouse_lock": str(ROOT / "requirements.lock"),
        "posthouse_wheelhouse": str(wheelhouse),
        "posthouse_tenants": [
            {
                "name": "example",
                "password": PASSWORD,
                "domains": ["example.com"],
                "mailboxes": [
                    {"name": "alice", "password": PASSWORD, "full_name": "Alice Oakes"},
                    {"name": "bob", "password": PASSWORD, "quota_kb": 20_000},
                ],
            }
        ],
        "posthouse_smtp_max_recipients": 77,
        "posthouse_smarthost_password": RELAY_SECRET,
        **others,
    }


@dataclass(frozen=True, slots=True)
class Doors:
    """The doors of an appliance, as a client elsewhere comes to them."""

    host: Host
    context: ssl.SSLContext
    pop_port: int = 995

    @classmethod
    def of(cls, host: Host, *, ca: str = "", pop_port: int = 995) -> Doors:
        """Trust the appliance's own authority, or another one (PEM)."""
        context = ssl.create_default_context(cadata=ca or host.read(CA))
        return cls(host, context, pop_port)

    def expect_certificate(self, ca: str, serial: int = 0) -> None:
        """Wait until mail and web show a certificate of an authority for the host's name."""
        context = ssl.create_default_context(cadata=ca)

        def shown(port: int) -> bool:
            try:
                with (
                    socket.create_connection((self.host.address, port), timeout=30) as bare,
                    context.wrap_socket(bare, server_hostname=NAME) as checked,
                ):
                    found = checked.getpeercert() or {}
                    return not serial or int(str(found["serialNumber"]), 16) == serial
            except ssl.SSLCertVerificationError:  # the one before
                return False

        for port in (443, 465, self.pop_port):
            until(partial(shown, port), f"the certificate at {port}", within_s=30)

    def own_address(self) -> str:
        """Return the address that the appliance knows this client by."""
        with socket.create_connection((self.host.address, 25), timeout=30) as client:
            address: str = client.getsockname()[0]
            return address

    # ── mail ─────────────────────────────────────────────────────────────────────────────────────

    def receive(self, subject: str, to: str = "alice@example.com") -> None:
        """Hand a message in at port 25, as another mail server does."""
        with smtplib.SMTP(self.host.address, 25, timeout=30) as client:
            client.starttls(context=self._unnamed())
            client.send_message(_letter(subject, to), "hans@elsewhere.test", [to])

    def submit(self, subject: str, to: str = "alice@example.com", *, port: int = 587) -> None:
        """Send a message as Alice, after her login."""
        context = self._unnamed()
        client = (
            smtplib.SMTP(self.host.address, port, timeout=30)
            if port == 587
            else smtplib.SMTP_SSL(self.host.address, port, timeout=30, context=context)
        )
        with client:
            if port == 587:
                client.starttls(context=context)
            client.login(ALICE, PASSWORD)
            client.send_message(_letter(subject, to), "alice@example.com", [to])

    def pop(self, *, login: str = ALICE, password: str = PASSWORD) -> dict[str, str]:
        """Return the messages of a mailbox by their unique id, as their subjects."""
        with contextlib.closing(
            poplib.POP3_SSL(self.host.address, self.pop_port, context=self._unnamed(), timeout=30)
        ) as client:
            client.user(login)
            client.pass_(password)
            ids = [line.decode().split() for line in client.uidl()[1]]
            found = {
                unique: _subject(b"\n".join(client.retr(int(number))[1])) for number, unique in ids
            }
            client.quit()
            return found

    def arrived(self, subject: str, *, login: str = ALICE) -> str:
        """Wait until a message is in a mailbox; returns its unique id."""

        def find() -> str:
            return next((uid for uid, each in self.pop(login=login).items() if each == subject), "")

        return until(find, f"{subject!r} has arrived", within_s=40)

    # ── http ─────────────────────────────────────────────────────────────────────────────────────

    def https(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Ask the web server; returns status, headers in lower case, and the body."""
        client = http.client.HTTPSConnection(
            self.host.address, 443, context=self._unnamed(), timeout=30
        )
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(client):
            client.request(method, path, body, {"Host": NAME, **named})
            answer = client.getresponse()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, fields, answer.read()

    def httpmail_subjects(self) -> list[str]:
        """Return the subjects of Alice's inbox by HTTPMail."""
        query = (
            b'<D:propfind xmlns:D="DAV:" xmlns:m="urn:schemas:mailheader:">'
            b"<D:prop><m:subject/></D:prop></D:propfind>"
        )
        pair = base64.b64encode(f"{ALICE}:{PASSWORD}".encode()).decode()
        status, _, body = self.https(
            "PROPFIND",
            "/MEHTTPMail/folders/Inbox/",
            query,
            Authorization=f"Basic {pair}",
            Depth="1",
            Content_Type="text/xml",
        )
        assert status == 207, body
        return re.findall(r"subject>([^<]*)<", body.decode())

    def webmail(self) -> str:
        """Sign in to webmail as Alice; returns the page of her inbox."""
        status, headers, page = self.https("GET", "/webmail/login")
        assert status == 200, page
        [(name, token)] = set(re.findall(rb'name="(csrf[^"]*)" value="([^"]+)"', page))
        form = {name.decode(): token.decode(), "user": ALICE, "password": PASSWORD}
        status, headers, page = self.https(
            "POST",
            "/webmail/login",
            urllib.parse.urlencode(form).encode(),
            Cookie=headers["set-cookie"].partition(";")[0],
            Content_Type="application/x-www-form-urlencoded",
            Origin=f"https://{NAME}",
        )
        assert status in (302, 303), page
        session = headers["set-cookie"].partition(";")[0]
        status, _, page = self.https("GET", headers["location"], Cookie=session)
        assert status == 200, page
        return page.decode()

    def _unnamed(self) -> ssl.SSLContext:
        """Trust as `context` does, for connections by address: there is no DNS between the hosts.

        That the certificate is for the host's name is a test of its own.
        """
        self.context.check_hostname = False
        return self.context


@contextlib.contextmanager
def knocking(address: str, port: int) -> Iterator[list[str]]:
    """Connect again and again while something happens; what went wrong is in the list."""
    problems: list[str] = []
    done = threading.Event()
    answered = threading.Event()

    def knock() -> None:
        while not done.is_set():
            try:
                with socket.create_connection((address, port), timeout=30) as client:
                    if not client.recv(3):
                        problems.append("closed without a greeting")
            except OSError as error:
                problems.append(str(error))
            answered.set()

    threads = [threading.Thread(target=knock) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        assert answered.wait(30)
        yield problems
    finally:
        done.set()
        for thread in threads:
            thread.join(60)


def _letter(subject: str, to: str) -> EmailMessage:
    letter = EmailMessage()
    letter["From"] = "alice@example.com"
    letter["To"] = to
    letter["Subject"] = subject
    letter.set_content("Hello,\n\nsee you at the quay.\n")
    return letter


def _subject(octets: bytes) -> str:
    found = re.search(rb"^Subject: (.*?)\r?$", octets, re.MULTILINE)
    return found[1].decode() if found else ""
