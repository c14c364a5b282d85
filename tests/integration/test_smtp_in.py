"""Receiving by SMTP over real sockets: what is offered, what is refused, and what never happens."""

from __future__ import annotations

import base64
import os
import re
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest

from appliance.database.errors import CommitFailed
from appliance.operations.addresses import CreateAddress
from appliance.operations.domains import CreateDomain
from appliance.operations.mailboxes import EditMailbox
from appliance.operations.messages import SearchMessages
from appliance.operations.postoffices import CreatePostOffice
from appliance.upkeep import demo
from tests.integration.conftest import read_inbox
from tests.support.inprocess import Services, services
from tests.support.serving import Box, Server
from tests.support.waiting import until
from tests.support.wire import Answer, Pop3, Smtp, Wire, plain

Inbox = Callable[..., list[bytes]]

_ALWAYS = ("8BITMIME", "PIPELINING", "ENHANCEDSTATUSCODES", "SMTPUTF8", "DSN")
_PASSWORDS = ("AUTH PLAIN LOGIN", "AUTH=LOGIN")


# ── what is offered ──────────────────────────────────────────────────────────────────────────────


def test_ehlo_offers_passwords_only_under_tls_and_tls_only_once(strict: Server) -> None:
    # RFC 3207 §4.2, RFC 4954 §4; CHECKLIST 232
    for port in ("smtp", "submission"):
        with Smtp(strict.ports[port]) as client:
            assert client.ehlo() == ("SIZE 65536", *_ALWAYS, "STARTTLS", "HELP")
            client.begin_tls(strict.tls)
            assert client.ehlo() == ("SIZE 65536", *_ALWAYS, *_PASSWORDS, "HELP")
    with Smtp(strict.ports["submissions"], tls=strict.tls) as client:
        assert client.ehlo() == ("SIZE 65536", *_ALWAYS, *_PASSWORDS, "HELP")


def test_the_demo_offers_passwords_without_tls(server: Server) -> None:
    with Smtp(server.ports["smtp"]) as client:
        assert client.ehlo() == ("SIZE 52428800", *_ALWAYS, "STARTTLS", *_PASSWORDS, "HELP")


def test_the_first_line_of_ehlo_names_server_and_client(server: Server, source: str) -> None:
    with Smtp(server.ports["smtp"], source=source) as client:
        first = client.do("EHLO client.example").lines[0]
    assert first == f"demo.test [{source}], this server offers 10 extensions"


def test_the_greeting_names_the_server_and_no_version(server: Server) -> None:  # CHECKLIST 240
    with Smtp(server.ports["smtp"]) as client:
        assert client.greeting.lines == ("demo.test ESMTP Posthouse ready",)


def test_the_certificate_is_good_for_each_name_of_the_server(server: Server) -> None:
    for name in ("demo.test", "localhost", "127.0.0.1"):
        plain_socket = socket.create_connection(("127.0.0.1", server.ports["submissions"]))
        with server.tls.wrap_socket(plain_socket, server_hostname=name) as connection:
            assert connection.version() in ("TLSv1.2", "TLSv1.3")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_before_1_2_is_refused(server: Server) -> None:  # RFC 8996
    old = server.tls
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError), Wire(server.ports["submissions"], tls=old):
        pass


# ── replies ──────────────────────────────────────────────────────────────────────────────────────


def test_every_reply_but_greeting_ehlo_and_go_on_has_an_enhanced_status_code(
    server: Server, box: Box, source: str
) -> None:  # RFC 2034 §4
    commands = (
        "FROB", "MAIL FROM:<a@b.org>", "HELO", "AUTH PLAIN", "RCPT TO:<a@b.org>", "DATA", "VRFY x",
        "EXPN x", "HELP", "NOOP", "RSET", "STARTTLS now", "BDAT 1", "TURN", "AUTH GSSAPI",
        "AUTH PLAIN =", f"AUTH PLAIN {plain(box.login, 'not the password')}",
        f"AUTH PLAIN {plain(box.login, box.password)}", "AUTH PLAIN", "MAIL FROM:<x",
        "MAIL FROM:<>", "MAIL FROM:<>",
        "RCPT TO:<nobody@demo.test>", f"RCPT TO:<{box.address}>", "RCPT TO:<x>",
        "RCPT TO:<a@demo.test> X=1", "STARTTLS", "NOOP " + "x" * 600, "RSET", "QUIT",
    )  # fmt: skip
    server.set(smtp__max_errors="100")
    until(lambda: _takes_errors(server, 30), "the limit of errors is in force")
    try:
        with Smtp(server.ports["smtp"], source=source) as client:
            for command in commands:
                if command == "HELO":
                    client.do("EHLO client.example")
                answer = client.do(command)
                if answer.code == 334:
                    answer = client.do("*")
                assert answer.status, (command, answer)
                assert answer.status[0] == str(answer.code)[0], (command, answer)
    finally:
        server.set(smtp__max_errors=None)


