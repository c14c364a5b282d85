"""Faults of the machine: what a client is told, what stays whole, how it goes on (RFC 5321 §4.2.5).

Every message has a subject of its own. Whatever was acknowledged is there once at the end; what was
refused is not there, but where a power cut or a restart came between.
"""

from __future__ import annotations

import fcntl
import os
import poplib
import resource
import select
import signal
import smtplib
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from appliance.upkeep.scrub import Scrub
from tests.integration.conftest import NOWHERE
from tests.support.disks import FaultyDisk, fill, fill_names, small_disk
from tests.support.serving import ONE_PROCESS, Box, Server
from tests.support.waiting import until
from tests.support.wire import Wire

_LARGE = 200 << 10  # octets: a file of its own
_DISK = 160 << 20
_SETTINGS = {**NOWHERE, **ONE_PROCESS, "smtp__min_free_mb": "0"}  # so that disks get full


class Mail:
    """Mail to one mailbox, and what became of it."""

    def __init__(self, server: Server, box: Box | None = None) -> None:
        self._server = server
        self.box = box or server.mailbox()
        self._number = 0
        self.acknowledged: list[str] = []
        self.refused: list[str] = []

    def send(self, *, size: int = 500, timeout_s: float = 30) -> int:
        """Send one message; returns the code of the last answer, 0 for none."""
        self._number += 1
        subject = f"m{self._number}"
        octets = f"Subject: {subject}\r\n\r\n".encode() + b"x" * 70 + b"\r\n"
        octets += (b"y" * 70 + b"\r\n") * (size // 72)
        port = self._server.ports["smtp"]
        code = 0
        try:
            with smtplib.SMTP("127.0.0.1", port, timeout=timeout_s) as client:
                client.sendmail("someone@example.org", [self.box.address], octets)
                code = 250
        except smtplib.SMTPRecipientsRefused as error:
            ((code, _),) = error.recipients.values()
        except smtplib.SMTPResponseException as error:
            code = error.smtp_code
        except (OSError, smtplib.SMTPServerDisconnected):
            pass
        (self.acknowledged if code == 250 else self.refused).append(subject)
        return code

    def found(self) -> Counter[str]:
        """Return the subjects in the mailbox."""
        with self.session() as client:
            count = len(client.list()[1])
            heads = [client.top(number, 0)[1] for number in range(1, count + 1)]
        names = [next(line for line in head if line.startswith(b"Subject: ")) for head in heads]
        return Counter(name.partition(b" ")[2].decode() for name in names)

    @contextmanager
    def session(self) -> Iterator[poplib.POP3]:
        """Log in and, at the end, quit."""
        client = poplib.POP3("127.0.0.1", self._server.ports["pop3"], timeout=30)
        with closing(client):
            client.user(self.box.login)
            client.pass_(self.box.password)
            yield client
            with suppress(OSError, poplib.error_proto):
                client.quit()

    def reconcile(self, *, strictly: bool = True) -> None:
        """Wait for what was acknowledged; nothing is lost, doubled or (strictly) there unasked."""
        until(
            lambda: set(self.acknowledged) <= set(self.found()),
            f"all of {self.acknowledged} are delivered",
            within_s=60,
        )
        found = self.found()
        assert max(found.values(), default=1) == 1, found
        if strictly:
            assert set(found) == set(self.acknowledged)


@contextmanager
def running(home: Path) -> Iterator[Server]:
    server = Server(home, settings=_SETTINGS)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def causes(server: Server) -> set[str]:
    """Return what `posthouse diagnose` complains of."""
    found = server.command("diagnose", "--json", check=False)
    return {word for word in ("disk", "scrub", "service", "queue") if f'"{word}.' in found.stdout}


# ── the disk is full ─────────────────────────────────────────────────────────────────────────────


def test_a_full_disk_refuses_mail_for_now_and_loses_none(tmp_path: Path) -> None:
    with small_disk(tmp_path, octets=_DISK) as disk, running(disk / "home") as server:
        mail = Mail(server)
        assert [mail.send(size=size) for size in (500, 20_000, _LARGE)] == [250, 250, 250]
        until(lambda: len(mail.found()) == 3, "they are delivered")
        fill(disk / "filler")
        codes = {mail.send(size=size) for size in (500, 20_000, 100_000, _LARGE, _LARGE) * 3}
        assert codes <= {250, 451, 452}, codes
        assert codes & {451, 452}, "the disk is not full"
        with mail.session() as client:
            assert client.retr(3)[2] > _LARGE, "what is there can be read"
        assert "disk" in causes(server)
        (disk / "filler").unlink()
        until(lambda: mail.send() == 250, "mail is taken again")
        assert mail.send(size=_LARGE) == 250
        mail.reconcile()
        assert server.perform(Scrub()).findings == []


def test_mail_can_be_deleted_while_the_disk_is_full_or_the_client_is_told(tmp_path: Path) -> None:
    with small_disk(tmp_path, octets=_DISK) as disk, running(disk / "home") as server:
        mail = Mail(server)
        assert mail.send(size=_LARGE) == 250
        until(lambda: len(mail.found()) == 1, "it is delivered")
        fill(disk / "filler")
        with mail.session() as client:
            client.dele(1)
            client.sock.sendall(b"QUIT\r\n")
            answer = client.file.readline()
        deleted = answer.startswith(b"+OK")
        assert deleted or answer.startswith(b"-ERR [SYS/TEMP]"), answer
        assert len(mail.found()) == (0 if deleted else 1)
        (disk / "filler").unlink()
        until(lambda: mail.send() == 250, "mail is taken again")


def test_mail_leaves_a_reserve_in_which_people_read_and_delete(tmp_path: Path) -> None:
    with small_disk(tmp_path, octets=_DISK) as disk, running(disk / "home") as server:
        mail = Mail(server)
        assert mail.send(size=_LARGE) == 250
        until(lambda: len(mail.found()) == 1, "it is delivered")
        fill(disk / "filler", leave=20 << 20)
        assert mail.send() == 250
        server.set(smtp__min_free_mb="30")
        until(lambda: mail.send() == 452, "mail is refused")
        who = ("--from", "a@b.example", "--to", mail.box.address, "--client", "192.0.2.1")
        assert "storage.reserve" in server.command("explain", "deliver", *who, check=False).stdout
        assert "disk" in causes(server)
        mail.acknowledged.remove("m1")
        with mail.session() as client:
            assert client.retr(1)[2] > _LARGE
            client.dele(1)
        assert "m1" not in mail.found()
        (disk / "filler").unlink()
        until(lambda: mail.send() == 250, "mail is taken again")
        mail.reconcile()


def test_without_inodes_small_mail_goes_on_and_large_mail_waits(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path, octets=_DISK, inodes=700) as disk,
        running(disk / "home") as server,
    ):
        mail = Mail(server)
        assert [mail.send(), mail.send(size=_LARGE)] == [250, 250]
        until(lambda: len(mail.found()) == 2, "they are delivered")
        fill_names(disk / "names")
        assert mail.send(size=_LARGE) == 452
        assert mail.send() == 250
        for path in (disk / "names").iterdir():
            path.unlink()
        assert mail.send(size=_LARGE) == 250
        mail.reconcile()


