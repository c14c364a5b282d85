"""The scenes of `twin`: folders, mailboxes, post offices and a queue, small and large."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence

import furnish
from clients import Account, ClientError
from pop3_load import Pop3, stat
from posthouse_server import Posthouse
from smtp_load import send
from twin import Doors, Scene
from web_load import Browser, HttpMail

from appliance.operations.house import House
from appliance.store.message import Order, Use

__all__ = ["SCENES"]

_VISIBLE = 30.0


def _receive(server: Posthouse, account: Account) -> Callable[[], None]:
    """Sends a message, and returns when POP3 shows it."""
    seen = stat(server.pop3, account)

    def receive() -> None:
        nonlocal seen
        send(server.smtp, [[account.address]], size=4096, connections=1)
        seen += 1
        deadline = time.monotonic() + _VISIBLE
        while stat(server.pop3, account) < seen:
            if time.monotonic() > deadline:
                raise ClientError(f"a message was not visible within {_VISIBLE:.0f} s")
            time.sleep(0.002)

    return receive


def _console(server: Posthouse) -> Browser:
    accounts = json.loads((server.home / "demo.json").read_text())["accounts"]
    operator = next(each for each in accounts if each["role"] == "operator")
    return Browser(server.ports["web"], "console", operator["login"], operator["password"])


# ── a folder ─────────────────────────────────────────────────────────────────────────────────────


def _fill_inbox(house: House, accounts: Sequence[Account], size: int) -> None:
    mailbox = house.directory.mailbox(accounts[0].login)
    assert mailbox is not None
    furnish.put_messages(house, mailbox, size)


def _webmail(server: Posthouse) -> tuple[Browser, str]:
    """Signs the first mailbox in; returns the browser and the path of its Inbox."""
    account = server.accounts[0]
    with server.house() as house:
        mailbox = house.directory.mailbox(account.login)
        assert mailbox is not None
        inbox = house.store.mailbox(mailbox.postoffice_id, mailbox.id).special(Use.INBOX)
    browser = Browser(server.ports["web"], "webmail", account.login, account.password)
    return browser, f"/webmail/{inbox.id}/"


def _first_list(server: Posthouse) -> Doors:
    """The first list by something else than the date makes sort keys, once for each message."""
    browser, path = _webmail(server)
    browser.get(path)
    return {"webmail, the very first list by sender, s": _page(browser, f"{path}?order=sender")}


def _inbox_doors(server: Posthouse, _size: int) -> Doors:
    account = server.accounts[0]
    browser, inbox = _webmail(server)
    doors: dict[str, Callable[[], object]] = {}
    for order in Order:
        for way in ("down", "up"):
            path = f"{inbox}?order={order.value}&way={way}"
            doors[f"webmail list page by {order.value}, {way}, ms"] = _page(browser, path)
    doors["POP3 login + STAT + QUIT, ms"] = lambda: stat(server.pop3, account)
    doors["POP3 login + RETR of the last + QUIT, ms"] = lambda: _retr_last(server, account)
    doors["a message from SMTP to POP3, ms"] = _receive(server, account)
    return doors


def _page(browser: Browser, path: str) -> Callable[[], object]:
    return lambda: browser.get(path)


def _retr_last(server: Posthouse, account: Account) -> None:
    pop = Pop3(server.pop3)
    pop.login(account)
    last = int(pop.ask(b"STAT\r\n").split()[1])
    pop.sock.sendall(b"RETR %d\r\n" % last)
    octets = b""
    while not octets.endswith(b"\r\n.\r\n"):
        octets += pop.sock.recv(65536)
    pop.quit()


def _whole_lists(server: Posthouse, size: int) -> Doors:
    """What clients ask for in one piece; a thousandth of the time stands for a message's share."""
    account = server.accounts[0]
    client = HttpMail(server.ports["httpmail"], account)

    def both_lists() -> None:
        pop = Pop3(server.pop3)
        pop.login(account)
        for command in (b"LIST\r\n", b"UIDL\r\n"):
            pop.sock.sendall(command)
            end = b""
            while not end.endswith(b"\r\n.\r\n"):
                end = end[-4:] + pop.sock.recv(1 << 18)
        pop.quit()

    def listed() -> None:
        if (found := client.list_inbox()) < size:
            raise ClientError(f"HTTPMail listed {found} messages of {size}")

    return {
        "POP3 login + LIST + UIDL + QUIT, ms": both_lists,
        "HTTPMail list of the whole folder, ms": listed,
    }


# ── a queue ──────────────────────────────────────────────────────────────────────────────────────


def _fill_queue(house: House, _accounts: Sequence[Account], size: int) -> None:
    furnish.put_queue(house, size, due_s=(1800, 3600))