def _takes_errors(server: Server, count: int) -> bool:
    with Smtp(server.ports["smtp"]) as client:
        return all(client.do("FROB").code == 500 for _ in range(count))


def test_vrfy_and_expn_are_switched_off_by_default(server: Server) -> None:  # CHECKLIST 231
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        for command in ("VRFY alice", "EXPN staff"):
            answer = client.do(command)
            assert (answer.code, answer.status) == (502, "5.5.1")


def test_the_answer_to_the_content_names_the_message_as_log_and_received_line_do(
    server: Server, box: Box, inbox: Inbox
) -> None:  # CHECKLIST 309, 468, 476
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        answer = client.message(b"Subject: named\r\n\r\n", box.address)
    assert str(answer).startswith("250 2.0.0 Requested mail action okay, completed (")
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{16}", answer.id)
    assert f" id {answer.id}".encode() in inbox(box)[0]


# ── who may send where ───────────────────────────────────────────────────────────────────────────


def test_a_stranger_may_not_relay_and_one_who_has_logged_in_may(
    server: Server, box: Box
) -> None:  # CHECKLIST 094, 097
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        client.do(f"MAIL FROM:<{box.address}>")  # claiming a hosted address does not help: 100
        answer = client.do("RCPT TO:<dave@example.com>")
        assert (answer.code, answer.status) == (550, "5.7.1")
        assert answer.text.startswith("This mail server requires authentication.")
        client.do("RSET")
        assert client.auth(box.login, box.password).code == 235
        client.do(f"MAIL FROM:<{box.address}>")
        assert client.do("RCPT TO:<dave@example.com>").code == 250


@pytest.mark.parametrize(
    "address",
    [
        "dave%example.com@demo.test",
        '"dave@example.com"@demo.test',
        "example.com!dave@demo.test",
        "@demo.test:dave@example.com",
        "dave@[192.0.2.1]",
        "dave@demo.test.example.com",
        "dave@example.com.",
    ],
)
def test_no_spelling_of_an_address_relays(server: Server, address: str) -> None:
    # RFC 5321 §3.3, §4.1.1.3, Appendix C: source routes are ignored, percent and bang mean nothing
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        client.do("MAIL FROM:<carol@example.org>")
        assert client.do(f"RCPT TO:<{address}>").code in (501, 550)
        assert client.do("DATA").code == 554


def test_nobody_submits_without_a_login(server: Server, box: Box) -> None:  # RFC 6409 §4.3
    with Smtp(server.ports["submission"]) as client:
        client.ehlo()
        answer = client.do(f"MAIL FROM:<{box.address}>")
        assert (answer.code, answer.status) == (530, "5.7.0")
        assert client.do(f"RCPT TO:<{box.address}>").code == 503


def test_passwords_are_not_taken_in_clear(strict: Server) -> None:  # RFC 4954 §4
    box = strict.mailbox()
    with Smtp(strict.ports["submission"]) as client:
        client.ehlo()
        answer = client.auth(box.login, box.password)
        assert (answer.code, answer.status) == (538, "5.7.11")
        client.begin_tls(strict.tls)
        client.ehlo()
        assert client.auth(box.login, box.password).code == 235


def test_a_login_is_mailbox_at_postoffice_or_an_address_or_a_bare_name(
    server: Server, box: Box
) -> None:  # CHECKLIST 029, 119, 152
    server.perform(CreateAddress(address=f"alias.{box.name}@demo.test", mailbox=box.login))
    for login in (
        box.login,
        box.login.upper(),
        box.address,
        f"alias.{box.name}@demo.test",
        box.name,
    ):
        with Smtp(server.ports["submissions"], tls=server.tls) as client:
            client.ehlo()
            answer = client.auth(login, box.password)
            assert (answer.code, answer.status) == (235, "2.7.0"), login
            assert answer.text == f"Authentication successful, {box.login}"


def test_without_a_default_post_office_a_bare_name_is_nobody(
    strict: Server, source: str
) -> None:  # CHECKLIST 119
    box = strict.mailbox()
    with Smtp(strict.ports["submissions"], source=source, tls=strict.tls) as client:
        client.ehlo()
        assert client.auth(box.name, box.password).code == 535
        assert client.auth(box.login, box.password).code == 235


