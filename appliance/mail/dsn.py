"""Delivery status notifications: what became of a message, for its sender and for programs.

Standards: RFC 3464 (report), RFC 6522 (multipart/report), RFC 3461 §6 (what a report returns),
    RFC 6533 (UTF-8 addresses), RFC 3834 §3.1 (automatic answers), RFC 5321 §4.5.5 (the report's
    own reverse-path is null: the caller's envelope says so).
Owns: nothing; time, message id and boundary are handed in.
Never: decide whether a report is due, or to whom.
Failure: none on what strangers wrote; ValueError for a time without a time zone.
"""

from __future__ import annotations

import binascii
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from appliance.mail import headers
from appliance.mail.address import Address
from appliance.mail.compose import text_entity
from appliance.mail.headers import format_date, header
from appliance.mail.status import Action, DeliveryStatus

__all__ = ["RecipientReport", "compose"]

_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,250}>")
_BARE_LINE_END = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
_NOT_UTF8_XTEXT = re.compile(r"[^!-*,-<>-\[\]-~]")
_MAX_QUOTE = 200  # characters of a value that is repeated for the sender
_MAX_FIELD = 900  # octets of a value in the report; what a remote host said may be longer

# Kind of report: its subject, and its first sentence.
_WORDING = {
    Action.failed: (
        "Not delivered",
        "Your message could not be delivered to {whom}. It will not be tried again.",
    ),
    Action.delayed: (
        "Not delivered yet",
        "Your message has not reached {whom} yet, and is still being tried. Don't send it again.",
    ),
    Action.delivered: ("Delivered", "As you asked, we tell you what reached {whom}."),
}
# What a sender can do, by subject and detail, or by subject, of the status (RFC 3463 §3).
_ADVICE = {
    "1": "Check the address for a typing mistake, then send the message again.",
    "2": "Ask the recipient in another way whether the mailbox is still in use.",
    "2.2": "The mailbox is full. Tell the recipient in another way, and try again later.",
    "2.3": "Send the message with smaller attachments, or in several parts.",
    "3.4": "Send the message with smaller attachments, or in several parts.",
    "4": "The receiving system may be back later. If this goes on, ask your administrator.",
    "7": "Show this report to the recipient or to your administrator: a rule refused the message.",
}
_ADVICE_OTHERWISE = "If the reason is not clear to you, show this report to your administrator."


@dataclass(frozen=True, slots=True)
class RecipientReport:
    """What a report says of one recipient.

    Attributes:
        final: The address that delivery was tried to.
        orcpt: The ORCPT parameter, `addr-type;address`, xtext decoded.
        status: The outcome.
        last_attempt: When it was last tried.
        will_retry_until: When trying ends; for delayed messages.
        reason_text: Why, in words for the sender.
    """

    final: Address
    orcpt: str | None
    status: DeliveryStatus
    last_attempt: datetime | None
    will_retry_until: datetime | None
    reason_text: str


