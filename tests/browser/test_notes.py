"""The notes in a browser: as a page, in the browsable API, and with a token typed into the API docs."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PAYLOAD, session_login
from tests.running import Site
from tests.site.holder import Holder

pytestmark = pytest.mark.browser
Sound = Callable[..., None]


@pytest.fixture
def walter(page: Page, site: Site, cast: dict[str, Any]) -> Page:
    """A browser in which Walter has just logged in, with his notes open."""
    session_login(page, site, "walter", then="?next=/notes/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Notes")
    return page


def delete_all(page: Page) -> None:
    delete = page.get_by_role("main").get_by_role("button", name="Delete")
    while left := delete.count():
        delete.first.click()
        expect(delete).to_have_count(left - 1)


def test_a_note_comes_and_goes_and_each_state_of_the_page_is_sound(walter: Page, sound: Sound) -> None:
    expect(walter.get_by_text("No note yet")).to_be_visible()
    sound(walter)
    for text in ("Buy milk", "https://example.org/" + "a" * 180, PAYLOAD):
        walter.get_by_label("A new note").fill(text)
        walter.get_by_role("button", name="Add").click()
        expect(walter.get_by_role("listitem").get_by_text(text)).to_be_visible()
    assert walter.locator("img[src=x]").count() == 0
    sound(walter)
    walter.get_by_role("button", name="Add").click()
    expect(walter.get_by_role("alert")).to_contain_text("A new note: This field is required.")
    sound(walter)
    delete_all(walter)
    expect(walter.get_by_text("No note yet")).to_be_visible()


def test_the_browsable_api_takes_a_note_and_shows_what_to_send(walter: Page, site: Site) -> None:
    walter.get_by_role("link", name="notes API").click()
    content = walter.get_by_role("textbox")
    assert json.loads(content.input_value()) == {"text": ""}
    content.fill(json.dumps({"text": PAYLOAD}))
    walter.get_by_role("button", name="POST").click()
    expect(walter.get_by_text("HTTP 201 Created")).to_be_visible()
    assert walter.locator("img[src=x]").count() == 0
    walter.goto(f"{site.url}/notes/")
    expect(walter.get_by_role("listitem").get_by_text(PAYLOAD)).to_be_visible()
    delete_all(walter)


def test_the_api_docs_send_a_token_that_is_typed_in(page: Page, site: Site, cast: dict[str, Any]) -> None:
    holder = Holder(site)
    assert holder.log_in("walter@example.com", "correct horse walter").status == 200
    page.goto(f"{site.url}/docs/")
    page.get_by_role("button", name="Authorize").click()
    form = page.locator(".auth-container").filter(has_text="bearer")
    form.get_by_role("textbox").fill(holder.access)
    form.get_by_role("button", name="Apply credentials").click()
    page.locator(".dialog-ux").get_by_role("button", name="Close").first.click()
    # The groups of endpoints are closed at first.
    page.locator("#operations-tag-notes").click()
    operation = page.locator("#operations-notes-notes_api_list")
    operation.locator(".opblock-summary").first.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table .response-col_status").last).to_contain_text("200")
