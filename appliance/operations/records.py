"""What was changed, by whom: revisions and the audit."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.directory.records import AuditRecord, Revision
from appliance.operations.house import House
from appliance.operations.operation import Question
from appliance.rules.access import Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRevisions(Question[list[Revision]]):
    """The change log, the newest first.

    Attributes:
        about: only this object, such as `mailbox alice@demo`; empty for all.
        actor: only by this one, such as `operator:anna`; empty for all.
        before: only with a smaller number: that of the last one of the page before; 0 begins
            with the newest.
        most: how many at most.
    """

    name = "revision.list"
    permission = Permission.SERVER_READ
    about: str = ""
    actor: str = ""
    before: int = 0
    most: int = 50

    def answer(self, house: House) -> list[Revision]:
        """Return them."""
        return house.directory.revisions(
            about=self.about, actor=self.actor, before=self.before, most=self.most
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAudit(Question[list[AuditRecord]]):
    """Every operation asked for, carried out or refused, the newest first.

    Attributes:
        before: only with a smaller number: that of the last one of the page before; 0 begins
            with the newest.
        most: how many at most.
    """

    name = "audit.list"
    permission = Permission.SERVER_READ
    before: int = 0
    most: int = 50

    def answer(self, house: House) -> list[AuditRecord]:
        """Return them."""
        return house.directory.audit(before=self.before, most=self.most)
