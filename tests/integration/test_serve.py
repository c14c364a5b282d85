"""`posthouse serve --demo`, which is what `make run` starts: what it prints, and process life."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import read_inbox
from tests.support.serving import (
    POSTHOUSE,
    PROCESSES,
    SERVICES,
    Server,
    free_port_base,
)
from tests.support.waiting import until
from tests.support.wire import Pop3, Smtp

_LISTENERS = ("smtp", "submission", "submissions", "pop3", "pop3s")
_NAMED = (*_LISTENERS, "home", "CA", "login")


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of one's own to kill; whatever is left of it is ended."""
    server = Server(tmp_path_factory.mktemp("own") / "home")
    try:
        yield server
    finally:
        if server.starts:
            for pid in server.processes():
                os.kill(pid, signal.SIGKILL)
        server.stop()


def test_it_prints_addresses_logins_and_last_the_line_ready(server: Server) -> None:
    lines = server.output.splitlines()
    ports = server.ports
    for name in _LISTENERS:
        assert re.search(rf"(?m)^{name} +127\.0\.0\.1:{ports[name]}$", server.output), name
    for login, account in server.accounts.items():
        assert any(
            line.split() == ["login", login, "password", account["password"]] for line in lines
        )
    assert lines.count("ready") == 1
    assert not [line for line in lines[lines.index("ready") + 1 :] if line.split()[0] in _NAMED]


def test_demo_json_names_ports_and_accounts(server: Server) -> None:
    demo = server.demo
    base = demo["ports"]["smtp"] - 25
    assert demo["ports"] == {
        "smtp": base + 25,
        "submission": base + 587,
        "submissions": base + 465,
        "pop3": base + 110,
        "pop3s": base + 995,
        "httpmail": base + 8080,
        "web": base + 80,
    }
    found = {each["login"]: (each["address"], each["role"]) for each in demo["accounts"]}
    assert found == {
        "ADMIN@demo": ("ADMIN@demo.test", "admin"),
        "alice@demo": ("alice@demo.test", "mailbox"),
        "bob@demo": ("bob@demo.test", "mailbox"),
        "operator": ("", "operator"),
    }
    assert all(len(each["password"]) >= 8 for each in demo["accounts"])


def test_files_with_secrets_are_for_their_owner_only(server: Server) -> None:
    server.set(smarthost__password="s3cret-of-the-smart-host")  # the first secret makes the key
    server.secrets.add("s3cret-of-the-smart-host")
    for name in ("demo.json", "config/key", "config/tls/server.key"):
        assert stat.S_IMODE((server.home / name).stat().st_mode) == 0o600, name
    assert stat.S_IMODE((server.home / "ca.pem").stat().st_mode) & 0o444 == 0o444


def test_the_demo_has_some_mail(server: Server) -> None:
    subjects = b"".join(read_inbox(server, server.alice, at_least=2))
    assert b"Subject: Lunch on Thursday?" in subjects
    assert b"Subject: Welcome to Posthouse" in subjects


def test_it_listens_on_loopback_only(server: Server) -> None:
    listening = subprocess.run(
        ["ss", "--no-header", "-ltn"], capture_output=True, text=True, check=True
    ).stdout
    for port in server.ports.values():
        at = [line.split()[3] for line in listening.splitlines() if f":{port} " in line]
        assert at == [f"127.0.0.1:{port}"]


def test_ctrl_c_ends_all_processes_within_ten_seconds_also_with_clients_connected(
    own: Server,
) -> None:
    own.start()
    assert len(own.processes()) == PROCESSES
    with Smtp(own.ports["smtp"]) as smtp, Pop3(own.ports["pop3"]) as pop3:
        smtp.do("HELO client.example")
        pop3.login(own.alice.login, own.alice.password)
        own.interrupt()
        until(lambda: not own.processes(), "all processes have ended")
        assert own.exit_code == 0
        assert smtp.answer().code == 421  # RFC 5321 §3.8: told, not cut off
    assert own.output.splitlines()[-1] == "ready"
    own.check_traces()


def test_sigterm_ends_all_processes_as_ctrl_c_does(own: Server) -> None:
    own.start()
    os.kill(own.pid, signal.SIGTERM)
    until(lambda: not own.processes() and own.exit_code is not None, "all processes have ended")
    assert own.exit_code == 0


