"""Any octets as content: cutting changes nothing, and nothing unclean passes in or out."""

from __future__ import annotations

import re
import sys

from appliance.protocol.smtp_data import DataReader, stuff

UNCLEAN = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")


def fuzz_one(data: bytes) -> None:
    """Read `data` whole and in blocks; its first two octets are the block size and the limit."""
    step = (data[0] if data else 0) % 7 + 1
    limit = data[1] if len(data) > 1 and data[1] else None
    wire = data[2:]
    whole = read([wire], limit)
    assert whole == read([wire[at : at + step] for at in range(0, len(wire), step)], limit)
    content = whole[-1]
    assert content is None or not UNCLEAN.search(content)
    sent = b"".join(stuff([wire[:step], wire[step:]]))
    assert not UNCLEAN.search(sent)
    assert sent.endswith(b".\r\n")
    assert read([sent], None)[:3] == (True, None, b"")
    if content is not None:
        assert read([b"".join(stuff([content]))], None)[-1] in {content, content + b"\r\n"}


def read(
    blocks: list[bytes], limit: int | None
) -> tuple[bool, str | None, bytes, int, bytes | None]:
    """What a reader says in the end; no content where there is a fault."""
    reader = DataReader(limit)
    content = b""
    rest = b""
    for block in blocks:
        if reader.finished:
            rest += block
        else:
            content += b"".join(reader.feed(block))
            rest = reader.rest
    is_good = reader.fault is None
    return reader.finished, reader.fault, rest, reader.bytes_seen, content if is_good else None


if __name__ == "__main__":
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, fuzz_one)
    atheris.Fuzz()
