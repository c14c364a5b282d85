"""Webmail's folders, list and reading pane, by real clicks and keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from email.message import EmailMessage

import pytest
from playwright.sync_api import Page, expect

from appliance.store.mailbox import MailboxStore
from appliance.store.message import NO_FLAGS, Flag, Use
from tests.browser.conftest import Complaints, NewPage, SignIn
from tests.support.boxes import file, letter
from tests.support.serving import Box, Server
from tests.support.waiting import until

_PHONE = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 2,
}
_HOSTILE = """<p id=said>Hello.</p>
<script>document.title = "taken over"; alert(1)</script>
<img src=x onerror="alert(2)"><svg onload="alert(3)"></svg>
<a href="javascript:alert(4)">first</a>
<form action="https://elsewhere.example/"><button>second</button></form>
<style>@import "https://elsewhere.example/a.css"; p { background: url(https://elsewhere.example/b) }</style>
<p style="background-image: url('https://elsewhere.example/c')">third</p>
<img src="https://elsewhere.example/d.png" alt="the harbour">
<meta http-equiv="refresh" content="0; url=https://elsewhere.example/e">
<iframe src="https://elsewhere.example/f"></iframe>
<link rel="stylesheet" href="https://elsewhere.example/g.css">
"""  # noqa: E501 - a style in one line


class Mail:
    """Somebody's mailbox, with hands on what is in it."""

    def __init__(self, server: Server, box: Box) -> None:
        mailbox = server.house.directory.mailbox(box.login)
        assert mailbox is not None
        self.box = box
        self.store: MailboxStore = server.house.store.mailbox(mailbox.postoffice_id, mailbox.id)

    def id(self, use: Use = Use.INBOX) -> int:
        """The id of a special folder."""
        return self.store.special(use).id

    def put(self, octets: bytes, flags: Flag = NO_FLAGS, use: Use = Use.INBOX) -> int:
        """File a message; returns its uid."""
        return file(self.store, self.id(use), octets, flags=flags)

    def count(self, use: Use = Use.INBOX) -> tuple[int, int]:
        """Messages of a folder, and how many of them are unread."""
        folder = self.store.special(use)
        return folder.messages, folder.unread


@pytest.fixture
def mail(server: Server, box: Box) -> Mail:
    return Mail(server, box)


@pytest.fixture
def webmail(page: Page, sign_in: SignIn, mail: Mail) -> Page:
    """Webmail, with somebody in it whose mailbox has five messages."""
    for number in range(1, 6):
        mail.put(letter(f"number {number}", body=f"Text of {number}."))
    sign_in(page, "webmail", mail.box)
    return page


def _html(body: str, *, subject: str = "designed", **fields: str) -> bytes:
    made = EmailMessage()
    made["From"] = "News <news@x.test>"
    made["Subject"] = subject
    for name, value in fields.items():
        made[name] = value
    made.set_content(body, subtype="html")
    return made.as_bytes()


def _rows(page: Page) -> list[str]:
    return page.locator(".msg .subj > .cut").all_inner_texts()


def _open(page: Page, subject: str) -> None:
    page.locator(".msg a.open", has_text=subject).click()
    expect(page.locator("#read h1")).to_have_text(subject)


def test_opening_a_message_keeps_the_list_and_can_be_gone_back_on(webmail: Page) -> None:
    expect(webmail.locator("#count")).to_have_text("5 unread of 5")
    _open(webmail, "number 4")
    expect(webmail.locator(".prose")).to_contain_text("Text of 4.")
    expect(webmail.locator("#count")).to_have_text("4 unread of 5")
    expect(webmail).to_have_title("number 4 · Posthouse")
    expect(webmail.locator('.msg a[aria-current="true"]')).to_contain_text("number 4")
    assert re.search(r"/webmail/\d+/4$", webmail.url)
    _open(webmail, "number 2")
    webmail.go_back()
    expect(webmail.locator("#read h1")).to_have_text("number 4")
    webmail.go_back()
    expect(webmail.locator("#reader")).to_contain_text("No message is open")
    expect(webmail).to_have_title("Inbox (3) · Posthouse")
    webmail.go_forward()
    webmail.reload()
    expect(webmail.locator("#read h1")).to_have_text("number 4")
    assert len(_rows(webmail)) == 5


def test_deleting_by_key_reads_on_and_undo_brings_it_back(webmail: Page, mail: Mail) -> None:
    _open(webmail, "number 4")
    webmail.keyboard.press("#")
    expect(webmail.locator("#toasts")).to_contain_text("1 message moved to Deleted Items")
    expect(webmail.locator("#read h1")).to_have_text("number 3")
    expect(webmail.locator(".msg.on a.open")).to_be_focused()
    assert _rows(webmail) == ["number 5", "number 3", "number 2", "number 1"]
    webmail.keyboard.press("z")
    expect(webmail.locator("#toasts")).to_contain_text("1 message is back")
    expect(webmail.locator(".msg")).to_have_count(5)
    assert mail.count() == (5, 3)
    assert mail.count(Use.TRASH) == (0, 0)


def test_a_mailbox_is_worked_through_by_keyboard_alone(webmail: Page, mail: Mail) -> None:
    webmail.keyboard.press("j")
    expect(webmail.locator(".msg a.open").first).to_be_focused()
    webmail.keyboard.press("j")
    webmail.keyboard.press("o")
    expect(webmail.locator("#read h1")).to_have_text("number 4")
    webmail.keyboard.press("k")
    expect(webmail.locator("#read h1")).to_have_text("number 5")
    webmail.keyboard.press("s")
    expect(webmail.get_by_role("button", name="Flag", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    expect(webmail.locator(".msg.on")).to_have_class(re.compile("flagged"))
    webmail.keyboard.press("Shift+U")
    expect(webmail.locator("#reader")).to_contain_text("No message is open")
    assert mail.count() == (5, 4)
    webmail.locator(".msg a.open").nth(2).focus()
    webmail.keyboard.press("x")
    webmail.keyboard.press("j")
    webmail.keyboard.press("x")
    expect(webmail.locator("#ticked")).to_have_text("2 selected")
    webmail.keyboard.press("Shift+I")
    expect(webmail.locator("#count")).to_have_text("2 unread of 5")
    webmail.keyboard.press("m")
    expect(webmail.locator("#move-ticked button").first).to_be_focused()
    webmail.keyboard.press("ArrowDown")
    webmail.keyboard.press("Enter")
    expect(webmail.locator("#toasts")).to_contain_text("2 messages moved to Deleted Items")
    expect(webmail.locator(".msg a.open", has_text="number 1")).to_be_focused()
    webmail.keyboard.press("g")
    webmail.keyboard.press("t")
    expect(webmail.locator("#list-bar h1")).to_have_text("Sent Items")
    webmail.keyboard.press("?")
    expect(webmail.get_by_role("dialog")).to_contain_text("Junk, or not junk")


def test_ticking_with_shift_takes_all_between_and_escape_none(webmail: Page) -> None:
    webmail.locator(".msg .lead").nth(1).click()
    webmail.locator(".msg .lead").nth(3).click(modifiers=["Shift"])
    expect(webmail.locator("#ticked")).to_have_text("3 selected")
    expect(webmail.get_by_role("toolbar")).to_be_visible()
    webmail.keyboard.press("Escape")
    expect(webmail.locator(".of-ticked")).to_be_hidden()
    webmail.locator(".msg a.open").nth(2).click(modifiers=["Shift"])
    expect(webmail.locator(".of-ticked")).to_be_visible()
    expect(webmail.locator("#reader")).to_contain_text("No message is open")


def test_all_of_a_folder_can_be_moved_at_once_and_back(
    page: Page, sign_in: SignIn, mail: Mail
) -> None:
    for number in range(70):
        mail.put(letter(f"number {number}"))
    sign_in(page, "webmail", mail.box)
    page.locator("[data-all-shown]").check()
    page.locator("#whole").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator("#messages")).to_contain_text("Nothing here yet")
    expect(page.locator("#toasts")).to_contain_text("70 messages moved to Deleted Items")
    page.keyboard.press("z")
    expect(page.locator("#count")).to_have_text("70 unread of 70")
    assert mail.count(Use.TRASH) == (0, 0)


def test_scrolling_loads_what_is_older_once(page: Page, sign_in: SignIn, mail: Mail) -> None:
    for number in range(120):
        mail.put(letter(f"number {number}"))
    sign_in(page, "webmail", mail.box)
    expect(page.locator(".msg")).to_have_count(50)
    for shown in (100, 120):
        page.locator("#messages").evaluate("list => { list.scrollTop = list.scrollHeight; }")
        expect(page.locator(".msg")).to_have_count(shown)
    assert _rows(page) == [f"number {number}" for number in reversed(range(120))]
    expect(page.locator(".day h2")).to_have_count(1)
    expect(page.locator("#more")).to_have_count(0)


def test_deleting_for_good_asks_and_returns_to_the_list(webmail: Page, mail: Mail) -> None:
    mail.put(letter("old"), use=Use.TRASH)
    webmail.get_by_role("link", name="Deleted Items").click()
    _open(webmail, "old")
    webmail.keyboard.press("#")
    dialog = webmail.get_by_role("dialog")
    expect(dialog).to_contain_text("Delete 1 message for good?")
    dialog.get_by_role("link", name="Keep it").click()
    expect(dialog).to_be_hidden()
    assert mail.count(Use.TRASH)[0] == 1
    webmail.keyboard.press("#")
    dialog.get_by_role("button", name="Delete for good").click()
    expect(webmail.locator("#messages")).to_contain_text("Nothing deleted")
    expect(dialog).to_be_hidden()
    assert mail.count(Use.TRASH)[0] == 0


def test_folders_are_made_renamed_and_deleted(webmail: Page, complaints: Complaints) -> None:
    complaints.expect("status of 422")
    webmail.get_by_role("link", name="New folder").click()
    name = webmail.get_by_role("textbox", name="Name")
    expect(name).to_be_focused()
    name.fill("inbox")
    name.press("Enter")
    expect(webmail.get_by_role("dialog")).to_contain_text("there is already a folder")
    expect(name).to_have_value("inbox")
    name.fill("Exhibitions")
    name.press("Enter")
    expect(webmail.locator("#list-bar h1")).to_have_text("Exhibitions")
    webmail.get_by_role("button", name="This folder").click()
    webmail.get_by_role("link", name="Rename folder").click()
    webmail.get_by_role("textbox", name="Name").fill("Fairs")
    webmail.get_by_role("button", name="Rename", exact=True).click()
    expect(webmail.locator("#list-bar h1")).to_have_text("Fairs")
    webmail.get_by_role("button", name="This folder").click()
    webmail.get_by_role("button", name="Delete folder").click()
    expect(webmail.locator("#list-bar h1")).to_have_text("Inbox")
    webmail.keyboard.press("z")
    expect(webmail.locator("#list-bar h1")).to_have_text("Fairs")


def test_a_message_is_dragged_into_a_folder(webmail: Page, mail: Mail) -> None:
    webmail.locator(".msg a.open", has_text="number 3").drag_to(
        webmail.get_by_role("link", name="Junk E-mail")
    )
    expect(webmail.locator("#toasts")).to_contain_text("1 message moved to Junk E-mail")
    assert mail.count(Use.JUNK) == (1, 1)


def test_hostile_mail_runs_nothing_and_tells_nobody(
    page: Page, sign_in: SignIn, mail: Mail, check_axe: Callable[[Page], None]
) -> None:
    mail.put(_html(_HOSTILE, subject="<script>alert(0)</script>"))
    sign_in(page, "webmail", mail.box)
    page.locator(".msg a.open").click()
    frame = page.frame_locator("#reader .frame")
    expect(frame.get_by_text("Hello.")).to_be_visible()
    expect(frame.get_by_text("the harbour")).to_be_visible()
    expect(page.locator("#blocked")).to_contain_text("is not loaded")
    expect(page).to_have_title("<script>alert(0)</script> · Posthouse")
    frame.get_by_text("first").click()
    expect(page.locator("#read h1")).to_have_text("<script>alert(0)</script>")
    check_axe(page)


def test_a_frame_is_as_tall_as_its_mail_and_passes_keys_on(
    page: Page, sign_in: SignIn, mail: Mail
) -> None:
    mail.put(letter("the one before"))
    mail.put(_html("<p>line</p>" * 200 + "<p>the end</p>"))
    sign_in(page, "webmail", mail.box)
    _open(page, "designed")
    frame = page.locator("#reader .frame")
    expect(frame.content_frame.get_by_text("the end")).to_be_attached()
    until(lambda: frame.evaluate("frame => frame.clientHeight") > 4000, "the frame has grown")
    inner = frame.evaluate("frame => frame.contentDocument.documentElement.scrollHeight")
    assert abs(frame.evaluate("frame => frame.clientHeight") - inner) <= 2
    frame.content_frame.locator("body").click(position={"x": 2, "y": 2})
    page.keyboard.press("j")
    expect(page.locator("#read h1")).to_have_text("the one before")


def test_mail_that_is_too_wide_is_made_smaller(
    new_page: NewPage, sign_in: SignIn, mail: Mail
) -> None:
    page = new_page(**_PHONE)
    mail.put(_html('<div style="width: 640px">wide</div>'))
    sign_in(page, "webmail", mail.box)
    page.locator(".msg a.open").tap()
    frame = page.locator("#reader .frame")
    expect(frame.content_frame.get_by_text("wide")).to_be_visible()
    beyond = frame.evaluate(
        "frame => frame.contentDocument.documentElement.scrollWidth - frame.clientWidth"
    )
    assert beyond <= 1


def test_long_quotations_fold_away(webmail: Page, mail: Mail) -> None:
    quoted = "".join(f"> line {number}\r\n" for number in range(30))
    mail.put(letter("answer", body=f"Yes.\r\n\r\n{quoted}"))
    webmail.reload()
    _open(webmail, "answer")
    expect(webmail.get_by_text("line 29")).to_be_hidden()
    webmail.get_by_text("Show the quotation").click()
    expect(webmail.get_by_text("line 29")).to_be_visible()


def test_new_mail_shows_up_by_itself_and_comes_when_it_is_called(webmail: Page, mail: Mail) -> None:
    webmail.clock.install()
    webmail.reload()
    expect(webmail.locator(".msg")).to_have_count(5)
    mail.put(letter("fresh"))
    webmail.clock.run_for(31_000)
    chip = webmail.get_by_role("link", name="1 new message")
    expect(chip).to_be_visible()
    expect(webmail.locator("#count")).to_have_text("6 unread of 6")
    expect(webmail.locator(".msg")).to_have_count(5)
    chip.click()
    expect(webmail.locator(".msg")).to_have_count(6)
    expect(chip).to_have_count(0)


def test_a_phone_shows_one_pane_at_a_time(
    new_page: NewPage, sign_in: SignIn, mail: Mail, check_axe: Callable[[Page], None]
) -> None:
    page = new_page(**_PHONE)
    for number in range(30):
        mail.put(letter(f"number {number}", sender="Mira <mira@x.test>"))
    sign_in(page, "webmail", mail.box)
    expect(page.locator("#reader")).to_be_hidden()
    expect(page.get_by_role("link", name="Write")).to_be_visible()
    check_axe(page)
    page.locator("#messages").evaluate("list => { list.scrollTop = 700; }")
    page.locator(".msg a.open", has_text="number 20").tap()
    expect(page.locator("#list")).to_be_hidden()
    expect(page.locator("#read")).to_be_focused()
    expect(page.locator(".dock").get_by_role("link", name="Reply", exact=True)).to_be_visible()
    check_axe(page)
    page.get_by_role("link", name="Back to Inbox").tap()
    expect(page.locator("#list")).to_be_visible()
    assert page.locator("#messages").evaluate("list => list.scrollTop") == 700
    page.get_by_role("button", name="Folders").tap()
    expect(page.get_by_role("link", name="Junk E-mail")).to_be_visible()
    check_axe(page)
    page.get_by_role("link", name="Inbox").tap()
    page.get_by_role("button", name="Sort").tap()
    page.get_by_role("button", name="Select messages").tap()
    page.locator(".msg a.open").nth(0).tap()
    page.locator(".msg a.open").nth(2).tap()
    expect(page.locator("#ticked")).to_have_text("2 selected")
    check_axe(page)
    page.get_by_role("button", name="Delete", exact=True).tap()
    expect(page.locator("#toasts")).to_contain_text("2 messages moved to Deleted Items")


@pytest.mark.parametrize("what", ["list", "text", "html", "fields", "folder"])
def test_pages_hold_to_the_rules(
    webmail: Page,
    mail: Mail,
    what: str,
    check_axe: Callable[[Page], None],
    screenshot: Callable[[Page, str], None],
) -> None:
    inbox = mail.id()
    made = {
        "list": f"/webmail/{inbox}/",
        "text": f"/webmail/{inbox}/{mail.put(letter('מועד 🎈 ' + 'long' * 60, body='x' * 900))}",
        "html": f"/webmail/{inbox}/{mail.put(_html(_HOSTILE))}",
        "fields": f"/webmail/{inbox}/1/fields",
        "folder": "/webmail/new-folder",
    }
    webmail.goto(made[what])
    check_axe(webmail)
    screenshot(webmail, f"webmail-{what}")


def test_everything_goes_without_script(new_page: NewPage, sign_in: SignIn, mail: Mail) -> None:
    page = new_page(java_script_enabled=False)
    for number in range(60):
        mail.put(letter(f"number {number}"))
    sign_in(page, "webmail", mail.box)
    page.get_by_role("link", name="Older messages").click()
    expect(page.locator(".msg")).to_have_count(10)
    page.get_by_role("link", name="Newer messages").click()
    expect(page.locator(".msg")).to_have_count(50)
    page.locator(".msg a.open").first.click()
    expect(page.locator("#read h1")).to_have_text("number 59")
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator("#toasts")).to_contain_text("1 message moved to Deleted Items")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#toasts")).to_contain_text("1 message is back")
    assert mail.count() == (60, 59)
    page.locator(".msg .lead input").nth(1).check(force=True)
    page.get_by_role("button", name="Delete", exact=True).click()
    assert mail.count(Use.TRASH)[0] == 1
