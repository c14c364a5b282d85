"""Writing in webmail, as a person does: by mouse, by keys alone, by touch, and without script.

What went out is read from the mailbox it came to, by other people's parsers.
"""

from __future__ import annotations

import poplib
import re
import struct
import zlib
from base64 import b64encode
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from appliance.store.mailbox import MailboxStore
from appliance.store.message import Flag, Use
from tests.browser.conftest import Complaints, NewPage, SignIn
from tests.support.boxes import file
from tests.support.serving import Box, Server
from tests.support.waiting import until
from tests.support.writing import files_of, letters, parsed, text_of, types_of

CheckAxe = Callable[[Page], None]
Screenshot = Callable[[Page, str], None]


def _png(width: int, height: int) -> bytes:
    """Draw a picture all of one colour."""

    def chunk(name: bytes, octets: bytes) -> bytes:
        check = zlib.crc32(name + octets)
        return struct.pack(">I", len(octets)) + name + octets + struct.pack(">I", check)

    rows = (b"\0" + b"\x2b\x6d\xc2" * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


_RICH = (
    b"From: Mira Oakes <mira@quay.example>\r\nTo: %b\r\nSubject: Plate 14\r\n"
    b"Message-ID: <rich@quay.example>\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/related; boundary=r\r\n\r\n"
    b"--r\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    b'<div style="font-family:Georgia"><p style="color:#a11">Look at the <b>plate</b>:</p>'
    b'<img src="cid:plate@quay" alt="the plate" width="120"><p>All of the text below it moves.</p>'
    b'<img src="https://spy.test/1.png" alt="a remote picture"></div>\r\n'
    b"--r\r\nContent-Type: image/png\r\nContent-ID: <plate@quay>\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\n" + b64encode(_png(120, 60)) + b"\r\n--r--\r\n"
)
_PLAIN = (
    b"From: Bob <%b>\r\nTo: %b\r\nSubject: Lunch on Thursday?\r\n"
    b"Message-ID: <plain@demo.test>\r\n\r\nThe old post house has a new menu.\r\nNoon?\r\n"
)


class Desk:
    """Somebody who writes, and somebody who is written to."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.own, self.other = server.mailbox(), server.mailbox()

    def store(self, box: Box) -> MailboxStore:
        """The mail of one of them."""
        found = self.server.house.directory.mailbox(box.login)
        assert found is not None
        return self.server.house.store.mailbox(found.postoffice_id, found.id)

    def file(self, octets: bytes, use: Use = Use.INBOX) -> int:
        """Put a message into the writer's mailbox."""
        box = self.store(self.own)
        return file(box, box.special(use).id, octets)

    def received(self, count: int = 1) -> list[EmailMessage]:
        """What the other one has got, once it is so much."""
        box = self.store(self.other)

        def found() -> list[EmailMessage]:
            here = letters(box, Use.INBOX)
            return here if len(here) >= count else []

        return until(found, f"{count} letters arrive")

    def one(self) -> EmailMessage:
        """The only letter that the other one has got."""
        [message] = self.received()
        return message

    def kept(self, use: Use) -> list[EmailMessage]:
        """What lies in a folder of the writer."""
        return letters(self.store(self.own), use)

    def drafts(self, count: int = 1) -> list[EmailMessage]:
        """The writer's drafts, once they are so many."""
        return until(
            lambda: found if len(found := self.kept(Use.DRAFTS)) == count else [],
            f"{count} drafts are saved",
        )

    def draft_with(self, text: str) -> EmailMessage:
        """The only draft, once it has a text."""

        def found() -> EmailMessage | None:
            drafts = self.kept(Use.DRAFTS)
            return drafts[0] if drafts and text in text_of(drafts[0]) else None

        message = until(found, f"the draft says {text!r}")
        assert message is not None
        assert len(self.kept(Use.DRAFTS)) == 1
        return message


@pytest.fixture
def desk(server: Server) -> Desk:
    """Two mailboxes that no other test has."""
    return Desk(server)


@pytest.fixture
def writing(page: Page, desk: Desk, sign_in: SignIn) -> Page:
    """The page of a new letter."""
    sign_in(page, "webmail", desk.own)
    page.get_by_role("link", name="Write").click()
    expect(page.get_by_label("To", exact=True)).to_be_focused()
    return page


def rich(page: Page) -> Locator:
    """The text of a letter."""
    return page.locator("#rich")


def send(page: Page) -> None:
    """Send by the button, and arrive at the list."""
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Sent.", exact=True)).to_be_visible()


# ── a new letter ─────────────────────────────────────────────────────────────────────────────────


def test_a_new_letter_written_by_keys_arrives_with_its_formatting(
    writing: Page, desk: Desk, check_axe: CheckAxe, screenshot: Screenshot
) -> None:
    page = writing
    check_axe(page)
    page.keyboard.type(f"{desk.other.address},")
    expect(page.get_by_role("listitem").filter(has_text=desk.other.name)).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("Night boats: plate 14 – Grüße")
    page.keyboard.press("Enter")
    expect(rich(page)).to_be_focused()
    page.keyboard.type("Hello Mira,")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.keyboard.type("plate 13 ")
    page.keyboard.press("Control+b")
    page.keyboard.type("stays")
    expect(page.get_by_role("button", name="Bold")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Control+b")
    page.keyboard.type(" as it is, see https://lantern.example/14 there")
    expect(page.get_by_text("Draft saved")).to_be_visible()
    check_axe(page)
    screenshot(page, "write-new")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Sent.", exact=True)).to_be_visible()
    message = desk.one()
    assert message["Subject"] == "Night boats: plate 14 – Grüße"
    assert types_of(message) == ["multipart/alternative", "text/plain", "text/html"]
    assert text_of(message).startswith("Hello Mira,\n\nplate 13 stays as it is")
    assert "<b>stays</b>" in text_of(message, "html")
    assert 'href="https://lantern.example/14"' in text_of(message, "html")
    assert desk.kept(Use.DRAFTS) == []
    assert [each["Message-ID"] for each in desk.kept(Use.SENT)] == [message["Message-ID"]]


def test_what_arrives_is_the_same_by_pop3(writing: Page, desk: Desk) -> None:
    page = writing
    page.keyboard.type(desk.other.address)
    page.get_by_label("Subject").fill("by POP3")
    rich(page).fill("Hello.")
    send(page)
    desk.one()
    pop = poplib.POP3("127.0.0.1", desk.server.ports["pop3"], timeout=10)
    pop.user(desk.other.login)
    pop.pass_(desk.other.password)
    message = parsed(b"\r\n".join(pop.retr(1)[1]) + b"\r\n")
    pop.quit()
    assert message["To"] == desk.other.address
    assert text_of(message) == "Hello."
    assert not any(name.startswith("X-Posthouse") for name in message)


def test_a_double_click_sends_once(writing: Page, desk: Desk) -> None:
    page = writing
    page.keyboard.type(desk.other.address)
    rich(page).fill("once")
    page.get_by_role("button", name="Send").dblclick()
    expect(page.get_by_text("Sent.", exact=True)).to_be_visible()
    desk.one()
    assert len(desk.kept(Use.SENT)) == 1


def test_plain_text_is_sent_as_nothing_else(writing: Page, desk: Desk, check_axe: CheckAxe) -> None:
    page = writing
    page.keyboard.type(desk.other.address)
    rich(page).click()
    page.keyboard.type("Dear all,")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="List", exact=True).click()
    page.keyboard.type("one")
    page.keyboard.press("Enter")
    page.keyboard.type("two")
    page.get_by_role("button", name="Plain text").click()
    text = page.get_by_role("textbox", name="Text")
    expect(text).to_have_value("Dear all,\n* one\n* two")
    check_axe(page)
    page.get_by_role("button", name="Undo").click()
    expect(rich(page).locator("li")).to_have_count(2)
    page.get_by_role("button", name="Plain text").click()
    text.press("Control+End")
    page.keyboard.type(" <b>three</b>")
    send(page)
    message = desk.one()
    assert types_of(message) == ["text/plain"]
    assert text_of(message) == "Dear all,\n* one\n* two <b>three</b>"


def test_a_link_is_set_changed_and_removed(writing: Page, desk: Desk, check_axe: CheckAxe) -> None:
    page = writing
    page.keyboard.type(desk.other.address)
    rich(page).click()
    page.keyboard.type("the plan")
    page.keyboard.press("Control+a")
    page.keyboard.press("Control+k")
    field = page.get_by_label("Address of the link")
    expect(field).to_be_focused()
    check_axe(page)
    page.keyboard.type("lantern.example/plan")
    page.keyboard.press("Enter")
    expect(rich(page).locator("a")).to_have_attribute("href", "https://lantern.example/plan")
    page.get_by_role("button", name="Link", exact=True).click()
    expect(field).to_have_value("https://lantern.example/plan")
    page.get_by_role("button", name="Remove link").click()
    expect(rich(page).locator("a")).to_have_count(0)
    page.get_by_role("button", name="Link", exact=True).click()
    field.fill("javascript:alert(1)")
    page.get_by_role("button", name="Set link").click()
    send(page)
    assert "javascript" not in text_of(desk.one(), "html")


def test_pasted_html_loses_what_could_harm_and_the_browser_complains_of_nothing(
    writing: Page, desk: Desk
) -> None:
    page = writing
    page.keyboard.type(desk.other.address)
    rich(page).click()
    page.evaluate(
        """() => {
          const carried = new DataTransfer();
          carried.setData("text/plain", "x");
          carried.setData("text/html", `<meta charset="utf-8"><style>p{color:red}</style>
            <p style="color:red" onclick="alert(1)" title='style=1'>Take <b>this</b></p>
            <img src="https://spy.test/1.png" onerror="alert(1)"><script>alert(1)</script>
            <iframe src="https://spy.test/"></iframe><svg onload="alert(1)"></svg>
            <a href="javascript:alert(1)">bad</a> <a href="https://good.example/">good</a>
            <table style="width:9px"><tr><td>cell</td></tr></table>`);
          const how = { clipboardData: carried, bubbles: true, cancelable: true };
          document.getElementById("rich").dispatchEvent(new ClipboardEvent("paste", how));
        }"""
    )
    expect(rich(page)).to_contain_text("Take this")
    send(page)
    html = text_of(desk.one(), "html")
    assert "<b>this</b>" in html
    assert 'href="https://good.example/"' in html
    assert "cell" in html
    for forbidden in ("style=", "onclick", "<img", "<script", "<iframe", "<svg", "javascript"):
        assert forbidden not in html


def test_text_is_cut_pasted_and_undone_without_a_complaint(writing: Page, desk: Desk) -> None:
    page = writing
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.keyboard.type(desk.other.address)
    rich(page).click()
    page.keyboard.type("one ")
    page.keyboard.press("Control+i")
    page.keyboard.type("two")
    page.keyboard.press("Control+a")
    page.keyboard.press("Control+x")
    expect(rich(page)).to_have_text("")
    page.keyboard.press("Control+v")
    page.keyboard.press("Control+v")
    expect(rich(page)).to_have_text("one twoone two")
    page.keyboard.press("Control+z")
    expect(rich(page)).to_have_text("one two")
    send(page)
    assert "one <i>two</i>" in text_of(desk.one(), "html")


# ── recipients ───────────────────────────────────────────────────────────────────────────────────


def test_recipients_are_removed_and_changed_by_keys(writing: Page, check_axe: CheckAxe) -> None:
    page = writing
    page.keyboard.type('a@x.test, "Doe, Jane" <jane@x.test>; c@x.test,')
    chips = page.get_by_role("list", name="To: recipients").get_by_role("listitem")
    expect(chips).to_have_count(3)
    check_axe(page)
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("button", name="Remove c@x.test")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Delete")
    expect(chips).to_have_count(2)
    expect(page.get_by_role("button", name="Remove c@x.test")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("To", exact=True)).to_have_value("c@x.test")
    page.keyboard.type(".example")
    page.keyboard.press("Tab")
    assert page.locator("[name=to]").input_value() == "a@x.test, c@x.test.example"
    page.get_by_label("To", exact=True).focus()
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("button", name="Remove c@x.test.example")).to_be_focused()


