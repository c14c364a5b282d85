"""Sessions of the web: who gets one, what ends it, and what nobody can read out of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.agents.housekeeping.chores import expire_sessions
from appliance.database.errors import StoreBusy
from appliance.directory.records import Role
from appliance.directory.sessions import MOST, Room, SessionStore
from appliance.operations.house import House
from appliance.operations.login import Logins
from appliance.operations.mailboxes import (
    ChangeOwnPassword,
    CreateMailbox,
    DeleteMailbox,
    EditMailbox,
    EnableMailbox,
    SetMailboxPassword,
)
from appliance.operations.operation import Change, NotFound, Refused
from appliance.operations.operators import CreateOperator, DeleteOperator, SetOperatorPassword
from appliance.operations.postoffices import DeletePostOffice, EnablePostOffice
from appliance.operations.records import ListAudit
from appliance.operations.sessions import (
    EndSession,
    EndSessions,
    ListSessions,
    Session,
    Sessions,
)
from appliance.operations.settings import ChangeSetting
from appliance.rules.access import Actor, ActorKind
from tests.support.clock import SetClock
from tests.support.town import PASSWORD, Town

CLIENT = "192.0.2.7"
AGENT = "Browser/1.0"
ALICE = Actor(ActorKind.MAILBOX, "alice@alpha", "alpha")
HOUR = 3600

OpenSession = Callable[..., str]


@pytest.fixture
def sign_in(town: Town) -> OpenSession:
    """Sign somebody in; returns the cookie's value."""
    town.do(CreateOperator(operator="olga", password=PASSWORD))

    def do(
        login: str = "alice@alpha",
        room: Room = Room.WEBMAIL,
        *,
        password: str = PASSWORD,
        remember: bool = False,
        agent: str = AGENT,
        house: House | None = None,
    ) -> str:
        house = house or town.house
        logins = Logins(house, "web")
        check = logins.check_operator_now if room is Room.CONSOLE else logins.check_now
        result = check(login, password, client=CLIENT)
        return Sessions(house).open(
            result, room=room, client=CLIENT, agent=agent, remember=remember
        )

    return do


def find(town: Town, token: str, room: Room = Room.WEBMAIL) -> Session | None:
    return Sessions(town.house).find(token, room)


def change_setting(town: Town, name: str, value: str) -> None:
    town.do(ChangeSetting(setting=name, value=value))
    town.house.live.refresh()


# ── who gets one ─────────────────────────────────────────────────────────────────────────────────


def test_session_says_who_is_signed_in_where_and_since_when(
    town: Town, sign_in: OpenSession, clock: SetClock
) -> None:
    session = find(town, sign_in())
    assert session is not None
    assert session.actor == ALICE
    assert (session.room, session.login) == (Room.WEBMAIL, "alice@alpha")
    assert session.mailbox == town.house.directory.mailbox("alice@alpha")
    assert (session.client, session.agent) == (CLIENT, AGENT)
    assert session.created_at == session.seen_at == clock.now_us()
    assert session.expires_at == clock.now_us() + 1800 * 1_000_000


def test_address_signs_its_mailbox_in(town: Town, sign_in: OpenSession) -> None:
    session = find(town, sign_in("Alice@Alpha.test"))
    assert session is not None
    assert session.login == "alice@alpha"


@pytest.mark.parametrize(
    ("login", "room", "actor"),
    [
        ("ADMIN@alpha", Room.WEBMAIL, Actor(ActorKind.MAILBOX, "ADMIN@alpha", "alpha")),
        ("ADMIN@alpha", Room.WEBADMIN, Actor(ActorKind.ADMIN, "ADMIN@alpha", "alpha")),
        ("olga", Room.CONSOLE, Actor(ActorKind.OPERATOR, "olga")),
    ],
)
def test_room_makes_the_actor(
    town: Town, sign_in: OpenSession, login: str, room: Room, actor: Actor
) -> None:
    session = find(town, sign_in(login, room), room)
    assert session is not None
    assert session.actor == actor
    assert (session.mailbox is None) == (room is Room.CONSOLE)


@pytest.mark.parametrize(
    ("login", "room", "text"),
    [
        ("alice@alpha", Room.WEBADMIN, "takes a mailbox with the role ADMIN"),
        ("ADMIN@alpha", Room.CONSOLE, "login or the password is wrong"),
        ("olga", Room.WEBMAIL, "login or the password is wrong"),
        ("olga", Room.WEBADMIN, "login or the password is wrong"),
    ],
)
def test_nobody_enters_a_room_of_others(
    town: Town, sign_in: OpenSession, login: str, room: Room, text: str
) -> None:
    with pytest.raises(Refused, match=text):
        sign_in(login, room)
    (audit,) = town.ask(ListAudit(most=1))
    assert (audit.operation, audit.outcome) == ("session.open", "refused")


