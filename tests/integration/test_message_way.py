"""A message's way from a client to a reader, with the clients that people use.

swaks, curl, fetchmail, smtplib and poplib against a running server (CHECKLIST 442, 512, 513).
"""

from __future__ import annotations

import os
import poplib
import re
import smtplib
import subprocess
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy import func, select

from appliance.operations.addresses import CreateAddress
from appliance.operations.domains import CreateDomain, EnableDomain
from appliance.operations.mailboxes import EnableMailbox
from appliance.operations.operation import Change
from appliance.operations.postoffices import CreatePostOffice, EnablePostOffice
from appliance.store import tables
from tests.support.serving import Box, Server
from tests.support.wire import Pop3, Smtp

Inbox = Callable[..., list[bytes]]

_TRACE = re.compile(
    rb"\AReturn-Path: <([^>\r\n]*)>\r\n(Received: [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)", re.DOTALL
)
# What must come through as it is: dots, blanks at line ends, tabs, 8 bits, a line of 998 octets, no
# final blank line, an empty line at the end.
_CONTENT = (
    b"From: carol@example.org\r\nTo: someone\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\r\n"
    b".\r\n..\r\n.leading dot\r\ntrailing blanks   \r\n\ttab\r\n\xc3\xbc\xff\x80 octets\r\n"
    + b"x" * 998
    + b"\r\nFrom the past\r\n\r\n"
)


def _deliver(server: Server, content: bytes, *recipients: str, sender: str = "c@e.org") -> str:
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        return client.message(content, *recipients, sender=sender).id


def _strip(octets: bytes) -> bytes:
    """Return a message without the two lines that the server put before it."""
    found = _TRACE.match(octets)
    assert found, octets[:500]
    return octets[found.end() :]


def test_a_message_is_read_byte_for_byte_as_it_was_sent(
    server: Server, box: Box, inbox: Inbox
) -> None:  # RFC 5321 §4.5.2, RFC 1939 §3
    _deliver(server, _CONTENT, box.address)
    [octets] = inbox(box)
    assert _strip(octets) == _CONTENT


@pytest.mark.parametrize(
    "content",
    [
        b"\r\n",
        b"\r\nno header\r\n",
        b"Subject: no body\r\n",
        b"Subject: x\r\n\r\n" + b".\r\n" * 200,
        b"Subject: x\r\n\r\n" + b"." * 998 + b"\r\n",
        b"Subject: border\r\n\r\n" + b"y" * (131_072 - 200) + b"\r\n.\r\n" * 3,
    ],
    ids=["blank line", "no header", "no body", "only dots", "a line of dots", "inline or file"],
)
def test_unusual_messages_come_through_as_they_are(
    server: Server, box: Box, inbox: Inbox, content: bytes
) -> None:
    _deliver(server, content, box.address)
    [octets] = inbox(box)
    assert _strip(octets) == content


def test_a_message_without_any_octet_is_delivered(server: Server, box: Box, inbox: Inbox) -> None:
    _deliver(server, b"", box.address)
    [octets] = inbox(box)
    assert _strip(octets) == b""


def test_the_return_path_is_the_reverse_path_and_stands_first(
    server: Server, box: Box, inbox: Inbox
) -> None:  # RFC 5321 §4.4
    _deliver(
        server, b"Return-Path: <forged@x.org>\r\n\r\n", box.address, sender="Carol@Example.ORG"
    )
    [octets] = inbox(box)
    assert octets.startswith(b"Return-Path: <Carol@example.org>\r\nReceived: from client.example ")


def test_the_null_reverse_path_is_delivered_and_shown(
    server: Server, box: Box, inbox: Inbox
) -> None:  # RFC 5321 §4.5.5: notices come without a sender
    _deliver(server, b"Subject: notice\r\n\r\n", box.address, sender="")
    [octets] = inbox(box)
    assert octets.startswith(b"Return-Path: <>\r\n")


def test_several_recipients_get_a_copy_each_and_the_content_is_kept_once(
    server: Server, inbox: Inbox
) -> None:
    boxes = [server.mailbox() for _ in range(4)]
    message_id = _deliver(server, _CONTENT, *(each.address for each in boxes))
    for each in boxes:
        [octets] = inbox(each)
        assert _strip(octets) == _CONTENT
        assert boxes[0].address.encode() not in octets  # who else got it is nobody's business
    assert _contents(server, message_id) == 1