def test_a_list_of_addresses_is_pasted_as_chips(writing: Page) -> None:
    page = writing
    page.evaluate(
        """() => {
          const carried = new DataTransfer();
          carried.setData("text/plain", "a@x.test\\nB <b@x.test>, c@x.test");
          const how = { clipboardData: carried, bubbles: true, cancelable: true };
          document.getElementById("to").dispatchEvent(new ClipboardEvent("paste", how));
        }"""
    )
    expect(page.get_by_role("list", name="To: recipients").get_by_role("listitem")).to_have_count(3)


def test_a_comma_for_a_dot_is_corrected_by_a_click(
    writing: Page, desk: Desk, screenshot: Screenshot, check_axe: CheckAxe
) -> None:
    page = writing
    local, domain = desk.other.address.split("@")
    page.keyboard.type(f"{local}@{domain.replace('.', ',')}")
    page.keyboard.press("Tab")
    expect(page.get_by_text("has a comma where a dot belongs")).to_be_visible()
    check_axe(page)
    screenshot(page, "write-comma")
    page.get_by_role("button", name=f"Use {desk.other.address}").click()
    expect(page.get_by_text("has a comma where a dot belongs")).to_be_hidden()
    send(page)
    assert desk.one()["To"] == desk.other.address


def test_what_the_rules_refuse_is_said_beside_the_address_and_all_is_kept(
    writing: Page, desk: Desk, complaints: Complaints, screenshot: Screenshot, check_axe: CheckAxe
) -> None:
    complaints.expect("status of 400")
    page = writing
    page.get_by_role("button", name="Bcc").click()
    expect(page.get_by_role("textbox", name="Bcc")).to_be_focused()
    page.keyboard.type("nobody.here@demo.test")
    page.get_by_label("To", exact=True).fill(desk.other.address)
    rich(page).fill("still here")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("There is no address nobody.here@demo.test here.")).to_be_visible()
    expect(page.get_by_role("textbox", name="Bcc")).to_be_focused()
    expect(page.get_by_role("textbox", name="Bcc")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_role("listitem").filter(has_text="nobody.here")).to_have_class(
        re.compile("bad")
    )
    expect(rich(page)).to_have_text("still here")
    check_axe(page)
    screenshot(page, "write-refused")
    page.get_by_role("button", name="Remove nobody.here@demo.test").click()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Sent.", exact=True)).to_be_visible()
    assert text_of(desk.one()) == "still here"


