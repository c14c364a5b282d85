"""Delivery status notifications: RFC 3464, RFC 6522, RFC 6533, RFC 3834."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from typing import cast

import pytest

from appliance.mail.address import Address
from appliance.mail.dsn import RecipientReport, compose
from appliance.mail.status import Action, DeliveryStatus

NOON = datetime(2025, 11, 22, 12, 0, 5, tzinfo=UTC)
ALICE = Address("alice", "example.com")
BOB = Address("bob", "example.org")
ORIGINAL = (
    b"From: Alice <alice@example.com>\r\n"
    b"To: bob@example.org\r\n"
    b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    b"Message-ID: <7@example.com>\r\n"
    b"\r\n"
    b"Hello\r\n"
)
NO_USER = DeliveryStatus(Action.failed, "5.1.1", "smtp; 550 5.1.1 No such user", "mx.example.org")


def report(
    status: DeliveryStatus = NO_USER,
    *,
    final: Address = BOB,
    orcpt: str | None = None,
    reason: str = "There is no mailbox of this name.",
) -> RecipientReport:
    return RecipientReport(
        final=final,
        orcpt=orcpt,
        status=status,
        last_attempt=NOON,
        will_retry_until=NOON + timedelta(days=2),
        reason_text=reason,
    )


def notification(
    reports: Sequence[RecipientReport],
    *,
    kind: Action = Action.failed,
    to: Address = ALICE,
    original: bytes = ORIGINAL,
    full: bool = True,
    smtputf8: bool = False,
    envid: str | None = None,
) -> bytes:
    message = compose(
        kind=kind,
        to=to,
        sender=Address("MAILER-DAEMON", "mail.example.net"),
        reporting_mta="mail.example.net",
        envid=envid,
        arrived_at=NOON - timedelta(days=1),
        now=NOON,
        message_id="<dsn1@mail.example.net>",
        boundary="=_b0undary",
        reports=reports,
        original=original,
        full=full,
        smtputf8=smtputf8,
    )
    assert b"\n" not in message.replace(b"\r\n", b"")
    assert b"\r" not in message.replace(b"\r\n", b"")
    return message


def parts(message: bytes) -> tuple[EmailMessage, list[EmailMessage]]:
    """The whole and its parts, as another mail program finds them."""
    whole = message_from_bytes(message, policy=policy.default)
    assert whole.get_content_type() == "multipart/report"
    assert whole.get_param("report-type") == "delivery-status"
    entities = cast("list[EmailMessage]", whole.get_payload())
    assert not any(part.defects for part in (whole, *entities))
    return whole, entities


def text(notice: EmailMessage) -> str:
    return str(notice.get_content()).replace("\r\n", "\n")


def blocks(part: EmailMessage) -> list[Message]:
    return cast("list[Message]", part.get_payload())


def test_report_has_the_three_parts_of_rfc_6522() -> None:
    whole, (notice, status, returned) = parts(notification([report()]))
    assert notice.get_content_type() == "text/plain"
    assert status.get_content_type() == "message/delivery-status"
    assert returned.get_content_type() == "message/rfc822"
    assert whole["From"] == "Mail Delivery System <MAILER-DAEMON@mail.example.net>"
    assert whole["To"] == "alice@example.com"
    assert whole["Subject"] == "Not delivered: Grüße"
    assert whole["Auto-Submitted"] == "auto-replied"  # RFC 3834 §5
    assert whole["In-Reply-To"] == whole["References"] == "<7@example.com>"
    assert whole["Date"] == "Sat, 22 Nov 2025 12:00:05 +0000"


def test_status_part_tells_programs_everything_of_rfc_3464() -> None:
    reports = [report(orcpt="rfc822;Bob@Example.Org"), report(final=Address("carol", "a.b"))]
    _, (_, status, _) = parts(notification(reports, envid="QQ314159"))
    message, bob, carol = blocks(status)
    assert message.items() == [
        ("Original-Envelope-Id", "QQ314159"),
        ("Reporting-MTA", "dns; mail.example.net"),
        ("Arrival-Date", "Fri, 21 Nov 2025 12:00:05 +0000"),
    ]
    assert bob.items() == [
        ("Original-Recipient", "rfc822; Bob@Example.Org"),
        ("Final-Recipient", "rfc822; bob@example.org"),
        ("Action", "failed"),
        ("Status", "5.1.1"),
        ("Remote-MTA", "dns; mx.example.org"),
        ("Diagnostic-Code", "smtp; 550 5.1.1 No such user"),
        ("Last-Attempt-Date", "Sat, 22 Nov 2025 12:00:05 +0000"),
    ]
    assert carol["Final-Recipient"] == "rfc822; carol@a.b"
    assert carol["Original-Recipient"] is None


def test_first_part_says_who_why_and_what_to_do() -> None:
    _, (notice, _, _) = parts(notification([report()]))
    assert text(notice) == (
        "This is the mail system at mail.example.net.\n"
        "\n"
        "Your message could not be delivered to this address. It will not be\n"
        "tried again.\n"
        "\n"
        "  bob@example.org\n"
        "      There is no mailbox of this name.\n"
        "      The server mx.example.org said: 550 5.1.1 No such user\n"
        "      Check the address for a typing mistake, then send the message\n"
        "      again.\n"
        "\n"
        "The message was:\n"
        "      Subject: Grüße\n"
        "      To: bob@example.org\n"
        "\n"
        "Details for your administrator follow, and the message is attached as it\n"
        "was sent.\n"
    )


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("5.1.10", "typing mistake"),
        ("5.2.1", "still in use"),
        ("5.2.2", "mailbox is full"),
        ("5.2.3", "smaller attachments"),
        ("5.3.4", "smaller attachments"),
        ("4.4.7", "may be back later"),
        ("5.7.1", "a rule refused"),
        ("5.0.0", "the reason is not clear"),
        ("5.6.7", "the reason is not clear"),
    ],
)
def test_advice_fits_the_status(code: str, advice: str) -> None:
    status = DeliveryStatus(Action.failed, code)
    _, (notice, _, _) = parts(notification([report(status)]))
    assert advice in text(notice).replace("\n      ", " ")


def test_delay_notice_says_until_when_it_is_tried() -> None:
    status = DeliveryStatus(Action.delayed, "4.4.1")
    whole, (notice, fields, _) = parts(notification([report(status)], kind=Action.delayed))
    assert whole["Subject"] == "Not delivered yet: Grüße"
    assert "It will be tried until Mon, 24 Nov 2025 12:00:05 +0000." in text(notice)
    assert "administrator." not in text(notice).partition("The message was:")[0]
    assert blocks(fields)[1]["Will-Retry-Until"] == "Mon, 24 Nov 2025 12:00:05 +0000"


def test_success_report_tells_delivered_from_relayed() -> None:
    delivered = DeliveryStatus(Action.delivered, "2.0.0")
    relayed = DeliveryStatus(Action.relayed, "2.0.0", "smtp; 250 Ok", "mx.example.org")
    reports = [report(delivered, reason="It is in the mailbox."), report(relayed, reason="Sent.")]
    whole, (notice, fields, _) = parts(notification(reports, kind=Action.delivered, full=False))
    assert whole["Subject"] == "Delivered: Grüße"
    assert "these 2 addresses" in text(notice)
    assert text(notice).count("may not tell you when it arrives") == 1
    assert [block["Action"] for block in blocks(fields)[1:]] == ["delivered", "relayed"]
    assert blocks(fields)[1]["Remote-MTA"] is None
    assert blocks(fields)[1]["Diagnostic-Code"] is None


def test_header_only_report_returns_nothing_of_the_body() -> None:
    message = notification([report()], full=False)
    _, (_, _, returned) = parts(message)
    assert returned.get_content_type() == "text/rfc822-headers"
    assert b"Hello" not in message
    assert b"Message-ID: <7@example.com>" in cast("bytes", returned.get_payload(decode=True))


def test_returned_message_is_the_one_that_was_sent() -> None:
    original = b"Subject: x\r\n\r\n.\r\n caf\xc3\xa9 \r\n--other\r\n"
    message = notification([report()], original=original)
    whole, _ = parts(message)
    assert original in message
    assert whole["Content-Transfer-Encoding"] == "8bit"


def test_bare_line_ends_in_a_returned_message_become_crlf() -> None:
    message = notification([report()], original=b"Subject: x\n\na\rb\n")
    assert b"Subject: x\r\n\r\na\r\nb\r\n" in message


def test_raw_8bit_header_is_returned_in_quoted_printable() -> None:
    message = notification([report()], original=b"Subject: caf\xe9\r\n\r\n", full=False)
    _, (_, _, returned) = parts(message)
    assert message.isascii()
    assert returned["Content-Transfer-Encoding"] == "quoted-printable"
    assert cast("bytes", returned.get_payload(decode=True)).startswith(b"Subject: caf\xe9\r\n")


@pytest.mark.parametrize(("full", "kind"), [(True, "global"), (False, "global-headers")])
def test_utf8_report_has_the_types_of_rfc_6533(*, full: bool, kind: str) -> None:
    original = "From: jörg@example.com\r\nSubject: Grüße\r\n\r\nHi\r\n".encode()
    joerg = Address("jörg", "example.com")
    message = notification(
        [report(final=Address("bjørn", "example.org"))], to=joerg, original=original, full=full
    )
    whole, (_, status, returned) = parts(message)
    assert whole["To"] == "jörg@example.com"
    assert status.get_content_type() == "message/global-delivery-status"
    assert returned.get_content_type() == f"message/{kind}"
    assert "Final-Recipient: utf-8; bjørn@example.org\r\n".encode() in message


def test_utf8_address_in_an_ascii_report_is_escaped() -> None:
    final = Address("bjørn+x", "example.org")
    message = notification([report(final=final, orcpt="utf-8;bjørn@example.org")])
    assert rb"Final-Recipient: utf-8; bj\x{F8}rn\x{2B}x@example.org" in message
    assert rb"Original-Recipient: utf-8; bj\x{F8}rn@example.org" in message


def test_hostile_words_can_not_forge_a_field() -> None:
    status = DeliveryStatus(Action.failed, "5.0.0", "smtp; 550 a\r\nAction: x " + "y" * 5000, "m\n")
    original = b"Subject: " + b"=?utf-8?q?a=0D=0ABcc:_x?=" + b"z" * 3000 + b"\r\n\r\n"
    hostile = report(status, orcpt="rfc822;a\r\nb", reason="line\r\n--=_b0undary--\r\n\x1b[0m")
    for smtputf8 in (False, True):
        message = notification([hostile], original=original, envid="e\r\nf", smtputf8=smtputf8)
        whole, (_, fields, _) = parts(message)
        assert whole["Bcc"] is None
        assert fields.get_content_type().endswith("delivery-status")
        assert message.count(b"\r\nAction:") == 1


@pytest.mark.parametrize("original", [b"", b"\r\n", b"nonsense", b"\x00\xff" * 100, b"Subject: x"])
def test_any_original_can_be_returned(original: bytes) -> None:
    for full in (False, True):
        whole, entities = parts(notification([report()], original=original, full=full))
        assert len(entities) == 3
        assert whole["Subject"].startswith("Not delivered")
