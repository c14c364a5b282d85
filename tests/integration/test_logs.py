"""The logs of a running server (CHECKLIST 257 to 260, 282, 283, 453 to 477)."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.serving import Box, Server
from tests.support.waiting import until
from tests.support.wire import Pop3, Smtp, plain

Inbox = Callable[..., list[bytes]]


def _send(server: Server, box: Box) -> str:
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        return client.message(b"Subject: logged\r\n\r\ntext\r\n", box.address).id


def _of(server: Server, service: str, message_id: str, at_least: int) -> list[list[str]]:
    """Return the Activity log's lines of a message, by their columns."""
    lines = server.until_logged(service, "Activity", message_id, at_least)
    return [line.split("\t") for line in lines]


def test_the_activity_files_are_named_by_service_and_day(server: Server, box: Box) -> None:
    # CHECKLIST 463, 464
    _of(server, "MTA", _send(server, box), 1)
    with Pop3(server.ports["pop3"]) as client:
        client.do("QUIT")
    server.until_logged("POP", "Activity", "QUIT")
    for service in ("SMTP", "POP", "MTA"):
        names = [path.name for path in (server.home / "logs" / service).glob("*Activity*")]
        assert names
        for name in names:
            assert re.fullmatch(rf"{service}-Activity-\d{{6}}\.log", name)
            day = datetime.strptime(name[-10:-4], "%y%m%d").replace(tzinfo=UTC)
            assert timedelta(0) <= datetime.now(UTC) - day < timedelta(days=2)


def test_each_line_has_ten_columns_with_what_the_manual_says(server: Server, box: Box) -> None:
    # CHECKLIST 465 to 475
    message_id = _send(server, box)
    lines = _of(server, "SMTP", message_id, 4)
    assert all(len(columns) == 10 for columns in lines)
    mail, rcpt, data, content = lines[:4]
    for at, kind, found_id, port, remote, *_ in lines:
        logged = datetime.strptime(at, "%m/%d/%y %H:%M:%S").replace(tzinfo=UTC)
        assert abs(datetime.now(UTC) - logged) < timedelta(minutes=1)
        assert (kind, found_id, remote) == ("SMTP-IN", message_id, "127.0.0.1")
        assert port == str(server.ports["smtp"])
    done = "Requested mail action okay, completed"
    assert mail[5:8] == ["MAIL", "FROM:<carol@example.org>", f"250 2.1.0 {done}"]
    assert rcpt[5:8] == ["RCPT", f"TO:<{box.address}>", f"250 2.1.5 {done}"]
    assert data[5:8] == ["DATA", "", "354 Start mail input; end with [CRLF].[CRLF]"]
    assert content[5:8] == ["DATA", "28 bytes", f"250 2.0.0 {done} ({message_id})"]
    assert int(content[9]) == 28
    assert int(rcpt[8]) == len(f"{rcpt[7]}\r\n")
    assert int(mail[9]) == len("MAIL FROM:<carol@example.org>\r\n")


def test_the_id_of_the_answer_leads_through_the_logs_of_smtp_and_mta(
    server: Server, box: Box
) -> None:  # CHECKLIST 309, 468, 476
    message_id = _send(server, box)
    [delivered] = _of(server, "MTA", message_id, 1)
    assert len(delivered) == 10
    assert delivered[1:3] == ["MTA", message_id]
    assert delivered[5:8] == [
        "DELIVER",
        f"[SMTP:{box.address}] -> [SF:demo/{box.name}]",  # CHECKLIST 308
        "delivered",
    ]


def test_pop3_sessions_are_in_their_own_activity_log(
    server: Server, box: Box, inbox: Inbox
) -> None:
    _send(server, box)
    inbox(box)
    lines = _of(server, "POP", box.login, 1)
    assert all(len(columns) == 10 for columns in lines)
    [user] = [columns for columns in lines if columns[5] == "USER"]
    assert user[1] == "POP3-IN"
    assert user[3] == str(server.ports["pop3s"])
    commands = {columns[5] for columns in server.activity("POP")}
    assert {"USER", "PASS", "STAT", "RETR", "QUIT"} <= commands
    assert {len(columns) for columns in server.activity("POP")} == {10}


def test_what_a_client_sends_cannot_make_lines_or_columns_of_its_own(
    server: Server, source: str
) -> None:
    with Smtp(server.ports["smtp"], source=source) as client:
        client.do("EHLO client.example")
        for command in (
            "NOOP tab\tin\tit", "MAIL FROM:<a\tb@c.d>", "VRFY \x1b[31mred", "RCPT TO:<x>\x0b\x0c",
            "NOOP \u2028\u0085\u202e", "MAIL FROM:<ü@x.org> SMTPUTF8",
        ):  # fmt: skip
            client.do(command)
    lines = server.until_logged("SMTP", "Activity", source, 7)
    assert all(line.count("\t") == 9 for line in lines)
    assert all(part.isprintable() for line in lines for part in line.split("\t"))


def test_the_debug_log_tells_why_a_relay_was_refused(server: Server, source: str) -> None:
    # CHECKLIST 462, 477: time, reason, who
    with Smtp(server.ports["smtp"], source=source) as client:
        client.ehlo()
        client.do("MAIL FROM:<carol@example.org>")
        client.do("RCPT TO:<dave@elsewhere.example>")
    [line] = server.until_logged("SMTP", "Debug", f"{source} may not relay")
    at, level, message_id, rule, text = line.split("\t")
    assert re.fullmatch(r"\d\d/\d\d/\d\d \d\d:\d\d:\d\d", at)
    assert (level, rule) == ("INFO", "relay.closed")
    assert text == (
        f"elsewhere.example is not hosted here, and {source} may not relay: it has not logged in."
    )
    refused = _of(server, "SMTP", message_id, 2)[1]  # the id leads to the Activity log
    assert refused[5] == "RCPT"
    assert refused[7].startswith("550 5.7.1 This mail server requires authentication.")


