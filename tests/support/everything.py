"""Every operation there is, how each is asked for, and who may do it: one table for all doors.

A new operation fails `tests/contract/test_authorisation.py` until the table says who may do it; the
web's and the API's tests try the same table through their doors.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable
from enum import Enum
from typing import Any

import appliance.operations
from appliance.operations.addresses import CreateAddress, DeleteAddress, ListAddresses
from appliance.operations.badmail import (
    DeleteBadMail,
    ListBadMail,
    ReadBadMail,
    RequeueBadMail,
    ShowBadMail,
)
from appliance.operations.census import FindAddresses, FindMailboxes, SurveyPostOffice
from appliance.operations.debugging import ListDebugging, StartDebugging, StopDebugging
from appliance.operations.domains import (
    CreateDomain,
    DeleteDomain,
    EnableDomain,
    ListDomains,
    ShowDomain,
)
from appliance.operations.health import ShowHealth
from appliance.operations.logs import FindLogs
from appliance.operations.mailboxes import (
    ChangeOwnPassword,
    CheckMailboxPassword,
    CreateMailbox,
    DeleteMailbox,
    EditMailbox,
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
from appliance.operations.operation import Operation
from appliance.operations.operators import (
    ChangeOwnOperatorPassword,
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
    BounceMessage,
    CountDestinations,
    CountQueue,
    HoldMessage,
    ListQueue,
    ReleaseMessage,
    RemoveMessage,
    RetryMessages,
    ShowQueued,
)
from appliance.operations.records import ListAudit, ListRevisions
from appliance.operations.revisions import PlanReturn, PlanUndo, ReturnTo, UndoRevision
from appliance.operations.services import ListServices, ReadMetrics
from appliance.operations.sessions import EndSession, EndSessions, ListSessions
from appliance.operations.settings import (
    ChangeSetting,
    ChangeSettings,
    GetSetting,
    ListSettings,
    PlanSettings,
)
from appliance.operations.tokens import CreateToken, ListTokens, RevokeToken
from appliance.operations.trends import Trend
from appliance.operations.upgrade import PlanUpgrade, UpgradeDatabases
from appliance.rules.access import (
    ADMIN_PERMISSIONS,
    TOKEN_PERMISSIONS,
    Actor,
    ActorKind,
    Permission,
)
from appliance.upkeep.backup.operations import (
    CreateBackup,
    DeleteBackup,
    ListBackups,
    RestoreBackup,
    UpgradeWithBackup,
    VerifyBackup,
)
from appliance.upkeep.scrub import Scrub
from tests.support.town import PASSWORD

MESSAGE = "0" * 16
COPY = f"{MESSAGE}.0"


SESSION = "0" * 64


class May(Enum):
    """Who may do an operation, besides operators and services."""

    NOBODY_ELSE = "tokens with its permission"
    NO_TOKEN = "nobody else, whatever a token has"
    OWN_ADMIN = "the admins of its post office, and tokens with its permission"
    SELF = "whose account it is about"
    SELF_OR_ADMIN = "whose account it is about, and the admins of its post office"


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
    SurveyPostOffice: (lambda po: SurveyPostOffice(postoffice=po), May.OWN_ADMIN),
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
    ShowDomain: (lambda po: ShowDomain(domain=f"{po}.test"), May.NOBODY_ELSE),
    ListDomains: (lambda po: ListDomains(postoffice=po), May.OWN_ADMIN),
    CreateMailbox: (
        lambda po: CreateMailbox(mailbox=f"new@{po}", password=PASSWORD),
        May.OWN_ADMIN,
    ),
    SetMailboxPassword: (
        lambda po: SetMailboxPassword(mailbox=f"{USER[po]}@{po}", password=PASSWORD),
        May.OWN_ADMIN,
    ),
    CheckMailboxPassword: (
        lambda po: CheckMailboxPassword(mailbox=f"{USER[po]}@{po}", password=PASSWORD),
        May.NOBODY_ELSE,
    ),
    EnableMailbox: (
        lambda po: EnableMailbox(mailbox=f"{USER[po]}@{po}", enabled=False),
        May.OWN_ADMIN,
    ),
    EditMailbox: (
        lambda po: EditMailbox(mailbox=f"{USER[po]}@{po}", full_name="New Name"),
        May.OWN_ADMIN,
    ),
    ChangeOwnPassword: (
        lambda po: ChangeOwnPassword(mailbox=f"{USER[po]}@{po}", old="wrong", new=PASSWORD),
        May.SELF,
    ),
    DeleteMailbox: (lambda po: DeleteMailbox(mailbox=f"{USER[po]}@{po}"), May.OWN_ADMIN),
    ShowMailbox: (lambda po: ShowMailbox(mailbox=f"{USER[po]}@{po}"), May.OWN_ADMIN),
    ListMailboxes: (lambda po: ListMailboxes(postoffice=po), May.OWN_ADMIN),
    FindMailboxes: (lambda po: FindMailboxes(postoffice=po), May.OWN_ADMIN),
    FindAddresses: (lambda po: FindAddresses(postoffice=po), May.OWN_ADMIN),
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
        May.NO_TOKEN,
    ),
    SetOperatorPassword: (
        lambda po: SetOperatorPassword(operator="olga", password=PASSWORD),
        May.NO_TOKEN,
    ),
    ChangeOwnOperatorPassword: (
        lambda po: ChangeOwnOperatorPassword(operator="olga", old=PASSWORD, new=PASSWORD),
        May.SELF,
    ),
    DeleteOperator: (lambda po: DeleteOperator(operator="olga"), May.NO_TOKEN),
    ListOperators: (lambda po: ListOperators(), May.NO_TOKEN),
    CreateToken: (
        lambda po: CreateToken(token=f"of-{po}", permissions=(Permission.MAILBOX_READ,)),
        May.NO_TOKEN,
    ),
    RevokeToken: (lambda po: RevokeToken(token=f"of-{po}"), May.NO_TOKEN),
    ListTokens: (lambda po: ListTokens(), May.NO_TOKEN),
    ListSessions: (lambda po: ListSessions(login=f"{USER[po]}@{po}"), May.SELF_OR_ADMIN),
    EndSession: (
        lambda po: EndSession(login=f"{USER[po]}@{po}", session=SESSION),
        May.SELF_OR_ADMIN,
    ),
    EndSessions: (lambda po: EndSessions(login=f"{USER[po]}@{po}"), May.SELF_OR_ADMIN),
    ListSettings: (lambda po: ListSettings(), May.NOBODY_ELSE),
    GetSetting: (lambda po: GetSetting(setting="smtp.port"), May.NOBODY_ELSE),
    ChangeSetting: (
        lambda po: ChangeSetting(setting="smtp.port", value="26"),
        May.NOBODY_ELSE,
    ),
    PlanSettings: (lambda po: PlanSettings(values={"smtp.port": "26"}), May.NOBODY_ELSE),
    ChangeSettings: (
        lambda po: ChangeSettings(values={"smtp.port": "26", "pop.port": None}),
        May.NOBODY_ELSE,
    ),
    ListQueue: (lambda po: ListQueue(), May.NOBODY_ELSE),
    CountQueue: (lambda po: CountQueue(), May.NOBODY_ELSE),
    CountDestinations: (lambda po: CountDestinations(), May.NOBODY_ELSE),
    ShowQueued: (lambda po: ShowQueued(message=MESSAGE), May.NOBODY_ELSE),
    HoldMessage: (lambda po: HoldMessage(message=MESSAGE), May.NOBODY_ELSE),
    ReleaseMessage: (lambda po: ReleaseMessage(message=MESSAGE), May.NOBODY_ELSE),
    RetryMessages: (lambda po: RetryMessages(), May.NOBODY_ELSE),
    RemoveMessage: (lambda po: RemoveMessage(message=MESSAGE), May.NOBODY_ELSE),
    BounceMessage: (lambda po: BounceMessage(message=MESSAGE), May.NOBODY_ELSE),
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
    PlanReturn: (lambda po: PlanReturn(revision=1), May.NOBODY_ELSE),
    ReturnTo: (lambda po: ReturnTo(revision=10**6), May.NOBODY_ELSE),
    PlanUndo: (lambda po: PlanUndo(revision=1), May.NOBODY_ELSE),
    UndoRevision: (lambda po: UndoRevision(revision=10**6), May.NOBODY_ELSE),
    ListAudit: (lambda po: ListAudit(), May.NOBODY_ELSE),
    StartDebugging: (lambda po: StartDebugging(service="SMTP"), May.NOBODY_ELSE),
    StopDebugging: (lambda po: StopDebugging(service="SMTP"), May.NOBODY_ELSE),
    ListDebugging: (lambda po: ListDebugging(), May.NOBODY_ELSE),
    FindLogs: (lambda po: FindLogs(service="SMTP", kind="debug"), May.NOBODY_ELSE),
    ListServices: (lambda po: ListServices(), May.NOBODY_ELSE),
    ReadMetrics: (lambda po: ReadMetrics(), May.NOBODY_ELSE),
    Trend: (lambda po: Trend(), May.NOBODY_ELSE),
    ShowHealth: (lambda po: ShowHealth(), May.NOBODY_ELSE),
    PlanUpgrade: (lambda po: PlanUpgrade(), May.NOBODY_ELSE),
    UpgradeDatabases: (lambda po: UpgradeDatabases(), May.NOBODY_ELSE),
    UpgradeWithBackup: (lambda po: UpgradeWithBackup(), May.NOBODY_ELSE),
    CreateBackup: (lambda po: CreateBackup(label="No Label"), May.NOBODY_ELSE),
    ListBackups: (lambda po: ListBackups(), May.NOBODY_ELSE),
    VerifyBackup: (lambda po: VerifyBackup(backup="none"), May.NOBODY_ELSE),
    RestoreBackup: (lambda po: RestoreBackup(backup="none"), May.NOBODY_ELSE),
    DeleteBackup: (lambda po: DeleteBackup(backup="none"), May.NOBODY_ELSE),
    Scrub: (lambda po: Scrub(), May.NOBODY_ELSE),
}
ACTORS = {
    "operator": Actor(ActorKind.OPERATOR, "anna"),
    "service": Actor(ActorKind.SERVICE, "mta"),
    "admin": Actor(ActorKind.ADMIN, "ADMIN@alpha", "alpha"),
    "admin written otherwise": Actor(ActorKind.ADMIN, "ADMIN@ALPHA", "ALPHA"),
    "admin of nothing": Actor(ActorKind.ADMIN, "ADMIN@", ""),
    "mailbox": Actor(ActorKind.MAILBOX, "alice@alpha", "alpha"),
    "mailbox written otherwise": Actor(ActorKind.MAILBOX, "Alice@ALPHA", "ALPHA"),
    "token with all": Actor(ActorKind.TOKEN, "all", permissions=TOKEN_PERMISSIONS),
    "token forged": Actor(ActorKind.TOKEN, "forged", permissions=frozenset(Permission)),
    "token that reads": Actor(
        ActorKind.TOKEN,
        "reads",
        permissions=frozenset({Permission.SERVER_READ, Permission.MAILBOX_READ}),
    ),
    "token with nothing": Actor(ActorKind.TOKEN, "nothing", permissions=frozenset()),
    "token of nobody": Actor(ActorKind.TOKEN, "nobody"),
    "token named like a mailbox": Actor(
        ActorKind.TOKEN, "alice@alpha", "alpha", permissions=frozenset()
    ),
    "token of a post office": Actor(
        ActorKind.TOKEN, "alphas", "alpha", permissions=ADMIN_PERMISSIONS
    ),
    "token of a post office, forged": Actor(
        ActorKind.TOKEN, "alphas", "Alpha", permissions=frozenset(Permission)
    ),
}


def expected(actor: Actor, operation: type[Operation], postoffice: str) -> bool:
    """Tell by the table whether an actor may do an operation on a thing of a post office's."""
    may = WHO[operation][1]
    is_own = actor.postoffice.casefold() == postoffice
    is_self = actor.name.casefold() == f"{USER[postoffice]}@{postoffice}"
    match actor.kind:
        case ActorKind.OPERATOR | ActorKind.SERVICE:
            return True
        case ActorKind.ADMIN:
            return is_own and may in (May.OWN_ADMIN, May.SELF_OR_ADMIN)
        case ActorKind.MAILBOX:
            # olga, whose password the table changes, is an operator
            is_mailbox = operation is not ChangeOwnOperatorPassword
            return is_self and is_mailbox and may in (May.SELF, May.SELF_OR_ADMIN)
        case ActorKind.TOKEN:
            has = operation.permission in (actor.permissions or ())
            if actor.postoffice:
                return has and is_own and may is May.OWN_ADMIN
            return has and may in (May.NOBODY_ELSE, May.OWN_ADMIN)


def every_operation() -> set[type[Operation]]:
    """Find all operations of the product."""
    for module in pkgutil.iter_modules(appliance.operations.__path__, "appliance.operations."):
        importlib.import_module(module.name)
    # a dataclass with slots is a second class; the first one is not what its module shows
    return {
        each
        for each in _concrete(Operation)
        if getattr(sys.modules[each.__module__], each.__name__, None) is each
    }


def _concrete(kind: type[Any]) -> set[type[Any]]:
    """Find the operations that can be asked for: those with a name of their own."""
    return {
        found
        for each in kind.__subclasses__()
        for found in ({each} if "name" in vars(each) else set()) | _concrete(each)
    }
