"""The strip on every page: both logins of this browser, each with its end, and what the last request took."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import session_login
from tests.browser.tokens import COOKIE, press, state, title, token_login
from tests.running import Site

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("cast")]


def strip(page: Page) -> Locator:
    return page.get_by_role("region", name="Your browser now")


def both(page: Page, site: Site, name: str) -> None:
    """Logs in both ways, and opens a page that belongs to neither."""
    session_login(page, site, name)
    expect(title(page)).to_have_text(name.title())
    token_login(page, site, name)
    page.goto(f"{site.url}/glossary/")
    expect(strip(page)).to_contain_text(f"Session: {name.title()}")
    expect(strip(page)).to_contain_text(f"Token: {name.title()}")


def test_without_javascript_the_session_can_be_seen_opened_and_ended(visit: Callable[..., Page], site: Site) -> None:
    page = visit(java_script_enabled=False)
    page.goto(site.url)
    expect(strip(page)).to_contain_text("No session")
    session_login(page, site, "walter")
    expect(strip(page)).to_contain_text(re.compile(r"Session: Walter\s+· ends \d\d:\d\d UTC"))
    strip(page).get_by_role("button", name="open record").click()
    expect(page.get_by_role("region", name="Your own session in Redis").get_by_text("_auth_role")).to_be_visible()
    strip(page).get_by_role("button", name="end your session").click()
    expect(title(page)).to_have_text("You are logged out")
    expect(strip(page)).to_contain_text("No session")


def test_ending_the_token_login_leaves_the_session(page: Page, site: Site) -> None:
    both(page, site, "walter")
    strip(page).get_by_role("button", name="end your token login").click()
    expect(strip(page)).to_contain_text("Your token login was ended. Your session goes on.")
    expect(strip(page)).to_contain_text("No token login")
    assert COOKIE not in {cookie["name"] for cookie in page.context.cookies()}
    page.reload()
    expect(strip(page)).to_contain_text("Session: Walter")
    expect(strip(page)).to_contain_text("No token login")


def test_ending_the_session_leaves_the_token_login_until_it_is_ended_too(page: Page, site: Site) -> None:
    both(page, site, "walter")
    strip(page).get_by_role("button", name="end your session").click()
    expect(title(page)).to_have_text("Your session was ended")
    expect(page.get_by_role("main")).to_contain_text("Your token login goes on.")
    expect(strip(page)).to_contain_text("Token: Walter")
    page.get_by_role("button", name="End the token login too").click()
    expect(page.get_by_text("Your token login goes on.")).to_be_hidden()
    expect(page.get_by_text("Your token login was ended.")).to_be_focused()
    page.goto(f"{site.url}/jwt/")
    expect(state(page)).to_have_text("You are not logged in.")


def test_one_click_opens_the_own_token(page: Page, site: Site) -> None:
    both(page, site, "walter")
    strip(page).get_by_role("link", name="read your token").click()
    expect(page.get_by_role("region", name="This token")).to_contain_text("sub")


def test_looking_at_pages_does_not_rotate_the_refresh_token(page: Page, site: Site) -> None:
    both(page, site, "walter")
    before = refresh_token(page)
    for path in ("/", "/glossary/", "/session/profile/"):
        page.goto(site.url + path)
        expect(strip(page)).to_contain_text(re.compile(r"Token: Walter\s+· 1\d:\d\d left"))
    assert refresh_token(page) == before


def test_a_token_login_that_was_ended_elsewhere_is_not_claimed(visit: Callable[..., Page], site: Site) -> None:
    here, there = visit(), visit(user_agent="Mozilla/5.0 (there)")
    token_login(here, site, "trent")
    token_login(there, site, "trent")
    there.get_by_text("End the others …").click()
    press(there, "Yes, end them")
    expect(state(there)).to_contain_text("All your other token logins were ended.")
    here.goto(f"{site.url}/glossary/")
    expect(strip(here)).to_contain_text("No token login")
    expect(strip(here)).not_to_contain_text("Trent")


def test_the_other_tab_hears_of_each_end(page: Page, site: Site) -> None:
    both(page, site, "walter")
    other = page.context.new_page()
    other.goto(f"{site.url}/glossary/")
    expect(strip(other)).to_contain_text("Token: Walter")
    strip(page).get_by_role("button", name="end your token login").click()
    expect(strip(other)).to_contain_text("No token login")
    strip(page).get_by_role("button", name="end your session").click()
    expect(strip(other)).to_contain_text("No session")
    expect(strip(other)).to_contain_text("Your session has ended. Load this page again.")
    expect(other.get_by_role("button", name="Log out", exact=True)).to_be_hidden()


def test_a_login_and_a_logout_from_a_page_of_the_api_are_told(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/session/auth/login")
    body = {"email": "walter@example.com", "password": "correct horse walter"}
    page.get_by_label("Body of the POST, as JSON").fill(json.dumps(body))
    page.get_by_role("button", name="Send POST").click()
    expect(strip(page)).to_contain_text("Another session has begun in this browser.")
    expect(strip(page)).to_contain_text("Session: Walter")
    page.goto(f"{site.url}/session/auth/logout")
    page.get_by_role("button", name="Send POST").click()
    expect(strip(page)).to_contain_text("Your session has ended.")


@pytest.mark.exhaustive
def test_an_answer_that_never_comes_keeps_the_token_client_waiting_for_seconds_only(
    visit: Callable[..., Page], site: Site
) -> None:
    page = visit(refusals=("/browser-now",))
    token_login(page, site, "walter")
    other = page.context.new_page()
    other.route("**/browser-now", lambda route: None)
    with other.expect_request("**/browser-now"):
        other.goto(f"{site.url}/glossary/")
    page.reload()
    expect(state(page)).to_have_text("You are logged in.", timeout=30_000)


def test_the_token_page_and_its_strip_agree(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/jwt/")
    expect(strip(page)).to_contain_text("No token login")
    token_login(page, site, "walter")
    expect(strip(page)).to_contain_text("Token: Walter")
    page.get_by_role("button", name="Log out here").click()
    expect(strip(page)).to_contain_text("No token login")


def test_an_error_page_asks_for_the_logins_afterwards(page: Page, site: Site) -> None:
    both(page, site, "walter")
    page.goto(f"{site.url}/nothing/")
    expect(strip(page)).to_contain_text("Session: Walter")
    expect(strip(page)).to_contain_text("Token: Walter")


def test_the_last_request_is_shown_with_its_cost(page: Page, site: Site) -> None:
    session_login(page, site, "walter")
    page.goto(f"{site.url}/session/profile/")
    expect(strip(page)).to_contain_text(
        re.compile(r"Last request: GET /session/profile/\s+· \d+ bytes of cookies · 1 SQL · 1 Redis · [\d.]+ ms")
    )
    strip(page).get_by_role("link", name="wire").click()
    expect(page).to_have_url(f"{site.url}/lab/wire/")


def test_in_a_narrow_window_the_menu_and_the_strip_open(visit: Callable[..., Page], site: Site) -> None:
    page = visit(java_script_enabled=False)
    page.set_viewport_size({"width": 360, "height": 740})
    session_login(page, site, "walter")
    lab = page.get_by_role("navigation", name="Main").get_by_role("link", name="Lab", exact=True)
    expect(lab).to_be_hidden()
    page.get_by_text("Menu", exact=True).click()
    expect(lab).to_be_visible()
    end = strip(page).get_by_role("button", name="end your session")
    expect(end).to_be_hidden()
    strip(page).get_by_text("Now").click()
    expect(end).to_be_visible()


@pytest.mark.parametrize("width", [360, 1000, 1190, 1280])
def test_the_longest_name_is_cut(page: Page, site: Site, width: int) -> None:
    both(page, site, "walter")
    page.set_viewport_size({"width": width, "height": 800})
    measure = "[document.documentElement.scrollWidth, document.querySelector('.bar').offsetHeight]"
    before = page.evaluate(measure)
    page.evaluate("document.querySelectorAll('.strip b, .who .name').forEach(e => e.textContent = 'N'.repeat(150))")
    assert page.evaluate(measure) == before == [width, before[1]]


def test_a_name_from_right_to_left_does_not_reorder_the_words_after_it(page: Page, site: Site) -> None:
    both(page, site, "walter")
    name = strip(page).locator(".token b")
    name.evaluate("e => e.textContent = 'שלום'")
    left = strip(page).locator("[data-strip-left]")
    expect(left).to_contain_text("left")
    boxes = name.bounding_box(), left.bounding_box()
    assert boxes[0]["x"] < boxes[1]["x"]


def test_escape_closes_the_menu(page: Page, site: Site) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(site.url)
    page.get_by_text("Menu", exact=True).click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("navigation", name="Main")).to_be_hidden()
    expect(page.locator(".menu summary")).to_be_focused()


@pytest.mark.parametrize(("height", "stays"), [(740, True), (450, False)])
def test_the_bar_stays_in_sight_only_in_a_high_window(page: Page, site: Site, height: int, stays: bool) -> None:
    page.set_viewport_size({"width": 640, "height": height})
    page.goto(site.url)
    page.mouse.wheel(0, 1500)
    page.wait_for_function("scrollY > 1000")
    if stays:
        expect(strip(page)).to_be_in_viewport()
        assert page.locator(".top").bounding_box()["height"] < height / 5  # type: ignore[index]
    else:
        expect(strip(page)).not_to_be_in_viewport()


def refresh_token(page: Page) -> Any:
    return next(cookie["value"] for cookie in page.context.cookies() if cookie["name"] == COOKIE)  # type: ignore[typeddict-item]
