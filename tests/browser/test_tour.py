"""Every page, wide and narrow, light and dark: axe and the policy have nothing to say, and nothing sticks out."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Witness, new_profile, session_login
from tests.running import Site

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
]
FORMS = ["/accounts/register/", "/accounts/password/reset/", "/accounts/password/", "/session/login/"]
ADMIN = [
    "/admin/",
    "/admin/accounts/user/",
    "/admin/accounts/user/?q=nobody&role__exact=member",
    "/admin/accounts/user/add/",
    "/admin/accounts/user/{user}/change/",
    "/admin/accounts/user/{user}/password/",
    "/admin/accounts/user/{user}/history/",
    "/admin/accounts/user/{user}/delete/",
    "/admin/accounts/securityevent/",
    "/admin/sessions_demo/devicesession/",
    "/admin/sessions_demo/devicesession/?state=live",
    "/admin/sessions_demo/devicesession/?state=ended&remember__exact=0",
    "/admin/password_change/",
]
# Swagger's and DRF's pages, and the parts of them that are ours.
API = {
    "/docs/": ".back",
    "/session/api/": ".navbar",
    "/session/api/whoami": ".navbar",
    "/session/api/profile": ".navbar",
    "/session/api/staff": ".navbar",
    "/session/api/devices": ".navbar",
    "/session/auth/login": ".navbar",
    "/session/auth/confirm": ".navbar",
    "/session/auth/password": ".navbar",
    "/session/auth/logout": ".navbar",
    "/session/auth/logout-everywhere": ".navbar",
}


Windows = dict[bool, tuple[Page, Witness]]


@pytest.fixture(scope="module")
def windows(chromium: Browser, admin_state: Any) -> Iterator[Windows]:
    """A page of nobody's and one of an administrator's: a new browser profile for each address takes long."""
    profiles = {known: new_profile(chromium, storage_state=admin_state if known else None) for known in (False, True)}
    yield {known: (context.new_page(), witness) for known, (context, witness) in profiles.items()}
    for context, _ in profiles.values():
        context.close()
    assert [line for _, witness in profiles.values() for line in witness.objections()] == []


@pytest.fixture
def window(windows: Windows) -> Iterator[Callable[[bool], Page]]:
    """`window(known)`: one of the two pages, as a new one would be. It must have had no reason to complain."""
    for page, witness in windows.values():
        page.set_viewport_size({"width": 1280, "height": 720})
        page.emulate_media(color_scheme="light")
        witness.documents.clear()
    yield lambda known: windows[known][0]
    said = [line for _, witness in windows.values() for line in witness.objections()]
    for _, witness in windows.values():
        witness.complaints.clear()
    assert said == []


@pytest.mark.parametrize("path", OPEN)
def test_an_open_page_is_sound(window: Callable[[bool], Page], site: Site, path: str) -> None:
    page = window(False)
    page.goto(site.url + path)
    assert_sound(page)


@pytest.mark.parametrize("path", SIGNED_IN)
def test_a_page_for_those_signed_in_is_sound(window: Callable[[bool], Page], site: Site, path: str) -> None:
    page = window(True)
    page.goto(site.url + path)
    expect(page.get_by_role("banner")).to_contain_text("Signed in as Admin")
    assert_sound(page)


def test_the_page_that_says_goodbye_is_sound(page: Page, site: Site, cast: dict[str, Any]) -> None:
    session_login(page, site, "walter")
    page.get_by_role("button", name="Log out here").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are logged out")
    assert_sound(page)


def test_the_mailbox_is_sound(window: Callable[[bool], Page], site: Site, cast: dict[str, Any]) -> None:
    page = window(False)
    page.goto(f"{site.url}/accounts/mail/")
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_role("article").filter(has_text="Open this link: http://localhost/xxx").first).to_be_visible()
    assert_sound(page)


@pytest.mark.parametrize("link", ["register", "reset"])
def test_a_page_behind_a_mailed_link_is_sound(
    window: Callable[[bool], Page], site: Site, cast: dict[str, Any], link: str
) -> None:
    page = window(False)
    page.goto(site.url + cast[link])
    expect(page.get_by_label("New password", exact=True)).to_be_visible()
    assert_sound(page)


@pytest.mark.parametrize("path", FORMS)
def test_a_form_that_was_refused_is_sound(window: Callable[[bool], Page], site: Site, path: str) -> None:
    page = window(True)
    page.goto(site.url + path)
    page.get_by_role("main").get_by_role("button").last.click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.title().startswith("Error: ")
    assert_sound(page)


def test_the_admin_keeps_the_policy(window: Callable[[bool], Page], site: Site, cast: dict[str, Any]) -> None:
    page = window(True)
    for path in ADMIN:
        response = page.goto(site.url + path.format(**cast))
        assert response is not None
        assert response.status == 200, path
        # Without one a browser asks for /favicon.ico, which is a 404 in its console; a headless one does not ask.
        assert page.locator("link[rel=icon]").count() == 1, path
    page.goto(f"{site.url}/admin/accounts/securityevent/")
    page.locator("#result_list tbody a").first.click()
    expect(page.get_by_role("heading", name="View security event")).to_be_visible()
    window(False).goto(f"{site.url}/admin/login/")


@pytest.mark.parametrize("known", [True, False], ids=["signed-in", "nobody"])
def test_the_pages_about_the_api_keep_the_policy_and_lead_back(
    window: Callable[[bool], Page], site: Site, known: bool
) -> None:
    page = window(known)
    for path, ours in API.items():
        page.goto(site.url + path)
        page.evaluate(AXE_SCRIPT)
        for width in (1280, 360):
            page.set_viewport_size({"width": width, "height": 800})
            assert_fits(page)
        assert axe(page, ours) == [], path
        assert page.locator("link[rel=icon]").count() == 1, path
        expect(page.get_by_role("link", name="Sessions & tokens")).to_have_attribute("href", "/")


def assert_sound(page: Page, unsure: bool = True) -> None:
    """`unsure`: also where axe could not tell the contrast, which it never can in drawings, signs and wide tables."""
    page.evaluate(AXE_SCRIPT)
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme="light")
        assert axe(page, unsure=unsure) == [], width
        page.emulate_media(color_scheme="dark")
        assert axe(page, unsure=unsure, runOnly=["color-contrast", "link-in-text-block"]) == [], (width, "dark")
        assert_fits(page)
    page.set_viewport_size({"width": 320, "height": 640})
    assert_fits(page)


def axe(page: Page, part: str = "html", unsure: bool = True, **options: Any) -> list[str]:
    """What axe objects to, and where it could not tell the contrast."""
    found = page.evaluate("([part, options]) => axe.run(part, options)", [part, options])
    doubts = [rule for rule in found["incomplete"] if unsure and rule["id"] == "color-contrast"]
    return [f"{rule['id']}: {node['html']}" for rule in found["violations"] + doubts for node in rule["nodes"]]


def assert_fits(page: Page) -> None:
    content, window = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert content <= window, page.url
