"""Sending from webmail: what goes out, what is kept, and what is refused beside which field."""

from __future__ import annotations

import pytest

from appliance.database.errors import StoreBusy
from appliance.operations.addresses import DeleteAddress
from appliance.settings import smtp
from appliance.store.mailbox import MailboxStore
from appliance.store.message import Flag, Use
from tests.support.boxes import letter
from tests.support.webmail import Post, toasts
from tests.support.writing import Form, Writer, files_of, parsed, text_of, types_of


def test_a_letter_goes_to_everybody_once_and_its_copy_into_sent_items(writer: Writer) -> None:
    form = writer.begin()
    answer = writer.press(
        form,
        "send",
        to='"Oakes, Mira" <alice@alpha.test>, bob@beta.test',
        cc="ALICE@alpha.test",
        subject="Grüße",
        text="Hello Mira,\r\n\r\nagreed.",
    )
    assert answer.status_code == 303
    assert toasts(writer.reader.get(answer.location)) == ["Sent."]
    [(message, recipients)] = writer.sent()
    assert recipients == ["alice@alpha.test", "bob@beta.test"]
    assert message["From"].addresses[0].addr_spec == writer.reader.address
    assert [each.display_name for each in message["To"].addresses] == ["Oakes, Mira", ""]
    assert message["Subject"] == "Grüße"
    assert text_of(message) == "Hello Mira,\n\nagreed."
    [copy] = writer.copies()
    assert copy["Message-ID"] == message["Message-ID"]
    assert copy["Date"] == message["Date"]
    assert writer.reader.flags(Use.SENT) == {1: Flag.SEEN}


def test_blind_copies_are_in_ones_own_copy_and_in_nobody_elses(writer: Writer) -> None:
    writer.press(writer.begin(), "send", to="alice@alpha.test", bcc="bob@beta.test")
    [(message, recipients)] = writer.sent()
    assert recipients == ["alice@alpha.test", "bob@beta.test"]
    assert b"bob@beta.test" not in message.as_bytes()
    assert writer.copies()[0]["Bcc"] == "bob@beta.test"


def test_a_letter_to_blind_copies_only_names_nobody(writer: Writer) -> None:
    writer.press(writer.begin(), "send", bcc="alice@alpha.test, bob@beta.test")
    message = writer.sent()[0][0]
    assert message["To"] == "undisclosed-recipients:;"
    assert b"bob@beta.test" not in message.as_bytes()


def test_fields_of_ours_are_in_drafts_only(writer: Writer) -> None:
    uid = writer.reader.file(letter())
    form = writer.answer("reply", uid)
    form = writer.follow(writer.press(form, "save", to="bob@beta.test"))
    [draft] = writer.drafts()
    assert any(name.startswith("X-Posthouse") for name in draft)
    writer.press(form, "send")
    for message in (writer.sent()[0][0], *writer.copies()):
        assert not any(name.startswith("X-Posthouse") for name in message)
    assert writer.drafts() == []


@pytest.mark.parametrize(
    ("how", "flag"),
    [("reply", Flag.ANSWERED), ("replyall", Flag.ANSWERED), ("forward", Flag.FORWARDED)],
)
def test_what_was_answered_is_marked_and_shown_again(writer: Writer, how: str, flag: Flag) -> None:
    uid = writer.reader.file(letter())
    answer = writer.press(writer.answer(how, uid), "send", to="bob@beta.test")
    assert writer.reader.flags()[uid] & flag
    assert answer.location == f"/webmail/{writer.reader.id()}/"


def test_the_same_form_posted_again_sends_nothing_again(writer: Writer) -> None:
    form = writer.begin()
    for _ in range(3):
        assert writer.press(form, "send", to="bob@beta.test", text="once").status_code == 303
    assert len(writer.sent()) == len(writer.copies()) == 1