@pytest.mark.parametrize("room", [Room.WEBMAIL, Room.WEBADMIN])
def test_operator_has_no_mailbox_to_enter_by(town: Town, sign_in: OpenSession, room: Room) -> None:
    result = Logins(town.house, "web").check_operator_now("olga", PASSWORD, client=CLIENT)
    with pytest.raises(Refused):
        Sessions(town.house).open(result, room=room, client=CLIENT, agent=AGENT)
    assert town.ask(ListSessions(login="olga")) == []


@pytest.mark.parametrize("token", ["", "x", "\0", "\udcff", "a" * 10_000])
def test_what_is_no_session_opens_nothing(town: Town, sign_in: OpenSession, token: str) -> None:
    sign_in()
    assert find(town, token) is None
    Sessions(town.house).end(token)
    assert len(town.ask(ListSessions(login="alice@alpha"))) == 1


@pytest.mark.parametrize("room", [Room.WEBADMIN, Room.CONSOLE])
def test_cookie_of_a_room_opens_no_other(town: Town, sign_in: OpenSession, room: Room) -> None:
    token = sign_in("ADMIN@alpha")
    assert find(town, token, room) is None
    assert find(town, token)


def test_every_login_gives_a_new_value_of_256_random_bits(sign_in: OpenSession) -> None:
    tokens = {sign_in() for _ in range(5)}
    assert len(tokens) == 5
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", token) for token in tokens)


# ── what ends it ─────────────────────────────────────────────────────────────────────────────────


def test_idle_session_ends(town: Town, sign_in: OpenSession, clock: SetClock) -> None:
    token = sign_in()
    clock.advance(1799)
    assert find(town, token)  # used: the half hour begins anew
    clock.advance(1799)
    assert find(town, token)
    clock.advance(1800)
    assert find(town, token) is None
    clock.advance(-1800)
    assert find(town, token) is None  # for good


