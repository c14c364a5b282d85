"""The console: overview, post offices, queue, journeys, settings, changes, by real clicks."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import count

import pytest
from playwright.sync_api import Locator, Page, expect

from appliance.operations.domains import CreateDomain
from appliance.operations.mailboxes import CreateMailbox
from appliance.operations.messages import SendMessage
from appliance.operations.operators import CreateOperator, DeleteOperator
from appliance.operations.postoffices import DeletePostOffice
from appliance.operations.queue import ListQueue, ShowQueued
from appliance.operations.settings import ChangeSetting, GetSetting
from tests.browser.conftest import Complaints, NewPage, SignIn
from tests.support.serving import Box, Server
from tests.support.waiting import until

_numbers = count(1)
_CUT_TABLES = """[...document.querySelectorAll("table")]
    .filter(table => table.offsetWidth > table.parentElement.clientWidth + 1)
    .map(table => table.textContent.slice(0, 80))"""


@pytest.fixture
def console(page: Page, sign_in: SignIn) -> Page:
    sign_in(page, "console")
    return page


@pytest.fixture
def destination() -> str:
    """A domain that no other test sends to."""
    return f"quay{next(_numbers)}.example"


@pytest.fixture
def stuck(server: Server, destination: str) -> list[str]:
    """Three messages that have been tried and wait for a server that does not answer."""
    ids = [_send(server, f"loans{number}@{destination}", f"Loan {number}") for number in range(3)]
    until(lambda: all(_attempts(server, each) for each in ids), "all were tried")
    return ids


def _send(server: Server, recipient: str, subject: str) -> str:
    return server.perform(
        SendMessage(
            sender="alice@demo.test",
            recipients=(recipient,),
            subject=subject,
            text="Hello,\n\nsee below.\n",
        )
    )


def _attempts(server: Server, message: str) -> int:
    return server.ask(ShowQueued(message=message)).recipients[0].attempts


def _heading(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


def _row(page: Page, text: str) -> Locator:
    return page.get_by_role("row").filter(has_text=text)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/console/", "console-home"),
        ("/console/numbers/messages?hours=1", "console-numbers"),
        ("/console/postoffices", "console-postoffices"),
        ("/console/new-postoffice", "console-new-postoffice"),
        ("/console/postoffices/demo", "console-postoffice"),
        ("/console/postoffices/demo/delete", "console-delete-postoffice"),
        ("/console/postoffices/demo/mailboxes", "console-mailboxes"),
        ("/console/mailboxes/alice@demo", "console-mailbox"),
        ("/console/services", "console-services"),
        ("/console/queue", "console-queue"),
        ("/console/messages", "console-messages"),
        ("/console/explain?to=alice@demo.test&client=192.0.2.1", "console-explain"),
        ("/console/badmail", "console-badmail"),
        ("/console/settings", "console-settings"),
        ("/console/settings?changed=yes", "console-settings-changed"),
        ("/console/changes", "console-changes"),
        ("/console/changes/1/return", "console-return"),
        ("/console/changes/audit", "console-audit"),
        ("/console/operators", "console-operators"),
        ("/console/operators/operator", "console-operator"),
        ("/console/new-token", "console-new-token"),
        ("/console/logs?service=WEB", "console-logs"),
        ("/console/account", "console-account"),
    ],
)
@pytest.mark.usefixtures("stuck")
def test_pages_hold_to_the_rules(
    console: Page,
    path: str,
    name: str,
    check_axe: Callable[[Page], None],
    screenshot: Callable[[Page, str], None],
) -> None:
    console.goto(path)
    check_axe(console)
    screenshot(console, name)
    for width in (390, 800, 1280):
        console.set_viewport_size({"width": width, "height": 900})
        assert console.evaluate(_CUT_TABLES) == [], f"at {width}"


def test_the_tables_hold_the_longest_names(page: Page, server: Server, sign_in: SignIn) -> None:
    operator, name, password = "o" * 64, f"{next(_numbers):x<64}", "carried by hand 9"
    server.secrets.add(password)
    server.perform(CreateOperator(operator=operator, password=password))
    try:
        sign_in(page, "console", Box(login=operator, address="", password=password))
        page.goto("/console/new-postoffice")
        page.get_by_label("Name").fill(name)
        page.get_by_label("Password of ADMIN", exact=True).fill(password)
        page.get_by_role("button", name="Create post office").click()
        server.perform(CreateDomain(domain=f"{'d' * 60}.example", postoffice=name))
        server.perform(
            CreateMailbox(mailbox=f"{'m' * 60}@{name}", password=password, quota_kb=987_654)
        )
        for path, longest in (
            ("/console/changes", operator),
            ("/console/changes/audit", operator),
            ("/console/operators", operator),
            ("/console/postoffices", name),
            (f"/console/postoffices/{name}/mailboxes", "ADMIN"),
        ):
            page.goto(path)
            expect(page.get_by_role("table").filter(has_text=longest)).to_be_attached()
            for width in (390, 768, 800, 1000, 1280):
                page.set_viewport_size({"width": width, "height": 900})
                assert page.evaluate(_CUT_TABLES) == [], f"{path} at {width}"
    finally:
        server.perform(DeletePostOffice(postoffice=name))
        server.perform(DeleteOperator(operator=operator))


def test_the_first_page_leads_to_what_is_behind_each_number(
    console: Page, stuck: list[str], destination: str
) -> None:
    console.goto("/console/")
    expect(_heading(console)).to_contain_text("Mail is flowing")
    health = console.get_by_role("region", name="Health")
    health.get_by_role("link", name="Queue").click()
    expect(_heading(console)).to_contain_text("Mail for")
    console.get_by_label("Destination").select_option(destination)
    console.get_by_role("button", name="Show").click()
    expect(console.get_by_role("row")).to_have_count(len(stuck) + 1)


def test_the_first_page_keeps_itself_up_to_date(console: Page, server: Server) -> None:
    console.clock.install()
    console.goto("/console/")
    part = console.locator("#glance")
    part.evaluate("part => part.dataset.old = 'yes'")
    console.mouse.move(200, 200)
    console.clock.run_for(31_000)
    expect(part).not_to_have_attribute("data-old", "yes")
    expect(_heading(console)).to_be_visible()


def test_a_question_about_a_message_is_answered_in_one_click(
    console: Page, stuck: list[str], destination: str, check_axe: Callable[[Page], None]
) -> None:
    console.goto(f"/console/queue?destination={destination}")
    console.get_by_role("link", name="Loan 1").click()
    expect(_heading(console)).to_have_text("Loan 1")
    work = console.get_by_role("main")
    expect(work).to_contain_text("It waits.")
    expect(work).to_contain_text(f"posthouse message trace {stuck[1]}")
    expect(work).to_contain_text(f"waits at {destination}")
    console.get_by_role("article").filter(has_text="Deferred").get_by_text("Why").click()
    expect(work.get_by_text("Rule", exact=True).locator("visible=true")).to_be_visible()
    expect(console.get_by_role("article").filter(has_text="Next try")).to_be_visible()
    check_axe(console)
    console.get_by_role("link", name="Show them in the queue").click()
    expect(console.get_by_role("row")).to_have_count(len(stuck) + 1)


def test_messages_are_selected_held_and_go_on_by_undo(
    console: Page, server: Server, stuck: list[str], destination: str
) -> None:
    console.goto(f"/console/queue?destination={destination}")
    bar = console.get_by_role("toolbar", name="With the selected messages")
    expect(bar).to_be_hidden()
    console.get_by_role("checkbox", name="Select Loan 0").check()
    console.get_by_role("checkbox", name="Select Loan 2").check()
    expect(bar).to_contain_text("2 selected")
    bar.get_by_role("button", name="Hold").click()
    expect(console.get_by_role("status")).to_contain_text("2 messages are held.")
    assert console.url.endswith(f"destination={destination}")  # back where one was
    assert _state(server, stuck[0]) == "held"
    console.get_by_role("button", name="Undo").click()
    expect(console.get_by_role("status")).to_contain_text("2 messages go on.")
    assert _state(server, stuck[0]) != "held"


def _state(server: Server, message: str) -> str:
    return server.ask(ShowQueued(message=message)).recipients[0].state


def test_all_mail_for_a_host_is_held_by_one_button(
    console: Page, server: Server, stuck: list[str], destination: str
) -> None:
    console.goto(f"/console/queue?destination={destination}")
    console.get_by_role("button", name=f"Hold all mail to {destination}").click()
    expect(console.get_by_role("status")).to_contain_text("3 messages are held.")
    assert {_state(server, each) for each in stuck} == {"held"}


def test_a_message_is_held_and_released_by_keys_alone(
    console: Page, server: Server, stuck: list[str]
) -> None:
    console.goto(f"/console/messages/{stuck[0]}")
    console.keyboard.press("h")
    expect(_heading(console)).to_have_text("Loan 0")
    expect(console.get_by_role("status")).to_contain_text("One message is held.")
    expect(console.get_by_role("main")).to_contain_text("held until an operator releases it")
    console.keyboard.press("z")
    expect(console.get_by_role("status")).to_contain_text("One message goes on.")
    console.keyboard.press("?")
    keys = console.get_by_role("dialog")
    expect(keys).to_contain_text("Hold")
    expect(keys).to_contain_text("Try now")


def test_removing_asks_and_keeping_keeps(
    console: Page, server: Server, stuck: list[str], check_axe: Callable[[Page], None]
) -> None:
    console.goto(f"/console/messages/{stuck[2]}")
    console.get_by_role("button", name="More actions").click()
    console.get_by_role("button", name="Remove from the queue").click()
    expect(_heading(console)).to_have_text("Remove one message?")
    check_axe(console)
    console.get_by_role("link", name="Keep them").click()
    expect(_heading(console)).to_have_text("Loan 2")
    console.get_by_role("button", name="More actions").click()
    console.get_by_role("button", name="Remove from the queue").click()
    console.get_by_role("button", name="Remove", exact=True).click()
    expect(console.get_by_role("main")).to_contain_text("Removed")
    assert stuck[2] not in [each.id for each in server.ask(ListQueue())]


def test_a_message_is_returned_to_its_sender(
    console: Page, server: Server, stuck: list[str]
) -> None:
    console.goto(f"/console/messages/{stuck[0]}")
    console.get_by_role("button", name="More actions").click()
    console.get_by_role("button", name="Return to sender").click()
    console.get_by_role("button", name="Return to sender").click()
    until(
        lambda: stuck[0] not in [each.id for each in server.ask(ListQueue())],
        "the message has left the queue",
    )
    console.reload()
    expect(console.get_by_role("main")).to_contain_text("The sender was told")


def test_a_search_finds_messages_by_a_part_of_an_address(
    console: Page, stuck: list[str], destination: str
) -> None:
    console.goto("/console/messages")
    console.keyboard.press("/")
    console.keyboard.type(destination)
    console.keyboard.press("Enter")
    expect(_heading(console)).to_have_text(f"3 messages from or to “{destination}”")
    console.get_by_role("link", name="Loan 0").click()
    expect(_heading(console)).to_have_text("Loan 0")


def test_a_post_office_lives_from_creation_to_deletion(
    console: Page, server: Server, complaints: Complaints, check_axe: Callable[[Page], None]
) -> None:
    complaints.expect("status of 400")
    name, password = f"harbour{next(_numbers)}", "carried by hand 9"
    server.secrets.add(password)
    console.goto("/console/postoffices")
    console.get_by_role("link", name="Create post office").click()
    console.get_by_label("Name").fill("two words")
    console.get_by_label("Password of ADMIN", exact=True).fill(password)
    console.get_by_role("button", name="Create post office").click()
    expect(console.get_by_role("alert")).to_be_focused()
    expect(console.get_by_label("Name")).to_have_value("two words")
    check_axe(console)
    console.get_by_label("Name").fill(name)
    console.get_by_label("First domain").fill(f"{name}.example")
    console.get_by_label("Password of ADMIN", exact=True).fill(password)
    console.get_by_role("button", name="Create post office").click()
    expect(_heading(console)).to_have_text(name)
    expect(console.get_by_role("main")).to_contain_text(f"{name}.example")
    console.get_by_role("button", name="Suspend").click()
    expect(console.get_by_role("main")).to_contain_text("Suspended")
    console.get_by_role("button", name="Undo").click()
    expect(console.get_by_role("main")).to_contain_text("It has worked since")
    console.get_by_role("link", name="Delete", exact=True).click()
    expect(console.get_by_role("main")).to_contain_text("one mailbox")
    console.get_by_label(f"Type its name: {name}").fill(name)
    console.get_by_role("button", name="Delete post office").click()
    expect(console.get_by_role("status")).to_contain_text(f"{name} is deleted.")


def test_a_mailbox_is_created_for_a_post_office(console: Page, server: Server) -> None:
    name, password = f"mira{next(_numbers)}", "carried by hand 9"
    server.secrets.add(password)
    console.goto("/console/postoffices/demo/mailboxes")
    console.get_by_role("link", name="Create mailbox").click()
    console.get_by_label("Name", exact=True).fill(name)
    console.get_by_label("Full name").fill("Mira Oakes")
    console.get_by_label("Password", exact=True).fill(password)
    console.get_by_role("button", name="Create mailbox").click()
    expect(_heading(console)).to_have_text("Mira Oakes")
    expect(console.get_by_role("main")).to_contain_text(f"{name}@demo.test")


def test_a_setting_is_found_changed_and_led_back(
    console: Page, server: Server, complaints: Complaints, check_axe: Callable[[Page], None]
) -> None:
    complaints.expect("status of 400")
    console.goto("/console/settings")
    console.get_by_label("Search all settings").fill("mta.max_hops")
    console.keyboard.press("Enter")
    expect(_heading(console)).to_have_text("One setting speaks of “mta.max_hops”")
    field = console.get_by_role("spinbutton", name="Maximum hops")
    default = field.input_value()
    field.fill("0")
    field.evaluate("field => { field.min = ''; }")  # the server's own words, not the browser's
    console.get_by_role("button", name="Save").click()
    expect(console.get_by_role("alert")).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_value("0")
    check_axe(console)
    field.fill("77")
    console.get_by_role("button", name="Save").click()
    expect(console.get_by_role("status")).to_contain_text("mta.max_hops is saved.")
    assert server.ask(GetSetting(setting="mta.max_hops")).value == "77"
    expect(console.get_by_role("main")).to_contain_text("Changed by operator operator")
    console.get_by_role("button", name="Back to the default").click()
    expect(console.get_by_role("spinbutton", name="Maximum hops")).to_have_value(default)
    console.get_by_role("button", name="Undo").click()
    expect(console.get_by_role("spinbutton", name="Maximum hops")).to_have_value("77")
    console.get_by_role("button", name="Back to the default").click()
    expect(console.get_by_role("spinbutton", name="Maximum hops")).to_have_value(default)


def test_the_save_bar_names_what_changed(console: Page) -> None:
    console.goto("/console/settings?section=retry")
    bar = console.get_by_role("region", name="Unsaved changes")
    expect(bar).to_be_hidden()
    console.get_by_role("textbox").filter(visible=True).nth(1).fill("3m")
    expect(bar).to_contain_text("1 change:")
    bar.get_by_role("button", name="Discard").click()
    expect(bar).to_be_hidden()


def test_a_change_is_undone_by_a_plan_that_is_shown_first(console: Page, server: Server) -> None:
    server.perform(ChangeSetting(setting="journey.days", value="41"))
    console.goto("/console/changes?about=setting+journey.days")
    console.get_by_role("link", name="Undo change").first.click()
    expect(console.get_by_role("main")).to_contain_text("journey.days: 41 →")
    console.get_by_role("button", name="Undo it").click()
    expect(console.get_by_role("status")).to_contain_text("One thing is as it was.")
    assert server.ask(GetSetting(setting="journey.days")).is_default


def test_going_back_undoes_all_that_came_after(console: Page, server: Server) -> None:
    server.perform(ChangeSetting(setting="journey.days", value="42"))
    console.goto("/console/changes?about=setting+journey.days")
    back = console.get_by_role("link", name="Go back here").first
    server.perform(ChangeSetting(setting="journey.days", value="43"))
    server.perform(ChangeSetting(setting="trends.days", value="44"))
    back.click()
    expect(console.get_by_role("main")).to_contain_text("journey.days: 43 → 42")
    console.get_by_role("button", name="Go back").click()
    expect(console.get_by_role("status")).to_contain_text("2 things are as they were.")
    assert server.ask(GetSetting(setting="journey.days")).value == "42"
    server.perform(ChangeSetting(setting="journey.days", value=None))


def test_a_token_s_secret_is_shown_once(
    console: Page, server: Server, check_axe: Callable[[Page], None]
) -> None:
    name = f"program{next(_numbers)}"
    console.goto("/console/operators")
    console.get_by_role("link", name="Create token").first.click()
    console.get_by_label("Name").fill(name)
    console.get_by_role("checkbox", name="queue.read").check()
    console.get_by_role("button", name="Create token").click()
    expect(_heading(console)).to_contain_text("Copy its secret now")
    secret = console.locator("#token-secret").inner_text()
    assert re.fullmatch(r"ph_[\w-]{43}", secret)
    server.secrets.add(secret)
    check_axe(console)
    console.get_by_role("link", name="I have copied it").click()
    expect(console.get_by_role("main")).not_to_contain_text(secret)
    console.get_by_role("link", name=f"Revoke {name}").click()
    console.get_by_role("button", name="Revoke token").click()
    expect(console.get_by_role("status")).to_contain_text(f"{name} is revoked")


def test_a_new_operator_can_enter_and_a_deleted_one_can_not(
    console: Page, new_page: NewPage, server: Server
) -> None:
    name, password = f"ben{next(_numbers)}", "carried by hand 9"
    server.secrets.add(password)
    console.goto("/console/operators")
    console.keyboard.press("c")
    console.get_by_label("Name").fill(name)
    console.get_by_label("Password", exact=True).fill(password)
    console.get_by_role("button", name="Create operator").click()
    expect(console.get_by_role("status")).to_contain_text(f"{name} may sign in")
    other = new_page()
    other.goto("/console/login")
    other.locator("#user").fill(name)
    other.locator("#password").fill(password)
    other.locator("main form button[type=submit]").click()
    expect(_heading(other)).to_be_visible()
    expect(other).to_have_url(re.compile("/console/$"))
    console.get_by_role("link", name=name).click()
    console.get_by_role("link", name="Delete", exact=True).click()
    console.get_by_label(f"Type the name: {name}").fill(name)
    console.get_by_role("button", name="Delete operator").click()
    expect(console.get_by_role("status")).to_contain_text(f"{name} is deleted.")
    other.goto("/console/")
    expect(other).to_have_url(re.compile("/console/login"))


def test_what_would_happen_is_told_with_rule_and_setting(
    console: Page, check_axe: Callable[[Page], None]
) -> None:
    console.goto("/console/")
    console.get_by_role("link", name="What would happen?").click()
    console.get_by_label("From").fill("a@far.example")
    console.get_by_label("To", exact=True).fill("b@elsewhere.example")
    console.get_by_label("Client").fill("192.0.2.1")
    console.get_by_role("button", name="Ask").click()
    expect(_heading(console)).to_have_text("It would be refused")
    console.get_by_text("Why").click()
    expect(console.get_by_role("main")).to_contain_text("relay.closed")
    check_axe(console)


def test_a_log_is_followed_as_it_is_written(console: Page, server: Server) -> None:
    console.clock.install()
    console.goto("/console/logs?service=SMTP&kind=activity")
    console.get_by_role("link", name="Follow").click()
    lines = console.get_by_role("log")
    expect(lines).to_be_visible()
    message = _send(server, "alice@demo.test", "Followed")
    console.goto("/console/logs?service=MTA&kind=activity&follow=yes&q=" + message)
    console.mouse.move(300, 300)
    console.clock.run_for(2500)
    server.until_logged("MTA", "Activity", message)
    console.clock.run_for(2500)
    expect(lines).to_contain_text(message)
    lines.get_by_role("link", name=message).first.click()
    expect(_heading(console)).to_have_text("Followed")


def test_everything_works_without_scripts(
    new_page: NewPage, sign_in: SignIn, server: Server, stuck: list[str], destination: str
) -> None:
    page = new_page(java_script_enabled=False)
    sign_in(page, "console")
    page.goto(f"/console/queue?destination={destination}")
    page.get_by_role("checkbox", name="Select Loan 1").check()
    page.get_by_role("button", name="Hold", exact=True).click()
    expect(page.get_by_text("One message is held.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("One message goes on.")).to_be_visible()
    page.goto("/console/settings?q=mta.max_hops")
    field = page.get_by_role("spinbutton", name="Maximum hops")
    default = field.input_value()
    field.fill("78")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("mta.max_hops is saved.")).to_be_visible()
    page.get_by_role("button", name="Back to the default").click()
    expect(page.get_by_role("spinbutton", name="Maximum hops")).to_have_value(default)


def test_a_phone_has_the_navigation_behind_a_button(
    new_page: NewPage, sign_in: SignIn, check_axe: Callable[[Page], None]
) -> None:
    page = new_page(viewport={"width": 390, "height": 844}, has_touch=True)
    sign_in(page, "console")
    page.get_by_role("button", name="All pages").click()
    page.get_by_role("navigation", name="Console").get_by_role("link", name="Queue").click()
    expect(_heading(page)).to_be_visible()
    expect(page).to_have_url(re.compile("/console/queue$"))
    check_axe(page)
