"""The dialogue scripts once more: over TCP and over TLS, against a running server.

What a script's header says of the server is set by settings, a maildrop is laid into the store.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path

import pytest

from appliance.database.content import Content
from appliance.operations.mailboxes import SetMailboxPassword
from appliance.operations.queue import CountQueue
from appliance.store.message import Delivery
from tests.dialogs.pop3_engine import LOGIN, MESSAGES
from tests.dialogs.runner import Script, load, play
from tests.integration.conftest import NOWHERE
from tests.support.serving import Server
from tests.support.waiting import until
from tests.support.wire import Pop3, Smtp, Wire

_FOLDER = Path(__file__).parents[1] / "dialogs"
# Of these servers there is none: one without a certificate, one whose disk fails at the right
# moment, one of POP3 with another number of mistakes than twenty.
_OF_ENGINES_ONLY = {
    "starttls_not_offered",
    "stls_not_offered",
    "update_fails",
    "too_many_errors.pop3",
}

_numbers = count(1)


def _scripts(protocol: str, way: str) -> list[Script]:
    found = [load(path) for path in sorted((_FOLDER / protocol).glob("*.dlg"))]
    wanted = {"tcp": ("no", "offered"), "tls": ("no", "active")}[way]
    return [
        script
        for script in found
        if script.header.get("tls", "no") in wanted
        and not _OF_ENGINES_ONLY & {_stem(script), f"{_stem(script)}.{protocol}"}
    ]


def _stem(script: Script) -> str:
    return script.name.removesuffix(".dlg")


class _Policy:
    """What scripts assume, as settings of one server; changed only where a script needs it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._in_force: dict[str, str] = {}

    def apply(self, settings: Mapping[str, str]) -> None:
        """Set settings, and wait until both services have them."""
        changes = {
            name: text for name, text in settings.items() if self._in_force.get(name) != text
        }
        if not changes:
            return
        banner = f"%LOCALDOMAIN% ESMTP Posthouse ready {next(_numbers)}"
        self.server.set(**changes, smtp__banner=banner)
        self._in_force |= changes
        takes_passwords = self._in_force.get("auth__without_tls") != "no"

        def are_in_force() -> bool:
            ports = self.server.ports
            with Smtp(ports["smtp"]) as smtp, Pop3(ports["pop3"]) as pop3:
                told = smtp.greeting.text.endswith(banner[-8:])
                return told and (b"USER\r\n" in pop3.ask("CAPA")) == takes_passwords

        until(are_in_force, "the settings are in force")


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Policy]:
    settings = {
        **NOWHERE, "smtp__local_domain": "mail.demo.test", "auth__max_failures": "1000"
    }  # fmt: skip
    server = Server(tmp_path_factory.mktemp("dialogs") / "home", settings=settings)
    server.start()
    yield _Policy(server)
    server.stop()
    server.check_traces()


class _SocketTransport:
    """A client's connection to a running server."""

    def __init__(self, wire: Wire, server: Server, said: str, uids: Mapping[str, str]) -> None:
        self._wire = wire
        self._tls = server.tls
        self._said = [said.encode()] if said else []
        self._uids = uids

    def send(self, data: bytes) -> None:
        self._wire.send(data)

    def receive_line(self) -> bytes:
        line = self._said.pop() if self._said else self._wire.line()
        return re.sub(rb"\d+\.\d+$", self._known_uid, line)

    def start_tls(self) -> None:
        self._wire.start_tls(self._tls)

    def _known_uid(self, found: re.Match[bytes]) -> bytes:
        text = found[0].decode()
        return self._uids.get(text, text).encode()


def _common(script: Script) -> dict[str, str]:
    clear = script.header.get("passwords", "clear") == "clear"
    return {"auth__without_tls": "yes" if clear else "no"}


def _set_password(server: Server, script: Script) -> None:
    if password := script.header.get("password"):
        server.perform(SetMailboxPassword(mailbox=LOGIN, password=password))


@pytest.mark.parametrize(
    ("way", "script"),
    [
        pytest.param(way, script, id=f"{way}-{_stem(script)}")
        for way in ("tcp", "tls")
        for script in _scripts("smtp", way)
    ],
)
def test_smtp_service_holds_the_dialogue(policy: _Policy, way: str, script: Script) -> None:
    header, server = script.header, policy.server
    disabled = header.get("disabled", "").split()
    if header.get("tls", "no") == "no":
        disabled.append("STARTTLS")
    if way == "tls":
        disabled = [command for command in disabled if command != "STARTTLS"]
    policy.apply(
        {
            **_common(script),
            "smtp__max_message_kb": str(int(header.get("max-size", "0")) // 1024),
            "smtp__max_recipients": header.get("max-recipients", "300"),
            "smtp__max_errors": header.get("max-errors", "0"),
            "smtp__disabled_commands": " ".join(disabled),
        }
    )
    _set_password(server, script)
    name = "submission" if header.get("port") == "submission" else "smtp"
    active = header.get("tls") == "active"
    with Smtp(
        server.ports[f"{name}s" if active else name], tls=server.tls if active else None
    ) as client:
        if way == "tls" and not active:
            client.begin_tls(server.tls)
        greeting = f"{client.greeting.code} {client.greeting.lines[0]}"
        play(script, _SocketTransport(client, server, greeting, {}))


@pytest.mark.parametrize(
    ("way", "script"),
    [
        pytest.param(way, script, id=f"{way}-{_stem(script)}")
        for way in ("tcp", "tls")
        for script in _scripts("pop3", way)
    ],
)
def test_pop3_service_holds_the_dialogue(policy: _Policy, way: str, script: Script) -> None:
    server = policy.server
    policy.apply(_common(script))
    _set_password(server, script)
    state = script.header.get("maildrop", "full")
    uids = _lay_into_maildrop(server, () if state == "empty" else MESSAGES)
    port, tls = ("pop3s", server.tls) if way == "tls" else ("pop3", None)
    with Pop3(server.ports["pop3"]) as other, Pop3(server.ports[port], tls=tls) as client:
        if state == "locked":
            assert other.login(LOGIN, script.header["password"]).startswith("+OK")
        play(script, _SocketTransport(client, server, client.greeting, uids))


def _lay_into_maildrop(server: Server, contents: tuple[bytes, ...]) -> dict[str, str]:
    """Replace what is in the maildrop; returns the scripts' unique-ids by the server's."""
    until(
        lambda: all(found.connector for found in server.ask(CountQueue())),
        "the mail of other scripts has been delivered",
    )
    found = server.house.directory.login(LOGIN)
    assert found is not None
    mailbox, store = found[0], server.house.store
    before = store.inbox(mailbox.postoffice_id, mailbox.id)
    if before is not None:
        uids = [row[0] for row in store.listing(mailbox.postoffice_id, before)]
        store.expunge(mailbox.postoffice_id, before.id, uids)
    deliveries = []
    for content in contents:
        name = f"LAID{next(_numbers):012}"
        kept = Content(len(content), content, None)
        deliveries.append(
            Delivery(
                id=f"{name}.0", entry_id=name, mailbox_id=mailbox.id, content=kept, of=1,
                prefix=b"", summary="{}",
            )
        )  # fmt: skip
    if deliveries:
        store.deliver(mailbox.postoffice_id, deliveries)
    folder = store.inbox(mailbox.postoffice_id, mailbox.id)
    assert folder is not None
    rows = store.listing(mailbox.postoffice_id, folder)
    return {f"{folder.uid_validity}.{row[0]}": f"uid-{n}" for n, row in enumerate(rows, 1)}


def test_most_scripts_are_held_with_the_services_too() -> None:
    for protocol, least in (("smtp", 28), ("pop3", 18)):
        held = {script.name for way in ("tcp", "tls") for script in _scripts(protocol, way)}
        assert len(held) >= least
