"""The POP3 engine: RFC 1939, 2449, 2595, 3206 and 5034 as a client sees them."""

from __future__ import annotations

import sys
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from typing import get_args

import pytest

from appliance.protocol import LocalProtocolError
from appliance.protocol.pop3 import (
    Listing,
    Login,
    Pop3Server,
    Quit,
    Respond,
    ResponseCode,
    Retr,
    State,
    TlsRequested,
    Top,
    retr_header,
    top,
)
from appliance.protocol.pop3_events import LINES_A_PIECE


class FakeMaildrop:
    """Three messages; notes which members a command touched."""

    def __init__(self, sizes: tuple[int, ...] = (120, 200, 40)) -> None:
        self.sizes = sizes
        self.touched: set[str] = set()

    @property
    def count(self) -> int:
        self.touched.add("count")
        return len(self.sizes)

    @property
    def octets(self) -> int:
        self.touched.add("octets")
        return sum(self.sizes)

    def size(self, number: int) -> int | None:
        self.touched.add("size")
        return self.sizes[number - 1] if 1 <= number <= len(self.sizes) else None

    def uid(self, number: int) -> str | None:
        self.touched.add("uid")
        return f"uid-{number}" if 1 <= number <= len(self.sizes) else None

    def list_pieces(self) -> Iterator[bytes]:
        self.touched.add("list_pieces")
        return pieces([b"%d %d\r\n" % item for item in enumerate(self.sizes, 1)])

    def uidl_pieces(self) -> Iterator[bytes]:
        self.touched.add("uidl_pieces")
        return pieces([b"%d uid-%d\r\n" % (n, n) for n in range(1, len(self.sizes) + 1)])


def pieces(lines: list[bytes]) -> Iterator[bytes]:
    for begin in range(0, len(lines), LINES_A_PIECE):
        yield b"".join(lines[begin : begin + LINES_A_PIECE])


def server(
    *,
    tls: bool = False,
    tls_active: bool = False,
    password_without_tls: bool = True,
    max_errors: int = 0,
) -> Pop3Server:
    return Pop3Server(
        hostname="mail.example.com",
        tls=tls,
        tls_active=tls_active,
        password_without_tls=password_without_tls,
        max_errors=max_errors,
        implementation="Posthouse-1",
    )


def logged_in(maildrop: FakeMaildrop | None = None, *, max_errors: int = 0) -> Pop3Server:
    engine = server(max_errors=max_errors)
    engine.receive_line(b"USER alice@demo")
    engine.receive_line(b"PASS secret")
    engine.login_ok(maildrop or FakeMaildrop())
    return engine


def answer(engine: Pop3Server, line: bytes) -> bytes:
    event = engine.receive_line(line)
    if isinstance(event, Listing):
        return b"".join(event.pieces)
    assert isinstance(event, Respond)
    return event.data


def capabilities(engine: Pop3Server) -> list[bytes]:
    first, *lines, dot, nothing = answer(engine, b"CAPA").split(b"\r\n")
    assert (first[:3], dot, nothing) == (b"+OK", b".", b"")
    return lines


# AUTHORIZATION


def test_greeting_names_the_server() -> None:
    assert server().greeting() == b"+OK mail.example.com POP3 server ready\r\n"


def test_user_and_pass_become_a_login() -> None:
    engine = server()
    assert answer(engine, b"USER alice@demo").startswith(b"+OK")
    assert engine.receive_line(b"PASS secret") == Login("alice@demo", "secret", "PASS")
    assert engine.login_ok(FakeMaildrop()) == b"+OK 3 messages (360 octets)\r\n"
    assert (engine.state, engine.login) == (State.TRANSACTION, "alice@demo")


def test_user_never_tells_whether_a_mailbox_exists() -> None:
    assert answer(server(), b"USER x") == answer(server(), b"USER alice@demo")


def test_spaces_belong_to_the_password() -> None:  # RFC 1939 §7
    engine = server()
    engine.receive_line(b"USER a")
    assert engine.receive_line(b"PASS  two words ") == Login("a", " two words ", "PASS")


