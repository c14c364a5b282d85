"""Who may do what: every operation there is, by every kind of actor, on own things and others'.

A new operation fails here until the table in `tests/support/everything.py` says who may do it.
"""

from __future__ import annotations

import pytest

from appliance.operations.addresses import CreateAddress, DeleteAddress, ListAddresses
from appliance.operations.domains import ListDomains
from appliance.operations.mailboxes import ChangeOwnPassword, CreateMailbox, ListMailboxes
from appliance.operations.operation import (
    Action,
    Change,
    Operation,
    OperationError,
    Question,
    Refused,
)
from appliance.operations.operators import CreateOperator
from appliance.operations.records import ListAudit
from appliance.operations.sessions import EndSessions, ListSessions
from appliance.rules.access import Actor, ActorKind
from tests.support.everything import ACTORS, WHO, every_operation, expected
from tests.support.town import PASSWORD, Town


def test_the_table_says_of_every_operation_who_may_do_it() -> None:
    assert set(WHO) == every_operation()


def test_operations_have_names_of_their_own() -> None:
    names = [each.name for each in every_operation()]
    assert len(names) == len(set(names))


def test_the_table_knows_every_kind_of_actor() -> None:
    assert {actor.kind for actor in ACTORS.values()} == set(ActorKind)


def carry_out(town: Town, operation: Operation, actor: Actor) -> None:
    if isinstance(operation, Question):
        town.ask(operation, actor)
    else:
        assert isinstance(operation, Change | Action)
        town.do(operation, actor)


@pytest.mark.parametrize("postoffice", ["alpha", "beta"], ids=["own", "foreign"])
@pytest.mark.parametrize("who", list(ACTORS))
def test_actor_may_do_what_the_table_says_and_nothing_else(
    town: Town, who: str, postoffice: str
) -> None:
    wrong: list[str] = []
    for kind, (make, _) in WHO.items():
        operation = make(postoffice)
        version = town.house.directory.version()
        try:
            carry_out(town, operation, ACTORS[who])
            allowed = True
        except Refused:
            allowed = False
            (audit,) = town.ask(ListAudit(most=1))
            assert (audit.outcome, audit.operation) == ("refused", operation.name)
            assert audit.actor == str(ACTORS[who])
            assert town.house.directory.version() == version
        except OperationError as error:  # allowed, and not possible: what it is about is not there
            allowed = True
            if error.field and error.field not in kind.__dataclass_fields__:  # type: ignore[attr-defined] # all are dataclasses
                wrong.append(f"{operation.name} names a field {error.field}, which it has not")
        if allowed != expected(ACTORS[who], kind, postoffice):
            wrong.append(f"{operation.name} by {who} of {postoffice}: {allowed=}")
    assert wrong == []


@pytest.mark.parametrize(
    "operation",
    [
        ListDomains(),
        ListMailboxes(),
        ListAddresses(),
        DeleteAddress(address="alice@alpha.test"),
        ListAddresses(mailbox="bob@beta"),
        DeleteAddress(address="bob@beta.test", postoffice=""),
        CreateMailbox(mailbox="new@", password=PASSWORD),
        CreateMailbox(mailbox="new", password=PASSWORD),
        CreateMailbox(mailbox="new@alpha@beta", password=PASSWORD),
    ],
    ids=repr,
)
def test_admin_is_refused_where_no_own_post_office_is_named(
    town: Town, operation: Operation
) -> None:
    with pytest.raises(Refused, match="has no permission"):
        carry_out(town, operation, ACTORS["admin"])


@pytest.mark.parametrize(
    "operation",
    [
        DeleteAddress(address="bob@beta.test", postoffice="alpha"),
        CreateAddress(address="bob@beta.test", mailbox="alice@alpha"),
        CreateAddress(address="new@beta.test", mailbox="alice@alpha"),
    ],
    ids=repr,
)
def test_admin_reaches_nothing_of_others_by_naming_the_own_post_office(
    town: Town, operation: Operation
) -> None:
    before = town.house.directory.addresses()
    with pytest.raises(OperationError):
        carry_out(town, operation, ACTORS["admin"])
    assert town.house.directory.addresses() == before


def test_admin_may_change_the_own_password_by_the_old_one_and_nobody_elses(town: Town) -> None:
    admin = ACTORS["admin"]
    town.do(ChangeOwnPassword(mailbox="admin@alpha", old=PASSWORD, new="another horse"), admin)
    with pytest.raises(Refused, match=r"self on alice@alpha"):
        town.do(ChangeOwnPassword(mailbox="alice@alpha", old=PASSWORD, new=PASSWORD), admin)


def test_operator_named_like_a_post_office_is_not_its_admins(town: Town) -> None:
    town.do(CreateOperator(operator="alpha", password=PASSWORD))
    for operation in (ListSessions(login="alpha"), EndSessions(login="alpha")):
        with pytest.raises(Refused, match=r"session on alpha"):
            carry_out(town, operation, ACTORS["admin"])


def test_nobody_is_taken_for_somebody_else_by_a_name_that_is_nearly_theirs(town: Town) -> None:
    with pytest.raises(Refused):
        town.ask(ListSessions(login="alice@alpha"), Actor(ActorKind.MAILBOX, "alice@alph", "alpha"))
    with pytest.raises(Refused):
        town.ask(ListSessions(login=""), ACTORS["admin of nothing"])
