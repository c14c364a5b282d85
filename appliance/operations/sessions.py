"""Sessions of the web: opened by a login, found by a cookie, ended by much.

Standards: OWASP session management (256 random bits, kept hashed, a new one at each login).
Owns: nothing; the rows are the directory's. A session ends by time, by signing out, by a changed
password, with its account, and in web administration with the role ADMIN.
Failure: `Refused` at the door; `StoreBusy`, `CommitFailed` (temporary).
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass

from appliance.database.errors import DatabaseError
from appliance.directory.lookup import storable
from appliance.directory.passwords import fingerprint
from appliance.directory.records import Mailbox
from appliance.directory.sessions import Room, SessionRow
from appliance.operations.checks import found_mailbox, found_operator, postoffice_of
from appliance.operations.house import House
from appliance.operations.login import LoginResult
from appliance.operations.operation import Action, Call, NotFound, Question, Refused, record
from appliance.rules.access import Actor, ActorKind, Permission
from appliance.rules.login import may_enter
from appliance.runtime.clock import MICROSECONDS
from appliance.settings import web

_SEEN_EVERY_US = 60 * MICROSECONDS
_MAX_AGENT = 300
_KINDS = {
    Room.WEBMAIL: ActorKind.MAILBOX,
    Room.WEBADMIN: ActorKind.ADMIN,
    Room.CONSOLE: ActorKind.OPERATOR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Somebody signed in to a room of the web.

    Attributes:
        id: names the session; it opens nothing and may be shown.
        actor: who asks, in this room.
        room: which.
        login: the mailbox's login, or the operator's name.
        mailbox: the mailbox as it is now; None for an operator.
        created_at: when it was opened, in µs.
        seen_at: the last request, in µs, to the minute.
        expires_at: when it ends if nothing more happens, in µs.
        client: IP address it was opened from.
        agent: how the browser names itself.
    """

    id: str
    actor: Actor
    room: Room
    login: str
    mailbox: Mailbox | None
    created_at: int
    seen_at: int
    expires_at: int
    client: str
    agent: str


class Sessions:
    """What a web application asks about its cookies."""

    def __init__(self, house: House) -> None:
        """Take the house."""
        self._house = house

    def open(
        self, result: LoginResult, *, room: Room, client: str, agent: str, remember: bool = False
    ) -> str:
        """Open a session after a login; returns the cookie's value, kept nowhere else.

        Every attempt is in the audit as `session.open`, except those the throttle has stopped: they
        would fill it. Of a login that does not exist the audit does not keep the name, which may
        be a password typed into the wrong field.

        Args:
            result: what came of the login.
            room: where to.
            client: the browser's IP address.
            agent: how it names itself.
            remember: keep it for `web.remember_lifetime`; in webmail only.

        Raises:
            Refused: nobody has logged in, or not somebody for this room.
        """
        house = self._house
        who = result.operator or result.mailbox
        if who is None:
            reason = result.reason
        else:
            role = result.mailbox.role if result.mailbox else None
            reason = may_enter(room, result.login, role)
        if who is None or not reason.accepted:
            if reason.rule != "login.throttled":
                call = Call(Actor(ActorKind.SERVICE, "web"), "web", client)
                self._record(call, self._known(result, room), "refused", f"{room}: {reason.text}")
            raise Refused(reason)
        token = secrets.token_urlsafe(32)
        now = house.clock.now_us()
        row = SessionRow(
            id=_id_of(token),
            room=room,
            mailbox_id=result.mailbox.id if result.mailbox else 0,
            operator_id=result.operator.id if result.operator else 0,
            fingerprint=result.fingerprint,
            remembered=int(remember and room is Room.WEBMAIL),
            created_at=now,
            seen_at=now,
            client=client,
            agent=storable(agent)[:_MAX_AGENT],
        )
        house.sessions.open(row)
        call = Call(_actor(room, result.login, result.mailbox), "web", client)
        self._record(call, result.login, "done", room)
        return token

    def find(self, token: str, room: Room, *, is_use: bool = True) -> Session | None:
        """Return the session of a cookie; None when there is none, or when it has ended.

        Args:
            token: the cookie's value.
            room: where it was sent to; a cookie of another room opens nothing.
            is_use: a person asks, so that the session is not idle.
        """
        house = self._house
        row = house.sessions.find(_id_of(token))
        if row is None or row.room != room:
            return None
        found = _alive(house, row)
        if found is None:
            house.sessions.end(row.id)
            return None
        now = house.clock.now_us()
        if is_use and now - row.seen_at >= _SEEN_EVERY_US:
            with suppress(DatabaseError):  # a minute less of idle time, no reason to refuse
                house.sessions.touch(row.id, now)
        return found

    def end(self, token: str) -> None:
        """End the session of a cookie: sign out."""
        self._house.sessions.end(_id_of(token))

    def _known(self, result: LoginResult, room: Room) -> str:
        """Return the login if there is one, by one look-up either way."""
        directory = self._house.directory
        if room is Room.CONSOLE:
            operator = directory.operator_login(result.login)
            return operator[0].name if operator else ""
        mailbox = directory.login(result.login)
        return mailbox[0].login if mailbox else ""

    def _record(self, call: Call, login: str, outcome: str, detail: str) -> None:
        about = f"session {login}".strip()
        record(self._house, call, "session.open", about, outcome=outcome, detail=detail)