def test_blind_copies_stay_blind(writing: Page, desk: Desk) -> None:
    page = writing
    page.keyboard.type("alice@demo.test")
    page.get_by_role("button", name="Bcc").click()
    page.keyboard.type(desk.other.address)
    send(page)
    message = desk.one()
    assert message["To"] == "alice@demo.test"
    assert desk.other.address.encode() not in message.as_bytes()
    assert desk.kept(Use.SENT)[0]["Bcc"] == desk.other.address


# ── drafts ───────────────────────────────────────────────────────────────────────────────────────


def test_drafts_save_themselves_and_go_on_after_a_reload(writing: Page, desk: Desk) -> None:
    page = writing
    rich(page).click()
    page.keyboard.type("first")
    state = page.get_by_role("status").filter(has_text="Draft saved")
    expect(state).to_be_visible()
    expect(page).to_have_url(re.compile(r"/webmail/compose/\d+$"))
    page.reload()
    expect(rich(page)).to_have_text("first")
    rich(page).press("Control+End")
    page.keyboard.type(" second")
    desk.draft_with("first second")


def test_a_draft_is_opened_from_the_list_and_gone_on_with(writing: Page, desk: Desk) -> None:
    page = writing
    page.get_by_label("Subject").fill("Unfinished")
    rich(page).fill("so far")
    page.get_by_role("link", name="Drafts").click()
    page.get_by_role("link", name="Unfinished").click()
    expect(page.get_by_label("Subject")).to_have_value("Unfinished")
    expect(rich(page)).to_have_text("so far")
    page.get_by_label("To", exact=True).fill(desk.other.address)
    send(page)
    assert text_of(desk.one()) == "so far"
    assert desk.kept(Use.DRAFTS) == []


