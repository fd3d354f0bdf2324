"""Every page, wide and narrow, light and dark: axe and the policy have nothing to say, and nothing sticks out."""

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page, expect

from tests.browser.conftest import session_login
from tests.browser.soundness import assert_fits, axe
from tests.running import Site
from tests.sampling import sampled

pytestmark = pytest.mark.browser

OPEN = [
    "/",
    "/accounts/register/",
    "/accounts/register/sent/",
    "/accounts/register/done/",
    "/accounts/register/not-a-link/",
    "/accounts/password/reset/",
    "/accounts/password/reset/sent/",
    "/accounts/password/reset/done/",
    "/accounts/password/reset/MQ/not-a-link/",
    "/session/login/",
    "/there-is-nothing-here/",
]
SIGNED_IN = [
    "/",
    "/accounts/password/",
    "/accounts/password/done/",
    "/session/profile/",
    "/session/devices/",
    "/session/staff/",
    "/notes/",
]
FORMS = ["/accounts/register/", "/accounts/password/reset/", "/accounts/password/", "/notes/", "/session/login/"]
ADMIN = [
    "/admin/",
    "/admin/accounts/user/",
    "/admin/accounts/user/?q=nobody&role__exact=member",
    "/admin/accounts/user/add/",
    "/admin/accounts/user/{user}/change/",
    "/admin/accounts/user/{user}/password/",
    "/admin/accounts/user/{user}/history/",
    "/admin/accounts/user/{user}/delete/",
    "/admin/security/securityevent/",
    "/admin/sessions_demo/devicesession/",
    "/admin/sessions_demo/devicesession/?state=live",
    "/admin/sessions_demo/devicesession/?state=ended&remember__exact=0",
    "/admin/notes/note/",
    "/admin/password_change/",
]
API = [
    "/docs/",
    "/session/api/",
    "/session/api/whoami",
    "/session/api/profile",
    "/session/api/staff",
    "/session/api/devices",
    "/notes/api/",
    "/session/auth/login",
    "/session/auth/reauthenticate",
    "/session/auth/password",
    "/session/auth/logout",
    "/session/auth/logout-everywhere",
]
# The parts that are ours of Swagger's page and of DRF's, which are all alike.
OURS = {"/docs/": ".back", "/session/api/": ".navbar"}

Sound = Callable[..., None]


@pytest.fixture
def admin_page(page: Page, admin_state: Any) -> Page:
    """The page of a browser in which the demo's administrator is logged in."""
    page.context.add_cookies(admin_state["cookies"])
    return page


@pytest.mark.parametrize("path", sampled(OPEN, OPEN[::3]))
def test_an_open_page_is_sound(page: Page, sound: Sound, site: Site, path: str) -> None:
    page.goto(site.url + path)
    sound(page)


@pytest.mark.parametrize("path", sampled(SIGNED_IN, SIGNED_IN[::2]))
def test_a_page_for_those_signed_in_is_sound(admin_page: Page, sound: Sound, site: Site, path: str) -> None:
    admin_page.goto(site.url + path)
    expect(admin_page.get_by_role("banner")).to_contain_text("Logged in as Admin")
    sound(admin_page)


def test_the_page_that_says_goodbye_is_sound(page: Page, sound: Sound, site: Site, cast: dict[str, Any]) -> None:
    session_login(page, site, "walter")
    page.get_by_role("button", name="Log out here").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are logged out")
    sound(page)


def test_the_mailbox_is_sound(page: Page, sound: Sound, site: Site, cast: dict[str, Any]) -> None:
    page.goto(f"{site.url}/accounts/mail/")
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_role("article").filter(has_text="Open this link: http://localhost/xxx").first).to_be_visible()
    sound(page)


@pytest.mark.parametrize("link", ["register", "reset"])
def test_a_page_behind_a_mailed_link_is_sound(
    page: Page, sound: Sound, site: Site, cast: dict[str, Any], link: str
) -> None:
    page.goto(site.url + cast[link])
    expect(page.get_by_label("New password", exact=True)).to_be_visible()
    sound(page)


@pytest.mark.parametrize("path", sampled(FORMS, FORMS[-1:]))
def test_a_form_that_was_refused_is_sound(admin_page: Page, sound: Sound, site: Site, path: str) -> None:
    admin_page.goto(site.url + path)
    admin_page.get_by_role("main").get_by_role("button").last.click()
    expect(admin_page.get_by_role("alert")).to_be_visible()
    assert admin_page.title().startswith("Error: ")
    sound(admin_page)


def test_the_admin_keeps_the_policy(admin_page: Page, site: Site, cast: dict[str, Any]) -> None:
    page = admin_page
    for path in ADMIN:
        response = page.goto(site.url + path.format(**cast))
        assert response is not None
        assert response.status == 200, path
        # Without one a browser asks for /favicon.ico, which is a 404 in its console; a headless one does not ask.
        assert page.locator("link[rel=icon]").count() == 1, path
    page.goto(f"{site.url}/admin/security/securityevent/")
    page.locator("#result_list tbody a").first.click()
    expect(page.get_by_role("heading", name="View security event")).to_be_visible()
    page.context.clear_cookies()
    page.goto(f"{site.url}/admin/login/")
    expect(page.get_by_role("button", name="Log in")).to_be_visible()


# One page of Swagger's and two of DRF's; the others are made of the same templates.
@pytest.mark.parametrize("known", sampled([True, False], {True}), ids=["logged-in", "nobody"])
@pytest.mark.parametrize("path", sampled(API, API[:3]))
def test_a_page_about_the_api_keeps_the_policy_and_leads_back(
    page: Page, site: Site, admin_state: Any, path: str, known: bool
) -> None:
    if known:
        page.context.add_cookies(admin_state["cookies"])
    page.goto(site.url + path)
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 800})
        assert_fits(page)
    if path in OURS:
        page.evaluate(AXE_SCRIPT)
        assert axe(page, OURS[path]) == []
    assert page.locator("link[rel=icon]").count() == 1
    expect(page.get_by_role("link", name="Sessions & tokens")).to_have_attribute("href", "/")
