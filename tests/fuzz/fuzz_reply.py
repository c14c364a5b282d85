"""Any lines as a server's reply: refused, or a reply that keeps its meaning on our wire."""

from __future__ import annotations

import sys

from appliance.mail.reply import Reply, ReplyError, parse_reply


def fuzz_one(data: bytes) -> None:
    """Parse the lines of `data`, and say its text in a reply of our own."""
    try:
        reply = parse_reply(data.split(b"\n"))
    except ReplyError:
        pass
    else:
        check(reply)
        assert 200 <= reply.code <= 599
        assert reply.is_positive + reply.is_transient + reply.is_permanent == 1
    check(Reply(550, "5.0.0", data.decode("utf-8", "surrogateescape")))


def check(reply: Reply) -> None:
    """Whether a reply is well-formed on the wire (RFC 5321 §4.2) and in a log line."""
    assert "\n" not in str(reply)
    for utf8 in (False, True):
        wire = reply.encode(utf8=utf8)
        lines = wire.splitlines(keepends=True)
        assert wire.count(b"\n") == wire.count(b"\r") == wire.count(b"\r\n") == len(lines)
        assert max(map(len, lines)) <= 512
        assert utf8 or wire.isascii()
        again = parse_reply(lines)
        assert again.code == reply.code


if __name__ == "__main__":
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, fuzz_one)
    atheris.Fuzz()
