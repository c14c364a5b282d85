"""Signing in and out, as a person does: DESIGN's sessions, CHECKLIST 119 (default post office)."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Complaints, NewPage, SignIn
from tests.support.serving import Box, Server

ROOMS = ("webmail", "webadmin", "console")


@pytest.mark.parametrize("room", ROOMS)
def test_the_door_of_each_room_holds_to_the_rules_of_pages(
    page: Page,
    room: str,
    check_axe: Callable[[Page], None],
    screenshot: Callable[[Page, str], None],
) -> None:
    page.goto(f"/{room}/")
    expect(page).to_have_url(at(f"/{room}/login"))
    check_axe(page)
    screenshot(page, f"{room}-door")


def test_signing_in_leads_to_where_one_wanted_to_go(page: Page, server: Server) -> None:
    account = server.accounts["ADMIN@demo"]
    page.goto("/webadmin/addresses?q=alice")
    page.get_by_label("Mailbox").fill(account["login"])
    page.get_by_label("Password", exact=True).fill(account["password"])
    page.keyboard.press("Enter")
    expect(page).to_have_url(at("/webadmin/addresses?q=alice"))


def test_a_wrong_password_keeps_the_name_and_says_so_beside_the_field(
    page: Page, complaints: Complaints, box: Box, check_axe: Callable[[Page], None]
) -> None:
    complaints.expect("status of 403")
    page.goto("/webmail/login")
    page.get_by_label("Mailbox").fill(box.login)
    page.get_by_label("Password", exact=True).fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    password = page.get_by_label("Password", exact=True)
    expect(password).to_have_attribute("aria-invalid", "true")
    expect(password).to_be_focused()
    expect(page.get_by_label("Mailbox")).to_have_value(box.login)
    check_axe(page)


def test_a_mailbox_without_the_role_is_not_let_into_administration(
    page: Page, complaints: Complaints, box: Box
) -> None:
    complaints.expect("status of 403")
    page.goto("/webadmin/login")
    page.get_by_label("Mailbox").fill(box.login)
    page.get_by_label("Password", exact=True).fill(box.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_label("Password", exact=True)).to_have_attribute("aria-invalid", "true")


def test_signing_out_ends_the_session_also_for_the_back_button(
    page: Page, sign_in: SignIn, box: Box
) -> None:
    sign_in(page, "webmail", box)
    inside = page.url
    page.get_by_role("button", name=box.login).click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in to your mail")).to_be_visible()
    page.goto(inside)
    expect(page.get_by_role("heading", name="Sign in to your mail")).to_be_visible()


def test_other_browsers_are_signed_out_from_the_account_page(
    new_page: NewPage,
    sign_in: SignIn,
    box: Box,
    check_axe: Callable[[Page], None],
    screenshot: Callable[[Page, str], None],
) -> None:
    here, there = new_page(), new_page()
    sign_in(here, "webmail", box)
    sign_in(there, "webmail", box)
    here.goto("/webmail/account")
    expect(here.get_by_text("This one")).to_be_visible()
    check_axe(here)
    screenshot(here, "account")
    here.get_by_role("button", name="Sign out everywhere else").click()
    expect(here.get_by_text("1 other sessions have ended.")).to_be_visible()
    there.goto("/webmail/")
    expect(there.get_by_role("heading", name="Sign in to your mail")).to_be_visible()
    here.goto("/webmail/")
    expect(here.get_by_role("heading", name="Sign in to your mail")).not_to_be_visible()


def test_a_changed_password_ends_every_session(
    new_page: NewPage, sign_in: SignIn, box: Box, server: Server
) -> None:
    here, there = new_page(), new_page()
    sign_in(here, "webmail", box)
    sign_in(there, "webmail", box)
    new = f"{box.password} and more"
    server.secrets.add(new)
    here.goto("/webmail/account")
    here.get_by_label("Present password").fill(box.password)
    here.get_by_label("New password", exact=True).fill(new)
    here.get_by_label("New password again").fill(new)
    here.get_by_role("button", name="Change the password").click()
    expect(here.get_by_role("heading", name="Sign in to your mail")).to_be_visible()
    there.goto("/webmail/")
    expect(there.get_by_role("heading", name="Sign in to your mail")).to_be_visible()
    sign_in(there, "webmail", Box(box.login, box.address, new))


def test_the_look_is_chosen_at_once_and_kept(page: Page, sign_in: SignIn) -> None:
    sign_in(page, "console")
    page.get_by_role("button", name="operator").click()
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_pages_speak_german_to_who_wants_it(
    new_page: NewPage, check_axe: Callable[[Page], None]
) -> None:
    page = new_page(locale="de-DE")
    page.goto("/webmail/login")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page.get_by_role("button", name="Anmelden", exact=True)).to_be_visible()
    check_axe(page)


def test_signing_in_works_without_script(new_page: NewPage, sign_in: SignIn, box: Box) -> None:
    page = new_page(java_script_enabled=False)
    sign_in(page, "webmail", box)
    expect(page.get_by_role("link", name="Write").first).to_be_visible()


def at(path: str) -> re.Pattern[str]:
    """Return what matches an address with a path, whatever follows `?next=`."""
    return re.compile(re.escape(path))


def test_cookies_are_of_their_room_and_not_for_scripts(page: Page, sign_in: SignIn) -> None:
    sign_in(page, "webadmin")
    cookies = {each["name"]: each for each in page.context.cookies()}
    session = cookies["posthouse"]
    assert (session["path"], session["httpOnly"], session["sameSite"]) == ("/webadmin", True, "Lax")
