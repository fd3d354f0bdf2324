"""Following a link on another site: the browser withholds its Strict cookies, and nothing is lost by it."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import session_login
from tests.browser.test_password import webmail
from tests.running import Site

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("scripts", [True, False], ids=["", "without-javascript"])
def test_a_link_on_another_site_leaves_the_other_tab_as_it_was(
    visit: Callable[..., Page], site: Site, cast: dict[str, Any], scripts: bool
) -> None:
    page = visit(java_script_enabled=scripts)
    session_login(page, site, "walter")
    expect(page.get_by_role("banner")).to_contain_text("Logged in as Walter")
    tab, asked = page.context.new_page(), []
    tab.on("request", lambda request: asked.append(request.url) if request.is_navigation_request() else None)
    before = page.context.cookies(site.url)
    path = f"{site.url}/session/devices/?from=elsewhere&a=b;c"
    with webmail(path.replace("&", "&amp;")) as address:
        tab.goto(address)
        tab.get_by_role("link", name="Your mail").click()
        expect(tab.get_by_role("banner")).to_contain_text("Logged in as Walter")
        expect(tab.get_by_role("heading", level=1)).to_have_text("Devices")
        assert asked == [address, path, path]  # once more, and not a third time
        assert page.context.cookies(site.url) == before
    page.get_by_role("banner").get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are logged out")


def test_the_page_in_between_is_sound(page: Page, site: Site, sound: Callable[..., None]) -> None:
    page.route("**/session/login/**", stay)
    page.goto(f"{site.url}/session/login/?next=/session/profile/")
    expect(page.get_by_role("heading", level=1)).to_have_text("One moment")
    sound(page)
    page.unroute("**/session/login/**")
    page.get_by_role("link", name="Continue").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")


def stay(route: Route) -> None:
    """Opens the page as a link on another site does, but the page does not continue by itself."""
    told = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "cookie": ""}
    answer = route.fetch(headers=route.request.headers | told)
    route.fulfill(response=answer, body=answer.text().replace('http-equiv="refresh"', 'name="stays"'))
