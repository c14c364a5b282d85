"""Web administration: home, mailboxes, addresses (manual §5.5, §5.6), by real clicks."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
from playwright.sync_api import Page, expect

from appliance.operations.mailboxes import CreateMailbox, EditMailbox
from tests.browser.conftest import Complaints, NewPage, SignIn
from tests.support.serving import Box, Server

_numbers = count(1)


@pytest.fixture
def admin(page: Page, sign_in: SignIn) -> Page:
    sign_in(page, "webadmin")
    return page


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/webadmin/", "admin-home"),
        ("/webadmin/mailboxes", "admin-mailboxes"),
        ("/webadmin/new-mailbox", "admin-new-mailbox"),
        ("/webadmin/mailboxes/alice", "admin-mailbox"),
        ("/webadmin/addresses", "admin-addresses"),
        ("/webadmin/account", "admin-account"),
    ],
)
def test_pages_hold_to_the_rules(
    admin: Page,
    path: str,
    name: str,
    check_axe: Callable[[Page], None],
    screenshot: Callable[[Page, str], None],
) -> None:
    admin.goto(path)
    check_axe(admin)
    screenshot(admin, name)


def test_a_mailbox_is_added_by_keyboard_alone_and_works(
    admin: Page, new_page: NewPage, sign_in: SignIn, server: Server
) -> None:
    name, password = f"keys{next(_numbers)}", "typed by keys 7"
    server.secrets.add(password)
    admin.goto("/webadmin/mailboxes")
    admin.keyboard.press("c")
    expect(admin.get_by_role("heading", name="Add a mailbox")).to_be_visible()
    admin.get_by_label("Mailbox", exact=True).focus()
    admin.keyboard.type(name)
    admin.keyboard.press("Tab")
    admin.keyboard.type(password)
    admin.keyboard.press("Enter")
    expect(admin.get_by_text(f"{name}@demo is there.")).to_be_visible()
    other = new_page()
    sign_in(other, "webmail", Box(f"{name}@demo", f"{name}@demo.test", password))


def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays(
    admin: Page, complaints: Complaints, check_axe: Callable[[Page], None]
) -> None:
    complaints.expect("status of 400")
    admin.goto("/webadmin/new-mailbox")
    admin.get_by_label("Mailbox", exact=True).fill("carol")
    admin.get_by_label("Full name").fill("Carol Reed")
    admin.get_by_label("Password", exact=True).fill("short")
    admin.get_by_role("button", name="Add mailbox").click()
    expect(admin.get_by_role("alert")).to_be_focused()
    expect(admin.get_by_label("Password", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(admin.get_by_label("Full name")).to_have_value("Carol Reed")
    check_axe(admin)
    admin.get_by_role("link", name="Password").click()
    expect(admin.get_by_label("Password", exact=True)).to_be_focused()


def test_a_mailbox_is_renamed_and_given_a_quota(admin: Page, box: Box, server: Server) -> None:
    admin.goto(f"/webadmin/mailboxes/{box.name}")
    admin.get_by_label("Full name").fill("Mira Oakes")
    admin.get_by_label("Quota").fill("1.5")
    admin.get_by_role("button", name="Save changes").click()
    expect(admin.get_by_role("heading", name="Mira Oakes")).to_be_visible()
    expect(
        admin.get_by_text("of 2 MB used").or_(admin.get_by_text("of 1.5 MB used"))
    ).to_be_visible()
    found = server.house.directory.mailbox(box.login)
    assert found is not None
    assert (found.full_name, found.quota_kb) == ("Mira Oakes", 1536)


def test_a_suspended_mailbox_lets_nobody_in_until_it_is_undone(
    admin: Page, new_page: NewPage, sign_in: SignIn, box: Box, server: Server
) -> None:
    inside = new_page()
    sign_in(inside, "webmail", box)
    admin.goto(f"/webadmin/mailboxes/{box.name}")
    admin.get_by_role("button", name="Suspend").click()
    expect(admin.get_by_text(f"{box.login} is suspended.")).to_be_visible()
    inside.goto("/webmail/")
    expect(inside.get_by_role("heading", name="Sign in to your mail")).to_be_visible()
    admin.keyboard.press("z")
    expect(admin.get_by_text(f"{box.login} works again.")).to_be_visible()
    sign_in(inside, "webmail", box)


def test_a_new_password_is_set_in_a_dialog(
    admin: Page, new_page: NewPage, sign_in: SignIn, box: Box, server: Server
) -> None:
    new = f"another {box.password}"
    server.secrets.add(new)
    admin.goto(f"/webadmin/mailboxes/{box.name}")
    admin.get_by_role("button", name="New password").click()
    dialog = admin.get_by_role("dialog")
    dialog.get_by_label("New password").fill(new)
    dialog.get_by_role("button", name="Set password").click()
    expect(admin.get_by_text(f"{box.login} has a new password")).to_be_visible()
    sign_in(new_page(), "webmail", Box(box.login, box.address, new))


def test_deleting_asks_for_the_name(admin: Page, box: Box, server: Server) -> None:
    admin.goto(f"/webadmin/mailboxes/{box.name}")
    admin.get_by_role("button", name="Delete").click()
    dialog = admin.get_by_role("alertdialog")
    delete = dialog.get_by_role("button", name="Delete mailbox")
    expect(delete).to_be_disabled()
    dialog.get_by_role("textbox").fill(box.name)
    delete.click()
    expect(admin.get_by_text(f"{box.login} is deleted.")).to_be_visible()
    assert server.house.directory.mailbox(box.login) is None


def test_several_mailboxes_are_suspended_at_once(admin: Page, server: Server) -> None:
    logins = [f"several{number}@demo" for number in range(3)]
    for login in logins:
        server.perform(CreateMailbox(mailbox=login, password="of several 1"))
    admin.goto("/webadmin/mailboxes?q=several")
    for login in logins[:2]:
        admin.get_by_role("checkbox", name=f"Select {login}", exact=True).check()
    expect(admin.get_by_text("2 selected")).to_be_visible()
    admin.get_by_role("button", name="Suspend", exact=True).click()
    expect(admin.get_by_text("2 mailboxes are suspended.")).to_be_visible()
    enabled = [server.house.directory.mailbox(each).enabled for each in logins]  # type: ignore[union-attr] # they are there
    assert enabled == [False, False, True]


def test_lists_go_on_by_page_and_are_searched(admin: Page, server: Server) -> None:
    for number in range(55):
        server.perform(CreateMailbox(mailbox=f"page{number:02}@demo", password="of the page 1"))
    server.perform(EditMailbox(mailbox="page54@demo", full_name="Zoë Last"))
    admin.goto("/webadmin/mailboxes?q=page")
    expect(admin.get_by_role("row")).to_have_count(51)
    admin.get_by_role("link", name="Next").click()
    expect(admin.get_by_role("row")).to_have_count(6)
    expect(admin.get_by_text("Zoë Last")).to_be_visible()
    admin.goto("/webadmin/mailboxes")
    admin.keyboard.press("/")
    admin.keyboard.type("page54@demo.test")
    admin.keyboard.press("Enter")
    expect(admin.get_by_role("row")).to_have_count(2)


def test_an_address_is_added_taken_away_and_put_back(admin: Page, box: Box, server: Server) -> None:
    address = f"desk{next(_numbers)}@demo.test"
    admin.goto("/webadmin/addresses")
    admin.get_by_label("New address").fill(address.partition("@")[0])
    admin.get_by_label("Leads to the mailbox").fill(box.name)
    admin.get_by_role("button", name="Add address").click()
    expect(admin.get_by_text(f"{address} now leads to {box.name}.")).to_be_visible()
    admin.get_by_role("button", name=f"Remove {address}").click()
    expect(admin.get_by_text(f"{address} is gone")).to_be_visible()
    assert address not in _addresses(server, box)
    admin.get_by_role("button", name="Undo").last.click()
    expect(admin.get_by_role("button", name=f"Remove {address}")).to_be_visible()
    assert address in _addresses(server, box)


def test_everything_works_without_script(
    new_page: NewPage, sign_in: SignIn, box: Box, server: Server
) -> None:
    page = new_page(java_script_enabled=False)
    sign_in(page, "webadmin")
    page.goto(f"/webadmin/mailboxes/{box.name}")
    page.get_by_role("button", name="Suspend").click()
    found = server.house.directory.mailbox(box.login)
    assert found is not None
    assert not found.enabled


def _addresses(server: Server, box: Box) -> set[str]:
    return {each.address for each in server.house.directory.addresses(mailbox=box.login)}