# ── the disk fails ───────────────────────────────────────────────────────────────────────────────


def test_nothing_is_acknowledged_while_writes_fail(tmp_path: Path) -> None:
    with FaultyDisk(tmp_path, octets=_DISK) as disk:
        home = disk.place / "home"
        with running(home) as server:
            mail = Mail(server)
            assert [mail.send(), mail.send(size=_LARGE)] == [250, 250]
            until(lambda: len(mail.found()) == 2, "they are delivered")
            disk.fail("pwrite")
            codes = [mail.send(size=size) for size in (500, _LARGE, 500, 20_000)]
            assert 250 not in codes, codes
            disk.heal()  # a file system that could not write its log stays read-only
            assert 250 not in {mail.send(), mail.send(size=_LARGE)}
            try:
                assert set(mail.found()) == set(mail.acknowledged)
            except poplib.error_proto as error:
                assert "[SYS/TEMP]" in str(error)  # noqa: PT017 - one of two ways
        disk.unmount()
        disk.mount()
        server = Server(home)
        server.start()
        try:
            again = Mail(server, mail.box)
            again.acknowledged = mail.acknowledged
            again._number = 100  # noqa: SLF001 - subjects of their own
            assert again.send() == 250
            again.reconcile(strictly=False)
            assert server.perform(Scrub()).findings == []
        finally:
            server.stop()


