"""Replies and forwards: RFC 5322 §3.6."""

from __future__ import annotations

import pytest

from appliance.mail.answer import Answer, Kind, answer
from appliance.mail.mime import find, parse

ME = "me@example.com"


def answered(kind: Kind, original: str, *, introduction: str = "Jane wrote:") -> Answer:
    octets = original.replace("\n", "\r\n").encode()
    return answer(
        kind,
        parse(octets),
        octets,
        own=[ME, "me.too@example.com"],
        introduction=introduction,
    )


@pytest.mark.parametrize(
    ("fields", "reply", "to_all", "copies"),
    [
        ("From: Jane <j@a.b>\nTo: me@example.com", ["Jane <j@a.b>"], ["Jane <j@a.b>"], []),
        (
            "From: j@a.b\nTo: ME@example.com, Bob <b@a.b>\nCc: c@a.b, B@A.B, me.too@example.com",
            ["j@a.b"],
            ["j@a.b"],
            ["Bob <b@a.b>", "c@a.b"],
        ),
        # RFC 5322 §3.6.2: Reply-To is where answers go
        (
            "From: j@a.b\nReply-To: l@a.b, k@a.b\nTo: b@a.b",
            ["l@a.b", "k@a.b"],
            ["l@a.b", "k@a.b"],
            ["b@a.b"],
        ),
        ("From: j@a.b\nReply-To: nonsense\nTo: b@a.b", ["j@a.b"], ["j@a.b"], ["b@a.b"]),
        ("From: j@a.b\nTo: undisclosed-recipients:;", ["j@a.b"], ["j@a.b"], []),
        # what one wrote oneself is answered to those it went to
        (
            "From: me@example.com\nTo: b@a.b, Jane <j@a.b>\nCc: c@a.b",
            ["b@a.b", "Jane <j@a.b>"],
            ["b@a.b", "Jane <j@a.b>"],
            ["c@a.b"],
        ),
        (
            "From: me@example.com\nTo: me@example.com\nCc: c@a.b",
            ["me@example.com"],
            ["c@a.b"],
            [],
        ),
        # a note to oneself
        ("From: Me <me@example.com>\nTo: me@example.com", [ME], [ME], []),
        ("From: Me <me@example.com>", ["Me <me@example.com>"], ["Me <me@example.com>"], []),
        ('From: "Doe, Jane" <j@a.b>', ['"Doe, Jane" <j@a.b>'], ['"Doe, Jane" <j@a.b>'], []),
        (
            "From: =?utf-8?q?M=C3=BCller=2C_J?= <j@a.b>",
            ['"Müller, J" <j@a.b>'],
            ['"Müller, J" <j@a.b>'],
            [],
        ),
        ("X: y", [], [], []),
    ],
)
def test_answers_go_where_they_are_expected(
    fields: str, reply: list[str], to_all: list[str], copies: list[str]
) -> None:
    simple = answered(Kind.REPLY, f"{fields}\n\nHello")
    assert (list(simple.to), list(simple.cc)) == (reply, [])
    wide = answered(Kind.REPLY_ALL, f"{fields}\n\nHello")
    assert (list(wide.to), list(wide.cc)) == (to_all, copies)
    onward = answered(Kind.FORWARD, f"{fields}\n\nHello")
    assert (onward.to, onward.cc) == ((), ())


@pytest.mark.parametrize(
    ("subject", "reply", "forward"),
    [
        ("Hello", "Re: Hello", "Fwd: Hello"),
        ("", "Re: ", "Fwd: "),
        ("Re: Hello", "Re: Hello", "Fwd: Re: Hello"),
        ("RE: AW: Re[2]: SV : Hello", "Re: Hello", "Fwd: RE: AW: Re[2]: SV : Hello"),
        ("Fwd: Hello", "Re: Fwd: Hello", "Fwd: Hello"),
        ("WG: FW: Hello", "Re: WG: FW: Hello", "Fwd: Hello"),
        ("Re: Fwd: Hello", "Re: Fwd: Hello", "Fwd: Re: Fwd: Hello"),
        ("回复\uff1aHello", "Re: Hello", "Fwd: 回复\uff1aHello"),
        ("Regarding: Hello", "Re: Regarding: Hello", "Fwd: Regarding: Hello"),
        ("=?utf-8?q?Re=3A_Gr=C3=BC=C3=9Fe?=", "Re: Grüße", "Fwd: Re: Grüße"),
    ],
)
def test_subject_says_once_what_it_is(subject: str, reply: str, forward: str) -> None:
    """RFC 5322 §3.6.5."""
    assert answered(Kind.REPLY, f"Subject: {subject}\n\n").subject == reply
    assert answered(Kind.FORWARD, f"Subject: {subject}\n\n").subject == forward