def _queue_doors(server: Posthouse, _size: int) -> Doors:
    console = _console(server)
    return {
        "a message from SMTP to POP3, ms": _receive(server, server.accounts[0]),
        "console: the queue, ms": _page(console, "/console/queue"),
        "console: overview, ms": _page(console, "/console/"),
        "posthouse queue list, ms": lambda: server.posthouse("queue", "list"),
        "posthouse queue count, ms": lambda: server.posthouse("queue", "count"),
        "posthouse queue destinations, ms": lambda: server.posthouse("queue", "destinations"),
    }


# ── tenants ──────────────────────────────────────────────────────────────────────────────────────


def _no_more(_house: House, _accounts: Sequence[Account], _size: int) -> None:
    """Mailboxes and post offices are there already."""


def _mailbox_doors(server: Posthouse, _size: int) -> Doors:
    console = _console(server)
    new = iter(range(10**6))
    return {
        "a message from SMTP to POP3, ms": _receive(server, server.accounts[-1]),
        "POP3 login + STAT + QUIT, ms": lambda: stat(server.pop3, server.accounts[-1]),
        "console: mailboxes, ms": _page(console, "/console/postoffices/demo/mailboxes"),
        "console: overview, ms": _page(console, "/console/"),
        "posthouse mailbox create, ms": lambda: server.posthouse(
            *("mailbox", "create", f"new{next(new)}.{time.time_ns()}@demo", "--password-stdin"),
            given=furnish.PASSWORD + "\n",
        ),
    }


def _make_stores(house: House, _accounts: Sequence[Account], _size: int) -> None:
    """Gives each post office its database: a copy of an empty one, as its first delivery makes."""
    ids = [each.id for each in house.directory.postoffices()]
    with house.databases.store(ids[0]).reader():
        pass
    house.close()
    folder = house.home / "postoffices"
    model = folder / str(ids[0])
    for each in ids[1:]:
        if not (folder / str(each)).exists():
            shutil.copytree(model, folder / str(each))


def _postoffice_doors(server: Posthouse, size: int) -> Doors:
    console = _console(server)
    new = iter(range(10**6))
    boxes = iter(server.accounts * 1000)
    return {
        "a message from SMTP to POP3, ms": _receive(server, server.accounts[-1]),
        "250 of a message to the next post office, ms": lambda: send(
            server.smtp, [[next(boxes).address]], size=4096, connections=1
        ),
        "POP3 login + STAT + QUIT, ms": lambda: stat(server.pop3, server.accounts[-1]),
        "console: post offices, ms": _page(console, "/console/postoffices"),
        "console: overview, ms": _page(console, "/console/"),
        "posthouse postoffice create, ms": lambda: server.posthouse(
            *("postoffice", "create", f"new{next(new)}.{size}.{time.time_ns()}"),
            "--password-stdin",
            given=furnish.PASSWORD + "\n",
        ),
    }


SCENES = (
    Scene(
        name="flat-pages",
        title="pages and sessions: a folder of 100,000 messages against one of 100",
        what="messages",
        sizes=(100, 100_000),
        furnish=_fill_inbox,
        doors=_inbox_doors,
        once=_first_list,
        judged=("webmail list page",),
    ),
    Scene(
        name="large-mailbox",
        title="the same at 1,000,000 messages in a mailbox",
        what="messages",
        sizes=(100, 1_000_000),
        furnish=_fill_inbox,
        doors=_inbox_doors,
        once=_first_list,
        repeats=10,
    ),
    Scene(
        name="large-lists",
        title="lists that protocols want in one piece, of 100,000 messages",
        what="messages",
        sizes=(1000, 100_000),
        furnish=_fill_inbox,
        doors=_whole_lists,
        repeats=5,
    ),
    Scene(
        name="large-queue",
        title="daily work with 1,000,000 messages in the queue",
        what="queued",
        sizes=(1000, 1_000_000),
        furnish=_fill_queue,
        doors=_queue_doors,
        repeats=5,
    ),
    Scene(
        name="large-postoffice",
        title="daily work with 10,000 mailboxes in a post office",
        what="mailboxes",
        sizes=(100, 10_000),
        furnish=_no_more,
        doors=_mailbox_doors,
        mailboxes=lambda size: size,
        repeats=5,
    ),
    Scene(
        name="large-server",
        title="daily work with 10,000 post offices",
        what="post offices",
        sizes=(100, 10_000),
        furnish=_make_stores,
        doors=_postoffice_doors,
        mailboxes=lambda size: size,
        postoffices=lambda size: size,
        repeats=5,
    ),
)
