"""A request: the header fields that matter, addresses, and the body within its limits.

Standards: RFC 4918 §10 (Depth, Destination, Overwrite); the tokens of Depth and the field Brief are
Exchange's.
Never: trusts a length or an address. Failure: `Refused`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes, urlsplit

from httpmail.refusal import Refused

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MOUNT = "/MEHTTPMail"  # the manual's own; capitals do not count
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?", re.ASCII)
_HAS_PORT = re.compile(r":\d+\Z", re.ASCII)
_CHUNK = 256 << 10


class Request:
    """One request.

    Attributes:
        method: as sent.
        path: below the mount, decoded, beginning with a slash.
        depth: of the field Depth without its tokens, small letters; None when there is none.
        no_root: the requested resource itself is to be left out.
        is_brief: properties that are not there need not be listed.
        overwrite: what is in the way of a move may be replaced.
        received: octets of the body that were read.
    """

    def __init__(self, environ: WSGIEnvironment, *, public_url: str = "") -> None:
        """Take what the WSGI server hands over.

        Args:
            environ: of the request.
            public_url: what stands before the mount in addresses; empty for what was asked by.
        """
        self.environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        if "#" in environ.get("RAW_URI", ""):  # RFC 9112 §3.2.1; something else would be deleted
            raise Refused(400, "An address has no fragment here")
        self.path = below_mount(_decode(environ.get("PATH_INFO", "").encode("latin-1", "replace")))
        depth, *tokens = self.field("Depth").lower().replace(" ", "").split(",")
        self.depth = depth or None
        self.no_root = "noroot" in tokens
        self.is_brief = self.field("Brief").lower() in ("t", "1")
        self.overwrite = self.field("Overwrite").upper() != "F"
        self.received = 0
        self._public_url = public_url

    def field(self, name: str) -> str:
        """Return a header field, or an empty text."""
        value: str = self.environ.get(f"HTTP_{name.upper().replace('-', '_')}", "")
        return value.strip()

    @property
    def media_type(self) -> str:
        """The body's media type without parameters, small letters; empty when it has none."""
        value: str = self.environ.get("CONTENT_TYPE", "") or ""
        return value.partition(";")[0].strip().lower()

    @cached_property
    def base(self) -> str:
        """What the addresses in answers begin with, the mount included.

        Some clients leave the port out of Host, so it is added; by TLS there is a web server in
        front, whose port is not ours.
        """
        if self._public_url:
            return self._public_url + MOUNT
        scheme = self.environ["wsgi.url_scheme"]
        host = self.field("Host") or self.environ.get("SERVER_NAME", "localhost")
        if not _HOST.fullmatch(host):
            raise Refused(400, "The Host field is no host name")
        port = str(self.environ.get("SERVER_PORT", ""))
        if scheme == "http" and not _HAS_PORT.search(host) and port not in ("", "80"):
            host = f"{host}:{port}"
        return f"{scheme}://{host}{MOUNT}"

    def url(self, path: str) -> str:
        """Return the absolute address of a path below the mount."""
        return self.base + quote(path)

    def destination(self) -> str:
        """Return the path that the field Destination names.

        Raises:
            Refused: there is none (400), or it is elsewhere (502, RFC 4918 §9.8.5).
        """
        href = self.field("Destination")
        if not href:
            raise Refused(400, "The Destination field is missing")
        return self.path_of(_decode(href.encode("latin-1", "replace")))

    def path_of(self, href: str) -> str:
        """Return the path below the mount that an address names.

        Args:
            href: absolute, with or without scheme and host, or relative to the request's own.

        Raises:
            Refused: it is no address of this server.
        """
        try:
            parts = urlsplit(href)
            host = parts.hostname
        except ValueError:
            raise Refused(400, "An address in the request can't be read") from None
        if parts.netloc and host not in self._own_hosts:
            raise Refused(502, "The address is on another server")
        path = _decode(unquote_to_bytes(parts.path))
        if not path.startswith("/"):
            return f"{self.path.rstrip('/')}/{path}"
        try:
            return below_mount(path)
        except Refused:
            raise Refused(502, f"The address is not below {MOUNT}") from None

    def octets(self, most: int) -> bytes:
        """Return the body.

        Raises:
            Refused: it is larger than allowed (413), or not all of it came (400).
        """
        return b"".join(self.chunks(most))

    def chunks(self, most: int) -> Iterator[bytes]:
        """Yield the body in pieces.

        Args:
            most: octets that are allowed; 0 for no limit.

        Raises:
            Refused: see `octets`.
        """
        length = self.length
        if most and length is not None and length > most:
            raise _too_large(most)
        stream = self.environ["wsgi.input"]
        if length is None and not self.environ.get("wsgi.input_terminated"):
            return
        while length is None or self.received < length:
            wanted = _CHUNK if length is None else min(_CHUNK, length - self.received)
            chunk: bytes = stream.read(wanted)
            if not chunk:
                break
            self.received += len(chunk)
            if most and self.received > most:
                raise _too_large(most)
            yield chunk
        if length is not None and self.received < length:
            raise Refused(400, "The body ended before its announced length")

    @property
    def length(self) -> int | None:
        """The body's announced length; None when none is announced."""
        text = str(self.environ.get("CONTENT_LENGTH") or "").strip()
        if not text:
            return None
        if not (text.isascii() and text.isdigit()):
            raise Refused(400, "Content-Length is no number")
        return int(text)

    @cached_property
    def _own_hosts(self) -> set[str | None]:
        """The hosts by which clients know this server."""
        hosts = {urlsplit(self.base).hostname}
        if _HOST.fullmatch(self.field("Host")):
            hosts.add(urlsplit(f"//{self.field('Host')}").hostname)
        return hosts


def below_mount(path: str) -> str:
    """Return what follows the mount in a path, beginning with a slash.

    Raises:
        Refused: it is not below the mount.
    """
    mount, rest = path[: len(MOUNT)], path[len(MOUNT) :]
    if mount.lower() != MOUNT.lower() or (rest and not rest.startswith("/")):
        raise Refused(404, f"HTTPMail is at {MOUNT}")
    return rest or "/"


def _too_large(most: int) -> Refused:
    return Refused(413, f"The body is larger than {most // 1024} KiB")


def _decode(octets: bytes) -> str:
    """Read an address's octets: UTF-8, or Latin-1 as old clients write it."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")
