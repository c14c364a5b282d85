"""The decision before every operation (DESIGN, Actors; manual §6.13)."""

from __future__ import annotations

import pytest

from appliance.journey.reason import Outcome
from appliance.rules.access import (
    ADMIN_PERMISSIONS,
    TOKEN_PERMISSIONS,
    Actor,
    ActorKind,
    Permission,
    decide,
)

ADMINS = {
    Permission.DOMAIN_READ,
    Permission.MAILBOX_READ,
    Permission.MAILBOX_CHANGE,
    Permission.ADDRESS_READ,
    Permission.ADDRESS_CHANGE,
}
PERSONAL = {Permission.SELF, Permission.SESSION}
NO_TOKENS = {*PERSONAL, Permission.IDENTITY}


@pytest.mark.parametrize("permission", list(Permission))
@pytest.mark.parametrize("owner", ["", "alpha", "beta"])
def test_permissions_by_kind_of_actor(permission: Permission, owner: str) -> None:
    for kind, allowed in (
        (ActorKind.OPERATOR, True),
        (ActorKind.SERVICE, True),
        (ActorKind.ADMIN, permission in {*ADMINS, Permission.SESSION} and owner == "alpha"),
        (ActorKind.MAILBOX, False),
        (ActorKind.TOKEN, False),
    ):
        reason = decide(Actor(kind, "somebody", "alpha"), permission, owner)
        assert reason.accepted == allowed, (kind, permission, owner)


@pytest.mark.parametrize("permission", list(Permission))
@pytest.mark.parametrize("account", ["alice@alpha", "ALICE@Alpha", "bob@alpha", "alice", ""])
def test_a_mailbox_may_do_about_itself_what_is_personal(
    permission: Permission, account: str
) -> None:
    alice = Actor(ActorKind.MAILBOX, "alice@alpha", "alpha")
    allowed = permission in PERSONAL and account.lower() == "alice@alpha"
    assert decide(alice, permission, "alpha", account).accepted == allowed


def test_an_admin_signs_out_its_mailboxes_and_acts_as_none_of_them() -> None:
    admin = Actor(ActorKind.ADMIN, "ADMIN@alpha", "alpha")
    assert decide(admin, Permission.SESSION, "alpha", "alice@alpha").accepted
    assert not decide(admin, Permission.SESSION, "beta", "bob@beta").accepted
    assert not decide(admin, Permission.SESSION, "", "anna").accepted
    assert not decide(admin, Permission.SELF, "alpha", "alice@alpha").accepted
    assert decide(admin, Permission.SELF, "alpha", "admin@ALPHA").accepted


@pytest.mark.parametrize("permission", list(Permission))
@pytest.mark.parametrize("owner", ["", "alpha", "beta"])
def test_a_token_may_do_what_it_was_given_and_never_makes_identities(
    permission: Permission, owner: str
) -> None:
    everything = Actor(ActorKind.TOKEN, "all", permissions=frozenset(Permission))
    assert decide(everything, permission, owner, "all").accepted == (permission not in NO_TOKENS)
    one = Actor(ActorKind.TOKEN, "one", permissions=frozenset({Permission.MAILBOX_READ}))
    assert decide(one, permission, owner).accepted == (permission is Permission.MAILBOX_READ)
    bound = Actor(ActorKind.TOKEN, "bound", "Alpha", frozenset(Permission))
    assert decide(bound, permission, owner).accepted == (permission in ADMINS and owner == "alpha")


def test_what_admins_and_tokens_can_have_at_most() -> None:
    assert ADMIN_PERMISSIONS == ADMINS
    assert set(Permission) - TOKEN_PERMISSIONS == NO_TOKENS


def test_case_of_a_post_offices_name_does_not_count() -> None:
    admin = Actor(ActorKind.ADMIN, "ADMIN@Alpha", "Alpha")
    assert decide(admin, Permission.MAILBOX_CHANGE, "ALPHA").accepted


def test_admin_of_no_post_office_owns_nothing() -> None:
    admin = Actor(ActorKind.ADMIN, "ADMIN@", "")
    assert not decide(admin, Permission.MAILBOX_CHANGE, "").accepted


def test_refusal_says_who_lacks_what_on_what() -> None:
    actor = Actor(ActorKind.ADMIN, "ADMIN@alpha", "alpha")
    reason = decide(actor, Permission.MAILBOX_CHANGE, "beta")
    assert reason.outcome is Outcome.REJECT
    assert reason.text == "admin:ADMIN@alpha has no permission mailbox.change on beta"
    assert decide(actor, Permission.SERVER_READ, "").text.endswith("on the server")
    assert reason.inputs == {
        "actor": "admin:ADMIN@alpha",
        "permission": "mailbox.change",
        "owner": "beta",
    }
    reason = decide(actor, Permission.SELF, "alpha", "alice@alpha")
    assert reason.text.endswith("has no permission self on alice@alpha")
    assert reason.inputs["account"] == "alice@alpha"
