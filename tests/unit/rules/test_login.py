"""Logins as clients write them, and the pause after failures (CHECKLIST 029, 119, 279)."""

from __future__ import annotations

import pytest

from appliance.directory.records import Role
from appliance.journey.reason import Outcome
from appliance.rules.login import full_login, may_enter, may_try
from appliance.settings.snapshot import Snapshot


@pytest.mark.parametrize(
    ("name", "default", "alternate", "expected"),
    [
        ("alice@alpha", "", "", "alice@alpha"),
        ("alice@alpha", "beta", "#", "alice@alpha"),
        ("  alice@alpha ", "", "", "alice@alpha"),
        ("alice", "", "", "alice"),
        ("alice", "alpha", "", "alice@alpha"),
        ("alice#alpha", "", "#%", "alice@alpha"),
        ("alice%alpha", "", "#%", "alice@alpha"),
        ("alice%alpha", "beta", "", "alice%alpha@beta"),
        ("al#ice#alpha", "", "#", "al#ice@alpha"),
        ("alice#alpha@beta", "", "#", "alice#alpha@beta"),
        ("", "alpha", "", "@alpha"),
    ],
)
def test_login_is_completed(name: str, default: str, alternate: str, expected: str) -> None:
    assert full_login(name, default_postoffice=default, alternate_at=alternate) == expected


@pytest.mark.parametrize(("login", "client"), [(0, 0), (9, 9)])
def test_login_is_looked_at_below_the_limit(login: int, client: int) -> None:
    assert may_try(login_failures=login, client_failures=client, settings=Snapshot({})).accepted


@pytest.mark.parametrize(
    ("login", "client", "what"), [(10, 0, "this login"), (0, 10, "this address"), (99, 99, "login")]
)
def test_login_is_paused_at_the_limit_for_now(login: int, client: int, what: str) -> None:
    reason = may_try(login_failures=login, client_failures=client, settings=Snapshot({}))
    assert reason.outcome is Outcome.DEFER
    assert what in reason.text
    assert "wait 15m" in reason.text
    assert reason.setting == "auth.max_failures"


def test_limit_and_pause_are_settings() -> None:
    settings = Snapshot({"auth.max_failures": 2, "auth.pause": 60})
    assert may_try(login_failures=1, client_failures=1, settings=settings).accepted
    reason = may_try(login_failures=2, client_failures=0, settings=settings)
    assert "wait 1m" in reason.text


@pytest.mark.parametrize(
    ("role", "rooms"),
    [
        (Role.USER, {"webmail"}),
        (Role.ADMIN, {"webmail", "webadmin"}),
        (None, {"console"}),  # an operator
    ],
)
def test_rooms_of_the_web_by_role(role: Role | None, rooms: set[str]) -> None:
    for room in ("webmail", "webadmin", "console"):
        reason = may_enter(room, "alice@alpha", role)
        assert reason.accepted == (room in rooms)
        assert reason.text.startswith("alice@alpha ")
        assert reason.inputs["room"] == room
