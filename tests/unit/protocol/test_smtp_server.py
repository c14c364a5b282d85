"""The SMTP server engine: what it asks of the caller, what it answers alone, what it remembers."""

from __future__ import annotations

import base64
from typing import TypedDict, Unpack

import pytest

from appliance.mail.address import Address
from appliance.mail.envelope import Envelope, Notify, Recipient
from appliance.mail.reply import Reply
from appliance.protocol import LocalProtocolError
from appliance.protocol.smtp_data import Fault
from appliance.protocol.smtp_server import (
    Credentials,
    DataRequested,
    MailRequested,
    RcptRequested,
    Respond,
    Role,
    SmtpServer,
    TlsRequested,
    fault_reply,
)

OK = Reply(250, "2.0.0", "fine")
GO = Reply(354, "", "go on")
NO = Reply(550, "5.1.1", "no such mailbox")
LATER = Reply(451, "4.3.0", "later")


class Options(TypedDict, total=False):
    role: Role
    tls: bool
    tls_active: bool
    auth: tuple[str, ...]
    auth_without_tls: bool
    max_size: int
    max_recipients: int
    max_errors: int
    disabled: frozenset[str]
    utf8: bool
    legacy_auth: bool


def server(**options: Unpack[Options]) -> SmtpServer:
    settings: Options = {
        "role": "mx",
        "tls": False,
        "tls_active": False,
        "auth": ("PLAIN", "LOGIN"),
        "auth_without_tls": True,
        "max_size": 0,
        "max_recipients": 0,
        "max_errors": 0,
        "disabled": frozenset(),
    }
    settings.update(options)
    return SmtpServer(
        hostname="mail.example.com",
        greeting="mail.example.com ESMTP ready",
        client="192.0.2.7",
        local_domain="example.com",
        **settings,
    )


def said(engine: SmtpServer, line: bytes) -> bytes:
    """What the engine answers alone."""
    event = engine.receive_line(line)
    assert isinstance(event, Respond)
    return event.data


def in_transaction(engine: SmtpServer) -> SmtpServer:
    """With HELO, MAIL and one recipient."""
    engine.receive_line(b"EHLO client.example")
    engine.receive_line(b"MAIL FROM:<carol@example.org>")
    engine.answer(OK)
    engine.receive_line(b"RCPT TO:<alice@example.com>")
    engine.answer(OK)
    return engine


def at_content(engine: SmtpServer) -> SmtpServer:
    in_transaction(engine).receive_line(b"DATA")
    engine.answer(GO)
    return engine


def test_greeting_is_the_given_text() -> None:
    assert server().greeting() == b"220 mail.example.com ESMTP ready\r\n"


def test_ehlo_answers_in_the_shape_of_the_manual() -> None:
    # the manual, 9.7; RFC 5321 §4.1.1.1; RFC 2034 §3: no enhanced status code here
    engine = server(tls=True, max_size=10_120_000)
    assert said(engine, b"EHLO test.mydomain.com.au").decode().splitlines() == [
        "250-mail.example.com [192.0.2.7], this server offers 10 extensions",
        "250-SIZE 10120000",
        "250-8BITMIME",
        "250-PIPELINING",
        "250-ENHANCEDSTATUSCODES",
        "250-SMTPUTF8",
        "250-DSN",
        "250-STARTTLS",
        "250-AUTH PLAIN LOGIN",
        "250-AUTH=LOGIN",
        "250 HELP",
    ]
    assert (engine.helo, engine.esmtp) == ("test.mydomain.com.au", True)


def test_ehlo_offers_only_what_there_is() -> None:
    engine = server(auth=("PLAIN",), utf8=False, disabled=frozenset({"HELP"}))
    lines = said(engine, b"EHLO c").decode().splitlines()
    assert [line[4:] for line in lines[1:]] == [
        "SIZE 0",
        "8BITMIME",
        "PIPELINING",
        "ENHANCEDSTATUSCODES",
        "DSN",
        "AUTH PLAIN",
    ]
    assert b"AUTH=LOGIN" not in said(server(legacy_auth=False), b"EHLO c")


def test_helo_answers_with_the_name_alone() -> None:
    engine = server()
    assert said(engine, b"HELO c") == b"250 mail.example.com\r\n"
    assert (engine.helo, engine.esmtp) == ("c", False)


