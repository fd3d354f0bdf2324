"""The copy buttons in a browser that lets a page use the clipboard, and in one that has none."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from lab.experiments.mistakes import MISTAKES
from tests.running import Site

pytestmark = pytest.mark.browser
ALLOWED = ["clipboard-read", "clipboard-write"]
CLIPBOARD = "navigator.clipboard.readText()"
WITHOUT_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', { value: undefined })"


def copied(page: Page, name: str) -> str:
    """What the clipboard has after the first button of this name, which says so beside it."""
    button = page.get_by_role("button", name=name).first
    button.click()
    expect(button.locator("+ [aria-live=polite]")).to_have_text("Copied.")
    return str(page.evaluate(CLIPBOARD))


def test_a_button_copies_what_stands_beside_it(
    visit: Callable[..., Page], sound: Callable[..., None], site: Site
) -> None:
    page = visit(permissions=ALLOWED)
    page.goto(f"{site.url}/lab/mistakes/")
    assert copied(page, "Copy the strong code").strip() == MISTAKES[0].strong_text.strip()
    sound(page, unsure=False)
    page.goto(f"{site.url}/claims/C9/")
    assert copied(page, "Copy the command") == "make prove ID=C9"
    page.goto(f"{site.url}/lab/clients/")
    shown = page.get_by_role("region", name="session.sh", exact=True).text_content()
    assert copied(page, "Copy session.sh") == shown
    sound(page, unsure=False)


def test_the_request_of_a_scenario_is_copied_as_curl(
    visit: Callable[..., Page], sound: Callable[..., None], site: Site
) -> None:
    page = visit(permissions=ALLOWED)
    page.goto(f"{site.url}/lab/wire/")
    page.get_by_role("main").get_by_role("button", name="Play").first.click()
    page.get_by_text("Headers, cookies, statements").first.click()
    line = copied(page, "Copy the curl line")
    assert (
        line.startswith("curl ")
        and line == page.get_by_role("region", name="curl command 1", exact=True).text_content()
    )
    sound(page, unsure=False)


def test_a_token_is_copied_and_its_parts_stay_while_it_is_verified(
    visit: Callable[..., Page], sound: Callable[..., None], site: Site
) -> None:
    page = visit(permissions=ALLOWED)
    page.goto(f"{site.url}/lab/token/")
    page.get_by_role("button", name="A fresh token").click()
    page.get_by_role("button", name="Verify it").click()
    expect(page.get_by_text("Valid: an access token of this server.")).to_be_visible()
    shown = page.locator("[data-reading]")
    token = copied(page, "Copy the token")
    assert token == page.get_by_label("Token", exact=True).input_value() == shown.locator(".jwt-text").text_content()
    page.get_by_label("Token", exact=True).fill(token.rpartition(".")[0] + ".AAAA")
    expect(shown.get_by_role("region", name="Signature")).to_have_text("AAAA")
    expect(shown.get_by_text("this says nothing about whether it is valid")).to_be_visible()
    sound(page, unsure=False)


def test_without_a_clipboard_there_is_no_button(visit: Callable[..., Page], site: Site) -> None:
    page = visit(fresh=True)
    page.add_init_script(WITHOUT_CLIPBOARD)
    page.goto(f"{site.url}/lab/mistakes/")
    expect(page.get_by_role("button", name="Check this server").first).to_be_visible()
    expect(page.get_by_role("button", name="Copy")).to_have_count(0)
