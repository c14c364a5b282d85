"""A message's whole way as its writer and reader sees it: sent, read by each door, deleted.

Standards: RFC 6409, RFC 1939, RFC 4918 §9.1; docs/httpmail.md.
Owns: the one message it sends. Never: shows a password; keeps the message, if it can be reached.
Failure: none: see `probe_steps`.
"""

from __future__ import annotations

import base64
import contextlib
import poplib
import re
import secrets
import smtplib
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from urllib.parse import urlsplit

from appliance.upkeep.probe import Doors, connect_pop3, connect_smtp, say_hello, start_tls
from appliance.upkeep.probe_steps import DoorClosed, ProbeError, Steps, hanging_up

_PAUSE_S = 0.2  # between two looks
_LAST = 20  # messages that are looked through for ours
_INBOX = "/MEHTTPMail/folders/Inbox/"
_SUBJECTS = (
    '<?xml version="1.0"?><D:propfind xmlns:D="DAV:" xmlns:m="urn:schemas:mailheader:">'
    "<D:prop><m:subject/></D:prop></D:propfind>"
)
_RESPONSE = re.compile(r"<D:response>(.*?)</D:response>", re.DOTALL)
_HREF = re.compile(r"<D:href>(.*?)</D:href>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whose mailbox the message goes through.

    Attributes:
        login: as clients give it.
        password: its own.
        address: of the mailbox.
        within_s: how long the message may take.
    """

    login: str
    password: str = field(repr=False)
    address: str
    within_s: float = 30.0


def probe_mail(doors: Doors, account: Account, steps: Steps) -> None:
    """Send a message from the account to itself, read it by every door, and delete it."""
    mark = f"probe-{secrets.token_hex(8)}"
    with contextlib.suppress(DoorClosed):
        _send(doors, account, steps, mark)
        _arrive(doors, account, steps, mark)
        for read in (_read_httpmail, _read_webmail):
            with contextlib.suppress(DoorClosed):
                read(doors, account, steps, mark)
        _delete(doors, account, steps, mark)


def _send(doors: Doors, account: Account, steps: Steps, mark: str) -> None:
    where = str(doors.place("submission"))

    def log_in() -> tuple[smtplib.SMTP, str]:
        client, _ = connect_smtp(doors, "submission")
        try:
            say_hello(client)
            start_tls(client, doors)
            _log_in(client, account)
        except BaseException:
            client.close()
            raise
        return client, f"as {account.login}"

    client = steps.take("submission", "login", log_in, where)
    with hanging_up(client):

        def send() -> tuple[None, str]:
            client.send_message(_message(account, mark), account.address, [account.address])
            return None, f"a message to {account.address} is accepted"

        steps.take("submission", "send", send, where)
        with contextlib.suppress(OSError):
            client.quit()


def _log_in(client: smtplib.SMTP, account: Account) -> None:
    """Log in by AUTH PLAIN (RFC 4616), in UTF-8; smtplib's own takes ASCII passwords only."""
    secret = base64.b64encode(f"\0{account.login}\0{account.password}".encode()).decode()
    code, text = client.docmd("AUTH", f"PLAIN {secret}")
    if code != 235:
        raise smtplib.SMTPAuthenticationError(code, text)


def _message(account: Account, mark: str) -> EmailMessage:
    found = EmailMessage()
    found["From"] = found["To"] = account.address
    found["Subject"] = f"Posthouse {mark}"
    found["Date"] = format_datetime(datetime.now(UTC))
    found["Message-ID"] = make_msgid(mark, account.address.rpartition("@")[2] or "probe.invalid")
    found["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5
    found.set_content("`posthouse probe` has sent this message, and deletes it again.\n")
    return found


def _log_in_pop3(doors: Doors, account: Account) -> poplib.POP3:
    client, _ = connect_pop3(doors, "pop3s")
    try:
        client.user(account.login)
        client.pass_(account.password)
    except BaseException:
        client.close()
        raise
    return client


def _number(client: poplib.POP3, mark: str) -> int:
    """Return the number of our message in a maildrop; 0 when it is not among the last ones."""
    count, _ = client.stat()
    for number in range(count, max(0, count - _LAST), -1):
        if mark.encode() in b"\n".join(client.top(number, 0)[1]):
            return number
    return 0


def _arrive(doors: Doors, account: Account, steps: Steps, mark: str) -> None:
    def wait() -> tuple[None, str]:
        deadline = time.monotonic() + account.within_s
        looks = 0
        while True:
            looks += 1
            try:
                client = _log_in_pop3(doors, account)
                with hanging_up(client):
                    number = _number(client, mark)
                    if number:
                        octets = b"\n".join(client.retr(number)[1])
                        client.quit()
                        if b"has sent this message" not in octets:
                            raise ProbeError("the message came without its text")
                        return None, f"it came as number {number}, seen at look {looks}"
                    client.quit()
            except poplib.error_proto as error:
                if b"[IN-USE]" not in _octets(error) or time.monotonic() > deadline:
                    raise
            if time.monotonic() > deadline:
                text = f"the message {mark} did not come within {account.within_s:g} s"
                raise ProbeError(f"{text}; if it still comes, delete it")
            threading.Event().wait(_PAUSE_S)

    steps.take("pop3s", "the message arrives", wait, str(doors.place("pop3s")))


def _read_httpmail(doors: Doors, account: Account, steps: Steps, mark: str) -> None:
    visitor = doors.visitor(doors.httpmail)
    pair = f"{account.login}:{account.password}".encode()
    login = f"Basic {base64.b64encode(pair).decode()}"

    def find() -> tuple[str, str]:
        page = visitor.ask(
            "PROPFIND",
            _INBOX,
            _SUBJECTS,
            Authorization=login,
            Depth="1,noroot",
            Content_Type="text/xml",
        )
        page.expect(207)
        found = _RESPONSE.findall(page.text)
        ours = [href for each in found if mark in each for href in _HREF.findall(each)]
        if not ours:
            raise ProbeError(f"the message is not among the {len(found)} of the Inbox")
        return urlsplit(ours[0]).path, f"one of {len(found)} in the Inbox"

    def read(path: str) -> tuple[None, str]:
        page = visitor.ask("GET", path, Authorization=login)
        page.expect(200)
        if mark not in page.text:
            raise ProbeError("what was read is not the message")
        return None, f"{len(page.body)} octets"

    where = str(visitor.place)
    path = steps.take("httpmail", "PROPFIND finds it", find, where)
    steps.take("httpmail", "GET reads it", lambda: read(path), where)


def _read_webmail(doors: Doors, account: Account, steps: Steps, mark: str) -> None:
    visitor = doors.visitor(doors.web)
    where = str(visitor.place)

    def sign_in() -> tuple[None, str]:
        door = visitor.get("/webmail/login")
        door.expect(200)
        page = visitor.submit("/webmail/login", door, user=account.login, password=account.password)
        if page.status in (200, 403):
            raise ProbeError("the login was refused")
        page.expect(302, 303)
        return None, f"as {account.login}"

    def see() -> tuple[None, str]:
        page = visitor.get("/webmail/")
        page.expect(200)
        if mark not in page.text:
            raise ProbeError("the message is not on the Inbox's first page")
        visitor.submit("/webmail/logout", page).expect(302, 303)
        return None, "it is in the list"

    steps.take("webmail", "sign in", sign_in, where)
    steps.take("webmail", "see it", see, where)


def _delete(doors: Doors, account: Account, steps: Steps, mark: str) -> None:
    def delete() -> tuple[None, str]:
        client = _log_in_pop3(doors, account)
        with hanging_up(client):
            number = _number(client, mark)
            if not number:
                raise ProbeError("the message is not there any more")
            client.dele(number)
            client.quit()
        return None, "it is gone again"

    steps.take("pop3s", "delete it", delete, str(doors.place("pop3s")))


def _octets(error: poplib.error_proto) -> bytes:
    found = error.args[0] if error.args else b""
    return found if isinstance(found, bytes) else str(found).encode()
