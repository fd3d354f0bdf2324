"""The home page's lanes, live, and the page `wire`: one button, and everything that happens is seen."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import session_login
from tests.browser.soundness import assert_fits
from tests.running import Site

pytestmark = pytest.mark.browser

# What the console says of the staff page: Alice is no administrator.
STAFF = ("/api/staff",)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def status(page: Page) -> Locator:
    return page.get_by_role("main").get_by_role("status")


def lit(page: Page) -> list[str]:
    steps: list[str] = page.locator(".lane li.lit").evaluate_all("steps => steps.map(step => step.id)")
    return steps


def names(page: Page) -> set[str]:
    return {cookie["name"] for cookie in page.context.cookies()}


def assert_drawn_and_sound(page: Page, sound: Callable[..., None]) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    expect(page.locator("sequence-diagram svg").first).to_be_visible()
    assert_fits(page)
    # axe cannot tell the contrast of text in a picture. It has the colours of the text beside it.
    page.evaluate("document.querySelectorAll('sequence-diagram').forEach(diagram => diagram.remove())")
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    # axe cannot tell it either where the buttons, which stay in view, cover other content.
    page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    sound(page)


def test_one_button_shows_both_flows_and_what_differs(
    visit: Callable[..., Page], sound: Callable[..., None], site: Site
) -> None:
    page = visit(refusals=STAFF)
    page.goto(site.url)
    assert lit(page) == []
    press(page, "Log in both ways")
    expect(status(page)).to_have_text("Logged in, both ways. Now open the profile.")
    # Only a later request shows that the browser kept the cookie.
    assert lit(page) == [f"session-step-{n}" for n in range(1, 5)] + [f"token-step-{n}" for n in range(1, 6)]
    press(page, "Open the profile")
    expect(status(page)).to_have_text("The profile was opened, both ways.")
    assert lit(page) == [f"session-step-{n}" for n in range(1, 8)] + [f"token-step-{n}" for n in range(1, 9)]
    assert_measured(page, "session-step-6", r"^49 bytes carried; Redis 1 GET [\d.]+\sms$")
    assert_measured(page, "token-step-7", r"1 × verify .*, Redis 1 MGET [\d.]+\sms$")
    differs = page.locator(".difference")
    expect(differs).to_contain_text("The session was looked up in Redis: 1 GET. The token was verified with a key")
    expect(page.get_by_role("img", name="The session lane as a sequence diagram")).to_be_visible()
    press(page, "Open the staff page")
    assert_measured(page, "token-step-8", "^403 for staff: known, and not allowed$")
    press(page, "Log out")
    expect(status(page)).to_have_text("Logged out, both ways. The recording has ended.")
    expect(differs).to_contain_text("The session’s record was deleted")
    assert names(page) == {"__Host-csrftoken"}
    assert_drawn_and_sound(page, sound)


def assert_measured(page: Page, step: str, text: str) -> None:
    expect(page.locator(f"#{step} .measured")).to_have_text(re.compile(text))


@pytest.mark.exhaustive
def test_a_recording_is_its_own_browsers_alone(visit: Callable[..., Page], site: Site) -> None:
    page, other = visit(), visit(refusals=("/lab/runs/",))
    page.goto(site.url)
    with page.expect_response("**/lab/runs/*") as read:
        press(page, "Log in both ways")
    address = read.value.url
    asked = "async url => { const answer = await fetch(url); return [answer.status, await answer.text()]; }"
    expect(status(page)).to_contain_text("Logged in")
    mine, text = page.evaluate(asked, address)
    assert (mine, "/session/auth/login" in text) == (200, True)
    other.goto(site.url)
    press(other, "Log in both ways")
    expect(status(other)).to_contain_text("Logged in")
    assert other.evaluate(asked, address) == [404, '{"error": "No such recording"}']


def test_who_is_logged_in_is_told_and_nothing_need_move(
    visit: Callable[..., Page], site: Site, cast: dict[str, Any]
) -> None:
    page = visit(refusals=("/jwt/auth/login",), reduced_motion="reduce")
    session_login(page, site, "nina")
    page.goto(site.url)
    expect(page.get_by_text("You are logged in as Nina in this browser.")).to_be_visible()
    page.get_by_label("Who logs in").select_option("bob@example.com")
    page.route("**/jwt/auth/login", lambda route: route.fulfill(status=429, headers={"Retry-After": "90"}, json={}))
    press(page, "Log in both ways")
    expect(status(page)).to_have_text("Too many failed logins. Try again in 2 minutes.")
    # The page still shows what happened before.
    assert lit(page) == [f"session-step-{n}" for n in range(1, 5)]


@pytest.mark.exhaustive
def test_a_scenario_is_drawn_opened_and_taken_along(page: Page, sound: Callable[..., None], site: Site) -> None:
    page.goto(f"{site.url}/lab/wire/?scenario=token-login#exchange-2")
    page.locator("[data-chosen]").get_by_role("button", name="Play").click()
    expect(status(page)).to_have_text("Played: A token, from login to logout, 5 exchanges.")
    expect(page.get_by_role("img")).to_have_count(5)
    expect(page.locator("#exchange-2 details")).to_have_attribute("open", "")
    with page.expect_download() as taken:
        press(page, "Download as SVG")
    picture = taken.value.path().read_text()
    assert picture.startswith("<svg")
    assert "POST /jwt/auth/login" in picture
    assert "oklch" not in picture
    assert_drawn_and_sound(page, sound)
