"""HTTPMail over real sockets, with real clients, beside the other doors (CHECKLIST 310 to 322)."""

from __future__ import annotations

import base64
import http.client
import re
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.support.dav import (
    ACCOUNT,
    FOLDERS,
    MESSAGES,
    batch,
    mark,
    propfind,
    text_between,
    update,
)
from tests.support.serving import Box, Server
from tests.support.waiting import until
from tests.support.wire import Pop3, Smtp

LETTER = (
    b"From: x@demo.test\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\r\nHello\r\n.\r\n..dots\r\n"
)
SUITES = {"basic": 16, "copymove": 13, "props": 30, "locks": 41, "http": 4}


class Client:
    """A mail client that keeps its connection."""

    def __init__(
        self, server: Server, box: Box, *, source: str = "127.0.0.1", **fields: str
    ) -> None:
        self.port = server.ports["httpmail"]
        self._connection = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=20, source_address=(source, 0)
        )
        token = base64.b64encode(f"{box.login}:{box.password}".encode()).decode()
        self._fields = {"Authorization": f"Basic {token}", **fields}

    def ask(
        self, method: str, url: str, body: bytes | str = b"", **fields: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        octets = body.encode() if isinstance(body, str) else body
        path = url.removeprefix(f"http://127.0.0.1:{self.port}")
        self._connection.request(method, path, octets, {**self._fields, **named})
        response = self._connection.getresponse()
        return response, response.read()

    def list(self, url: str, names: tuple[str, ...] = MESSAGES) -> str:
        response, octets = self.ask("PROPFIND", url, propfind(names), Depth="1,noroot")
        assert response.status == 207, octets
        assert response.getheader("Content-Type") == "text/xml"
        assert response.getheader("Content-Length") == str(len(octets))
        assert response.getheader("Transfer-Encoding") is None
        return octets.decode("ascii")

    def close(self) -> None:
        self._connection.close()

    def account(self) -> dict[str, str]:
        """Find the account's addresses as Apple Mail's plugin does, by its text."""
        text = self.list("/MEHTTPMail", ACCOUNT)
        return dict(re.findall(r"<hm:(\w+)>(.*?)</hm:", text))


def hrefs(text: str) -> list[str]:
    return text_between(text, "<D:href>", "</D:href>")


def send(server: Server, box: Box, content: bytes = LETTER) -> None:
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        client.message(content, box.address)


@pytest.fixture
def connect() -> Iterator[Callable[..., Client]]:
    """Open connections, which are closed at the end."""
    with ExitStack() as opened:
        yield lambda *server_and_box, **fields: opened.enter_context(
            closing(Client(*server_and_box, **fields))
        )


@pytest.fixture
def client(server: Server, box: Box, connect: Callable[..., Client]) -> Client:
    return connect(server, box)


def test_a_session_as_a_mail_client_has_one(server: Server, box: Box, client: Client) -> None:
    send(server, box)
    account = client.account()
    assert account["msgfolderroot"] in account["inbox"]
    inbox = account["inbox"]
    assert inbox in hrefs(client.list(account["msgfolderroot"], FOLDERS))
    until(lambda: hrefs(client.list(inbox)), "the message has come")
    text = client.list(inbox)
    (message,) = hrefs(text)
    assert text_between(text, "<m:subject>", "</m:subject>") == ["=?utf-8?b?Z3LDvMOfZQ==?="]
    response, octets = client.ask("GET", message, Accept="message/rfc822, */*", Translate="f")
    assert response.getheader("Content-Type") == "message/rfc822"
    assert octets.endswith(LETTER)
    assert [str(len(octets))] == text_between(text, "<D:getcontentlength>", "</D:")
    assert client.ask("PROPPATCH", message, update(mark(read=True)))[0].status == 200
    assert "<hm:read>1</hm:read>" in client.list(inbox)
    body = batch("move", message.rpartition("/")[2])
    response, octets = client.ask("BMOVE", inbox, body, Destination=account["deleteditems"])
    assert (response.status, octets.count(b"201 Created")) == (207, 1)
    (trashed,) = hrefs(client.list(account["deleteditems"]))
    assert trashed.encode() in octets
    body = batch("delete", trashed.rpartition("/")[2])
    response, _ = client.ask("BDELETE", account["deleteditems"], body)
    assert response.status == 207
    assert hrefs(client.list(account["deleteditems"])) == []


def test_what_is_done_here_shows_by_pop3(server: Server, box: Box, client: Client) -> None:
    path = "/MEHTTPMail/folders/Inbox/"
    for number in range(3):
        octets = b"Subject: %d\r\n\r\n" % number
        assert client.ask("POST", path, octets, Content_Type="message/rfc822")[0].status == 201
    client.ask("DELETE", hrefs(client.list(path))[1])
    with Pop3(server.ports["pop3"]) as pop3:
        pop3.login(box.login, box.password)
        assert pop3.messages() == [b"Subject: 0\r\n\r\n", b"Subject: 2\r\n\r\n"]


def test_a_letter_is_sent_without_smtp(
    server: Server, box: Box, client: Client, inbox: Callable[..., list[bytes]]
) -> None:
    other = server.mailbox()
    body = (
        f"MAIL FROM:<{box.address}>\r\nRCPT TO:<{other.address}>\r\n\r\n"
        f"From: {box.address}\r\nTo: {other.address}\r\nBcc: secret@demo.test\r\n"
        "Subject: by HTTP\r\n\r\n.\r\nend\r\n"
    )
    url = client.account()["sendmsg"]
    fields = {"Content_Type": "message/rfc821", "Saveinsent": "t"}
    response, octets = client.ask("POST", url, body, **fields)
    assert (response.status, octets) == (200, b"")
    (received,) = inbox(other)
    assert b"with HTTP id" in received
    assert received.endswith(b"Subject: by HTTP\r\n\r\n.\r\nend\r\n")
    assert b"secret" not in received
    (sent,) = hrefs(client.list(client.account()["sentitems"]))
    assert b"Bcc: secret@demo.test" in client.ask("GET", sent)[1]
    (line,) = server.until_logged(
        "HTTPMAIL", "Activity", f"{client.port}\t127.0.0.1\tPOST\t/MEHTTPMail/sendmsg"
    )
    entry_id = line.split("\t")[2]
    server.until_logged("MTA", "Activity", entry_id)


@pytest.mark.parametrize("suite", SUITES)
def test_litmus_finds_nothing(server: Server, box: Box, tmp_path: Path, suite: str) -> None:
    url = f"http://127.0.0.1:{server.ports['httpmail']}/MEHTTPMail/folders/"
    done = subprocess.run(
        ["litmus", "-k", url, box.login, box.password],
        env={"TESTS": suite, "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    wanted = f"of {SUITES[suite]} tests run: {SUITES[suite]} passed, 0 failed"
    assert wanted in done.stdout, done.stdout


def test_curl_puts_and_gets_in_pieces_of_its_own(server: Server, box: Box, tmp_path: Path) -> None:
    octets = b"Subject: large\r\n\r\n" + b"0123456789abcdef\r\n" * 200_000
    (tmp_path / "letter.eml").write_bytes(octets)
    url = f"http://127.0.0.1:{server.ports['httpmail']}/MEHTTPMail/folders/Drafts/letter.eml"
    curl = ["curl", "--silent", "--fail", "--user", f"{box.login}:{box.password}"]
    chunked = ["--header", "Transfer-Encoding: chunked", "--upload-file", "letter.eml"]
    subprocess.run([*curl, *chunked, url], cwd=tmp_path, check=True)
    subprocess.run([*curl, "--output", "back", url], cwd=tmp_path, check=True)
    assert (tmp_path / "back").read_bytes() == octets
    part = subprocess.run(
        [*curl, "--range", "9-13", url], cwd=tmp_path, check=True, capture_output=True
    )
    assert part.stdout == b"large"


def test_several_clients_work_on_one_mailbox_at_once(
    server: Server, box: Box, client: Client, connect: Callable[..., Client]
) -> None:
    path = "/MEHTTPMail/folders/Inbox/"

    def work(number: int) -> set[int]:
        client = connect(server, box)
        octets = b"Subject: %d\r\n\r\n" % number
        statuses = set()
        for turn in range(5):
            name = f"{path}{number}-{turn}.eml"
            statuses.add(client.ask("PUT", name, octets)[0].status)
            lock = (
                '<D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope>'
                "<D:locktype><D:write/></D:locktype></D:lockinfo>"
            )
            token = client.ask("LOCK", name, lock)[0].getheader("Lock-Token") or ""
            statuses.add(client.ask("UNLOCK", name, Lock_Token=token)[0].status)
            statuses.add(client.ask("GET", name)[0].status)
            client.list(path)
        return statuses

    with ThreadPoolExecutor(6) as pool:
        found = set().union(*pool.map(work, range(6)))
    assert found == {201, 204, 200}
    assert len(hrefs(client.list(path))) == 30


def test_a_password_is_refused_where_it_could_be_read(
    strict: Server, connect: Callable[..., Client]
) -> None:
    client = connect(strict, strict.mailbox())
    response, _ = client.ask("PROPFIND", "/MEHTTPMail", propfind(ACCOUNT))
    assert (response.status, response.getheader("WWW-Authenticate")) == (403, None)
    assert "TLS" in response.reason
    forged = connect(strict, strict.mailbox(), X_Forwarded_Proto="https")
    assert forged.ask("PROPFIND", "/MEHTTPMail")[0].status == 403


def test_a_web_server_in_front_brings_tls_and_names_the_client(
    strict: Server, source: str, connect: Callable[..., Client]
) -> None:
    strict.set(web__trusted_proxies=source)
    try:
        fields = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "10.0.0.1, 198.51.100.7"}
        client = connect(strict, strict.mailbox(), source=source, **fields)

        def discover() -> str:
            host = "mail.example.test"
            response, octets = client.ask("PROPFIND", "/MEHTTPMail", Host=host)
            return octets.decode() if response.status == 207 else ""

        text = until(discover, "the setting is in force")
        assert "<hm:inbox>https://mail.example.test/MEHTTPMail/folders/Inbox/</hm:inbox>" in text
        strict.until_logged("HTTPMAIL", "Activity", "\t198.51.100.7\tPROPFIND")
    finally:
        strict.set(web__trusted_proxies=None)


def test_logins_that_fail_are_told_to_all_doors(
    strict: Server, source: str, connect: Callable[..., Client]
) -> None:
    box = strict.mailbox()
    strict.set(web__trusted_proxies=source)
    try:
        fields = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.8"}
        right = connect(strict, box, source=source, **fields)
        until(lambda: right.ask("OPTIONS", "/MEHTTPMail")[0].status == 200, "it is in force")
        wrong = connect(strict, Box(box.login, "", "wrong"), source=source, **fields)
        for _ in range(3):
            assert wrong.ask("PROPFIND", "/MEHTTPMail")[0].status == 401
        response, _ = right.ask("PROPFIND", "/MEHTTPMail")
        assert (response.status, response.reason[:21]) == (503, "3 attempts of this lo")
        with Pop3(strict.ports["pop3s"], tls=strict.tls) as pop3:
            assert "3 attempts" in pop3.login(box.login, box.password)
    finally:
        strict.set(web__trusted_proxies=None)


def test_requests_and_logins_are_counted(server: Server, client: Client) -> None:
    client.account()
    text = server.command("service", "metrics").stdout
    for name, labels in (
        ("logins", 'outcome="right".*service="httpmail"'),
        ("exchanges", 'answer="2",command="PROPFIND",kind="HTTPMAIL"'),
    ):
        assert re.search(rf"posthouse_{name}_total{{[^}}]*{labels}", text)


def test_the_logs_can_be_switched(server: Server, client: Client) -> None:
    server.set(httpmail__log_activity="no", httpmail__log_w3c="yes")
    try:
        marker = "/MEHTTPMail/folders/switched-off"
        until(lambda: _w3c(server, client, marker), "the W3C log has it")
        server.set(httpmail__log_activity=None, httpmail__log_w3c=None)
    finally:
        server.set(httpmail__log_activity=None, httpmail__log_w3c=None)


def _w3c(server: Server, client: Client, path: str) -> bool:
    client.ask("GET", path)
    texts = [each.read_text() for each in (server.home / "logs" / "HTTPMAIL").glob("ex*.log")]
    return any(f" GET {path} 404 " in text for text in texts)
