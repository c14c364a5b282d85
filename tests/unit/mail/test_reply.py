"""Replies: RFC 5321 §4.2, RFC 2034 §4, RFC 6531 §3.7.4.1."""

from __future__ import annotations

import pytest

from appliance.mail.reply import Reply, ReplyError, parse_reply


@pytest.mark.parametrize(
    ("reply", "wire"),
    [
        (Reply(250, "2.1.0", "Fine"), b"250 2.1.0 Fine\r\n"),
        (Reply(354, "", "Go on"), b"354 Go on\r\n"),
        (Reply(250, "", "mx\nPIPELINING\nHELP"), b"250-mx\r\n250-PIPELINING\r\n250 HELP\r\n"),
        (Reply(550, "5.1.1", "No\nsuch"), b"550-5.1.1 No\r\n550 5.1.1 such\r\n"),
        (Reply(250, "2.0.0", ""), b"250 2.0.0 \r\n"),
    ],
)
def test_enhanced_code_stands_on_each_line(reply: Reply, wire: bytes) -> None:
    assert reply.encode() == wire


def test_text_can_not_smuggle_a_line_into_the_stream() -> None:
    wire = Reply(550, "5.0.0", "a\r250 ok\x00\x85\u2028b\ud800").encode(utf8=True)
    assert wire == b"550 5.0.0 a 250 ok   b \r\n"


def test_text_beyond_ascii_needs_a_peer_that_takes_utf8() -> None:
    reply = Reply(550, "5.1.1", "jörg")
    assert reply.encode() == b"550 5.1.1 j?rg\r\n"
    assert reply.encode(utf8=True) == "550 5.1.1 jörg\r\n".encode()


@pytest.mark.parametrize("text", ["word " * 300, "x" * 2000, "é" * 2000])
def test_long_text_goes_on_in_further_lines_of_512_octets(text: str) -> None:
    wire = Reply(550, "5.1.1", text).encode(utf8=True)
    lines = wire.splitlines(keepends=True)
    assert len(lines) > 2
    assert all(len(line) <= 512 for line in lines)
    again = parse_reply(lines)
    assert (
        again.text.replace("\n", " ").split() == text.split()
        or "".join(again.text.split("\n")) == text
    )


@pytest.mark.parametrize(
    ("code", "kind"), [(250, "positive"), (354, "positive"), (450, "transient"), (550, "permanent")]
)
def test_first_digit_says_what_to_do_next(code: int, kind: str) -> None:
    reply = Reply(code, "", "x")
    assert {
        "positive": reply.is_positive,
        "transient": reply.is_transient,
        "permanent": reply.is_permanent,
    } == {name: name == kind for name in ("positive", "transient", "permanent")}


def test_str_is_one_line() -> None:
    assert str(Reply(550, "5.1.1", "No\nsuch\rone")) == "550 5.1.1 No such one"
    assert str(Reply(354, "", "Go on")) == "354 Go on"


@pytest.mark.parametrize(
    ("lines", "reply"),
    [
        ([b"250 2.1.0 Fine\r\n"], Reply(250, "2.1.0", "Fine")),
        ([b"250 Fine"], Reply(250, "", "Fine")),
        ([b"250"], Reply(250, "", "")),
        ([b"250-mx", b"250-SIZE 100", b"250 HELP"], Reply(250, "", "mx\nSIZE 100\nHELP")),
        ([b"550-5.1.1 No", b"550 5.1.1 such"], Reply(550, "5.1.1", "No\nsuch")),
        ([b"550-5.1.1 No", b"550 such"], Reply(550, "5.1.1", "No\nsuch")),
        ([b"550 5.1.1"], Reply(550, "5.1.1", "")),
        ([b"550 2.0.0 Contradiction"], Reply(550, "", "2.0.0 Contradiction")),
        ([b"220 1.2.3.4 ready"], Reply(220, "", "1.2.3.4 ready")),
        ([b"550 caf\xe9\x00"], Reply(550, "", "caf\N{REPLACEMENT CHARACTER} ")),
    ],
)
def test_replies_of_other_servers_are_read_with_tolerance(lines: list[bytes], reply: Reply) -> None:
    assert parse_reply(lines) == reply


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [b""],
        [b"25"],
        [b"2500 x"],
        [b"150 x"],
        [b"SSH-2.0-x"],
        [b"250-only"],
        [b"250 a", b"250 b"],
        [b"250-a", b"550 b"],
    ],
)
def test_what_is_no_reply_is_refused(lines: list[bytes]) -> None:
    with pytest.raises(ReplyError):
        parse_reply(lines)
