"""A stored script is shown as text in another user's browser, and is not run."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PAYLOAD, log_in
from tests.browser.mailbox import open_mail
from tests.running import Site

pytestmark = pytest.mark.browser
SHOWING = (
    "/",
    "/accounts/password/",
    "/session/profile/",
    "/session/devices/",
    "/admin/",
    "/admin/accounts/user/?q=mallory",
    "/admin/security/securityevent/",
    "/admin/sessions_demo/devicesession/",
)


def test_a_stored_payload_is_text_on_every_page_that_shows_it(
    visit: Callable[..., Page], site: Site, cast: dict[str, Any]
) -> None:
    page = visit(user_agent=PAYLOAD)
    log_in(page, site, "mallory@example.com", "correct horse mallory", then="/accounts/password/reset/")
    page.get_by_label("E-mail address").fill("mallory@example.com")
    page.get_by_role("button", name="Send me the link").click()
    open_mail(page, site, "mallory@example.com", "Set a new password")
    assert_inert(page)
    for path in SHOWING:
        page.goto(site.url + path)
        assert_inert(page)

    page.goto(f"{site.url}/admin/accounts/user/?q=mallory")
    page.get_by_role("link", name="mallory@example.com").click()
    expect(page.get_by_label("Name", exact=False).first).to_have_value(PAYLOAD)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert_inert(page)


def assert_inert(page: Page) -> None:
    expect(page.get_by_text(PAYLOAD).first).to_be_attached()
    assert page.locator("img[src=x]").count() == 0
    assert page.get_by_text("alert(2)").evaluate_all("found => found.every(e => e.tagName !== 'SCRIPT')")
