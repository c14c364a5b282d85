"""Failed logins, counted over SMTP and POP3 together (RFC 4954 §4, RFC 3206 §4).

The strict server pauses after three failures of one login, or of one client address.
"""

from __future__ import annotations

from itertools import count

from tests.support.serving import Box, Server
from tests.support.wire import Pop3, Smtp, plain

_WRONG = "certainly not the password"
_others = count(1)


def _other_address() -> str:
    return f"127.4.0.{next(_others)}"


def _smtp(server: Server, source: str, login: str, password: str) -> tuple[int, str, str]:
    with Smtp(server.ports["submissions"], source=source, tls=server.tls) as client:
        client.ehlo()
        answer = client.auth(login, password)
    return answer.code, answer.status, answer.text


def _pop3(server: Server, source: str, login: str, password: str) -> str:
    with Pop3(server.ports["pop3s"], source=source, tls=server.tls) as client:
        return client.login(login, password)


def _is_in(server: Server, source: str, box: Box) -> bool:
    return _smtp(server, source, box.login, box.password)[0] == 235


def test_a_login_is_paused_whatever_door_and_address_its_failures_came_by(
    strict: Server,
) -> None:
    box = strict.mailbox()
    assert _smtp(strict, _other_address(), box.login, _WRONG)[0] == 535
    assert _pop3(strict, _other_address(), box.login, _WRONG).startswith("-ERR [AUTH]")
    assert _smtp(strict, _other_address(), box.login.upper(), _WRONG)[0] == 535
    # from now on not even the right password is looked at, by neither door
    code, status, text = _smtp(strict, _other_address(), box.login, box.password)
    assert (code, status) == (454, "4.7.0")
    assert text == "3 attempts of this login have failed; wait 15m."
    assert _pop3(strict, _other_address(), box.login, box.password) == f"-ERR [SYS/TEMP] {text}"


def test_an_address_is_paused_and_others_are_not(strict: Server, source: str) -> None:
    boxes = [strict.mailbox() for _ in range(3)]
    for box in boxes:
        assert _pop3(strict, source, box.login, _WRONG).startswith("-ERR [AUTH]")
    assert _smtp(strict, source, boxes[0].login, boxes[0].password)[0] == 454
    assert _is_in(strict, "127.0.0.2", boxes[0])


def test_a_paused_login_does_not_stop_other_logins_of_the_same_address(
    strict: Server, source: str
) -> None:
    paused, other = strict.mailbox(), strict.mailbox()
    for _ in range(3):
        _smtp(strict, _other_address(), paused.login, _WRONG)
    assert not _is_in(strict, source, paused)
    assert _is_in(strict, source, other)


def test_a_burst_of_attempts_gets_hardly_more_tries_than_one_after_another(
    strict: Server,
) -> None:
    box = strict.mailbox()
    clients = [
        Smtp(strict.ports["submissions"], source=_other_address(), tls=strict.tls)
        for _ in range(16)
    ]
    for client in clients:
        client.ehlo()
    for client in clients:
        client.send(f"AUTH PLAIN {plain(box.login, _WRONG)}\r\n".encode())
    codes = [client.answer().code for client in clients]
    assert set(codes) == {535, 454}
    assert codes.count(535) <= 4  # two are looked at at the same time
    for client in clients:
        client.close()


def test_attempts_during_the_pause_do_not_count_on(strict: Server, source: str) -> None:
    paused = strict.mailbox()
    for _ in range(3):
        _smtp(strict, _other_address(), paused.login, _WRONG)
    for _ in range(5):  # a mail program that goes on trying: its owner's other mailbox stays open
        assert _smtp(strict, source, paused.login, paused.password)[0] == 454
    assert _is_in(strict, source, strict.mailbox())


def test_a_right_password_forgets_the_failures_of_its_login(strict: Server) -> None:
    box = strict.mailbox()
    for _ in range(3):
        for _ in range(2):
            assert _pop3(strict, _other_address(), box.login, _WRONG).startswith("-ERR [AUTH]")
        assert _is_in(strict, _other_address(), box)


def test_a_right_password_does_not_clear_an_address_that_guesses(
    strict: Server, source: str
) -> None:
    own = strict.mailbox()
    for _ in range(3):
        assert _smtp(strict, source, strict.mailbox().login, _WRONG)[0] == 535
        if not _is_in(strict, source, own):
            break
    assert _smtp(strict, source, own.login, own.password)[0] == 454


def test_guessing_logins_that_do_not_exist_counts_too(strict: Server, source: str) -> None:
    for number in range(3):
        assert _pop3(strict, source, f"guess{number}@demo", _WRONG).startswith("-ERR [AUTH]")
    assert _pop3(strict, source, "guess3@demo", _WRONG).startswith("-ERR [SYS/TEMP]")


def test_mail_goes_on_arriving_for_a_paused_login_and_from_a_paused_address(
    strict: Server, source: str
) -> None:
    box = strict.mailbox()
    for _ in range(3):
        _smtp(strict, source, box.login, _WRONG)
    with Smtp(strict.ports["smtp"], source=source) as client:
        client.ehlo()
        assert client.message(b"Subject: still open\r\n\r\n", box.address).code == 250


def test_throttling_outlives_a_restart_of_the_services(strict: Server) -> None:
    box = strict.mailbox()
    for _ in range(3):
        _smtp(strict, _other_address(), box.login, _WRONG)
    strict.interrupt()
    strict.start()
    assert _smtp(strict, _other_address(), box.login, box.password)[0] == 454


def test_the_debug_log_tells_why_a_login_was_not_looked_at(strict: Server, source: str) -> None:
    box = strict.mailbox()
    for _ in range(4):
        _smtp(strict, source, box.login, _WRONG)
    lines = [line for line in strict.until_logged("SMTP", "Debug", box.login, 4) if "login" in line]
    assert ["login.wrong" in line for line in lines] == [True, True, True, False]
    assert "\tlogin.throttled\t" in lines[3]