def test_starting_again_on_the_same_home_keeps_accounts_and_mail(own: Server) -> None:
    own.start()
    before = own.accounts
    box = own.mailbox()
    with Smtp(own.ports["smtp"]) as client:
        client.ehlo()
        client.message(b"Subject: kept\r\n\r\nover a restart\r\n", box.address)
    own.interrupt()
    own.start()
    assert own.accounts == before
    assert any(b"Subject: kept\r\n" in octets for octets in read_inbox(own, box))
    assert b"Lunch on Thursday?" in b"".join(read_inbox(own, own.alice, at_least=4))
    assert len(read_inbox(own, own.alice)) == 4  # the demo's mail was not sent a second time
    own.stop()
    own.check_traces()


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_is_killed_is_started_again_and_mail_goes_on(
    server: Server, service: str
) -> None:
    box = server.mailbox()
    before = server.service(service)
    os.kill(before, signal.SIGKILL)
    until(lambda: before not in server.processes(), "the killed process is gone")
    assert server.service(service) != before
    until(lambda: _answers(server.ports["smtp"]), "SMTP answers")
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        client.message(b"Subject: after the kill\r\n\r\n", box.address)
    assert len(read_inbox(server, box)) == 1
    assert f"posthouse: the service {service} ended, it is started again" in server.output


def test_a_killed_arbiter_takes_its_workers_along_and_all_are_started_again(own: Server) -> None:
    own.set(web__workers="2")
    own.start()
    until(lambda: len(own.processes()) == PROCESSES + 2, "an arbiter and two workers are there")
    arbiter = _parent(own.service("web"))
    before = {each for each in own.processes() if _parent(each) == arbiter} | {arbiter}
    assert len(before) == 3
    os.kill(arbiter, signal.SIGKILL)
    until(lambda: not before & own.processes(), "all of them are gone")
    until(lambda: _answers_http(own.ports["web"]), "the web answers")
    until(lambda: len(own.processes()) == PROCESSES + 2, "all of them are there again")


def test_a_killed_worker_is_started_again_by_its_arbiter(own: Server) -> None:
    own.set(web__workers="2")
    own.start()
    until(lambda: len(own.processes()) == PROCESSES + 2, "an arbiter and two workers are there")
    worker = own.service("web")
    arbiter = _parent(worker)
    os.kill(worker, signal.SIGKILL)
    until(lambda: worker not in own.processes(), "the killed process is gone")
    until(lambda: len(own.processes()) == PROCESSES + 2, "another one is there")
    assert arbiter in own.processes()


def _parent(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
    return int(fields[1])


def _answers_http(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/webmail/login")
        return connection.getresponse().status in (200, 404)
    except OSError:
        return False
    finally:
        connection.close()


def _answers(port: int) -> bool:
    try:
        with Smtp(port) as client:
            return client.greeting.code == 220
    except OSError:
        return False


def test_a_killed_parent_takes_its_services_with_it(own: Server) -> None:
    own.start()
    os.kill(own.pid, signal.SIGKILL)
    until(lambda: not own.processes(), "the services have ended with their parent")


def test_a_taken_port_is_one_clear_line_and_exit_code_1(own: Server) -> None:
    base = free_port_base()
    with socket.create_server(("127.0.0.1", base + 110)):
        result = subprocess.run(
            [str(POSTHOUSE), "--home", str(own.home), "serve", "--demo", f"--port-base={base}"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "127.0.0.1" in result.stderr
    assert str(base + 110) in result.stderr
    assert "ready" not in result.stdout
    own.start(port_base=base)  # and nothing half-done stands in the way


def test_a_home_that_cannot_be_made_is_one_clear_line_and_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = subprocess.run(
        [str(POSTHOUSE), "--home", str(tmp_path / "file" / "home"), "serve", "--demo"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert result.returncode in (1, 2)
    assert str(tmp_path / "file") in result.stderr
    assert "Traceback" not in result.stderr


def test_demo_json_is_valid_whenever_it_is_there(own: Server) -> None:
    """A start that is cut off leaves accounts that the next start uses."""
    with own.output_path.open("wb") as output:
        cut_off = subprocess.Popen(
            [str(POSTHOUSE), "--home", str(own.home), "serve", "--demo", "--port-base", "0"],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        until((own.home / "demo.json").exists, "the accounts are written")
        cut_off.kill()
        cut_off.wait()
    before = json.loads((own.home / "demo.json").read_text())["accounts"]
    own.start()
    assert own.demo["accounts"] == before
    with Pop3(own.ports["pop3"]) as client:
        assert client.login(own.alice.login, own.alice.password).startswith("+OK")
