"""Open every message of some folders or archives in webmail: each must show, and none may run.

    .venv/bin/python tools/open_corpus.py [--browser N] PATH...

PATH is a folder, a tar archive of any compression, or one message. The messages are filed in a
mailbox of a home made for it. Each is listed, opened, shown as text, with and without images from
elsewhere; its fields, its source and every part are fetched. With `--browser` N of them, or `all`,
are also opened in Chromium, which must not complain, ask, or send a request anywhere else.
"""

from __future__ import annotations

import argparse
import logging
import random
import re
import sys
import tarfile
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import ConsoleMessage, Dialog, Page, Request, sync_playwright
from werkzeug.serving import make_server

from appliance.mail import mime
from appliance.mail.part import walk
from appliance.operations.domains import CreateDomain
from appliance.operations.house import House, read_config
from appliance.operations.mailboxes import CreateMailbox
from appliance.operations.operation import Call, Change, perform
from appliance.operations.postoffices import CreatePostOffice
from appliance.operations.settings import ChangeSetting
from appliance.rules.access import Actor, ActorKind
from appliance.runtime.logs import Logs
from appliance.store.mailbox import MailboxStore
from appliance.store.message import Use
from webadmin.app import create_app
from webadmin.mail.content import number_of

_LOGIN, _PASSWORD = "reader@corpus", "as long as it takes"
_CALL = Call(Actor(ActorKind.SERVICE, "corpus"), "tool")
_MOST_OCTETS = 64 << 20
_CSRF = re.compile(r'name="csrf" value="([0-9a-f]+)"')
_MORE = re.compile(r'id="more"><a href="([^"]+)"')
_ROW = re.compile(r'data-uid="(\d+)"')
_RUNS = re.compile(
    rb"<(?:script|iframe|object|embed|form|meta|link|base|svg)\b|<[^>]+\son\w+\s*=|=[\"'\s]*javascript:",
    re.IGNORECASE,
)
_BODY = re.compile(rb"<body[^>]*>(.*)</body>", re.DOTALL)


def main() -> int:
    """Open all; the exit code is 1 when something went wrong."""
    options = _options()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="corpus-") as folder, _home(Path(folder)) as house:
        names = _file_all(house, options.paths)
        logs = Logs(house.home, "WEB")
        app = create_app(house, logs)
        wrong = _Opening(app, house, names).run()
        if options.browser and names:
            wrong += _look(app, names, options.browser)
        logs.close()
    for each in wrong:
        print(f"WRONG {each}")
    print(f"{len(names)} messages, {len(wrong)} wrong")
    return 1 if wrong or not names else 0


class _Opening:
    """Asks for every page of every message, as a browser would."""

    def __init__(self, app: Flask, house: House, names: dict[int, str]) -> None:
        self._client: FlaskClient = app.test_client()
        self._box, self._inbox = _inbox(house)
        self._names = names
        self._wrong: list[str] = []
        self._count: Counter[str] = Counter()
        self._slowest = (0.0, "")

    def run(self) -> list[str]:
        """Return what went wrong."""
        page = self._get("sign in", "/webmail/login")
        proof = _CSRF.search(page.decode())
        assert proof
        form = {"csrf": proof[1], "user": _LOGIN, "password": _PASSWORD}
        self._client.post("/webmail/login", data=form, base_url="https://corpus.test")
        self._list()
        for uid in self._names:
            self._open(uid)
        print("answers:", ", ".join(f"{count} {what}" for what, count in self._count.items()))
        print(f"slowest: {self._slowest[1]} in {self._slowest[0]:.2f} s")
        return self._wrong

    def _list(self) -> None:
        found: set[str] = set()
        address = f"/webmail/{self._inbox}/"
        while address:
            page = self._get("list", address).decode()
            found.update(_ROW.findall(page))
            more = _MORE.search(page)
            address = more[1].replace("&amp;", "&") if more else ""
        if len(found) != len(self._names):
            self._wrong.append(f"{len(found)} of {len(self._names)} messages are listed")

    def _open(self, uid: int) -> None:
        here = f"/webmail/{self._inbox}/{uid}"
        self._get("message", here, uid)
        self._get("as text", f"{here}?plain=1", uid)
        for what, address in (("body", f"{here}/body"), ("with images", f"{here}/body?images=1")):
            document = _BODY.search(self._get(what, address, uid))
            runs = _RUNS.search(document[1]) if document else None
            if document is None or runs:
                self._wrong.append(f"{self._names[uid]}: {what} holds {runs and runs[0]!r}")
        self._get("fields", f"{here}/fields", uid)
        message = self._box.message(self._inbox, uid)
        assert message is not None
        if self._get("source", f"{here}/source", uid) != message.read():
            self._wrong.append(f"{self._names[uid]}: the source is not what was filed")
        self._get("archive", f"{here}/all.zip", uid, also=404)
        for part in walk(mime.parse(message.content.read())):
            self._get("part", f"{here}/part/{number_of(part)}?show=1", uid)
            if part.type == "message/rfc822" and part.children:
                self._get("inside", f"{here}?inside={number_of(part)}", uid)
                self._get("inside", f"{here}/body?inside={number_of(part)}", uid)

    def _get(self, what: str, address: str, uid: int = 0, also: int = 200) -> bytes:
        begun = time.monotonic()
        answer = self._client.get(address, base_url="https://corpus.test")
        octets: bytes = answer.data
        took = time.monotonic() - begun
        self._slowest = max(self._slowest, (took, f"{what} of {self._names.get(uid, address)}"))
        self._count[what] += 1
        if answer.status_code not in (200, also):
            self._wrong.append(f"{self._names.get(uid, address)}: {what} is {answer.status_code}")
        policy = answer.headers.get("Content-Security-Policy", "")
        is_ours = what in ("sign in", "list", "message", "as text", "fields")
        is_page = (
            is_ours or answer.status_code != 200 or (what == "inside" and "/body" not in address)
        )
        if not is_page and "sandbox" not in policy:
            self._wrong.append(f"{self._names.get(uid, address)}: {what} has no sandbox")
        return octets