def compose(
    *,
    kind: Action,
    to: Address,
    sender: Address,
    reporting_mta: str,
    envid: str | None,
    arrived_at: datetime,
    now: datetime,
    message_id: str,
    boundary: str,
    reports: Sequence[RecipientReport],
    original: bytes,
    full: bool,
    smtputf8: bool = False,
) -> bytes:
    """Write a report about one message, all lines ended by CRLF.

    Args:
        kind: `failed`, `delayed`, or `delivered` for every kind of success.
        to: The reverse-path of the message.
        sender: The address in From. One of the two beyond ASCII makes the report need SMTPUTF8.
        reporting_mta: Our name.
        envid: The ENVID parameter, xtext decoded.
        arrived_at: When the message was accepted.
        now: The report's date.
        message_id: The report's own, with its angle brackets.
        boundary: A string that can't be in the message: fresh random letters and digits.
        reports: The recipients that the report is about, one at least.
        original: The message, or at least its header section.
        full: Return the whole message instead of its header section (RFC 3461 §6.2 RET).
        smtputf8: The report may hold UTF-8 in its fields (RFC 6533).

    Returns:
        The report; beyond ASCII only where the message was, and then its envelope says 8BITMIME.

    Raises:
        ValueError: A time has no time zone.
    """
    utf8 = smtputf8 or not (to.is_ascii and sender.is_ascii)
    about = headers.scan(original)
    title, sentence = _WORDING.get(kind, _WORDING[Action.delivered])
    entities = (
        text_entity(_notice(kind, sentence, reports, about, reporting_mta, full=full)),
        _status_entity(reports, reporting_mta, envid, arrived_at, utf8=utf8),
        _returned_entity(original, full=full, utf8=utf8),
    )
    fields = [
        ("From", f"Mail Delivery System <{sender}>"),
        ("To", f"<{to}>"),
        ("Subject", f"{title}: {about.subject[:_MAX_QUOTE]}" if about.subject else title),
        ("Date", format_date(now)),
        ("Message-ID", message_id),
    ]
    if _MESSAGE_ID.fullmatch(about.message_id):  # RFC 3834 §3.1.5
        fields += [("In-Reply-To", about.message_id), ("References", about.message_id)]
    fields += [
        ("Auto-Submitted", "auto-replied"),  # RFC 3834 §5
        ("MIME-Version", "1.0"),
        ("Content-Type", f'multipart/report; report-type=delivery-status; boundary="{boundary}"'),
        ("Content-Transfer-Encoding", _encoding(*entities)),
    ]
    delimiter = b"\r\n--" + boundary.encode("ascii")
    return b"".join(
        (
            *(header(name, value, utf8=utf8) for name, value in fields),
            *(part for entity in entities for part in (delimiter, b"\r\n", entity)),
            delimiter,
            b"--\r\n",
        )
    )


def _notice(
    kind: Action,
    sentence: str,
    reports: Sequence[RecipientReport],
    about: headers.Summary,
    reporting_mta: str,
    *,
    full: bool,
) -> str:
    whom = "this address" if len(reports) == 1 else f"these {len(reports)} addresses"
    blocks = [
        _wrap(f"This is the mail system at {reporting_mta}."),
        _wrap(sentence.format(whom=whom)),
    ]
    for report in reports:
        lines = [f"  {report.final.local_part}@{report.final.domain_unicode}"]
        lines += [_wrap(line, indent=6) for line in _explain(kind, report)]
        blocks.append("\n".join(lines))
    named = [f"{name}: {value}" for name, value in _names(about)]
    if named:
        blocks.append("\n".join(["The message was:", *(_wrap(line, indent=6) for line in named)]))
    attached = "message is attached as it was sent" if full else "header of the message is attached"
    blocks.append(_wrap(f"Details for your administrator follow, and the {attached}."))
    return "\n\n".join(blocks) + "\n"


def _names(about: headers.Summary) -> Iterator[tuple[str, str]]:
    for name, value in (("Subject", about.subject), ("Date", about.date), ("To", about.to_header)):
        if value:
            yield name, value[:_MAX_QUOTE]


def _explain(kind: Action, report: RecipientReport) -> Iterator[str]:
    status = report.status
    yield report.reason_text
    if status.remote_mta and status.diagnostic:
        said = status.diagnostic.removeprefix("smtp; ")
        yield f"The server {status.remote_mta} said: {said}"
    if kind is Action.failed:
        subject, _, _ = (detail := status.status[2:]).partition(".")
        yield _ADVICE.get(detail) or _ADVICE.get(subject, _ADVICE_OTHERWISE)
    if report.will_retry_until and kind is Action.delayed:
        yield f"It will be tried until {format_date(report.will_retry_until)}."
    if status.action is Action.relayed:
        yield "It was handed to a system that may not tell you when it arrives."


