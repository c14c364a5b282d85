"""The WSGI application: who asks, which method, what is answered, what is logged.

Order of a request: settings refreshed, address below the mount, TLS, login, method, log. Nobody is
asked for a password on a connection that could be read on its way, unless the settings allow it.

Standards: RFC 7617 (Basic), RFC 4918, and HTTPMail as Outlook Express and its kin speak it.
Owns: the locks and names of this process. Never: writes a password down.
Failure: every error is answered with a reason in words; an unforeseen one is 500 and a log record.
"""

from __future__ import annotations

import binascii
import threading
import time
import traceback
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from wsgidav.dav_error import DAVError

from appliance.database.errors import DatabaseError
from appliance.directory.records import Mailbox
from appliance.journey.reason import Outcome
from appliance.operations.house import House
from appliance.operations.login import Logins
from appliance.runtime import metrics
from appliance.runtime.clock import MICROSECONDS
from appliance.runtime.logs import Exchange, Logs
from appliance.settings import auth
from appliance.settings import httpmail as settings
from appliance.store.errors import StoreError
from httpmail import batches, filing, listing, patching, posting, reading, refusal
from httpmail.answer import Answer, plain
from httpmail.given import GivenNames
from httpmail.locks import lock_manager
from httpmail.multistatus import error_body
from httpmail.refusal import Refused
from httpmail.request import MOUNT, Request
from httpmail.tree import Provider
from httpmail.visit import Visit
from httpmail.vocabulary import split_name
from httpmail.xml_in import BadXml

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SERVICE = "httpmail"
_REALM = "hotmail.com"  # some clients send passwords to no other
_RETRY_S = "60"
_TOLD = ("Depth", "Destination", "Overwrite", "SaveInSent", "Content-Type", "User-Agent")
_WITHOUT_LENGTH = (204, 304)  # RFC 9110 §8.6
_NOTED = 1000
_NOTE_EVERY_US = 900 * MICROSECONDS
_METHODS: dict[str, Callable[[Visit], Answer]] = {
    "OPTIONS": reading.options,
    "GET": reading.get,
    "HEAD": reading.get,
    "PROPFIND": listing.propfind,
    "PROPPATCH": patching.proppatch,
    "BPROPPATCH": patching.bproppatch,
    "MKCOL": filing.mkcol,
    "DELETE": filing.delete,
    "MOVE": filing.move,
    "COPY": filing.copy,
    "BMOVE": batches.batch,
    "BCOPY": batches.batch,
    "BDELETE": batches.batch,
    "PUT": posting.put,
    "POST": posting.post,
    "LOCK": lambda visit: visit.dav.lock(visit),
    "UNLOCK": lambda visit: visit.dav.unlock(visit),
}


def create_app(house: House, logs: Logs) -> WSGIApplication:
    """Make the application for a house."""
    return HttpMail(house, logs)


class HttpMail:
    """HTTPMail for all mailboxes of a house, in one process with several threads."""

    def __init__(self, house: House, logs: Logs) -> None:
        """Begin with no locks and no names."""
        self._house = house
        self._logs = logs
        self._logins = Logins(house, SERVICE)
        self._given = GivenNames()
        clock = house.clock
        self._provider = Provider(lock_manager(lambda: clock.now_us() / MICROSECONDS))
        self._gauge = metrics.CONNECTIONS.labels(SERVICE)
        self._noted: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._guard = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        self._gauge.inc()
        try:
            started = time.perf_counter()
            found = _Exchange(environ)
            answer = self._answer(found)
            self._log(found, answer)
            if self._logs.is_verbose:
                text = f"{found.method} of {found.login or found.client} with {_fields(environ)}"
                self._logs.detail(text, message_id=answer.message_id, started=started)
            headers = list(answer.headers)
            if answer.status not in _WITHOUT_LENGTH:
                headers.append(("Content-Length", str(answer.length)))
            start_response(answer.line, headers)
            return _Body(answer, self._gauge.dec, is_head=found.method == "HEAD")
        except BaseException:
            self._gauge.dec()
            raise

    def _answer(self, found: _Exchange) -> Answer:
        try:
            self._house.live.refresh()
            public_url = self._house.settings[settings.public_url]
            found.request = Request(found.environ, public_url=public_url)
            return self._carry_out(found.method, self._enter(found))
        except DAVError as error:
            return _of_error(error)
        except BadXml as error:
            return plain(400, str(error), refusal.one_line(str(error)))
        except StoreError as error:
            return _of_error(refusal.of_store(error))
        except (DatabaseError, OSError) as error:
            self._logs.note("error", f"{found.login or found.client}: {error}")
            return _of_error(refusal.of_failure(error))
        except Exception:  # noqa: BLE001 - the request's boundary
            self._logs.note("error", f"a request failed: {traceback.format_exc()}")
            return plain(500, "Something went wrong here; the server's log says what")

    def _carry_out(self, method: str, visit: Visit) -> Answer:
        try:
            known = _METHODS.get(method)
            if known is None:
                raise Refused(405)
            return known(visit)
        except DAVError as error:
            if error.value != 405:
                raise
            allow = ", ".join(reading.allowed(visit, visit.find(visit.request.path)))
            answer = _of_error(error)
            answer.headers.append(("Allow", allow))  # RFC 9110 §15.5.6
            return answer

    def _enter(self, found: _Exchange) -> Visit:
        """Let the request in that has a login, or refuse it.

        Raises:
            Refused: with the challenge, or why no login is looked at.
        """
        house, request = self._house, found.request
        assert request is not None
        is_secure = found.environ["wsgi.url_scheme"] == "https"
        if not is_secure and not house.settings[auth.without_tls]:
            raise Refused(403, "Passwords are not taken without TLS; use an https address")
        name, password = _credentials(request)
        if not name:
            raise _challenge()
        result = self._logins.check_now(self._login(name), password, client=found.client)
        if result.mailbox is None:
            text = f"login {result.login!r} from {found.client}: {result.reason.text}"
            self._logs.note("warning", text, reason=result.reason.to_dict())
            if result.reason.outcome is Outcome.DEFER:
                headers = (("Retry-After", _RETRY_S),)
                raise Refused(503, result.reason.text, headers=headers)
            raise _challenge()
        found.login = result.login
        self._note(result.mailbox, found.client)
        return Visit(
            request,
            result.mailbox,
            client=found.client,
            house=house,
            logs=self._logs,
            provider=self._provider,
            given=self._given.of(result.mailbox.id),
        )

    def _login(self, name: str) -> str:
        r"""Turn `DOMAIN\user` into a login; the domain may be one of a Windows network."""
        domain, backslash, user = name.rpartition("\\")
        if not backslash or "@" in user:
            return user
        full = f"{user}@{domain}"
        return full if self._house.directory.login(full) is not None else user

    def _note(self, mailbox: Mailbox, client: str) -> None:
        """Write down who has logged in from where, once in a while: each request is a login."""
        now = self._house.clock.now_us()
        key = (mailbox.login, client)
        with self._guard:
            last = self._noted.pop(key, 0)
            is_due = now - last >= _NOTE_EVERY_US
            self._noted[key] = now if is_due else last
            if len(self._noted) > _NOTED:
                self._noted.popitem(last=False)
        if is_due:
            self._logs.note("info", f"login {mailbox.login!r} from {client}")

    def _log(self, found: _Exchange, answer: Answer) -> None:
        is_known = found.method in _METHODS
        path = found.environ.get("PATH_INFO", "").encode("latin-1", "replace")
        where = path.decode("utf-8", "replace")
        self._logs.exchange(
            Exchange(
                kind="HTTPMAIL",
                message_id=answer.message_id,
                port=int(found.environ.get("SERVER_PORT") or 0),
                remote=found.client,
                command=found.method if is_known else "?",
                details=where if is_known else f"{found.method} {where}",
                response=answer.line,
                sent=answer.length,
                received=0 if found.request is None else found.request.received,
                login=found.login,
            )
        )


