"""The sending engine: what it says to a peer, and what it makes of the answers."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence

import pytest

from appliance.mail.address import Address
from appliance.mail.envelope import Envelope, Notify, Recipient
from appliance.mail.reply import Reply
from appliance.protocol import LocalProtocolError
from appliance.protocol.smtp_client import (
    Closed,
    ContentWanted,
    Done,
    Event,
    Exchange,
    Ready,
    RecipientResult,
    SmtpClient,
    TlsPolicy,
    TlsWanted,
)

ALICE = Address.parse("alice@example.com")


def envelope(*recipients: str, reverse_path: Address | None = ALICE) -> Envelope:
    names = recipients or ("bob@example.net",)
    return Envelope(reverse_path, tuple(Recipient(Address.parse(name)) for name in names))


BOTH = envelope("bob@example.net", "carol@example.net")


def opened(
    *extensions: str, tls: TlsPolicy = "never", login: tuple[str, str] | None = None
) -> SmtpClient:
    """A session whose EHLO was answered with these extensions."""
    client = SmtpClient(helo="mta.example.com", tls=tls, login=login)
    client.start()
    assert events(client, "220 mx.example.net ESMTP") == []
    assert client.data_to_send() == b"EHLO mta.example.com\r\n"
    lines = ["mx.example.net", *extensions]
    client.receive(b"".join(b"250-%s\r\n" % line.encode() for line in lines[:-1]))
    client.receive(b"250 %s\r\n" % lines[-1].encode())
    return client


def events(client: SmtpClient, *lines: str) -> list[Event]:
    """What the lines from the peer cause, without the log."""
    data = "".join(line + "\r\n" for line in lines).encode()
    return [event for event in client.receive(data) if not isinstance(event, Exchange)]


def sent(client: SmtpClient) -> list[str]:
    return client.data_to_send().decode().splitlines()


def results(found: Sequence[Event]) -> list[tuple[int, int, str]]:
    """Code and stage of each result of the Done that is first in the list."""
    assert isinstance(found[0], Done)
    return [(result.index, result.reply.code, result.stage) for result in found[0].results]


# Opening


def test_extensions_are_told_when_the_session_is_ready() -> None:  # RFC 5321 §4.1.1.1
    client = SmtpClient(helo="mta.example.com", tls="never", login=None)
    client.start()
    client.receive(b"220-mx.example.net\r\n220 welcome\r\n")
    found = events(client, "250-mx.example.net hello", "250-size 1000", "250-PIPELINING", "250 DSN")
    assert found == [Ready({"SIZE": "1000", "PIPELINING": "", "DSN": ""})]


def test_octets_may_come_one_by_one_with_bare_line_feeds() -> None:
    client = SmtpClient(helo="mta.example.com", tls="never", login=None)
    client.start()
    found = [
        event for octet in b"220 hi\n250-mx\n250 HELP\n" for event in client.receive(bytes([octet]))
    ]
    assert found[-1] == Ready({"HELP": ""})


def test_helo_follows_a_refused_ehlo() -> None:  # RFC 5321 §3.2
    client = SmtpClient(helo="mta.example.com", tls="opportunistic", login=None)
    client.start()
    client.receive(b"220 old\r\n")
    assert events(client, "500 what?") == []
    assert sent(client) == ["EHLO mta.example.com", "HELO mta.example.com"]
    assert events(client, "250 old") == [Ready({})]


@pytest.mark.parametrize("line", ["554 no service here", "450 busy"])
def test_refused_connection_is_closed_with_the_reply(line: str) -> None:  # RFC 5321 §3.1
    client = SmtpClient(helo="mta.example.com", tls="never", login=None)
    client.start()
    closed = events(client, line)
    assert isinstance(closed[0], Closed)
    assert closed[0].reply is not None
    assert closed[0].reply.code == int(line[:3])
    assert sent(client) == ["QUIT"]


@pytest.mark.parametrize(("ehlo", "helo"), [("451 later", None), ("502 no", "550 go away")])
def test_refused_session_is_closed_with_the_reply(ehlo: str, helo: str | None) -> None:
    client = SmtpClient(helo="mta.example.com", tls="never", login=None)
    client.start()
    client.receive(b"220 hi\r\n")
    found = events(client, ehlo, *([helo] if helo else []))
    assert isinstance(found[0], Closed)
    assert found[0].reply is not None


# TLS


def test_session_begins_anew_after_tls() -> None:  # RFC 3207 §4.2
    client = opened("STARTTLS", "SIZE 1000", "AUTH PLAIN", tls="opportunistic")
    assert sent(client) == ["STARTTLS"]
    assert events(client, "220 go ahead") == [TlsWanted()]
    assert not client.tls_active
    client.tls_started()
    assert client.tls_active
    assert sent(client) == ["EHLO mta.example.com"]
    assert events(client, "250-mx", "250 DSN") == [Ready({"DSN": ""})]


def test_tls_is_not_asked_for_where_it_is_never_wanted() -> None:
    assert sent(opened("STARTTLS", tls="never")) == []


def test_opportunistic_session_goes_on_without_tls() -> None:
    assert sent(opened("PIPELINING", tls="opportunistic")) == []
    client = opened("STARTTLS", tls="opportunistic")
    assert events(client, "454 4.7.0 no certificate") == [Ready({"STARTTLS": ""})]


def test_required_tls_that_is_not_there_closes_the_session() -> None:
    client = SmtpClient(helo="mta.example.com", tls="required", login=None)
    client.start()
    found = events(client, "220 hi", "250-mx", "250 SIZE")
    assert found == [Closed(None, "TLS is required and the peer does not offer STARTTLS")]
    client = opened("STARTTLS", tls="required")
    found = events(client, "454 4.7.0 not now")
    assert isinstance(found[0], Closed)
    assert found[0].reply == Reply(454, "4.7.0", "not now")


@pytest.mark.parametrize("injected", [b"250 OK\r\n", b"2"])
@pytest.mark.parametrize("is_late", [True, False])
def test_clear_text_after_the_go_ahead_ends_the_session(injected: bytes, is_late: bool) -> None:
    client = opened("STARTTLS", tls="opportunistic")
    if is_late:
        client.receive(b"220 go\r\n")
        found = client.receive(injected)
    else:
        found = client.receive(b"220 go\r\n" + injected)
    assert isinstance(found[-1], Closed)  # RFC 3207 §5
    client.tls_started()
    assert not client.tls_active
    assert sent(client) == ["STARTTLS"]


# AUTH


def test_plain_is_preferred_and_hidden_from_the_log() -> None:  # RFC 4954 §4
    client = opened("AUTH LOGIN PLAIN", login=("alice", "sesame"))
    assert sent(client) == ["AUTH PLAIN " + b64encode(b"\0alice\0sesame").decode()]
    found = client.receive(b"235 2.7.0 welcome\r\n")
    assert found[0] == Exchange("AUTH", "(hidden)", Reply(235, "2.7.0", "welcome"))
    assert isinstance(found[1], Ready)


def test_login_answers_both_questions() -> None:
    client = opened("AUTH=LOGIN", login=("alice", "sesame"))
    assert sent(client) == ["AUTH LOGIN"]
    client.receive(b"334 VXNlcm5hbWU6\r\n")
    assert sent(client) == [b64encode(b"alice").decode()]
    client.receive(b"334 UGFzc3dvcmQ6\r\n")
    assert sent(client) == [b64encode(b"sesame").decode()]
    assert isinstance(events(client, "235 ok")[0], Ready)


def test_long_password_waits_for_the_challenge() -> None:  # RFC 4954 §4: lines of 512
    client = opened("AUTH PLAIN", login=("alice", 400 * "x"))
    assert sent(client) == ["AUTH PLAIN"]
    client.receive(b"334 \r\n")
    assert sent(client) == [b64encode(b"\0alice\0" + 400 * b"x").decode()]


def test_password_goes_in_clear_text_only_where_tls_is_never_used() -> None:
    """RFC 4954 §9: the message waits instead."""
    client = opened("AUTH PLAIN LOGIN", tls="opportunistic", login=("alice", "sesame"))
    assert client.closed
    assert sent(client) == ["QUIT"]
    assert not opened("AUTH PLAIN", tls="never", login=("alice", "sesame")).closed


def test_password_stays_where_starttls_is_refused() -> None:
    client = opened("AUTH PLAIN", "STARTTLS", tls="opportunistic", login=("alice", "sesame"))
    assert sent(client) == ["STARTTLS"]
    *_, closed = client.receive(b"454 4.7.0 not now\r\n")
    assert isinstance(closed, Closed)
    assert "password is not sent in clear text" in closed.reason
    assert sent(client) == ["QUIT"]


def test_refused_login_closes_with_the_reply() -> None:
    client = opened("AUTH PLAIN", login=("alice", "wrong"))
    found = events(client, "535 5.7.8 no")
    assert found == [Closed(Reply(535, "5.7.8", "no"), "the peer refuses the login")]


@pytest.mark.parametrize("challenge", ["334 bm9uc2Vuc2U=", "334 ???"])
def test_strange_challenge_is_cancelled(challenge: str) -> None:  # RFC 4954 §4
    client = opened("AUTH PLAIN", login=("alice", "sesame"))
    sent(client)
    client.receive(challenge.encode() + b"\r\n")
    assert sent(client) == ["*"]
    assert isinstance(events(client, "501 cancelled")[0], Closed)


def test_endless_challenges_are_cancelled() -> None:
    client = opened("AUTH PLAIN", login=("alice", "sesame"))
    found: list[Event] = []
    for _ in range(5):
        found += events(client, "334 ")
    assert isinstance(found[0], Closed)
    assert sent(client)[-2:] == ["*", "QUIT"]


def test_login_that_cannot_be_used_closes_the_session() -> None:
    def close_of(extension: str, login: tuple[str, str]) -> Closed:
        client = SmtpClient(helo="mta.example.com", tls="never", login=login)
        client.start()
        found = events(client, "220 hi", "250-mx", f"250 {extension}")
        assert isinstance(found[0], Closed)
        return found[0]

    assert "PLAIN or LOGIN" in close_of("AUTH CRAM-MD5", ("alice", "x")).reason
    assert "PLAIN or LOGIN" in close_of("SIZE", ("alice", "x")).reason
    assert "password" in close_of("AUTH PLAIN", ("alice", "")).reason


# A transaction, one by one


def test_commands_go_one_by_one_without_pipelining() -> None:
    client = opened("SIZE")
    assert client.send(BOTH, 1000) == []
    assert sent(client) == ["MAIL FROM:<alice@example.com> SIZE=1000"]
    client.receive(b"250 ok\r\n")
    assert sent(client) == ["RCPT TO:<bob@example.net>"]
    client.receive(b"250 ok\r\n")
    assert sent(client) == ["RCPT TO:<carol@example.net>"]
    client.receive(b"251 will forward\r\n")
    assert sent(client) == ["DATA"]
    assert client.waiting_for == "DATA"
    assert events(client, "354 go") == [ContentWanted()]
    assert client.waiting_for == ""
    assert client.content_sent() == []
    assert client.waiting_for == "."
    done = Reply(250, "2.0.0", "queued as 1")
    assert client.receive(b"250 2.0.0 queued as 1\r\n") == [
        Exchange(".", "", done),
        Done((RecipientResult(0, done, "data"), RecipientResult(1, done, "data"))),
    ]
    assert client.send(BOTH, 1000) == []
    assert sent(client) == ["MAIL FROM:<alice@example.com> SIZE=1000"]


def test_null_reverse_path_is_empty_brackets() -> None:  # RFC 5321 §4.5.5
    client = opened("HELP")
    client.send(envelope(reverse_path=None), 10)
    assert sent(client) == ["MAIL FROM:<>"]


def test_refused_mail_decides_for_everybody() -> None:
    client = opened("HELP")
    client.send(BOTH, 10)
    assert results(events(client, "550 5.7.1 not you")) == [(0, 550, "mail"), (1, 550, "mail")]
    client.data_to_send()
    client.send(BOTH, 10)
    assert sent(client) == ["MAIL FROM:<alice@example.com>"]  # no transaction was begun


def test_refused_recipient_has_its_own_result() -> None:
    client = opened("HELP")
    client.send(BOTH, 10)
    assert events(client, "250 ok", "550 5.1.1 unknown", "250 ok", "354 go") == [ContentWanted()]
    client.content_sent()
    assert results(events(client, "250 ok")) == [(0, 550, "rcpt"), (1, 250, "data")]


def test_no_data_when_every_recipient_is_refused() -> None:
    client = opened("HELP")
    client.send(BOTH, 10)
    found = events(client, "250 ok", "550 unknown", "450 busy")
    assert results(found) == [(0, 550, "rcpt"), (1, 450, "rcpt")]
    assert sent(client)[-1] == "RCPT TO:<carol@example.net>"


def test_next_message_resets_what_was_left_open() -> None:  # RFC 5321 §4.1.1.5
    client = opened("HELP")
    client.send(envelope(), 10)
    events(client, "250 ok", "550 unknown")
    sent(client)
    client.send(envelope(), 10)
    assert sent(client) == ["RSET"]
    client.receive(b"250 ok\r\n")
    assert sent(client) == ["MAIL FROM:<alice@example.com>"]
    client.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    client.content_sent()
    assert results(events(client, "554 5.6.0 bad content")) == [(0, 554, "data")]
    sent(client)
    client.send(envelope(), 10)
    assert sent(client) == ["MAIL FROM:<alice@example.com>"]  # RFC 5321 §4.1.1.4


def test_refused_rset_is_no_fault_of_the_message() -> None:
    client = opened("HELP")
    client.send(envelope(), 10)
    events(client, "250 ok", "550 unknown")
    client.send(envelope(), 10)
    found = events(client, "500 what?")
    assert results(found) == [(0, 451, "mail")]
    assert isinstance(found[1], Closed)


def test_552_to_rcpt_means_too_many_recipients() -> None:  # RFC 5321 §4.5.3.1.10
    client = opened("PIPELINING")
    client.send(envelope("a@b.example", "c@b.example", "d@b.example"), 10)
    found = events(
        client,
        "250 ok",
        "552 too many",
        "552 5.5.3 too many",
        "552 5.2.2 mailbox full",
        "503 no recipients",
    )
    assert results(found) == [(0, 452, "rcpt"), (1, 452, "rcpt"), (2, 552, "rcpt")]


def test_refused_data_decides_for_the_accepted() -> None:
    client = opened("HELP")
    client.send(BOTH, 10)
    found = events(client, "250 ok", "250 ok", "550 unknown", "451 4.3.0 not now")
    assert results(found) == [(0, 451, "data"), (1, 550, "rcpt")]


# Pipelining


def test_envelope_goes_out_in_one_piece_where_pipelining_is_offered() -> None:  # RFC 2920 §3.1
    client = opened("PIPELINING")
    client.send(BOTH, 10)
    assert sent(client) == [
        "MAIL FROM:<alice@example.com>",
        "RCPT TO:<bob@example.net>",
        "RCPT TO:<carol@example.net>",
        "DATA",
    ]
    assert events(client, "250 ok", "250 ok", "250 ok", "354 go") == [ContentWanted()]


def test_nothing_is_sent_to_nobody() -> None:  # RFC 2920 §3.1
    client = opened("PIPELINING")
    client.send(BOTH, 10)
    sent(client)
    assert events(client, "250 ok", "550 unknown", "550 unknown", "354 go") == []
    assert client.data_to_send() == b".\r\n"
    assert results(events(client, "250 ok")) == [(0, 550, "rcpt"), (1, 550, "rcpt")]
    client.send(BOTH, 10)
    assert sent(client)[0] == "MAIL FROM:<alice@example.com>"


def test_refused_mail_decides_whatever_follows_in_the_pipeline() -> None:
    client = opened("PIPELINING")
    client.send(BOTH, 10)
    found = events(client, "452 4.3.1 full", "503 no mail", "250 why not", "554 no")
    assert results(found) == [(0, 452, "mail"), (1, 452, "mail")]


def test_rset_is_pipelined_too() -> None:
    client = opened("PIPELINING")
    client.send(envelope(), 10)
    events(client, "250 ok", "550 unknown", "554 no recipients")
    sent(client)
    client.send(envelope(), 10)
    assert sent(client)[:2] == ["RSET", "MAIL FROM:<alice@example.com>"]
    assert events(client, "250 ok", "250 ok", "250 ok", "354 go") == [ContentWanted()]


# Extensions


def test_message_beyond_the_size_is_refused_unsent() -> None:  # RFC 1870 §6.1
    client = opened("SIZE 1000")
    found = client.send(BOTH, 1001)
    assert results(found) == [(0, 552, "mail"), (1, 552, "mail")]
    assert isinstance(found[0], Done)
    assert found[0].results[0].reply.status == "5.3.4"
    assert "1001" in found[0].results[0].reply.text
    assert sent(client) == []
    assert client.send(BOTH, 1000) == []


@pytest.mark.parametrize("parameter", ["SIZE", "SIZE 0", "SIZE lots", "SIZE \u00b2"])
def test_size_without_a_number_is_no_limit(parameter: str) -> None:  # RFC 1870 §4
    client = opened(parameter)
    assert client.send(envelope(), 10**12) == []
    assert sent(client) == ["MAIL FROM:<alice@example.com> SIZE=1000000000000"]


@pytest.mark.parametrize(
    "wanting",
    [
        Envelope(ALICE, (Recipient(ALICE),), smtputf8=True),
        Envelope(Address.parse("jürgen@example.com"), (Recipient(ALICE),)),
        Envelope(None, (Recipient(ALICE), Recipient(Address.parse("jürgen@example.com")))),
    ],
)
def test_utf8_needs_a_peer_that_takes_it(wanting: Envelope) -> None:  # RFC 6531 §3.5
    client = opened("8BITMIME")
    found = client.send(wanting, 10)
    assert isinstance(found[0], Done)
    assert {(r.reply.code, r.reply.status) for r in found[0].results} == {(553, "5.6.7")}
    client = opened("8BITMIME", "SMTPUTF8")
    assert client.send(wanting, 10) == []
    assert sent(client)[0].endswith("> SMTPUTF8")


def test_internationalised_domain_needs_no_smtputf8() -> None:  # RFC 5890
    client = opened("HELP")
    client.send(envelope("bob@bücher.example"), 10)
    events(client, "250 ok")
    assert sent(client)[1] == "RCPT TO:<bob@xn--bcher-kva.example>"


def test_8bitmime_is_declared_only_where_it_is_known() -> None:  # RFC 6152
    message = Envelope(ALICE, (Recipient(ALICE),), body="8BITMIME")
    client = opened("8BITMIME")
    client.send(message, 10)
    assert sent(client) == ["MAIL FROM:<alice@example.com> BODY=8BITMIME"]
    client = opened("HELP")
    client.send(message, 10)
    assert sent(client) == ["MAIL FROM:<alice@example.com>"]


def test_dsn_parameters_are_passed_on_only_where_they_are_known() -> None:  # RFC 3461 §5.2
    wanting = Envelope(
        ALICE,
        (
            Recipient(ALICE, frozenset({Notify.DELAY, Notify.SUCCESS}), "rfc822;a+b@example.com"),
            Recipient(ALICE, frozenset({Notify.NEVER})),
            Recipient(ALICE, None, "utf-8;jürgen@example.com"),
        ),
        ret="HDRS",
        envid="job 1",
    )
    client = opened("DSN", "PIPELINING")
    client.send(wanting, 10)
    assert sent(client) == [
        "MAIL FROM:<alice@example.com> RET=HDRS ENVID=job+201",
        "RCPT TO:<alice@example.com> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb@example.com",
        "RCPT TO:<alice@example.com> NOTIFY=NEVER",
        "RCPT TO:<alice@example.com> ORCPT=utf-8;j\\x{FC}rgen@example.com",
        "DATA",
    ]
    client = opened("PIPELINING")
    client.send(wanting, 10)
    assert sent(client) == [
        "MAIL FROM:<alice@example.com>",
        *(3 * ["RCPT TO:<alice@example.com>"]),
        "DATA",
    ]


def test_local_part_is_quoted_where_it_must_be() -> None:
    client = opened("HELP")
    client.send(Envelope(Address("a b", "example.com"), (Recipient(ALICE),)), 10)
    assert sent(client) == ['MAIL FROM:<"a b"@example.com>']


# What goes wrong


def test_421_ends_the_session_with_a_result_for_everybody() -> None:  # RFC 5321 §3.8
    client = opened("PIPELINING")
    client.send(BOTH, 10)
    found = events(client, "250 ok", "550 unknown", "421 4.3.2 shutting down")
    assert results(found) == [(0, 550, "rcpt"), (1, 421, "rcpt")]
    assert isinstance(found[1], Closed)
    assert found[1].reply == Reply(421, "4.3.2", "shutting down")
    assert client.closed
    assert client.receive(b"250 ok\r\n") == []


def test_421_between_messages_closes() -> None:
    found = events(opened("HELP"), "421 idle too long")
    assert isinstance(found[0], Closed)
    assert found[0].reply == Reply(421, "", "idle too long")


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n",
        b"\r\n",
        b"999 what\r\n",
        b"250-a\r\n251 b\r\n",
        b"abc-\r\n",
        b"\x16\x03\x01\r\n",
        b"354 go\r\n",
        5000 * b"x",
        2 * (b"250-" + 60000 * b"x" + b"\r\n"),
    ],
)
def test_garbage_is_a_transient_result_and_the_end(data: bytes) -> None:
    client = opened("HELP")
    client.send(BOTH, 10)
    found = [event for event in client.receive(data) if not isinstance(event, Exchange)]
    assert results(found) == [(0, 451, "mail"), (1, 451, "mail")]
    assert isinstance(found[1], Closed)
    assert found[1].reply is None
    assert found[1].reason


def test_data_answered_as_done_is_out_of_step() -> None:
    client = opened("HELP")
    client.send(envelope(), 10)
    assert results(events(client, "250 ok", "250 ok", "250 already?")) == [(0, 451, "data")]


def test_reply_that_nobody_asked_for_is_the_end() -> None:
    client = opened("HELP")
    found = events(client, "250 by the way")
    assert isinstance(found[0], Closed)


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ([], [(0, 451, "mail"), (1, 451, "mail")]),
        (["250 ok"], [(0, 451, "rcpt"), (1, 451, "rcpt")]),
        (["250 ok", "550 unknown"], [(0, 550, "rcpt"), (1, 451, "rcpt")]),
        (["250 ok", "550 unknown", "250 ok"], [(0, 550, "rcpt"), (1, 451, "data")]),
        (["250 ok", "550 no", "250 ok", "354 go"], [(0, 550, "rcpt"), (1, 451, "data")]),
        (["550 no"], [(0, 550, "mail"), (1, 550, "mail")]),
    ],
)
def test_lost_connection_leaves_what_was_decided(
    replies: list[str], expected: list[tuple[int, int, str]]
) -> None:
    client = opened("PIPELINING")
    client.send(BOTH, 10)
    events(client, *replies)
    found = client.connection_lost()
    assert results(found) == expected
    assert isinstance(found[1], Closed)
    assert client.connection_lost() == []


def test_lost_connection_says_what_was_being_waited_for() -> None:
    client = SmtpClient(helo="mta.example.com", tls="never", login=None)
    client.start()
    assert client.connection_lost("timed out") == [
        Closed(None, "timed out while waiting for the greeting")
    ]
    client = opened("HELP")
    client.send(envelope(), 10)
    client.receive(b"250 ok\r\n")
    found = client.connection_lost()
    assert isinstance(found[0], Done)
    assert found[0].results[0].reply == Reply(
        451, "4.4.2", "the connection was lost while waiting for the reply to RCPT"
    )
    client = opened("HELP")
    client.send(envelope(), 10)
    client.receive(b"250 ok\r\n250 ok\r\n354 go\r\n")
    assert client.connection_lost()[1] == Closed(
        None, "the connection was lost while sending the content"
    )
    assert opened("HELP").connection_lost() == [Closed(None, "the connection was lost")]


def test_content_refused_before_its_end_is_final() -> None:
    client = opened("HELP")
    client.send(BOTH, 10)
    events(client, "250 ok", "550 unknown", "250 ok", "354 go")
    found = events(client, "552 5.3.4 too big")
    assert results(found) == [(0, 550, "rcpt"), (1, 552, "data")]
    assert isinstance(found[1], Closed)


def test_reply_that_overtakes_the_caller_is_kept() -> None:
    # the last octet may be answered before the caller gets round to content_sent()
    client = opened("HELP")
    client.send(envelope(), 10)
    events(client, "250 ok", "250 ok", "354 go")
    assert events(client, "250 queued") == []
    found = client.content_sent()
    assert found[0] == Exchange(".", "", Reply(250, "", "queued"))
    assert results(found[1:]) == [(0, 250, "data")]


def test_message_is_taken_even_if_the_peer_closes_right_after_its_reply() -> None:
    client = opened("HELP")
    client.send(envelope(), 10)
    events(client, "250 ok", "250 ok", "354 go", "250 queued", "421 enough for today")
    found = client.content_sent()
    assert results(found[1:]) == [(0, 250, "data")]
    assert isinstance(found[2], Closed)
    client = opened("HELP")
    client.send(envelope(), 10)
    events(client, "250 ok", "250 ok", "354 go", "250 queued", "250 what else")
    assert isinstance(client.content_sent()[2], Closed)


def test_content_accepted_before_its_end_is_not_taken_at_its_word() -> None:
    client = opened("HELP")
    client.send(envelope(), 10)
    events(client, "250 ok", "250 ok", "354 go", "250 queued")
    assert results(client.connection_lost()) == [(0, 451, "data")]
    client = opened("HELP")
    client.send(envelope(), 10)
    events(client, "250 ok", "250 ok", "354 go")
    assert results(events(client, "250 queued", "250 more", "250 more")) == [(0, 451, "data")]


def test_peer_may_close_in_the_same_breath() -> None:
    client = opened("HELP")
    found = events(client, "421 4.3.2 closing")
    assert isinstance(found[0], Closed)
    assert results(client.send(BOTH, 10)) == [(0, 421, "mail"), (1, 421, "mail")]
    client = opened("HELP")
    client.send(BOTH, 10)
    found = events(client, "250 ok", "250 ok", "250 ok", "354 go", "550 5.7.1 after all")
    assert found[0] == ContentWanted()
    assert results(found[1:]) == [(0, 550, "data"), (1, 550, "data")]
    assert client.content_sent() == []
    assert results(client.send(BOTH, 10)) == [(0, 451, "mail"), (1, 451, "mail")]
    client.quit()
    assert client.closed


# The end, and the caller


def test_quit_closes_with_the_reply() -> None:
    client = opened("HELP")
    client.quit()
    assert sent(client) == ["QUIT"]
    assert events(client, "221 bye") == [Closed(Reply(221, "", "bye"), "")]
    assert client.connection_lost() == []


def test_connection_lost_after_quit_is_no_failure() -> None:
    client = opened("HELP")
    client.quit()
    assert client.connection_lost() == [Closed(None, "")]


def test_every_exchange_is_told_for_the_log() -> None:
    client = SmtpClient(helo="mta.example.com", tls="never", login=None)
    client.start()
    found = client.receive(b"220 hi\r\n250 mx\r\n")
    assert found[:2] == [
        Exchange("CONNECT", "", Reply(220, "", "hi")),
        Exchange("EHLO", "mta.example.com", Reply(250, "", "mx")),
    ]
    client.send(envelope(), 10)
    assert client.receive(b"250 ok\r\n") == [
        Exchange("MAIL", "FROM:<alice@example.com>", Reply(250, "", "ok"))
    ]


def test_calls_out_of_turn_are_our_own_defects() -> None:
    client = SmtpClient(helo="mta.example.com", tls="never", login=None)
    with pytest.raises(LocalProtocolError):
        client.receive(b"220 hi\r\n")
    client.start()
    for wrong in (
        client.start,
        client.tls_started,
        client.content_sent,
        client.quit,
        lambda: client.send(envelope(), 10),
    ):
        with pytest.raises(LocalProtocolError):
            wrong()
    client = opened("DSN")
    with pytest.raises(LocalProtocolError):
        client.send(Envelope(ALICE, ()), 10)
    with pytest.raises(LocalProtocolError):
        client.send(Envelope(Address("a\r\nDATA", "example.com"), (Recipient(ALICE),)), 10)
    assert client.send(envelope(), 10) == []  # nothing had begun
    with pytest.raises(LocalProtocolError):
        client.quit()
