"""What the browser tests share: a running demo, Debian's Chromium, and what every page must hold.

A page of these tests notes what the browser complains of: errors on its console, requests that
leave the server, dialogs. A test fails in the end when there is any; one that wants an error status
expects it by `page.expected`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Request,
    sync_playwright,
)

from tests.support.serving import Box, Server

_CHROMIUM = "/usr/bin/chromium"
_ARGS = (
    "--no-sandbox",  # the tests run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_AXE = Path("webadmin/frontend/node_modules/axe-core/axe.min.js")
_WCAG = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_WIDTHS = {390: 844, 1280: 900, 1920: 1080}
# Mail for outside stays. All tests come from one address: wrong passwords of some stop no other.
NOWHERE = {
    "smarthost__host": "127.0.0.1:9",
    "smarthost__enabled": "yes",
    "auth__max_failures": "1000",
}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The demo, as `make run` starts it."""
    server = Server(tmp_path_factory.mktemp("browser") / "home", settings=NOWHERE)
    server.start()
    try:
        yield server
    finally:
        server.stop()
    server.check_traces()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=[*_ARGS])
        yield browser
        browser.close()


@pytest.fixture
def box(server: Server) -> Box:
    """A mailbox of the demo that no other test has."""
    return server.mailbox()


class Complaints:
    """What a browser complained of."""

    def __init__(self, host: str) -> None:
        """Take the only host that requests may go to."""
        self._host = host
        self.found: list[str] = []
        self.expected: list[str] = []

    def watch(self, context: BrowserContext) -> None:
        """Note complaints about all pages of a context."""
        context.on("console", self._console)
        context.on("weberror", lambda error: self.found.append(f"uncaught: {error.error}"))
        context.on("request", self._request)
        context.on("dialog", self._dialog)

    def expect(self, part: str) -> None:
        """Let complaints pass that hold a text."""
        self.expected.append(part)

    def unexpected(self) -> list[str]:
        """Return what a test did not expect."""
        return [each for each in self.found if not any(part in each for part in self.expected)]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.found.append(f"console: {message.text} at {message.location.get('url', '')}")

    def _dialog(self, dialog: Dialog) -> None:
        self.found.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        parsed = urlsplit(request.url)
        if parsed.scheme not in ("data", "blob", "about") and parsed.netloc != self._host:
            self.found.append(f"request to elsewhere: {request.url}")


class NewPage(Protocol):
    """Opens pages."""

    def __call__(self, **options: Any) -> Page:  # noqa: ANN401 - playwright's options of a context
        """Open one in a context of its own."""


@pytest.fixture
def complaints(server: Server) -> Iterator[Complaints]:
    """What the browser complained of in this test; it must be nothing."""
    found = Complaints(f"127.0.0.1:{server.ports['web']}")
    yield found
    assert found.unexpected() == []


@pytest.fixture
def new_page(server: Server, chromium: Browser, complaints: Complaints) -> Iterator[NewPage]:
    """Open pages, each with cookies of its own."""
    contexts: list[BrowserContext] = []

    def make(**options: Any) -> Page:  # noqa: ANN401 - playwright's options of a context
        defaults = {
            "base_url": f"http://127.0.0.1:{server.ports['web']}",
            "viewport": {"width": 1280, "height": 900},
            "reduced_motion": "reduce",
            "locale": "en-GB",
            "timezone_id": "Europe/Berlin",
        }
        context = chromium.new_context(**(defaults | options))
        context.set_default_timeout(10_000)
        complaints.watch(context)
        contexts.append(context)
        return context.new_page()

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_page: NewPage) -> Page:
    """A page 1280 pixels wide."""
    return new_page()


class SignIn(Protocol):
    """Signs in to a room."""

    def __call__(self, page: Page, room: str, who: Box | None = None) -> None:
        """Sign in as somebody; without a mailbox as the demo's own account of the room."""


@pytest.fixture
def sign_in(server: Server) -> SignIn:
    """Sign in to webmail, webadmin or console, as a person does."""
    own = {"webmail": "alice@demo", "webadmin": "ADMIN@demo", "console": "operator"}

    def enter(page: Page, room: str, who: Box | None = None) -> None:
        account = server.accounts[own[room]]
        login, password = (
            (who.login, who.password) if who else (account["login"], account["password"])
        )
        page.goto(f"/{room}/login")
        page.locator("#user").fill(login)
        page.locator("#password").fill(password)
        page.locator("main form button[type=submit]").click()
        page.wait_for_url(lambda url: "/login" not in url)

    return enter


@pytest.fixture(scope="session")
def check_axe() -> Callable[[Page], None]:
    """Let axe look at a page as it is: it must find nothing (WCAG 2.2 AA and good practice)."""
    script = _AXE.read_text(encoding="utf-8")

    def check(page: Page) -> None:
        page.evaluate(script)  # by the debugger: the page's policy forbids a script element
        options = {"runOnly": {"type": "tag", "values": list(_WCAG)}}
        found = page.evaluate("options => axe.run(document, options)", options)
        told = [
            f"{each['id']}: {each['help']}: "
            + "; ".join(node["html"][:200] for node in each["nodes"])
            for each in found["violations"]
        ]
        assert told == [], f"{page.url}: {json.dumps(told, indent=1)}"

    return check


@pytest.fixture
def screenshot() -> Callable[[Page, str], None]:
    """Take a page at all widths, light and dark, into the folder `$SCREENSHOTS`, if that is set.

    At each of them nothing may reach beyond the page's side.
    """
    folder = os.environ.get("SCREENSHOTS")

    def take(page: Page, name: str) -> None:
        before = page.viewport_size
        for width, height in _WIDTHS.items():
            page.set_viewport_size({"width": width, "height": height})
            beyond = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert beyond <= 0, f"{page.url} is {beyond} px too wide at {width}"
            for scheme in ("light", "dark") if folder else ():
                page.emulate_media(color_scheme=scheme)
                place = Path(folder or "") / f"{name}-{width}-{scheme}.jpg"
                page.screenshot(path=place, type="jpeg", quality=80)
        page.emulate_media(color_scheme="light")
        if before is not None:
            page.set_viewport_size(before)

    return take
