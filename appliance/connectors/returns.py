"""What follows an attempt: marks, retries, notices to the sender, bad mail, events, log lines.

Standards: RFC 3461 §5.2 (who is told), RFC 3834 §2 (automatic messages), RFC 5321 §4.5.4, §6.1.
    Manual §6.2 (retries, receipts, bad mail).
Owns: nothing. Never: loses a message: it is marked only in the commit that accepts its notice,
    and after its copy lies in bad mail.
Failure: `DatabaseError` or OSError: nothing was marked; the same call may be made again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from appliance.connectors.notices import Told, prepare
from appliance.database.content import Content
from appliance.journey.event import Event, Kind, because
from appliance.journey.reason import Outcome, Reason
from appliance.mail.envelope import Notify
from appliance.mail.reply import Reply
from appliance.mail.status import Action, DeliveryStatus
from appliance.operations.house import House
from appliance.queue import badmail
from appliance.queue.badmail import BadMail
from appliance.queue.entry import Claimed, Connector, Finished, Mark, Rescheduled, State
from appliance.queue.submission import Submission
from appliance.rules.retry import Again, GiveUp, after_failure
from appliance.runtime import metrics
from appliance.runtime.logs import Logs
from appliance.settings import smtp

_NAMED = 20  # recipients in an event's text
_LOOP = "5.4.6"  # RFC 3463 §3.5


class Failure(NamedTuple):
    """An attempt that failed for one recipient.

    Attributes:
        claimed: the recipient.
        reason: why; REJECT for good, DEFER for now. Its reply carries the status.
        remote_mta: the host whose reply that is; empty when it was decided here.
    """

    claimed: Claimed
    reason: Reason
    remote_mta: str = ""


@dataclass(frozen=True, slots=True)
class Relayed:
    """Another server has taken the message for one recipient.

    Attributes:
        claimed: the recipient.
        reason: what it said.
        remote_mta: its name.
        reports_delivery: it takes over what the sender asked to be told (RFC 3461 §5.2.2).
    """

    claimed: Claimed
    reason: Reason
    remote_mta: str
    reports_delivery: bool


@dataclass(slots=True)
class _Written:
    """What one call writes down."""

    now_us: int
    marks: list[Mark] = field(default_factory=list)
    notices: list[Submission] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    lines: list[tuple[str, str, Event]] = field(default_factory=list)
    counts: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _GivenUp:
    told: Told
    reason: Reason
    silence: str  # why the sender is not told; empty when told
    is_kept: bool  # a copy goes to bad mail


class Returns:
    """Does what is due after attempts; calls block and may be made on any thread."""

    def __init__(
        self,
        house: House,
        logs: Logs,
        connector: Connector = Connector.UNROUTED,
        *,
        record: Callable[[Sequence[Event]], None] | None = None,
    ) -> None:
        """Take the house, the logs to tell, and whose attempts these are.

        Args:
            house: whose queue.
            logs: what happens is told there.
            connector: whose attempts.
            record: takes the journey's events; the journey itself where none is given.
        """
        self._house = house
        self._logs = logs
        self._connector = connector
        self._record = record or house.journey.record

    def give_up(self, failures: Sequence[Failure]) -> None:
        """Return messages to their senders for good, whatever the schedule says.

        Raises:
            DatabaseError: nothing was marked.
            OSError: the same: a copy or a notice could not be written.
        """
        self.settle([], failures)

    def tell_success(self, claimed: Sequence[Claimed]) -> None:
        """Tell senders that messages lie in mailboxes, as they asked (NOTIFY=SUCCESS).

        Raises:
            DatabaseError: nobody was told.
            OSError: the same.
        """
        status = DeliveryStatus(Action.delivered, "2.1.5")
        written = _Written(self._house.clock.now_us())
        told = [Told(each, status, "It lies in the recipient's mailbox.") for each in claimed]
        self._tell(Action.delivered, told, written)
        self._write(written)

    def settle(self, relayed: Sequence[Relayed], failures: Sequence[Failure]) -> None:
        """Write down what became of recipients, with all that follows, in one commit.

        Raises:
            DatabaseError: nothing was marked.
            OSError: the same: a copy or a notice could not be written.
        """
        written = _Written(self._house.clock.now_us())
        self._relay(relayed, written)
        given_up: list[_GivenUp] = []
        delayed: list[Told] = []
        for failure in failures:
            if failure.reason.outcome is not Outcome.DEFER:
                given_up.append(self._final(failure, failure.reason, failure.reason.text))
                continue
            verdict = self._again(failure, written.now_us)
            if isinstance(verdict, Again):
                self._defer(failure, verdict, delayed, written)
            else:
                text = f"{verdict.reason.text} The last problem: {failure.reason.text}"
                given_up.append(self._final(failure, verdict.reason, text, is_kept=True))
        self._tell(Action.delayed, delayed, written)
        self._give_up(given_up, written)
        self._write(written)

    # For good: another server has it

    def _relay(self, relayed: Sequence[Relayed], written: _Written) -> None:
        told = []
        for each in relayed:
            reply = each.reason.reply or Reply(250, "2.0.0", "")
            written.marks.append(Finished(each.claimed, State.DONE, _line(each.remote_mta, reply)))
            self._note(written, Kind.RELAYED, each.claimed, each.reason.text, each.reason)
            notify = each.claimed.recipient.notify
            if not each.reports_delivery and notify is not None and Notify.SUCCESS in notify:
                status = DeliveryStatus.from_reply(reply, remote_mta=each.remote_mta)
                told.append(Told(each.claimed, status, "It was handed on without an error."))
        self._tell(Action.delivered, told, written)

    # For now

    def _again(self, failure: Failure, now_us: int) -> Again | GiveUp:
        claimed = failure.claimed
        return after_failure(
            attempts=claimed.attempts + 1,
            accepted_at=claimed.accepted_at,
            now=now_us,
            settings=self._house.settings,
            is_choice=failure.reason.setting == smtp.dial_ranges.name,
        )

    def _defer(
        self, failure: Failure, verdict: Again, delayed: list[Told], written: _Written
    ) -> None:
        claimed, reason = failure.claimed, failure.reason
        status = _line(failure.remote_mta, reason.reply) or reason.text
        written.marks.append(Rescheduled(claimed, verdict.due_at, status))
        text = f"{_told(failure)} {verdict.reason.text}"
        self._note(written, Kind.DEFERRED, claimed, text, reason)
        if verdict.notify and not self._silence(claimed, Notify.DELAY):
            delayed.append(Told(claimed, _status(Action.delayed, failure), reason.text))

    # Given up

    def _final(
        self, failure: Failure, reason: Reason, text: str, *, is_kept: bool = False
    ) -> _GivenUp:
        status = _status(Action.failed, failure)
        silence = self._silence(failure.claimed, Notify.FAILURE)
        is_kept = is_kept or bool(silence) or status.status == _LOOP
        return _GivenUp(Told(failure.claimed, status, text), reason, silence, is_kept)

    def _give_up(self, given_up: Sequence[_GivenUp], written: _Written) -> None:
        by_entry: dict[str, list[_GivenUp]] = {}
        for each in given_up:
            by_entry.setdefault(each.told.claimed.entry_id, []).append(each)
        for group in by_entry.values():
            self._keep([each for each in group if each.is_kept], written.now_us)
        for each in given_up:
            claimed, status = each.told.claimed, each.told.status
            said = f" ({status.diagnostic.removeprefix('smtp; ')})" if status.diagnostic else ""
            told = f" The sender is not told: {each.silence}." if each.silence else ""
            kept = " A copy is in bad mail." if each.is_kept else ""
            text = f"given up: {each.told.text}{said}{told}{kept}"
            written.marks.append(Finished(claimed, State.FAILED, text))
            self._note(written, Kind.FAILED, claimed, text, each.reason)
        self._tell(Action.failed, [each.told for each in given_up if not each.silence], written)

    def _keep(self, given_up: Sequence[_GivenUp], now_us: int) -> None:
        copies = [
            BadMail(
                entry_id=told.claimed.entry_id,
                number=told.claimed.number,
                reverse_path=str(told.claimed.envelope.reverse_path or ""),
                recipient=str(told.claimed.recipient.address),
                subject=told.claimed.summary.subject,
                size=told.claimed.size,
                reason=f"{told.text} {told.status.diagnostic}".rstrip(),
                at_us=now_us,
            )
            for told in (each.told for each in given_up)
        ]
        if copies:
            content = self._content(given_up[0].told.claimed)
            badmail.save(self._house.badmail, copies, content)

    # Common parts

    def _silence(self, claimed: Claimed, about: Notify) -> str:
        """Return why a sender is not told of something; empty when it is."""
        automatic = claimed.summary.auto_submitted.partition(";")[0].strip().lower()
        if claimed.envelope.reverse_path is None:  # RFC 5321 §4.5.5
            return "the message has the null reverse-path"
        if not claimed.recipient.wants(about):  # RFC 3461 §4.1
            return "it asked not to be told (NOTIFY)"
        if automatic == "auto-replied" or (about is Notify.DELAY and automatic not in ("", "no")):
            return "the message is an automatic one"  # RFC 3834 §2
        if about is Notify.FAILURE and self._house.settings[smtp.no_ndr]:
            return f"{smtp.no_ndr.name} is set"
        return ""

    def _tell(self, kind: Action, told: Sequence[Told], written: _Written) -> None:
        """Prepare one notice for each message."""
        by_entry: dict[str, list[Told]] = {}
        for each in told:
            if each.claimed.envelope.reverse_path is not None:
                by_entry.setdefault(each.claimed.entry_id, []).append(each)
        for group in by_entry.values():
            claimed = group[0].claimed
            notice = prepare(self._house, kind, group, self._content(claimed))
            written.notices.append(notice)
            to = claimed.envelope.reverse_path
            about = ", ".join(str(each.claimed.recipient.address) for each in group[:_NAMED])
            text = f"the sender {to} is told ({kind.value}: {about}), by message {notice.id}"
            written.events.append(self._event(written, Kind.NOTIFIED, claimed, text, None))

    def _content(self, claimed: Claimed) -> Content:
        """Return the message; an empty one where an operator has removed it meanwhile."""
        try:
            content = self._house.queue.content_of(claimed)
        except LookupError:
            return Content(0, b"", None)
        if content.path is not None and not content.path.exists():
            return Content(0, b"", None)
        return content

    def _note(
        self, written: _Written, kind: Kind, claimed: Claimed, text: str, reason: Reason
    ) -> None:
        level = "warning" if kind is Kind.FAILED else "info"
        event = self._event(written, kind, claimed, text, reason)
        written.events.append(event)
        written.lines.append((level, f"{event.recipient}: {text}", event))
        written.counts.append(kind.value)

    def _event(
        self, written: _Written, kind: Kind, claimed: Claimed, text: str, reason: Reason | None
    ) -> Event:
        return Event(
            at_us=written.now_us,
            message_id=claimed.entry_id,
            kind=kind,
            reverse_path=str(claimed.envelope.reverse_path or ""),
            recipient=str(claimed.recipient.address),
            connector=self._connector.value,
            text=text,
            reason=because(reason),
        )

    def _write(self, written: _Written) -> None:
        if not written.marks and not written.notices:
            return
        self._house.queue.mark(written.marks, notices=written.notices, durable=True)
        self._record(written.events)
        for level, text, event in written.lines:
            self._logs.note(level, text, message_id=event.message_id, reason=event.reason)
        for outcome, count in Counter(written.counts).items():
            metrics.RECIPIENTS.labels(self._connector.value or "MTA", outcome).inc(count)


def _line(remote_mta: str, reply: Reply | None) -> str:
    """Return a remote host's answer on one line, for an operator; empty where none answered."""
    return f"{remote_mta}: {reply}" if remote_mta and reply is not None else ""


def _told(failure: Failure) -> str:
    said = _line(failure.remote_mta, failure.reason.reply)
    return f"{failure.reason.text} {said}." if said else failure.reason.text


def _status(action: Action, failure: Failure) -> DeliveryStatus:
    reply = failure.reason.reply or Reply(550, "5.0.0", failure.reason.text)
    status = reply.status or f"{reply.code // 100}.0.0"
    if failure.remote_mta:
        return DeliveryStatus(action, status, f"smtp; {reply}", failure.remote_mta)
    return DeliveryStatus(action, status)
