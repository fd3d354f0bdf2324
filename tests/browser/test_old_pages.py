"""Two tabs of one browser: a page opened before a login or logout in the other tab still leads its user on."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import session_login
from tests.running import Site
from tests.site.backstage import Backstage

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("cast")]
FORM = "This form was older than your last login or logout. You did nothing wrong. Please try again."
PAGE = "This page is older than the last login or logout in this browser"


def fill(page: Page) -> None:
    page.get_by_label("E-mail address").fill("walter@example.com")
    page.get_by_label("Password", exact=True).fill("correct horse walter")


def press(page: Page, name: str = "Log in") -> None:
    page.get_by_role("main").get_by_role("button", name=name).click()


def test_a_login_form_in_two_tabs_leads_both_to_where_they_wanted(page: Page, site: Site, backstage: Backstage) -> None:
    sessions, other = backstage.ask("live").get("walter@example.com", 0), page.context.new_page()
    for tab, wanted in ((page, "/session/profile/"), (other, "/session/devices/")):
        tab.goto(f"{site.url}/session/login/?next={wanted}")
        fill(tab)
    press(page)
    expect(page).to_have_url(f"{site.url}/session/profile/")
    press(other)
    expect(other).to_have_url(f"{site.url}/session/devices/")
    assert backstage.ask("live")["walter@example.com"] == sessions + 1


def test_a_login_button_that_is_pressed_twice_logs_in(page: Page, site: Site) -> None:
    """The first answer arrives, cookies and all, while the second request is still to be sent."""
    page.goto(f"{site.url}/session/login/?next=/session/devices/")
    fill(page)
    first: list[int] = []

    def twice(route: Route) -> None:
        if route.request.method == "POST" and not first:
            # Chromium keeps the cookies of an answer that it drops because of a second click.
            first.append(route.fetch(max_redirects=0).status)
        route.continue_()

    page.route(lambda url: "/session/login/" in url, twice)
    press(page)
    expect(page).to_have_url(f"{site.url}/session/devices/")
    assert first == [302]


def test_a_double_click_on_the_login_button_logs_in(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/session/login/?next=/session/devices/")
    fill(page)
    page.get_by_role("main").get_by_role("button", name="Log in").dblclick()
    expect(page).to_have_url(f"{site.url}/session/devices/")


@pytest.mark.exhaustive
def test_after_a_login_and_logout_in_another_tab_the_form_comes_again(
    page: Page, site: Site, sound: Callable[..., None]
) -> None:
    page.goto(f"{site.url}/session/login/?next=/session/devices/")
    fill(page)
    other = page.context.new_page()
    session_login(other, site, "walter")
    other.get_by_role("banner").get_by_role("button", name="Log out").click()
    expect(other.get_by_role("heading", level=1)).to_be_visible()
    press(page)
    expect(page.get_by_role("alert").filter(has_text=FORM)).to_be_visible()
    expect(page.get_by_label("E-mail address")).to_have_value("walter@example.com")
    expect(page.get_by_label("Password", exact=True)).to_have_value("")
    sound(page)
    fill(page)
    press(page)
    expect(page).to_have_url(f"{site.url}/session/devices/")


@pytest.mark.exhaustive
def test_an_old_logout_button_says_so_and_leads_back(page: Page, site: Site, sound: Callable[..., None]) -> None:
    session_login(page, site, "walter", then="?next=/session/devices/")
    expect(page).to_have_url(f"{site.url}/session/devices/")
    other = page.context.new_page()
    # Without its script the strip of the other tab tells nothing, so that this page still has the button.
    other.route("**/strip*.js", lambda route: route.fulfill(content_type="text/javascript", body=""))
    session_login(other, site, "walter")
    expect(other).to_have_url(f"{site.url}/session/profile/")
    page.get_by_role("banner").get_by_role("button", name="Log out").click()
    expect(page.get_by_role("main")).to_contain_text(PAGE)
    sound(page)
    page.get_by_role("link", name="Load that page again").click()
    expect(page).to_have_url(f"{site.url}/session/devices/")
    page.get_by_text("Menu", exact=True).click()  # the window is narrow since `sound`
    page.get_by_role("banner").get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are logged out")


@pytest.mark.exhaustive
def test_an_old_registration_says_so_and_can_be_sent_again(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/accounts/register/")
    other = page.context.new_page()
    session_login(other, site, "walter")
    expect(other).to_have_url(f"{site.url}/session/profile/")
    page.get_by_label("E-mail address").fill("tabs@example.com")
    page.get_by_label("Name").fill("Tabs")
    page.get_by_role("main").get_by_role("button").click()
    expect(page.get_by_role("main")).to_contain_text(PAGE)
    page.get_by_role("link", name="Load that page again").click()
    expect(page).to_have_url(f"{site.url}/accounts/register/")