def test_closing_by_escape_keeps_what_was_typed(writing: Page, desk: Desk) -> None:
    page = writing
    rich(page).click()
    page.keyboard.type("not lost")
    page.keyboard.press("Escape")  # in the text it does nothing
    expect(rich(page)).to_have_text("not lost")
    page.get_by_role("button", name="Discard").focus()
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
    desk.draft_with("not lost")


def test_a_page_that_is_closed_at_once_has_saved(writing: Page, desk: Desk) -> None:
    page = writing
    rich(page).click()
    page.keyboard.type("typed in the last second")
    page.close(run_before_unload=True)
    desk.draft_with("typed in the last second")


def test_signing_out_saves_first(writing: Page, desk: Desk) -> None:
    page = writing
    rich(page).click()
    page.keyboard.type("typed before leaving")
    page.get_by_role("button", name=desk.own.login).click()
    page.keyboard.press("Escape")  # closes the menu only
    expect(rich(page)).to_have_text("typed before leaving")
    page.get_by_role("button", name=desk.own.login).click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in to your mail")).to_be_visible()
    desk.draft_with("typed before leaving")


def test_nothing_typed_is_no_draft(writing: Page, desk: Desk) -> None:
    page = writing
    page.get_by_label("Subject").focus()
    page.get_by_role("link", name="Close").click()
    expect(page.get_by_role("heading", name="Inbox")).to_be_visible()
    assert desk.kept(Use.DRAFTS) == []


