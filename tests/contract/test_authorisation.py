"""Who may do what: every operation there is, by every kind of actor, on own things and others'.

A new operation fails here until the table below says who may do it.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable
from enum import Enum
from typing import Any

import pytest

import appliance.operations
from appliance.operations.addresses import CreateAddress, DeleteAddress, ListAddresses
from appliance.operations.badmail import (
    DeleteBadMail,
    ListBadMail,
    ReadBadMail,
    RequeueBadMail,
    ShowBadMail,
)
from appliance.operations.domains import CreateDomain, DeleteDomain, EnableDomain, ListDomains
from appliance.operations.logs import FindLogs
from appliance.operations.mailboxes import (
    CreateMailbox,
    DeleteMailbox,
    EnableMailbox,
    ListMailboxes,
    SetMailboxPassword,
    ShowMailbox,
)
from appliance.operations.messages import (
    ExplainDelivery,
    SearchMessages,
    SendMessage,
    TraceMessage,
)
from appliance.operations.operation import (
    Action,
    Change,
    Operation,
    OperationError,
    Question,
    Refused,
)
from appliance.operations.operators import (
    CreateOperator,
    DeleteOperator,
    ListOperators,
    SetOperatorPassword,
)
from appliance.operations.postoffices import (
    CreatePostOffice,
    DeletePostOffice,
    EnablePostOffice,
    ListPostOffices,
    ShowPostOffice,
)
from appliance.operations.queue import (
    CountQueue,
    HoldMessage,
    ListQueue,
    ReleaseMessage,
    RemoveMessage,
    RetryMessages,
    ShowQueued,
)
from appliance.operations.records import ListAudit, ListRevisions
from appliance.operations.services import ListServices, ReadMetrics
from appliance.operations.settings import ChangeSetting, GetSetting, ListSettings
from appliance.operations.upgrade import PlanUpgrade, UpgradeDatabases
from appliance.rules.access import Actor, ActorKind
from tests.support.town import PASSWORD, Town

MESSAGE = "0" * 16
COPY = f"{MESSAGE}.0"


class May(Enum):
    """Who may do an operation, besides operators and services."""

    NOBODY_ELSE = "nobody else"
    OWN_ADMIN = "the admins of its post office"


USER: dict[str, str] = {"alpha": "alice", "beta": "bob"}
# What each operation looks like for something of a post office, and who may do it.
WHO: dict[type[Operation], tuple[Callable[[str], Operation], May]] = {
    CreatePostOffice: (
        lambda po: CreatePostOffice(postoffice=f"{po}-two", password=PASSWORD),
        May.NOBODY_ELSE,
    ),
    EnablePostOffice: (
        lambda po: EnablePostOffice(postoffice=po, enabled=False),
        May.NOBODY_ELSE,
    ),
    DeletePostOffice: (lambda po: DeletePostOffice(postoffice=po), May.NOBODY_ELSE),
    ListPostOffices: (lambda po: ListPostOffices(), May.NOBODY_ELSE),
    ShowPostOffice: (lambda po: ShowPostOffice(postoffice=po), May.OWN_ADMIN),
    # the manual (§6.13) advises against letting admins change domains
    CreateDomain: (
        lambda po: CreateDomain(domain=f"{po}-two.test", postoffice=po),
        May.NOBODY_ELSE,
    ),
    EnableDomain: (
        lambda po: EnableDomain(domain=f"{po}.test", enabled=False),
        May.NOBODY_ELSE,
    ),
    DeleteDomain: (lambda po: DeleteDomain(domain=f"{po}.test"), May.NOBODY_ELSE),
    ListDomains: (lambda po: ListDomains(postoffice=po), May.OWN_ADMIN),
    CreateMailbox: (
        lambda po: CreateMailbox(mailbox=f"new@{po}", password=PASSWORD),
        May.OWN_ADMIN,
    ),
    SetMailboxPassword: (
        lambda po: SetMailboxPassword(mailbox=f"{USER[po]}@{po}", password=PASSWORD),
        May.OWN_ADMIN,
    ),
    EnableMailbox: (
        lambda po: EnableMailbox(mailbox=f"{USER[po]}@{po}", enabled=False),
        May.OWN_ADMIN,
    ),
    DeleteMailbox: (lambda po: DeleteMailbox(mailbox=f"{USER[po]}@{po}"), May.OWN_ADMIN),
    ShowMailbox: (lambda po: ShowMailbox(mailbox=f"{USER[po]}@{po}"), May.OWN_ADMIN),
    ListMailboxes: (lambda po: ListMailboxes(postoffice=po), May.OWN_ADMIN),
    CreateAddress: (
        lambda po: CreateAddress(address=f"new@{po}.test", mailbox=f"{USER[po]}@{po}"),
        May.OWN_ADMIN,
    ),
    DeleteAddress: (
        lambda po: DeleteAddress(address=f"{USER[po]}@{po}.test", postoffice=po),
        May.OWN_ADMIN,
    ),
    ListAddresses: (lambda po: ListAddresses(postoffice=po), May.OWN_ADMIN),
    CreateOperator: (
        lambda po: CreateOperator(operator="olga", password=PASSWORD),
        May.NOBODY_ELSE,
    ),
    SetOperatorPassword: (
        lambda po: SetOperatorPassword(operator="olga", password=PASSWORD),
        May.NOBODY_ELSE,
    ),
    DeleteOperator: (lambda po: DeleteOperator(operator="olga"), May.NOBODY_ELSE),
    ListOperators: (lambda po: ListOperators(), May.NOBODY_ELSE),
    ListSettings: (lambda po: ListSettings(), May.NOBODY_ELSE),
    GetSetting: (lambda po: GetSetting(setting="smtp.port"), May.NOBODY_ELSE),
    ChangeSetting: (
        lambda po: ChangeSetting(setting="smtp.port", value="26"),
        May.NOBODY_ELSE,
    ),
    ListQueue: (lambda po: ListQueue(), May.NOBODY_ELSE),
    CountQueue: (lambda po: CountQueue(), May.NOBODY_ELSE),
    ShowQueued: (lambda po: ShowQueued(message=MESSAGE), May.NOBODY_ELSE),
    HoldMessage: (lambda po: HoldMessage(message=MESSAGE), May.NOBODY_ELSE),
    ReleaseMessage: (lambda po: ReleaseMessage(message=MESSAGE), May.NOBODY_ELSE),
    RetryMessages: (lambda po: RetryMessages(), May.NOBODY_ELSE),
    RemoveMessage: (lambda po: RemoveMessage(message=MESSAGE), May.NOBODY_ELSE),
    ListBadMail: (lambda po: ListBadMail(), May.NOBODY_ELSE),
    ShowBadMail: (lambda po: ShowBadMail(copy=COPY), May.NOBODY_ELSE),
    ReadBadMail: (lambda po: ReadBadMail(copy=COPY), May.NOBODY_ELSE),
    RequeueBadMail: (lambda po: RequeueBadMail(copy=COPY), May.NOBODY_ELSE),
    DeleteBadMail: (lambda po: DeleteBadMail(copy=COPY), May.NOBODY_ELSE),
    TraceMessage: (lambda po: TraceMessage(message=MESSAGE), May.NOBODY_ELSE),
    SearchMessages: (lambda po: SearchMessages(address=f"{po}.test"), May.NOBODY_ELSE),
    ExplainDelivery: (
        lambda po: ExplainDelivery(
            reverse_path="", recipient=f"{USER[po]}@{po}.test", client="192.0.2.1"
        ),
        May.NOBODY_ELSE,
    ),
    SendMessage: (
        lambda po: SendMessage(
            sender=f"a@{po}.test", recipients=(f"b@{po}.test",), subject="s", text="t"
        ),
        May.NOBODY_ELSE,
    ),
    ListRevisions: (lambda po: ListRevisions(), May.NOBODY_ELSE),
    ListAudit: (lambda po: ListAudit(), May.NOBODY_ELSE),
    FindLogs: (lambda po: FindLogs(service="SMTP", kind="debug"), May.NOBODY_ELSE),
    ListServices: (lambda po: ListServices(), May.NOBODY_ELSE),
    ReadMetrics: (lambda po: ReadMetrics(), May.NOBODY_ELSE),
    PlanUpgrade: (lambda po: PlanUpgrade(), May.NOBODY_ELSE),
    UpgradeDatabases: (lambda po: UpgradeDatabases(), May.NOBODY_ELSE),
}
ACTORS = {
    "operator": Actor(ActorKind.OPERATOR, "anna"),
    "service": Actor(ActorKind.SERVICE, "mta"),
    "admin": Actor(ActorKind.ADMIN, "ADMIN@alpha", "alpha"),
    "admin written otherwise": Actor(ActorKind.ADMIN, "ADMIN@ALPHA", "ALPHA"),
    "admin of nothing": Actor(ActorKind.ADMIN, "ADMIN@", ""),
    "mailbox": Actor(ActorKind.MAILBOX, "alice@alpha", "alpha"),
}


def concrete(kind: type[Any]) -> set[type[Any]]:
    """Find the operations that can be asked for: those with a name of their own."""
    return {
        found
        for each in kind.__subclasses__()
        for found in ({each} if "name" in vars(each) else set()) | concrete(each)
    }


def every_operation() -> set[type[Operation]]:
    for module in pkgutil.iter_modules(appliance.operations.__path__, "appliance.operations."):
        importlib.import_module(module.name)
    # a dataclass with slots is a second class; the first one is not what its module shows
    return {
        each
        for each in concrete(Operation)
        if getattr(sys.modules[each.__module__], each.__name__, None) is each
    }


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


def expected(who: str, may: May, postoffice: str) -> bool:
    if ACTORS[who].kind in (ActorKind.OPERATOR, ActorKind.SERVICE):
        return True
    is_own = ACTORS[who].postoffice.casefold() == postoffice
    return ACTORS[who].kind is ActorKind.ADMIN and may is May.OWN_ADMIN and is_own


@pytest.mark.parametrize("postoffice", ["alpha", "beta"], ids=["own", "foreign"])
@pytest.mark.parametrize("who", list(ACTORS))
def test_actor_may_do_what_the_table_says_and_nothing_else(
    town: Town, who: str, postoffice: str
) -> None:
    wrong: list[str] = []
    for make, may in WHO.values():
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
        except OperationError:  # allowed, and not possible: what it is about is not there
            allowed = True
        if allowed != expected(who, may, postoffice):
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
