"""Whatever a peer does, each recipient gets one result; with our own server, the right one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.mail.address import Address
from appliance.mail.envelope import Envelope, Recipient
from appliance.protocol.smtp_client import (
    Closed,
    ContentWanted,
    Done,
    Event,
    Ready,
    SmtpClient,
    TlsWanted,
)
from appliance.protocol.smtp_data import stuff
from tests.dialogs.smtp_engine import MAILBOXES, EngineTransport

CODES = st.sampled_from([220, 221, 235, 250, 251, 334, 354, 421, 450, 451, 500, 503, 550, 552, 554])
KEYWORDS = st.sampled_from(
    ["PIPELINING", "SIZE 100", "STARTTLS", "AUTH PLAIN LOGIN", "AUTH=LOGIN", "DSN", "8BITMIME"]
)
REPLIES = st.one_of(
    st.tuples(CODES, st.lists(KEYWORDS, max_size=4)).map(
        lambda made: "".join(
            f"{made[0]}{'-' if n < len(made[1]) else ' '}{text}\r\n"
            for n, text in enumerate(["mx.example.net", *made[1]])
        ).encode()
    ),
    st.sampled_from([b"250 \r\n", b"334 VXNlcm5hbWU6\r\n", b"garbage\r\n", b"250-\r\n", b"2"]),
)
OPENINGS = st.sampled_from(
    [[b"220 hi\r\n", b"250-mx\r\n250 PIPELINING\r\n"], [b"220 hi\r\n", b"250 mx\r\n"], []]
)


@given(
    opening=OPENINGS,
    replies=st.lists(REPLIES, max_size=25),
    count=st.integers(1, 4),
    tls=st.sampled_from(["never", "opportunistic", "required"]),
    login=st.sampled_from([None, ("alice", "sesame")]),
)
def test_each_recipient_gets_one_result_from_any_peer(
    opening: list[bytes], replies: list[bytes], count: int, tls: str, login: tuple[str, str] | None
) -> None:
    envelope = Envelope(None, (Recipient(Address("bob", "example.net")),) * count)
    client = SmtpClient(
        helo="mta.example.com",
        tls="never" if tls == "never" else "required" if tls == "required" else "opportunistic",
        login=login,
    )
    client.start()
    begun, finished, closed = 0, 0, 0

    def act(events: list[Event]) -> None:
        nonlocal begun, finished, closed
        for event in events:
            match event:
                case Ready():
                    begun += 1
                    act(client.send(envelope, 50))
                case TlsWanted():
                    client.tls_started()
                case ContentWanted():
                    act(client.content_sent())
                case Done(results=results):
                    finished += 1
                    assert [result.index for result in results] == list(range(count))
                    assert all(not 300 <= result.reply.code < 400 for result in results)
                case Closed():
                    closed += 1
                case _:
                    assert event.command

    for data in [*opening, *replies]:
        act(client.receive(data))
    act(client.connection_lost())
    assert begun == finished
    assert closed == 1


CONVERSATION = (
    b"220-mx\r\n220 hi\r\n",
    b"250-mx\r\n250-PIPELINING\r\n250 SIZE 1000\r\n",
    b"250 ok\r\n550-5.1.1 no\r\n550 5.1.1 such user\r\n250 ok\n354 go\r\n",
    b"250 2.0.0 queued\r\n",
)
TO_TWO = Envelope(None, (Recipient(Address("bob", "example.net")),) * 2)


def converse(block_size: int) -> list[Event]:
    client = SmtpClient(helo="mta.example.com", tls="never", login=None)
    client.start()
    seen: list[Event] = []
    for group in CONVERSATION:
        for at in range(0, len(group), block_size):
            for event in client.receive(group[at : at + block_size]):
                seen.append(event)
                if isinstance(event, Ready):
                    seen += client.send(TO_TWO, 10)
                if isinstance(event, ContentWanted):
                    seen += client.content_sent()
    return seen


@given(block_size=st.integers(1, 100))
def test_cutting_the_octets_changes_nothing(block_size: int) -> None:
    found = converse(block_size)
    assert isinstance(found[-1], Done)
    assert found == converse(1000)


LINES = st.lists(st.sampled_from([b"", b".", b"..", b".x", b"text", b"\xff"]), max_size=6)
NAMES = st.lists(st.sampled_from([*sorted(MAILBOXES), "nobody@demo.test"]), min_size=1, max_size=4)


@given(
    messages=st.lists(st.tuples(NAMES, LINES), min_size=1, max_size=3),
    is_submission=st.booleans(),
)
def test_our_server_takes_what_our_client_sends(
    messages: list[tuple[list[str], list[bytes]]], is_submission: bool
) -> None:
    transport = EngineTransport(
        {
            "tls": "offered",
            "password": "sesame",
            "port": "submission" if is_submission else "smtp",
        }
    )
    client = SmtpClient(
        helo="mta.example.com",
        tls="required" if is_submission else "never",
        login=("alice@demo", "sesame") if is_submission else None,
    )
    to_send = [
        (
            Envelope(Address("alice", "demo.test"), tuple(map(recipient, names))),
            b"".join(line + b"\r\n" for line in lines),
        )
        for names, lines in messages
    ]
    done: list[Done] = []
    client.start()
    events: list[Event] = []
    while not client.closed:
        transport.send(client.data_to_send())
        events += client.receive(said(transport))
        while events:
            match events.pop(0):
                case TlsWanted():
                    transport.start_tls()
                    client.tls_started()
                case ContentWanted():
                    transport.send(b"".join(stuff([to_send[len(done)][1]])))
                    events += client.content_sent()
                case Ready():
                    events += client.send(to_send[0][0], len(to_send[0][1]))
                case Done() as result:
                    done.append(result)
                    if len(done) == len(to_send):
                        client.quit()
                    else:
                        envelope, content = to_send[len(done)]
                        events += client.send(envelope, len(content))
                case _:
                    pass
    assert client.tls_active == is_submission
    for (envelope, _), result in zip(to_send, done, strict=True):
        taken = [MAILBOXES.__contains__(str(to.address)) for to in envelope.recipients]
        assert [r.reply.is_positive for r in result.results] == taken
    expected = [
        (tuple(to for to in envelope.recipients if str(to.address) in MAILBOXES), content)
        for envelope, content in to_send
    ]
    assert [(envelope.recipients, content) for envelope, content in transport.accepted] == [
        pair for pair in expected if pair[0]
    ]


def recipient(name: str) -> Recipient:
    return Recipient(Address.parse(name))


def said(transport: EngineTransport) -> bytes:
    """All that the server has said so far."""
    lines: list[bytes] = []
    while True:
        try:
            lines.append(transport.receive_line() + b"\r\n")
        except (TimeoutError, EOFError):
            return b"".join(lines)