def test_busy_session_ends_after_its_longest_time(
    town: Town, sign_in: OpenSession, clock: SetClock
) -> None:
    token = sign_in()
    for _ in range(12 * 60 // 25):
        clock.advance(25 * 60)
        assert find(town, token)
    clock.advance(25 * 60)
    assert find(town, token) is None


def test_remembered_session_outlives_idle_days_and_ends_in_a_month(
    town: Town, sign_in: OpenSession, clock: SetClock
) -> None:
    token = sign_in(remember=True)
    clock.advance(30 * 24 * HOUR - 1)
    assert find(town, token)
    clock.advance(1)
    assert find(town, token) is None


@pytest.mark.parametrize(
    ("login", "room"), [("ADMIN@alpha", Room.WEBADMIN), ("olga", Room.CONSOLE)]
)
def test_rooms_of_power_remember_nobody(
    town: Town, sign_in: OpenSession, clock: SetClock, login: str, room: Room
) -> None:
    token = sign_in(login, room, remember=True)
    clock.advance(1800)
    assert find(town, token, room) is None


def test_shorter_time_holds_for_sessions_that_are_open(
    town: Town, sign_in: OpenSession, clock: SetClock
) -> None:
    token = sign_in()
    clock.advance(600)
    change_setting(town, "web.session_idle", "10m")
    assert find(town, token) is None


@pytest.mark.parametrize(
    "change",
    [
        SetMailboxPassword(mailbox="alice@alpha", password="another horse"),
        SetMailboxPassword(mailbox="alice@alpha", password=PASSWORD),
        EnableMailbox(mailbox="alice@alpha", enabled=False),
        DeleteMailbox(mailbox="alice@alpha"),
        EnablePostOffice(postoffice="alpha", enabled=False),
        DeletePostOffice(postoffice="alpha"),
    ],
    ids=lambda change: change.name,
)
def test_what_happens_to_the_account_ends_its_sessions_at_once(
    town: Town, sign_in: OpenSession, change: Change[None]
) -> None:
    token, other = sign_in(remember=True), sign_in("bob@beta")
    town.do(change)
    if not isinstance(change, DeleteMailbox | DeletePostOffice):
        assert town.ask(ListSessions(login="alice@alpha")) == []
    assert find(town, token) is None
    assert find(town, other)


def test_own_new_password_ends_every_session_of_the_own(town: Town, sign_in: OpenSession) -> None:
    tokens = [sign_in(), sign_in()]
    town.do(ChangeOwnPassword(mailbox="alice@alpha", old=PASSWORD, new="another horse"), ALICE)
    assert [find(town, token) for token in tokens] == [None, None]
    assert find(town, sign_in(password="another horse"))


def test_session_that_has_ended_stays_so_when_the_account_is_enabled_again(
    town: Town, sign_in: OpenSession
) -> None:
    token = sign_in()
    town.do(EnableMailbox(mailbox="alice@alpha", enabled=False))
    assert find(town, token) is None
    town.do(EnableMailbox(mailbox="alice@alpha", enabled=True))
    assert find(town, token) is None


def test_mailbox_of_the_same_name_does_not_inherit_a_session(
    town: Town, sign_in: OpenSession
) -> None:
    token = sign_in()
    town.do(DeleteMailbox(mailbox="alice@alpha"))
    town.do(CreateMailbox(mailbox="alice@alpha", password=PASSWORD))
    assert find(town, token) is None


def test_lost_role_ends_web_administration_and_leaves_webmail(
    town: Town, sign_in: OpenSession
) -> None:
    town.do(EditMailbox(mailbox="alice@alpha", role=Role.ADMIN))
    admin, mail = sign_in(room=Room.WEBADMIN), sign_in()
    town.do(EditMailbox(mailbox="alice@alpha", role=Role.USER))
    assert find(town, admin, Room.WEBADMIN) is None
    assert find(town, mail)


@pytest.mark.parametrize(
    "change",
    [
        SetOperatorPassword(operator="olga", password="another horse"),
        DeleteOperator(operator="olga"),
    ],
    ids=lambda change: change.name,
)
def test_operators_session_ends_with_the_password_and_the_account(
    town: Town, sign_in: OpenSession, change: Change[None]
) -> None:
    token = sign_in("olga", Room.CONSOLE)
    assert find(town, token, Room.CONSOLE)
    town.do(change)
    assert find(town, token, Room.CONSOLE) is None


def test_signing_out_ends_this_session_only(town: Town, sign_in: OpenSession) -> None:
    here, there = sign_in(), sign_in()
    Sessions(town.house).end(here)
    assert find(town, here) is None
    assert find(town, there)


def test_account_has_so_many_sessions_and_the_one_unused_for_longest_ends(
    town: Town, sign_in: OpenSession, clock: SetClock
) -> None:
    tokens, other = [], sign_in("bob@beta")
    for _ in range(MOST):
        tokens.append(sign_in())
        clock.advance(2)
    assert find(town, tokens[0])  # used again, more than a minute after it was opened
    sign_in()
    assert find(town, tokens[0])
    assert find(town, tokens[1]) is None
    assert len(town.ask(ListSessions(login="alice@alpha"))) == MOST
    assert find(town, other)


def test_housekeeping_forgets_what_has_run_out_and_nothing_else(
    town: Town, sign_in: OpenSession, clock: SetClock
) -> None:
    sign_in()
    remembered = sign_in(remember=True)
    clock.advance(1800)
    fresh = sign_in()
    assert expire_sessions(town.house) == "1 sessions forgotten"
    assert expire_sessions(town.house) == ""
    assert find(town, remembered)
    assert find(town, fresh)
    clock.advance(30 * 24 * HOUR)
    assert expire_sessions(town.house) == "2 sessions forgotten"


# ── being used ───────────────────────────────────────────────────────────────────────────────────


def test_use_is_written_down_once_a_minute(
    town: Town, sign_in: OpenSession, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    touch = SessionStore.touch

    def count(self: SessionStore, session_id: str, now_us: int) -> None:
        written.append(now_us)
        touch(self, session_id, now_us)

    monkeypatch.setattr(SessionStore, "touch", count)
    token = sign_in()
    for _ in range(4):
        assert find(town, token)
        clock.advance(29)
    assert len(written) == 1
    (session,) = town.ask(ListSessions(login="alice@alpha"))
    assert session.seen_at == written[0]


def test_session_goes_on_while_its_use_cannot_be_written(
    town: Town, sign_in: OpenSession, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: SessionStore, session_id: str, now_us: int) -> None:
        raise StoreBusy("the disk is full")

    token = sign_in()
    clock.advance(60)
    monkeypatch.setattr(SessionStore, "touch", fail)
    assert find(town, token)


def test_session_counts_in_every_process(
    town: Town, sign_in: OpenSession, open_house: Callable[[], House]
) -> None:
    token, other = sign_in(), open_house()
    assert Sessions(other).find(token, Room.WEBMAIL)
    Sessions(other).end(token)
    assert find(town, token) is None


# ── looking at them, ending them ─────────────────────────────────────────────────────────────────


def test_one_sees_and_ends_the_own_sessions(
    town: Town, sign_in: OpenSession, clock: SetClock
) -> None:
    old = sign_in(agent="Old/1")
    clock.advance(1)
    new = sign_in(agent="New/2")
    listed = town.ask(ListSessions(login="alice@alpha"), ALICE)
    assert [each.agent for each in listed] == ["New/2", "Old/1"]
    town.do(EndSession(login="alice@alpha", session=listed[1].id), ALICE)
    assert find(town, old) is None
    assert find(town, new)
    with pytest.raises(NotFound) as gone:
        town.do(EndSession(login="alice@alpha", session=listed[1].id), ALICE)
    assert gone.value.field == "session"


def test_one_signs_out_everywhere_else(town: Town, sign_in: OpenSession) -> None:
    tokens, other = [sign_in(), sign_in(), sign_in()], sign_in("bob@beta")
    here = find(town, tokens[1])
    assert here is not None
    assert town.do(EndSessions(login="alice@alpha", except_id=here.id), ALICE) == 2
    assert [bool(find(town, token)) for token in tokens] == [False, True, False]
    assert town.do(EndSessions(login="alice@alpha"), ALICE) == 1
    assert find(town, tokens[1]) is None
    assert find(town, other)


def test_nobody_ends_a_session_of_others_by_naming_the_own_login(
    town: Town, sign_in: OpenSession
) -> None:
    token = sign_in("bob@beta")
    (bobs,) = town.ask(ListSessions(login="bob@beta"))
    with pytest.raises(NotFound):
        town.do(EndSession(login="alice@alpha", session=bobs.id), ALICE)
    assert find(town, token)


def test_admin_and_operator_sign_others_out(town: Town, sign_in: OpenSession) -> None:
    admin = Actor(ActorKind.ADMIN, "ADMIN@alpha", "alpha")
    token, console = sign_in(), sign_in("olga", Room.CONSOLE)
    assert town.do(EndSessions(login="Alice@ALPHA"), admin) == 1
    assert find(town, token) is None
    assert town.do(EndSessions(login="olga")) == 1
    assert find(town, console, Room.CONSOLE) is None


@pytest.mark.parametrize("login", ["nobody@alpha", "nobody", ""])
def test_sessions_of_an_account_that_is_not_there_are_not_found(town: Town, login: str) -> None:
    with pytest.raises(NotFound) as gone:
        town.ask(ListSessions(login=login))
    assert gone.value.field == "login"


# ── what is on record, and what is not ───────────────────────────────────────────────────────────


def test_signing_in_is_in_the_audit_with_client_and_room(town: Town, sign_in: OpenSession) -> None:
    sign_in("ADMIN@alpha", Room.WEBADMIN)
    (audit,) = town.ask(ListAudit(most=1))
    assert (audit.actor, audit.door, audit.client) == ("admin:ADMIN@alpha", "web", CLIENT)
    assert (audit.operation, audit.object) == ("session.open", "session ADMIN@alpha")
    assert (audit.outcome, audit.detail) == ("done", "webadmin")


@pytest.mark.parametrize(
    ("login", "room", "about"),
    [
        ("alice@alpha", Room.WEBMAIL, "session alice@alpha"),
        ("Alice@alpha.test", Room.WEBMAIL, "session alice@alpha"),
        ("olga", Room.CONSOLE, "session olga"),
        # somebody may have typed the password into the wrong field
        ("nobody@alpha", Room.WEBMAIL, "session"),
        ("correct horse", Room.CONSOLE, "session"),
    ],
)
def test_wrong_password_is_in_the_audit_and_no_name_that_does_not_exist(
    town: Town, sign_in: OpenSession, login: str, room: Room, about: str
) -> None:
    with pytest.raises(Refused):
        sign_in(login, room, password="wrong")
    (audit,) = town.ask(ListAudit(most=1))
    assert (audit.operation, audit.outcome, audit.object) == ("session.open", "refused", about)
    assert audit.detail == f"{room}: The login or the password is wrong."
    assert (audit.actor, audit.client) == ("service:web", CLIENT)


def test_what_the_throttle_stops_does_not_fill_the_audit(town: Town, sign_in: OpenSession) -> None:
    change_setting(town, "auth.max_failures", "2")
    before = len(town.ask(ListAudit(most=1000)))
    for _ in range(5):
        with pytest.raises(Refused):
            sign_in(password="wrong")
    assert len(town.ask(ListAudit(most=1000))) == before + 2


def test_no_value_of_a_cookie_is_kept_or_shown(
    town: Town, sign_in: OpenSession, tmp_path: Path
) -> None:
    tokens = [sign_in(), sign_in("olga", Room.CONSOLE)]
    shown = repr([find(town, tokens[0]), town.ask(ListAudit(most=100))])
    town.house.close()
    kept = [path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file()]
    for token in tokens:
        assert token not in shown
        assert not any(token.encode() in octets for octets in kept)


def test_id_of_a_session_opens_nothing(town: Town, sign_in: OpenSession) -> None:
    session = find(town, sign_in())
    assert session is not None
    assert find(town, session.id) is None


@pytest.mark.parametrize("agent", ["", "x" * 5000, "a\0b", "\udcff"])
def test_browsers_may_name_themselves_as_they_like(
    town: Town, sign_in: OpenSession, agent: str
) -> None:
    session = find(town, sign_in(agent=agent))
    assert session is not None
    assert len(session.agent) <= 300
