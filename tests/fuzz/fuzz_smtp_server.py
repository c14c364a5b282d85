"""Any octets as an SMTP session: one well-formed reply per command, no rule of order broken."""

from __future__ import annotations

import sys

from appliance.mail.reply import Reply
from appliance.protocol.smtp_data import DataReader
from appliance.protocol.smtp_server import (
    Credentials,
    DataRequested,
    Event,
    MailRequested,
    RcptRequested,
    Respond,
    SmtpServer,
    TlsRequested,
    fault_reply,
)

OK = Reply(250, "2.0.0", "ok")
NO = Reply(550, "5.7.1", "no")
LATER = Reply(451, "4.3.0", "later")
MAX_RECIPIENTS = 3
MAX_SIZE = 100


def fuzz_one(data: bytes) -> None:
    """Play `data`; its first octet chooses what the server is like, its second what is refused."""
    flags = data[0] if data else 0
    refusals = data[1] if len(data) > 1 else 0
    engine = SmtpServer(
        hostname="mail.demo.test",
        greeting="mail.demo.test ready",
        client="192.0.2.7",
        role="submission" if flags & 1 else "mx",
        tls=bool(flags & 2),
        tls_active=bool(flags & 4),
        auth=("PLAIN", "LOGIN") if flags & 8 else (),
        auth_without_tls=bool(flags & 16),
        max_size=MAX_SIZE,
        max_recipients=MAX_RECIPIENTS,
        max_errors=8 if flags & 32 else 0,
        disabled=frozenset({"VRFY", "STARTTLS"}) if flags & 64 else frozenset(),
        local_domain="demo.test",
        utf8=bool(flags & 128),
    )
    check(engine.greeting())
    received = data[2:]
    while received and not engine.is_closing:
        line, _, received = received.partition(b"\n")
        if len(line) + 2 > engine.line_limit:
            event = engine.line_too_long()
        else:
            event = engine.receive_line(line)
        assert event.verb == "?" or event.verb.isascii()
        if event.verb == "AUTH":
            assert event.detail == "(hidden)"
        if isinstance(event, Respond):
            check(event.data)
            assert event.close == engine.is_closing
        else:
            received = act(engine, event, received, refusals)
        assert len(engine.recipients) <= MAX_RECIPIENTS
        assert not engine.recipients or engine.envelope().recipients


def act(engine: SmtpServer, event: Event, received: bytes, refusals: int) -> bytes:
    """Answer a question as `refusals` says; what is left to receive."""
    match event:
        case MailRequested(command=command):
            assert engine.helo is not None
            assert engine.login or not engine.needs_login
            assert command.size is None or command.size <= MAX_SIZE
            check(engine.answer(LATER if refusals & 1 else OK))
        case RcptRequested():
            assert engine.mail is not None
            check(engine.answer(NO if refusals & 2 else OK))
        case DataRequested():
            assert engine.recipients
            if refusals & 4:
                check(engine.answer(LATER))
                return received
            check(engine.answer(Reply(354, "", "go")))
            reader = DataReader(MAX_SIZE)
            reader.feed(received)
            fault = reader.fault
            check(engine.data_finished(fault_reply(fault, max_size=MAX_SIZE) if fault else OK))
            assert engine.mail is None
            return reader.rest
        case TlsRequested():
            assert not engine.tls_active
            if refusals & 8:
                check(engine.answer(Reply(454, "4.7.0", "not now")))
                return received
            check(engine.answer(Reply(220, "2.0.0", "go")))
            engine.tls_started("a cipher")
            assert (engine.helo, engine.login, engine.mail) == (None, None, None)
        case Credentials(authcid=authcid, password=password):
            assert engine.takes_passwords
            assert authcid
            assert password
            refused = Reply(535, "5.7.8", "wrong")
            check(engine.answer(refused if refusals & 16 else Reply(235, "2.7.0", "right")))
    return received


def check(answer: bytes) -> None:
    """Whether an answer is one reply by RFC 5321 §4.2."""
    *others, last = answer.removesuffix(b"\r\n").split(b"\r\n")
    assert answer.endswith(b"\r\n")
    assert b"\n" not in answer.replace(b"\r\n", b"")
    assert last[:3].isdigit()
    assert last[3:4] == b" "
    assert all(line[:4] == last[:3] + b"-" for line in others)
    assert all(len(line) <= 510 for line in (*others, last))


if __name__ == "__main__":
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, fuzz_one)
    atheris.Fuzz()