def test_discarding_is_undone(writing: Page, desk: Desk) -> None:
    page = writing
    rich(page).click()
    page.keyboard.type("thrown away")
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_text("The draft is deleted.")).to_be_visible()
    assert desk.kept(Use.DRAFTS) == []
    page.get_by_role("button", name="Undo").click()
    desk.draft_with("thrown away")


def test_a_server_that_is_gone_loses_nothing(
    writing: Page, desk: Desk, complaints: Complaints
) -> None:
    complaints.expect("ERR_INTERNET_DISCONNECTED")
    page = writing
    page.keyboard.type(desk.other.address)
    page.context.set_offline(True)
    rich(page).click()
    page.keyboard.type("typed without a network")
    expect(page.get_by_text("Not saved yet")).to_be_visible()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("was not sent")).to_be_visible()
    expect(rich(page)).to_have_text("typed without a network")
    page.context.set_offline(False)
    send(page)
    assert text_of(desk.one()) == "typed without a network"


@pytest.fixture
def signed_out(complaints: Complaints, sign_in: SignIn) -> SignIn:
    """Sign in again after a session has ended, of which the browser's console tells."""
    complaints.expect("status of 401")
    complaints.expect("status of 403")
    return sign_in


def test_a_session_that_ended_loses_nothing(
    writing: Page, desk: Desk, signed_out: SignIn, check_axe: CheckAxe, screenshot: Screenshot
) -> None:
    page = writing
    page.keyboard.type(desk.other.address)
    page.context.clear_cookies(name="posthouse")
    rich(page).click()
    page.keyboard.type("typed while signed out")
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    check_axe(page)
    screenshot(page, "write-signed-out")
    page.get_by_role("button", name="Send").click()
    expect(rich(page)).to_have_text("typed while signed out")
    with page.expect_popup() as popup:
        page.get_by_role("link", name="Sign in, in a new tab").click()
    signed_out(popup.value, "webmail", desk.own)
    popup.value.close()
    page.evaluate("dispatchEvent(new Event('focus'))")
    expect(page.get_by_text("You are signed out.")).to_be_hidden()
    desk.draft_with("typed while signed out")
    send(page)
    assert text_of(desk.one()) == "typed while signed out"


def test_somebody_elses_session_gets_nothing_of_the_letter(
    writing: Page, desk: Desk, signed_out: SignIn
) -> None:
    page = writing
    page.context.clear_cookies(name="posthouse")
    other = page.context.new_page()
    signed_out(other, "webmail", desk.other)
    rich(page).click()
    page.keyboard.type("for my own eyes")
    expect(page.get_by_text("Somebody else is signed in here now.")).to_be_visible()
    expect(rich(page)).to_have_text("for my own eyes")
    assert letters(desk.store(desk.other), Use.DRAFTS) == []


# ── attachments ──────────────────────────────────────────────────────────────────────────────────


def test_files_are_chosen_removed_and_arrive_octet_by_octet(
    writing: Page, desk: Desk, tmp_path: Path, check_axe: CheckAxe, screenshot: Screenshot
) -> None:
    page = writing
    page.keyboard.type(desk.other.address)
    names = [
        'quo"te & <b>.txt',
        "Übersicht — 履歴書.pdf",
        "a" * 120 + ".bin",
        "plain.png",
        "x'y;z.tif",
    ]
    found = {name: bytes([number]) * 70_000 for number, name in enumerate(names)}
    for name, octets in found.items():
        (tmp_path / name).write_bytes(octets)
    page.locator("#file").set_input_files([tmp_path / name for name in names])
    expect(page.locator(".file:not([data-uploading])")).to_have_count(5)
    check_axe(page)
    screenshot(page, "write-files")
    page.get_by_role("button", name="Remove plain.png").click()
    expect(page.locator(".file")).to_have_count(4)
    rich(page).fill("four files")
    send(page)
    del found["plain.png"]
    assert files_of(desk.one()) == found


