"""Replies and forwards: what they begin with, and what of the original goes with them."""

from __future__ import annotations

import re
from html import unescape

import pytest

from appliance.operations.addresses import CreateAddress
from appliance.store.message import Use
from tests.support.webmail import Post
from tests.support.writing import Form, Writer, files_of, text_of, types_of

_RICH = (
    b"From: Mira Oakes <mira@quay.example>\r\nTo: Al <%b>, bob@beta.test\r\nCc: c@x.test\r\n"
    b"Subject: Plate 14\r\nMessage-ID: <1@quay.example>\r\nReferences: <0@quay.example>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n"
    b"--m\r\nContent-Type: multipart/related; boundary=r\r\n\r\n"
    b"--r\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    b'<p style="color:#c00">Look: <img src="cid:plate@quay" alt="the plate"></p>'
    b'<img src="https://spy.test/p.png"><script>alert(1)</script>\r\n'
    b"--r\r\nContent-Type: image/png\r\nContent-ID: <plate@quay>\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo=\r\n--r--\r\n"
    b'--m\r\nContent-Type: application/pdf; name="caption.pdf"\r\n'
    b"Content-Disposition: attachment\r\n\r\n%%PDF\r\n--m--\r\n"
)
_PLAIN = (
    b"From: Bob <bob@beta.test>\r\nTo: %b\r\nSubject: Re: Lunch\r\nMessage-ID: <2@beta.test>\r\n"
    b"\r\nThursday?\r\n> before\r\n-- \r\nBob\r\n"
)


@pytest.fixture
def rich(writer: Writer) -> int:
    """A message in HTML with a picture in it and an attachment."""
    return writer.reader.file(_RICH % writer.reader.address.encode())


@pytest.fixture
def plain(writer: Writer) -> int:
    """A message in plain text."""
    return writer.reader.file(_PLAIN % writer.reader.address.encode())


def test_a_reply_goes_to_the_sender_and_belongs_to_the_conversation(
    writer: Writer, rich: int
) -> None:
    form = writer.answer("reply", rich)
    assert (form["to"], form["cc"]) == ("Mira Oakes <mira@quay.example>", "")
    assert form["subject"] == "Re: Plate 14"
    writer.press(form, "send", to="bob@beta.test", format="html", html="<div>Yes.</div>")
    message = writer.sent()[0][0]
    assert message["In-Reply-To"] == "<1@quay.example>"
    assert message["References"] == "<0@quay.example> <1@quay.example>"


def test_a_reply_to_all_leaves_oneself_out(writer: Writer, rich: int) -> None:
    form = writer.answer("replyall", rich)
    assert form["to"] == "Mira Oakes <mira@quay.example>"
    assert form["cc"] == "bob@beta.test, c@x.test"


def test_plain_text_is_answered_in_plain_text_quoted_line_by_line(
    writer: Writer, plain: int
) -> None:
    form = writer.answer("reply", plain)
    assert 'data-rich="no"' in form.page
    assert form["quote"] == ""
    introduction, *quoted = form["text"].strip().split("\n")
    assert introduction.endswith("Bob wrote:")
    assert quoted == ["> Thursday?", ">> before"]
    assert form["text"].startswith("\n")  # room for the answer above it


def test_html_is_answered_in_html_with_the_original_in_its_own_look(
    writer: Writer, rich: int
) -> None:
    form = writer.answer("reply", rich)
    assert 'data-rich="yes"' in form.page
    assert form["html"] == ""
    assert 'style="color:#c00"' in form["quote"]
    assert "spy.test" not in form["quote"]
    assert "script" not in form["quote"]
    assert "> Look: the plate" in form["text"]  # for those without script
    writer.press(form, "send", to="bob@beta.test", format="html", html="<div>Agreed.</div>")
    message = writer.sent()[0][0]
    html = text_of(message, "html")
    assert html.startswith("<div>Agreed.</div><section><p>On ")
    assert '<p style="color:#c00">Look:' in html
    assert text_of(message).startswith("Agreed.\n\nOn ")
    assert "> Look: the plate" in text_of(message)


def test_pictures_of_the_original_go_with_the_quotation(writer: Writer, rich: int) -> None:
    form = writer.answer("reply", rich)
    for _ in range(2):  # also when it is saved in between
        form = writer.follow(writer.press(form, "save", format="html"))
    writer.press(form, "send", to="bob@beta.test", format="html", html="<div>Agreed.</div>")
    message = writer.sent()[0][0]
    assert types_of(message) == [
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
    ]
    picture = next(part for part in message.walk() if part.get_content_type() == "image/png")
    assert picture["Content-ID"] == "<plate@quay>"
    assert picture.get_content() == b"\x89PNG\r\n\x1a\n"
    assert 'src="cid:plate@quay"' in text_of(message, "html")