def _look(app: Flask, names: dict[int, str], wanted: str) -> list[str]:
    """Open messages in Chromium; returns what it complained of."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    uids = list(names)
    if wanted != "all":
        uids = sorted(random.Random(1).sample(uids, min(int(wanted), len(uids))))  # noqa: S311 - a sample
    wrong: list[str] = []
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
        page = chromium.new_page(base_url=base)
        opened = ["the door"]
        _watch(page, base, opened, wrong)
        page.goto("/webmail/login")
        page.fill("#user", _LOGIN)
        page.fill("#password", _PASSWORD)
        page.click("main form button[type=submit]")
        page.wait_for_selector("#messages .msg")
        folder = page.locator("#list-bar").get_attribute("data-folder")
        frames = 0
        for uid in uids:
            opened[0] = names[uid]
            page.goto(f"/webmail/{folder}/{uid}", wait_until="load")
            if page.locator(f'#read[data-uid="{uid}"]').count() != 1:
                wrong.append(f"{names[uid]}: Chromium shows no message")
            frames += page.locator("#reader .frame").count()
        chromium.close()
    server.shutdown()
    print(f"in Chromium: {len(uids)} messages, {frames} of them in a frame")
    return wrong


def _watch(page: Page, base: str, opened: list[str], wrong: list[str]) -> None:
    def note(what: str) -> None:
        wrong.append(f"{opened[0]}: {what}")

    def said(message: ConsoleMessage) -> None:
        if message.type == "error":
            note(f"console: {message.text}")

    def asked(dialog: Dialog) -> None:
        note(f"dialog: {dialog.message}")
        dialog.dismiss()

    def sent(request: Request) -> None:
        if not request.url.startswith((base, "data:", "blob:", "about:")):
            note(f"request to {request.url}")

    page.on("console", said)
    page.on("dialog", asked)
    page.on("request", sent)
    page.on("pageerror", lambda error: note(f"uncaught: {error}"))
    page.on("popup", lambda popup: note(f"opened {popup.url}"))
    page.on("download", lambda download: note(f"download of {download.url}"))


@contextmanager
def _home(folder: Path) -> Iterator[House]:
    house = House(read_config(folder))
    made: list[Change[Any]] = [
        CreatePostOffice(postoffice="corpus", password=_PASSWORD),
        CreateDomain(domain="corpus.test", postoffice="corpus"),
        CreateMailbox(mailbox=_LOGIN, password=_PASSWORD),
        ChangeSetting(setting="auth.without_tls", value="yes"),
    ]
    for change in made:
        perform(house, _CALL, change)
    house.live.refresh()
    try:
        yield house
    finally:
        house.close()


def _inbox(house: House) -> tuple[MailboxStore, int]:
    mailbox = house.directory.mailbox(_LOGIN)
    assert mailbox is not None
    box = house.store.mailbox(mailbox.postoffice_id, mailbox.id)
    return box, box.special(Use.INBOX).id


def _file_all(house: House, paths: list[Path]) -> dict[int, str]:
    """File every message; returns their names by uid."""
    box, inbox = _inbox(house)
    names = {}
    for name, octets in (each for path in paths for each in _messages(path)):
        content = box.content()
        content.write(octets)
        names[box.append(inbox, content)] = name
    return names


def _messages(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        for file in sorted(each for each in path.rglob("*") if each.is_file()):
            yield from _messages(file)
    elif tarfile.is_tarfile(path):
        with tarfile.open(path) as archive:
            for member in archive:
                file_of = archive.extractfile(member) if member.isfile() else None
                if file_of is not None and member.size <= _MOST_OCTETS:
                    yield f"{path.name}/{member.name}", file_of.read()
    elif path.stat().st_size <= _MOST_OCTETS:
        yield str(path), path.read_bytes()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Open every message in webmail.")
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    parser.add_argument(
        "--browser", default="", metavar="N", help="open N, or all, in Chromium too"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
