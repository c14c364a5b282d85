"""A visitor of the web, as a browser is one: requests, cookies and forms, on one origin.

Standards: RFC 9110, RFC 6265 (cookies go back to where they came from).
Owns: the cookies. Failure: OSError, HTTPException, `ProbeError`.
"""

from __future__ import annotations

import http.client
import re
from dataclasses import dataclass
from html import unescape
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlencode, urljoin, urlsplit

from appliance.upkeep.probe_steps import NamedContext, Place, ProbeError, secured

_MOST_OCTETS = 32 << 20
_MOST_TURNS = 5  # redirections
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')
_HEADERS = {  # each with a word that has to stand in it
    "Content-Security-Policy": "frame-ancestors",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Page:
    """An answer.

    Attributes:
        status: its code.
        reason: its phrase.
        headers: its fields.
        body: its octets.
    """

    status: int
    reason: str
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def expect(self, *statuses: int) -> None:
        """Raise ProbeError unless the status is one of these."""
        if self.status not in statuses:
            wanted = " or ".join(map(str, statuses))
            raise ProbeError(f"it answered {self.status} {self.reason}; {wanted} is right")


class Visitor:
    """Asks one web server.

    Attributes:
        place: where it is.
        secured: by what the last connection was secured; empty without TLS.
    """

    def __init__(
        self, url: str, *, context: NamedContext, timeout_s: float, host: str = ""
    ) -> None:
        """Prepare to ask.

        Args:
            url: scheme, host and perhaps port.
            context: what certificates are checked by; its name is the Host of https requests.
            timeout_s: for the connection and for each answer.
            host: to connect to in place of the URL's.

        Raises:
            ValueError: the URL is none.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is not the address of a web server")
        self._is_tls = parts.scheme == "https"
        self._context = context
        usual = 443 if self._is_tls else 80
        port = parts.port or usual
        self.place = Place(host=host or parts.hostname, port=port, timeout_s=timeout_s)
        name = context.name if self._is_tls else parts.hostname
        shown = f"[{name}]" if ":" in name else name
        self._netloc = shown if port == usual else f"{shown}:{port}"
        self._origin = f"{parts.scheme}://{self._netloc}"
        self._cookies: dict[str, str] = {}
        self.secured = ""

    def ask(self, method: str, path: str, body: str | None = None, **fields: str) -> Page:
        """Ask once; keywords are header fields, with _ for -."""
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        headers |= {"Host": self._netloc, "User-Agent": "posthouse probe"}
        if self._cookies:
            headers["Cookie"] = "; ".join("=".join(each) for each in self._cookies.items())
        place = self.place
        connection = (
            http.client.HTTPSConnection(
                place.host, place.port, timeout=place.timeout_s, context=self._context
            )
            if self._is_tls
            else http.client.HTTPConnection(place.host, place.port, timeout=place.timeout_s)
        )
        try:
            connection.connect()
            if self._is_tls:
                self.secured = secured(connection.sock, self._context.name)
            connection.request(method, path, None if body is None else body.encode(), headers)
            answer = connection.getresponse()
            octets = answer.read(_MOST_OCTETS)
            self._keep(answer.headers)
            return Page(answer.status, answer.reason, answer.headers, octets)
        finally:
            connection.close()

    def get(self, path: str) -> Page:
        """Get a page, going where the server leads as long as that is on the same server."""
        for _ in range(_MOST_TURNS):
            page = self.ask("GET", path)
            where = page.headers.get("Location", "")
            if page.status not in (301, 302, 303, 307, 308) or not where:
                return page
            target = urlsplit(urljoin(f"{self._origin}{path}", where))
            if f"{target.scheme}://{target.netloc}" != self._origin:
                raise ProbeError(f"it leads to another server: {where}")
            path = target.path + (f"?{target.query}" if target.query else "")
        raise ProbeError("it leads round in a circle")

    def submit(self, path: str, page: Page, **values: str) -> Page:
        """Send a form of a page."""
        found = _CSRF.search(page.text)
        if found is None:
            raise ProbeError("the page has no form to send")
        return self.ask(
            "POST",
            path,
            urlencode({"csrf": unescape(found[1]), **values}),
            Content_Type="application/x-www-form-urlencoded",
            Origin=self._origin,
        )

    def check_protected(self, page: Page) -> str:
        """Look at the headers that protect a page; returns them in a few words."""
        wanted = dict(_HEADERS)
        if self._is_tls:
            wanted["Strict-Transport-Security"] = "max-age"
        missing = [name for name, word in wanted.items() if word not in page.headers.get(name, "")]
        if missing:
            raise ProbeError(f"these headers are missing or wrong: {', '.join(missing)}")
        return f"{len(wanted)} security headers"

    def _keep(self, headers: http.client.HTTPMessage) -> None:
        for line in headers.get_all("Set-Cookie", []):
            try:
                found = SimpleCookie(line)
            except CookieError:
                continue
            self._cookies |= {name: each.value for name, each in found.items()}