def test_a_quotation_that_was_taken_out_takes_its_pictures_along(writer: Writer, rich: int) -> None:
    form = writer.answer("reply", rich)
    writer.press(form, "send", to="b@x.test", format="html", html="<p>No.</p>", quote="")
    message = writer.sent()[0][0]
    assert types_of(message) == ["multipart/alternative", "text/plain", "text/html"]


def test_a_forward_carries_attachments_and_says_whose_letter_it_was(
    writer: Writer, rich: int
) -> None:
    form = writer.answer("forward", rich)
    assert (form["to"], form["subject"]) == ("", "Fwd: Plate 14")
    assert form.files == ["caption.pdf"]
    assert "From: Mira Oakes" in form["text"]
    writer.press(form, "send", to="bob@beta.test", format="html")
    message = writer.sent()[0][0]
    assert files_of(message) == {"caption.pdf": b"%PDF"}
    assert "From: Mira Oakes" in text_of(message, "html")
    assert "In-Reply-To" not in message


def test_an_attachment_can_be_left_out_of_a_forward(writer: Writer, rich: int) -> None:
    form = writer.answer("forward", rich)
    form.fields.poplist("kept")
    writer.press(form, "send", to="bob@beta.test", format="html")
    assert files_of(writer.sent()[0][0]) == {}


def test_a_whole_message_that_is_attached_goes_on_as_one(writer: Writer) -> None:
    inner = b"Subject: inside\r\n\r\nHello.\r\n"
    octets = (
        b"From: a@x.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\n\r\nsee below\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
        + inner
        + b"--b--\r\n"
    )
    form = writer.answer("forward", writer.reader.file(octets))
    assert form.files == ["inside.eml"]
    writer.press(form, "send", to="bob@beta.test")
    assert "message/rfc822" in types_of(writer.sent()[0][0])


def test_an_answer_comes_from_the_address_that_was_written_to(writer: Writer, post: Post) -> None:
    other = f"press-{writer.reader.address}"
    post.town.do(CreateAddress(address=other, mailbox=writer.reader.login))
    uid = writer.reader.file(_PLAIN % other.upper().encode())
    assert writer.answer("reply", uid)["from"] == other
    uid = writer.reader.file(_PLAIN % writer.reader.address.encode())
    assert writer.answer("reply", uid)["from"] == writer.reader.address


def test_the_quotation_is_a_document_of_its_own_that_runs_nothing(
    writer: Writer, rich: int
) -> None:
    form = writer.answer("reply", rich)
    answer = writer.reader.get(_frame(form))
    policy = answer.headers["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    picture = re.findall(r'<img src="(/webmail/[^"]+)"', answer.text)
    assert writer.reader.get(unescape(picture[0])).data.startswith(b"\x89PNG")
    # and of a draft
    form = writer.follow(writer.press(form, "save", format="html"))
    saved = writer.reader.get(_frame(form)).text
    assert "Look:" in saved
    picture = re.findall(r'<img src="(/webmail/[^"]+)"', saved)
    assert writer.reader.get(unescape(picture[0])).data.startswith(b"\x89PNG")


def test_a_letter_may_begin_by_an_address(writer: Writer) -> None:
    form = writer.begin("/webmail/compose?to=a@x.test&subject=Hello%0d%0aBcc:%20x@y.z&cc=c@x.test")
    assert (form["to"], form["cc"], form["subject"]) == ("a@x.test", "c@x.test", "Hello Bcc: x@y.z")


@pytest.mark.parametrize("how", ["reply", "replyall", "forward"])
def test_a_message_that_is_gone_is_not_answered(writer: Writer, how: str) -> None:
    folder = writer.reader.id()
    path = f"/webmail/compose?answer={how}&folder={folder}&uid=999"
    assert writer.reader.get(path).status_code == 404


def test_closing_leads_back_to_what_was_read(writer: Writer, plain: int) -> None:
    page = writer.answer("reply", plain).page
    assert f'href="/webmail/{writer.reader.id()}/{plain}" class="btn bare sq"' in page
    form = writer.follow(writer.press(writer.begin(), "save", text="x"))
    assert f'href="/webmail/{writer.reader.id(Use.DRAFTS)}/" class="btn bare sq"' in form.page


def _frame(form: Form) -> str:
    found = re.search(r'data-src="([^"]+)"', form.page)
    assert found
    return unescape(found[1])
