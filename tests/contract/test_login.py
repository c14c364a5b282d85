"""Logging in: who gets in, what a failure costs, and how long; by event loop and by thread alike.

RFC 4954 §4 (535), RFC 3206 §4 (AUTH); CHECKLIST 119 (default post office), 279 (alternate @).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from appliance.operations.house import House
from appliance.operations.login import LoginResult, Logins
from appliance.operations.mailboxes import (
    ChangeOwnPassword,
    EnableMailbox,
    SetMailboxPassword,
    ShowMailbox,
)
from appliance.operations.operation import Invalid
from appliance.operations.operators import (
    ChangeOwnOperatorPassword,
    CreateOperator,
    DeleteOperator,
    SetOperatorPassword,
)
from appliance.operations.settings import ChangeSetting
from appliance.rules.access import Actor, ActorKind
from tests.support.clock import SetClock
from tests.support.town import PASSWORD, Town

CLIENT = "192.0.2.1"

Check = Callable[..., LoginResult]


@pytest.fixture(params=["event loop", "thread"])
def check(town: Town, request: pytest.FixtureRequest) -> Iterator[Check]:
    """Try a login at a service of the town, as daemons do and as the web does."""
    made: list[Logins] = []

    def try_it(
        name: str,
        password: str = PASSWORD,
        *,
        client: str = CLIENT,
        service: str = "smtp",
        house: House | None = None,
    ) -> LoginResult:
        made.append(Logins(house or town.house, service))
        if request.param == "thread":
            return made[-1].check_now(name, password, client=client)
        result = asyncio.run(made[-1].check(name, password, client=client))
        made[-1]._pool.shutdown()  # noqa: SLF001 - what it writes afterwards is written
        return result

    yield try_it
    for logins in made:
        logins._pool.shutdown()  # noqa: SLF001 - a service ends with its process


def test_right_password_gets_in(check: Check) -> None:
    found = check("Alice@ALPHA")
    assert found.mailbox is not None
    assert found.login == found.mailbox.login == "alice@alpha"
    assert found.reason.accepted
    assert check("alice@alpha.test").login == "alice@alpha"


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("alice@alpha", "wrong"),
        ("alice@alpha", ""),
        ("alice@alpha", PASSWORD.upper()),
        ("alice@alpha", PASSWORD + "\0"),
        ("nobody@alpha", PASSWORD),
        ("alice@beta", PASSWORD),
        ("alice", PASSWORD),
        ("", ""),
        ("\0@alpha", PASSWORD),
        ("\udcff@alpha", "\udcff"),
    ],
)
def test_everything_else_is_refused_alike(check: Check, name: str, password: str) -> None:
    # an unknown login and a wrong password are not told apart
    found = check(name, password)
    assert found.mailbox is None
    assert found.reason.rule == "login.wrong"
    assert found.reason.text == "The login or the password is wrong."


def test_disabled_mailbox_does_not_get_in_even_when_its_password_is_remembered(
    check: Check, town: Town
) -> None:
    assert check("alice@alpha").mailbox
    town.do(EnableMailbox(mailbox="alice@alpha", enabled=False))
    assert check("alice@alpha").mailbox is None


def test_changed_password_ends_the_old_one_at_once(check: Check, town: Town) -> None:
    assert check("alice@alpha").mailbox
    assert check("alice@alpha").mailbox  # remembered
    town.do(SetMailboxPassword(mailbox="alice@alpha", password="another horse"))
    assert check("alice@alpha").mailbox is None
    assert check("alice@alpha", "another horse").mailbox


def test_too_many_failures_of_a_login_pause_it_for_every_client_and_process(
    check: Check, town: Town, open_house: Callable[[], House], clock: SetClock
) -> None:
    town.do(ChangeSetting(setting="auth.max_failures", value="3"))
    town.house.live.refresh()
    for number in range(3):
        assert (
            check("alice@alpha", "wrong", client=f"192.0.2.{number}").reason.rule == "login.wrong"
        )
    for house in (town.house, open_house()):
        paused = check("ALICE@alpha", client="198.51.100.1", house=house)
        assert paused.mailbox is None
        assert paused.reason.rule == "login.throttled"
        assert paused.reason.setting == "auth.max_failures"
    assert check("bob@beta", client="198.51.100.1").mailbox
    clock.advance(900)
    assert check("alice@alpha").mailbox


def test_too_many_failures_of_a_client_pause_it_for_every_login(check: Check, town: Town) -> None:
    town.do(ChangeSetting(setting="auth.max_failures", value="3"))
    town.house.live.refresh()
    for number in range(3):
        check(f"nobody{number}@alpha", "wrong")
    assert check("alice@alpha").reason.rule == "login.throttled"
    assert check("alice@alpha", client="198.51.100.1").mailbox


def test_right_password_forgets_the_failures_of_its_login(check: Check, town: Town) -> None:
    town.do(ChangeSetting(setting="auth.max_failures", value="3"))
    town.house.live.refresh()
    for number in range(4):
        assert (
            check("alice@alpha", "wrong", client=f"192.0.2.{number}").reason.rule == "login.wrong"
        )
        assert check("alice@alpha", client=f"192.0.2.{number}").mailbox


def test_bare_name_belongs_to_the_default_post_office(check: Check, town: Town) -> None:
    assert check("alice").mailbox is None
    town.do(ChangeSetting(setting="auth.default_postoffice", value="alpha"))
    town.house.live.refresh()
    assert check("alice").login == "alice@alpha"
    assert check("bob@beta").login == "bob@beta"


def test_alternate_at_characters_stand_for_at_in_pop3_only(check: Check, town: Town) -> None:
    town.do(ChangeSetting(setting="pop.alternate_at", value="#%"))
    town.house.live.refresh()
    assert check("alice#alpha", service="pop3").login == "alice@alpha"
    assert check("bob%beta", service="pop3").login == "bob@beta"
    assert check("alice#alpha", service="smtp").mailbox is None


def test_result_of_a_login_tells_no_password(check: Check) -> None:
    found = check("alice@alpha")
    assert found.fingerprint
    assert found.fingerprint not in repr(found)
    assert PASSWORD not in repr(found)


# ── the last login ───────────────────────────────────────────────────────────────────────────────


def last_login(town: Town) -> int:
    return town.ask(ShowMailbox(mailbox="alice@alpha")).mailbox.last_login_at


def test_last_login_of_a_mailbox_is_known_to_the_minute_by_every_service(
    check: Check, town: Town, clock: SetClock
) -> None:
    assert last_login(town) == 0
    check("alice@alpha", "wrong")
    assert last_login(town) == 0
    first = clock.now_us()
    check("alice@alpha")
    assert last_login(town) == first
    clock.advance(59)
    check("alice@alpha", service="pop3")
    assert last_login(town) == first
    clock.advance(1)
    check("alice@alpha", service="pop3")  # remembered: no password is verified any more
    assert last_login(town) == clock.now_us()


def test_login_is_no_change_of_the_configuration(check: Check, town: Town) -> None:
    before = town.house.directory.version()
    check("alice@alpha")
    assert town.house.directory.version() == before


def test_a_service_writes_the_last_login_down_once_a_minute(
    town: Town, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    logins = Logins(town.house, "web")
    written: list[int] = []
    monkeypatch.setattr(logins, "_note", lambda mailbox: written.append(mailbox.id))
    for _ in range(3):
        logins.check_now("alice@alpha", PASSWORD, client=CLIENT)
        logins.check_now("bob@beta", PASSWORD, client=CLIENT)
        clock.advance(29)
    assert len(written) == 2
    clock.advance(29)
    logins.check_now("alice@alpha", PASSWORD, client=CLIENT)
    assert len(written) == 3


# ── operators ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def olga(town: Town) -> Check:
    """Try the login of an operator."""
    town.do(CreateOperator(operator="olga", password=PASSWORD))
    logins = Logins(town.house, "console")

    def try_it(
        password: str = PASSWORD, *, name: str = "olga", client: str = CLIENT
    ) -> LoginResult:
        return logins.check_operator_now(name, password, client=client)

    return try_it


def test_operator_gets_in_with_the_own_password(olga: Check) -> None:
    found = olga(name=" olga ")
    assert found.operator is not None
    assert (found.operator.name, found.login, found.mailbox) == ("olga", "olga", None)
    assert found.reason.accepted


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("olga", "wrong"),
        ("Olga", PASSWORD),
        ("nobody", PASSWORD),
        ("alice@alpha", PASSWORD),
        ("", ""),
        ("o\0lga", PASSWORD),
        ("\udcff", "\udcff"),
    ],
)
def test_no_one_else_does_and_nothing_tells_an_unknown_name_from_a_wrong_password(
    olga: Check, name: str, password: str
) -> None:
    found = olga(password, name=name)
    assert (found.operator, found.mailbox, found.fingerprint) == (None, None, "")
    assert found.reason.rule == "login.wrong"
    assert found.reason.text == "The login or the password is wrong."


def test_unknown_operator_costs_as_much_as_a_wrong_password(
    olga: Check, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[bool] = []
    verify = town.house.passwords.verify

    def count(login: str, password: str, stored: str | None) -> bool:
        verified.append(stored is not None)
        return verify(login, password, stored)

    monkeypatch.setattr(town.house.passwords, "verify", count)
    olga("wrong")
    olga("wrong", name="nobody")
    assert verified == [True, False]


def test_operator_is_no_mailbox_and_a_mailbox_no_operator(olga: Check, town: Town) -> None:
    assert Logins(town.house, "web").check_now("olga", PASSWORD, client=CLIENT).mailbox is None
    assert olga(name="alice@alpha").operator is None


def test_operator_is_throttled_apart_from_mailboxes(
    olga: Check, town: Town, clock: SetClock
) -> None:
    town.do(ChangeSetting(setting="auth.max_failures", value="3"))
    town.house.live.refresh()
    for number in range(3):
        olga("wrong", client=f"192.0.2.{number}")
    assert olga(client="198.51.100.1").reason.rule == "login.throttled"
    clock.advance(900)
    assert olga().operator


def test_deleted_operator_and_old_password_do_not_get_in(olga: Check, town: Town) -> None:
    assert olga().operator
    town.do(SetOperatorPassword(operator="olga", password="another horse"))
    assert olga().operator is None
    assert olga("another horse").operator
    town.do(DeleteOperator(operator="olga"))
    assert olga("another horse").operator is None


# ── a burst ──────────────────────────────────────────────────────────────────────────────────────


def test_burst_of_guesses_gets_no_more_than_the_throttle_allows(town: Town) -> None:
    town.do(ChangeSetting(setting="auth.max_failures", value="3"))
    town.house.live.refresh()
    start = threading.Barrier(16)

    def guess(number: int) -> str:
        start.wait(timeout=10)
        found = Logins(town.house, "web").check_now("alice@alpha", f"{number}", client=CLIENT)
        return found.reason.rule

    with ThreadPoolExecutor(16) as pool:
        rules = list(pool.map(guess, range(16)))
    # two are verified at a time, so at most one more has begun when the third fails
    assert rules.count("login.wrong") in (3, 4)
    assert set(rules) == {"login.wrong", "login.throttled"}


# ── changing the own password ────────────────────────────────────────────────────────────────────


ALICE = Actor(ActorKind.MAILBOX, "alice@alpha", "alpha")


def test_own_password_is_changed_by_the_old_one(check: Check, town: Town) -> None:
    town.do(ChangeOwnPassword(mailbox="alice@alpha", old=PASSWORD, new="another horse"), ALICE)
    assert check("alice@alpha").mailbox is None
    assert check("alice@alpha", "another horse").mailbox


def test_wrong_old_password_changes_nothing_and_counts_as_a_failed_login(
    check: Check, town: Town
) -> None:
    town.do(ChangeSetting(setting="auth.max_failures", value="3"))
    town.house.live.refresh()
    for _ in range(3):
        with pytest.raises(Invalid, match="not the password until now") as wrong:
            town.do(ChangeOwnPassword(mailbox="alice@alpha", old="wrong", new=PASSWORD), ALICE)
        assert wrong.value.field == "old"
    assert check("alice@alpha").reason.rule == "login.throttled"
    with pytest.raises(Invalid, match="3 attempts") as paused:
        town.do(ChangeOwnPassword(mailbox="alice@alpha", old=PASSWORD, new="x" * 9), ALICE)
    assert paused.value.field == "old"


def test_new_own_password_must_be_a_good_one(town: Town) -> None:
    with pytest.raises(Invalid, match="8 or more") as short:
        town.do(ChangeOwnPassword(mailbox="alice@alpha", old=PASSWORD, new="short"), ALICE)
    assert short.value.field == "new"


def test_operator_changes_the_own_password_by_the_old_one(olga: Check, town: Town) -> None:
    me = Actor(ActorKind.OPERATOR, "olga")
    with pytest.raises(Invalid) as wrong:
        town.do(ChangeOwnOperatorPassword(operator="olga", old="wrong", new="another horse"), me)
    assert wrong.value.field == "old"
    town.do(ChangeOwnOperatorPassword(operator="olga", old=PASSWORD, new="another horse"), me)
    assert olga().operator is None
    assert olga("another horse").operator
