"""The row `large-message`: peak memory of each service while 50 MiB in a message go through it.

Against one of 4 MiB: where memory is bounded, both peaks are about alike. The message has a text
and one attachment; it comes in and out by every way there is. What webmail sends has the largest
attachment that fits into a message of that size.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import os
import pathlib
import smtplib
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import profiling
from clients import SENDER, Account
from furnish import PASSWORD
from plan import Plan
from pop3_load import Pop3, stat
from result import Measure, Result
from server import Watch, wait_until
from sink import PosthouseRelay
from web_load import Browser, HttpMail

from appliance.store.message import Order, Use

__all__ = ["AGAINST", "GOALS", "NAME", "TITLE", "look", "run"]

NAME = "large-message"
TITLE = "peak memory while a message of 50 MiB comes in and goes out"
AGAINST = "a message of 4 MiB"
GOALS = "-"
_MIB = 1 << 20
_SIZES = (4 * _MIB, 50 * _MIB)  # the larger is the default limit
_BASE64 = 1.37  # what webmail reckons that encoding adds
_LOOK_S = 0.002  # between two looks at what a process has of its own
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
    whole = head + octets.replace(b"\n", b"\r\n") + end
    return whole + b"\r\n".rjust(size - len(whole), b".") if size - len(whole) > 1 else whole


class _Peaks:
    """The highest memory of each service since the last `forget`, by the kernel's own mark.

    That counts pages of files that are mapped, too, which the kernel takes back when it needs them.
    What a process has of its own (RssAnon) has no mark: it is looked at again and again.
    """

    def __init__(self, server: PosthouseRelay) -> None:
        self._services: dict[str, list[int]] = {}
        for path in (server.home / "run/metrics").iterdir():
            words = path.name.split(".")
            self._services.setdefault(words[0], []).append(int(words[-1]))
        self._own: dict[str, float] = {}

    def forget(self) -> None:
        """Sets every mark back to what the process has now (proc(5), clear_refs)."""
        for pids in self._services.values():
            for pid in pids:
                with contextlib.suppress(OSError):
                    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")

    def mib(self, service: str) -> float:
        """Returns the highest mark of a service's processes."""
        return self._highest(service, "VmHWM:")

    def own_mib(self, service: str) -> float:
        """Returns the most that one of a service's processes was seen to have of its own."""
        return self._own[service]

    @contextlib.contextmanager
    def watching(self, services: Sequence[str]) -> Iterator[None]:
        """Forgets what was, and looks at some services while the body runs."""
        self.forget()
        self._own = dict.fromkeys(services, 0.0)
        done = threading.Event()

        def look() -> None:
            while not done.wait(_LOOK_S):
                for each in services:
                    self._own[each] = max(self._own[each], self._highest(each, "RssAnon:"))

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _highest(self, service: str, field: str) -> float:
        return max(_mib(pid, field) for pid in self._services[service])


def _mib(pid: int, field: str) -> float:
    """Returns a size of a process (proc(5), status); 0 when it has ended."""
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next(int(x.split()[1]) for x in text.splitlines() if x.startswith(field)) / 1024


class _Ways:
    """Each way in and out, with the services that it goes through."""

    def __init__(self, server: PosthouseRelay, size: int) -> None:
        self._server = server
        self._octets = _letter(size)
        self._size = len(self._octets)
        self._numbers = itertools.count(1)
        self.all: dict[str, tuple[tuple[str, ...], Callable[[], None]]] = {
            "SMTP in, delivered": (("smtp", "mta"), self._receive),
            "POP3 RETR": (("pop3",), self._retr),
            "webmail, read and attachment fetched": (("web",), self._read),
            "webmail, letter with attachment sent": (("web", "mta", "sender"), self._write),
            "HTTPMail GET": (("httpmail",), self._get),
            "HTTPMail PUT": (("httpmail",), self._put),
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

    def _write(self) -> None:
        server, before = self._server, self._server.delivered()
        browser = Browser(server.ports["web"], "webmail", _LOCAL.login, _LOCAL.password)
        browser.send_letter(
            sender=_LOCAL.address,
            to=server.accounts[0].address,
            attachment=os.urandom(int((self._size - _MIB // 16) / _BASE64)),
        )
        wait_until(lambda: server.delivered() > before, "relayed", pause=0.02)

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

    def _put(self) -> None:
        HttpMail(self._server.ports["httpmail"], _LOCAL).put(
            f"large{next(self._numbers)}.eml", self._octets
        )


def look(plan: Plan) -> profiling.Profile:
    """Profiles a large message's ways in and out.

    Raises:
        ProfileError, ClientError, ServerError, OSError: no profile came about.
    """
    home = plan.work / "large"
    home.mkdir()
    with PosthouseRelay(home, 1) as server:
        ways = _Ways(server, round(_SIZES[1] * min(plan.scale, 1)))

        def work(watch: Watch) -> None:
            with watch(server):
                for _, way in ways.all.values():
                    way()

        return profiling.profile(work)


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
                    with peaks.watching(services):
                        begin = time.perf_counter()
                        way()
                        note(f"{label}, s", side, time.perf_counter() - begin)
                    for service in services:
                        note(f"{label}: peak of {service}, MiB", side, peaks.mib(service))
                        own = f"{label}: of {service} its own, MiB"
                        note(own, side, peaks.own_mib(service))
                described = server.describe()
        plan.say(f"  round {number} done\n")
    return Result(
        row=NAME,
        title=TITLE,
        sides=("4 MiB", "50 MiB"),
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
            "the processes' VmHWM, set back before each way; their own is RssAnon, looked at "
            "every 2 ms",
            "posthouse": described,
        },
    )
