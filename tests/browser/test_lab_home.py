"""The home page, where a throwaway user logs in both ways, and the page `wire`: everything that happens is seen."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import session_login
from tests.browser.diagrams import assert_diagrams_are_readable
from tests.running import Site

pytestmark = pytest.mark.browser

PLAY = "Log Dana in, both ways"
LANES = ("session", "token")


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def status(page: Page) -> Locator:
    return page.get_by_role("main").get_by_role("status")


def assert_sound_without_diagrams(page: Page, sound: Callable[..., None]) -> None:
    # axe cannot tell the contrast of text in a picture. It has the colours of the text beside it.
    page.evaluate("document.querySelectorAll('sequence-diagram').forEach(diagram => diagram.remove())")
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    sound(page)


def test_one_button_shows_both_flows_and_what_differs(
    visit: Callable[..., Page], sound: Callable[..., None], site: Site
) -> None:
    page = visit(reduced_motion="reduce")
    page.goto(site.url)
    expect(page.locator(".lane li.lit")).to_have_count(0)
    press(page, PLAY)
    expect(status(page)).to_contain_text("Dana was logged in both ways")
    expect(page.locator(".lane li.lit")).to_have_count(16)
    assert_each_step_keeps_its_numbers(page)
    assert_bytes_are_counted_alike(page)
    page.get_by_text("Every request, drawn and in words").click()
    assert_diagrams_are_readable(page, 11)
    assert_sound_without_diagrams(page, sound)


def assert_each_step_keeps_its_numbers(page: Page) -> None:
    for lane in LANES:
        expect(page.locator(f"#{lane}-step-6 .measured")).to_have_text(
            ["Profile: 200, allowed", "Staff page: 403, known, but not allowed"]
        )
    expect(page.locator("#session-step-8 .measured")).to_have_text(["Here: 401, refused"])
    accepted = re.compile(r"^Service with the key only: 200, allowed for 14 min \d+ s more$")
    expect(page.locator("#token-step-8 .measured")).to_have_text(["Here: 401, refused", accepted])


def assert_bytes_are_counted_alike(page: Page) -> None:
    sizes = [re.findall(r"Profile: (\d+) bytes", page.locator(f"#{lane}-step-4").inner_text()) for lane in LANES]
    # The bytes of a header with its name, for both.
    assert sizes[0] == ["57"]
    table = page.get_by_role("table", name="What differs")
    for (size,) in sizes:
        expect(table).to_contain_text(f"{size} bytes")


def test_both_lanes_are_seen_together_at_360_pixels(page: Page, site: Site) -> None:
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(site.url)
    for number in range(1, 9):
        boxes: list[Any] = [page.locator(f"#{lane}-step-{number}").bounding_box() for lane in LANES]
        assert boxes[0]["y"] == boxes[1]["y"]
        assert boxes[0]["x"] + boxes[0]["width"] < boxes[1]["x"]
    assert page.evaluate("document.documentElement.scrollHeight") < 3000


def test_playing_leaves_the_visitors_own_login_alone(
    visit: Callable[..., Page], site: Site, cast: dict[str, Any]
) -> None:
    page = visit()
    session_login(page, site, "nina")
    before = {(cookie["name"], cookie["value"]) for cookie in page.context.cookies() if "session" in cookie["name"]}
    page.goto(site.url)
    press(page, PLAY)
    expect(status(page)).to_contain_text("Dana was logged in both ways")
    after = {(cookie["name"], cookie["value"]) for cookie in page.context.cookies() if "session" in cookie["name"]}
    assert before
    assert after == before
    page.goto(f"{site.url}/session/profile/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Nina")


@pytest.mark.parametrize("path", ["/session/login/", "/jwt/"])
def test_a_demo_account_fills_the_login_form(visit: Callable[..., Page], site: Site, path: str) -> None:
    page = visit()
    page.goto(f"{site.url}{path}")
    page.get_by_role("link", name="Use bob@example.com").click()
    expect(page.get_by_label("E-mail")).to_have_value("bob@example.com")
    expect(page.get_by_label("Password", exact=True)).to_have_value("demo-only-bob")
    assert "demo-only" not in page.url


def test_a_demo_account_of_the_home_page_leads_to_a_filled_form(visit: Callable[..., Page], site: Site) -> None:
    page = visit()
    page.goto(site.url)
    page.get_by_role("link", name="Use alice@example.com").click()
    expect(page.get_by_label("Password", exact=True)).to_have_value("demo-only-alice")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Alice")


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
    assert_diagrams_are_readable(page, 5)
    assert_sound_without_diagrams(page, sound)
