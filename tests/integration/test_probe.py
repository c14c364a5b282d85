"""`posthouse probe` against a running server, and against doors that are not as they should be."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from appliance.net.tls import self_signed, server_context
from tests.support.serving import Box, Server

_DOORS = {
    "smtp": ["banner", "EHLO", "STARTTLS"],
    "submission": ["banner", "EHLO", "no AUTH before STARTTLS", "STARTTLS",
                   "AUTH is offered after STARTTLS"],
    "submissions": ["TLS and banner", "EHLO", "AUTH is offered"],
    "pop3": ["banner", "STLS"],
    "pop3s": ["TLS and banner"],
    "webmail": ["login page"],
    "webadmin": ["login page"],
    "console": ["login page"],
    "api": ["description"],
    "httpmail": ["asks for a login"],
}  # fmt: skip


def probe(
    server: Server, *words: str, given: str = "", code: int = 0
) -> tuple[dict[tuple[str, str], dict[str, Any]], str]:
    """Probe; returns the steps by door and what, and what was said on stderr."""
    result = server.command("probe", *words, "--json", given=given, check=False)
    assert result.returncode == code, result.stdout + result.stderr
    found = json.loads(result.stdout)
    assert found["ok"] is (code == 0)
    assert result.stderr.count("\n") == (1 if code else 0)
    return {(each["door"], each["what"]): each for each in found["steps"]}, result.stderr


def failed(steps: dict[tuple[str, str], dict[str, Any]]) -> dict[str, str]:
    """Return the doors that failed, each with its reason."""
    return {each["door"]: each["text"] for each in steps.values() if not each["ok"]}


@contextmanager
def listening(*answers: bytes, tls: tuple[Path, Path] | None = None) -> Iterator[int]:
    """Answer every connection alike: a TLS handshake or none, one answer, and silence."""
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            while True:
                try:
                    connection, _ = door.accept()
                except OSError:
                    return
                try:
                    if tls is not None:
                        connection = server_context(*tls).wrap_socket(connection, server_side=True)
                    for answer in answers:
                        connection.sendall(answer)
                    while connection.recv(1024):
                        pass
                except OSError:
                    pass
                finally:
                    connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield door.getsockname()[1]
        door.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def test_all_doors_of_the_demo_are_as_they_should_be(server: Server) -> None:
    steps, _ = probe(server)
    assert list(steps) == [(door, what) for door, whats in _DOORS.items() for what in whats]
    assert "certificate for demo.test until " in steps["smtp", "STARTTLS"]["text"]
    assert steps["httpmail", "asks for a login"]["text"].startswith("401 Basic")
    assert all(0 <= each["seconds"] < 10 for each in steps.values())


def test_doors_by_a_port_base_are_those_of_the_demo(server: Server) -> None:
    base = server.ports["smtp"] - 25
    steps, _ = probe(server, "--port-base", str(base))
    assert len(steps) == sum(map(len, _DOORS.values()))


def test_people_read_a_row_for_each_step(server: Server) -> None:
    lines = server.command("probe").stdout.splitlines()
    assert len(lines) == sum(map(len, _DOORS.values()))
    assert all(line.startswith("ok ") and " ms  " in line for line in lines)


def test_a_message_goes_the_whole_way_and_is_gone_again(server: Server, box: Box) -> None:
    words = ("--login", box.login, "--password-stdin")
    steps, _ = probe(server, *words, given=f"{box.password}\n")
    whole = [
        *(("submission", what) for what in ("login", "send")),
        ("pop3s", "the message arrives"),
        *(("httpmail", what) for what in ("PROPFIND finds it", "GET reads it")),
        *(("webmail", what) for what in ("sign in", "see it")),
        ("pop3s", "delete it"),
    ]
    assert list(steps)[-len(whole) :] == whole
    assert box.address in steps["submission", "send"]["text"]
    mailbox = server.house.directory.mailbox(box.login)
    assert mailbox is not None
    assert server.house.store.usage(mailbox.postoffice_id, mailbox.id)[0] == 0


def test_a_password_beyond_ascii_works_at_every_door(server: Server, box: Box) -> None:
    password = "schöne Grüße, 郵便局"
    server.secrets.add(password)
    server.command("mailbox", "password", box.login, "--password-stdin", given=f"{password}\n")
    probe(server, "--login", box.login, "--password-stdin", given=f"{password}\n")


def test_a_wrong_password_is_told_once_and_not_tried_further(server: Server, box: Box) -> None:
    words = ("--login", box.login, "--password-stdin")
    steps, said = probe(server, *words, given="quite wrong\n", code=1)
    assert list(steps)[-1] == ("submission", "login")
    refused = "the login was refused: 535 5.7.8 "
    assert failed(steps)["submission"].startswith(refused)
    assert said == f"posthouse: 1 of {len(steps)} steps failed: submission (login)\n"
    assert "quite wrong" not in json.dumps(list(steps.values())) + said


def test_a_message_that_does_not_come_is_told_when_the_time_is_over(
    server: Server, box: Box
) -> None:
    other = server.mailbox()
    words = ("--login", box.login, "--password-stdin", "--address", other.address, "--within", "1s")
    steps, _ = probe(server, *words, given=f"{box.password}\n", code=1)
    assert "did not come within 1 s" in failed(steps)["pop3s"]


def test_ports_where_nobody_listens_are_told_door_by_door(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        base = free.getsockname()[1] // 2  # 8080 above it is free as well, as far as one can know
    steps, said = probe(server, "--port-base", str(base), code=1)
    told = failed(steps)
    assert told.keys() == _DOORS.keys()
    assert told["smtp"] == f"nobody listens at 127.0.0.1:{base + 25}: connection refused"
    assert f"{len(told)} of {len(told)} steps failed: smtp (banner), " in said


@pytest.mark.parametrize("door", ["smtp", "submission", "submissions", "pop3", "pop3s"])
def test_a_certificate_for_another_name_is_told(server: Server, door: str) -> None:
    steps, _ = probe(server, "--name", "mail.other.test", code=1)
    told = failed(steps)
    assert told.keys() == {"smtp", "submission", "submissions", "pop3", "pop3s"}
    assert told[door].startswith("the certificate is not right: ")
    assert "'mail.other.test'" in told[door]


def test_a_certificate_nobody_vouches_for_is_told_and_one_may_vouch_for_it(
    server: Server, tmp_path: Path
) -> None:
    certificate, key = self_signed(tmp_path, ["demo.test"])
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    with listening(answer, tls=(certificate, key)) as port:
        url = f"https://127.0.0.1:{port}"
        steps, _ = probe(server, "--web", url, code=1)
        assert "the certificate is not right: " in failed(steps)["webmail"]
        steps, _ = probe(server, "--web", url, "--ca", str(tmp_path / "ca.pem"), code=1)
        missing = "these headers are missing or wrong: Content-Security-Policy"
        assert failed(steps)["webmail"].startswith(missing)
        assert "it answered 200 OK; 401 is right" in failed(steps)["httpmail"]


def test_what_speaks_something_else_is_told(server: Server) -> None:
    url = f"http://127.0.0.1:{server.ports['smtp']}"
    steps, _ = probe(server, "--web", url, code=1)
    assert "does not speak HTTP as it should" in failed(steps)["console"]
    steps, _ = probe(server, "--web", f"https://127.0.0.1:{server.ports['web']}", code=1)
    assert "the TLS handshake with 127.0.0.1" in failed(steps)["api"]
    steps, _ = probe(server, "--host", "nowhere.invalid", code=1)
    assert failed(steps)["pop3"].startswith("the name in nowhere.invalid:")


def test_a_server_that_hides_logins_in_clear_text_is_right(strict: Server) -> None:
    result = strict.command("probe", "--json", check=False)
    steps = {(each["door"], each["what"]): each for each in json.loads(result.stdout)["steps"]}
    hidden = steps["submission", "no AUTH before STARTTLS"]
    assert (hidden["ok"], hidden["text"]) == (True, "not offered in clear text")
    # nothing in front of it brings TLS: no door takes passwords here, and they say so
    assert steps["webmail", "login page"]["text"] == "it answered 403 FORBIDDEN; 200 is right"
    assert (
        "403 Passwords are not taken without TLS" in steps["httpmail", "asks for a login"]["text"]
    )
