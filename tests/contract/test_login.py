"""Logging in: who gets in, what a failure costs, and how long.

RFC 4954 §4 (535), RFC 3206 §4 (AUTH); CHECKLIST 119 (default post office), 279 (alternate @).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from appliance.operations.house import House
from appliance.operations.login import LoginResult, Logins
from appliance.operations.mailboxes import EnableMailbox, SetMailboxPassword
from appliance.operations.settings import ChangeSetting
from tests.support.clock import SetClock
from tests.support.town import PASSWORD, Town

CLIENT = "192.0.2.1"

Check = Callable[..., LoginResult]


@pytest.fixture
def check(town: Town) -> Iterator[Check]:
    """Try a login at a service of the town."""
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
        return asyncio.run(made[-1].check(name, password, client=client))

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