def test_password_may_be_utf_8_and_nothing_else() -> None:
    engine = server()
    engine.receive_line(b"USER a")
    assert engine.receive_line("PASS pässwörd".encode()) == Login("a", "pässwörd", "PASS")
    engine.login_failed("AUTH", "wrong")
    for bad in (b"PASS p\xe4ss", b"PASS a\0b", b"PASS", b"PASS "):
        engine.receive_line(b"USER a")
        assert answer(engine, bad).startswith(b"-ERR [AUTH]")


def test_pass_needs_a_user_before_it() -> None:  # RFC 1939 §7
    assert answer(server(), b"PASS secret").startswith(b"-ERR")


@pytest.mark.parametrize("line", [b"USER", b"USER ", b"USER a\x01b", b"USER \xff"])
def test_user_without_a_readable_name_is_refused(line: bytes) -> None:
    assert answer(server(), line).startswith(b"-ERR give a mailbox")


def test_failed_login_starts_over_with_user() -> None:
    engine = server()
    engine.receive_line(b"USER alice")
    engine.receive_line(b"PASS wrong")
    assert engine.login_failed("AUTH", "wrong name or password") == (
        b"-ERR [AUTH] wrong name or password\r\n"
    )
    assert engine.state is State.AUTHORIZATION
    assert answer(engine, b"PASS again").startswith(b"-ERR")


@pytest.mark.parametrize("code", get_args(ResponseCode))
def test_login_failure_says_its_response_code(code: ResponseCode) -> None:  # RFC 2449 §8, RFC 3206
    engine = server()
    engine.receive_line(b"USER alice")
    engine.receive_line(b"PASS secret")
    assert engine.login_failed(code, "later").startswith(b"-ERR [%s] later" % code.encode())
    # only the client's own mistakes count
    assert engine.errors == (code == "AUTH")


def test_answer_is_one_line_whatever_the_text_holds() -> None:  # RFC 2449 §4
    engine = server()
    engine.receive_line(b"USER alice")
    engine.receive_line(b"PASS secret")
    data = engine.login_failed("SYS/PERM", "gesperrt für\r\n+OK " + 600 * "x")
    assert data.count(b"\n") == 1
    assert len(data) <= 512


def test_passwords_are_hidden_from_representations_and_logs() -> None:
    engine = server()
    engine.receive_line(b"USER alice")
    event = engine.receive_line(b"PASS sesame")
    assert "sesame" not in repr(event)
    assert (event.verb, event.detail) == ("PASS", "(hidden)")


@pytest.mark.parametrize("line", [b"STAT", b"LIST", b"RETR 1", b"DELE 1", b"NOOP", b"RSET"])
def test_transaction_commands_wait_for_the_login(line: bytes) -> None:  # RFC 1939 §5
    assert answer(server(), line) == b"-ERR log in first\r\n"


def test_quit_before_login_closes() -> None:  # RFC 1939 §4
    engine = server()
    event = engine.receive_line(b"quit")
    assert isinstance(event, Respond)
    assert event.close
    assert event.data.startswith(b"+OK")
    assert engine.state is State.CLOSED


# TLS


def test_passwords_are_refused_until_tls_is_active() -> None:
    engine = server(tls=True, password_without_tls=False)
    assert b"STLS" in answer(engine, b"USER alice")
    assert b"STLS" in answer(engine, b"AUTH PLAIN")
    assert not {b"USER", b"SASL PLAIN"} & set(capabilities(engine))
    assert b"port" in answer(server(password_without_tls=False), b"USER alice")


def test_stls_forgets_what_was_said_in_clear_text() -> None:  # RFC 2595 §4
    engine = server(tls=True)
    engine.receive_line(b"USER mallory")
    event = engine.receive_line(b"STLS")
    assert isinstance(event, TlsRequested)
    assert event.data.startswith(b"+OK")
    with pytest.raises(LocalProtocolError):
        engine.receive_line(b"CAPA")
    engine.tls_started()
    assert engine.tls_active
    assert answer(engine, b"PASS secret").startswith(b"-ERR")


