"""HTTP clients: somebody signed in to a room of the web, and a mail client of HTTPMail.

Failure: `ClientError` when an answer has another status than expected.
"""

from __future__ import annotations

import base64
import http.client
import re
import urllib.parse
from collections.abc import Mapping

from clients import PATIENCE, Account, ClientError

__all__ = ["Browser", "HttpMail"]

_LIST = """<?xml version="1.0"?>
<D:propfind xmlns:D="DAV:" xmlns:hm="urn:schemas:httpmail:" xmlns:m="urn:schemas:mailheader:">
<D:prop><D:isfolder/><hm:read/><m:hasattachment/><m:to/><m:from/><m:subject/><m:date/>
<D:getcontentlength/></D:prop></D:propfind>"""

_FIELDS = "application/x-www-form-urlencoded"
_FORM = "multipart/form-data; boundary="


def _exchange(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: str | bytes | None,
    headers: Mapping[str, str],
) -> tuple[http.client.HTTPResponse, bytes]:
    """Asks once more where the server has closed a connection that was idle, as browsers do."""
    for is_last in (False, True):
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer, answer.read()
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            connection.close()
            if is_last:
                raise
    raise AssertionError(path)


class Browser:
    """One signed-in connection to a room of the web."""

    def __init__(self, port: int, room: str, login: str, password: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self._cookies: dict[str, str] = {}
        page = self.get(f"/{room}/login").decode()
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', page)
        if found is None:
            raise ClientError(f"the page /{room}/login has no form")
        form = {"csrf": found[1], "user": login, "password": password}
        self._ask("POST", f"/{room}/login", urllib.parse.urlencode(form), status=302)

    def get(self, path: str) -> bytes:
        """Asks for a page."""
        return self._ask("GET", path, None, status=200)

    def send_letter(self, *, sender: str, to: str, attachment: bytes) -> None:
        """Writes a letter with an attachment in webmail and sends it."""
        page = self.get("/webmail/compose").decode()
        fields = dict(re.findall(r'name="(csrf|key|page)" value="([^"]*)"', page))
        fields |= {"from": sender, "to": to, "subject": "large", "text": "See the attachment."}
        bound = "bench-7f3a9c"
        parts = [
            f'--{bound}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in (*fields.items(), ("do", "send"))
        ]
        parts.append(
            f'--{bound}\r\nContent-Disposition: form-data; name="file"; filename="large.bin"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        body = "".join(parts).encode() + attachment + f"\r\n--{bound}--\r\n".encode()
        self._ask("POST", "/webmail/compose", body, status=303, of=_FORM + bound)

    def _ask(
        self, method: str, path: str, body: str | bytes | None, *, status: int, of: str = _FIELDS
    ) -> bytes:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        if body is not None:
            headers["Content-Type"] = of
        answer, octets = _exchange(self._connection, method, path, body, headers)
        if answer.status != status:
            raise ClientError(f"{method} {path} answered {answer.status}")
        for line in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = line.partition(";")[0].partition("=")
            self._cookies[name] = value
        return octets


class HttpMail:
    """A mail client of HTTPMail with a connection of its own."""

    def __init__(self, port: int, account: Account) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        pair = base64.b64encode(f"{account.login}:{account.password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {pair}"}

    def list_inbox(self) -> int:
        """Asks for the Inbox' list as mail clients do; returns how many messages came."""
        octets = self._ask("PROPFIND", "/MEHTTPMail/folders/Inbox/", _LIST, 207)
        return octets.count(b"</D:response>")

    def get(self, path: str) -> bytes:
        """Fetches a message."""
        return self._ask("GET", path, "", 200)

    def put(self, name: str, octets: bytes) -> None:
        """Files a message in the Inbox under a name."""
        self._ask("PUT", f"/MEHTTPMail/folders/Inbox/{name}", octets, 201)

    def last(self) -> str:
        """Returns the path of the last message that the Inbox' list has."""
        octets = self._ask("PROPFIND", "/MEHTTPMail/folders/Inbox/", _LIST, 207)
        found = re.findall(rb"<D:href>http://[^/]*(/[^<]+)</D:href>", octets)
        if not found:
            raise ClientError("the Inbox is empty")
        return str(found[-1].decode())

    def _ask(self, method: str, path: str, body: str | bytes, status: int) -> bytes:
        headers = {**self._headers, "Depth": "1,noroot", "Translate": "f"}
        answer, octets = _exchange(self._connection, method, path, body, headers)
        if answer.status != status:
            raise ClientError(f"{method} {path} answered {answer.status} {answer.reason}")
        return octets