def test_acting_as_somebody_else_is_refused(server: Server, box: Box, source: str) -> None:
    # RFC 4616 §2: the authorization identity
    with Smtp(server.ports["smtp"], source=source) as client:
        client.ehlo()
        asked = base64.b64encode(f"bob@demo\0{box.login}\0{box.password}".encode()).decode()
        answer = client.do(f"AUTH PLAIN {asked}")
        assert (answer.code, answer.status) == (535, "5.7.8")
        assert client.auth(box.login, box.password).code == 235


def test_a_wrong_password_and_an_unknown_login_get_the_same_answer(
    server: Server, box: Box, source: str
) -> None:
    with Smtp(server.ports["smtp"], source=source) as client:
        client.ehlo()
        wrong = client.auth(box.login, "not the password")
        unknown = client.auth("nobody-at-all@demo", "not the password")
    assert (wrong.code, wrong.status) == (535, "5.7.8")
    assert wrong == unknown


# ── limits ───────────────────────────────────────────────────────────────────────────────────────


def test_a_message_that_says_it_is_too_big_is_refused_at_mail(strict: Server) -> None:
    # RFC 1870 §6.1; CHECKLIST 216
    with Smtp(strict.ports["smtp"]) as client:
        client.ehlo()
        answer = client.do("MAIL FROM:<carol@example.org> SIZE=65537")
        assert (answer.code, answer.status) == (552, "5.3.4")
        assert "65536" in answer.text
        assert client.do("MAIL FROM:<carol@example.org> SIZE=65536").code == 250