def test_stls_is_refused_where_it_makes_no_sense() -> None:
    assert answer(server(), b"STLS").startswith(b"-ERR TLS is not available")
    assert answer(server(tls=True, tls_active=True), b"STLS").startswith(b"-ERR TLS is active")
    assert answer(server(tls=True), b"STLS now").startswith(b"-ERR")
    assert answer(logged_in(), b"STLS").startswith(b"-ERR it has no use")


# CAPA


def test_capabilities_are_the_same_before_and_after_the_login() -> None:  # RFC 2449 §5
    expected = [
        b"TOP",
        b"UIDL",
        b"RESP-CODES",
        b"AUTH-RESP-CODE",
        b"PIPELINING",
        b"EXPIRE NEVER",
        b"USER",
        b"SASL PLAIN",
        b"IMPLEMENTATION Posthouse-1",
    ]
    assert capabilities(server()) == expected
    assert capabilities(logged_in()) == expected


def test_stls_is_a_capability_until_tls_is_active() -> None:  # RFC 2595 §4
    assert b"STLS" in capabilities(server(tls=True))
    assert b"STLS" not in capabilities(server(tls=True, tls_active=True))
    assert b"STLS" not in capabilities(server(tls=False))


# AUTH


def test_auth_plain_with_an_initial_response() -> None:  # RFC 5034 §4
    event = server().receive_line(b"AUTH PLAIN " + b64encode(b"\0alice@demo\0secret"))
    assert event == Login("alice@demo", "secret", "AUTH")


def test_auth_plain_asks_and_takes_a_longer_line() -> None:  # RFC 5034 §4
    engine = server()
    assert engine.line_limit == 255
    assert answer(engine, b"auth plain") == b"+ \r\n"
    longest = b64encode(255 * b"a" + b"\0" + 255 * b"a" + b"\0" + 1024 * b"p")
    assert engine.line_limit == len(longest) + 2
    assert isinstance(engine.receive_line(longest), Login)
    assert engine.line_limit == 255


@pytest.mark.parametrize(
    ("response", "why"),
    [
        (b"*", b"cancelled"),
        (b"not base64!", b"base64"),
        (b"=", b"base64"),
        (b64encode(b"alice\0secret"), b"[AUTH]"),
        (b64encode(b"bob\0alice\0secret"), b"own mailbox"),
    ],
)
def test_broken_auth_exchange_is_refused_and_over(response: bytes, why: bytes) -> None:
    engine = server()
    engine.receive_line(b"AUTH PLAIN")
    assert why in answer(engine, response)
    assert answer(engine, b"USER alice").startswith(b"+OK")


def test_equals_sign_is_an_empty_initial_response() -> None:  # RFC 5034 §4
    assert b"[AUTH]" in answer(server(), b"AUTH PLAIN =")


@pytest.mark.parametrize("line", [b"AUTH", b"AUTH CRAM-MD5", b"AUTH LOGIN"])
def test_other_mechanisms_are_refused_with_the_one_offered(line: bytes) -> None:
    assert b"AUTH PLAIN" in answer(server(), line)


def test_auth_line_too_long_ends_the_exchange() -> None:
    engine = server()
    engine.receive_line(b"AUTH PLAIN")
    assert isinstance(engine.line_too_long(), Respond)
    assert engine.line_limit == 255


# TRANSACTION


def test_login_and_stat_need_no_listing() -> None:
    maildrop = FakeMaildrop()
    engine = logged_in(maildrop)
    assert answer(engine, b"STAT") == b"+OK 3 360\r\n"
    assert answer(engine, b"NOOP") == b"+OK\r\n"
    assert isinstance(engine.receive_line(b"QUIT"), Quit)
    assert maildrop.touched == {"count", "octets"}


def test_whole_listings_are_the_maildrops_own_text() -> None:
    maildrop = FakeMaildrop()
    engine = logged_in(maildrop)
    assert answer(engine, b"LIST") == (
        b"+OK 3 messages (360 octets)\r\n1 120\r\n2 200\r\n3 40\r\n.\r\n"
    )
    assert answer(engine, b"UIDL") == b"+OK\r\n1 uid-1\r\n2 uid-2\r\n3 uid-3\r\n.\r\n"
    assert maildrop.touched == {"count", "octets", "list_pieces", "uidl_pieces"}