def _id_of(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _actor(room: Room, login: str, mailbox: Mailbox | None) -> Actor:
    return Actor(_KINDS[room], login, mailbox.postoffice if mailbox else "")


def _alive(house: House, row: SessionRow) -> Session | None:
    """Return the session of a row with its account as it is now; None when it has ended."""
    expires_at = _expires_at(house, row)
    if house.clock.now_us() >= expires_at:
        return None
    room, mailbox, role = Room(row.room), None, None
    if row.operator_id:
        operator = house.directory.operator_account(row.operator_id)
        if operator is None:
            return None
        login, stored = operator[0].name, operator[1]
    else:
        account = house.directory.account(row.mailbox_id)
        if account is None:
            return None
        mailbox, stored = account
        login, role = mailbox.login, mailbox.role
    if fingerprint(stored) != row.fingerprint or not may_enter(room, login, role).accepted:
        return None
    return Session(
        id=row.id,
        actor=_actor(room, login, mailbox),
        room=room,
        login=login,
        mailbox=mailbox,
        created_at=row.created_at,
        seen_at=row.seen_at,
        expires_at=expires_at,
        client=row.client,
        agent=row.agent,
    )


def _expires_at(house: House, row: SessionRow) -> int:
    settings = house.settings
    if row.remembered:
        return row.created_at + settings[web.remember_lifetime] * MICROSECONDS
    return min(
        row.created_at + settings[web.session_lifetime] * MICROSECONDS,
        row.seen_at + settings[web.session_idle] * MICROSECONDS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfAccount:
    """What all operations on an account's sessions share.

    Attributes:
        login: the mailbox's login, or the operator's name.
    """

    login: str

    def owner(self) -> str:
        """Return the mailbox's post office; operators belong to none."""
        return postoffice_of(self.login) if "@" in self.login else ""

    def account(self) -> str:
        """Return whose sessions."""
        return self.login

    def object(self) -> str:
        """Return what it is about."""
        return f"session {self.login}"


def _rows_of(house: House, login: str) -> list[SessionRow]:
    if "@" in login:
        return house.sessions.of(mailbox_id=found_mailbox(house.directory, login, field="login").id)
    return house.sessions.of(operator_id=found_operator(house.directory, login, field="login").id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSessions(_OfAccount, Question[list[Session]]):
    """Where somebody is signed in to the web."""

    name = "session.list"
    permission = Permission.SESSION

    def answer(self, house: House) -> list[Session]:
        """Return the sessions that still count, the one used last first."""
        found = (_alive(house, row) for row in _rows_of(house, self.login))
        return [session for session in found if session is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSession(_OfAccount, Action[None]):
    """Sign somebody out of one session.

    Attributes:
        session: its id.
    """

    name = "session.end"
    permission = Permission.SESSION
    session: str

    def carry_out(self, house: House) -> None:
        """End it."""
        rows = _rows_of(house, self.login)
        if not any(row.id == self.session for row in rows) or not house.sessions.end(self.session):
            raise NotFound(f"{self.login} has no such session any more", field="session")


@dataclass(frozen=True, slots=True, kw_only=True)
class EndSessions(_OfAccount, Action[int]):
    """Sign somebody out everywhere.

    Attributes:
        except_id: the session that stays; empty for none.
    """

    name = "session.end-all"
    permission = Permission.SESSION
    except_id: str = ""

    def carry_out(self, house: House) -> int:
        """End them; returns how many."""
        rows = _rows_of(house, self.login)
        return house.sessions.end(*(row.id for row in rows if row.id != self.except_id))
