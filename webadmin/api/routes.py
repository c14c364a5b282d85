"""Which operation answers at which path: the whole of the API in one table.

What stands in a path is a field of the operation; its other fields are query parameters of a GET or
DELETE, and the JSON body of the rest. Owns: the table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any

from appliance.operations import (
    addresses,
    badmail,
    census,
    debugging,
    domains,
    health,
    mailboxes,
    messages,
    postoffices,
    queue,
    records,
    revisions,
    services,
    settings,
    trends,
)
from appliance.operations.operation import Operation

_IN_PATH = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Route:
    """One way into the house.

    Attributes:
        method: GET asks; POST makes or does; PUT and PATCH change; DELETE takes away.
        path: below /api/v1; `{field}` is a field of the operation.
        operation: what is asked or done.
        status: of a success.
        fixed: fields that the path itself decides.
    """

    method: str
    path: str
    operation: type[Operation]
    status: int = 200
    fixed: tuple[tuple[str, Any], ...] = ()

    @property
    def in_path(self) -> tuple[str, ...]:
        """The fields that stand in the path."""
        return tuple(_IN_PATH.findall(self.path))

    @property
    def rule(self) -> str:
        """The path as Flask writes it; an address may hold a slash (RFC 5321 §4.1.2)."""
        return self.path.replace("{address}", "<path:address>").replace("{", "<").replace("}", ">")

    @property
    def asks_by_query(self) -> bool:
        """Whether its other fields come as query parameters."""
        return self.method in ("GET", "DELETE")

    @property
    def of_path(self) -> tuple[Any, ...]:
        """The dataclass fields that stand in the path."""
        return tuple(each for each in fields(self.operation) if each.name in self.in_path)  # type: ignore[arg-type] # operations are dataclasses

    @property
    def free(self) -> tuple[Any, ...]:
        """The dataclass fields that come as query parameters or in the body."""
        taken = {*self.in_path, *(name for name, _ in self.fixed)}
        return tuple(each for each in fields(self.operation) if each.name not in taken)  # type: ignore[arg-type] # operations are dataclasses

    @property
    def id(self) -> str:
        """A name for clients: `mailbox.create`, and with the path's word where one is shared."""
        suffix = "".join(f".{value}".lower() for _, value in self.fixed)
        return f"{self.operation.name}{suffix}"


ROUTES: tuple[Route, ...] = (
    Route("GET", "/postoffices", postoffices.ListPostOffices),
    Route("POST", "/postoffices", postoffices.CreatePostOffice, 201),
    Route("GET", "/postoffices/{postoffice}", postoffices.ShowPostOffice),
    Route("GET", "/postoffices/{postoffice}/overview", census.SurveyPostOffice),
    Route("PUT", "/postoffices/{postoffice}/enabled", postoffices.EnablePostOffice, 204),
    Route("DELETE", "/postoffices/{postoffice}", postoffices.DeletePostOffice, 204),
    Route("GET", "/domains", domains.ListDomains),
    Route("POST", "/domains", domains.CreateDomain, 201),
    Route("GET", "/domains/{domain}", domains.ShowDomain),
    Route("PUT", "/domains/{domain}/enabled", domains.EnableDomain, 204),
    Route("DELETE", "/domains/{domain}", domains.DeleteDomain, 204),
    Route("GET", "/mailboxes", census.FindMailboxes),
    Route("POST", "/mailboxes", mailboxes.CreateMailbox, 201),
    Route("GET", "/mailboxes/{mailbox}", mailboxes.ShowMailbox),
    Route("PATCH", "/mailboxes/{mailbox}", mailboxes.EditMailbox),
    Route("PUT", "/mailboxes/{mailbox}/enabled", mailboxes.EnableMailbox, 204),
    Route("PUT", "/mailboxes/{mailbox}/password", mailboxes.SetMailboxPassword, 204),
    Route("DELETE", "/mailboxes/{mailbox}", mailboxes.DeleteMailbox, 204),
    Route("GET", "/addresses", census.FindAddresses),
    Route("POST", "/addresses", addresses.CreateAddress, 201),
    Route("DELETE", "/addresses/{address}", addresses.DeleteAddress, 204),
    Route("GET", "/settings", settings.ListSettings),
    Route("GET", "/settings/{setting}", settings.GetSetting),
    Route("PUT", "/settings/{setting}", settings.ChangeSetting, 204),
    Route("GET", "/debug", debugging.ListDebugging),
    Route("DELETE", "/debug", debugging.StopDebugging, fixed=(("service", ""),)),
    Route("PUT", "/debug/{service}", debugging.StartDebugging),
    Route("DELETE", "/debug/{service}", debugging.StopDebugging),
    Route("GET", "/queue/messages", queue.ListQueue),
    Route("GET", "/queue/counts", queue.CountQueue),
    Route("GET", "/queue/destinations", queue.CountDestinations),
    Route("POST", "/queue/retry", queue.RetryMessages, fixed=(("message", ""),)),
    Route("GET", "/queue/messages/{message}", queue.ShowQueued),
    Route("POST", "/queue/messages/{message}/hold", queue.HoldMessage),
    Route("POST", "/queue/messages/{message}/release", queue.ReleaseMessage),
    Route("POST", "/queue/messages/{message}/retry", queue.RetryMessages),
    Route("POST", "/queue/messages/{message}/bounce", queue.BounceMessage),
    Route("DELETE", "/queue/messages/{message}", queue.RemoveMessage, 204),
    Route("GET", "/messages", messages.SearchMessages),
    Route("POST", "/messages", messages.SendMessage, 201),
    Route("GET", "/messages/{message}/journey", messages.TraceMessage),
    Route("GET", "/explain/delivery", messages.ExplainDelivery),
    Route("GET", "/badmail", badmail.ListBadMail),
    Route("GET", "/badmail/{copy}", badmail.ShowBadMail),
    Route("POST", "/badmail/{copy}/requeue", badmail.RequeueBadMail),
    Route("DELETE", "/badmail/{copy}", badmail.DeleteBadMail, 204),
    Route("GET", "/revisions", records.ListRevisions),
    Route("GET", "/revisions/{revision}/return", revisions.PlanReturn),
    Route("POST", "/revisions/{revision}/return", revisions.ReturnTo),
    Route("GET", "/revisions/{revision}/undo", revisions.PlanUndo),
    Route("POST", "/revisions/{revision}/undo", revisions.UndoRevision),
    Route("GET", "/audit", records.ListAudit),
    Route("GET", "/services", services.ListServices),
    Route("GET", "/health", health.ShowHealth),
    Route("GET", "/trends", trends.Trend),
)
