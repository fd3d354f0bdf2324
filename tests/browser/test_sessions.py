"""The session flow's pages: login, other devices, logout, and what the browser stores."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.browser.conftest import log_in, session_login
from tests.running import Site
from tests.sampling import sampled
from tests.site.member import Member

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("cast")]

PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.0 Mobile/15E148 Safari/604.1"
)
LOGIN = re.compile(r"/session/login/(\?|$)")
ELSEWHERE = ["//evil.example/", r"\\evil.example", r"/\evil.example", "https://evil.example/", "javascript:alert(1)"]


# ── In ──


LIVES = [(False, 86_400), (True, 2_592_000)]


@pytest.mark.parametrize(("remember", "seconds"), sampled(LIVES, LIVES[:1]), ids=["a-day", "30-days"])
def test_the_browser_holds_the_cookie_as_promised(page: Page, site: Site, remember: bool, seconds: int) -> None:
    session_login(page, site, "walter", remember)
    expect(page.get_by_role("heading", level=1)).to_have_text("Walter")
    cookie = session_cookie(page.context)
    assert cookie == cookie | {
        "domain": "localhost",  # and not ".localhost": for this host only
        "path": "/",
        "secure": True,
        "httpOnly": True,
        "sameSite": "Strict",
    }
    assert abs(cookie["expires"] - time.time() - seconds) < 30
    assert "sessionid" not in page.evaluate("document.cookie")


@pytest.mark.exhaustive
def test_the_id_is_new_at_every_login_and_never_one_that_was_planted(page: Page, site: Site) -> None:
    plant(page.context, "a" * 32)
    session_login(page, site, "walter")
    first = session_cookie(page.context)["value"]
    assert first != "a" * 32
    session_login(page, site, "walter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Walter")
    second = session_cookie(page.context)["value"]
    assert opens(site, second)
    for old in ("a" * 32, first):
        assert not opens(site, old)


def test_the_login_page_leads_where_one_was_going(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/session/devices/")
    expect(page).to_have_url(f"{site.url}/session/login/?next=/session/devices/")
    wrong(page)
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    fill(page, "walter")
    expect(page).to_have_url(f"{site.url}/session/devices/")


# tests/sessions_demo tests each bad address; one of them is tested in a browser.
@pytest.mark.parametrize("next", sampled(ELSEWHERE, {"//evil.example/"}))
def test_the_login_page_leads_nowhere_else(page: Page, site: Site, next: str) -> None:
    session_login(page, site, "walter", then=f"?next={next}")
    expect(page).to_have_url(f"{site.url}/session/profile/")


@pytest.mark.exhaustive
def test_a_wrong_password_is_a_401_that_says_no_more(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/session/login/")
    with page.expect_response(lambda response: response.request.method == "POST") as answer:
        wrong(page)
    assert answer.value.status == 401
    expect(page.get_by_role("alert")).to_be_focused()
    assert session_cookies(page.context) == []


# ── Elsewhere ──


def test_one_device_ends_another(visit: Callable[..., Page], site: Site) -> None:
    phone, desk = visit(user_agent=PHONE), visit()
    session_login(phone, site, "nina")
    session_login(desk, site, "nina", remember=True)
    desk.get_by_role("link", name="Devices", exact=True).click()
    here = desk.get_by_role("listitem").filter(has_text="this browser")
    expect(here).to_contain_text("Chrome on Linux")
    there = desk.get_by_role("listitem").filter(has_text="Safari on iPhone")
    there.get_by_text("What the browser calls itself").click()
    expect(there.get_by_text(PHONE)).to_be_visible()
    there.get_by_role("button", name="End", exact=True).click()

    expect(desk.get_by_role("main").get_by_role("status")).to_have_text("Safari on iPhone was ended.")
    expect(there).to_have_count(0)
    expect(here).to_have_count(1)
    phone.get_by_role("link", name="Devices", exact=True).click()
    expect(phone).to_have_url(LOGIN)


@pytest.mark.exhaustive
def test_the_others_are_ended_together(visit: Callable[..., Page], site: Site) -> None:
    others, here = [visit(), visit()], visit()
    for page in (*others, here):
        session_login(page, site, "rupert")
    here.goto(f"{site.url}/session/devices/")
    here.get_by_text("End the others …").click()
    here.get_by_role("button", name="Yes, end these 2").click()
    expect(here.get_by_text("All your other sessions were ended.")).to_be_visible()
    expect(here.get_by_text("End the others …")).to_have_count(0)
    for page in others:
        page.reload()
        expect(page).to_have_url(LOGIN)


@pytest.mark.exhaustive
def test_a_new_password_ends_the_others_and_gives_this_one_a_new_id(visit: Callable[..., Page], site: Site) -> None:
    here, there = visit(), visit()
    for page in (here, there):
        session_login(page, site, "oscar")
    old = session_cookie(here.context)["value"]
    assert opens(site, old)
    here.get_by_role("main").get_by_role("link", name="Change the password").click()
    here.get_by_label("Old password", exact=True).fill("correct horse oscar")
    for label in ("New password", "New password confirmation"):
        here.get_by_label(label, exact=True).fill("battery staple oscar")
    here.get_by_role("button", name="Change the password").click()

    expect(here.get_by_role("heading", level=1)).to_have_text("Your password is changed")
    here.goto(f"{site.url}/session/profile/")
    expect(here.get_by_role("heading", level=1)).to_have_text("Oscar")
    assert session_cookie(here.context)["value"] != old
    assert not opens(site, old)
    there.reload()
    expect(there).to_have_url(LOGIN)


@pytest.mark.exhaustive
def test_a_session_of_the_admin_is_a_device_too(visit: Callable[..., Page], site: Site) -> None:
    admin, page = visit(user_agent=PHONE), visit()
    log_in(admin, site, "judith@example.com", "correct horse judith")
    expect(admin.get_by_role("heading", level=1)).to_have_text("Users, sessions, tokens")
    session_login(page, site, "judith", then="?next=/session/devices/")
    row = page.get_by_role("listitem").filter(has_text="Safari on iPhone")
    row.get_by_role("button", name="End", exact=True).click()
    expect(row).to_have_count(0)
    admin.reload()
    expect(admin).to_have_url(re.compile("/admin/login/"))


# ── Out ──


def test_back_after_logging_out_shows_nothing(keeps_pages: Page, site: Site) -> None:
    page = keeps_pages
    session_login(page, site, "sybil")
    expect(page.get_by_text("sybil@example.com")).to_be_visible()
    page.get_by_role("navigation").get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are logged out")
    page.evaluate("history.back()")
    expect(page).to_have_url(f"{site.url}/session/login/?next=/session/profile/")
    assert "Sybil" not in page.content()
    page.goto(f"{site.url}/session/profile/")
    expect(page).to_have_url(LOGIN)


@pytest.mark.exhaustive
def test_a_dead_cookie_opens_nothing(page: Page, site: Site) -> None:
    session_login(page, site, "sybil")
    alive = session_cookie(page.context)["value"]
    assert opens(site, alive)
    page.get_by_role("button", name="Log out here").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are logged out")
    assert session_cookies(page.context) == []
    assert not opens(site, alive)


@pytest.mark.exhaustive
def test_logging_out_everywhere_ends_both(visit: Callable[..., Page], site: Site) -> None:
    here, there = visit(), visit()
    for page in (here, there):
        session_login(page, site, "peggy")
    here.get_by_role("button", name="Log out everywhere").click()
    expect(here.get_by_role("main")).to_contain_text("Everything you were logged in with has ended")
    there.get_by_role("button", name="Log out everywhere").click()
    expect(there).to_have_url(LOGIN)
    fill(there, "peggy")
    expect(there).to_have_url(f"{site.url}/session/devices/")


def test_everything_works_without_javascript(visit: Callable[..., Page], site: Site) -> None:
    other, page = visit(user_agent=PHONE), visit(java_script_enabled=False)
    session_login(other, site, "trent")
    session_login(page, site, "trent", remember=True)
    expect(page.get_by_role("main")).to_contain_text("trent@example.com")
    page.get_by_role("link", name="Devices", exact=True).click()
    row = page.get_by_role("listitem").filter(has_text="Safari on iPhone")
    row.get_by_role("button", name="End", exact=True).click()
    expect(row).to_have_count(0)
    other.reload()
    expect(other).to_have_url(LOGIN)
    page.get_by_role("button", name="End this one and log out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are logged out")
    page.goto(f"{site.url}/session/profile/")
    expect(page).to_have_url(LOGIN)


# ── Where the cookie does not stick, and what else may go wrong ──


def test_the_login_page_notices_that_its_cookie_did_not_stick(
    page: Page, sound: Callable[..., None], site: Site
) -> None:
    notice = page.get_by_role("alert").filter(has_text="did not keep this site’s cookie")
    page.goto(f"{site.url}/session/login/")
    expect(page.get_by_role("button", name="Show Password")).to_be_visible()
    expect(notice).to_be_hidden()
    page.context.clear_cookies()
    page.route("**/session/login/", lose_cookies)
    page.reload()
    expect(notice).to_contain_text("make run HTTPS=1")
    expect(notice.get_by_role("link", name=site.url)).to_be_visible()
    sound(page)


def test_without_javascript_the_answer_says_that_the_cookie_did_not_stick(
    visit: Callable[..., Page], site: Site
) -> None:
    page = visit(java_script_enabled=False)
    page.route("**/session/login/", lose_cookies)
    page.goto(f"{site.url}/session/login/")
    with page.expect_response(lambda response: response.request.method == "POST") as answer:
        fill(page, "walter")
    assert answer.value.status == 403
    expect(page.get_by_role("main")).to_contain_text("did not keep this site’s cookie")
    expect(page.get_by_role("main")).to_contain_text("make run HTTPS=1")


@pytest.mark.exhaustive
def test_a_user_agent_is_text_wherever_it_is_shown(visit: Callable[..., Page], site: Site) -> None:
    script = "<script>alert(1)</script>"
    page = visit(user_agent=script)
    session_login(page, site, "mallory", then="?next=/session/devices/")
    expect(page.get_by_role("heading", name=script)).to_be_visible()
    for path in ("/session/profile/", "/admin/sessions_demo/devicesession/", "/session/api/devices"):
        page.goto(site.url + path)
        assert page.get_by_text("alert(1)").evaluate_all("found => found.every(e => e.tagName !== 'SCRIPT')")
        assert page.locator("img[src=x]").count() == 0
    expect(page.get_by_role("main").get_by_text(script).first).to_be_visible()


@pytest.mark.site
def test_over_https_with_the_certificate_made_here(visit: Callable[..., Page]) -> None:
    with Site(HTTPS="1") as site:
        page = visit(ignore_https_errors=True)
        page.goto(f"{site.url}/session/login/")
        fill(page, "alice", "demo-only-alice")
        expect(page.get_by_role("heading", level=1)).to_have_text("Alice")
        assert page.url == f"{site.url}/session/profile/"
        assert session_cookie(page.context)["secure"]


# ── The API in a browser ──


def test_the_browsable_api_sends_what_is_typed_into_it(page: Page, site: Site) -> None:
    session_login(page, site, "victor")
    before = session_cookie(page.context)["value"]
    page.goto(f"{site.url}/session/auth/reauthenticate")
    expect(page.get_by_role("main").last).to_contain_text("405")
    page.get_by_role("textbox").fill(json.dumps({"password": "a guess"}))
    page.get_by_role("button", name="POST").click()
    expect(page.get_by_text("Invalid credentials")).to_be_visible()
    page.get_by_role("textbox").fill(json.dumps({"password": "correct horse victor"}))
    page.get_by_role("button", name="POST").click()
    expect(page.get_by_text("Reauthenticated")).to_be_visible()
    assert session_cookie(page.context)["value"] != before


@pytest.mark.exhaustive
def test_the_browsable_api_ends_the_other_devices(visit: Callable[..., Page], site: Site) -> None:
    other, page = visit(), visit()
    session_login(other, site, "victor")
    session_login(page, site, "victor")
    page.goto(f"{site.url}/session/api/devices")
    page.get_by_text("DELETE", exact=True).click()
    page.get_by_role("button", name="Send DELETE").click()
    expect(page.locator("#answer")).to_contain_text("The others were ended")
    other.reload()
    expect(other).to_have_url(LOGIN)


@pytest.mark.exhaustive
def test_the_reference_can_be_tried_out(page: Page, site: Site) -> None:
    session_login(page, site, "victor")
    page.goto(f"{site.url}/docs/")
    # The groups of endpoints are closed at first.
    page.locator("#operations-tag-session").click()
    operation = page.locator("#operations-session-session_auth_reauthenticate_create")
    operation.locator(".opblock-summary").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("textbox").fill(json.dumps({"password": "correct horse victor"}))
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table")).to_contain_text("Reauthenticated")


def fill(page: Page, name: str, password: str = "") -> None:
    """Fills in the login form that is open, and sends it."""
    page.get_by_label("E-mail address").fill(f"{name}@example.com")
    page.get_by_label("Password", exact=True).fill(password or f"correct horse {name}")
    page.get_by_role("main").get_by_role("button", name="Log in").click()


def wrong(page: Page) -> None:
    fill(page, "walter", "a guess")


def session_cookies(context: BrowserContext) -> list[Any]:
    return [cookie for cookie in context.cookies() if cookie["name"] == "__Host-sessionid"]


def session_cookie(context: BrowserContext) -> Any:
    """The one session cookie this browser holds."""
    (cookie,) = session_cookies(context)
    return cookie


def plant(context: BrowserContext, value: str) -> None:
    """Puts a session cookie into a browser."""
    context.add_cookies(
        [{"name": "__Host-sessionid", "value": value, "domain": "localhost", "path": "/", "secure": True}]
    )
    assert session_cookie(context)["value"] == value


def opens(site: Site, value: str) -> bool:
    """Whether a client that has only this session cookie is shown a profile."""
    return Member(site, value).send("GET", "/session/profile/").status == 200


def lose_cookies(route: Route) -> None:
    """Acts as a browser that accepts no Secure cookie over http: the page arrives without its cookies."""
    if route.request.method != "GET":
        route.continue_()
        return
    response = route.fetch()
    assert "set-cookie" in response.headers
    route.request.frame.page.context.clear_cookies()
    headers = {name: value for name, value in response.headers.items() if name != "set-cookie"}
    route.fulfill(response=response, headers=headers)