def test_files_are_dropped_anywhere_and_show_how_far_they_are(
    writing: Page, desk: Desk, screenshot: Screenshot
) -> None:
    page = writing
    held: list[Route] = []
    page.route("**/webmail/compose", lambda route: held.append(route))  # noqa: PLW0108 - as playwright wants it
    page.evaluate(
        """() => {
          const carried = new DataTransfer();
          carried.items.add(new File(["x".repeat(3 << 20)], "dropped.txt", { type: "text/plain" }));
          window.how = { dataTransfer: carried, bubbles: true, cancelable: true };
          for (const type of ["dragenter", "dragover"]) {
            document.getElementById("subject").dispatchEvent(new DragEvent(type, window.how));
          }
        }"""
    )
    expect(page.get_by_text("Let go to attach")).to_be_visible()
    screenshot(page, "write-dropping")
    with page.expect_request("**/webmail/compose"):
        page.evaluate(
            """() => {
              document.getElementById("rich").dispatchEvent(new DragEvent("drop", window.how));
            }"""
        )
    expect(page.get_by_text("Let go to attach")).to_be_hidden()
    expect(page.get_by_role("progressbar", name="dropped.txt")).to_be_visible()
    expect(page.get_by_text(re.compile(r"of 3 MB"))).to_be_visible()
    screenshot(page, "write-uploading")
    held[0].continue_()
    page.unroute("**/webmail/compose")
    expect(page.get_by_role("button", name="Remove dropped.txt")).to_be_visible()
    assert files_of(desk.drafts()[0]) == {"dropped.txt": b"x" * (3 << 20)}


def test_an_upload_can_be_given_up(writing: Page, desk: Desk) -> None:
    page = writing
    page.route("**/webmail/compose", lambda _route: None)
    page.locator("#file").set_input_files(
        {"name": "film.mp4", "mimeType": "video/mp4", "buffer": b"f" * 100_000}
    )
    page.get_by_role("button", name="Don't attach film.mp4").click()
    expect(page.locator(".file")).to_have_count(0)
    expect(page.locator("#file")).to_be_focused()
    page.unroute("**/webmail/compose")
    rich(page).fill("without a film")
    expect(page.get_by_text("Draft saved")).to_be_visible()
    assert files_of(desk.draft_with("without a film")) == {}
    assert len(desk.kept(Use.DRAFTS)) == 1  # also when the server had taken it already


def test_too_large_a_file_is_refused_in_words_before_it_travels(
    writing: Page, tmp_path: Path, check_axe: CheckAxe, screenshot: Screenshot
) -> None:
    page = writing
    with (tmp_path / "film.mp4").open("wb") as film:
        film.truncate(60 << 20)
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    page.locator("#file").set_input_files(tmp_path / "film.mp4")
    expect(
        page.get_by_text("film.mp4 has 60 MB; 36 MB still fit into this letter.")
    ).to_be_visible()
    assert "POST" not in sent
    check_axe(page)
    screenshot(page, "write-too-large")


# ── answers ──────────────────────────────────────────────────────────────────────────────────────


def test_a_reply_to_html_quotes_it_in_its_own_look(
    page: Page, desk: Desk, sign_in: SignIn, check_axe: CheckAxe, screenshot: Screenshot
) -> None:
    uid = desk.file(_RICH % desk.own.address.encode())
    sign_in(page, "webmail", desk.own)
    page.get_by_role("link", name="Plate 14").click()
    page.get_by_role("link", name="Reply", exact=True).first.click()
    expect(rich(page)).to_be_focused()
    page.keyboard.type("Agreed.")
    page.get_by_text("Quoted text").click()
    frame = page.frame_locator("iframe[title='Quoted text']")
    expect(frame.get_by_text("Look at the plate:")).to_be_visible()
    expect(frame.locator("img")).to_have_js_property("naturalWidth", 120)
    check_axe(page)
    screenshot(page, "write-reply")
    expect(page.get_by_text("Draft saved")).to_be_visible()
    page.get_by_role("button", name="Remove Mira Oakes").click()
    page.get_by_label("To", exact=True).fill(desk.other.address)
    send(page)
    message = desk.one()
    assert text_of(message, "html").startswith("<div>Agreed.</div><section>")
    assert "color:#a11" in text_of(message, "html")
    assert "spy.test" not in text_of(message, "html")
    assert "image/png" in types_of(message)
    assert "> Look at the plate:" in text_of(message)
    box = desk.store(desk.own)
    [(marked, flags)] = box.marks(box.special(Use.INBOX).id)
    assert (marked, bool(flags & Flag.ANSWERED)) == (uid, True)


