"""The pattern page: every part in every look, and what the parts do under keyboard and pointer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewPage

LOOKS = [
    "",
    "theme=light",
    "theme=dark",
    "theme=light&dir=rtl",
    "theme=light&skin=harbour",
    "theme=dark&skin=harbour",
    "density=compact",
    "density=roomy&dir=rtl",
]


@pytest.mark.parametrize("look", LOOKS)
def test_every_part_holds_to_the_rules_of_pages_in_every_look(
    page: Page,
    look: str,
    check_axe: Callable[[Page], None],
    screenshot: Callable[[Page, str], None],
) -> None:
    page.goto(f"/patterns?{look}")
    check_axe(page)
    screenshot(page, f"patterns-{look.replace('&', '-').replace('=', '-') or 'system'}")


def test_every_part_fits_a_phone_and_a_finger(
    new_page: NewPage, check_axe: Callable[[Page], None]
) -> None:
    page = new_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.goto("/patterns")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    check_axe(page)
    for name in ("Save changes", "Discard", "More actions"):
        box = page.locator("#buttons").get_by_role("button", name=name).bounding_box()
        assert box is not None
        assert box["height"] >= 44


def test_words_stay_apart_when_a_reader_spaces_them_out(page: Page) -> None:  # WCAG 2.2, 1.4.12
    page.goto("/patterns")
    page.evaluate(
        """() => {
            const sheet = new CSSStyleSheet();
            sheet.replaceSync("* { line-height: 1.5 !important; letter-spacing: .12em !important;"
                + " word-spacing: .16em !important }");
            document.adoptedStyleSheets.push(sheet);
        }"""
    )
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_a_menu_opens_is_walked_through_and_gives_the_focus_back(page: Page) -> None:
    page.goto("/patterns")
    opener = page.locator("#menus").get_by_role("button", name="Message")
    opener.focus()
    page.keyboard.press("Enter")
    menu = page.locator("#menu-sample")
    expect(menu).to_be_visible()
    expect(opener).to_have_attribute("aria-expanded", "true")
    expect(menu.get_by_role("button").first).to_be_focused()
    page.keyboard.press("End")
    expect(menu.get_by_role("button", name="Delete")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(menu.get_by_role("button", name="Reply")).to_be_focused()
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(opener).to_be_focused()
    expect(opener).to_have_attribute("aria-expanded", "false")


def test_a_menu_stands_at_its_button(page: Page) -> None:
    page.goto("/patterns")
    opener = page.locator("#menus").get_by_role("button", name="Message")
    opener.click()
    at, menu = opener.bounding_box(), page.locator("#menu-sample").bounding_box()
    assert at is not None
    assert menu is not None
    assert abs(menu["x"] - at["x"]) < 2
    assert menu["y"] >= at["y"] + at["height"] or menu["y"] + menu["height"] <= at["y"]


def test_a_dialog_holds_the_focus_and_gives_it_back(
    page: Page, check_axe: Callable[[Page], None]
) -> None:
    page.goto("/patterns")
    opener = page.locator("#menus").get_by_role("button", name="Show a dialog")
    opener.click()
    dialog = page.get_by_role("dialog", name="Publish the DKIM record")
    expect(dialog).to_be_visible()
    assert page.evaluate("document.activeElement.closest('dialog') !== null")
    check_axe(page)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(opener).to_be_focused()


def test_what_cannot_be_undone_waits_for_its_name(page: Page) -> None:
    page.goto("/patterns")
    page.locator("#menus").get_by_role("button", name="Delete post office").first.click()
    dialog = page.get_by_role("alertdialog")
    risk = dialog.get_by_role("button", name="Delete post office")
    expect(risk).to_be_disabled()
    dialog.get_by_label("Type its name: paperhall").fill("paperhal")
    expect(risk).to_be_disabled()
    dialog.get_by_label("Type its name: paperhall").fill("paperhall")
    expect(risk).to_be_enabled()
    page.mouse.click(5, 5)  # beside it: such a dialog stays
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Keep it").click()
    expect(dialog).to_be_hidden()


def test_a_toast_rests_under_the_pointer_goes_by_itself_and_can_be_read_again(page: Page) -> None:
    page.clock.install()
    page.goto("/patterns")
    page.get_by_role("button", name="Say something").click()
    toast = page.locator("#toasts .toast")
    expect(toast).to_have_text("2 messages archived")
    toast.hover()
    page.clock.run_for(30_000)
    expect(toast).to_be_visible()
    page.mouse.move(5, 5)
    page.clock.run_for(11_000)
    expect(toast).to_have_count(0)
    page.keyboard.press("Shift+Z")
    latest = page.get_by_role("dialog")
    expect(latest.get_by_role("listitem")).to_contain_text(["2 messages archived"])


def test_z_undoes_what_the_last_toast_offers(page: Page) -> None:
    page.goto("/patterns")
    page.get_by_role("button", name="Say it with undo").click()
    expect(page.locator("#toasts")).to_contain_text("Sending in 10 seconds")
    page.keyboard.press("z")
    expect(page.locator("#toasts")).to_contain_text("Not sent. The draft is open again.")


def test_keys_are_listed_leave_those_who_write_alone_and_can_be_turned_off(page: Page) -> None:
    page.goto("/patterns")  # WCAG 2.2, 2.1.4
    page.keyboard.press("/")
    search = page.get_by_label("Find messages")
    expect(search).to_be_focused()
    page.keyboard.type("?/z")
    expect(search).to_have_value("?/z")
    search.blur()
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(keys).to_contain_text("Find messages")
    keys.get_by_role("switch").click()
    page.keyboard.press("Escape")
    expect(keys).to_have_count(0)
    page.keyboard.press("?")
    expect(keys).to_have_count(0)
    page.locator("#menus").get_by_role("button", name="Shortcuts").click()
    keys.get_by_role("switch").click()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(search).to_be_focused()


def test_rows_are_ticked_one_by_one_in_a_range_and_all(page: Page) -> None:
    page.goto("/patterns")
    table = page.locator("#table")
    bar = table.get_by_role("toolbar")
    boxes = table.locator("[data-pick]")
    expect(bar).to_contain_text("2 selected")
    bar.get_by_role("button", name="Clear selection").click()
    expect(bar).to_be_hidden()
    boxes.nth(0).click()
    boxes.nth(2).click(modifiers=["Shift"])
    expect(bar).to_contain_text("3 selected")
    head = table.get_by_label("Select all on this page")
    assert head.evaluate("box => box.indeterminate")
    head.click()
    expect(bar).to_contain_text("4 selected")
    bar.get_by_role("button", name="Select all 31").click()
    expect(bar).to_contain_text("31 selected")
    assert table.locator("form").evaluate("form => new FormData(form).get('all')") == "yes"
    boxes.nth(1).click()
    expect(bar).to_contain_text("3 selected")
    assert table.locator("form").evaluate("form => new FormData(form).get('all')") is None


def test_the_save_bar_names_what_changed(page: Page) -> None:
    page.goto("/patterns")
    bar = page.get_by_role("region", name="Unsaved changes")
    form = page.locator("#sample-form")
    expect(bar.get_by_role("button", name="Discard")).to_be_hidden()
    form.get_by_label("Quota").fill("10")
    expect(bar).to_contain_text("1 change: Quota")
    form.get_by_label("Redirect incoming mail").uncheck()
    expect(bar).to_contain_text("2 changes:")
    bar.get_by_role("button", name="Discard").click()
    expect(form.get_by_label("Quota")).to_have_value("8")
    expect(bar).not_to_contain_text("changes:")


def test_a_correction_is_taken_over_by_a_click(page: Page) -> None:
    page.goto("/patterns")
    field = page.locator("#fields").get_by_label("Redirect to")
    expect(field).to_have_attribute("aria-invalid", "true")
    page.locator("#fields").get_by_role("button", name="Use shift@lantern.example").click()
    expect(field).to_have_value("shift@lantern.example")
    expect(field).to_be_focused()
    expect(field).not_to_have_attribute("aria-invalid", "true")


def test_a_password_is_shown_on_demand(page: Page) -> None:
    page.goto("/patterns")
    field = page.locator("#f-p-password")
    button = page.get_by_role("button", name="Show password")
    button.click()
    expect(field).to_have_attribute("type", "text")
    expect(button).to_have_attribute("aria-pressed", "true")
    button.click()
    expect(field).to_have_attribute("type", "password")


def test_a_lone_icon_says_its_name_and_its_key_to_pointer_and_keyboard(page: Page) -> None:
    page.goto("/patterns")
    archive = page.locator("#messages").get_by_role("button", name="Archive")
    archive.scroll_into_view_if_needed()
    archive.hover()
    expect(page.locator(".tip")).to_have_text("Archivee")  # the words, then the key
    page.mouse.move(5, 5)
    expect(page.locator(".tip")).to_have_count(0)
    page.locator("#messages").get_by_role("button", name="Forward").first.focus()
    page.keyboard.press("Tab")
    expect(archive).to_be_focused()
    expect(page.locator(".tip")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".tip")).to_have_count(0)


def test_without_scripts_all_parts_are_there_and_menus_open(
    new_page: NewPage,
) -> None:
    page = new_page(java_script_enabled=False)
    page.goto("/patterns")
    expect(page.locator("#table").get_by_text("With the selected:")).to_be_visible()
    expect(page.get_by_role("region", name="Unsaved changes")).to_be_visible()
    page.locator("#menus").get_by_role("button", name="Message").click()
    expect(page.locator("#menu-sample")).to_be_visible()
    expect(page.get_by_role("button", name="Show password")).to_be_hidden()
