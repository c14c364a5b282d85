"""Sessions of real commands in any order, with any policy and any offer."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.fuzz_smtp_server import fuzz_one

LINES = st.sampled_from(
    [
        b"EHLO client.example",
        b"HELO client.example",
        b"MAIL FROM:<carol@example.org>",
        b"MAIL FROM:<> SIZE=50 BODY=8BITMIME",
        b"MAIL FROM:<carol@example.org> SIZE=101",
        "MAIL FROM:<jürgen@example.org> SMTPUTF8".encode(),
        b"RCPT TO:<alice@demo.test>",
        b"RCPT TO:<alice@demo.test> NOTIFY=NEVER",
        "RCPT TO:<älice@demo.test>".encode(),
        b"RCPT TO:<nobody>",
        b"DATA",
        b"text\r\n.\r",
        b".\r",
        b"RSET",
        b"NOOP",
        b"STARTTLS",
        b"AUTH PLAIN AGFsaWNlAHMzY3JldA==",
        b"AUTH PLAIN",
        b"AGFsaWNlAHMzY3JldA==",
        b"AUTH LOGIN",
        b"YWxpY2U=",
        b"*",
        b"VRFY alice",
        b"HELP",
        b"FROB",
        b"QUIT",
    ]
)


@settings(max_examples=400)
@given(
    st.integers(0, 255), st.integers(0, 31) | st.just(0), st.lists(LINES, min_size=3, max_size=20)
)
def test_any_order_of_commands_keeps_the_rules(
    offer: int, refusals: int, lines: list[bytes]
) -> None:
    # RFC 5321 §4.1.4; what has to hold is asserted by the target
    fuzz_one(bytes([offer, refusals]) + b"\n".join(lines))