def test_a_crash_between_sending_and_filing_is_made_good_by_sending_again(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = writer.follow(
        writer.press(
            writer.begin(),
            "save",
            ("plan.txt", b"plan"),
            to="Bob  <bob@beta.test>,alice@alpha.test",
            text="one  line \r\n\r\n> quoted\r\n",
        )
    )

    def broken(*_: object, **__: object) -> int:
        raise StoreBusy("busy")

    with monkeypatch.context() as patch:
        patch.setattr(MailboxStore, "append", broken)
        answer = writer.press(form, "send")
    assert answer.status_code == 503
    assert Form(answer.text)["text"] == form["text"]
    assert "Nothing is lost" in Form(answer.text).wrong["whole"]
    assert writer.copies() == []
    [draft] = writer.reader.box.every(writer.reader.id(Use.DRAFTS))
    writer.press(writer.begin(f"/webmail/compose/{draft.uid}"), "send")
    assert len(writer.sent()) == len(writer.copies()) == 1
    assert writer.drafts() == []


def test_a_letter_that_was_changed_since_is_another_one(writer: Writer) -> None:
    form = writer.begin()
    writer.press(form, "send", to="bob@beta.test", text="first")
    writer.press(form, "send", to="bob@beta.test", text="second")
    first, second = (message for message, _ in writer.sent())
    assert {text_of(first).strip(), text_of(second).strip()} == {"first", "second"}
    assert first["Message-ID"] != second["Message-ID"]
    assert len(writer.copies()) == 2


def test_plain_text_is_sent_as_plain_text_only(writer: Writer) -> None:
    writer.press(
        writer.begin(), "send", to="bob@beta.test", text="<b>plain</b>", html="<b>rich</b>"
    )
    message = writer.sent()[0][0]
    assert types_of(message) == ["text/plain"]
    assert text_of(message).strip() == "<b>plain</b>"


def test_rich_text_has_a_plain_alternative_and_is_harmless(writer: Writer) -> None:
    html = (
        '<div onclick="x()">Hello <b>Bob</b></div><script>alert(1)</script>'
        '<img src="https://spy.test/1.png" alt="seen"><a href="javascript:x()">go</a>'
    )
    writer.press(writer.begin(), "send", to="bob@beta.test", format="html", html=html, text="old")
    message = writer.sent()[0][0]
    assert types_of(message) == ["multipart/alternative", "text/plain", "text/html"]
    assert text_of(message).startswith("Hello Bob")
    sent = text_of(message, "html")
    assert "<b>Bob</b>" in sent
    for forbidden in ("script", "onclick", "spy.test", "javascript"):
        assert forbidden not in sent


def test_priority_is_said_to_the_others(writer: Writer) -> None:
    writer.press(writer.begin(), "send", to="bob@beta.test", priority="high")
    assert writer.sent()[0][0]["X-Priority"].startswith("1")


def test_the_date_is_in_the_writers_time_zone(writer: Writer) -> None:
    writer.reader.visitor.client.set_cookie("posthouse-tz", "Asia/Kolkata", domain="mail.test")
    writer.press(writer.begin(), "send", to="bob@beta.test")
    assert str(writer.sent()[0][0]["Date"]).endswith("+0530")


# ── what is refused ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["to", "cc", "bcc"])
def test_a_comma_for_a_dot_is_said_beside_the_field_with_what_is_right(
    writer: Writer, name: str
) -> None:
    typed = "alice@alpha.test, bob@beta,test"
    answer = writer.press(writer.begin(), "send", text="kept", **{name: typed})
    assert answer.status_code == 400
    form = Form(answer.text)
    said = form.wrong[name]
    assert said == "bob@beta,test has a comma where a dot belongs. Use bob@beta.test"
    assert f'id="{name}" name="{name}"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert form[name] == typed
    assert form["text"] == "kept"
    assert writer.sent() == []
    # the correction is a button of the form
    fix = answer.text.split(f'value="fix-{name}', 1)[1].split('"', 1)[0]
    form = writer.follow(writer.press(form, f"fix-{name}{fix}".replace("&#9;", "\t")))
    assert form[name] == "alice@alpha.test, bob@beta.test"


def test_a_name_without_an_at_is_completed_when_it_is_known_here(writer: Writer) -> None:
    form = Form(writer.press(writer.begin(), "send", to="alice").text)
    assert form.wrong["to"].endswith("Use alice@alpha.test")
    form = Form(writer.press(form, "send", to="nobody-here").text)
    assert form.wrong["to"] == "nobody-here is no address: there is no @ in it."


def test_unknown_recipients_are_said_beside_the_field_they_stand_in(writer: Writer) -> None:
    answer = writer.press(
        writer.begin(),
        "send",
        to="alice@alpha.test, nobody@alpha.test",
        cc="Somebody <noone@beta.test>",
    )
    assert answer.status_code == 400
    wrong = Form(answer.text).wrong
    assert wrong["to"] == "There is no address nobody@alpha.test here."
    assert wrong["cc"] == "There is no address noone@beta.test here."
    assert writer.sent() == []


def test_without_recipients_the_first_field_says_so(writer: Writer) -> None:
    answer = writer.press(writer.begin(), "send", text="to nobody")
    assert "no recipient" in Form(answer.text).wrong["to"]
    assert " autofocus" in answer.text


def test_too_many_recipients_are_counted(writer: Writer, post: Post) -> None:
    most = post.house.settings[smtp.max_recipients]
    to = ", ".join(f"a{number}@x.test" for number in range(most + 1))
    wrong = Form(writer.press(writer.begin(), "send", to=to).text).wrong
    assert f"{most + 1} recipients" in wrong["to"]
    assert str(most) in wrong["to"]


def test_a_sender_that_is_not_ones_own_is_never_used(writer: Writer) -> None:
    form = writer.begin()
    answer = writer.press(form, "send", to="bob@beta.test", from_="alice@alpha.test")
    assert answer.status_code == 400
    assert "not an address of" in Form(answer.text).wrong["from"]
    assert writer.sent() == []


def test_a_mailbox_without_address_says_so_and_keeps_drafts(writer: Writer, post: Post) -> None:
    post.town.do(DeleteAddress(address=writer.reader.address))
    form = writer.begin()
    assert "This mailbox has no address." in form.page
    form = writer.follow(writer.press(form, "save", to="bob@beta.test", text="kept"))
    assert form["text"] == "kept"
    answer = writer.press(form, "send")
    assert answer.status_code == 400
    assert "no address" in Form(answer.text).wrong["from"]


def test_what_is_refused_without_script_is_kept_as_a_draft_with_its_files(writer: Writer) -> None:
    answer = writer.press(
        writer.begin(), "send", ("a.txt", b"alpha"), to="nobody@alpha.test", text="kept"
    )
    assert answer.status_code == 400
    form = Form(answer.text)
    assert form.files == ["a.txt"]
    [draft] = writer.drafts()
    assert files_of(draft) == {"a.txt": b"alpha"}
    writer.press(form, "send", to="bob@beta.test")
    assert files_of(writer.sent()[0][0]) == {"a.txt": b"alpha"}
    assert writer.drafts() == []


def test_the_script_is_told_what_is_wrong_as_mark_up_by_field(writer: Writer) -> None:
    status, told = writer.press_by_script(writer.begin(), "send", to="bob@beta,test")
    assert status == 400
    assert "has a comma" in told["wrongs"]["to"]
    status, told = writer.press_by_script(writer.begin(), "send", to="bob@beta.test")
    assert (status, told) == (200, {"leave": f"/webmail/{writer.reader.id()}/"})


def test_a_message_deleted_meanwhile_does_not_keep_its_answer_from_being_sent(
    writer: Writer,
) -> None:
    folder = writer.reader.box.create_folder("short-lived")
    uid = writer.reader.file(letter())
    moved = writer.reader.box.move(writer.reader.id(), [uid], folder.id)
    form = writer.begin(f"/webmail/compose?answer=reply&folder={folder.id}&uid={moved[uid]}")
    writer.reader.box.delete_folder(folder.id)
    answer = writer.press(form, "send", to="bob@beta.test")
    assert answer.location == f"/webmail/{writer.reader.id()}/"
    assert len(writer.sent()) == 1


@pytest.mark.parametrize("name", ["\r\nX-Evil: yes", "", "x" * 5000, "é", "../../etc"])
def test_fields_nobody_types_can_not_harm(writer: Writer, name: str) -> None:
    hidden = dict.fromkeys(("key", "draft", "source", "answers", "in_reply_to", "references"), name)
    answer = writer.press(writer.begin(), "send", to="bob@beta.test", **hidden)
    assert answer.status_code == 303
    message = writer.sent()[0][0]
    assert "X-Evil" not in message
    assert parsed(message.as_bytes())["To"] == "bob@beta.test"
