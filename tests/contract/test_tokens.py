"""Tokens: what a program may do with one, for how long; its secret is shown once (RFC 6750)."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.agents.housekeeping.chores import remove_deleted
from appliance.database.database import Database
from appliance.database.errors import StoreBusy
from appliance.operations.house import House
from appliance.operations.mailboxes import ListMailboxes, ShowMailbox
from appliance.operations.operation import Clash, Invalid, NotFound, Refused
from appliance.operations.operators import CreateOperator
from appliance.operations.postoffices import DeletePostOffice, EnablePostOffice
from appliance.operations.queue import CountQueue
from appliance.operations.records import ListAudit, ListRevisions
from appliance.operations.tokens import (
    CreateToken,
    IssuedToken,
    ListTokens,
    RevokeToken,
    find_token,
)
from appliance.rules.access import TOKEN_PERMISSIONS, Actor, ActorKind, Permission
from tests.support.clock import SetClock
from tests.support.town import PASSWORD, Town

DAY = 86_400
READ = (Permission.MAILBOX_READ,)


def issue(
    town: Town,
    *permissions: Permission,
    name: str = "billing",
    postoffice: str = "",
    days: int = 0,
) -> IssuedToken:
    wanted = permissions or READ
    return town.do(CreateToken(token=name, permissions=wanted, postoffice=postoffice, days=days))


def test_secret_stands_for_an_actor_with_the_tokens_permissions(town: Town) -> None:
    made, secret = issue(town, Permission.MAILBOX_READ, Permission.QUEUE_READ)
    assert re.fullmatch(r"ph_[A-Za-z0-9_-]{43}", secret)
    actor = find_token(town.house, secret)
    assert actor == Actor(
        ActorKind.TOKEN, "billing", "", frozenset(map(Permission, made.permissions))
    )
    town.ask(ListMailboxes(), actor)
    town.ask(CountQueue(), actor)
    with pytest.raises(Refused):
        town.do(CreateOperator(operator="eve", password=PASSWORD), actor)


def test_token_of_a_post_office_reaches_no_other(town: Town) -> None:
    actor = find_token(town.house, issue(town, postoffice="ALPHA").secret)
    assert actor is not None
    assert actor.postoffice == "alpha"
    town.ask(ShowMailbox(mailbox="alice@alpha"), actor)
    with pytest.raises(Refused):
        town.ask(ShowMailbox(mailbox="bob@beta"), actor)
    with pytest.raises(Refused):
        town.ask(ListMailboxes(), actor)


@pytest.mark.parametrize(
    "secret",
    ["", "ph_", "ph_" + "a" * 43, "ph_" + "a" * 42 + "\n", "x" * 10_000, "ph_\udcff" + "a" * 42],
)
def test_what_is_no_secret_stands_for_nobody(town: Town, secret: str) -> None:
    issue(town)
    assert find_token(town.house, secret) is None


def test_secret_counts_as_it_was_given_and_no_other_way(town: Town) -> None:
    _, secret = issue(town)
    for wrong in (secret.swapcase(), secret[:-1], secret + "a", f" {secret}", f"{secret}\n"):
        assert find_token(town.house, wrong) is None


def test_token_ends_after_its_days(town: Town, clock: SetClock) -> None:
    made, secret = issue(town, days=2)
    assert made.expires_at == clock.now_us() + 2 * DAY * 1_000_000
    clock.advance(2 * DAY - 1)
    assert find_token(town.house, secret)
    clock.advance(1)
    assert find_token(town.house, secret) is None
    assert [each.name for each in town.ask(ListTokens())] == ["billing"]  # with when it ended


def test_revoked_token_is_nobodys_at_once_in_every_process(
    town: Town, open_house: Callable[[], House]
) -> None:
    _, secret = issue(town)
    other = open_house()
    assert find_token(other, secret)
    town.do(RevokeToken(token="billing"))
    assert find_token(other, secret) is None
    assert town.ask(ListTokens()) == []
    with pytest.raises(NotFound, match="no token 'billing'"):
        town.do(RevokeToken(token="billing"))
    assert issue(town).secret != secret


def test_token_sleeps_with_its_post_office_and_dies_with_it(town: Town) -> None:
    _, secret = issue(town, postoffice="alpha")
    town.do(EnablePostOffice(postoffice="alpha", enabled=False))
    assert find_token(town.house, secret) is None
    town.do(EnablePostOffice(postoffice="alpha", enabled=True))
    assert find_token(town.house, secret)
    town.do(DeletePostOffice(postoffice="alpha"))
    assert find_token(town.house, secret) is None
    assert town.ask(ListTokens()) == []
    remove_deleted(town.house)
    assert find_token(town.house, secret) is None


def test_last_use_is_written_down_once_a_minute(
    town: Town, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, secret = issue(town)

    def last_used() -> int:
        (token,) = town.ask(ListTokens())
        return token.last_used_at

    assert last_used() == 0
    first = clock.now_us()
    find_token(town.house, secret)
    clock.advance(59)
    find_token(town.house, secret)
    assert last_used() == first
    clock.advance(1)
    find_token(town.house, secret)
    assert last_used() == clock.now_us()

    def fail(*_: object, **__: object) -> None:
        raise StoreBusy("the disk is full")

    clock.advance(60)
    monkeypatch.setattr(Database, "transact", fail)
    assert find_token(town.house, secret)  # the API goes on reading


# ── making one ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("permission", sorted(set(Permission) - TOKEN_PERMISSIONS))
def test_no_token_can_make_accounts_tokens_or_act_as_somebody(
    town: Town, permission: Permission
) -> None:
    with pytest.raises(Invalid, match=f"can't have {permission}") as refused:
        issue(town, Permission.MAILBOX_READ, permission)
    assert refused.value.field == "permissions"


def test_token_of_a_post_office_has_at_most_what_its_admins_have(town: Town) -> None:
    for permission in (Permission.SERVER_READ, Permission.DOMAIN_CHANGE):
        with pytest.raises(Invalid, match=f"bound to alpha can't have {permission}") as refused:
            issue(town, permission, postoffice="alpha")
        assert refused.value.field == "permissions"


@pytest.mark.parametrize(
    ("token", "field"),
    [
        (CreateToken(token="two words", permissions=READ), "token"),
        (CreateToken(token="", permissions=READ), "token"),
        (CreateToken(token="t", permissions=()), "permissions"),
        (CreateToken(token="t", permissions=READ, days=-1), "days"),
        (CreateToken(token="t", permissions=READ, days=10_000), "days"),
    ],
)
def test_wrong_token_is_refused_where_it_is_wrong(
    town: Town, token: CreateToken, field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        town.do(token)
    assert refused.value.field == field


def test_token_for_a_post_office_that_is_not_there_and_a_name_that_is_taken(town: Town) -> None:
    with pytest.raises(NotFound) as missing:
        issue(town, postoffice="nowhere")
    assert missing.value.field == "postoffice"
    issue(town)
    with pytest.raises(Clash, match="there is a token 'billing' already") as taken:
        issue(town)
    assert taken.value.field == "token"


def test_permission_given_twice_counts_once(town: Town) -> None:
    made, _ = issue(town, *READ, *READ, Permission.ADDRESS_READ)
    assert made.permissions == ("address.read", "mailbox.read")
    assert town.ask(ListTokens()) == [made]


def test_token_is_audited_and_revised_with_who_made_it(town: Town) -> None:
    issue(town, postoffice="alpha", days=7)
    (audit,) = town.ask(ListAudit(most=1))
    assert (audit.actor, audit.operation, audit.object) == (
        "operator:anna",
        "token.create",
        "token billing",
    )
    (revision,) = town.ask(ListRevisions(most=1))
    assert json.loads(revision.after) == {
        "name": "billing",
        "permissions": ["mailbox.read"],
        "postoffice": "alpha",
        "days": 7,
    }
    town.do(RevokeToken(token="billing"))
    (revision,) = town.ask(ListRevisions(most=1))
    assert (revision.operation, revision.after) == ("token.revoke", "")


def test_what_a_token_does_is_on_record_under_its_name(town: Town) -> None:
    actor = find_token(town.house, issue(town, name="watcher").secret)
    assert actor is not None
    with pytest.raises(Refused):
        town.do(RevokeToken(token="watcher"), actor)
    (audit,) = town.ask(ListAudit(most=1))
    assert (audit.actor, audit.outcome) == ("token:watcher", "refused")


def test_secret_is_shown_once_and_kept_nowhere(
    town: Town, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = issue(town)
    find_token(town.house, made.secret)
    assert made.secret not in repr(made)
    assert made.secret not in repr(
        [town.ask(ListTokens()), town.ask(ListAudit()), town.ask(ListRevisions())]
    )
    assert made.secret not in caplog.text
    town.house.close()
    for path in (tmp_path / "home").rglob("*"):
        if path.is_file():
            assert made.secret.encode() not in path.read_bytes(), path