def test_a_quotation_is_changed_or_left_out(page: Page, desk: Desk, sign_in: SignIn) -> None:
    desk.file(_RICH % desk.own.address.encode())
    sign_in(page, "webmail", desk.own)
    page.get_by_role("link", name="Plate 14").click()
    page.get_by_role("link", name="Reply", exact=True).first.click()
    page.get_by_text("Quoted text").click()
    frame = page.frame_locator("iframe[title='Quoted text']")
    expect(frame.get_by_text("Look at the plate:")).to_be_visible()  # clicks meanwhile get lost
    page.get_by_role("button", name="Leave it out").click()
    expect(page.get_by_text("Quoted text", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Change the quotation").click()
    expect(page.get_by_text("Quoted text", exact=True)).to_be_hidden()
    expect(rich(page).locator("blockquote")).to_contain_text("Look at the plate:")
    rich(page).get_by_text("All of the text below it moves.").click()
    page.keyboard.press("End")
    page.keyboard.type(" No, it stays.")
    page.get_by_label("To", exact=True).fill(desk.other.address)
    send(page)
    html = text_of(desk.one(), "html")
    assert "it moves. No, it stays." in html
    assert "<section" not in html


def test_a_forward_carries_what_was_attached(page: Page, desk: Desk, sign_in: SignIn) -> None:
    octets = (
        b"From: a@x.test\r\nSubject: Plan\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHere it is.\r\n"
        b"--b\r\nContent-Type: application/pdf; name=plan.pdf\r\n"
        b"Content-Disposition: attachment\r\n\r\n%PDF\r\n"
        b"--b\r\nContent-Type: text/csv; name=list.csv\r\n"
        b"Content-Disposition: attachment\r\n\r\n1;2\r\n--b--\r\n"
    )
    desk.file(octets)
    sign_in(page, "webmail", desk.own)
    page.get_by_role("link", name="Plan").click()
    page.get_by_role("link", name="Forward", exact=True).first.click()
    page.get_by_role("button", name="Remove list.csv").click()
    expect(page.locator(".file")).to_have_count(1)
    expect(page.locator(".people").first).to_be_attached()  # without scripts the page came anew
    page.get_by_label("To", exact=True).fill(desk.other.address)
    send(page)
    message = desk.one()
    assert message["Subject"] == "Fwd: Plan"
    assert files_of(message) == {"plan.pdf": b"%PDF"}
    assert "Here it is." in text_of(message)


def test_by_keys_alone_from_the_list_to_the_answer(page: Page, desk: Desk, sign_in: SignIn) -> None:
    desk.file(_PLAIN % (desk.other.address.encode(), desk.own.address.encode()))
    sign_in(page, "webmail", desk.own)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Lunch on Thursday?")).to_be_visible()
    page.keyboard.press("r")
    text = page.get_by_role("textbox", name="Text")
    expect(text).to_be_focused()
    page.keyboard.type("Noon is fine.")
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("button", name="Plain text")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Sent.", exact=True)).to_be_visible()
    message = desk.one()
    assert types_of(message) == ["text/plain"]
    first, *rest = text_of(message).split("\n")
    assert first == "Noon is fine."
    assert "> Noon?" in rest
    assert message["In-Reply-To"] == "<plain@demo.test>"


def test_the_toolbar_is_one_stop_and_arrows_go_along_it(writing: Page) -> None:
    page = writing
    page.get_by_label("Priority").focus()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Bold")).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("button", name="Underline")).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("button", name="Plain text")).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(rich(page)).to_be_focused()
    page.keyboard.type("bold")
    expect(rich(page).locator("b")).to_have_text("bold")
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("button", name="Bold")).to_be_focused()
    page.keyboard.press("Tab")
    expect(rich(page)).to_be_focused()
    page.keyboard.press("Tab")  # the text is no trap
    expect(page.locator("#file")).to_be_focused()


# ── a phone ──────────────────────────────────────────────────────────────────────────────────────


def test_on_a_phone_everything_is_in_reach_of_a_thumb(
    new_page: NewPage, desk: Desk, sign_in: SignIn, check_axe: CheckAxe
) -> None:
    page = new_page(viewport={"width": 390, "height": 500}, has_touch=True, is_mobile=True)
    sign_in(page, "webmail", desk.own)
    page.get_by_role("link", name="Write").tap()
    expect(page.get_by_label("To", exact=True)).to_be_focused()
    page.get_by_label("To", exact=True).fill(f"{desk.other.address},")
    page.get_by_label("Subject").tap()
    rich(page).tap()
    for _ in range(30):
        page.keyboard.type("line")
        page.keyboard.press("Enter")
    check_axe(page)
    button = page.get_by_role("button", name="Send")
    expect(button).to_be_in_viewport()
    box = button.bounding_box()
    assert box is not None
    assert box["height"] >= 44
    button.tap()
    expect(page.get_by_text("Sent.", exact=True)).to_be_visible()
    assert text_of(desk.one()).count("line") == 30


# ── without script ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def still(new_page: NewPage, desk: Desk, sign_in: SignIn) -> Page:
    """A page without script."""
    page = new_page(java_script_enabled=False)
    sign_in(page, "webmail", desk.own)
    return page


def test_without_script_a_letter_is_written_saved_and_sent(
    still: Page, desk: Desk, tmp_path: Path, complaints: Complaints
) -> None:
    complaints.expect("status of 400")
    page = still
    page.get_by_role("link", name="Write").click()
    (tmp_path / "plan.txt").write_bytes(b"plan")
    page.get_by_label("To", exact=True).fill("nobody.here@demo.test")
    page.get_by_label("Cc", exact=True).fill(desk.other.address.replace(".", ","))
    page.get_by_label("Subject").fill("Without script")
    page.get_by_role("textbox", name="Text").fill("Hello,\nI am here.")
    page.locator("#file").set_input_files(tmp_path / "plan.txt")
    page.get_by_role("button", name="Attach").click()
    expect(page.get_by_text("Draft saved")).to_be_visible()
    expect(page.get_by_text("plan.txt")).to_be_visible()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("has a comma where a dot belongs")).to_be_visible()
    page.get_by_role("button", name="Use ").click()
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("There is no address nobody.here@demo.test here.")).to_be_visible()
    expect(page.get_by_label("To", exact=True)).to_be_focused()
    page.get_by_label("To", exact=True).fill(desk.other.address)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Sent.", exact=True)).to_be_visible()
    message = desk.one()
    assert types_of(message) == ["multipart/mixed", "text/plain", "text/plain"]
    assert text_of(message) == "Hello,\nI am here."
    assert files_of(message) == {"plan.txt": b"plan"}
    assert desk.kept(Use.DRAFTS) == []


