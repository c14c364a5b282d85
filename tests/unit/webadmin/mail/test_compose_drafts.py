"""Drafts: saved in place, opened again as they were, with their files; never lost."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable, Iterator
from html import unescape

import pytest

from appliance.operations.settings import ChangeSetting
from appliance.settings import smtp
from appliance.store.mailbox import MailboxStore
from appliance.store.message import Flag, Use
from tests.support.boxes import file
from tests.support.town import PASSWORD
from tests.support.webmail import Post, toasts, undo_of
from tests.support.webtest import Visitor, csrf_of
from tests.support.writing import Form, Writer, files_of, text_of, types_of
from webadmin.mail import drafts
from webadmin.mail.draft import Kept, Source

_TYPED = {
    "to": '"Oakes, Mira" <mira@quay.example>, print@quay,example',
    "cc": "not yet an addr",
    "bcc": "Ünal <u@x.test>",
    "subject": 'Grüße "an" <alle>',
    "text": "Hello,\n\n  indented\n> quoted\n-- \nAlice",
    "priority": "high",
}


def test_a_draft_comes_back_as_it_was_typed(writer: Writer) -> None:
    form = writer.follow(writer.press(writer.begin(), "save", **_TYPED))
    assert {name: form[name] for name in _TYPED} == _TYPED


def test_saving_again_replaces_the_draft_and_changes_nothing(writer: Writer) -> None:
    form = writer.follow(writer.press(writer.begin(), "save", ("a.bin", b"\0" * 999), **_TYPED))
    again = writer.follow(writer.press(form, "save"))
    assert {name: again[name] for name in _TYPED} == _TYPED
    assert again["key"] == form["key"]
    assert again["draft"] != form["draft"]
    [draft] = writer.drafts()
    assert files_of(draft) == {"a.bin": b"\0" * 999}
    assert set(writer.reader.flags(Use.DRAFTS).values()) == {Flag.SEEN | Flag.DRAFT}


def test_rich_text_comes_back_with_its_quotation_apart(writer: Writer) -> None:
    html = "<div>Hello <b>Bob</b>,</div><div><br></div><ul><li>one</li></ul>"
    quote = '<p>Bob wrote:</p><blockquote><p style="color:red">old</p></blockquote>'
    answer = writer.press(writer.begin(), "save", format="html", html=html, quote=quote)
    form = writer.follow(answer)
    assert 'data-rich="yes"' in form.page
    assert form["html"] == html
    assert form["quote"] == quote
    [draft] = writer.drafts()
    assert types_of(draft) == ["multipart/alternative", "text/plain", "text/html"]
    assert text_of(draft) == "Hello Bob,\n\n* one\n\nBob wrote:\n\n> old"
    # without script all of it is there as plain text
    assert form["text"] == text_of(draft)


def test_a_page_without_script_says_plain_text_whatever_the_letter_was(writer: Writer) -> None:
    form = writer.follow(writer.press(writer.begin(), "save", format="html", html="<b>rich</b>"))
    writer.press(form, "save", text="typed without script")
    [draft] = writer.drafts()
    assert types_of(draft) == ["text/plain"]
    assert text_of(draft) == "typed without script"


def test_a_draft_of_another_program_can_be_gone_on_with(writer: Writer) -> None:
    octets = (
        b"From: me@alpha.test\r\nTo: =?utf-8?q?Doe=2C_J=C3=A4ne?= <j@x.test>\r\nSubject: theirs\r\n"
        b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/html\r\n\r\n<p>first</p>\r\n"
        b"--b\r\nContent-Type: text/plain; name=a.txt\r\n"
        b"Content-Disposition: attachment\r\n\r\nfile\r\n"
        b"--b--\r\n"
    )
    uid = writer.reader.file(octets, Flag.DRAFT, use=Use.DRAFTS)
    form = writer.begin(f"/webmail/compose/{uid}")
    assert form["html"] == "<p>first</p>"
    assert form.files == ["a.txt"]
    assert form["from"] == writer.reader.address
    form = writer.follow(writer.press(form, "save", format="html"))
    [draft] = writer.drafts()
    assert draft["To"].addresses[0].display_name == "Doe, Jäne"
    assert files_of(draft) == {"a.txt": b"file"}
    assert re.fullmatch(r"[0-9a-f]{32}", form["key"])


def test_a_draft_that_is_gone_leads_to_the_drafts(writer: Writer) -> None:
    answer = writer.reader.get("/webmail/compose/999")
    assert answer.location == f"/webmail/{writer.reader.id(Use.DRAFTS)}/"
    assert "gone" in toasts(writer.reader.get(answer.location))[0]


def test_two_pages_with_the_same_draft_lose_nothing_of_each_other(writer: Writer) -> None:
    one = writer.follow(writer.press(writer.begin(), "save", text="both"))
    other = writer.begin(f"/webmail/compose/{one['draft']}")
    writer.press(one, "save", text="one")
    writer.press(other, "save", text="other")
    assert {text_of(each) for each in writer.drafts()} == {"one", "other"}


def test_a_page_that_never_heard_that_it_was_saved_makes_no_second_draft(writer: Writer) -> None:
    form = writer.begin()
    writer.press(form, "attach", ("a.txt", b"a"), ("b.txt", b"b"))  # the answer is lost
    writer.press(form, "save", text="more")
    [draft] = writer.drafts()
    assert (text_of(draft), files_of(draft)) == ("more", {})
    form = writer.follow(writer.press(form, "attach", ("a.txt", b"a"), ("b.txt", b"b")))
    writer.press(form, "drop-2")  # and the answer to this one
    form.fields.setlist("kept", form.fields.getlist("kept")[1:])
    writer.press(form, "save", text="even more")
    [draft] = writer.drafts()
    assert (text_of(draft), files_of(draft)) == ("even more", {"b.txt": b"b"})
    writer.press(form, "send", to="bob@beta.test")
    assert files_of(writer.sent()[0][0]) == {"b.txt": b"b"}
    assert writer.drafts() == []


def test_the_script_is_told_what_is_saved(writer: Writer) -> None:
    _, told = writer.press_by_script(writer.begin(), "save", text="x")
    assert told["here"] == f"/webmail/compose/{told['draft']}"
    assert told["source"] == f"{writer.reader.id(Use.DRAFTS)}.{told['draft']}"
    assert re.fullmatch(r"\d\d:\d\d", told["saved"])
    assert "data-uploads" in told["files"]


@pytest.fixture
def limit(post: Post) -> Iterator[Callable[[int], None]]:
    """Set the largest message, in KiB, until the test is over."""

    def change(kb: int | None) -> None:
        value = None if kb is None else str(kb)
        post.town.do(ChangeSetting(setting=smtp.max_message_kb.name, value=value))

    yield change
    change(None)


# ── attachments ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("résumé — 履歴書.pdf", "résumé — 履歴書.pdf"),
        ("quo'te; a=b, (c).txt", "quo'te; a=b, (c).txt"),
        ("../../etc/passwd", "passwd"),
        ("<img src=x onerror=alert(1)>.txt", "<img src=x onerror=alert(1)>.txt"),
        ("x" * 200 + ".txt", None),
    ],
)
def test_files_keep_their_names_and_octets(writer: Writer, name: str, kept: str | None) -> None:
    octets = bytes(range(256)) * 40
    form = writer.follow(writer.press(writer.begin(), "attach", (name, octets)))
    assert len(form.files) == 1
    assert kept is None or form.files == [kept]
    assert "<img src=x" not in form.page
    writer.press(form, "send", to="bob@beta.test")
    [(sent, found)] = files_of(writer.sent()[0][0]).items()
    assert sent == form.files[0]
    assert found == octets


def test_one_file_is_taken_away_and_the_others_stay(writer: Writer) -> None:
    files = [(f"{name}.txt", name.encode()) for name in ("a", "b", "c")]
    form = writer.follow(writer.press(writer.begin(), "attach", *files))
    drop = re.findall(r'value="(drop-[\d.]+)"', form.page)
    form = writer.follow(writer.press(form, drop[1]))
    assert form.files == ["a.txt", "c.txt"]
    assert files_of(writer.drafts()[0]) == {"a.txt": b"a", "c.txt": b"c"}


def test_a_text_file_keeps_its_charset(writer: Writer) -> None:
    uid = writer.reader.file(_with_file(b"Content-Type: text/plain; charset=iso-8859-1", b"\xfc"))
    writer.press(writer.answer("forward", uid), "send", to="bob@beta.test")
    [part] = writer.sent()[0][0].iter_attachments()
    assert part.get_content_charset() == "iso-8859-1"
    assert part.get_content().strip() == "ü"


def test_what_does_not_fit_is_refused_with_sizes_and_nothing_is_lost(
    writer: Writer, limit: Callable[[int], None]
) -> None:
    limit(1024)
    form = writer.follow(writer.press(writer.begin(), "attach", ("a.bin", b"a" * 200_000)))
    answer = writer.press(form, "attach", ("film.mp4", b"b" * 900_000), text="kept")
    assert answer.status_code == 400
    form = Form(answer.text)
    assert form.wrong["attachments"].startswith("film.mp4 has 879 KB; 55")
    assert form["text"] == "kept"
    assert form.files == ["a.bin"]
    answer = writer.press(form, "send", ("x", b"b" * 500_000), ("y", b"b" * 500_000))
    assert Form(answer.text).wrong["attachments"].startswith("The files have 977 KB; 55")


def test_a_form_with_far_too_much_is_still_read_for_what_was_typed(
    writer: Writer, limit: Callable[[int], None]
) -> None:
    limit(1024)
    answer = writer.press(
        writer.begin(), "send", ("film.mp4", b"b" * (5 << 20)), text="kept", subject="kept too"
    )
    assert answer.status_code == 400
    form = Form(answer.text)
    assert form.wrong["attachments"].startswith("film.mp4 has 5 MB; 7")
    assert (form["text"], form["subject"]) == ("kept", "kept too")
    assert text_of(writer.drafts()[0]) == "kept"


def test_attachments_that_are_gone_are_told_and_never_left_out_silently(writer: Writer) -> None:
    uid = writer.reader.file(_with_file(b"Content-Type: image/png; name=a.png", b"png"))
    form = writer.answer("forward", uid)
    assert form.files == ["a.png"]
    writer.reader.box.expunge(writer.reader.id(), [uid])
    answer = writer.press(form, "send", to="bob@beta.test", text="kept")
    assert answer.status_code == 400
    assert "One attachment is gone" in Form(answer.text).wrong["attachments"]
    assert writer.sent() == []
    assert text_of(writer.drafts()[0]) == "kept"


def test_a_file_that_vanishes_while_it_is_sent_stops_the_letter(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = writer.follow(writer.press(writer.begin(), "attach", ("a.bin", b"a" * 300_000)))
    known = drafts.attachments

    def deleted_since(source: Source | None) -> tuple[Kept, ...]:
        found = known(source)
        for path in writer.house.home.glob("**/content/*/*"):
            path.unlink()
        return found

    monkeypatch.setattr(drafts, "attachments", deleted_since)
    answer = writer.press(form, "send", to="bob@beta.test", text="kept")
    assert answer.status_code == 400
    assert "One attachment is gone" in Form(answer.text).wrong["attachments"]
    assert Form(answer.text)["text"] == "kept"
    assert writer.sent() == []


def test_a_letter_without_limit_takes_any_file(
    writer: Writer, limit: Callable[[int], None]
) -> None:
    limit(0)
    form = writer.follow(writer.press(writer.begin(), "attach", ("a.bin", b"a" * 3_000_000)))
    assert form.files == ["a.bin"]
    assert "left" not in form.page.split("data-uploads", 1)[1].split("</li>", 1)[0]


def test_saving_a_draft_never_holds_its_files_in_memory(writer: Writer) -> None:
    form = writer.follow(writer.press(writer.begin(), "attach", ("large", b"\0\r\n7" * (4 << 20))))
    tracemalloc.start()
    writer.press(form, "save", text="a word more")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20
    assert len(files_of(writer.drafts()[0])["large"]) == 16 << 20


# ── throwing away, signing out ───────────────────────────────────────────────────────────────────


def test_discarding_is_undone_by_its_toast(writer: Writer) -> None:
    form = writer.follow(writer.press(writer.begin(), "save", text="precious"))
    answer = writer.press(form, "discard", text="precious, and more")
    page = writer.reader.get(answer.location)
    assert toasts(page) == ["The draft is deleted."]
    assert writer.drafts() == []
    writer.reader.post("/webmail/undo", **undo_of(page))
    assert text_of(writer.drafts()[0]) == "precious, and more"


def test_discarding_what_was_never_begun_says_and_keeps_nothing(writer: Writer) -> None:
    answer = writer.press(writer.begin(), "discard")
    assert toasts(writer.reader.get(answer.location)) == []
    assert writer.reader.flags(Use.TRASH) == {}


def test_what_is_posted_after_the_session_ended_comes_back(writer: Writer) -> None:
    form = writer.begin()
    client = writer.reader.visitor.client
    session = client.get_cookie("posthouse", domain="mail.test", path="/webmail")
    assert session is not None
    client.delete_cookie("posthouse", domain="mail.test", path="/webmail")
    answer = writer.press(form, "send", **_TYPED)
    assert answer.status_code == 401
    assert "You are signed out" in answer.text
    assert _TYPED["text"] in unescape(answer.text)
    # signed in again in another tab, the same page goes on
    hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', answer.text))
    fields = {name: unescape(value) for name, value in hidden.items()}
    visitor = _sign_in_again(writer)
    answer = visitor.client.post(
        "/webmail/compose",
        base_url="https://mail.test",
        data={**fields, "text": _TYPED["text"], "do": "save"},
    )
    assert answer.status_code == 403
    form = Form(answer.text)
    assert {name: form[name] for name in _TYPED} == _TYPED
    assert "signed in again" in form.wrong["whole"]
    assert writer.drafts() == []
    writer.press(form, "save")
    assert text_of(writer.drafts()[0]) == _TYPED["text"]


def test_the_script_is_told_that_the_session_ended_or_the_page_is_too_old(writer: Writer) -> None:
    form = writer.begin()
    form.fields["csrf"] = "0" * 64
    assert writer.press_by_script(form, "save") == (403, {"signed_out": False})
    writer.reader.visitor.client.delete_cookie("posthouse", domain="mail.test", path="/webmail")
    assert writer.press_by_script(form, "save") == (401, {"signed_out": True})
    assert writer.drafts() == []


def test_a_form_from_elsewhere_is_not_even_given_back(writer: Writer) -> None:
    answer = writer.reader.visitor.client.post(
        "/webmail/compose",
        base_url="https://mail.test",
        data={"text": "words of a stranger", "do": "send"},
        headers={"Origin": "https://evil.test"},
    )
    assert answer.status_code == 403
    assert "words of a stranger" not in answer.text


def test_a_full_disk_loses_nothing(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(MailboxStore, "append", full)
    answer = writer.press(writer.begin(), "save", text="kept")
    assert answer.status_code == 503
    assert Form(answer.text)["text"] == "kept"


def test_somebody_elses_messages_are_no_source_of_attachments(writer: Writer, post: Post) -> None:
    alice = post.house.directory.mailbox("alice@alpha")
    assert alice is not None
    box = post.house.store.mailbox(alice.postoffice_id, alice.id)
    theirs = box.special(Use.INBOX).id
    uid = file(box, theirs, _with_file(b"Content-Type: image/png; name=secret.png", b"png"))
    form = writer.begin()
    form.fields.add("kept", "2")
    answer = writer.press(form, "save", source=f"{theirs}.{uid}", text="x")
    assert "secret.png" not in answer.text
    assert files_of(writer.drafts()[0]) == {}
    answer = writer.reader.get(f"/webmail/compose?answer=forward&folder={theirs}&uid={uid}")
    assert answer.status_code == 404


def _with_file(head: bytes, octets: bytes) -> bytes:
    return (
        b"From: bob@beta.test\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHello.\r\n--b\r\n"
        b"%b\r\nContent-Disposition: attachment\r\n\r\n%b\r\n--b--\r\n"
    ) % (head, octets)


def _sign_in_again(writer: Writer) -> Visitor:
    visitor = writer.reader.visitor
    visitor.csrf = csrf_of(visitor.get("/webmail/login"))
    answer = visitor.post("/webmail/login", {"user": writer.reader.login, "password": PASSWORD})
    assert answer.status_code in (302, 303)
    return visitor
