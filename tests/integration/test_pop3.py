"""Reading by POP3 over real sockets (RFC 1939, 2449, 2595, 3206, 5034; CHECKLIST 274 to 284)."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.database.content import INLINE_MAX, Content
from appliance.database.errors import CommitFailed, StoreBusy
from appliance.operations.mailboxes import CreateMailbox
from appliance.operations.postoffices import CreatePostOffice
from appliance.services.pop3 import connection, maildrop
from appliance.store.message import Delivery
from appliance.store.store import Store
from tests.integration.conftest import read_inbox
from tests.support.inprocess import Services, services
from tests.support.letters import delivery, entry
from tests.support.memory import Peak
from tests.support.serving import Box, Server
from tests.support.waiting import until
from tests.support.wire import Pop3, Smtp, Wire, plain

_CONTENTS = (
    b"Subject: first\r\nTo: somebody\r\n\r\nHello\r\n.\r\n..two dots\r\nBye\r\n",
    b"Subject: second\r\n\r\n",
    b"Subject: third\r\n\r\n" + b"line\r\n" * 10,
)


@pytest.fixture
def full(server: Server, box: Box) -> Box:
    """A mailbox with three messages."""
    _send(server, box, *_CONTENTS)
    return box


def _send(server: Server, box: Box, *contents: bytes) -> None:
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        for content in contents:
            client.message(content, box.address)
    read_inbox(server, box, at_least=len(contents))


@pytest.fixture
def client(server: Server, full: Box) -> Iterator[Pop3]:
    """A session on that mailbox."""
    with Pop3(server.ports["pop3"]) as client:
        assert client.login(full.login, full.password).startswith("+OK 3 messages")
        yield client


# ── each command ─────────────────────────────────────────────────────────────────────────────────


def test_stat_list_and_retr_agree_to_the_octet(client: Pop3) -> None:  # RFC 1939 §5
    _, count, octets = client.do("STAT").split()
    sizes = dict(line.split() for line in client.ask("LIST").decode().splitlines())
    assert list(sizes) == ["1", "2", "3"]
    messages = client.messages()
    assert [len(message) for message in messages] == [int(size) for size in sizes.values()]
    assert (int(count), int(octets)) == (3, sum(map(len, messages)))
    assert client.do("LIST 2") == f"+OK 2 {sizes['2']}"
    for message, content in zip(messages, _CONTENTS, strict=True):
        assert message.endswith(content)


def test_top_gives_the_header_and_so_many_lines(client: Pop3) -> None:  # RFC 1939 §7
    whole = client.ask("RETR 3")
    head = whole.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert client.ask("TOP 3 0") == head
    assert client.ask("TOP 3 2") == head + b"line\r\n" * 2
    assert client.ask("TOP 3 999999999") == whole


def test_dele_hides_a_message_and_rset_brings_it_back(client: Pop3) -> None:  # RFC 1939 §5
    stat = client.do("STAT")
    assert client.do("DELE 2") == "+OK message 2 deleted"
    assert client.do("DELE 2").startswith("-ERR")
    assert client.do("RETR 2").startswith("-ERR")
    assert [line[:1] for line in client.ask("LIST").splitlines()] == [b"1", b"3"]
    assert client.do("STAT") != stat
    assert client.do("RSET").startswith("+OK 3 messages")
    assert client.do("STAT") == stat
    assert client.do("NOOP") == "+OK"


def test_quit_deletes_what_was_marked_and_the_rest_keeps_its_unique_ids(
    server: Server, full: Box, client: Pop3
) -> None:  # RFC 1939 §6, §7
    before = [line.split()[1] for line in client.ask("UIDL").splitlines()]
    client.do("DELE 2")
    assert client.do("QUIT") == "+OK demo.test closing connection"
    assert client.has_ended
    with Pop3(server.ports["pop3"]) as again:
        assert again.login(full.login, full.password).startswith("+OK 2 messages")
        assert [line.split()[1] for line in again.ask("UIDL").splitlines()] == [
            before[0],
            before[2],
        ]
        assert again.do("UIDL 2").split()[2].encode() == before[2]


def test_unique_ids_are_never_given_to_another_message(server: Server, full: Box) -> None:
    # RFC 1939 §7
    seen: list[bytes] = []
    for _ in range(3):
        with Pop3(server.ports["pop3"]) as client:
            client.login(full.login, full.password)
            seen += [line.split()[1] for line in client.ask("UIDL").splitlines()]
            for number in (1, 2, 3):
                client.do(f"DELE {number}")
            client.do("QUIT")
        _send(server, full, *_CONTENTS)
    assert len(set(seen)) == len(seen) == 9
    assert all(re.fullmatch(rb"[\x21-\x7e]{1,70}", uid) for uid in seen)


def test_new_mail_is_seen_by_the_next_session_only(
    server: Server, full: Box, client: Pop3
) -> None:  # RFC 1939 §3: the maildrop as it was at the login
    stat = client.do("STAT")
    with Smtp(server.ports["smtp"]) as smtp:
        smtp.ehlo()
        smtp.message(b"Subject: fourth\r\n\r\n", full.address)
    until(lambda: _count(server, full) == 4, "the message is delivered")
    assert client.do("STAT") == stat
    assert client.do("RETR 4").startswith("-ERR")
    assert len(client.ask("LIST").splitlines()) == 3
    client.do("QUIT")
    with Pop3(server.ports["pop3"]) as again:
        assert again.login(full.login, full.password).startswith("+OK 4 messages")


def _count(server: Server, box: Box) -> int:
    found = server.house.directory.login(box.login)
    assert found is not None
    return server.house.store.usage(found[0].postoffice_id, found[0].id)[0]


# ── logging in ───────────────────────────────────────────────────────────────────────────────────

_CAPABILITIES = ("TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER")


def _capa(client: Pop3) -> tuple[str, ...]:
    return tuple(client.ask("CAPA").decode().splitlines())


def test_capa_offers_passwords_only_under_tls_and_tls_only_once(strict: Server) -> None:
    # RFC 2449 §5, RFC 2595 §4
    end = ("IMPLEMENTATION Posthouse",)
    with Pop3(strict.ports["pop3"]) as client:
        assert _capa(client) == (*_CAPABILITIES, "STLS", *end)
        assert client.do("USER alice@demo").startswith("-ERR")
        assert client.do("STLS").startswith("+OK")
        client.start_tls(strict.tls)
        assert _capa(client) == (*_CAPABILITIES, "USER", "SASL PLAIN", *end)
    with Pop3(strict.ports["pop3s"], tls=strict.tls) as client:
        assert _capa(client) == (*_CAPABILITIES, "USER", "SASL PLAIN", *end)
        assert client.do("STLS").startswith("-ERR")


def test_auth_plain_logs_in_as_user_and_pass_do(server: Server, box: Box) -> None:  # RFC 5034
    with Pop3(server.ports["pop3s"], tls=server.tls) as client:
        assert (
            client.do(f"AUTH PLAIN {plain(box.login, box.password)}") == "+OK 0 messages (0 octets)"
        )
        client.do("QUIT")
    with Pop3(server.ports["pop3s"], tls=server.tls) as client:
        assert client.do("AUTH PLAIN") == "+ "
        assert client.do(plain(box.login, box.password)).startswith("+OK")


def test_a_login_is_mailbox_at_postoffice_or_an_address_or_a_bare_name(
    server: Server, box: Box
) -> None:  # CHECKLIST 029, 119, 284
    for login in (box.login, box.login.upper(), box.address, box.name):
        with Pop3(server.ports["pop3"]) as client:
            assert client.login(login, box.password).startswith("+OK"), login
            client.do("QUIT")


def test_a_login_goes_before_an_address_of_the_same_spelling(server: Server) -> None:
    # a post office may be named like the domain that another one hosts
    server.perform(CreatePostOffice(postoffice="demo.test", password="admin of another"))
    box = server.mailbox()
    server.perform(CreateMailbox(mailbox=box.address, password="another's password"))
    with Pop3(server.ports["pop3"]) as client:
        assert client.login(box.address, "another's password").startswith("+OK")


def test_other_characters_may_stand_for_the_at_sign(server: Server, box: Box, source: str) -> None:
    # CHECKLIST 279
    def log_in() -> str:
        with Pop3(server.ports["pop3"], source="127.3.0.1") as client:
            return client.login(box.login.replace("@", "#"), box.password)

    server.set(auth__max_failures="1000")
    assert log_in().startswith("-ERR [AUTH]")
    server.set(pop__alternate_at="#$%")
    try:
        until(lambda: log_in().startswith("+OK"), "the characters count")
    finally:
        server.set(pop__alternate_at=None, auth__max_failures=None)


def test_a_wrong_password_and_an_unknown_login_get_the_same_answer(
    server: Server, box: Box, source: str
) -> None:  # RFC 3206 §4
    with Pop3(server.ports["pop3"], source=source) as client:
        wrong = client.login(box.login, "not the password")
        unknown = client.login("nobody-at-all@demo", "not the password")
        assert wrong == unknown == "-ERR [AUTH] The login or the password is wrong."
        assert client.login(box.login, box.password).startswith("+OK")


def test_a_password_with_blanks_at_its_ends_works(server: Server) -> None:  # RFC 1939 §7
    server.perform(CreateMailbox(mailbox="blank@demo", password="  two  blanks  "))
    with Pop3(server.ports["pop3"]) as client:
        assert client.login("blank@demo", "  two  blanks  ").startswith("+OK")


def test_the_admin_of_a_post_office_reads_its_mail_too(server: Server) -> None:  # CHECKLIST 028
    admin = server.accounts["ADMIN@demo"]
    with Pop3(server.ports["pop3"]) as client:
        assert client.login("admin@DEMO", admin["password"]).startswith("+OK")


def test_an_operator_has_no_maildrop(server: Server, source: str) -> None:
    operator = server.accounts["operator"]
    with Pop3(server.ports["pop3"], source=source) as client:
        assert client.login("operator", operator["password"]).startswith("-ERR [AUTH]")


def test_commands_sent_behind_stls_are_thrown_away(server: Server, box: Box) -> None:
    # RFC 2595 §2.4
    with Pop3(server.ports["pop3"]) as client:
        client.send(f"STLS\r\nUSER {box.login}\r\n".encode())
        assert client.line().startswith(b"+OK")
        client.start_tls(server.tls)
        assert client.do(f"PASS {box.password}").startswith("-ERR")


# ── one session at a time ────────────────────────────────────────────────────────────────────────


def test_a_second_session_is_told_that_the_maildrop_is_in_use(
    server: Server, full: Box, client: Pop3
) -> None:  # RFC 1939 §4, RFC 2449 §8.1.2
    for _ in range(2):
        with Pop3(server.ports["pop3"]) as second:
            assert second.login(full.login, full.password).startswith("-ERR [IN-USE] ")
            assert second.do("STAT").startswith("-ERR")
    assert client.do("NOOP") == "+OK"
    client.do("QUIT")
    with Pop3(server.ports["pop3"]) as third:
        assert third.login(full.login, full.password).startswith("+OK")


def test_mail_arrives_while_a_session_is_open(server: Server, full: Box, client: Pop3) -> None:
    client.do("DELE 1")
    with Smtp(server.ports["smtp"]) as smtp:
        smtp.ehlo()
        smtp.message(b"Subject: meanwhile\r\n\r\n", full.address)
    until(lambda: _count(server, full) == 4, "the message is delivered")
    assert client.do("QUIT").startswith("+OK")
    subjects = [
        re.search(rb"Subject: (\w+)", each) for each in read_inbox(server, full, at_least=3)
    ]
    assert [found[1] for found in subjects if found] == [b"second", b"third", b"meanwhile"]


@pytest.mark.parametrize(
    "leave", [Wire.close, Wire.reset, Wire.finish], ids=["close", "reset", "half"]
)
def test_a_session_that_ends_without_quit_deletes_nothing_and_frees_the_maildrop_at_once(
    server: Server, full: Box, client: Pop3, leave: Callable[[Wire], None]
) -> None:  # RFC 1939 §6; CHECKLIST 278
    for number in (1, 2, 3):
        assert client.do(f"DELE {number}").startswith("+OK")
    leave(client)
    until(lambda: _logs_in(server, full) == "+OK 3 messages", "the maildrop is free, and full")


def _logs_in(server: Server, box: Box) -> str:
    with Pop3(server.ports["pop3"]) as client:
        return client.login(box.login, box.password).partition(" (")[0]


@pytest.mark.parametrize(
    "leave", [Wire.close, Wire.reset, Wire.finish], ids=["close", "reset", "half"]
)
def test_a_client_that_leaves_while_its_password_is_looked_at_locks_nobody_out(
    server: Server, leave: Callable[[Wire], None]
) -> None:
    for _ in range(5):
        box = server.mailbox()
        client = Pop3(server.ports["pop3"])
        client.send(f"USER {box.login}\r\nPASS {box.password}\r\n".encode())
        leave(client)
        until(lambda box=box: _logs_in(server, box) == "+OK 0 messages", "the maildrop is free")  # type: ignore[misc] # mypy and lambdas' defaults
        client.close()


def test_a_killed_service_frees_its_maildrops(server: Server, full: Box, client: Pop3) -> None:
    client.do("DELE 1")
    os.kill(server.service("pop3"), signal.SIGKILL)
    assert client.has_ended
    until(lambda: _logs_in_again(server, full) == "+OK 3 messages", "the maildrop is free")


def _logs_in_again(server: Server, box: Box) -> str:
    try:
        return _logs_in(server, box)
    except (OSError, EOFError):
        return ""


# ── pipelining, slow and half-closed clients ─────────────────────────────────────────────────────


def test_a_whole_session_in_one_packet_is_answered_in_order(server: Server, full: Box) -> None:
    # RFC 2449 §6.6
    with Pop3(server.ports["pop3"]) as client:
        client.send(
            f"USER {full.login}\r\nPASS {full.password}\r\nSTAT\r\nRETR 2\r\nDELE 2\r\nUIDL 1\r\n"
            "QUIT\r\nNOOP\r\n".encode()
        )
        assert client.line().startswith(b"+OK")
        assert client.line().startswith(b"+OK 3 messages")
        assert client.line().startswith(b"+OK 3 ")
        assert client.line().startswith(b"+OK ")
        assert client.until_dot().endswith(_CONTENTS[1])
        assert client.line() == b"+OK message 2 deleted"
        assert client.line().startswith(b"+OK 1 ")
        assert client.line() == b"+OK demo.test closing connection"
        assert client.has_ended
    assert len(read_inbox(server, full)) == 2


def test_a_client_that_has_sent_all_and_closed_its_side_still_gets_every_answer(
    server: Server, full: Box
) -> None:
    with Pop3(server.ports["pop3"]) as client:
        commands = f"USER {full.login}\r\nPASS {full.password}\r\n" + "RETR 1\r\n" * 500
        client.send(commands.encode())
        client.finish()
        assert client.line().startswith(b"+OK")
        assert client.line().startswith(b"+OK 3 messages")
        for _ in range(500):
            assert client.line().startswith(b"+OK")
            assert client.until_dot().endswith(_CONTENTS[0])
        assert client.has_ended
    assert _logs_in(server, full) == "+OK 3 messages"


def test_thousands_of_pipelined_commands_to_a_client_that_does_not_read_take_little_memory(
    server: Server, box: Box
) -> None:
    size, count = 100_000, 5000  # half a gigabyte of answers
    _send(server, box, b"Subject: big\r\n\r\n" + (b"x" * 78 + b"\r\n") * (size // 80))
    with Pop3(server.ports["pop3"]) as client:
        assert client.login(box.login, box.password).startswith("+OK")
        peak = Peak(server, "pop3")
        writer = threading.Thread(target=client.send, args=(b"RETR 1\r\n" * count,))
        writer.start()
        with Pop3(server.ports["pop3"]) as other:  # and nobody else has to wait for it
            assert other.do("CAPA").startswith("+OK")
        for _ in range(200):
            assert client.line().startswith(b"+OK ")
            assert len(client.until_dot()) > size
        client.reset()
        writer.join(20)
    assert peak.growth_kib()["pop3"] < 8 << 10
    until(lambda: _logs_in(server, box) == "+OK 1 message", "the maildrop is free")


def test_lines_that_are_too_long_are_refused_and_the_session_goes_on(
    server: Server, full: Box, client: Pop3
) -> None:  # RFC 2449 §4
    for length in (256, 5000, 100_000, 1_000_000):
        assert client.do("NOOP " + "x" * length) == "-ERR the line is longer than 255 octets"
    assert client.do("NOOP") == "+OK"


def test_a_client_that_makes_too_many_mistakes_is_hung_up_on(server: Server) -> None:
    with Pop3(server.ports["pop3"]) as client:
        answers = [client.do("FROB") for _ in range(20)]
        assert answers[-1].endswith("too many errors, closing connection")
        assert client.has_ended


def test_a_client_has_so_many_connections_and_others_have_theirs(
    strict: Server, source: str
) -> None:  # CHECKLIST 277
    port = strict.ports["pop3"]
    clients = [Pop3(port, source=source) for _ in range(3)]
    with Pop3(port, source=source) as refused:
        assert refused.greeting.startswith("-ERR [SYS/TEMP] too many connections")
        assert refused.has_ended
    with Pop3(port, source="127.2.0.2") as somebody_else:
        assert somebody_else.greeting.startswith("+OK")
    clients[0].reset()
    until(lambda: _greets(port, source).startswith("+OK"), "the place is free again")
    for client in clients[1:]:
        client.close()


def _greets(port: int, source: str) -> str:
    with Pop3(port, source=source) as client:
        return client.greeting


def test_a_client_that_vanishes_at_any_moment_leaves_the_service_well(server: Server) -> None:
    for octets in (
        b"",
        b"USER alice@demo\r\n",
        b"STLS\r\n",
        b"USER alice@demo\r\nPASS x",
        b"\r\n\0",
    ):
        for _ in range(4):
            client = Wire(server.ports["pop3"])
            client.send(octets)
            client.reset()
    for octets in (b"", b"\x16\x03\x01", b"CAPA\r\n"):
        client = Wire(server.ports["pop3s"])
        client.send(octets)
        client.reset()
    with Pop3(server.ports["pop3"]) as healthy:
        assert healthy.greeting == "+OK demo.test POP3 server ready"


# ── what takes minutes or a broken disk: the service in this process ─────────────────────────────


@pytest.fixture
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    home = tmp_path_factory.mktemp("inside") / "home"
    Server(home, settings={"auth__without_tls": "yes"}).stop()
    with services(home) as running:
        yield running


def _log_in(client: Pop3, inside: Services) -> str:
    accounts = json.loads((inside.house.home / "demo.json").read_text(encoding="utf-8"))["accounts"]
    [alice] = [each for each in accounts if each["login"] == "alice@demo"]
    return client.login("alice@demo", alice["password"])


def _with_one_message(inside: Services) -> Pop3:
    return _with_messages(inside, _CONTENTS[0])


def _content(inside: Services, octets: bytes) -> Content:
    if len(octets) <= INLINE_MAX:
        return Content(len(octets), octets, None)
    path = inside.house.home / "large"
    path.write_bytes(octets)
    return Content(len(octets), None, path)


def _with_messages(inside: Services, *contents: bytes) -> Pop3:
    found = inside.house.directory.login("alice@demo")
    assert found is not None
    mailbox = found[0]
    copies = [
        Delivery(
            id=f"A{n}.0", entry_id=f"A{n}", mailbox_id=mailbox.id,
            content=_content(inside, content), of=1, prefix=b"", summary="{}",
        )
        for n, content in enumerate(contents)
    ]  # fmt: skip
    inside.house.store.deliver(mailbox.postoffice_id, copies)
    client = Pop3(inside.ports["pop3"])
    assert _log_in(client, inside).startswith(f"+OK {len(contents)} message")
    return client


def test_a_silent_session_ends_after_ten_minutes_and_deletes_nothing(inside: Services) -> None:
    # RFC 1939 §3; CHECKLIST 278
    with _with_one_message(inside) as client:
        client.do("DELE 1")
        inside.pass_time(599)
        assert client.do("NOOP") == "+OK"
        inside.pass_time(599)
        assert client.do("NOOP") == "+OK"
        inside.pass_time(601)
        assert client.has_ended  # without a word: RFC 1939 §3
    with Pop3(inside.ports["pop3"]) as again:
        assert _log_in(again, inside).startswith("+OK 1 message")


def test_a_maildrop_that_cannot_be_read_is_an_error_for_now(
    inside: Services, monkeypatch: pytest.MonkeyPatch
) -> None:  # RFC 3206 §4
    def fail(*_: object) -> object:
        raise StoreBusy("the disk is slow today")

    with _with_one_message(inside) as client:
        for name in ("copies", "listing"):
            monkeypatch.setattr(Store, name, fail)
        for command in ("LIST", "UIDL", "RETR 1", "TOP 1 1", "DELE 1"):
            assert client.do(command).startswith("-ERR [SYS/TEMP]"), command
        monkeypatch.undo()
        assert client.ask("RETR 1") == _CONTENTS[0]
        monkeypatch.setattr(Store, "inbox", fail)
        with Pop3(inside.ports["pop3"]) as second:
            assert second.login("bob@demo", "whatever is wrong").startswith("-ERR [AUTH]")


def test_a_login_whose_maildrop_cannot_be_read_may_be_tried_again(
    inside: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> object:
        raise StoreBusy("the disk is slow today")

    monkeypatch.setattr(Store, "inbox", fail)
    with Pop3(inside.ports["pop3"]) as client:
        for _ in range(2):
            answer = _log_in(client, inside)
            assert answer.startswith("-ERR [SYS/TEMP]")
        monkeypatch.undo()
        assert _log_in(client, inside).startswith("+OK")


def test_deletions_that_fail_are_told_and_the_messages_stay(
    inside: Services, monkeypatch: pytest.MonkeyPatch
) -> None:  # RFC 1939 §6
    def fail(*_: object) -> object:
        raise CommitFailed("the disk is full")

    with _with_one_message(inside) as client:
        client.do("DELE 1")
        monkeypatch.setattr(Store, "expunge", fail)
        assert client.do("QUIT").startswith("-ERR [SYS/TEMP]")
        assert client.has_ended
    monkeypatch.undo()
    with Pop3(inside.ports["pop3"]) as again:
        assert _log_in(again, inside).startswith("+OK 1 message")


def test_deletions_of_which_some_fail_are_told(
    inside: Services, monkeypatch: pytest.MonkeyPatch
) -> None:  # RFC 1939 §6
    expunge = Store.expunge

    def fail_later(self: Store, postoffice_id: int, folder_id: int, uids: list[int]) -> object:
        monkeypatch.setattr(Store, "expunge", fail)
        return expunge(self, postoffice_id, folder_id, uids)

    def fail(*_: object) -> object:
        raise CommitFailed("the disk is full")

    with _with_messages(inside, b"one", b"two", b"three") as client:
        for number in (1, 2, 3):
            client.do(f"DELE {number}")
        monkeypatch.setattr(connection, "_EXPUNGED_AT_ONCE", 2)
        monkeypatch.setattr(Store, "expunge", fail_later)
        answer = client.do("QUIT")
        assert answer == "-ERR [SYS/TEMP] some deleted messages were not removed"
    monkeypatch.undo()
    with Pop3(inside.ports["pop3"]) as again:
        assert _log_in(again, inside).startswith("+OK 1 message")


# ── what is sent in pieces, and loaded beside the others ─────────────────────────────────────────


def test_a_large_message_among_small_ones_that_were_asked_for_at_once_comes_in_its_turn(
    server: Server, box: Box
) -> None:  # RFC 2449 §6.6
    large = b"Subject: large\r\n\r\n" + (b"x" * 78 + b"\r\n") * 50_000
    _send(server, box, _CONTENTS[0], large, _CONTENTS[1])
    with Pop3(server.ports["pop3"]) as client:
        client.login(box.login, box.password)
        client.send(b"RETR 1\r\nRETR 2\r\nRETR 3\r\nRETR 2\r\nNOOP\r\n")
        for content in (_CONTENTS[0], large, _CONTENTS[1], large):
            assert client.line().startswith(b"+OK ")
            assert client.until_dot().endswith(content)
        assert client.line() == b"+OK"


def test_a_long_listing_is_loaded_while_others_are_answered_and_lines_wait_their_turn(
    inside: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maildrop, "_MANY", 1)
    may_load = threading.Event()
    listing = Store.listing

    def wait(self: Store, *where: object) -> object:
        assert may_load.wait(10)
        return listing(self, *where)  # type: ignore[arg-type] # whatever it takes

    with _with_messages(inside, b"one", b"two") as client:
        monkeypatch.setattr(Store, "listing", wait)
        client.send(b"STAT\r\nRETR 1\r\nLIST\r\nNOOP\r\n")
        assert client.line().startswith(b"+OK 2 ")
        with Pop3(inside.ports["pop3"]) as other:
            assert other.do("CAPA").startswith("+OK")
        may_load.set()
        assert client.line().startswith(b"+OK ")
        assert client.until_dot().endswith(b"one\r\n")
        assert client.line().startswith(b"+OK 2 messages")
        assert len(client.until_dot().splitlines()) == 2
        assert client.line() == b"+OK"


def test_a_long_listing_that_cannot_be_loaded_is_an_error_for_now(
    inside: Services, monkeypatch: pytest.MonkeyPatch
) -> None:  # RFC 3206 §4
    monkeypatch.setattr(maildrop, "_MANY", 1)

    def fail(*_: object) -> object:
        raise StoreBusy("the disk is slow today")

    with _with_messages(inside, b"one", b"two") as client:
        monkeypatch.setattr(Store, "listing", fail)
        client.send(b"UIDL\r\nSTAT\r\n")
        assert client.line().startswith(b"-ERR [SYS/TEMP]")
        assert client.line().startswith(b"+OK 2 ")
        monkeypatch.undo()
        assert client.do("LIST 1").startswith("+OK 1 ")


def test_a_message_that_webmail_deletes_meanwhile_is_gone(inside: Services) -> None:
    with _with_messages(inside, b"one", b"two") as client:
        assert client.ask("RETR 1").endswith(b"one\r\n")
        found = inside.house.directory.login("alice@demo")
        assert found is not None
        mailbox = found[0]
        folder = inside.house.store.inbox(mailbox.postoffice_id, mailbox.id)
        assert folder is not None
        inside.house.store.expunge(mailbox.postoffice_id, folder.id, [1, 2])
        for command in ("RETR 2", "RETR 1", "TOP 2 0"):
            assert client.do(command) == "-ERR [SYS/PERM] the message has been deleted"
        assert client.do("QUIT").startswith("+OK")


def test_a_large_message_that_is_deleted_after_it_was_looked_up_is_gone(inside: Services) -> None:
    with _with_messages(inside, b"one", b"large line\r\n" * 20_000, b"three") as client:
        [file] = filter(Path.is_file, inside.house.home.glob("postoffices/*/content/**/*"))
        file.unlink()  # as its deletion does, when the row has been read already
        for command in ("RETR 2", "TOP 2 0"):
            assert client.do(command) == "-ERR [SYS/PERM] the message has been deleted"
        assert client.ask("RETR 3").endswith(b"three\r\n")


@pytest.mark.parametrize("is_old", [False, True])
def test_what_was_filed_by_another_door_leaves_with_proper_line_ends_and_dots(
    inside: Services, *, is_old: bool
) -> None:  # RFC 1939 §3
    found = inside.house.directory.login("alice@demo")
    assert found is not None
    mailbox, store = found[0], inside.house.store
    contents = (b"clean\r\n", b"a\n.\nb\rc\0", b".first\r\n.\r\n")
    store.deliver(
        mailbox.postoffice_id,
        [
            delivery(entry(900 + n), mailbox.id, octets=octets, prefix=b"Return-Path: <>\r\n")
            for n, octets in enumerate(contents)
        ],
    )
    if is_old:  # from before it was noted how contents leave
        inside.house.databases.store(mailbox.postoffice_id).transact(
            lambda transaction: transaction.script("UPDATE contents SET unchanged = 0")
        )
    with Pop3(inside.ports["pop3"]) as client:
        _log_in(client, inside)
        client.send(b"RETR 1\r\nRETR 2\r\nRETR 3\r\n")
        for sent in (b"clean\r\n", b"a\r\n.\r\nb\r\nc\r\n", b".first\r\n.\r\n"):
            assert client.line().startswith(b"+OK ")
            assert client.until_dot() == b"Return-Path: <>\r\n" + sent


def test_sessions_with_tls_take_little_memory_while_they_are_idle(server: Server) -> None:
    for client in [Pop3(server.ports["pop3s"], tls=server.tls) for _ in range(5)]:
        client.close()
    peak = Peak(server, "pop3")
    clients = [Pop3(server.ports["pop3s"], tls=server.tls) for _ in range(60)]
    for client in clients:
        assert client.do("CAPA").startswith("+OK")
        client.until_dot()
    assert peak.growth_kib()["pop3"] < 60 * 100
    for client in clients:
        client.close()


def test_others_are_answered_while_a_long_answer_is_made(
    inside: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_answered = threading.Event()
    seen: list[bool] = []

    def pieces(*_: object) -> Iterator[bytes]:
        end = time.monotonic() + 5
        while not is_answered.is_set() and time.monotonic() < end:
            yield b"1 1\r\n"
        seen.append(is_answered.is_set())

    with _with_messages(inside, b"one") as client, Pop3(inside.ports["pop3"]) as other:
        monkeypatch.setattr(maildrop.Listings, "pieces", pieces)
        monkeypatch.setattr(connection, "_MAX_OUTGOING", 1)
        client.send(b"LIST\r\n")
        assert client.line().startswith(b"+OK")
        assert other.do("CAPA").startswith("+OK")
        is_answered.set()
        client.until_dot()
        assert seen == [True]
