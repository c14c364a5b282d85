"""Large messages and large maildrops go through in small memory (PERFORMANCE; CHECKLIST 216)."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.database.content import Content
from appliance.store.message import Delivery
from tests.support.memory import Peak
from tests.support.serving import Box, Server
from tests.support.waiting import until
from tests.support.wire import Pop3, Smtp

_MIB = 1 << 20
_SIZE = 40 * _MIB
_GROWTH_KIB = 32 << 10
# Lines with dots at their beginning, whose borders fall differently in every block.
_PIECE = b"".join(
    b"." * (number % 4) + b"%06d " % number + b"x" * (number % 70) + b"\r\n"
    for number in range(999)
)


def _pieces() -> Iterator[bytes]:
    yield b"Subject: large\r\n\r\n"
    for _ in range(_SIZE // len(_PIECE)):
        yield _PIECE


def _send_large(server: Server, *boxes: Box) -> None:
    with Smtp(server.ports["smtp"]) as client:
        client.ehlo()
        client.do("MAIL FROM:<carol@example.org>")
        for box in boxes:
            client.do(f"RCPT TO:<{box.address}>")
        client.do("DATA")
        for piece in _pieces():
            client.send((b"\r\n" + piece).replace(b"\r\n.", b"\r\n..")[2:])
        client.send(b".\r\n")
        assert client.answer().code == 250


def _wait_for_mail(server: Server, box: Box) -> None:
    found = server.house.directory.login(box.login)
    assert found is not None
    owner = (found[0].postoffice_id, found[0].id)
    until(lambda: server.house.store.usage(*owner)[0] == 1, f"it lies in {box.login}", within_s=30)


def test_forty_mebibytes_in_and_out_take_little_memory_in_every_process(
    server: Server, files_before: set[Path]
) -> None:
    boxes = [server.mailbox(), server.mailbox()]
    services = ("smtp", "mta", "pop3")
    peak = Peak(server, *services)
    _send_large(server, *boxes)
    whole = hashlib.sha256(b"".join(_pieces())).hexdigest()
    for box in boxes:
        _wait_for_mail(server, box)
        with Pop3(server.ports["pop3"]) as client:
            client.login(box.login, box.password)
            octets = client.ask("RETR 1")
            assert client.do("LIST 1") == f"+OK 1 {len(octets)}"
            head, _, body = octets.partition(b"Subject: large\r\n")
            assert hashlib.sha256(b"Subject: large\r\n" + body).hexdigest() == whole
            assert client.ask("TOP 1 3") == head + b"Subject: large\r\n" + _first_lines(body)
            client.do("DELE 1")
            client.do("QUIT")
    for service, growth in peak.growth_kib().items():
        assert growth < _GROWTH_KIB, service
    until(lambda: _files(server) == files_before, "the files go with the last copy")


def _first_lines(body: bytes) -> bytes:
    return b"".join(body.splitlines(keepends=True)[:4])


def _files(server: Server) -> set[Path]:
    folders = ("queues/content", "postoffices/*/content")
    found = (path for each in folders for path in server.home.glob(f"{each}/*/*"))
    return {path for path in found if path.is_file()}


@pytest.fixture
def files_before(server: Server) -> set[Path]:
    """The content files that other tests have left."""
    return _files(server)


def test_a_large_content_of_several_recipients_is_one_file(
    server: Server, files_before: set[Path]
) -> None:
    boxes = [server.mailbox() for _ in range(3)]
    _send_large(server, *boxes)
    for box in boxes:
        _wait_for_mail(server, box)
    made = _files(server) - files_before
    assert len({path.stat().st_ino for path in made}) == 1
    for box in boxes:
        with Pop3(server.ports["pop3"]) as client:
            client.login(box.login, box.password)
            client.do("DELE 1")
            assert client.do("QUIT").startswith("+OK")
    until(lambda: _files(server) == files_before, "the files go with the last copy")


def test_several_large_messages_at_the_same_time_take_little_memory(
    server: Server, files_before: set[Path]
) -> None:
    boxes = [server.mailbox() for _ in range(4)]
    _log_in_once(server, *boxes)
    peak = Peak(server, "smtp", "mta", "pop3")
    for job in (_send_large, _read_large):
        threads = [threading.Thread(target=job, args=(server, box)) for box in boxes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        for box in boxes if job is _send_large else ():
            _wait_for_mail(server, box)
    for service, growth in peak.growth_kib().items():
        assert growth < _GROWTH_KIB, service
    until(lambda: _files(server) == files_before, "the files go with the last copy")


def _log_in_once(server: Server, *boxes: Box) -> None:
    """Have the passwords known: to verify one takes 19 MiB for a moment."""
    for box in boxes:
        with Pop3(server.ports["pop3"]) as client:
            client.login(box.login, box.password)


def _read_large(server: Server, box: Box) -> None:
    with Pop3(server.ports["pop3"]) as client:
        client.login(box.login, box.password)
        assert len(client.ask("RETR 1")) > _SIZE - _MIB
        client.do("DELE 1")
        client.do("QUIT")


def test_a_reader_that_stops_in_a_large_message_holds_up_nobody(server: Server) -> None:
    box = server.mailbox()
    _send_large(server, box)
    _wait_for_mail(server, box)
    _log_in_once(server, box, server.alice)
    peak = Peak(server, "pop3")
    with Pop3(server.ports["pop3"]) as slow, Pop3(server.ports["pop3"]) as other:
        slow.login(box.login, box.password)
        slow.send(b"RETR 1\r\n")
        assert slow.line().startswith(b"+OK")
        other.login(server.alice.login, server.alice.password)
        for _ in range(100):
            assert other.do("NOOP") == "+OK"
        assert len(slow.until_dot()) > _SIZE - _MIB
        slow.do("DELE 1")
        slow.do("QUIT")
    assert peak.growth_kib()["pop3"] < 8 << 10


def test_a_client_that_sends_commands_and_reads_no_answer_takes_little_memory(
    server: Server,
) -> None:  # RFC 2920 §3.2
    peak = Peak(server, "smtp")
    with Smtp(server.ports["smtp"]) as client:
        client.socket.settimeout(1)
        with pytest.raises(OSError, match=r"timed out|reset|pipe"):  # it listens no more
            client.send(b"EHLO client.example\r\n" * 1_000_000)
        with Smtp(server.ports["smtp"]) as other:
            assert other.do("NOOP").code == 250
        client.reset()
    assert peak.growth_kib()["smtp"] < _GROWTH_KIB


@pytest.fixture
def many(server: Server) -> Box:
    """A mailbox with twenty thousand messages."""
    box = server.mailbox()
    found = server.house.directory.login(box.login)
    assert found is not None
    content = Content(18, b"Subject: one\r\n\r\n\r\n", None)
    for start in range(0, 20_000, 5000):
        server.house.store.deliver(
            found[0].postoffice_id,
            [
                Delivery(
                    id=f"{box.name}-{number}.0", entry_id=f"{box.name}-{number}",
                    mailbox_id=found[0].id, content=content, of=1, prefix=b"", summary="{}",
                )
                for number in range(start, start + 5000)
            ],
        )  # fmt: skip
    return box


def test_a_maildrop_of_twenty_thousand_messages_is_listed_and_cleared(
    server: Server, many: Box
) -> None:
    with Pop3(server.ports["pop3"]) as client:
        assert client.login(many.login, many.password) == "+OK 20000 messages (360000 octets)"
        assert len(client.ask("LIST").splitlines()) == 20_000
        uids = {line.split()[1] for line in client.ask("UIDL").splitlines()}
        assert len(uids) == 20_000
        assert client.ask("RETR 20000") == b"Subject: one\r\n\r\n\r\n"
        writer = threading.Thread(
            target=client.send, args=(b"".join(b"DELE %d\r\n" % n for n in range(1, 20_001)),)
        )
        writer.start()
        assert [client.line()[:3] for _ in range(20_000)] == [b"+OK"] * 20_000
        writer.join(10)
        assert client.do("STAT") == "+OK 0 0"
        assert client.ask("LIST") == b""
        assert client.do("QUIT").startswith("+OK")
    with Pop3(server.ports["pop3"]) as client:
        assert client.login(many.login, many.password) == "+OK 0 messages (0 octets)"