class _Exchange:
    """A request as the log sees it."""

    def __init__(self, environ: WSGIEnvironment) -> None:
        self.environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        self.client: str = environ.get("REMOTE_ADDR", "")
        self.login = ""
        self.request: Request | None = None


class _Body:
    """An answer's octets, counted as a connection until they are sent."""

    def __init__(self, answer: Answer, done: Callable[[], None], *, is_head: bool) -> None:
        self._body = answer.body
        self._done = done
        self._is_head = is_head

    def __iter__(self) -> Iterator[bytes]:
        if not self._is_head:
            yield from self._body

    def close(self) -> None:
        """Close what the body was read from."""
        done, self._done = self._done, lambda: None
        done()
        close: Any = getattr(self._body, "close", None)
        if close is not None:
            close()


def _fields(environ: WSGIEnvironment) -> str:
    """Return those of a request's header fields that say what is wanted; none of them is secret."""
    found = {name: environ.get(f"HTTP_{name.upper().replace('-', '_')}", "") for name in _TOLD}
    found["Content-Type"] = environ.get("CONTENT_TYPE", "")
    try:
        found["Destination"] = urlsplit(found["Destination"]).path  # the rest may hold a password
    except ValueError:
        found["Destination"] = "?"
    return "; ".join(f"{name}: {value}" for name, value in found.items() if value) or "no fields"


def _of_error(error: DAVError) -> Answer:
    """Return the answer that an error means."""
    phrase = refusal.phrase(error)
    if error.value == 304:
        answer = Answer(304, phrase)
    elif error.value == 401:
        answer = Answer(401, phrase, [("Content-Type", "text/html")])
    elif error.err_condition is not None:
        hrefs = [
            f"{MOUNT}/{href.strip('/').partition('/')[2]}"  # without the mailbox
            for href in error.err_condition.hrefs
        ]
        body = error_body(split_name(error.err_condition.condition_code)[1], hrefs)
        headers = [("Content-Type", "application/xml; charset=utf-8")]
        answer = Answer(error.value, phrase, headers, (body,), len(body))
    else:
        text = error.text if isinstance(error, Refused) else phrase
        answer = plain(error.value, text, phrase)
    answer.headers.extend(error.headers if isinstance(error, Refused) else error.add_headers or ())
    return answer


def _challenge() -> Refused:
    return Refused(401, headers=(("WWW-Authenticate", f'Basic realm="{_REALM}"'),))


def _credentials(request: Request) -> tuple[str, str]:
    """Return name and password as they were sent; empty texts when there are none (RFC 7617)."""
    scheme, _, token = request.field("Authorization").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        octets = b64decode(token.strip(), validate=True)
    except (binascii.Error, ValueError):
        return "", ""
    try:
        text = octets.decode()
    except UnicodeDecodeError:  # old clients
        text = octets.decode("latin-1")
    name, _, password = text.partition(":")
    return name, password