def test_events_carry_what_the_log_needs() -> None:
    engine = server()
    event = engine.receive_line(b"ehlo client.example")
    assert (event.verb, event.detail) == ("EHLO", "client.example")
    event = engine.receive_line(b"MAIL From:<carol@example.org> SIZE=7")
    assert (event.verb, event.detail) == ("MAIL", "From:<carol@example.org> SIZE=7")
    engine.answer(OK)
    event = engine.receive_line(b"RCPT TO:<alice@example.com>")
    assert (event.verb, event.detail) == ("RCPT", "TO:<alice@example.com>")
    engine.answer(OK)
    event = engine.receive_line(b"DATA")
    assert (event.verb, event.detail) == ("DATA", "")


def test_a_whole_transaction_becomes_an_envelope() -> None:
    engine = server()
    engine.receive_line(b"EHLO c")
    event = engine.receive_line(
        b"MAIL FROM:<carol@example.org> BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=e1"
    )
    assert isinstance(event, MailRequested)
    assert event.command.envid == "e1"
    assert engine.mail is None
    engine.answer(OK)
    for name in ("alice", "nobody", "bob"):
        event = engine.receive_line(f"RCPT TO:<{name}@example.com> NOTIFY=NEVER".encode())
        assert isinstance(event, RcptRequested)
        engine.answer(NO if name == "nobody" else Reply(251, "2.1.5", "forwarded"))
    assert isinstance(engine.receive_line(b"DATA"), DataRequested)
    assert engine.answer(GO) == b"354 go on\r\n"
    never = frozenset({Notify.NEVER})
    assert engine.envelope() == Envelope(
        reverse_path=Address("carol", "example.org"),
        recipients=(
            Recipient(Address("alice", "example.com"), never),
            Recipient(Address("bob", "example.com"), never),
        ),
        body="8BITMIME",
        smtputf8=True,
        ret="HDRS",
        envid="e1",
    )
    assert engine.data_finished(OK) == b"250 2.0.0 fine\r\n"
    assert (engine.mail, engine.recipients, engine.reverse_path) == (None, [], None)


def test_null_reverse_path_opens_a_transaction_too() -> None:
    # RFC 5321 §4.5.5
    engine = server()
    engine.receive_line(b"HELO c")
    engine.receive_line(b"MAIL FROM:<>")
    engine.answer(OK)
    assert engine.reverse_path is None
    assert isinstance(engine.receive_line(b"RCPT TO:<Postmaster>"), RcptRequested)
    engine.answer(OK)
    assert engine.recipients == [Recipient(Address("Postmaster", "example.com"))]


@pytest.mark.parametrize("reply", [NO, LATER])
def test_refused_mail_opens_no_transaction(reply: Reply) -> None:
    engine = server()
    engine.receive_line(b"HELO c")
    engine.receive_line(b"MAIL FROM:<carol@example.org>")
    assert engine.answer(reply) == reply.encode()
    assert engine.mail is None
    assert said(engine, b"RCPT TO:<alice@example.com>").startswith(b"503 5.5.1")


def test_refused_data_keeps_the_transaction() -> None:
    engine = in_transaction(server())
    engine.receive_line(b"DATA")
    engine.answer(LATER)
    assert engine.mail is not None
    assert isinstance(engine.receive_line(b"DATA"), DataRequested)


@pytest.mark.parametrize("reply", [OK, NO, LATER])
def test_content_ends_the_transaction_whatever_the_answer(reply: Reply) -> None:
    # RFC 5321 §4.1.1.4
    engine = at_content(server())
    assert engine.data_finished(reply) == reply.encode()
    assert engine.mail is None
    assert isinstance(engine.receive_line(b"MAIL FROM:<>"), MailRequested)


@pytest.mark.parametrize("line", [b"RSET", b"HELO again", b"EHLO again"])
def test_rset_and_a_second_greeting_drop_the_transaction(line: bytes) -> None:
    # RFC 5321 §4.1.4, §4.1.1.5
    engine = in_transaction(server())
    said(engine, line)
    assert (engine.mail, engine.recipients) == (None, [])


def test_quit_says_goodbye_and_closes() -> None:
    engine = server()
    event = engine.receive_line(b"QUIT")
    assert isinstance(event, Respond)
    assert event.data == b"221 2.0.0 Service closing transmission channel\r\n"
    assert event.close
    assert engine.is_closing
    with pytest.raises(LocalProtocolError):
        engine.receive_line(b"NOOP")


# ── limits ───────────────────────────────────────────────────────────────────────────────────────


def test_declared_size_is_checked_before_the_caller_is_asked() -> None:
    # RFC 1870 §6.1
    engine = server(max_size=1000)
    engine.receive_line(b"EHLO c")
    assert said(engine, b"MAIL FROM:<> SIZE=1001").startswith(b"552 5.3.4")
    assert isinstance(engine.receive_line(b"MAIL FROM:<> SIZE=1000"), MailRequested)


