"""Replies keep their meaning on the wire."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from appliance.mail.reply import Reply, parse_reply

LINES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=100)
TEXTS = st.lists(LINES, min_size=1, max_size=5).map("\n".join)


@given(st.sampled_from([2, 4, 5]), st.integers(0, 99), TEXTS, st.booleans())
def test_reply_is_read_back_as_it_was_said(
    kind: int, rest: int, text: str, has_status: bool
) -> None:
    reply = Reply(kind * 100 + rest, f"{kind}.1.{rest}" if has_status else "", text)
    assume(has_status or not any(line[1:2] == "." for line in text.split("\n")))
    assert parse_reply(reply.encode().splitlines(keepends=True)) == reply