def test_without_script_html_is_answered_in_plain_text(still: Page, desk: Desk) -> None:
    desk.file(_RICH % desk.own.address.encode())
    page = still
    page.reload()
    page.get_by_role("link", name="Plate 14").click()
    page.get_by_role("link", name="Reply", exact=True).first.click()
    text = page.get_by_role("textbox", name="Text")
    expect(text).to_have_value(re.compile(r"> Look at the plate:"))
    text.press("Control+Home")
    page.keyboard.type("Agreed.")
    page.get_by_label("To", exact=True).fill(desk.other.address)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Sent.", exact=True)).to_be_visible()
    message = desk.one()
    assert types_of(message) == ["text/plain"]
    assert text_of(message).startswith("Agreed.\n\nOn ")


def test_without_script_what_was_typed_survives_the_end_of_the_session(
    still: Page, desk: Desk, signed_out: SignIn, screenshot: Screenshot
) -> None:
    page = still
    page.get_by_role("link", name="Write").click()
    page.get_by_label("To", exact=True).fill(desk.other.address)
    page.get_by_role("textbox", name="Text").fill("a long letter")
    page.context.clear_cookies(name="posthouse")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    expect(page.get_by_label("What you wrote")).to_have_value("a long letter")
    screenshot(page, "write-unsent")
    with page.expect_popup() as popup:
        page.get_by_role("link", name="Sign in, in a new tab").click()
    signed_out(popup.value, "webmail", desk.own)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("textbox", name="Text")).to_have_value("a long letter")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Sent.", exact=True)).to_be_visible()
    assert text_of(desk.one()) == "a long letter"


def test_without_script_a_discarded_draft_comes_back(still: Page, desk: Desk) -> None:
    page = still
    page.get_by_role("link", name="Write").click()
    page.get_by_role("textbox", name="Text").fill("thrown away")
    page.get_by_role("button", name="Discard").click()
    page.get_by_role("button", name="Undo").click()
    desk.draft_with("thrown away")
