"""A WebDAV client that calls the application itself: no socket, no waiting."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_to_bytes

from defusedxml.ElementTree import fromstring
from werkzeug.test import EnvironBuilder, run_wsgi_app

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

HOST = "http://mail.example.test:8080"
BASE = f"{HOST}/MEHTTPMail"
NAMESPACES = {
    "D": "DAV:",
    "hm": "urn:schemas:httpmail:",
    "m": "urn:schemas:mailheader:",
    "h": "http://schemas.microsoft.com/hotmail/",
}
ACCOUNT = (
    *("h:adbar", "hm:contacts", "hm:inbox", "hm:outbox", "hm:sendmsg", "hm:sentitems"),
    *("hm:deleteditems", "hm:drafts", "hm:msgfolderroot", "h:maxpoll", "h:sig"),
)
FOLDERS = (
    *("D:isfolder", "D:displayname", "hm:special", "D:hassubs", "D:nosubs"),
    *("hm:unreadcount", "D:visiblecount"),
)
MESSAGES = (
    *("D:isfolder", "hm:read", "m:hasattachment", "m:to", "m:from", "m:subject"),
    *("m:date", "D:getcontentlength"),
)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    status: int
    phrase: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body, which is ASCII."""
        return self.body.decode("ascii")

    @property
    def location(self) -> str:
        """Where what was made can be found, below the mount."""
        assert self.headers["Location"].startswith(BASE)
        return self.headers["Location"][len(BASE) :]

    def responses(self) -> list[Response]:
        """Return the parts of a multistatus."""
        assert self.status == 207, (self.status, self.phrase, self.body)
        root = fromstring(self.body)
        return [_response(each) for each in root.findall("{DAV:}response")]

    def hrefs(self) -> list[str]:
        """Return the addresses in a multistatus."""
        return [each.href for each in self.responses()]


@dataclass(frozen=True, slots=True)
class Response:
    """One part of a multistatus."""

    href: str
    status: int
    location: str
    found: Mapping[str, str]
    missing: Mapping[str, int] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Its address below the mount."""
        assert self.href.startswith(BASE)
        return self.href[len(BASE) :]

    @property
    def name(self) -> str:
        """The last segment of its address."""
        return unquote(self.href.rstrip("/").rpartition("/")[2])


def _response(element: object) -> Response:
    found: dict[str, str] = {}
    missing: dict[str, int] = {}
    for propstat in element.findall("{DAV:}propstat"):  # type: ignore[attr-defined] # untyped XML
        status = int(propstat.findtext("{DAV:}status").split()[1])
        for each in propstat.find("{DAV:}prop"):
            name = each.tag
            for prefix, namespace in NAMESPACES.items():
                name = name.replace(f"{{{namespace}}}", f"{prefix}:")
            if status == 200:
                found[name] = "".join(each.itertext())
            else:
                missing[name] = status
    text = element.findtext("{DAV:}status") or "HTTP/1.1 0"  # type: ignore[attr-defined] # as above
    location = element.findtext("{DAV:}location/{DAV:}href") or ""  # type: ignore[attr-defined] # as above
    href = element.findtext("{DAV:}href")  # type: ignore[attr-defined] # as above
    return Response(href, int(text.split()[1]), location, found, missing)


class Dav:
    """A client that has logged in, or tries to."""

    def __init__(
        self,
        app: WSGIApplication,
        login: str = "",
        password: str = "",
        *,
        host: str = HOST,
        mount: str = "/MEHTTPMail",
        client: str = "192.0.2.7",
    ) -> None:
        self._app = app
        self._host = host
        self._mount = mount
        self._client = client
        self._fields: dict[str, str] = {}
        if login:
            token = base64.b64encode(f"{login}:{password}".encode()).decode()
            self._fields["Authorization"] = f"Basic {token}"

    def ask(
        self, method: str, path: str = "", body: bytes | str = b"", **fields: str | None
    ) -> Reply:
        """Send a request.

        Args:
            method: any.
            path: below the mount, percent-encoded.
            body: its octets.
            fields: of the header, `_` for `-`; None for one that is not to be sent.
        """
        octets = body.encode() if isinstance(body, str) else body
        headers = dict(self._fields)
        headers |= {
            name.replace("_", "-"): value for name, value in fields.items() if value is not None
        }
        builder = EnvironBuilder(
            base_url=self._host,
            method=method,
            data=octets,
            headers=list(headers.items()),
            environ_overrides={"REMOTE_ADDR": self._client},
        )
        environ = builder.get_environ()
        raw = f"{self._mount}{path}"
        environ["RAW_URI"] = raw
        environ["PATH_INFO"] = unquote_to_bytes(raw.partition("#")[0]).decode("latin-1")
        announced = fields.get("Content_Length") or (str(len(octets)) if octets else "")
        environ["CONTENT_LENGTH"] = announced
        for name, value in fields.items():
            if value is None:
                environ.pop(f"HTTP_{name.upper()}", None)
        app_iter, status, found = run_wsgi_app(self._app, environ, buffered=True)
        code, _, phrase = status.partition(" ")
        answer = b"".join(app_iter)
        if code in ("204", "304"):
            assert "Content-Length" not in found
        else:
            assert method == "HEAD" or found["Content-Length"] == str(len(answer))
        return Reply(int(code), phrase, dict(found), answer)

    def propfind(self, path: str, names: Iterable[str], **fields: str | None) -> Reply:
        """Ask for properties as mail clients do."""
        return self.ask("PROPFIND", path, propfind(names), Content_Type="text/xml", **fields)

    def messages(self, folder: str = "Inbox") -> list[Response]:
        """List a folder's messages."""
        return self.propfind(f"/folders/{folder}/", MESSAGES, Depth="1,noroot").responses()

    def names(self, folder: str = "Inbox") -> list[str]:
        """Return the names of a folder's messages."""
        return [each.name for each in self.messages(folder)]

    def append(self, octets: bytes, folder: str = "Inbox") -> str:
        """File a message; returns its path."""
        reply = self.ask("POST", f"/folders/{folder}/", octets, Content_Type="message/rfc822")
        assert reply.status == 201, reply
        return reply.location


def propfind(names: Iterable[str]) -> str:
    """Write the body of a PROPFIND."""
    inside = "".join(f"<{name}/>\r\n" for name in names)
    return (
        f'<?xml version="1.0"?>\r\n<D:propfind {_declarations()}>\r\n'
        f"<D:prop>\r\n{inside}</D:prop>\r\n</D:propfind>\r\n"
    )


def batch(name: str, *hrefs: str, inside: str = "") -> str:
    """Write the body of a batch."""
    targets = "".join(f"<D:href>{href}</D:href>" for href in hrefs)
    return (
        f'<?xml version="1.0"?>\r\n<D:{name} {_declarations()}>'
        f"<D:target>{targets}</D:target>{inside}</D:{name}>"
    )


def mark(*, read: bool) -> str:
    """Write what marks messages in a PROPPATCH."""
    return f"<D:set><D:prop><hm:read>{int(read)}</hm:read></D:prop></D:set>"


def update(inside: str) -> str:
    """Write the body of a PROPPATCH."""
    return f'<?xml version="1.0"?><D:propertyupdate {_declarations()}>{inside}</D:propertyupdate>'


def _declarations() -> str:
    return " ".join(f'xmlns:{prefix}="{name}"' for prefix, name in NAMESPACES.items())


def text_between(text: str, start: str, end: str) -> list[str]:
    """Find what stands between two texts, as clients do that read no XML."""
    return re.findall(re.escape(start) + "(.*?)" + re.escape(end), text, re.DOTALL)
