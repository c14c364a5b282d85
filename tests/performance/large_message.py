"""The row `large-message`: peak memory of each service while 49 MiB in a message go through it.

Against one of 4 MiB: where memory is bounded, both peaks are about alike. The message has a text
and one attachment; it comes in and out by every way there is.
"""

from __future__ import annotations

import base64
import contextlib
import os
import pathlib
import smtplib
import time
from collections.abc import Callable

from clients import SENDER, Account
from furnish import PASSWORD
from plan import Plan
from pop3_load import Pop3, stat
from result import Measure, Result
from server import wait_until
from sink import PosthouseRelay
from web_load import Browser, HttpMail

from appliance.store.message import Order, Use

__all__ = ["AGAINST", "GOALS", "NAME", "TITLE", "run"]

NAME = "large-message"
TITLE = "peak memory while a message of 49 MiB comes in and goes out"
AGAINST = "a message of 4 MiB"
GOALS = "-"
_MIB = 1 << 20
_SIZES = (4 * _MIB, 49 * _MIB)  # the default limit is 50 MiB
_LOCAL = Account("m1@demo", "m1@demo.test", PASSWORD)


def _letter(size: int) -> bytes:
    """Returns a message with a text and an attachment, of `size` octets in all."""
    head = (
        f"From: <{SENDER}>\r\nTo: <{_LOCAL.address}>\r\nSubject: {size} octets\r\n"
        "Date: Thu, 01 Jan 2026 00:00:00 +0000\r\nMessage-Id: <large.bench@sender.test>\r\n"
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=bench\r\n\r\n"
        "--bench\r\nContent-Type: text/plain\r\n\r\nSee the attachment.\r\n"
        "--bench\r\nContent-Type: application/octet-stream\r\n"
        "Content-Disposition: attachment; filename=large.bin\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n"
    ).encode()
    end = b"--bench--\r\n"
    octets = base64.encodebytes(os.urandom((size - len(head) - len(end)) // 78 * 57))
    return head + octets.replace(b"\n", b"\r\n") + end


class _Peaks:
    """The highest memory of each service since the last `forget`, by the kernel's own mark."""

    def __init__(self, server: PosthouseRelay) -> None:
        self._services: dict[str, list[int]] = {}
        for path in (server.home / "run/metrics").iterdir():
            words = path.name.split(".")
            self._services.setdefault(words[0], []).append(int(words[-1]))

    def forget(self) -> None:
        """Sets every mark back to what the process has now (proc(5), clear_refs)."""
        for pids in self._services.values():
            for pid in pids:
                with contextlib.suppress(OSError):
                    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")

    def mib(self, service: str) -> float:
        """Returns the highest mark of a service's processes."""
        return max(_high_water_mib(pid) for pid in self._services[service])


def _high_water_mib(pid: int) -> float:
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next(int(x.split()[1]) for x in text.splitlines() if x.startswith("VmHWM:")) / 1024


class _Ways:
    """Each way in and out, with the services that it goes through."""

    def __init__(self, server: PosthouseRelay, size: int) -> None:
        self._server = server
        self._octets = _letter(size)
        self._size = len(self._octets)
        self.all: dict[str, tuple[tuple[str, ...], Callable[[], None]]] = {
            "SMTP in, delivered": (("smtp", "mta"), self._receive),
            "POP3 RETR": (("pop3",), self._retr),
            "webmail, read and attachment fetched": (("web",), self._read),
            "HTTPMail GET": (("httpmail",), self._get),
            "SMTP in, relayed": (("smtp", "mta", "sender"), self._relay),
        }

    def _send(self, address: str) -> None:
        with smtplib.SMTP(*self._server.smtp, timeout=60) as client:
            client.sendmail(SENDER, [address], self._octets)

    def _receive(self) -> None:
        before = stat(self._server.pop3, _LOCAL)
        self._send(_LOCAL.address)
        wait_until(lambda: stat(self._server.pop3, _LOCAL) > before, "delivered", pause=0.02)

    def _relay(self) -> None:
        before = self._server.delivered()
        self._send(self._server.accounts[0].address)
        wait_until(lambda: self._server.delivered() > before, "relayed", pause=0.02)

    def _retr(self) -> None:
        pop = Pop3(self._server.pop3)
        pop.login(_LOCAL)
        last = int(pop.ask(b"STAT\r\n").split()[1])
        pop.sock.sendall(b"RETR %d\r\n" % last)
        octets, end = 0, b""
        while not end.endswith(b"\r\n.\r\n"):
            chunk = pop.sock.recv(1 << 18)
            octets += len(chunk)
            end = end[-4:] + chunk[-5:]
        if octets < self._size:
            raise OSError(f"RETR gave {octets} octets of {self._size}")
        pop.quit()

    def _read(self) -> None:
        server = self._server
        with server.house() as house:
            mailbox = house.directory.mailbox(_LOCAL.login)
            assert mailbox is not None
            store = house.store.mailbox(mailbox.postoffice_id, mailbox.id)
            inbox = store.special(Use.INBOX)
            page = store.page(inbox.id, order=Order.DATE, descending=True, most=1)
            uid = page.messages[0].uid
        browser = Browser(server.ports["web"], "webmail", _LOCAL.login, _LOCAL.password)
        browser.get(f"/webmail/{inbox.id}/{uid}")
        if len(browser.get(f"/webmail/{inbox.id}/{uid}/part/2")) < self._size // 2:
            raise OSError("the attachment came short")

    def _get(self) -> None:
        client = HttpMail(self._server.ports["httpmail"], _LOCAL)
        if len(client.get(client.last())) < self._size:
            raise OSError("HTTPMail gave less than the message")


def run(plan: Plan) -> Result:
    """Measures the row.

    Raises:
        ClientError, ServerError, OSError: no result came about.
    """
    values: dict[str, tuple[list[float], list[float]]] = {}

    def note(label: str, side: int, value: float) -> None:
        values.setdefault(label, ([], []))[side].append(round(value, 3))

    for number in range(1, plan.pairs + 1):
        for side, size in enumerate(_SIZES):
            home = plan.work / f"{number}-{side}"
            home.mkdir()
            with PosthouseRelay(home, 1) as server:
                ways = _Ways(server, round(size * min(plan.scale, 1)))
                peaks = _Peaks(server)
                for label, (services, way) in ways.all.items():
                    peaks.forget()
                    begin = time.perf_counter()
                    way()
                    note(f"{label}, s", side, time.perf_counter() - begin)
                    for service in services:
                        note(f"{label}: peak of {service}, MiB", side, peaks.mib(service))
                described = server.describe()
        plan.say(f"  round {number} done\n")
    return Result(
        row=NAME,
        title=TITLE,
        sides=("4 MiB", "49 MiB"),
        measures=[
            Measure(
                name="".join(c if c.isalnum() else "_" for c in label),
                label=label,
                peer=both[0],
                ours=both[1],
            )
            for label, both in values.items()
        ],
        details={
            "order": "each round: a fresh server for each size; the ways in their order; peaks are "
            "the processes' VmHWM, set back before each way",
            "posthouse": described,
        },
    )