def test_a_content_shared_by_recipients_goes_with_the_last_copy(
    server: Server, inbox: Inbox
) -> None:
    boxes = [server.mailbox() for _ in range(2)]
    message_id = _deliver(server, _CONTENT, *(each.address for each in boxes))
    for left, each in zip((1, 0), boxes, strict=True):
        assert len(inbox(each)) == 1
        with Pop3(server.ports["pop3"]) as client:
            client.login(each.login, each.password)
            assert client.do("DELE 1").startswith("+OK")
            assert client.do("QUIT").startswith("+OK")
        assert _contents(server, message_id) == left


def _contents(server: Server, message_id: str) -> int:
    """Count the rows that hold a message's content."""
    found = server.house.directory.postoffice("demo")
    assert found is not None
    of_message = select(tables.messages.c.content_id).where(
        tables.messages.c.entry_id == message_id
    )
    counted = select(func.count()).where(tables.contents.c.id.in_(of_message))
    with server.house.databases.store(found.id).reader() as connection:
        return int(connection.tuples(counted)[0][0])


def test_the_same_recipient_given_twice_gets_one_copy_each(
    server: Server, box: Box, inbox: Inbox
) -> None:
    _deliver(server, b"Subject: twice\r\n\r\n", box.address, box.address.upper())
    assert len(inbox(box, at_least=2)) == 2


def test_addresses_are_found_whatever_their_case_and_by_every_address_of_a_mailbox(
    server: Server, box: Box, inbox: Inbox
) -> None:  # CHECKLIST 151
    server.perform(CreateAddress(address=f"sales.{box.name}@demo.test", mailbox=box.login))
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        for address in (
            box.address.upper(), f"Sales.{box.name}@DEMO.test", f'"{box.name}"@demo.test',
        ):  # fmt: skip
            client.message(b"Subject: found\r\n\r\n", address)
    assert len(inbox(box, at_least=3)) == 3


def test_postmaster_is_accepted_with_and_without_a_domain(server: Server) -> None:
    # RFC 5321 §4.5.1
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        for address in ("postmaster@demo.test", "PostMaster@demo.test", "Postmaster"):
            assert client.message(b"Subject: help\r\n\r\n", address).code == 250
        assert client.message(b"\r\n", "abuse@demo.test").code == 250  # RFC 2142


def test_mail_for_postmaster_lies_in_the_mailbox_of_the_post_office_s_admin(
    server: Server, inbox: Inbox
) -> None:
    server.perform(CreatePostOffice(postoffice="office", password="admin of the office"))
    server.perform(CreateDomain(domain="office.test", postoffice="office"))
    admin = Box("ADMIN@office", "ADMIN@office.test", "admin of the office")
    _deliver(server, b"Subject: to the master\r\n\r\n", "postmaster@office.test")
    [octets] = inbox(admin)
    assert b"Subject: to the master\r\n" in octets


def test_a_message_for_mailboxes_of_several_post_offices_reaches_them_all(
    server: Server, box: Box, inbox: Inbox
) -> None:
    server.perform(CreatePostOffice(postoffice="second", password="admin of the second"))
    server.perform(CreateDomain(domain="second.test", postoffice="second"))
    other = server.mailbox(postoffice="second", domain="second.test")
    _deliver(server, _CONTENT, box.address, other.address)
    assert [_strip(octets) for octets in (*inbox(box), *inbox(other))] == [_CONTENT, _CONTENT]


def test_who_is_suspended_is_refused_at_rcpt_and_let_in_again_afterwards(
    server: Server, inbox: Inbox
) -> None:  # CHECKLIST 143, 161
    server.perform(CreatePostOffice(postoffice="pause", password="admin of the pause"))
    server.perform(CreateDomain(domain="pause.test", postoffice="pause"))
    box = server.mailbox(postoffice="pause", domain="pause.test")
    switches: list[Callable[[bool], Change[None]]] = [
        lambda enabled: EnableMailbox(mailbox=box.login, enabled=enabled),
        lambda enabled: EnableDomain(domain="pause.test", enabled=enabled),
        lambda enabled: EnablePostOffice(postoffice="pause", enabled=enabled),
    ]
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        for count, switch in enumerate(switches, 1):
            server.perform(switch(False))
            client.do("MAIL FROM:<carol@example.org>")
            answer = client.do(f"RCPT TO:<{box.address}>")
            assert (answer.code, answer.status) == (550, "5.2.1"), switch(False)
            client.do("RSET")
            server.perform(switch(True))
            assert client.message(b"Subject: again\r\n\r\n", box.address).code == 250
            assert len(inbox(box, at_least=count)) == count


def test_who_is_suspended_cannot_log_in(server: Server, source: str) -> None:  # CHECKLIST 161
    box = server.mailbox()
    server.perform(EnableMailbox(mailbox=box.login, enabled=False))
    with Pop3(server.ports["pop3"], source=source) as pop3:
        assert pop3.login(box.login, box.password).startswith("-ERR [AUTH] ")
    with Smtp(server.ports["smtp"], source=source) as smtp:
        smtp.ehlo()
        assert smtp.auth(box.login, box.password).code == 535


