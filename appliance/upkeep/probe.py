"""Trying every door as a client would, from outside: `posthouse probe`.

Each door's steps end at the first that fails; the other doors are tried all the same. With a login,
a message goes the whole way (`probe_mail`).

Standards: RFC 5321, RFC 3207, RFC 8314 §3.3, RFC 2595, RFC 9110; manual §9.7.
Owns: nothing. Never: asks the home; what is expected is handed in.
Failure: none: each step says for itself whether it is as it should be.
"""

from __future__ import annotations

import contextlib
import json
import poplib
import smtplib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from appliance.upkeep.probe_steps import (
    DoorClosed,
    NamedContext,
    Place,
    ProbeError,
    Step,
    Steps,
    hanging_up,
    secured,
)
from appliance.upkeep.probe_web import Visitor

_US = "probe.invalid"  # said in EHLO; without it smtplib asks the DNS who this machine is
_ROOMS = ("webmail", "webadmin", "console")


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Where a server's doors are, and what is expected there.

    Attributes:
        host: name or address to connect to.
        ports: by the listeners' names: smtp, submission, submissions, pop3, pop3s.
        web: address of the web: scheme, host, perhaps port.
        httpmail: the same of HTTPMail.
        context: certificates are checked by it, for the server's name.
        web_host: what to connect to for the web in place of its address's host, or empty.
        clear_logins: the server takes passwords without TLS as well.
        timeout_s: for each connection and each answer.
    """

    host: str
    ports: Mapping[str, int]
    web: str
    httpmail: str
    context: NamedContext
    web_host: str = ""
    clear_logins: bool = False
    timeout_s: float = 10.0

    def place(self, door: str) -> Place:
        """Return where a door is."""
        return Place(host=self.host, port=self.ports[door], timeout_s=self.timeout_s)

    def visitor(self, url: str) -> Visitor:
        """Return a visitor of the web or of HTTPMail."""
        return Visitor(url, context=self.context, timeout_s=self.timeout_s, host=self.web_host)


def probe(doors: Doors, tell: Callable[[Step], None]) -> Steps:
    """Try the doors without a login.

    Args:
        doors: where they are.
        tell: called with each step when it is done.
    """
    steps = Steps(tell)
    for look in (_smtp, _submission, _submissions, _pop3, _pop3s, _web, _httpmail):
        with contextlib.suppress(DoorClosed):
            look(doors, steps)
    return steps


# ── SMTP ─────────────────────────────────────────────────────────────────────────────────────────


def connect_smtp(doors: Doors, door: str) -> tuple[smtplib.SMTP, str]:
    """Connect and be greeted; returns the client and the greeting."""
    place = doors.place(door)
    client = (
        smtplib.SMTP_SSL(local_hostname=_US, timeout=place.timeout_s, context=doors.context)
        if door == "submissions"
        else smtplib.SMTP(local_hostname=_US, timeout=place.timeout_s)
    )
    code, text = client.connect(place.host, place.port)
    if code != 220:
        client.close()
        raise smtplib.SMTPResponseException(code, text)
    return client, f"{code} {text.decode('utf-8', 'replace')}"


def say_hello(client: smtplib.SMTP) -> str:
    """Say EHLO; returns what is offered, as text."""
    code, text = client.ehlo()
    if code != 250:
        raise smtplib.SMTPResponseException(code, text)
    return f"{len(client.esmtp_features)} extensions"


def start_tls(client: smtplib.SMTP, doors: Doors) -> str:
    """Start TLS and say EHLO again; returns what secures the connection."""
    if not client.has_extn("starttls"):
        raise ProbeError("STARTTLS is not offered")
    code, text = client.starttls(context=doors.context)
    if code != 220:
        raise smtplib.SMTPResponseException(code, text)
    say_hello(client)
    return secured(client.sock, doors.context.name)


def _smtp(doors: Doors, steps: Steps) -> None:
    _mail_door(doors, steps, "smtp", needs_login=False)


def _submission(doors: Doors, steps: Steps) -> None:
    _mail_door(doors, steps, "submission", needs_login=True)


def _submissions(doors: Doors, steps: Steps) -> None:
    door, where = "submissions", str(doors.place("submissions"))

    def greet() -> tuple[smtplib.SMTP, str]:
        client, _ = connect_smtp(doors, door)
        return client, secured(client.sock, doors.context.name)

    client = steps.take(door, "TLS and banner", greet, where)
    with hanging_up(client):
        steps.take(door, "EHLO", lambda: (None, say_hello(client)), where)
        steps.take(door, "AUTH is offered", lambda: (None, _offers_login(client)), where)
        _leave(client)


def _mail_door(doors: Doors, steps: Steps, door: str, *, needs_login: bool) -> None:
    where = str(doors.place(door))
    client = steps.take(door, "banner", lambda: connect_smtp(doors, door), where)
    with hanging_up(client):
        steps.take(door, "EHLO", lambda: (None, say_hello(client)), where)
        if needs_login:
            what = "no AUTH before STARTTLS"
            steps.take(door, what, lambda: (None, _hides_login(client, doors)), where)
        steps.take(door, "STARTTLS", lambda: (None, start_tls(client, doors)), where)
        if needs_login:
            what = "AUTH is offered after STARTTLS"
            steps.take(door, what, lambda: (None, _offers_login(client)), where)
        _leave(client)


def _hides_login(client: smtplib.SMTP, doors: Doors) -> str:
    if not client.has_extn("auth"):
        return "not offered in clear text"
    if doors.clear_logins:
        return "offered in clear text too: auth.without_tls is on"
    raise ProbeError("AUTH is offered in clear text: whoever is on the way reads passwords")


def _offers_login(client: smtplib.SMTP) -> str:
    if not client.has_extn("auth"):
        raise ProbeError("AUTH is not offered")
    return " ".join(dict.fromkeys(client.esmtp_features["auth"].replace("=", " ").split()))


def _leave(client: smtplib.SMTP) -> None:
    with contextlib.suppress(OSError):
        client.quit()


# ── POP3 ─────────────────────────────────────────────────────────────────────────────────────────


def connect_pop3(doors: Doors, door: str) -> tuple[poplib.POP3, str]:
    """Connect and be greeted; returns the client and the greeting, or what secures it."""
    place = doors.place(door)
    if door == "pop3s":
        client: poplib.POP3 = poplib.POP3_SSL(
            place.host, place.port, timeout=place.timeout_s, context=doors.context
        )
        return client, secured(client.sock, doors.context.name)
    client = poplib.POP3(place.host, place.port, timeout=place.timeout_s)
    return client, client.getwelcome().decode("utf-8", "replace")


def _pop3(doors: Doors, steps: Steps) -> None:
    where = str(doors.place("pop3"))
    client = steps.take("pop3", "banner", lambda: connect_pop3(doors, "pop3"), where)
    with hanging_up(client):

        def start() -> tuple[None, str]:
            if "STLS" not in client.capa():
                raise ProbeError("STLS is not offered")
            client.stls(doors.context)
            return None, secured(client.sock, doors.context.name)

        steps.take("pop3", "STLS", start, where)
        _say_quit(client)


def _pop3s(doors: Doors, steps: Steps) -> None:
    where = str(doors.place("pop3s"))
    client = steps.take("pop3s", "TLS and banner", lambda: connect_pop3(doors, "pop3s"), where)
    _say_quit(client)
    client.close()


def _say_quit(client: poplib.POP3) -> None:
    with contextlib.suppress(OSError, poplib.error_proto):
        client.quit()


# ── the web ──────────────────────────────────────────────────────────────────────────────────────


def _web(doors: Doors, steps: Steps) -> None:
    visitor = doors.visitor(doors.web)
    where = str(visitor.place)
    for room in _ROOMS:

        def look(room: str = room) -> tuple[None, str]:
            page = visitor.get(f"/{room}/login")
            page.expect(200)
            text = visitor.check_protected(page)
            return None, f"{text}, {visitor.secured}" if visitor.secured else text

        with contextlib.suppress(DoorClosed):
            steps.take(room, "login page", look, where)

    def describe() -> tuple[None, str]:
        page = visitor.ask("GET", "/api/v1/openapi.json")
        page.expect(200)
        found = json.loads(page.text)
        if not isinstance(found, dict) or "openapi" not in found:
            raise ProbeError("the answer is no OpenAPI description")
        return None, f"OpenAPI {found['openapi']}, {len(found.get('paths', ()))} paths"

    steps.take("api", "description", describe, where)


def _httpmail(doors: Doors, steps: Steps) -> None:
    visitor = doors.visitor(doors.httpmail)

    def challenge() -> tuple[None, str]:
        page = visitor.ask("OPTIONS", "/MEHTTPMail")
        page.expect(401)
        asked = page.headers.get("WWW-Authenticate", "")
        if not asked.lower().startswith("basic"):
            raise ProbeError("it asks for no password that clients know (Basic)")
        return None, f"401 {asked}"

    steps.take("httpmail", "asks for a login", challenge, str(visitor.place))
