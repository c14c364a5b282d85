"""Verbose Debug logs of a running server (CHECKLIST 453 to 455, 459): what they have, and never."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from http.client import HTTPConnection
from urllib.parse import urlencode

import pytest

from appliance.operations.debugging import StartDebugging, StopDebugging
from appliance.operations.watch import LOGGED
from tests.support.serving import Box, Server
from tests.support.waiting import until
from tests.support.wire import Pop3, Smtp, plain

_WRONG = "hunter3-and-as-much-longer"


@pytest.fixture
def verbose(server: Server) -> Iterator[Server]:
    """The demo, with every log verbose."""
    for service in LOGGED:
        server.perform(StartDebugging(service=service, for_s=600))
    try:
        yield server
    finally:
        server.perform(StopDebugging())


def _smtp_is_verbose(server: Server, source: str) -> bool:
    with Smtp(server.ports["smtp"], source=source) as client:
        client.do("QUIT")
    return f"{source} has connected" in server.log("SMTP", "Debug")


def _pop_is_verbose(server: Server, source: str) -> bool:
    with Pop3(server.ports["pop3"], source=source) as client:
        client.do("QUIT")
    return f"{source} has connected" in server.log("POP", "Debug")


def test_the_smtp_log_has_the_conversation_the_decisions_and_tls(
    verbose: Server, box: Box, source: str
) -> None:
    until(lambda: _smtp_is_verbose(verbose, source), "SMTP is verbose")
    with Smtp(verbose.ports["submission"], source=source) as client:
        client.ehlo()
        client.begin_tls(verbose.tls)
        client.ehlo()
        client.auth(box.login, box.password)
        message_id = client.message(b"Subject: x\r\n\r\nx\r\n", box.address).id
    verbose.until_logged("SMTP", "Debug", f"{message_id}\t-\tSMTP-IN {source}", 8)
    log = verbose.log("SMTP", "Debug")
    assert f"TLS with {source}: TLSv1.3 " in log
    who = f"{message_id}\t-\tSMTP-IN {source} port {verbose.ports['submission']} as {box.login}"
    assert f"{who} C: RCPT TO:<{box.address}> [" in log
    assert f"{who} S: 250 2.0.0 Requested mail action okay, completed ({message_id}) [" in log
    assert f"{message_id}\trecipient.local\toutcome: accept; reply: 250" in log
    assert f"{message_id}\t-\tthe message is in the queue (" in log
    verbose.until_logged("MTA", "Debug", f"{message_id}\trouting.mailbox\toutcome: accept;")


def test_no_password_stands_in_a_verbose_log_however_it_was_sent(
    verbose: Server, box: Box, source: str
) -> None:  # CHECKLIST 472
    token = verbose.command("token", "create", f"of-{box.name}", "--allow", "server.read")
    secret = max(token.stdout.split(), key=len)
    assert len(secret) > 30
    verbose.secrets |= {_WRONG, secret}
    until(lambda: _smtp_is_verbose(verbose, source), "SMTP is verbose")
    until(lambda: _pop_is_verbose(verbose, source), "POP is verbose")
    in_base64 = base64.b64encode(_WRONG.encode()).decode()
    login = base64.b64encode(box.login.encode()).decode()
    with Smtp(verbose.ports["smtp"], source=source) as smtp:
        smtp.ehlo()
        for words in (
            (f"AUTH PLAIN {plain(box.login, _WRONG)}",),
            ("AUTH LOGIN", login, in_base64),
            (f"AUTH CRAM-MD5 {in_base64}", in_base64),
            (_WRONG,),
            (f"AUTH PLAIN {plain(box.login, box.password)}",),
        ):
            for word in words:
                smtp.do(word)
    with Pop3(verbose.ports["pop3"], source=source) as pop3:
        for word in (
            f"USER {box.login}", f"PASS {_WRONG}", _WRONG, f"APOP {box.login} {in_base64}",
            f"AUTH PLAIN {plain(box.login, _WRONG)}", f"USER {box.login}", f"PASS {box.password}",
            "QUIT",
        ):  # fmt: skip
            pop3.do(word)
    for password in (_WRONG, box.password):
        pair = base64.b64encode(f"{box.login}:{password}".encode()).decode()
        _ask(verbose, "httpmail", "PROPFIND", "/MEHTTPMail", Authorization=f"Basic {pair}")
        _sign_in(verbose, box, password)
    for shown in (secret, _WRONG):
        _ask(verbose, "web", "GET", "/api/v1/health", Authorization=f"Bearer {shown}")
    verbose.until_logged("WEB", "Debug", "GET /api/v1/health by ", 2)
    verbose.until_logged("HTTPMAIL", "Debug", f"PROPFIND of {box.login} with no fields")
    verbose.until_logged("SMTP", "Debug", f"SMTP-IN {source} port", 12)
    verbose.until_logged("POP", "Debug", f"POP3-IN {source} port", 12)
    for service, shown in (("SMTP", "C: AUTH (hidden)"), ("POP", "C: PASS (hidden)")):
        assert shown in verbose.log(service, "Debug")
    verbose.check_traces()


def _ask(server: Server, service: str, method: str, path: str, **fields: str) -> None:
    client = HTTPConnection("127.0.0.1", server.ports[service], timeout=10)
    client.request(method, path, headers=fields)
    client.getresponse().read()
    client.close()


def _sign_in(server: Server, box: Box, password: str) -> None:
    client = HTTPConnection("127.0.0.1", server.ports["web"], timeout=10)
    client.request("GET", "/webmail/login")
    door = client.getresponse()
    csrf = door.read().decode().partition('name="csrf" value="')[2].partition('"')[0]
    cookie = (door.getheader("Set-Cookie") or "").partition(";")[0]
    body = urlencode({"csrf": csrf, "user": box.login, "password": password})
    fields = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"}
    client.request("POST", "/webmail/login", body, fields)
    assert client.getresponse().read() is not None
    client.close()


def test_off_is_off_within_a_second_and_the_usual_log_stays(server: Server, source: str) -> None:
    server.command("debug", "on", "POP", "--for", "1m")
    until(lambda: _pop_is_verbose(server, source), "POP is verbose")
    assert server.json("debug", "off", "POP")["changed"]

    def is_quiet() -> bool:
        before = server.log("POP", "Debug").count(f"{source} has connected")
        with Pop3(server.ports["pop3"], source=source) as client:
            client.do("USER nobody@nowhere")
            client.do("PASS wrong")
            count = server.log("POP", "Debug").count(f"login 'nobody@nowhere' from {source}")
        server.until_logged("POP", "Debug", f"login 'nobody@nowhere' from {source}", count + 1)
        return server.log("POP", "Debug").count(f"{source} has connected") == before

    until(is_quiet, "POP is not verbose any more")


def test_what_was_written_meanwhile_is_fetched_by_its_time(
    verbose: Server, box: Box, source: str
) -> None:
    until(lambda: _pop_is_verbose(verbose, source), "POP is verbose")
    text = verbose.command("logs", "show", "POP", "--kind", "debug", "--since", "2m").stdout
    assert f"{source} has connected" in text
    assert box.password not in text
    assert verbose.json("debug", "list")[0]["service"] == "SMTP"
    assert "is verbose" in verbose.command("diagnose", check=False).stdout