def test_a_refused_recipient_does_not_stop_the_others(
    server: Server, box: Box, inbox: Inbox
) -> None:
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        client.do("MAIL FROM:<carol@example.org>")
        codes = [
            (answer.code, answer.status)
            for address in ("nobody@demo.test", box.address, "dave@example.com")
            for answer in [client.do(f"RCPT TO:<{address}>")]
        ]
        assert codes == [(550, "5.1.1"), (250, "2.1.5"), (550, "5.7.1")]
        client.do("DATA")
        client.send(b"Subject: one of three\r\n\r\n.\r\n")
        assert client.answer().code == 250
    assert len(inbox(box)) == 1


def test_a_message_that_goes_round_in_circles_is_returned_to_its_sender(
    server: Server, box: Box, inbox: Inbox
) -> None:  # RFC 5321 §6.3, RFC 3464; CHECKLIST 149
    other = server.mailbox()
    content = b"Received: from here to there\r\n" * 101 + b"Subject: round\r\n\r\ntext\r\n"
    _deliver(server, content, other.address, sender=box.address)
    [notice] = inbox(box)
    assert notice.startswith(b"Return-Path: <>\r\n")
    report = message_from_bytes(notice, policy=policy.default)
    assert report.get_content_type() == "multipart/report"
    assert b"Status: 5.4.6\r\n" in notice
    told = report.get_body()
    assert told is not None
    assert other.address in told.get_content()
    with Pop3(server.ports["pop3"]) as client:
        assert client.login(other.login, other.password) == "+OK 0 messages (0 octets)"


# ── the clients that people use ──────────────────────────────────────────────────────────────────


def _run(*words: str, given: bytes = b"", code: int = 0) -> bytes:
    done = subprocess.run(words, input=given, capture_output=True, timeout=60, check=False)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done.stdout


def test_smtplib_submits_over_starttls_and_poplib_reads(
    server: Server, box: Box, inbox: Inbox
) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = box.address, box.address, "grüße"
    message.set_content("Ein Gruß.\n.\nUnd noch einer.\n")
    with smtplib.SMTP("localhost", server.ports["submission"]) as smtp:
        smtp.starttls(context=server.tls)
        smtp.login(box.login, box.password)
        assert smtp.send_message(message) == {}
    inbox(box)
    over_tls = poplib.POP3_SSL("localhost", server.ports["pop3s"], context=server.tls)
    assert _read_by_poplib(over_tls, box) == message.get_content()
    upgraded = poplib.POP3("localhost", server.ports["pop3"])
    upgraded.stls(context=server.tls)
    assert _read_by_poplib(upgraded, box) == message.get_content()


def _read_by_poplib(client: poplib.POP3, box: Box) -> str:
    client.user(box.login)
    client.pass_(box.password)
    assert client.stat()[0] == 1
    _, lines, octets = client.retr(1)
    assert octets == sum(len(line) + 2 for line in lines)
    client.quit()
    parsed = message_from_bytes(b"\n".join(lines) + b"\n", policy=policy.default)
    assert parsed["subject"] == "grüße"
    text: str = parsed.get_content()
    return text


def test_smtplib_submits_over_tls_from_the_first_byte(
    server: Server, box: Box, inbox: Inbox
) -> None:  # RFC 8314 §3.3
    with smtplib.SMTP_SSL("localhost", server.ports["submissions"], context=server.tls) as smtp:
        smtp.login(box.login, box.password)
        assert smtp.sendmail(box.address, [box.address], "Subject: smtps\n\ntext\n") == {}
    [octets] = inbox(box)
    assert octets.endswith(b"Subject: smtps\r\n\r\ntext\r\n")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("way", ["starttls", "tls"])
def test_swaks_submits_with_each_mechanism(
    server: Server, box: Box, inbox: Inbox, mechanism: str, way: str
) -> None:  # RFC 4954; CHECKLIST 097
    port, option = {
        "starttls": ("submission", "--tls"),
        "tls": ("submissions", "--tls-on-connect"),
    }[way]
    said = _run(
        "swaks", "--server", "127.0.0.1", "--port", str(server.ports[port]), option,
        "--auth", mechanism, "--auth-user", box.login, "--auth-password", box.password,
        "--from", box.address, "--to", box.address, "--header", "Subject: by swaks",
    )  # fmt: skip
    assert b"235 2.7.0" in said
    [octets] = inbox(box)
    assert b"Subject: by swaks\r\n" in octets
    assert b"with ESMTPSA id " in octets


