"""The same server with everything in PostgreSQL: `database_url` in the home's posthouse.toml."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator

import psycopg
import pytest

from appliance.operations.queue import RetryMessages
from tests.integration.conftest import NOWHERE, STRICT, read_inbox
from tests.support.postgresql import share
from tests.support.serving import Server
from tests.support.waiting import until
from tests.support.wire import Pop3, Smtp


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty database of a throw-away PostgreSQL."""
    with share(tmp_path_factory.getbasetemp()) as cluster:
        with psycopg.connect(cluster.url("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE integration")
        yield cluster.url("integration")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, url: str) -> Iterator[Server]:
    """The demo on PostgreSQL."""
    home = tmp_path_factory.mktemp("postgres") / "home"
    server = Server(home, settings=NOWHERE, database_url=url)
    server.start()
    yield server
    server.stop()
    server.check_traces()


def test_nothing_is_kept_in_sqlite(server: Server) -> None:
    assert not list(server.home.rglob("*.db"))


def test_a_message_goes_its_way_and_its_journey_is_told(server: Server) -> None:
    boxes = [server.mailbox() for _ in range(3)]
    content = b"Subject: to all\r\n\r\n.\r\n" + bytes(range(128, 256)) + b"\r\n"
    with Smtp(server.ports["smtp"]) as client:
        client.begin_tls(server.tls)
        client.ehlo()
        message_id = client.message(content, *(box.address for box in boxes)).id
    for box in boxes:
        [octets] = read_inbox(server, box)
        assert octets.endswith(content)
        with Pop3(server.ports["pop3"]) as pop3:
            pop3.login(box.login, box.password)
            pop3.do("DELE 1")
            assert pop3.do("QUIT").startswith("+OK")

    def kinds() -> list[str]:
        found = json.loads(server.command("message", "trace", message_id, "--json").stdout)
        return sorted(event["kind"] for event in found["events"])

    steps = ["accepted"] + ["deleted"] * 3 + ["delivered"] * 3 + ["downloaded"] * 3
    until(lambda: kinds() == steps, "the whole journey is recorded")


def test_a_large_message_goes_its_way(server: Server) -> None:
    box = server.mailbox()
    content = b"Subject: large\r\n\r\n" + (b"." * 3 + b"x" * 75 + b"\r\n") * 20_000
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        client.message(content, box.address)
    [octets] = read_inbox(server, box)
    assert octets.endswith(content)


def test_many_messages_at_the_same_time_arrive_once_each(server: Server) -> None:
    boxes = [server.mailbox() for _ in range(4)]

    def send(thread: int) -> None:
        with Smtp(server.ports["smtp"]) as client:
            client.ehlo()
            for number in range(25):
                subject = b"Subject: %d.%d\r\n\r\n" % (thread, number)
                client.message(subject, boxes[(thread + number) % 4].address)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    subjects = [
        octets.partition(b"Subject: ")[2].split()[0]
        for box in boxes
        for octets in read_inbox(server, box, at_least=25)
    ]
    assert len(subjects) == len(set(subjects)) == 100


def test_the_maildrop_s_lock_is_the_database_s(server: Server) -> None:
    # RFC 1939 §3: also when sessions are on several machines of a cluster
    box = server.mailbox()
    with Pop3(server.ports["pop3"]) as first:
        assert first.login(box.login, box.password).startswith("+OK")
        with Pop3(server.ports["pop3"]) as second:
            assert second.login(box.login, box.password).startswith("-ERR [IN-USE]")
        os.kill(server.service("pop3"), signal.SIGKILL)
    until(lambda: _logs_in(server, box.login, box.password), "the lock has gone with the process")


def _logs_in(server: Server, login: str, password: str) -> bool:
    try:
        with Pop3(server.ports["pop3"]) as client:
            return client.login(login, password).startswith("+OK")
    except (OSError, EOFError):
        return False


def test_settings_take_effect_live(server: Server) -> None:
    server.set(smtp__banner="on PostgreSQL")

    def greeting() -> str:
        with Smtp(server.ports["smtp"]) as client:
            return client.greeting.text

    until(lambda: greeting() == "on PostgreSQL", "the banner", within_s=2.5)
    server.set(smtp__banner=None)


def test_failed_logins_pause(server: Server) -> None:
    box = server.mailbox()
    server.set(auth__max_failures=STRICT["auth__max_failures"])
    with Smtp(server.ports["smtp"], source="127.7.0.1") as client:
        client.ehlo()
        until(
            lambda: client.auth(box.login, "certainly not it").code == 454, "the pause", within_s=5
        )
        assert client.auth(box.login, box.password).code == 454
    server.set(auth__max_failures=None)


def test_mail_is_accepted_again_when_the_database_comes_back(server: Server, url: str) -> None:
    # RFC 5321 §6.1, RFC 3463 4.3.0: in the meantime nothing is acknowledged
    box, before = server.mailbox(), server.processes()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    server.house.close()  # this process has lost its connections too

    def send() -> bool:
        try:
            with Smtp(server.ports["smtp"]) as client:
                client.ehlo()
                client.do("MAIL FROM:<carol@example.org>")
                if client.do(f"RCPT TO:<{box.address}>").code != 250:
                    return False
                client.do("DATA")
                client.send(b"Subject: after the break\r\n\r\n.\r\n")
                return client.answer().code == 250
        except EOFError:
            return False

    until(send, "mail is accepted")
    server.perform(RetryMessages())  # what met a lost connection is tried again in half a minute
    assert len(read_inbox(server, box)) == 1
    assert server.processes() == before


def test_starting_again_keeps_accounts_and_mail(server: Server) -> None:
    box, before = server.mailbox(), server.accounts
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        client.message(b"Subject: kept\r\n\r\n", box.address)
    server.interrupt()
    assert not server.processes()
    server.start()
    assert server.accounts == before
    assert len(read_inbox(server, box)) == 1
