"""POP3 sessions of any length agree with a list of messages and a set of deleted numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from appliance.protocol.pop3 import Listing, Pop3Server, Quit, Respond, Retr, Top, top
from appliance.protocol.smtp_data import DataReader


@dataclass(frozen=True, slots=True)
class Messages:
    sizes: tuple[int, ...]

    @property
    def count(self) -> int:
        return len(self.sizes)

    @property
    def octets(self) -> int:
        return sum(self.sizes)

    def size(self, number: int) -> int | None:
        return self.sizes[number - 1] if 1 <= number <= len(self.sizes) else None

    def uid(self, number: int) -> str | None:
        return f"u{number}" if 1 <= number <= len(self.sizes) else None

    def list_pieces(self) -> Iterator[bytes]:
        return iter((b"".join(b"%d %d\r\n" % item for item in enumerate(self.sizes, 1)),))

    def uidl_pieces(self) -> Iterator[bytes]:
        return iter((b"".join(b"%d u%d\r\n" % (n, n) for n in range(1, len(self.sizes) + 1)),))


SIZES = st.lists(st.integers(0, 10**9), max_size=6).map(tuple)
VERBS = st.sampled_from(["STAT", "LIST", "UIDL", "RETR", "TOP", "DELE", "RSET", "LIST1", "UIDL1"])
COMMANDS = st.lists(st.tuples(VERBS, st.integers(0, 7)), max_size=30)


def open_session(sizes: tuple[int, ...]) -> Pop3Server:
    engine = Pop3Server(
        hostname="mail.example.com",
        tls=False,
        tls_active=True,
        password_without_tls=False,
        max_errors=0,
        implementation="Posthouse",
    )
    engine.receive_line(b"USER a")
    engine.receive_line(b"PASS b")
    engine.login_ok(Messages(sizes))
    return engine


def expected(verb: str, number: int, left: dict[int, int]) -> object:
    """What the model says: an event, or the lines of a positive answer; None for a refusal."""
    if verb == "STAT":
        return [b"+OK %d %d" % (len(left), sum(left.values()))]
    if verb == "LIST":
        return [*(b"%d %d" % item for item in left.items()), b"."]
    if verb == "UIDL":
        return [*(b"%d u%d" % (n, n) for n in left), b"."]
    if number not in left:
        return None
    return {
        "RETR": Retr(number, left[number]),
        "TOP": Top(number, 3),
        "LIST1": [b"+OK %d %d" % (number, left[number])],
        "UIDL1": [b"+OK %d u%d" % (number, number)],
        "DELE": [b"+OK message %d deleted" % number],
    }[verb]


@given(sizes=SIZES, commands=COMMANDS)
def test_session_agrees_with_the_model(
    sizes: tuple[int, ...], commands: list[tuple[str, int]]
) -> None:
    engine = open_session(sizes)
    every = dict(enumerate(sizes, 1))
    left = dict(every)
    for verb, number in commands:
        takes_number = verb not in ("STAT", "LIST", "UIDL", "RSET")
        line = verb.rstrip("1") + (f" {number}" if takes_number else "")
        event = engine.receive_line((line + " 3" if verb == "TOP" else line).encode())
        if verb == "RSET":
            left = dict(every)
            continue
        want = expected(verb, number, left)
        if verb == "DELE":
            left.pop(number, None)
        if isinstance(want, list | None):
            assert isinstance(event, Respond | Listing)
            data = event.data if isinstance(event, Respond) else b"".join(event.pieces)
            lines = data.removesuffix(b"\r\n").split(b"\r\n")
            assert lines[0].startswith(b"-ERR" if want is None else b"+OK")
            if want is not None:
                assert (lines[1:] if verb in ("LIST", "UIDL") else lines) == want
        else:
            assert event == want
    event = engine.receive_line(b"QUIT")
    assert isinstance(event, Quit)
    assert list(event.deleted) == sorted(every.keys() - left.keys())


HEADERS = st.lists(st.sampled_from([b"Subject: x", b".dot: y", b" folded"]), max_size=3)
BODY = st.lists(st.sampled_from([b"", b".", b"..", b".x", b"text", b"\xff"]), max_size=8)


@given(headers=HEADERS, body=BODY, lines=st.integers(0, 10))
def test_top_is_the_header_section_and_the_first_lines(
    headers: list[bytes], body: list[bytes], lines: int
) -> None:
    content = b"".join(line + b"\r\n" for line in [*headers, b"", *body])
    answer = top(content, lines)
    assert answer.startswith(b"+OK\r\n")
    reader = DataReader()
    received = b"".join(reader.feed(answer.removeprefix(b"+OK\r\n")))
    assert reader.finished
    assert received == b"".join(line + b"\r\n" for line in [*headers, b"", *body[:lines]])