def test_deleted_messages_are_missing_in_every_piece_of_a_long_listing() -> None:
    count = 2 * LINES_A_PIECE + 1
    engine = logged_in(FakeMaildrop(tuple(range(1, count + 1))))
    gone = {1, LINES_A_PIECE, LINES_A_PIECE + 1, count}
    for number in gone:
        engine.receive_line(b"DELE %d" % number)
    for verb in (b"LIST", b"UIDL"):
        lines = answer(engine, verb).splitlines()[1:-1]
        numbers = [int(line.split()[0]) for line in lines]
        assert numbers == [n for n in range(1, count + 1) if n not in gone]


def test_what_a_line_retrieves_is_known_without_an_event() -> None:
    engine = logged_in()
    engine.receive_line(b"DELE 2")
    assert [engine.retrieval(b"RETR %d" % n) for n in range(5)] == [0, 1, 0, 3, 0]
    for line in (b"RETR", b"RETR ", b"RETR 1 2", b"RETR -1", b"retr 1", b"TOP 1 0", b"STAT"):
        assert engine.retrieval(line) == 0, line
    assert engine.retrieval(b"RETR 000000001") == 1
    long = b"RETR 0000000001"  # longer than any number need be: an event like others
    assert engine.retrieval(long) == 0
    assert engine.receive_line(long) == Retr(1, 120)
    assert engine.errors == 0


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (b"RETR 1\r\nRETR 3\r\n", [(1, 8), (3, 8)]),
        (b"RETR 03\nRETR 1\r\n", [(3, 8), (1, 8)]),
        (b"RETR 1\r\nRETR 2\r\nRETR 3\r\n", [(1, 8)]),  # 2 is deleted
        (b"RETR 1\r\nRETR 4\r\n", [(1, 8)]),
        (b"RETR 0\r\nRETR 1\r\n", []),
        (b"RETR 1\r\nDELE 1\r\nRETR 3\r\n", [(1, 8)]),
        (b"RETR 1\r\nRETR 3", [(1, 8)]),  # no whole line yet
        (b"RETR 1\r\nRETR 3 \r\n", [(1, 8)]),
        (b"RETR 1\r\nRETR 3\r\r\n", [(1, 8)]),
        (b"RETR 1\r\nRETR 0000000003\r\n", [(1, 8)]),
        (b"STAT\r\nRETR 1\r\n", []),
        (b"", []),
    ],
)
def test_what_a_run_of_lines_retrieves_ends_at_whatever_else_comes(
    lines: bytes, found: list[tuple[int, int]]
) -> None:
    engine = logged_in()
    engine.receive_line(b"DELE 2")
    numbers, octets = engine.retrievals(b"NOOP\r\n" + lines, 6)
    assert list(zip(numbers, octets, strict=True)) == found


def test_nothing_is_retrieved_before_the_login_or_after_quit() -> None:
    assert server().retrieval(b"RETR 1") == 0
    assert server().retrievals(b"RETR 1\r\n", 0) == ([], [])
    engine = logged_in()
    engine.receive_line(b"QUIT")
    assert engine.retrieval(b"RETR 1") == 0
    assert engine.retrievals(b"RETR 1\r\n", 0) == ([], [])


def test_one_message_is_listed_by_number() -> None:
    engine = logged_in()
    assert answer(engine, b"LIST 2") == b"+OK 2 200\r\n"
    assert answer(engine, b"UIDL 2") == b"+OK 2 uid-2\r\n"


def test_empty_maildrop_has_empty_listings() -> None:
    engine = logged_in(FakeMaildrop(()))
    assert answer(engine, b"STAT") == b"+OK 0 0\r\n"
    assert answer(engine, b"LIST") == b"+OK 0 messages (0 octets)\r\n.\r\n"
    assert answer(engine, b"UIDL") == b"+OK\r\n.\r\n"