def test_the_debug_log_tells_of_each_refused_content(server: Server, box: Box) -> None:
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        client.message(b"bare\nline feed\r\n", box.address)
    assert "LF without its CR" in server.until_logged("SMTP", "Debug", "content.bare-lf")[-1]


_SECRET = "hunter2-but-much-longer"  # and wrong


def test_no_password_stands_in_any_log_however_it_was_sent(
    server: Server, box: Box, source: str
) -> None:  # CHECKLIST 472
    server.secrets.add(_SECRET)
    in_base64 = base64.b64encode(_SECRET.encode()).decode()
    login = base64.b64encode(box.login.encode()).decode()
    with Smtp(server.ports["smtp"], source=source) as smtp:
        smtp.ehlo()
        for words in (
            (f"AUTH PLAIN {plain(box.login, _SECRET)}",),
            ("AUTH PLAIN", plain(box.login, _SECRET)),
            ("AUTH LOGIN", login, in_base64),
            (f"AUTH LOGIN {login}", in_base64),
            (f"AUTH CRAM-MD5 {in_base64}", in_base64),  # a step too early, and once more
            (in_base64,),
            (_SECRET,),
            (f"AUTH LOGIN {login} {in_base64}", in_base64),
        ):
            for word in words:
                smtp.do(word)
    with Pop3(server.ports["pop3"], source=source) as pop3:
        for word in (
            f"USER {box.login}", f"PASS {_SECRET}", f"PASS {_SECRET}", _SECRET, in_base64,
            f"AUTH PLAIN {plain(box.login, _SECRET)}", "AUTH PLAIN", plain(box.login, _SECRET),
            f"AUTH LOGIN {in_base64}", plain(box.login, _SECRET), f"APOP {box.login} {in_base64}",
            f"USER {box.login}", f"PASS\t{_SECRET}", f"pass  {_SECRET}",
        ):  # fmt: skip
            pop3.do(word)
    server.until_logged("SMTP", "Activity", source, 12)
    server.until_logged("POP", "Activity", source, 12)
    server.check_traces()


def test_auth_is_logged_with_its_details_hidden(server: Server, box: Box) -> None:
    with Smtp(server.ports["submission"]) as client:
        client.ehlo()
        client.auth(box.login, box.password)
    line = server.until_logged("SMTP", "Activity", f"Authentication successful, {box.login}")[0]
    assert line.split("\t")[5:7] == ["AUTH", "(hidden)"]


@pytest.fixture
def w3c(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {f"{service}__log_w3c": "yes" for service in ("smtp", "pop", "mta")}
    server = Server(tmp_path_factory.mktemp("w3c") / "home", settings=settings)
    server.start()
    yield server
    server.stop()
    server.check_traces()


def test_the_w3c_logs_say_the_same_in_the_extended_format(w3c: Server) -> None:
    # W3C WD-logfile-960221; CHECKLIST 258, 282, 457, 461
    box = w3c.mailbox()
    message_id = _send(w3c, box)
    with Pop3(w3c.ports["pop3"]) as client:
        until(lambda: "USER" in client.do("USER x") or True, "it answers")
        client.do("QUIT")

    def lines(service: str) -> list[str]:
        paths = (w3c.home / "logs" / service).glob("ex*.log")
        return [line for path in paths for line in path.read_text(encoding="utf-8").splitlines()]

    for service, text in (("SMTP", message_id), ("MTA", message_id), ("POP", "QUIT")):
        until(lambda: any(text in line for line in lines(service)), f"{service} is logged")  # noqa: B023 - called at once
        version, software, date, fields, *rest = lines(service)
        assert version == "#Version: 1.0"
        assert software == "#Software: Posthouse"
        assert date.startswith("#Date: ")
        assert fields.startswith("#Fields: date time ")
        names = fields.split()[1:]
        assert rest
        for line in rest:
            assert len(line.split(" ")) == len(names), line
            assert "" not in line.split(" ")
    by_name = [
        dict(zip(lines("SMTP")[3].split()[1:], line.split(" "), strict=True))
        for line in lines("SMTP")
        if message_id in line
    ]
    [rcpt] = [found for found in by_name if found["cs-method"] == "RCPT"]
    assert rcpt["c-ip"] == "127.0.0.1"
    assert rcpt["sc-status"] == "250"
    assert rcpt["cs-uri-stem"] == f"TO:<{box.address}>"


def test_the_log_is_complete_when_the_server_has_ended(w3c: Server) -> None:
    box = w3c.mailbox()
    ids = [_send(w3c, box) for _ in range(20)]
    w3c.stop()
    logged = w3c.log("SMTP", "Activity")
    assert all(message_id in logged for message_id in ids)
    w3c.start()


def test_the_command_shows_the_lines_of_one_message(server: Server, box: Box) -> None:
    message_id = _send(server, box)
    _of(server, "MTA", message_id, 1)
    shown = server.command("logs", "show", "MTA", "--message", message_id).stdout
    assert f"[SF:demo/{box.name}]" in shown
    assert all(message_id in line for line in shown.splitlines())