def test_recipients_beyond_the_limit_are_for_another_transaction_and_no_error() -> None:
    # RFC 5321 §4.5.3.1.10
    engine = in_transaction(server(max_recipients=1))
    assert said(engine, b"RCPT TO:<bob@example.com>").startswith(b"452 4.5.3")
    assert engine.errors == 0


def test_error_that_reaches_the_limit_closes_instead() -> None:
    # the manual, 6.2 Security; RFC 5321 §3.8
    engine = server(max_errors=2)
    assert said(engine, b"FROB").startswith(b"500")
    event = engine.receive_line(b"FROB")
    assert isinstance(event, Respond)
    assert event.data.startswith(b"421 4.7.0 Too many errors")
    assert event.close
    assert event.reply == engine.last_reply


def test_refused_recipient_that_reaches_the_limit_closes_instead() -> None:
    engine = in_transaction(server(max_errors=1))
    engine.receive_line(b"RCPT TO:<nobody@example.com>")
    assert engine.answer(NO) == (
        b"421 4.7.0 Too many errors, closing connection;"
        b" the last one was: 550 5.1.1 no such mailbox\r\n"
    )
    assert engine.is_closing


def test_transient_refusals_are_no_errors() -> None:
    engine = in_transaction(server(max_errors=1))
    engine.receive_line(b"RCPT TO:<bob@example.com>")
    engine.answer(LATER)
    assert (engine.errors, engine.is_closing) == (0, False)


def test_a_421_of_the_caller_closes() -> None:
    # RFC 5321 §3.8
    engine = server()
    engine.receive_line(b"HELO c")
    engine.receive_line(b"MAIL FROM:<>")
    engine.answer(Reply(421, "4.3.2", "shutting down"))
    assert engine.is_closing


def test_line_limits_depend_on_the_verb() -> None:
    # RFC 5321 §4.5.3.1.4, RFC 4954 §4
    engine = server()
    assert said(engine, b"NOOP " + b"x" * 505).startswith(b"250")
    assert said(engine, b"NOOP " + b"x" * 506).startswith(b"500 5.5.2")
    engine.receive_line(b"HELO c")
    assert said(engine, b"MAIL FROM:<> " + b"x" * 990).startswith(b"555")
    assert said(engine, b"MAIL FROM:<> " + b"x" * 998).startswith(b"500 5.5.2")
    assert said(engine, b"AUTH PLAIN " + b"x" * 12276).startswith(b"500 5.5.6")
    assert engine.line_limit == 12288


def test_line_beyond_the_callers_buffer_is_refused_and_ends_an_exchange() -> None:
    engine = server()
    event = engine.line_too_long()
    assert isinstance(event, Respond)
    assert event.data.startswith(b"500 5.5.2 Line too long")
    engine.receive_line(b"HELO c")
    engine.receive_line(b"AUTH PLAIN")
    event = engine.line_too_long()
    assert isinstance(event, Respond)
    assert event.data.startswith(b"500 5.5.6")
    assert (event.verb, event.detail) == ("AUTH", "(hidden)")
    assert said(engine, b"NOOP").startswith(b"250")


# ── SMTPUTF8 ─────────────────────────────────────────────────────────────────────────────────────


def test_utf8_address_needs_the_parameter() -> None:
    # RFC 6531 §3.4
    engine = server()
    engine.receive_line(b"EHLO c")
    assert said(engine, "MAIL FROM:<ü@example.org>".encode()).startswith(b"553 5.6.7")
    assert said(engine, "MAIL FROM:<u@bücher.example>".encode()).startswith(b"553 5.6.7")
    event = engine.receive_line("MAIL FROM:<ü@example.org> SMTPUTF8".encode())
    assert isinstance(event, MailRequested)
    engine.answer(OK)
    assert isinstance(engine.receive_line("RCPT TO:<ä@example.com>".encode()), RcptRequested)
    assert engine.answer(Reply(550, "5.1.1", "no ä here")) == "550 5.1.1 no ä here\r\n".encode()


def test_server_without_smtputf8_takes_ascii_only() -> None:
    engine = server(utf8=False)
    engine.receive_line(b"EHLO c")
    assert said(engine, b"MAIL FROM:<> SMTPUTF8").startswith(b"555 5.5.4")
    assert said(engine, "MAIL FROM:<ü@example.org>".encode()).startswith(b"553 5.6.7")


# ── AUTH ─────────────────────────────────────────────────────────────────────────────────────────


def b64(text: str) -> bytes:
    return base64.b64encode(text.encode())


