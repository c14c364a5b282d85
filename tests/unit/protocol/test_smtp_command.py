"""One command line at a time: what it means, and what is said to a wrong one."""

from __future__ import annotations

import pytest

from appliance.mail.address import Address
from appliance.mail.envelope import Notify, Recipient
from appliance.protocol.smtp_command import (
    VERBS,
    Auth,
    Command,
    CommandError,
    Data,
    Ehlo,
    Expn,
    Helo,
    Help,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Rset,
    StartTls,
    Vrfy,
    parse_command,
)

ALICE = Address("alice", "example.org")


def parse(line: bytes) -> Command:
    return parse_command(line, local_domain="demo.test")


def refusal(line: bytes) -> str:
    with pytest.raises(CommandError) as error:
        parse(line)
    return str(error.value.reply)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"HELO client.example", Helo("client.example")),
        (b"EHLO [192.0.2.1]", Ehlo("[192.0.2.1]")),
        (b"EHLO [IPv6:2001:db8::1]", Ehlo("[IPv6:2001:db8::1]")),
        (b"EHLO MY_LAPTOP extra words", Ehlo("MY_LAPTOP")),
        (b"ehlo Kate's-PC", Ehlo("Kate's-PC")),
        (b"DATA", Data()),
        (b"data  \t", Data()),
        (b"RSET", Rset()),
        (b"NOOP", Noop()),
        (b"NOOP whatever", Noop()),
        (b"QUIT", Quit()),
        (b"STARTTLS", StartTls()),
        (b"HELP", Help("")),
        (b"HELP mail", Help("mail")),
        (b"VRFY alice", Vrfy("alice")),
        (b"EXPN staff", Expn("staff")),
        (b"AUTH PLAIN", Auth("PLAIN")),
        (b"auth login YWxpY2U=", Auth("LOGIN", b"alice")),
        (b"AUTH PLAIN =", Auth("PLAIN", b"")),
    ],
)
def test_commands_are_read_in_any_case(line: bytes, command: Command) -> None:
    # RFC 5321 §2.4, §4.1.1
    assert parse(line) == command


def test_each_verb_has_a_line_that_reads() -> None:
    arguments = {
        "HELO": " c",
        "EHLO": " c",
        "MAIL": " FROM:<>",
        "RCPT": " TO:<a@b>",
        "AUTH": " PLAIN",
        "VRFY": " a",
        "EXPN": " a",
    }
    for verb in VERBS:
        assert type(parse(f"{verb}{arguments.get(verb, '')}".encode())).__name__.upper() == verb


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"MAIL FROM:<>", Mail(None)),
        (b"MAIL FROM:<alice@example.org>", Mail(ALICE)),
        (b"mail from: <alice@Example.ORG>  ", Mail(ALICE)),
        (b"MAIL FROM:<@a.example,@b.example:alice@example.org>", Mail(ALICE)),
        (b'MAIL FROM:<"a> SIZE=1"@example.org>', Mail(Address("a> SIZE=1", "example.org"))),
        (b'MAIL FROM:<"a\\">b"@example.org>', Mail(Address('a">b', "example.org"))),
        (b"MAIL FROM:<alice@[192.0.2.1]>", Mail(Address("alice", "[192.0.2.1]"))),
        (b"MAIL FROM:<alice@example.org> SIZE=0", Mail(ALICE, size=0)),
        (b"MAIL FROM:<alice@example.org>  size=7  body=8bitmime", Mail(ALICE, 7, "8BITMIME")),
        (b"MAIL FROM:<> BODY=7BIT RET=hdrs", Mail(None, ret="HDRS")),
        (b"MAIL FROM:<> RET=FULL ENVID=a+2Bb", Mail(None, ret="FULL", envid="a+b")),
        (b"MAIL FROM:<> AUTH=<>", Mail(None, auth="<>")),
        (b"MAIL FROM:<> AUTH=e+3Dmc2@example.com", Mail(None, auth="e=mc2@example.com")),
        (
            "MAIL FROM:<jürgen@bücher.example> SMTPUTF8".encode(),
            Mail(Address("jürgen", "xn--bcher-kva.example"), smtputf8=True),
        ),
    ],
)
def test_mail_with_path_and_parameters(line: bytes, command: Mail) -> None:
    # RFC 5321 §4.1.1.2, §4.1.2; RFC 1870; RFC 3461 §4; RFC 4954 §5; RFC 6152; RFC 6531
    assert parse(line) == command