def _status_entity(
    reports: Sequence[RecipientReport],
    reporting_mta: str,
    envid: str | None,
    arrived_at: datetime,
    *,
    utf8: bool,
) -> bytes:
    message = (
        ("Original-Envelope-Id", envid),
        ("Reporting-MTA", f"dns; {reporting_mta}"),
        ("Arrival-Date", format_date(arrived_at)),
    )
    groups = [message, *(_recipient_fields(report, utf8=utf8) for report in reports)]
    body = b"\r\n".join(
        b"".join(_field(name, value, utf8=utf8) for name, value in group if value)
        for group in groups
    )
    # RFC 6533 §6.1: only a report that may hold UTF-8 has the other type.
    kind = "global-delivery-status" if utf8 else "delivery-status"
    return _entity(f"message/{kind}", body)


def _recipient_fields(report: RecipientReport, *, utf8: bool) -> tuple[tuple[str, str | None], ...]:
    """The fields of one recipient, in the order of RFC 3464 §2.3."""
    status = report.status
    final_type = "rfc822" if report.final.is_ascii else "utf-8"
    orcpt_type, _, orcpt = (report.orcpt or "").partition(";")
    retry_until = report.will_retry_until if status.action is Action.delayed else None
    return (
        ("Original-Recipient", _typed(orcpt_type, orcpt, utf8=utf8) if orcpt else None),
        ("Final-Recipient", _typed(final_type, str(report.final), utf8=utf8)),
        ("Action", status.action.value),
        ("Status", status.status),
        ("Remote-MTA", f"dns; {status.remote_mta}" if status.remote_mta else None),
        ("Diagnostic-Code", status.diagnostic),
        ("Last-Attempt-Date", _date(report.last_attempt)),
        ("Will-Retry-Until", _date(retry_until)),
    )


def _date(at: datetime | None) -> str | None:
    return None if at is None else format_date(at)


def _typed(kind: str, address: str, *, utf8: bool) -> str:
    if not utf8 and not address.isascii():  # RFC 6533 §3: utf-8-addr-xtext
        address = _NOT_UTF8_XTEXT.sub(lambda c: f"\\x{{{ord(c[0]):02X}}}", address)
    return f"{kind.strip()}; {address.strip()}"


def _returned_entity(original: bytes, *, full: bool, utf8: bool) -> bytes:
    section, _ = headers.split(original)
    returned = original if full else section
    if not returned.count(b"\r") == returned.count(b"\n") == returned.count(b"\r\n"):
        returned = _BARE_LINE_END.sub(b"\r\n", returned)
    is_global = utf8 and not section.isascii()
    if full:
        return _entity("message/global" if is_global else "message/rfc822", returned)
    if is_global:
        return _entity("message/global-headers", returned)
    if not returned.isascii():  # RFC 6522 §4
        quoted = binascii.b2a_qp(returned.replace(b"\r\n", b"\n"), istext=True)
        returned = quoted.replace(b"\n", b"\r\n")
        return _entity("text/rfc822-headers", returned, encoding="quoted-printable")
    return _entity("text/rfc822-headers", returned)


def _entity(content_type: str, body: bytes, *, encoding: str = "") -> bytes:
    return (
        header("Content-Type", content_type)
        + header("Content-Transfer-Encoding", encoding or _encoding(body))
        + b"\r\n"
        + body
    )


def _encoding(*bodies: bytes) -> str:
    return "7bit" if all(body.isascii() for body in bodies) else "8bit"


def _field(name: str, value: str, *, utf8: bool) -> bytes:
    text = _CONTROLS.sub(" ", value).encode("utf-8" if utf8 else "ascii", "replace")
    return header(name, text[:_MAX_FIELD].decode("utf-8", "ignore"), utf8=True)


def _wrap(text: str, *, indent: int = 0) -> str:
    margin = " " * indent
    return textwrap.fill(
        _CONTROLS.sub(" ", text),
        72,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )
