"""What the integration tests share: two running servers, the demo's and a strict one, and clients.

Both run for the whole session, so a test makes what it needs: mailboxes of its own, and a source
address of its own for logins that fail. When a server ends, all it has written is looked through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from tests.dialogs.runner import Script
from tests.support.serving import ONE_PROCESS, Box, Server
from tests.support.waiting import until
from tests.support.wire import Pop3

# Nobody answers there: no test asks the real DNS, and what goes out stays in the queue.
NOWHERE = {"smarthost__host": "127.0.0.1:9", "smarthost__enabled": "yes", **ONE_PROCESS}
STRICT: dict[str, str | None] = {
    **NOWHERE,
    "auth__without_tls": "no",
    "auth__max_failures": "3",
    "auth__default_postoffice": None,
    "smtp__max_message_kb": "64",
    "smtp__max_recipients": "3",
    "smtp__max_errors": "6",
    "smtp__max_connections_per_client": "3",
    "pop__max_connections_per_client": "3",
}


@pytest.hookimpl(trylast=True)  # after the order was made random
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the dialogues together that assume the same of a server: each change takes a moment."""

    def assumed(item: pytest.Function) -> str:
        script = item.callspec.params["script"]
        assert isinstance(script, Script)
        header = {**script.header, "password": "", "maildrop": ""}
        return f"{item.originalname} {item.callspec.params['way']} {sorted(header.items())}"

    places = [
        (number, item)
        for number, item in enumerate(items)
        if isinstance(item, pytest.Function) and "script" in item.fixturenames
    ]
    in_order = sorted((item for _, item in places), key=assumed)
    for (number, _), item in zip(places, in_order, strict=True):
        items[number] = item


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The demo, as `make run` starts it."""
    yield from _running(Server(tmp_path_factory.mktemp("demo") / "home", settings=NOWHERE))


@pytest.fixture(scope="session")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The demo with low limits, and no passwords without TLS."""
    yield from _running(Server(tmp_path_factory.mktemp("strict") / "home", settings=STRICT))


def _running(server: Server) -> Iterator[Server]:
    server.start()
    try:
        yield server
    finally:
        server.stop()
    server.check_traces()


@pytest.fixture
def box(server: Server) -> Box:
    """A mailbox of the demo that no other test has."""
    return server.mailbox()


_addresses = count(2)


@pytest.fixture
def source() -> str:
    """An address of this machine that no other test has: its failures count for nobody else."""
    number = next(_addresses)
    return f"127.1.{number // 250}.{number % 250 + 1}"


@pytest.fixture
def inbox(server: Server) -> Callable[[Box], list[bytes]]:
    """Read a mailbox of the demo, once so many messages are there."""

    def read(box: Box, *, at_least: int = 1) -> list[bytes]:
        return read_inbox(server, box, at_least=at_least)

    return read


def read_inbox(server: Server, box: Box, *, at_least: int = 1) -> list[bytes]:
    """Read a mailbox, once so many messages are there."""
    found = server.house.directory.login(box.login)
    assert found is not None
    mailbox = found[0]
    until(
        lambda: server.house.store.usage(mailbox.postoffice_id, mailbox.id)[0] >= at_least,
        f"{at_least} messages lie in {box.login}",
    )
    with Pop3(server.ports["pop3s"], tls=server.tls) as client:
        client.login(box.login, box.password)
        messages = client.messages()
        client.do("QUIT")
    return messages