def test_retr_and_top_ask_the_caller_for_content() -> None:
    engine = logged_in()
    assert engine.receive_line(b"RETR 2") == Retr(2, 200)
    assert engine.receive_line(b"top 3 0") == Top(3, 0)
    assert (engine.receive_line(b"RETR 1").detail, engine.receive_line(b"TOP 1 5").detail) == (
        "1",
        "1 5",
    )


def test_several_retr_may_be_read_before_any_is_answered() -> None:  # RFC 2449 §6.6
    engine = logged_in()
    events = [engine.receive_line(b"RETR %d" % number) for number in (1, 2, 3)]
    assert events == [Retr(1, 120), Retr(2, 200), Retr(3, 40)]


@pytest.mark.parametrize("verb", [b"LIST %d", b"UIDL %d", b"RETR %d", b"TOP %d 1", b"DELE %d"])
@pytest.mark.parametrize("number", [0, 4, 10**200])
def test_unknown_number_is_no_such_message_and_no_mistake(verb: bytes, number: int) -> None:
    engine = logged_in()
    assert answer(engine, verb % number) == b"-ERR no such message\r\n"
    assert engine.errors == 0


def test_deleted_message_is_gone_for_the_session() -> None:  # RFC 1939 §5
    engine = logged_in()
    assert answer(engine, b"DELE 2") == b"+OK message 2 deleted\r\n"
    assert answer(engine, b"DELE 2") == b"-ERR message 2 already deleted\r\n"
    for line in (b"LIST 2", b"UIDL 2", b"RETR 2", b"TOP 2 0"):
        assert answer(engine, line) == b"-ERR no such message\r\n"
    assert answer(engine, b"STAT") == b"+OK 2 160\r\n"
    assert answer(engine, b"LIST") == b"+OK 2 messages (160 octets)\r\n1 120\r\n3 40\r\n.\r\n"
    assert answer(engine, b"UIDL") == b"+OK\r\n1 uid-1\r\n3 uid-3\r\n.\r\n"


def test_rset_brings_deleted_messages_back() -> None:  # RFC 1939 §5
    engine = logged_in()
    engine.receive_line(b"DELE 1")
    assert answer(engine, b"RSET") == b"+OK 3 messages (360 octets)\r\n"
    assert answer(engine, b"LIST 1") == b"+OK 1 120\r\n"
    assert engine.receive_line(b"QUIT") == Quit(())


@pytest.mark.parametrize(
    "line",
    [
        b"STAT 1",
        b"LIST x",
        b"LIST 1 2",
        b"UIDL -1",
        b"RETR",
        b"RETR 1 2",
        b"RETR +1",
        b"RETR 1.5",
        b"TOP 1",
        b"TOP 1 x",
        b"DELE",
        b"DELE \xb2",
        b"NOOP please",
        b"RSET 1",
        b"QUIT now",
        b"CAPA all",
    ],
)
def test_wrong_arguments_are_refused_with_what_the_command_takes(line: bytes) -> None:
    engine = logged_in()
    assert answer(engine, line).startswith(b"-ERR the command takes ")
    assert engine.errors == 1


def test_commands_are_in_any_case_with_spare_spaces() -> None:  # RFC 1939 §3
    engine = logged_in()
    assert answer(engine, b"List  2 ") == answer(engine, b"LIST 2")


@pytest.mark.parametrize("line", [b"", b" ", b"XYZZY", b"RETR\t1", b"\xff\xfe", b"GET / HTTP/1.1"])
def test_unknown_commands_are_refused_and_not_logged(line: bytes) -> None:
    for engine in (server(), logged_in()):
        event = engine.receive_line(line)
        assert event == Respond(b"-ERR unknown command\r\n", "?")
        assert engine.errors == 1


@pytest.mark.parametrize("line", [b"USER a", b"PASS b", b"AUTH PLAIN"])
def test_login_commands_are_refused_after_the_login(line: bytes) -> None:
    assert answer(logged_in(), line) == b"-ERR it has no use after the login\r\n"