@pytest.mark.parametrize(("size", "code"), [(65536, 250), (65537, 552), (3_000_000, 552)])
def test_a_message_that_is_too_big_is_refused_after_its_content(
    strict: Server, size: int, code: int
) -> None:  # RFC 1870 §6.3
    box = strict.mailbox()
    with Smtp(strict.ports["smtp"]) as client:
        client.ehlo()
        head = b"Subject: big\r\n\r\n"
        lines = b"x" * 78 + b"\r\n"
        body = lines * ((size - len(head) - 2) // 80)
        content = head + body + b"y" * (size - len(head) - len(body) - 2) + b"\r\n"
        assert len(content) == size
        answer = client.message(content, box.address)
        assert answer.code == code
        assert client.message(b"Subject: small\r\n\r\n", box.address).code == 250
    subjects = [
        b"Subject: big" in each for each in read_inbox(strict, box, at_least=1 + (code == 250))
    ]
    assert subjects == ([True, False] if code == 250 else [False])
    _no_content_is_left(strict)


def _no_content_is_left(server: Server) -> None:
    folder = server.home / "queues" / "content"
    until(lambda: not [path for path in folder.glob("*/*") if path.is_file()], "no file is left")


def test_recipients_beyond_the_limit_are_for_another_message(strict: Server) -> None:
    # RFC 5321 §4.5.3.1.10; CHECKLIST 243
    boxes = [strict.mailbox() for _ in range(4)]
    with Smtp(strict.ports["smtp"]) as client:
        client.ehlo()
        client.do("MAIL FROM:<carol@example.org>")
        answers = [client.do(f"RCPT TO:<{each.address}>") for each in boxes]
        assert [answer.code for answer in answers] == [250, 250, 250, 452]
        assert answers[-1].status == "4.5.3"
        client.do("DATA")
        client.send(b"Subject: three\r\n\r\n.\r\n")
        assert client.answer().code == 250
        assert client.message(b"Subject: the fourth\r\n\r\n", boxes[3].address).code == 250
    for each in boxes:
        assert len(read_inbox(strict, each)) == 1


def test_a_full_mailbox_has_senders_wait_until_there_is_room(
    server: Server, box: Box, inbox: Inbox
) -> None:
    # RFC 3463 X.2.2; RFC 5321 §4.2.1: 4yz invites the client to come again
    letter = b"Subject: big\r\n\r\n" + (b"x" * 70 + b"\r\n") * 30
    other = server.mailbox()
    server.perform(EditMailbox(mailbox=box.login, quota_kb=2))
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        assert client.message(letter, box.address).code == 250  # there was room as it came
        inbox(box)
        client.do("MAIL FROM:<carol@example.org>")
        answer = client.do(f"RCPT TO:<{box.address}>")
        assert str(answer) == (f"452 4.2.2 The mailbox of <{box.address}> is full; try again later")
        assert client.do(f"RCPT TO:<{other.address}>").code == 250  # the others' mail goes on
        client.do("RSET")
        with Pop3(server.ports["pop3"]) as reader:
            reader.login(box.login, box.password)
            assert reader.do("DELE 1").startswith("+OK")
            assert reader.do("QUIT").startswith("+OK")
        assert client.message(letter, box.address).code == 250
        server.perform(EditMailbox(mailbox=box.login, quota_kb=0))
        assert client.message(letter, box.address).code == 250
    inbox(box, at_least=2)


def test_a_client_that_makes_too_many_errors_is_hung_up_on(strict: Server) -> None:
    # CHECKLIST 244
    with Smtp(strict.ports["smtp"]) as client:
        client.ehlo()
        client.do("MAIL FROM:<carol@example.org>")
        answers = [client.do(f"RCPT TO:<guess{number}@demo.test>") for number in range(6)]
        assert [answer.code for answer in answers] == [550] * 5 + [421]
        assert answers[-1].status == "4.7.0"
        assert client.has_ended


def test_a_client_has_so_many_connections_and_others_have_theirs(
    strict: Server, source: str
) -> None:  # CHECKLIST 224
    port = strict.ports["smtp"]
    first, *others = [Smtp(port, source=source) for _ in range(3)]
    with Smtp(port, source=source) as refused:
        assert (refused.greeting.code, refused.greeting.status) == (421, "4.7.0")
        assert refused.has_ended
    with Smtp(port, source="127.2.0.1") as somebody_else:
        assert somebody_else.greeting.code == 220
    first.reset()
    until(lambda: _greets(port, source) == 220, "the place is free again")
    for each in others:
        assert each.do("NOOP").code == 250
        each.close()


def _greets(port: int, source: str) -> int:
    with Smtp(port, source=source) as client:
        return client.greeting.code


def test_exempt_addresses_have_no_limit_of_connections(strict: Server) -> None:
    clients = [Smtp(strict.ports["smtp"]) for _ in range(10)]
    assert [client.greeting.code for client in clients] == [220] * 10
    for client in clients:
        client.close()


# ── content ──────────────────────────────────────────────────────────────────────────────────────


def test_8bitmime_content_comes_through(server: Server, box: Box, inbox: Inbox) -> None:
    # RFC 6152
    content = "Subject: acht\r\n\r\nÄÖÜ ß €\r\n".encode() + bytes(range(128, 256)) + b"\r\n"
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        client.do("MAIL FROM:<carol@example.org> BODY=8BITMIME")
        client.do(f"RCPT TO:<{box.address}>")
        client.do("DATA")
        client.send(content + b".\r\n")
        assert client.answer().code == 250
    assert inbox(box)[0].endswith(content)


def test_international_addresses_and_headers_come_through(
    server: Server, inbox: Inbox
) -> None:  # RFC 6531 §3, RFC 6532; CHECKLIST 141
    server.perform(CreatePostOffice(postoffice="buch", password="admin of the books"))
    server.perform(CreateDomain(domain="bücher.test", postoffice="buch"))
    box = server.mailbox(postoffice="buch", domain="xn--bcher-kva.test")
    server.perform(CreateAddress(address="jürgen@bücher.test", mailbox=box.login))
    content = "From: Jürgen <jürgen@bücher.example>\r\nSubject: Grüße\r\n\r\n€\r\n".encode()
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        for recipient in (
            "jürgen@bücher.test",
            "JÜRGEN@xn--bcher-kva.test",
            f"{box.name}@BÜCHER.test",
        ):
            assert client.do("MAIL FROM:<jürgen@bücher.example> SMTPUTF8 BODY=8BITMIME").code == 250
            assert client.do(f"RCPT TO:<{recipient}>").code == 250, recipient
            client.do("DATA")
            client.send(content + b".\r\n")
            assert client.answer().code == 250
        refused = client.do("MAIL FROM:<jürgen@bücher.example>")
        assert (refused.code, refused.status) == (553, "5.6.7")
    for octets in inbox(box, at_least=3):
        assert octets.startswith("Return-Path: <jürgen@xn--bcher-kva.example>\r\n".encode())
        assert b" with UTF8SMTP id " in octets
        assert octets.endswith(content)


_END = b"\r\n.\r\n"
_NOT_AN_END = [
    b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r", b"\n.\r", b"\r.\n",
    b"\r\n\x00.\r\n", b"\r\n.\x00\r\n", b"\r\n.\r\x00\n", b"\r\x00\n.\r\n", b"\r\n\x00.\n",
    b"\n\n.\r\n", b"\r\r.\r\n", b"\n\r.\r\n", b"\r\n.\r\r\n", b"\n\r\n.\n\r\n",
    b"\r\n.\n\n", b"\r\n.\r\r", b"\r\n.\n\r\n", b"\n.\n\n", b"\x00\r\n.\r\x00", b"\r\n.\x0b\r\n\n",
]  # fmt: skip
# Nothing is wrong with these, and they end nothing either.
_CONTENT_WITH_DOTS = [
    b"\r\n..\r\n", b"\r\n. \r\n", b"\r\n.\t\r\n", b"\r\n .\r\n", b"\r\n...\r\n", b"\r\n.\x0b\r\n",
    b"\r\n.\x85\r\n", "\r\n.\u2028\r\n".encode(), b"\r\n\x1a.\r\n", b"\r\n.=\r\n", b".\r\n",
]  # fmt: skip


def _smuggle(victim: Box, gap: bytes) -> bytes:
    return (
        b"Subject: harmless\r\n\r\nfirst" + gap + b"MAIL FROM:<admin@demo.test>\r\nRCPT TO:<"
        + victim.address.encode() + b">\r\nDATA\r\nSubject: smuggled\r\n\r\nsecond"
    )  # fmt: skip


def test_nothing_that_looks_like_an_end_of_data_ends_a_message(
    server: Server, inbox: Inbox
) -> None:  # RFC 5321 §2.3.8, §4.1.1.4
    box, victim = server.mailbox(), server.mailbox()
    for gap in _NOT_AN_END:
        with Smtp(server.ports["smtp"]) as client:
            client.ehlo()
            client.do("MAIL FROM:<carol@example.org>")
            client.do(f"RCPT TO:<{box.address}>")
            client.do("DATA")
            client.send(_smuggle(victim, gap) + _END + b"NOOP\r\n")
            answer = client.answer()
            assert (answer.code, answer.status) == (550, "5.5.2"), gap
            assert client.do("QUIT").code == 250  # the NOOP's
            assert client.answer().code == 221
            assert client.has_ended
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        client.message(b"Subject: last\r\n\r\n", box.address, victim.address)
    for each in (box, victim):
        [octets] = inbox(each)
        assert b"Subject: last\r\n" in octets


def test_dots_that_end_nothing_are_content(server: Server, inbox: Inbox) -> None:
    # RFC 5321 §4.5.2
    box, victim = server.mailbox(), server.mailbox()
    for gap in _CONTENT_WITH_DOTS:
        with Smtp(server.ports["smtp"]) as client:
            client.ehlo()
            client.do("MAIL FROM:<carol@example.org>")
            client.do(f"RCPT TO:<{box.address}>")
            client.do("DATA")
            client.send(_smuggle(victim, gap) + _END)
            assert client.answer().code == 250, gap
    messages = inbox(box, at_least=len(_CONTENT_WITH_DOTS))
    for gap, octets in zip(_CONTENT_WITH_DOTS, messages, strict=True):
        assert octets.endswith(_smuggle(victim, gap).replace(b"\r\n.", b"\r\n") + b"\r\n")
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        client.message(b"Subject: last\r\n\r\n", victim.address)
    assert len(inbox(victim)) == 1


def test_a_refused_content_is_refused_however_it_is_cut_into_packets(
    server: Server, box: Box
) -> None:
    with Smtp(server.ports["smtp"]) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.ehlo()
        for gap in (b"\r\n.\n", b"\n.\r\n", b"\r\n\x00.\r\n"):
            client.do("MAIL FROM:<carol@example.org>")
            client.do(f"RCPT TO:<{box.address}>")
            client.do("DATA")
            for octet in b"Subject: x\r\n\r\ntext" + gap + b"MAIL FROM:<a@b.c>" + _END:
                client.send(bytes([octet]))
            assert client.answer().code == 550


@pytest.mark.parametrize(
    ("octets", "what"),
    [(b"a\0b", "NUL"), (b"a\rb", "CR"), (b"a\nb", "LF")],
    ids=["NUL", "CR", "LF"],
)
def test_nul_and_bare_line_ends_are_refused_and_say_so(
    server: Server, box: Box, octets: bytes, what: str
) -> None:  # RFC 5321 §2.3.8
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        answer = client.message(b"Subject: x\r\n\r\n" + octets + b"\r\n", box.address)
        assert (answer.code, answer.status) == (550, "5.5.2")
        assert what in answer.text
        assert client.do("NOOP").code == 250


def test_a_message_cut_off_by_a_lost_connection_leaves_nothing(server: Server, box: Box) -> None:
    # RFC 5321 §4.1.1.4: what was not acknowledged is not delivered
    for leave in (Wire.close, Wire.reset, Wire.finish):
        client = Smtp(server.ports["smtp"])
        client.ehlo()
        client.do("MAIL FROM:<carol@example.org>")
        client.do(f"RCPT TO:<{box.address}>")
        client.do("DATA")
        client.send(b"Subject: half\r\n\r\n" + b"x" * 78 + b"\r\n" * 5000)
        client.send((b"x" * 78 + b"\r\n") * 5000)
        leave(client)
        if leave is Wire.finish:
            assert client.has_ended
            client.close()
    _no_content_is_left(server)
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        client.message(b"Subject: whole\r\n\r\n", box.address)
    assert len(read_inbox(server, box)) == 1


# ── trace lines ──────────────────────────────────────────────────────────────────────────────────

_RECEIVED = re.compile(
    r"Received: from client\.example \(\[(?P<client>[0-9.]+)\]\)"
    r" by demo\.test with (?P<with>[A-Z0-9]+) id (?P<id>[0-9A-Z]{16})"
    r"(?: \(using (?P<tls>TLSv1\.[23]) [A-Z0-9_-]+\))?"
    r"(?: for <(?P<for>[^>]+)>)?; (?P<date>.+)"
)


def _received(octets: bytes) -> re.Match[str]:
    head = octets.partition(b"\r\n\r\n")[0].decode()
    lines = [re.sub(r"\r\n[ \t]+", " ", line) for line in re.split(r"\r\n(?![ \t])", head)]
    assert lines[0].startswith("Return-Path: <")
    found = _RECEIVED.fullmatch(lines[1])
    assert found, lines[1]
    return found


@pytest.mark.parametrize(
    ("port", "begin", "log_in", "protocol"),
    [
        ("smtp", "HELO", False, "SMTP"),
        ("smtp", "EHLO", False, "ESMTP"),
        ("smtp", "EHLO", True, "ESMTPA"),
        ("smtp", "STARTTLS", False, "ESMTPS"),
        ("submission", "STARTTLS", True, "ESMTPSA"),
        ("submissions", "EHLO", True, "ESMTPSA"),
    ],
)
def test_the_received_line_says_how_the_message_came(
    server: Server, inbox: Inbox, source: str, *, port: str, begin: str, log_in: bool, protocol: str
) -> None:  # RFC 5321 §4.4, RFC 3848
    box = server.mailbox()
    tls = server.tls if port == "submissions" else None
    with Smtp(server.ports[port], source=source, tls=tls) as client:
        if begin == "STARTTLS":
            client.begin_tls(server.tls)
        client.do("HELO client.example" if begin == "HELO" else "EHLO client.example")
        if log_in:
            assert client.auth(box.login, box.password).code == 235
        before = datetime.now(UTC)
        answer = client.message(b"Subject: traced\r\n\r\n", box.address)
    found = _received(inbox(box)[0])
    assert found["with"] == protocol
    assert found["client"] == source
    assert found["id"] == answer.id
    assert found["for"] == box.address
    assert bool(found["tls"]) == ("S" in protocol.removeprefix("E").removeprefix("SMTP"))
    assert abs(parsedate_to_datetime(found["date"]) - before) < timedelta(seconds=30)


def test_the_received_line_names_no_recipient_when_there_are_several(
    server: Server, box: Box, inbox: Inbox
) -> None:  # RFC 5321 §7.2: blind copies stay blind
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        client.message(b"\r\n", box.address, server.mailbox().address)
    assert _received(inbox(box)[0])["for"] is None


@pytest.mark.parametrize(
    "name", ["[192.0.2.7]", "[IPv6:2001:db8::7]", "a_b.example", "x" * 63 + ".example"]
)
def test_any_name_a_client_may_have_stands_in_the_received_line(
    server: Server, box: Box, inbox: Inbox, name: str
) -> None:
    with Smtp(server.ports["smtp"]) as client:
        assert client.do(f"EHLO {name}").code == 250
        client.message(b"\r\n", box.address)
    assert b"Received: from " + name.encode() in inbox(box)[0]


# ── the connection ───────────────────────────────────────────────────────────────────────────────


def _conversation(box: Box) -> bytes:
    message = (
        f"MAIL FROM:<c@e.org>\r\nRCPT TO:<{box.address}>\r\nRCPT TO:<nobody@demo.test>\r\nDATA\r\n"
    )
    return (
        f"EHLO client.example\r\n{message}Subject: first\r\n\r\n..dot\r\n.\r\n"
        f"{message}Subject: second\r\n\r\n.\r\nNOOP\r\nQUIT\r\nNOOP\r\n"
    ).encode()


_CODES = [250, 250, 250, 550, 354, 250, 250, 250, 550, 354, 250, 250, 221]


def test_a_whole_conversation_in_one_packet_is_answered_in_order(
    server: Server, box: Box, inbox: Inbox
) -> None:  # RFC 2920 §3.2
    with Smtp(server.ports["smtp"]) as client:
        client.send(_conversation(box))
        assert [client.answer().code for _ in _CODES] == _CODES
        assert client.has_ended  # what stands behind QUIT is not looked at
    first, second = inbox(box, at_least=2)
    assert first.endswith(b"Subject: first\r\n\r\n.dot\r\n")
    assert second.endswith(b"Subject: second\r\n\r\n")


def test_a_client_that_has_sent_all_and_closed_its_side_still_gets_every_answer(
    server: Server, box: Box, inbox: Inbox
) -> None:
    with Smtp(server.ports["smtp"]) as client:
        client.send(_conversation(box).partition(b"QUIT")[0])
        client.finish()
        assert [client.answer().code for _ in _CODES[:-1]] == _CODES[:-1]
        assert client.has_ended
    assert len(inbox(box, at_least=2)) == 2


def test_commands_sent_behind_starttls_are_thrown_away(server: Server, box: Box) -> None:
    # RFC 3207 §6 (CVE-2011-0411)
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        client.send(
            b"STARTTLS\r\nEHLO injected.example\r\nMAIL FROM:<mallory@example.org>\r\nRCPT TO:<"
            + box.address.encode() + b">\r\n"
        )  # fmt: skip
        assert client.answer().code == 220
        client.start_tls(server.tls)
        answer = client.do("MAIL FROM:<carol@example.org>")
        assert (answer.code, answer.text) == (503, "Send EHLO first")
        client.ehlo()
        assert client.do("DATA").code == 503


def test_what_was_said_before_starttls_is_forgotten(server: Server, box: Box) -> None:
    # RFC 3207 §4.2
    with Smtp(server.ports["submission"]) as client:
        client.ehlo()
        assert client.auth(box.login, box.password).code == 235
        client.begin_tls(server.tls)
        assert client.do("MAIL FROM:<a@b.c>").code == 503
        client.ehlo()
        assert client.do("MAIL FROM:<a@b.c>").code == 530


def test_a_line_feed_alone_ends_no_command(server: Server, box: Box) -> None:  # RFC 5321 §2.3.8
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        client.send(b"NOOP\nMAIL FROM:<mallory@example.org>\nRCPT TO:<alice@demo.test>\r\nNOOP\r\n")
        answers = [client.answer() for _ in range(2)]
        assert [answer.code for answer in answers] == [500, 250]
        assert client.do("DATA").code == 503


@pytest.mark.parametrize("length", [513, 1013, 12_289, 70_000, 1_000_000])
def test_lines_that_are_too_long_are_refused_and_the_connection_goes_on(
    server: Server, length: int
) -> None:  # RFC 5321 §4.5.3.1.4
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        answer = client.do("NOOP " + "x" * (length - 7))
        assert (answer.code, answer.status) == (500, "5.5.2")
        assert client.do("NOOP").code == 250


def test_a_client_that_vanishes_at_any_moment_leaves_the_service_well(server: Server) -> None:
    begun = (
        b"",
        b"EHLO client.example\r\n",
        b"EHLO x\r\nMAIL FROM:<a@b.c>\r\n",
        b"EHLO x\r\nSTARTTLS\r\n",
    )
    for octets in begun * 5:
        client = Wire(server.ports["smtp"])
        client.send(octets)
        client.reset()
    for octets in (b"", b"\x16\x03\x01", b"GET / HTTP/1.0\r\n\r\n", bytes(range(256))):
        client = Wire(server.ports["submissions"])
        client.send(octets)
        client.reset()
    with Smtp(server.ports["smtp"]) as healthy:
        assert healthy.greeting.code == 220
    # that nothing was logged as a failure is looked for when the server ends


_NAMES = {"smtp": ("smt", "sub"), "pop3": ("pop",)}


@pytest.mark.parametrize("octets", [b"", b"EHLO client.example\r\n"], ids=["silent", "talking"])
@pytest.mark.parametrize("service", ["smtp", "pop3"])
def test_clients_that_leave_before_they_are_let_in_leave_the_service_well(
    server: Server, service: str, octets: bytes
) -> None:
    ports = [port for name, port in server.ports.items() if name[:3] in _NAMES[service]]
    os.kill(server.service(service), signal.SIGSTOP)
    try:
        for port in ports * 5:
            client = Wire(port)
            client.send(octets)
            client.reset()
    finally:
        os.kill(server.service(service), signal.SIGCONT)
    with Wire(server.ports[service]) as healthy:
        assert healthy.line()
    # that nothing was logged as a failure is looked for when the server ends


def test_plain_text_on_the_port_for_tls_is_not_answered_in_plain_text(server: Server) -> None:
    with Wire(server.ports["submissions"]) as client:
        client.send(b"EHLO client.example\r\n")
        assert b"220" not in client.rest()


def test_refused_attempts_are_found_by_sender_and_recipient(server: Server, box: Box) -> None:
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        client.do("MAIL FROM:<searched@example.org>")
        client.do("RCPT TO:<dave@example.com>")
        client.do("RSET")
        client.do("MAIL FROM:<searched@example.org>")
        client.do(f"RCPT TO:<{box.address}>")
        client.do("DATA")
        client.send(b"bare \n here\r\n.\r\n")
        assert client.answer().code == 550
    question = SearchMessages(address="searched@example.org")
    found = until(
        lambda: len(events := server.ask(question)) == 2 and events, "both refusals are recorded"
    )
    assert found
    newest, oldest = found
    assert (oldest.kind, oldest.recipient) == ("refused", "dave@example.com")
    assert (newest.kind, newest.recipient) == ("refused", box.address)
    assert [each["rule"] for each in (oldest.reason, newest.reason) if each] == [
        "relay.closed",
        "content.bare-lf",
    ]


# ── what takes minutes or a broken disk: the services in this process ────────────────────────────


@pytest.fixture
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    home = tmp_path_factory.mktemp("inside") / "home"
    with services(home) as running:
        yield running


def test_a_silent_client_is_told_and_hung_up_on_after_five_minutes(inside: Services) -> None:
    # RFC 5321 §4.5.3.2.7
    with Smtp(inside.ports["smtp"]) as client:
        client.ehlo()
        inside.pass_time(299)
        assert client.do("NOOP").code == 250
        inside.pass_time(299)
        assert client.do("NOOP").code == 250
        inside.pass_time(301)
        answer = client.answer()
        assert (answer.code, answer.status) == (421, "4.4.2")
        assert client.has_ended


def test_a_client_that_falls_silent_inside_its_message_is_hung_up_on_and_nothing_is_kept(
    inside: Services,
) -> None:
    demo.furnish(inside.house)
    inside.refresh()
    with Smtp(inside.ports["smtp"]) as client:
        client.ehlo()
        client.do("MAIL FROM:<carol@example.org>")
        client.do("RCPT TO:<alice@demo.test>")
        client.do("DATA")
        client.send(b"Subject: half\r\n\r\n" + (b"x" * 78 + b"\r\n") * 4000)
        folder = inside.house.home / "queues" / "content"
        until(lambda: [path for path in folder.glob("*/*") if path.is_file()], "content is written")
        inside.pass_time(301)
        assert client.answer().code == 421
        assert client.has_ended
        until(lambda: not [path for path in folder.glob("*/*") if path.is_file()], "it is gone")


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (CommitFailed("the disk is full"), 451),
        (OSError(28, "no space"), 451),
        (ValueError("?"), 421),
    ],
    ids=["commit", "disk", "defect"],
)
def test_what_cannot_be_written_is_not_acknowledged(
    inside: Services, monkeypatch: pytest.MonkeyPatch, problem: Exception, code: int
) -> None:  # RFC 5321 §6.1
    demo.furnish(inside.house)
    inside.refresh()

    async def fail(*_: object, **__: object) -> str:
        raise problem

    monkeypatch.setattr(inside.house.queue, "submit_async", fail)
    with Smtp(inside.ports["smtp"]) as client:
        client.ehlo()
        answer: Answer = client.message(b"Subject: lost?\r\n\r\n", "alice@demo.test")
        assert (answer.code, answer.status) == (code, "4.3.0")
        if code == 421:  # RFC 5321 §3.8
            assert client.has_ended
        else:
            assert client.do("NOOP").code == 250
