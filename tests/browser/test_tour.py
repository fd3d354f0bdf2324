"""Every page, wide and narrow, light and dark: axe and the policy have nothing to say, and nothing sticks out."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import session_login
from tests.running import Site, until
from tests.sampling import sampled
from tests.site.backstage import Backstage

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


def test_the_mailbox_is_sound(page: Page, sound: Sound, site: Site, backstage: Backstage) -> None:
    # One mail more than a page shows. They are made here, because another test deletes all mails.
    backstage.ask("fill_mailbox", "judy@example.com", 21)
    page.goto(f"{site.url}/accounts/mail/")
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_role("article").filter(has_text="http://localhost/xxx").first).to_be_visible()
    # While something has the focus, the page is not loaded again when a late mail of another test arrives.
    page.get_by_role("link", name="Newer").focus()
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


@pytest.mark.parametrize("known", sampled([True, False], {True}), ids=["logged-in", "nobody"])
@pytest.mark.parametrize("path", sampled(API, ["/session/api/", "/session/auth/login"]))
def test_a_page_about_the_api_is_sound(
    page: Page, sound: Sound, site: Site, admin_state: Any, path: str, known: bool
) -> None:
    if known:
        page.context.add_cookies(admin_state["cookies"])
    page.goto(site.url + path)
    sound(page)
    expect(page.get_by_role("link", name="Sessions & tokens", exact=True)).to_have_attribute("href", "/")


def test_the_documentation_of_the_api_is_sound(page: Page, sound: Sound, site: Site) -> None:
    page.goto(f"{site.url}/docs/")
    page.locator(".opblock-tag").first.click()
    expect(page.locator(".opblock-summary-method").first).to_be_visible()
    # Swagger has a `main` in ours, which a role takes back: for axe the role is the mistake.
    sound(page, without=("aria-allowed-role",))


def test_a_request_is_sent_from_the_page_of_its_address(page: Page, site: Site, admin_state: Any) -> None:
    page.context.add_cookies(admin_state["cookies"])
    page.goto(f"{site.url}/notes/api/")
    page.get_by_label("Body of the POST, as JSON").fill('{"text": "Sent from the API"}')
    page.get_by_role("button", name="Send POST").click()
    answer = page.locator("#answer")
    expect(answer).to_contain_text("HTTP 201 Created")
    expect(answer.get_by_role("heading", name="The answer to the request")).to_be_focused()
    note = json.loads((answer.locator("pre").text_content() or "").partition("\n\n")[2])
    page.goto(f"{site.url}/notes/api/{note['id']}")
    page.get_by_text("DELETE", exact=True).click()
    page.get_by_role("button", name="Send DELETE").click()
    expect(page.locator("#answer")).to_contain_text("HTTP 204")


def test_a_request_of_the_api_is_sent_once_while_its_answer_is_awaited(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/session/auth/logout")
    sent: list[Route] = []
    page.route("**/session/auth/logout", lambda route: sent.append(route))
    button = page.get_by_role("button", name="Send POST")
    button.click()
    until(lambda: page.wait_for_timeout(20) or sent)
    button.click()
    page.wait_for_timeout(300)
    assert len(sent) == 1
    sent[0].continue_()
    expect(page.locator("#answer")).to_contain_text("HTTP 200")
    page.unroute("**/session/auth/logout")


def test_without_a_script_the_documentation_lists_the_endpoints(visit: Callable[..., Page], site: Site) -> None:
    page = visit(java_script_enabled=False)
    page.goto(f"{site.url}/docs/")
    for name in ("Session API", "Token API"):
        expect(page.get_by_role("heading", name=name)).to_be_visible()
    expect(page.get_by_role("row", name="POST /jwt/auth/login Takes a name and a password. nothing")).to_be_visible()
    page.get_by_role("link", name="/session/api/whoami").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Who am I")
    expect(page.locator("html")).to_have_attribute("lang", "en")