def test_credentials_are_asked_about_and_235_logs_in() -> None:
    # RFC 4954 §4
    engine = server()
    engine.receive_line(b"EHLO c")
    event = engine.receive_line(b"AUTH PLAIN " + b64("boss\0alice@demo\0s3cret"))
    assert isinstance(event, Credentials)
    assert (event.mechanism, event.authcid, event.authzid, event.password) == (
        "PLAIN",
        "alice@demo",
        "boss",
        "s3cret",
    )
    assert engine.login is None
    assert engine.answer(Reply(235, "2.7.0", "ok")) == b"235 2.7.0 ok\r\n"
    assert engine.login == "alice@demo"
    assert said(engine, b"AUTH PLAIN").startswith(b"503 5.5.1")


def test_wrong_credentials_are_an_error_and_may_be_tried_again() -> None:
    engine = server()
    engine.receive_line(b"EHLO c")
    engine.receive_line(b"AUTH PLAIN " + b64("\0alice\0wrong"))
    engine.answer(Reply(535, "5.7.8", "wrong"))
    assert (engine.login, engine.errors) == (None, 1)
    assert isinstance(engine.receive_line(b"AUTH PLAIN " + b64("\0alice\0s3cret")), Credentials)


def test_nothing_of_an_exchange_is_shown_anywhere() -> None:
    engine = server()
    engine.receive_line(b"EHLO c")
    events = [
        engine.receive_line(b"AUTH LOGIN"),
        engine.receive_line(b64("alice@demo")),
        engine.receive_line(b64("s3cret")),
    ]
    assert [(event.verb, event.detail) for event in events] == [("AUTH", "(hidden)")] * 3
    assert "s3cret" not in "".join(map(repr, events))


def test_password_sent_as_a_command_is_not_shown() -> None:
    # a client that overlooks the 504 and sends its responses all the same
    engine = server(auth=("PLAIN",))
    engine.receive_line(b"EHLO c")
    assert said(engine, b"AUTH LOGIN").startswith(b"504 5.5.4")
    event = engine.receive_line(b64("s3cret-password"))
    assert isinstance(event, Respond)
    assert (event.verb, event.detail) == ("?", "(20 octets)")
    assert b64("s3cret-password").decode() not in repr(event)


@pytest.mark.parametrize(
    ("response", "code"),
    [(b"*", b"501 5.7.0"), (b"#", b"501 5.5.2"), (b"", b"501 5.5.2"), (b"YQ==", b"501 5.5.2")],
)
def test_broken_exchange_is_over(response: bytes, code: bytes) -> None:
    engine = server()
    engine.receive_line(b"EHLO c")
    engine.receive_line(b"AUTH PLAIN")
    assert said(engine, response).startswith(code)
    assert said(engine, b"NOOP") == b"250 2.0.0 OK\r\n"


def test_passwords_in_clear_are_not_taken_where_tls_is_wanted() -> None:
    # RFC 4954 §4
    engine = server(tls=True, auth_without_tls=False)
    assert b"AUTH" not in said(engine, b"EHLO c")
    assert said(engine, b"AUTH PLAIN " + b64("\0a\0b")).startswith(b"538 5.7.11")


def test_auth_that_is_not_offered_is_not_implemented() -> None:
    for engine in (server(auth=()), server(disabled=frozenset({"AUTH"}))):
        assert b"AUTH" not in said(engine, b"EHLO c")
        assert said(engine, b"AUTH PLAIN").startswith(b"502 5.5.1")


def test_auth_during_a_transaction_is_out_of_order() -> None:
    # RFC 4954 §4
    assert said(in_transaction(server()), b"AUTH PLAIN").startswith(b"503 5.5.1")


def test_submission_wants_a_login_before_mail() -> None:
    # RFC 6409 §4.3, RFC 4954 §6
    engine = server(role="submission", tls_active=True)
    engine.receive_line(b"EHLO c")
    assert said(engine, b"MAIL FROM:<alice@example.com>") == (
        b"530 5.7.0 This mail server requires authentication."
        b" Please check your mail client settings.\r\n"
    )
    engine.receive_line(b"AUTH PLAIN " + b64("\0alice\0s3cret"))
    engine.answer(Reply(235, "2.7.0", "ok"))
    assert isinstance(engine.receive_line(b"MAIL FROM:<alice@example.com>"), MailRequested)


def test_submission_without_tls_says_that_starttls_is_missing() -> None:
    # RFC 3207 §4
    engine = server(role="submission", tls=True, auth_without_tls=False)
    engine.receive_line(b"EHLO c")
    assert said(engine, b"MAIL FROM:<alice@example.com>").startswith(b"530 5.7.0 Send STARTTLS")