def test_swaks_delivers_as_another_server_does(server: Server, box: Box, inbox: Inbox) -> None:
    _run(
        "swaks", "--server", "127.0.0.1", "--port", str(server.ports["smtp"]), "--tls-optional",
        "--from", "carol@example.org", "--to", box.address, "--pipeline",
    )  # fmt: skip
    assert len(inbox(box)) == 1


def test_swaks_is_told_why_it_may_not_relay(server: Server) -> None:  # CHECKLIST 094, 505
    said = _run(
        "swaks", "--server", "127.0.0.1", "--port", str(server.ports["smtp"]),
        "--from", "carol@example.org", "--to", "dave@example.com", code=24,
    )  # fmt: skip
    assert b"<** 550 5.7.1 This mail server requires authentication." in said


def test_curl_submits_and_reads_over_each_kind_of_connection(
    server: Server, box: Box, inbox: Inbox, tmp_path: Path
) -> None:
    ports, ca = server.ports, str(server.home / "ca.pem")
    message = tmp_path / "message"
    message.write_bytes(_CONTENT)
    user = ("--user", f"{box.login}:{box.password}", "--cacert", ca)
    for url, *options in (
        (f"smtp://localhost:{ports['submission']}", "--ssl-reqd"),
        (f"smtps://localhost:{ports['submissions']}",),
        (f"smtp://localhost:{ports['smtp']}",),
    ):
        _run(
            "curl", "--silent", "--show-error", url, *options, *user, "--mail-from", box.address,
            "--mail-rcpt", box.address, "--upload-file", str(message),
        )  # fmt: skip
    assert len(inbox(box, at_least=3)) == 3
    for url, *options in (
        (f"pop3://localhost:{ports['pop3']}/1", "--ssl-reqd"),
        (f"pop3s://localhost:{ports['pop3s']}/2",),
        (f"pop3://localhost:{ports['pop3']}/3",),
    ):
        octets = _run("curl", "--silent", "--show-error", url, *options, *user)
        assert _strip(octets) == _CONTENT


def test_curl_does_not_send_to_a_server_whose_certificate_it_does_not_know(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "message").write_bytes(b"\r\n")
    url = f"smtps://localhost:{server.ports['submissions']}"
    _run(
        "curl", "--silent", url, "--mail-from", "a@b.c", "--mail-rcpt", "alice@demo.test",
        "--upload-file", str(tmp_path / "message"), code=60,
    )  # fmt: skip


@pytest.mark.parametrize("way", ["clear", "stls", "tls"])
def test_fetchmail_fetches_and_keeps_or_deletes(
    server: Server, box: Box, inbox: Inbox, tmp_path: Path, way: str
) -> None:
    for number in (1, 2, 3):
        _deliver(server, b"Subject: number %d\r\n\r\n.\r\ntext\r\n" % number, box.address)
    inbox(box, at_least=3)
    port = server.ports["pop3s" if way == "tls" else "pop3"]
    how = {
        "clear": "sslproto ''",
        "stls": "sslproto 'tls1.2+' sslcertck sslcertfile",
        "tls": "ssl sslcertck sslcertfile",
    }[way]
    trust = "" if way == "clear" else f"'{server.home / 'ca.pem'}'"
    folder = tmp_path / "mail"
    rc = tmp_path / "rc"
    rc.write_text(
        f"poll localhost port {port} protocol pop3 uidl\n"
        f"  user '{box.login}' password '{box.password}' {how} {trust}\n"
        f"  mda \"sh -c 'cat >>{folder}'\"\n"
    )
    rc.chmod(0o600)
    environment = {
        **os.environ,
        "FETCHMAILHOME": str(tmp_path),
        "FETCHMAIL_INCLUDE_DEFAULT_X509_CA_CERTS": "no",
    }
    command = [
        "fetchmail",
        "--fetchmailrc",
        str(rc),
        "--nosyslog",
        "--idfile",
        str(tmp_path / "ids"),
    ]
    for options, code, fetched in (
        (["--keep"], 0, 3),
        (["--keep"], 1, 3),
        (["--nokeep", "--all"], 0, 6),
        ([], 1, 6),
    ):
        done = subprocess.run(
            [*command, *options], env=environment, capture_output=True, timeout=60, check=False
        )
        assert done.returncode == code, (options, done.stdout, done.stderr)  # 1: no mail
        assert folder.read_bytes().count(b"Subject: number") == fetched
    with Pop3(server.ports["pop3"]) as client:
        assert client.login(box.login, box.password) == "+OK 0 messages (0 octets)"
