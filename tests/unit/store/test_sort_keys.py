"""Sort keys: what people look for in a list, not what was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.mail.headers import Summary
from appliance.store.message import Use
from appliance.store.sort_keys import MAX_KEY, correspondent_key, fold, subject_key


@pytest.mark.parametrize(
    "subject",
    [
        "Harvest",
        "harvest",
        "Re: Harvest",
        "RE: re:Harvest",
        "Fwd: Re: Harvest",
        "FW: Harvest",
        "AW: WG: Harvest",
        "Re[2]: Harvest",
        "Re (3): Harvest".replace(" (", "("),
        "  Härvest",
        '"Harvest',
    ],
)
def test_answers_and_forwarded_mail_sort_beside_the_original(subject: str) -> None:
    assert subject_key(Summary(subject=subject)) == b"harvest"


@pytest.mark.parametrize("subject", ["Regarding: x", "Refuse", "Antwerp: fair", "Fwdx: y"])
def test_words_that_only_begin_like_a_prefix_stay(subject: str) -> None:
    assert subject_key(Summary(subject=subject)) == subject.lower().encode()


@pytest.mark.parametrize(
    ("from_header", "key"),
    [
        ("Zoë Müller <zoe@a.test>", b"zoe muller"),
        ('"Müller, Zoë" <zoe@a.test>', b"muller, zoe"),
        ("<Zoe@a.test>", b"zoe@a.test"),
        ("Zoe@a.test", b"zoe@a.test"),
        ("zoe@a.test, b@b.test", b"zoe@a.test"),
        ('"" <zoe@a.test>', b"zoe@a.test"),
        ("<zoe@a.test", b"zoe@a.test"),
        ("", b""),
    ],
)
def test_sender_is_a_display_name_or_else_an_address(from_header: str, key: bytes) -> None:
    assert correspondent_key(Summary(from_header=from_header), "") == key


@pytest.mark.parametrize("use", [Use.SENT, Use.DRAFTS])
def test_own_mail_sorts_by_whom_it_is_to(use: Use) -> None:
    summary = Summary(from_header="Me <me@a.test>", to_header="Bob <b@b.test>, Cy <c@c.test>")
    assert correspondent_key(summary, use) == b"bob"
    assert correspondent_key(summary, Use.INBOX) == b"me"


def test_folding_keeps_no_capitals_and_no_accents() -> None:
    assert fold("Ärger STRASSE ﬁn") == fold("arger straße fin")


@given(st.text(max_size=300))
def test_keys_are_short_octets_whatever_strangers_wrote(text: str) -> None:
    summary = Summary(subject=text, from_header=text, to_header=text)
    for key in (subject_key(summary), correspondent_key(summary, Use.SENT)):
        assert len(key) <= 4 * MAX_KEY
