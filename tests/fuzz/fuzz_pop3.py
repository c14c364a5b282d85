"""Any bytes as a POP3 session: each line gets one well-formed answer, and no defect of ours."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from appliance.protocol.pop3 import (
    Listing,
    Login,
    Pop3Server,
    Quit,
    Respond,
    Retr,
    TlsRequested,
    top,
)

CONTENT = b"Subject: hello\r\n\r\n.one\r\ntwo\r\n"


class TwoMessages:
    """A maildrop with the same content twice."""

    count = 2
    octets = 2 * len(CONTENT)

    def size(self, number: int) -> int | None:
        return len(CONTENT) if number in (1, 2) else None

    def uid(self, number: int) -> str | None:
        return f"uid{number}" if number in (1, 2) else None

    def list_pieces(self) -> Iterator[bytes]:
        return iter((b"1 %d\r\n2 %d\r\n" % (len(CONTENT), len(CONTENT)),))

    def uidl_pieces(self) -> Iterator[bytes]:
        return iter((b"1 uid1\r\n2 uid2\r\n",))


def fuzz_one(data: bytes) -> None:
    """Play the lines of `data`; its first octet chooses the connection and who may log in."""
    flags = data[0] if data else 0
    engine = Pop3Server(
        hostname="mail.example.com",
        tls=bool(flags & 1),
        tls_active=bool(flags & 2),
        password_without_tls=bool(flags & 4),
        max_errors=5 if flags & 8 else 0,
        implementation="Posthouse",
    )
    check(engine.greeting())
    for line in data[1:].split(b"\n"):
        if engine.closed:
            break
        if len(line) + 2 > engine.line_limit:
            event = engine.line_too_long()
        else:
            event = engine.receive_line(line)
        match event:
            case Respond(data=answer, close=close):
                check(answer)
                assert close == engine.closed
            case Listing(pieces=pieces):
                check(b"".join(pieces))
            case Login(user=user, password=password):
                assert user
                assert password
                assert engine.takes_passwords
                if flags & 16:
                    check(engine.login_failed("AUTH", "wrong name or password"))
                else:
                    check(engine.login_ok(TwoMessages()))
            case TlsRequested(data=answer):
                check(answer)
                engine.tls_started()
            case Retr(number=number):
                assert number in (1, 2)
            case Quit(deleted=deleted):
                assert set(deleted) <= {1, 2}
                check(engine.quit_done(ok=bool(flags & 32)))
            case _:
                check(top(CONTENT, event.lines))


def check(answer: bytes) -> None:
    """Whether an answer is one by RFC 1939 §3 and RFC 2449 §4."""
    first, *rest = answer.removesuffix(b"\r\n").split(b"\r\n")
    assert answer.endswith(b"\r\n")
    assert first.startswith((b"+OK", b"-ERR ", b"+ "))
    assert len(first) <= 510
    assert not rest or rest[-1] == b"."
    assert b"\n" not in answer.replace(b"\r\n", b"")


if __name__ == "__main__":
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, fuzz_one)
    atheris.Fuzz()