# ── STARTTLS ─────────────────────────────────────────────────────────────────────────────────────


def test_tls_forgets_what_was_said_in_clear() -> None:
    # RFC 3207 §4.2
    engine = server(tls=True)
    engine.receive_line(b"EHLO c")
    engine.receive_line(b"AUTH PLAIN " + b64("\0alice\0s3cret"))
    engine.answer(Reply(235, "2.7.0", "ok"))
    assert isinstance(engine.receive_line(b"STARTTLS"), TlsRequested)
    engine.answer(Reply(220, "2.0.0", "go"))
    with pytest.raises(LocalProtocolError):
        engine.receive_line(b"NOOP")
    engine.tls_started("TLS_AES_128_GCM_SHA256")
    assert (engine.helo, engine.esmtp, engine.login, engine.mail) == (None, False, None, None)
    assert (engine.tls_active, engine.cipher) == (True, "TLS_AES_128_GCM_SHA256")
    assert b"STARTTLS" not in said(engine, b"EHLO c")
    assert said(engine, b"STARTTLS").startswith(b"503 5.5.1")


def test_refused_tls_leaves_the_session_as_it_was() -> None:
    engine = server(tls=True)
    engine.receive_line(b"EHLO c")
    engine.receive_line(b"STARTTLS")
    engine.answer(Reply(454, "4.7.0", "not now"))
    assert engine.helo == "c"
    with pytest.raises(LocalProtocolError):
        engine.tls_started("none")


def test_starttls_is_502_where_it_is_not_offered() -> None:
    for engine in (server(), server(tls=True, disabled=frozenset({"STARTTLS"}))):
        assert b"STARTTLS" not in said(engine, b"EHLO c")
        assert said(engine, b"STARTTLS").startswith(b"502 5.5.1")


# ── strangers ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("line", [b"GET / HTTP/1.1", b"post /x HTTP/1.0", b"CONNECT a:25 HTTP/1.1"])
def test_http_is_hung_up_on(line: bytes) -> None:
    event = server().receive_line(line)
    assert isinstance(event, Respond)
    assert event.close
    assert event.data.startswith(b"421 4.7.0")


def test_disabled_commands_are_not_implemented() -> None:
    # the manual, 6.2 Allowed SMTP Commands
    engine = server(disabled=frozenset({"VRFY", "EXPN", "HELP"}))
    for line in (b"VRFY alice", b"expn staff", b"HELP"):
        assert said(engine, line).startswith(b"502 5.5.1")
    assert b"VRFY" in said(server(), b"HELP")


def test_vrfy_and_expn_tell_nothing() -> None:
    # RFC 5321 §3.5.3, §7.3
    engine = server()
    assert said(engine, b"VRFY alice") == said(engine, b"EXPN staff")
    assert said(engine, b"VRFY alice").startswith(b"252 ")


# ── the caller's turn ────────────────────────────────────────────────────────────────────────────


def test_each_question_wants_exactly_one_answer() -> None:
    engine = server()
    with pytest.raises(LocalProtocolError):
        engine.answer(OK)
    engine.receive_line(b"HELO c")
    engine.receive_line(b"MAIL FROM:<>")
    with pytest.raises(LocalProtocolError):
        engine.receive_line(b"NOOP")
    engine.answer(OK)
    with pytest.raises(LocalProtocolError):
        engine.answer(OK)


def test_a_yes_has_to_be_the_questions_own() -> None:
    engine = in_transaction(server())
    engine.receive_line(b"DATA")
    with pytest.raises(LocalProtocolError):
        engine.answer(OK)
    engine.answer(GO)
    with pytest.raises(LocalProtocolError):
        engine.data_finished(GO)
    engine.data_finished(OK)


def test_no_lines_while_content_is_due_and_no_content_without_354() -> None:
    engine = in_transaction(server())
    with pytest.raises(LocalProtocolError):
        engine.data_finished(OK)
    engine.receive_line(b"DATA")
    engine.answer(GO)
    with pytest.raises(LocalProtocolError):
        engine.receive_line(b"NOOP")


def test_no_envelope_outside_a_transaction() -> None:
    with pytest.raises(LocalProtocolError):
        server().envelope()


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.BARE_CR, "550 5.5.2"),
        (Fault.BARE_LF, "550 5.5.2"),
        (Fault.NUL, "550 5.5.2"),
        (Fault.TOO_BIG, "552 5.3.4"),
    ],
)
def test_each_fault_of_content_has_its_reply(fault: Fault, code: str) -> None:
    assert str(fault_reply(fault, max_size=1000)).startswith(code)
