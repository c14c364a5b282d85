"""The decision before every operation (DESIGN, Actors; manual §6.13)."""

from __future__ import annotations

import pytest

from appliance.journey.reason import Outcome
from appliance.rules.access import Actor, ActorKind, Permission, decide

ADMINS = {
    Permission.DOMAIN_READ,
    Permission.MAILBOX_READ,
    Permission.MAILBOX_CHANGE,
    Permission.ADDRESS_READ,
    Permission.ADDRESS_CHANGE,
}


@pytest.mark.parametrize("permission", list(Permission))
@pytest.mark.parametrize("owner", ["", "alpha", "beta"])
def test_permissions_by_kind_of_actor(permission: Permission, owner: str) -> None:
    for kind, allowed in (
        (ActorKind.OPERATOR, True),
        (ActorKind.SERVICE, True),
        (ActorKind.ADMIN, permission in ADMINS and owner == "alpha"),
        (ActorKind.MAILBOX, False),
    ):
        reason = decide(Actor(kind, "somebody", "alpha"), permission, owner)
        assert reason.accepted == allowed, (kind, permission, owner)


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