def test_nothing_is_acknowledged_while_syncs_fail(tmp_path: Path) -> None:
    with running(tmp_path / "home") as server:
        mail = Mail(server)
        assert [mail.send(), mail.send(size=_LARGE)] == [250, 250]
        with syncs_failing(server.service("smtp")):
            codes = [mail.send(size=size) for size in (500, _LARGE, 20_000, 500)]
        assert set(codes) <= {451, 452}, codes
        server.until_logged("SMTP", "Debug", "was not accepted")
        assert [mail.send(), mail.send(size=_LARGE)] == [250, 250]
        mail.reconcile()
        assert server.perform(Scrub()).findings == []


@contextmanager
def syncs_failing(pid: int) -> Iterator[None]:
    """Have each fsync(2) and fdatasync(2) of a process fail with EIO."""
    calls = "fsync,fdatasync"
    inject = ("-e", f"trace={calls}", "-e", f"inject={calls}:error=EIO")
    words = ("strace", "-f", "-qq", "-o", "/dev/null", *inject, "-p", str(pid))
    with subprocess.Popen(words, stdin=subprocess.DEVNULL) as tracer:
        traced = f"TracerPid:\t{tracer.pid}\n"
        threads = Path(f"/proc/{pid}/task")
        until(
            lambda: all(traced in (each / "status").read_text() for each in threads.iterdir()),
            "strace has all of its threads",
        )
        try:
            yield
        finally:
            tracer.terminate()


def test_what_is_acknowledged_after_syncs_have_failed_survives_a_power_cut(tmp_path: Path) -> None:
    """The kernel takes pages for written that a failed sync has not written (`renew`)."""
    with (
        FaultyDisk(tmp_path, octets=_DISK, spares_journal=True) as disk,
        running(disk.place / "home") as server,
    ):
        mail = Mail(server)
        assert mail.send() == 250
        until(lambda: len(mail.found()) == 1, "it is delivered")
        with stopped(server.service("mta")):  # what comes now is in the queue only
            disk.fail("pwrite")
            assert mail.send() == 451
            disk.heal()
            assert mail.send() == 250
            with disk.power_cut(tmp_path / "cut") as place, running(place / "home") as later:
                again = Mail(later, mail.box)
                again.acknowledged = mail.acknowledged
                again.reconcile()


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Have a process stand still."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_slow_disk_makes_senders_wait_and_nobody_else(tmp_path: Path) -> None:
    with FaultyDisk(tmp_path, octets=_DISK) as disk, running(disk.place / "home") as server:
        mail = Mail(server)
        assert mail.send() == 250
        until(lambda: len(mail.found()) == 1, "it is delivered")
        disk.slow_down(4)
        with mail.session() as reader, Wire(server.ports["smtp"]) as sender:
            sender.line()
            for words, code in (
                (b"HELO client.example", b"250"),
                (b"MAIL FROM:<someone@example.org>", b"250"),
                (f"RCPT TO:<{mail.box.address}>".encode(), b"250"),
                (b"DATA", b"354"),
            ):
                sender.send(words + b"\r\n")
                assert sender.line().startswith(code)
            sender.send(b"Subject: slow\r\n\r\nx\r\n.\r\n")
            for _ in range(20):
                assert reader.retr(1)[0].startswith(b"+OK")
            heard, _, _ = select.select([sender.socket], [], [], 0)
            assert not heard, "twenty messages were read before one was synced"
            disk.slow_down(0)
            assert sender.line().startswith(b"250")
        mail.acknowledged.append("slow")
        mail.reconcile()


