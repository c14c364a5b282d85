"""Header sections: RFC 5322 §2.2, RFC 5321 §4.4, RFC 2047."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.utils import parsedate_to_datetime

import pytest

from appliance.mail.headers import (
    HeaderError,
    Summary,
    addresses,
    decoded,
    fields,
    format_date,
    header,
    raw_fields,
    received,
    scan,
    split,
)

NOON = datetime(2025, 11, 22, 12, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("block", "section"),
    [
        (b"A: b\r\n\r\nbody\r\n\r\n", b"A: b\r\n\r\n"),
        (b"A: b\n\nbody\r\n\r\n", b"A: b\n\n"),
        (b"A: b\n\r\nbody", b"A: b\n\r\n"),
        (b"A: b\n\n\r\nbody", b"A: b\n\n"),
        (b"\r\nbody\r\n\r\n", b"\r\n"),
        (b"\nbody", b"\n"),
        (b"A: b\r\n", b"A: b\r\n"),
        (b"A: b", b"A: b"),
        (b"", b""),
    ],
)
def test_section_ends_after_the_first_empty_line(block: bytes, section: bytes) -> None:
    assert split(block) == (section, block[len(section) :])


def test_summary_is_decoded_and_unfolded() -> None:
    block = (
        b"Received: from a by b;\r\n\tMon, 1 Jan 2024 00:00:00 +0000\r\n"
        b"received: from c by d; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
        b"Message-Id: <1@example.com>\r\n"
        b"SUBJECT: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n =?utf-8?q?_aus?=\r\n\tK\xc3\xb6ln\r\n"
        b'From: "Bob" <bob@example.com>\r\n'
        b"To : a@example.com,\r\n  b@example.com\r\n"
        b"Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n"
        b"Content-Type: text/plain;\r\n charset=utf-8\r\n"
        b"Auto-Submitted: no\r\n"
        b"\r\n"
        b"Subject: of the body\r\n"
    )
    assert scan(block) == Summary(
        message_id="<1@example.com>",
        subject="Grüße aus Köln",
        from_header='"Bob" <bob@example.com>',
        to_header="a@example.com, b@example.com",
        date="Mon, 1 Jan 2024 00:00:00 +0000",
        received_count=2,
        content_type="text/plain; charset=utf-8",
        auto_submitted="no",
        has_from=True,
        has_date=True,
        has_message_id=True,
    )


def test_missing_fields_are_empty_and_known_to_be_missing() -> None:
    assert scan(b"X-Other: a\r\n\r\n") == Summary()
    assert scan(b"") == Summary()
    empty = scan(b"From:\r\nSubject: \r\n\r\n")
    assert (empty.has_from, empty.from_header, empty.subject) == (True, "", "")


def test_first_of_several_fields_counts() -> None:
    assert scan(b"Subject: one\r\nSubject: two\r\n\r\n").subject == "one"


@pytest.mark.parametrize(
    ("field", "is_bulk"),
    [
        (b"List-Id: <l.example.com>", True),
        (b"List-Unsubscribe: <mailto:l@example.com>", True),
        (b"Precedence: Bulk ", True),
        (b"Precedence: list", True),
        (b"Precedence: first-class", False),
        (b"X-List-Id: a", False),
    ],
)
def test_lists_and_bulk_mail_are_recognised(field: bytes, *, is_bulk: bool) -> None:
    assert scan(field + b"\r\n\r\n").is_bulk is is_bulk


@pytest.mark.parametrize(
    ("raw", "subject"),
    [
        (b"a\x00b\x1bc", "abc"),
        (b"caf\xe9", "café"),
        ("é€".encode(), "é€"),
        (b"=?utf-7?q?+2AA-?=x", "x"),  # a lone surrogate
        (b"=?utf-8?q?a=0D=0AX:_b?=", "a X: b"),
        (b"a" * 5000, "a" * 998),
    ],
)
def test_hostile_values_become_harmless_text(raw: bytes, subject: str) -> None:
    assert scan(b"Subject: " + raw + b"\r\n\r\n").subject == subject


def test_only_the_beginning_of_an_endless_section_is_read() -> None:
    block = b"Received: x\r\n" * 10_000 + b"Subject: late\r\n\r\n"
    summary = scan(block)
    assert summary.subject == ""
    assert summary.received_count == 64 * 1024 // len(b"Received: x\r\n")
    assert scan(block, max_section=26).received_count == 2
    assert scan(b"Subject: abcdef\r\n\r\n", max_value=3).subject == "abc"


def test_summary_comes_back_from_json() -> None:
    summary = Summary(subject="ü\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"))
    assert Summary.from_json(summary.to_json()) == summary
    assert Summary.from_json('["<1@a>","x"]') == Summary("<1@a>", "x")  # of an older version


@pytest.mark.parametrize("text", ["", "{}", "nonsense", "[" + "0," * 40 + "0]"])
def test_what_is_no_summary_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- two kinds of ValueError, both documented
        Summary.from_json(text)


def test_name_decoded_out_of_a_word_can_not_turn_into_an_address() -> None:
    block = b"From: =?utf-8?q?boss=40bank=2Eexample_=3Cboss=40bank=2Eexample=3E=2C?= <evil@a.b>\r\n"
    summary = scan(block)
    assert summary.from_header == '"boss@bank.example <boss@bank.example>," <evil@a.b>'
    assert [address for _, address in addresses(summary.from_header)] == ["evil@a.b"]


def test_fields_are_listed_in_their_order_for_people() -> None:
    block = (
        b"Received: a\r\n\tb\r\nsubject : =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
        b"From: =?utf-8?q?M=C3=BCller=2C_J?= <m@a.b>\r\nbroken\r\nX\x00Y: z\r\n"
        b"Received: c\x1b\r\n\r\nNot: this\r\n"
    )
    assert fields(block) == [
        ("Received", "a b"),
        ("subject", "Grüße"),
        ("From", '"Müller, J" <m@a.b>'),
        ("Received", "c"),
    ]
    assert raw_fields(block)[1:3] == [
        ("subject", "=?utf-8?q?Gr=C3=BC=C3=9Fe?="),
        ("From", "=?utf-8?q?M=C3=BCller=2C_J?= <m@a.b>"),
    ]
    assert fields(b"") == []


def test_value_without_structure_is_decoded_to_one_line() -> None:
    assert decoded("=?utf-8?q?a=0D=0Ab?=  =?utf-8?q?=C3=BC?= \x00c") == "a bü c"


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("Subject", "Hello", b"Subject: Hello\r\n"),
        ("Subject", "", b"Subject:\r\n"),
        ("Subject", "in Köln today", b"Subject: in =?utf-8?b?S8O2bG4=?= today\r\n"),
        ("Subject", "a =?utf-8?q?b?=", b"Subject: a =?utf-8?b?PT91dGYtOD9xP2I/PQ==?=\r\n"),
        ("From", "Bob <b@a.b>", b"From: Bob <b@a.b>\r\n"),
        ("From", "Jörg <j@a.b>", b"From: =?utf-8?b?SsO2cmc=?= <j@a.b>\r\n"),
        ("From", '"Jörg" <j@a.b>', b"From: =?utf-8?b?SsO2cmc=?= <j@a.b>\r\n"),
        ("To", '"a, b" <j@a.b>, c@d.e', b'To: "a, b" <j@a.b>, c@d.e\r\n'),
    ],
)
def test_field_is_written_in_ascii(name: str, value: str, line: bytes) -> None:
    assert header(name, value) == line


def test_field_may_hold_utf8_where_the_message_may() -> None:
    assert header("From", "Jörg <jörg@a.b>", utf8=True) == "From: Jörg <jörg@a.b>\r\n".encode()


@pytest.mark.parametrize(
    "value",
    [
        "word " * 60,
        "Müller " * 60,
        "x" * 3000,
        "one  two\t three " * 20,
        "plain words, then Ünïcode ones, then plain ones again " * 5,
    ],
)
def test_folded_field_says_the_same(value: str) -> None:
    wire = header("Subject", value)
    assert max(map(len, wire.split(b"\r\n"))) <= 76
    assert scan(wire).subject == " ".join(value.split())[:998]
    if len(value) < 1000:
        parsed = message_from_bytes(wire + b"\r\n", policy=policy.default)
        assert parsed["Subject"].split() == value.split()


@pytest.mark.parametrize(
    "value", ["a\r\nBcc: b@c.d", "a\nb", "a\rb", "a\0b", "\ud800", "\r\n", "a\r\n"]
)
def test_value_can_not_inject_a_field(value: str) -> None:
    with pytest.raises(HeaderError):
        header("Subject", value)


@pytest.mark.parametrize("name", ["", "A B", "A:", "Ä", "A\r\nB"])
def test_name_must_be_a_field_name(name: str) -> None:
    with pytest.raises(HeaderError, match="not a header field name"):
        header(name, "x")


@pytest.mark.parametrize("value", ["jörg@example.com", "<a@bücher.example>"])
def test_address_beyond_ascii_needs_smtputf8(value: str) -> None:
    with pytest.raises(HeaderError, match="SMTPUTF8"):
        header("To", value)


def test_word_longer_than_a_line_is_refused_where_it_can_not_be_encoded() -> None:
    with pytest.raises(HeaderError, match="too long"):
        header("To", "a" * 1200 + "@example.com")


def trace(**changes: str | None) -> str:
    known: dict[str, str | None] = {
        "client_name": "mail.example.com",
        "for_": "bob@example.org",
        "tls": "TLSv1.3 TLS_AES_256_GCM_SHA384",
    }
    known |= {name: value for name, value in changes.items() if name in known}
    return received(
        from_helo=changes.get("from_helo") or "mail.example.com",
        client=changes.get("client") or "192.0.2.1",
        client_name=known["client_name"],
        by="mx.example.org",
        protocol="ESMTPS",
        id="4d8a8c2b",
        for_=known["for_"],
        at=NOON,
        tls=known["tls"],
    ).decode()


def test_trace_line_tells_from_by_with_id_for_and_when() -> None:
    assert trace() == (
        "Received: from mail.example.com (mail.example.com [192.0.2.1])\r\n"
        "\tby mx.example.org with ESMTPS id 4d8a8c2b"
        " (using TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
        "\tfor <bob@example.org>;\r\n"
        "\tSat, 22 Nov 2025 12:00:05 +0000\r\n"
    )


def test_trace_line_leaves_out_what_is_not_known() -> None:
    line = trace(client="2001:db8::1", client_name=None, for_=None, tls=None)
    assert line == (
        "Received: from mail.example.com ([IPv6:2001:db8::1])\r\n"
        "\tby mx.example.org with ESMTPS id 4d8a8c2b;\r\n"
        "\tSat, 22 Nov 2025 12:00:05 +0000\r\n"
    )


def test_trace_line_can_not_be_forged_by_a_name_in_helo() -> None:
    line = trace(from_helo="a (b) ;\r\nBcc: c@d.e", tls="x)\r\ny")
    assert line.startswith("Received: from a??b?????Bcc:?c?d.e (mail.example.com [192.0.2.1])\r\n")
    assert "(using x???y)" in line
    assert line.count("\r\n") == 4


@pytest.mark.parametrize(
    "zone",
    [
        UTC,
        timezone(timedelta(hours=5, minutes=45)),
        timezone(-timedelta(hours=3, minutes=30)),
        timezone(-timedelta(minutes=30)),
    ],
)
def test_date_is_read_by_others_as_the_same_instant(zone: timezone) -> None:
    at = NOON.astimezone(zone)
    assert parsedate_to_datetime(format_date(at)) == at
    assert format_date(NOON) == "Sat, 22 Nov 2025 12:00:05 +0000"


def test_date_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        format_date(NOON.replace(tzinfo=None))