def test_too_many_mistakes_close_the_connection() -> None:
    engine = logged_in(max_errors=2)
    engine.receive_line(b"XYZZY")
    event = engine.receive_line(b"XYZZY")
    assert isinstance(event, Respond)
    assert event.close
    assert event.data.endswith(b"too many errors, closing connection\r\n")
    with pytest.raises(LocalProtocolError):
        engine.receive_line(b"NOOP")
    with pytest.raises(LocalProtocolError):
        engine.line_too_long()


def test_too_many_wrong_passwords_close_the_session() -> None:
    engine = server(max_errors=1)
    engine.receive_line(b"USER alice")
    engine.receive_line(b"PASS wrong")
    engine.login_failed("AUTH", "wrong name or password")
    assert engine.closed


def test_over_long_line_is_refused() -> None:  # RFC 2449 §4
    event = logged_in().line_too_long()
    assert event == Respond(b"-ERR the line is longer than 255 octets\r\n", "?")


# UPDATE


def test_quit_carries_the_deleted_numbers_in_order() -> None:  # RFC 1939 §6
    engine = logged_in()
    engine.receive_line(b"DELE 3")
    engine.receive_line(b"DELE 1")
    event = engine.receive_line(b"QUIT")
    assert isinstance(event, Quit)
    assert (list(event.deleted), engine.state) == ([1, 3], State.UPDATE)
    assert engine.quit_done(ok=True) == b"+OK mail.example.com closing connection\r\n"
    assert engine.state is State.CLOSED


def test_failed_update_is_said() -> None:  # RFC 1939 §6
    engine = logged_in()
    engine.receive_line(b"QUIT")
    assert engine.quit_done(ok=False) == (
        b"-ERR [SYS/TEMP] some deleted messages were not removed\r\n"
    )
    engine = logged_in()
    engine.receive_line(b"QUIT")
    assert engine.quit_done(ok=True, text="bye") == b"+OK bye\r\n"


# Content


MESSAGE = b"Subject: hi\r\nTo: a\r\n\r\none\r\n.two\r\nthree\r\n"


def test_retr_header_says_the_size() -> None:
    assert retr_header(120) == b"+OK 120 octets\r\n"


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        (0, b""),
        (1, b"one\r\n"),
        (2, b"one\r\n..two\r\n"),
        (3, b"one\r\n..two\r\nthree\r\n"),
        (10**12, b"one\r\n..two\r\nthree\r\n"),
    ],
)
def test_top_cuts_the_body_and_stuffs_dots(lines: int, body: bytes) -> None:  # RFC 1939 §7
    assert top(MESSAGE, lines) == b"+OK\r\nSubject: hi\r\nTo: a\r\n\r\n" + body + b".\r\n"


def test_top_of_a_message_without_header_or_without_body() -> None:
    assert top(b"\r\none\r\ntwo\r\n", 1) == b"+OK\r\n\r\none\r\n.\r\n"
    assert top(b"Subject: hi\r\n", 5) == b"+OK\r\nSubject: hi\r\n.\r\n"
    assert top(b"A: b\r\n\r\nno line end", 5) == b"+OK\r\nA: b\r\n\r\nno line end\r\n.\r\n"


# The caller


def test_answers_out_of_turn_are_our_own_defects() -> None:
    engine = server(tls=True)
    for wrong in (
        lambda: engine.login_ok(FakeMaildrop()),
        lambda: engine.login_failed("AUTH", ""),
        engine.tls_started,
        lambda: engine.quit_done(ok=True),
    ):
        with pytest.raises(LocalProtocolError):
            wrong()
    engine.receive_line(b"USER a")
    engine.receive_line(b"PASS b")
    with pytest.raises(LocalProtocolError):
        engine.receive_line(b"NOOP")
    with pytest.raises(LocalProtocolError):
        engine.quit_done(ok=True)


def test_events_are_frozen() -> None:
    event = Retr(1, 2)
    with pytest.raises(FrozenInstanceError):
        event.number = 2  # type: ignore[misc]


def test_session_is_small() -> None:
    assert sys.getsizeof(server()) <= 1024
    assert not hasattr(server(), "__dict__")