@pytest.mark.parametrize(
    ("line", "recipient"),
    [
        (b"RCPT TO:<alice@example.org>", Recipient(ALICE)),
        (b"RCPT TO:<@a.example:alice@example.org>", Recipient(ALICE)),
        (b"RCPT TO:<Postmaster>", Recipient(Address("Postmaster", "demo.test"))),
        (b"RCPT TO:<postmaster@x.test>", Recipient(Address("postmaster", "x.test"))),
        (
            b"RCPT TO:<alice@example.org> NOTIFY=NEVER",
            Recipient(ALICE, notify=frozenset({Notify.NEVER})),
        ),
        (
            b"RCPT TO:<alice@example.org> ORCPT=rfc822;a+2Bb@x.test NOTIFY=success,Delay",
            Recipient(
                ALICE,
                notify=frozenset({Notify.SUCCESS, Notify.DELAY}),
                orcpt="rfc822;a+b@x.test",
            ),
        ),
    ],
)
def test_rcpt_with_path_and_parameters(line: bytes, recipient: Recipient) -> None:
    # RFC 5321 §4.1.1.3; RFC 3461 §4.1, §4.2
    assert parse(line) == Rcpt(recipient)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"", "500 5.5.2"),
        (b"FROB x", "500 5.5.2"),
        (b"NOOP\0", "500 5.5.2"),
        (b"MAIL FROM:<a@b>\rRCPT TO:<c@d>", "500 5.5.2"),
        (b"MAIL FROM:<a@b>\nRCPT TO:<c@d>", "500 5.5.2"),
        (b"\x16\x03\x01\x02\x00", "500 5.5.2"),
        (b"NOOP \xc3", "500 5.5.2"),
        ("NOOP \x85".encode(), "500 5.5.2"),
        (b"TURN", "502 5.5.1"),
        (b"SEND FROM:<a@b>", "502 5.5.1"),
        (b"HELO", "501 5.5.4"),
        (b"EHLO a(b", "501 5.5.4"),
        ("EHLO bücher".encode(), "501 5.5.4"),
        (b"EHLO " + b"x" * 256, "501 5.5.4"),
        (b"MAIL", "501 5.5.4"),
        (b"MAIL TO:<a@b>", "501 5.5.4"),
        (b"MAIL FROM:", "501 5.1.7"),
        (b"MAIL FROM:<a@b", "501 5.1.7"),
        (b'MAIL FROM:<"a>@b', "501 5.1.7"),
        (b"MAIL FROM:<a b@c>", "501 5.1.7"),
        (b"MAIL FROM:<u..v@x>", "501 5.1.7"),
        (b"MAIL FROM:<@a.example>", "501 5.1.7"),
        (b"MAIL FROM:<@a.example:>", "501 5.1.7"),
        (b"MAIL FROM:<a@b> SIZE", "501 5.5.4"),
        (b"MAIL FROM:<a@b> SIZE=", "501 5.5.4"),
        (b"MAIL FROM:<a@b> SIZE=-1", "501 5.5.4"),
        (b"MAIL FROM:<a@b> SIZE=" + b"9" * 21, "501 5.5.4"),
        ("MAIL FROM:<a@b> SIZE=٣".encode(), "501 5.5.4"),
        (b"MAIL FROM:<a@b> BODY", "501 5.5.4"),
        (b"MAIL FROM:<a@b> RET=", "501 5.5.4"),
        (b"MAIL FROM:<a@b> RET", "501 5.5.4"),
        (b"MAIL FROM:<a@b> ENVID", "501 5.5.4"),
        (b"MAIL FROM:<a@b> ENVID=" + b"x" * 101, "501 5.5.4"),
        (b"MAIL FROM:<a@b> ENVID=+C3+BC", "501 5.5.4"),
        (b"MAIL FROM:<a@b> AUTH", "501 5.5.4"),
        (b"MAIL FROM:<a@b> SMTPUTF8=1", "501 5.5.4"),
        (b"MAIL FROM:<a@b> size=1 SIZE=1", "501 5.5.4"),
        (b"MAIL FROM:<a@b> =1", "501 5.5.4"),
        (b"MAIL FROM:<a@b> NOTIFY=NEVER", "555 5.5.4"),
        (b"RCPT", "501 5.5.4"),
        (b"RCPT FROM:<a@b>", "501 5.5.4"),
        (b"RCPT TO:a@b", "501 5.1.3"),
        (b"RCPT TO:<>", "501 5.1.3"),
        (b"RCPT TO:<alice>", "501 5.1.3"),
        (b"RCPT TO:<a@b> NOTIFY", "501 5.5.4"),
        (b"RCPT TO:<a@b> NOTIFY=NEVER,NEVER", "501 5.5.4"),
        (b"RCPT TO:<a@b> NOTIFY=SUCCESS,", "501 5.5.4"),
        (b"RCPT TO:<a@b> ORCPT", "501 5.5.4"),
        (b"RCPT TO:<a@b> ORCPT=rfc822;" + b"x" * 500, "501 5.5.4"),
        (b"RCPT TO:<a@b> RET=FULL", "555 5.5.4"),
        (b"DATA now", "501 5.5.4"),
        (b"STARTTLS now", "501 5.5.4"),
        (b"VRFY", "501 5.5.4"),
        (b"EXPN", "501 5.5.4"),
        (b"AUTH", "501 5.5.4"),
        (b"AUTH P(AIN", "501 5.5.4"),
        (b"AUTH PLAIN a=b", "501 5.5.2"),
        (b"AUTH PLAIN YQ", "501 5.5.2"),
        (b"AUTH PLAIN YQ== YQ==", "501 5.5.2"),
        ("AUTH PLAIN ü".encode(), "501 5.5.2"),
    ],
)
def test_wrong_lines_get_their_code(line: bytes, code: str) -> None:
    # RFC 5321 §4.2.4, §4.1.1.11; RFC 3463 §3.2, §3.6
    assert refusal(line).startswith(code)


def test_a_refusal_names_the_value_and_what_would_be_right() -> None:
    assert refusal(b"MAIL FROM:<a@b> BODY=9BIT") == (
        "501 5.5.4 BODY=9BIT is not valid; give 7BIT or 8BITMIME"
    )
    assert refusal(b"RCPT TO:<u..v@x.test>").startswith(
        '501 5.1.3 Bad recipient address "u..v@x.test": '
    )


def test_a_refusal_repeats_no_more_than_a_line_can_hold() -> None:
    assert len(refusal(b"MAIL FROM:<a@b> ENVID=" + b"=" * 800)) < 200
    assert len(refusal(b"MAIL FROM:" + b"x" * 800)) < 200


def test_a_line_that_is_no_command_is_not_repeated() -> None:
    # it may be the password of a client that is out of step
    assert "c2VjcmV0" not in refusal(b"c2VjcmV0")


def test_an_initial_response_is_not_in_the_representation() -> None:
    assert "alice" not in repr(parse(b"AUTH PLAIN YWxpY2U="))