# ── the database ─────────────────────────────────────────────────────────────────────────────────


def test_a_locked_queue_makes_senders_wait_then_tells_them_to_come_again(tmp_path: Path) -> None:
    with running(tmp_path / "home") as server:
        mail = Mail(server)
        assert mail.send() == 250
        queue = server.home / "queues" / "queue.db"
        with closing(sqlite3.connect(queue, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            assert mail.send() == 451
            other.execute("ROLLBACK")
        assert mail.send() == 250
        with queue.with_name("queue.db.lock").open("r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            assert mail.send(timeout_s=2) == 0, "it waits for its turn"
        assert mail.send() == 250
        mail.reconcile(
            strictly=False
        )  # who did not wait for the answer may have sent it all the same


def test_a_damaged_tenant_costs_no_other_one_anything(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running(home) as server:
        server.set(retry__first="1s")
        server.command("postoffice", "create", "other", "--password-stdin", given="pass word-1\n")
        server.command("domain", "create", "other.test", "--postoffice", "other")
        hurt = Mail(server)
        well = Mail(server, server.mailbox(postoffice="other", domain="other.test"))
        assert [hurt.send(), well.send()] == [250, 250]
        hurt.reconcile()
        well.reconcile()
        number = next(
            each.id for each in server.house.directory.postoffices() if each.name == "demo"
        )
        server.stop()
        path = home / "postoffices" / str(number) / "mail.db"
        whole = path.read_bytes()
        path.write_bytes(whole[:16384] + b"\x5a" * (len(whole) - 16384))
        server.start()
        assert hurt.send() in {250, 451}, "it waits in the queue, or at its sender"
        assert well.send() == 250
        well.reconcile()
        with pytest.raises((poplib.error_proto, OSError)):
            hurt.found()
        assert server.perform(Scrub()).left
        assert "scrub" in causes(server)
        server.stop()
        path.write_bytes(whole)  # as from a backup
        server.start()
        assert hurt.send() == 250
        hurt.reconcile()


# ── the processes ────────────────────────────────────────────────────────────────────────────────


def test_without_descriptors_clients_wait_and_are_served_later(tmp_path: Path) -> None:
    with running(tmp_path / "home") as server:
        mail = Mail(server)
        assert mail.send() == 250
        pid = server.service("smtp")
        server.until_logged("SMTP", "Debug", "the service smtp starts")  # its log is open
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))  # those that are open stay
        assert mail.send(timeout_s=3) in {0, 421, 451, 452}
        server.until_logged("SMTP", "Debug", "no connection can be accepted")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        assert until(mail.send, "mail is taken again", within_s=30) == 250
        mail.reconcile(strictly=False)


def test_without_memory_a_message_is_refused_and_the_service_goes_on(tmp_path: Path) -> None:
    with running(tmp_path / "home") as server:
        server.set(smtp__max_message_kb="40000")
        mail = Mail(server)
        assert mail.send() == 250
        pid = server.service("smtp")
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[0])
        resource.prlimit(
            pid, resource.RLIMIT_AS, (pages * 4096 + (2 << 20), resource.RLIM_INFINITY)
        )
        codes = {mail.send(size=size) for size in (500, 120_000, 20 << 20, 500)}
        assert codes <= {0, 250, 421, 451, 452}, codes
        with suppress(ProcessLookupError):  # it may have been started again
            resource.prlimit(pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
        assert until(mail.send, "mail is taken again", within_s=30) == 250
        mail.reconcile(strictly=False)