@pytest.mark.parametrize(
    ("fields", "references"),
    [
        ("Message-ID: <3@a>", ["<3@a>"]),
        ("Message-ID: <3@a>\nReferences: <1@a>\n <2@a>", ["<1@a>", "<2@a>", "<3@a>"]),
        ("Message-ID: <3@a>\nIn-Reply-To: <2@a>", ["<2@a>", "<3@a>"]),
        ("Message-ID: <3@a>\nIn-Reply-To: <1@a> <2@a>", ["<3@a>"]),
        ("Message-ID: <3@a>\nReferences: <1@a> nonsense <3@a>", ["<1@a>", "<3@a>"]),
        ("Message-ID: nonsense", []),
    ],
)
def test_conversation_goes_on(fields: str, references: list[str]) -> None:
    """RFC 5322 §3.6.4."""
    reply = answered(Kind.REPLY, f"{fields}\n\n")
    assert list(reply.references) == references
    assert reply.in_reply_to == (references[-1] if references else "")
    forward = answered(Kind.FORWARD, f"{fields}\n\n")
    assert (list(forward.references), forward.in_reply_to) == (references, "")


def test_long_conversation_keeps_its_beginning_and_its_end() -> None:
    ids = " ".join(f"<{number}@a>" for number in range(200))
    reply = answered(Kind.REPLY, f"References: {ids}\nMessage-ID: <x@a>\n\n")
    assert len(reply.references) == 50
    assert (reply.references[0], reply.references[-1]) == ("<0@a>", "<x@a>")


def test_text_is_quoted_below_its_introduction() -> None:
    reply = answered(
        Kind.REPLY, "A: b\n\nHello <Bob>,\n\n> older\n>> oldest\nbye \n\n-- \nJane\nCompany\n"
    )
    assert reply.text == "Jane wrote:\n> Hello <Bob>,\n>\n>> older\n>>> oldest\n> bye"
    assert reply.html.startswith("<p>Jane wrote:</p><blockquote><div")
    assert "Hello &lt;Bob&gt;" in reply.html


def test_flowed_text_is_quoted_by_its_paragraphs() -> None:
    """RFC 3676 §4.2."""
    reply = answered(Kind.REPLY, "Content-Type: text/plain; format=flowed\n\none \ntwo\nthree")
    assert reply.text == "Jane wrote:\n> one two\n> three"


def test_html_is_quoted_without_what_is_harmful_or_remote() -> None:
    original = (
        "Content-Type: text/html\n\n<p>Hello <b>Bob</b><script>x()</script>"
        "<img src=https://a.example/1.png alt=cat><img src=cid:p>"
    )
    octets = original.replace("\n", "\r\n").encode()
    reply = answer(
        Kind.REPLY,
        parse(octets),
        octets,
        own=[],
        introduction="<Jane> wrote:",
        cid={"p": "/part/2"},
    )
    assert reply.html == (
        "<p>&lt;Jane&gt; wrote:</p><blockquote><p>Hello <b>Bob</b>"
        '<span class="remote-image">cat</span>'
        '<img src="/part/2" loading="lazy" referrerpolicy="no-referrer"></p></blockquote>'
    )
    assert reply.text == "<Jane> wrote:\n> Hello Bobcat"


def test_forward_tells_whose_message_it_was() -> None:
    octets = (
        b"From: =?utf-8?q?J=C3=B6rg?= <j@a.b>\nDate: Sun, 22 Nov 2026 12:00:00 +0000\n"
        b"Subject: Hello <all>\nTo: me@example.com\nReceived: x\n\nHello\n-- \nJane\n"
    )
    forward = answer(
        Kind.FORWARD,
        parse(octets),
        octets,
        own=[ME],
        introduction="-- Weitergeleitet --",
        headings={"From": "Von", "Date": "Datum"},
    )
    assert forward.text == (
        "-- Weitergeleitet --\n"
        "Von: Jörg <j@a.b>\n"
        "Datum: Sun, 22 Nov 2026 12:00:00 +0000\n"
        "Subject: Hello <all>\n"
        "To: me@example.com\n"
        "\n"
        "Hello"
    )
    assert "<br>Subject: Hello &lt;all&gt;<br>" in forward.html
    assert "blockquote" not in forward.html


def test_message_in_a_message_is_answered_to_its_own_author() -> None:
    octets = b"From: a@b.c\r\nContent-Type: message/rfc822\r\n\r\nFrom: d@e.f\r\n\r\nInner"
    inner = find(parse(octets), "1")
    assert inner is not None
    reply = answer(Kind.REPLY, inner, octets, own=[], introduction="Wrote:")
    assert (reply.to, reply.text) == (("d@e.f",), "Wrote:\n> Inner")
