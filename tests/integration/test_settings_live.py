"""Settings take effect in every running process within a second (DESIGN, Settings: live)."""

from __future__ import annotations

import shutil
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.net.tls import self_signed
from appliance.operations.mailboxes import SetMailboxPassword
from tests.support.serving import ONE_PROCESS, Server
from tests.support.waiting import until
from tests.support.wire import Pop3, Smtp

_WITHIN_S = 2.5  # a second, and the rest for a busy machine


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose settings may be changed without anybody minding."""
    server = Server(tmp_path_factory.mktemp("live") / "home", settings=ONE_PROCESS)
    server.start()
    yield server
    server.stop()
    server.check_traces()


def _takes_effect(effect: Callable[[], object], what: str) -> None:
    until(lambda: bool(effect()), what, within_s=_WITHIN_S)


def _greeting(server: Server) -> str:
    with Smtp(server.ports["smtp"]) as client:
        return client.greeting.text


def test_the_banner_with_its_variables(changed: Server) -> None:  # CHECKLIST 239, 241, 242
    pid = changed.service("smtp")
    changed.set(smtp__banner="Welcome to %LOCALDOMAIN%")
    _takes_effect(lambda: _greeting(changed) == "Welcome to demo.test", "the banner")
    changed.set(smtp__local_domain="mail.example")
    _takes_effect(lambda: _greeting(changed) == "Welcome to mail.example", "the name")
    changed.set(smtp__local_domain="demo.test", smtp__banner=None)
    _takes_effect(lambda: _greeting(changed).startswith("demo.test ESMTP"), "the default")
    assert changed.service("smtp") == pid


def test_a_change_by_the_command_line(changed: Server) -> None:
    changed.command("settings", "set", "smtp.banner", "set by the command")
    _takes_effect(lambda: _greeting(changed) == "set by the command", "the banner")


def test_an_open_connection_keeps_what_it_began_with(changed: Server) -> None:
    with Smtp(changed.ports["smtp"]) as client:
        before = client.ehlo()
        changed.set(smtp__max_message_kb="7", smtp__banner="a new size")
        _takes_effect(lambda: _greeting(changed) == "a new size", "the banner")
        assert client.ehlo() == before
    with Smtp(changed.ports["smtp"]) as client:
        assert "SIZE 7168" in client.ehlo()
    changed.set(smtp__max_message_kb=None)


def test_recipients_and_errors_and_disabled_commands(changed: Server) -> None:
    # CHECKLIST 231, 243, 244
    def codes(*commands: str) -> list[int]:
        with Smtp(changed.ports["smtp"]) as client:
            client.ehlo()
            return [client.do(command).code for command in commands]

    changed.set(smtp__max_recipients="1")
    bob = ("MAIL FROM:<>", "RCPT TO:<alice@demo.test>", "RCPT TO:<bob@demo.test>")
    _takes_effect(lambda: codes(*bob) == [250, 250, 452], "smtp.max_recipients")
    changed.set(smtp__max_errors="2")
    _takes_effect(lambda: codes("FROB", "FROB") == [500, 421], "smtp.max_errors")
    changed.set(smtp__disabled_commands="HELP", smtp__max_errors=None)
    _takes_effect(lambda: codes("HELP", "VRFY x") == [502, 252], "smtp.disabled_commands")
    changed.set(smtp__disabled_commands=None, smtp__max_recipients=None)


def test_who_may_relay(changed: Server) -> None:  # CHECKLIST 097 to 102
    def relays(source: str, sender: str) -> bool:
        with Smtp(changed.ports["smtp"], source=source) as client:
            client.ehlo()
            client.do(f"MAIL FROM:<{sender}>")
            return client.do("RCPT TO:<dave@example.com>").code == 250

    assert not relays("127.5.0.1", "alice@demo.test")
    changed.set(relay__privileged_ranges="127.5.0.0/24")
    _takes_effect(lambda: relays("127.5.0.1", "x@example.org"), "relay.privileged_ranges")
    assert not relays("127.5.1.1", "x@example.org")
    changed.set(relay__local_senders="yes")
    _takes_effect(lambda: relays("127.5.1.1", "alice@demo.test"), "relay.local_senders")
    assert not relays("127.5.1.1", "alice@example.org")
    changed.set(relay__enabled="no")
    _takes_effect(lambda: not relays("127.5.0.1", "x@example.org"), "relay.enabled")
    changed.set(relay__enabled=None, relay__local_senders=None, relay__privileged_ranges=None)


def test_passwords_without_tls_in_both_services(changed: Server) -> None:
    def offers() -> tuple[bool, bool]:
        with Smtp(changed.ports["smtp"]) as smtp, Pop3(changed.ports["pop3"]) as pop3:
            return "AUTH PLAIN LOGIN" in smtp.ehlo(), b"USER\r\n" in pop3.ask("CAPA")

    changed.set(auth__without_tls="no")
    _takes_effect(lambda: offers() == (False, False), "auth.without_tls")
    changed.set(auth__without_tls="yes")
    _takes_effect(lambda: offers() == (True, True), "auth.without_tls")


def test_the_number_of_connections_in_both_services(changed: Server) -> None:
    # CHECKLIST 224, 277
    def answers() -> tuple[int, bool]:
        source = "127.5.2.1"
        with (
            Smtp(changed.ports["smtp"], source=source),
            Smtp(changed.ports["smtp"], source=source) as smtp,
            Pop3(changed.ports["pop3"], source=source),
            Pop3(changed.ports["pop3"], source=source) as pop3,
        ):
            return smtp.greeting.code, pop3.greeting.startswith("+OK")

    assert answers() == (220, True)
    changed.set(smtp__max_connections_per_client="1", pop__max_connections_per_client="1")
    _takes_effect(lambda: answers() == (421, False), "one connection each")
    changed.set(smtp__max_connections_per_client="0", pop__max_connections_per_client="0")
    _takes_effect(lambda: answers() == (220, True), "no limit for one client")
    changed.set(smtp__max_connections="1", pop__max_connections="1")
    _takes_effect(lambda: answers() == (421, False), "one connection in all")
    changed.set(smtp__max_connections=None, pop__max_connections=None)
    _takes_effect(lambda: answers() == (220, True), "the defaults")


def test_what_the_mta_agent_logs(changed: Server) -> None:  # CHECKLIST 307
    def writes_w3c() -> list[Path]:
        with Smtp(changed.ports["smtp"]) as client:
            client.ehlo()
            client.message(b"Subject: to be logged\r\n\r\n", "alice@demo.test")
        return list((changed.home / "logs" / "MTA").glob("ex*.log"))

    assert not writes_w3c()
    changed.set(mta__log_w3c="yes")
    _takes_effect(writes_w3c, "mta.log_w3c")
    changed.set(mta__log_w3c=None)


def test_a_new_mailbox_password_counts_at_once_and_the_old_one_no_more(changed: Server) -> None:
    box = changed.mailbox()

    def logs_in(password: str) -> bool:
        with Pop3(changed.ports["pop3"], source="127.5.3.1") as client:
            return client.login(box.login, password).startswith("+OK")

    assert logs_in(box.password)
    changed.perform(SetMailboxPassword(mailbox=box.login, password="another password"))
    assert logs_in("another password")
    assert not logs_in(box.password)


def _serial(server: Server, port: str, context: ssl.SSLContext) -> str:
    client = Smtp if port.startswith("s") else Pop3
    with client(server.ports[port], tls=context) as connection:
        assert isinstance(connection.socket, ssl.SSLSocket)
        certificate = connection.socket.getpeercert()
    assert certificate is not None
    return str(certificate["serialNumber"])


def test_a_certificate_is_taken_up_when_it_is_named_and_again_when_its_file_is_renewed(
    changed: Server, tmp_path: Path
) -> None:
    context = changed.tls
    names = ("submissions", "pop3s")
    before = {_serial(changed, name, context) for name in names}
    assert len(before) == 1
    in_use = tmp_path / "in-use"
    in_use.mkdir()

    def renew(number: int) -> None:
        made = tmp_path / str(number)
        self_signed(made, ["mail.example", "localhost"])
        context.load_verify_locations(made / "ca.pem")
        for name in ("server.key", "server.pem"):
            shutil.copy(made / name, in_use / f"{name}.new")
            (in_use / f"{name}.new").replace(in_use / name)

    def serials() -> set[str]:
        return {_serial(changed, name, context) for name in names}

    renew(1)
    changed.set(
        tls__certificate_file=str(in_use / "server.pem"), tls__key_file=str(in_use / "server.key")
    )
    _takes_effect(lambda: len(serials()) == 1 and serials() != before, "the named certificate")
    named = serials()
    renew(2)
    _takes_effect(
        lambda: len(serials()) == 1 and serials() not in (before, named), "the renewed one"
    )
    renewed = serials()
    with Smtp(changed.ports["smtp"]) as client:
        client.begin_tls(context)  # STARTTLS has it too
        assert isinstance(client.socket, ssl.SSLSocket)
        found = client.socket.getpeercert()
        assert found is not None
        assert found["serialNumber"] in renewed
    (in_use / "server.pem").write_text("not a certificate")
    changed.until_logged("SMTP", "Debug", "can't be used for TLS")
    changed.until_logged("POP", "Debug", "can't be used for TLS")
    assert serials() == renewed  # what can't be used is told, and the one in use stays
    changed.set(tls__certificate_file=None, tls__key_file=None)
    _takes_effect(lambda: serials() == before, "the server's own")


def test_after_many_changes_the_last_one_counts(changed: Server) -> None:
    began = time.monotonic()
    for number in range(30):
        changed.set(smtp__banner=f"number {number}")
    _takes_effect(lambda: _greeting(changed) == "number 29", "the last one")
    assert time.monotonic() - began < 10
