"""Where a message's way ends: housekeeping carries out what others leave to be tidied.

The chores run in this process, on a running server's home, with a clock that may be put forward.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from appliance.agents.housekeeping.agent import do_chores
from appliance.directory import tables as directory_tables
from appliance.operations.domains import CreateDomain
from appliance.operations.house import House, read_config
from appliance.operations.mailboxes import CreateMailbox, DeleteMailbox
from appliance.operations.messages import SearchMessages
from appliance.operations.postoffices import CreatePostOffice, DeletePostOffice
from appliance.operations.queue import ListQueue
from appliance.runtime.logs import Logs
from appliance.store import tables
from tests.integration.conftest import NOWHERE, read_inbox
from tests.support.clock import SetClock
from tests.support.serving import Box, Server
from tests.support.waiting import until
from tests.support.wire import Pop3, Smtp

_HOUR_S = 3600
_DAY_S = 24 * _HOUR_S
_LARGE = b"Subject: large\r\n\r\n" + (b"x" * 78 + b"\r\n") * 3000


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose house is kept by the tests."""
    server = Server(tmp_path_factory.mktemp("kept") / "home", settings=NOWHERE)
    server.start()
    yield server
    server.stop()
    server.check_traces()


def _keep(server: Server, *, ahead_s: float = 0) -> str:
    """Do all chores, so much later; returns what they say they have done."""
    clock = SetClock(time.time_ns() // 1000)
    clock.advance(ahead_s)
    house = House(read_config(server.home), clock=clock)
    logs = Logs(server.home, "KEPT")
    do_chores(house, logs)
    logs.close()
    house.close()
    paths = sorted((server.home / "logs" / "KEPT").glob("*Debug*"))
    told = "".join(path.read_text(encoding="utf-8") for path in paths)
    for path in paths:
        path.unlink()
    assert "\tERROR\t" not in told
    return told


def _send(server: Server, content: bytes, *recipients: str) -> str:
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        client.auth(server.alice.login, server.alice.password)
        return client.message(content, *recipients).id


def _rows(server: Server, postoffice_id: int) -> dict[str, int]:
    """Count the rows of a post office's store."""
    database = server.house.databases.store(postoffice_id)
    with database.reader() as connection:
        return {
            table.name: int(connection.tuples(select(func.count()).select_from(table))[0][0])
            for table in (tables.contents, tables.folders, tables.messages)
        }


def _files(server: Server, pattern: str) -> list[Path]:
    return [path for path in server.home.glob(pattern) if path.is_file()]


def _postoffice(server: Server, name: str) -> int:
    server.perform(CreatePostOffice(postoffice=name, password="admin of a tenant"))
    server.perform(CreateDomain(domain=f"{name}.test", postoffice=name))
    found = server.house.directory.postoffice(name)
    assert found is not None
    return found.id


def test_a_deleted_mailbox_s_mail_and_rows_go_and_shared_contents_stay(kept: Server) -> None:
    postoffice = _postoffice(kept, "tenant")
    going, staying = (kept.mailbox(postoffice="tenant", domain="tenant.test") for _ in range(2))
    _send(kept, b"Subject: for both\r\n\r\n", going.address, staying.address)
    _send(kept, _LARGE, going.address)
    assert len(read_inbox(kept, going, at_least=2)) == 2
    assert len(read_inbox(kept, staying)) == 1
    assert _rows(kept, postoffice) == {"contents": 2, "folders": 10, "messages": 3}
    assert len(_files(kept, f"postoffices/{postoffice}/content/*/*")) == 1

    kept.perform(DeleteMailbox(mailbox=going.login))
    with Smtp(kept.ports["smtp"]) as client:  # at once, before anything is tidied
        client.ehlo()
        client.do("MAIL FROM:<>")
        assert client.do(f"RCPT TO:<{going.address}>").status == "5.1.1"
    with Pop3(kept.ports["pop3"], source="127.8.0.1") as pop3:
        assert pop3.login(going.login, going.password).startswith("-ERR [AUTH]")

    assert "deleted things removed" in _keep(kept)
    assert _rows(kept, postoffice) == {"contents": 1, "folders": 5, "messages": 1}
    assert not _files(kept, f"postoffices/{postoffice}/content/*/*")
    named = directory_tables.mailboxes.c.name == going.name
    with kept.house.databases.get("directory").reader() as connection:
        assert not connection.tuples(select(directory_tables.mailboxes.c.id).where(named))
    assert len(read_inbox(kept, staying)) == 1
    assert "deleted things removed" not in _keep(kept)


def test_a_mailbox_made_again_under_its_old_name_is_empty_and_its_unique_ids_are_new(
    kept: Server,
) -> None:  # RFC 1939 §7
    box = kept.mailbox()

    def uids() -> set[bytes]:
        read_inbox(kept, box)
        with Pop3(kept.ports["pop3"]) as client:
            client.login(box.login, box.password)
            return {line.split()[1] for line in client.ask("UIDL").splitlines()}

    _send(kept, b"Subject: old\r\n\r\n", box.address)
    before, second = uids(), int(time.time())
    kept.perform(DeleteMailbox(mailbox=box.login))
    kept.perform(CreateMailbox(mailbox=box.login, password=box.password))
    with Pop3(kept.ports["pop3"]) as client:
        assert client.login(box.login, box.password) == "+OK 0 messages (0 octets)"
    _keep(kept)
    until(lambda: int(time.time()) > second, "the next second, which a new folder is marked with")
    _send(kept, b"Subject: new\r\n\r\n", box.address)
    now = uids()
    assert len(now) == 1
    assert not now & before


def test_a_deleted_post_office_goes_with_everything_and_its_neighbours_stay(kept: Server) -> None:
    postoffice = _postoffice(kept, "moved")
    box, neighbour = kept.mailbox(postoffice="moved", domain="moved.test"), kept.mailbox()
    _send(kept, _LARGE, box.address, neighbour.address)
    for each in (box, neighbour):
        assert len(read_inbox(kept, each)) == 1
    folder = kept.home / "postoffices" / str(postoffice)
    assert folder.exists()
    kept.perform(DeletePostOffice(postoffice="moved"))
    with Smtp(kept.ports["smtp"]) as client:
        client.ehlo()
        client.do("MAIL FROM:<>")
        assert client.do(f"RCPT TO:<{box.address}>").code == 550
    _keep(kept)
    assert not folder.exists()
    assert len(read_inbox(kept, neighbour)) == 1
    again = _postoffice(kept, "moved")  # the name is free, the number is not given again
    assert again != postoffice


def test_files_that_a_crash_left_are_swept_after_an_hour_and_others_stay(kept: Server) -> None:
    box = kept.mailbox()
    _send(kept, _LARGE, box.address)
    read_inbox(kept, box)
    named = _files(kept, "postoffices/*/content/*/*")
    assert named
    found = kept.house.directory.postoffice("demo")
    assert found is not None
    orphans = [
        kept.home / "queues" / "content" / "ZZ" / "0123456789ABCDZZ",
        kept.home / "postoffices" / str(found.id) / "content" / "ZZ" / "0123456789ABCDZZ.0",
    ]
    for orphan in orphans:
        orphan.parent.mkdir(parents=True, exist_ok=True)
        orphan.write_bytes(b"left behind")
    assert "orphaned" not in _keep(kept, ahead_s=_HOUR_S - 60)
    assert all(path.exists() for path in (*orphans, *named))
    assert "2 orphaned content files removed" in _keep(kept, ahead_s=_HOUR_S + 60)
    assert not any(path.exists() for path in orphans)
    assert all(path.exists() for path in named)
    assert len(read_inbox(kept, box)) == 1


def _deliveries(server: Server, message_id: str) -> int:
    found = server.house.directory.postoffice("demo")
    assert found is not None
    wanted = tables.deliveries.c.id.like(f"{message_id}.%")
    with server.house.databases.store(found.id).reader() as connection:
        return len(connection.tuples(select(tables.deliveries.c.id).where(wanted)))


def test_deliveries_are_forgotten_after_an_hour_and_only_when_their_entry_is_closed(
    kept: Server,
) -> None:
    box = kept.mailbox()
    closed = _send(kept, b"Subject: closed\r\n\r\n", box.address)
    # the other recipient's server does not answer: the entry stays in the queue
    open_still = _send(kept, b"Subject: open\r\n\r\n", box.address, "dave@waits.example")
    read_inbox(kept, box, at_least=2)
    until(lambda: closed not in _queued(kept), "the entry is closed")
    assert open_still in _queued(kept)
    _keep(kept, ahead_s=_HOUR_S - 60)
    assert (_deliveries(kept, closed), _deliveries(kept, open_still)) == (1, 1)
    _keep(kept, ahead_s=_HOUR_S + 60)
    assert (_deliveries(kept, closed), _deliveries(kept, open_still)) == (0, 1)
    kept.command("queue", "remove", open_still, "--yes")
    _keep(kept, ahead_s=_HOUR_S + 60)
    assert _deliveries(kept, open_still) == 0
    assert len(read_inbox(kept, box)) == 2


def _queued(server: Server) -> set[str]:
    return {each.id for each in server.ask(ListQueue())}


def test_journeys_logs_and_throttles_are_forgotten_when_their_time_has_passed(kept: Server) -> None:
    box = kept.mailbox()
    _send(kept, b"Subject: forgotten\r\n\r\n", box.address)
    read_inbox(kept, box)
    with Pop3(kept.ports["pop3"], source="127.8.0.2") as pop3:
        pop3.login(box.login, "not the password")
    question = SearchMessages(address=box.address)
    until(lambda: kept.ask(question), "the journey is recorded")
    old = kept.home / "logs" / "SMTP" / "SMTP-Activity-200101.log"
    old.write_text("once upon a time\n", encoding="utf-8")
    os.utime(old, (0, 0))
    told = _keep(kept)
    assert "1 log files removed" in told
    assert not old.exists()
    assert list((kept.home / "logs" / "SMTP").glob("SMTP-Activity-*.log"))
    assert kept.ask(question)
    assert "journey events forgotten" in _keep(kept, ahead_s=31 * _DAY_S)
    assert not kept.ask(question)


def test_the_server_keeps_house_by_itself_when_it_starts(kept: Server) -> None:
    box: Box = kept.mailbox()
    _send(kept, b"Subject: gone\r\n\r\n", box.address)
    read_inbox(kept, box)
    kept.perform(DeleteMailbox(mailbox=box.login))
    kept.interrupt()
    kept.start()
    kept.until_logged("MTA", "Debug", "deleted things removed")
