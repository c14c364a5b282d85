"""Any bytes as a peer's side of a session: one result for each recipient, and no defect of ours."""

from __future__ import annotations

import sys

from appliance.mail.address import Address
from appliance.mail.envelope import Envelope, Recipient
from appliance.protocol.smtp_client import (
    Closed,
    ContentWanted,
    Done,
    Ready,
    SmtpClient,
    TlsWanted,
)

ENVELOPE = Envelope(
    Address("alice", "example.com"),
    (Recipient(Address("bob", "example.net")), Recipient(Address("carol", "example.net"))),
)


def fuzz_one(data: bytes) -> None:
    """Play `data` in blocks; its first octet chooses how the session is set and cut."""
    flags = data[0] if data else 0
    block_size = 1 + (flags >> 3)
    client = SmtpClient(
        helo="mta.example.com",
        tls=("never", "opportunistic", "required", "never")[flags & 3],
        login=("alice", "sesame") if flags & 4 else None,
    )
    client.start()
    begun = finished = 0
    blocks = [data[at : at + block_size] for at in range(1, len(data), block_size)]
    for block in [*blocks, None]:
        events = client.connection_lost() if block is None else client.receive(block)
        while events:
            match events.pop(0):
                case Ready():
                    begun += 1
                    events += client.send(ENVELOPE, 1000)
                case TlsWanted():
                    client.tls_started()
                case ContentWanted():
                    events += client.content_sent()
                case Done(results=results):
                    finished += 1
                    assert [result.index for result in results] == [0, 1]
                    assert all(result.reply.code // 100 in (2, 4, 5) for result in results)
                case Closed():
                    assert client.closed
                case _:
                    pass
        lines = client.data_to_send().split(b"\r\n")
        assert lines[-1] == b""
        assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert client.closed
    assert begun == finished


if __name__ == "__main__":
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, fuzz_one)
    atheris.Fuzz()
