"""What a probe says of what goes wrong, and the visitor of the web."""

from __future__ import annotations

import http.client
import poplib
import smtplib
import socket
import ssl
from email.message import Message
from pathlib import Path

import pytest

from appliance.net.tls import self_signed
from appliance.upkeep.probe_steps import (
    DoorClosed,
    ProbeError,
    Step,
    Steps,
    secured,
    tls_context,
    why,
)
from appliance.upkeep.probe_web import Page, Visitor

SECRET = "hunter2-but-longer"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConnectionRefusedError(111, "refused"), "nobody listens at mail:25: connection refused"),
        (TimeoutError("timed out"), "no answer from mail:25 in time"),
        (ConnectionResetError(104, "reset"), "mail:25 closed the connection"),
        (socket.gaierror(-2, "unknown"), "the name in mail:25 is not known: unknown"),
        (OSError(113, "No route to host"), "mail:25: No route to host"),
        (smtplib.SMTPServerDisconnected("gone"), "mail:25 closed the connection"),
        (smtplib.SMTPAuthenticationError(535, b"5.7.8 no"), "the login was refused: 535 5.7.8 no"),
        (smtplib.SMTPConnectError(554, b"go away"), "the server answered 554 go away"),
        (
            smtplib.SMTPRecipientsRefused({"a@b.test": (550, b"5.1.1 who?")}),
            "the recipient was refused: 550 5.1.1 who?",
        ),
        (poplib.error_proto(b"-ERR [AUTH] no"), "the server answered -ERR [AUTH] no"),
        (poplib.error_proto(), "the server answered"),
        (http.client.RemoteDisconnected("gone"), "mail:25 closed the connection"),
        (
            http.client.BadStatusLine("220"),
            "mail:25 does not speak HTTP as it should: BadStatusLine",
        ),
        (ssl.SSLError(1, "[SSL] x"), "the TLS handshake with mail:25 failed: "),
        (ProbeError("STARTTLS is not offered"), "STARTTLS is not offered"),
        (ProbeError("two\r\n\x1blines"), "two   lines"),
    ],
)
def test_each_failure_is_told_in_one_clear_line(error: Exception, told: str) -> None:
    assert why(error, "mail:25").startswith(told)
    assert why(error, "mail:25").isprintable()


def test_what_was_sent_is_never_told() -> None:
    with pytest.raises(UnicodeEncodeError) as failed:
        f"{SECRET}ü".encode("ascii")
    assert SECRET not in why(failed.value, "mail:25")


def test_a_step_that_fails_ends_its_door_and_is_told_at_once() -> None:
    seen: list[Step] = []
    steps = Steps(seen.append)
    assert steps.take("smtp", "banner", lambda: (7, "220\r\n hello")) == 7

    def fail() -> tuple[None, str]:
        raise TimeoutError

    with pytest.raises(DoorClosed):
        steps.take("smtp", "EHLO", fail, "mail:25")
    assert [(each.what, each.ok, each.text) for each in seen] == [
        ("banner", True, "220 hello"),
        ("EHLO", False, "no answer from mail:25 in time"),
    ]
    assert steps.done == seen


def test_a_defect_of_ours_is_no_step() -> None:
    def broken() -> tuple[None, str]:
        raise AssertionError

    steps = Steps(lambda _: None)
    with pytest.raises(AssertionError):
        steps.take("smtp", "banner", broken)


def test_a_connection_without_tls_is_not_secured() -> None:
    with socket.socket() as plain, pytest.raises(ProbeError, match="not secured"):
        secured(plain, "mail.test")


def test_an_authority_that_is_none_is_told(tmp_path: Path) -> None:
    wrong = tmp_path / "ca.pem"
    wrong.write_text("nothing\n")
    with pytest.raises(OSError, match=r"."):
        tls_context("mail.test", [wrong])
    self_signed(tmp_path / "right", ["mail.test"])
    assert tls_context("mail.test", [tmp_path / "right" / "ca.pem"]).name == "mail.test"


def _page(**headers: str) -> Page:
    found = Message()
    for name, value in headers.items():
        found[name.replace("_", "-")] = value
    return Page(200, "OK", found, b"")  # type: ignore[arg-type] # a message of headers is enough


_HEADERS = {
    "Content_Security_Policy": "default-src 'none'; frame-ancestors 'none'",
    "X_Content_Type_Options": "nosniff",
    "Referrer_Policy": "same-origin",
    "Cache_Control": "no-store",
}


def test_the_headers_that_protect_a_page_are_looked_at() -> None:
    context = tls_context("mail.test", [])
    plain = Visitor("http://127.0.0.1:3080", context=context, timeout_s=1)
    secure = Visitor("https://127.0.0.1", context=context, timeout_s=1, host="192.0.2.1")
    assert str(plain.place) == "127.0.0.1:3080"
    assert str(secure.place) == "192.0.2.1:443"
    assert plain.check_protected(_page(**_HEADERS)) == "4 security headers"
    with pytest.raises(ProbeError, match="Strict-Transport-Security"):
        secure.check_protected(_page(**_HEADERS))
    secure.check_protected(_page(**_HEADERS, Strict_Transport_Security="max-age=31536000"))
    for name in _HEADERS:
        with pytest.raises(ProbeError, match=name.replace("_", "-")):
            plain.check_protected(_page(**{**_HEADERS, name: "something"}))


@pytest.mark.parametrize("url", ["mail.test", "ftp://mail.test", "https://", ""])
def test_what_is_no_address_of_a_web_server_is_told(url: str) -> None:
    with pytest.raises(ValueError, match="is not the address of a web server"):
        Visitor(url, context=tls_context("mail.test", []), timeout_s=1)


def test_a_status_is_expected() -> None:
    page = _page()
    page.expect(200, 204)
    with pytest.raises(ProbeError, match="it answered 200 OK; 401 is right"):
        page.expect(401)
