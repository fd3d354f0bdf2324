"""Every page of the lab, as it is first seen and with what it shows: axe, the policy, and nothing sticks out."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from lab.urls import urlpatterns
from tests.browser.conftest import Witness, new_profile
from tests.browser.test_tour import assert_sound
from tests.running import Site

pytestmark = pytest.mark.browser

ROUTES = [str(route.pattern) for route in urlpatterns]
# All 117 claims at once are too much for axe, and each part is made of the same rows.
PAGES = sorted(f"/{route}" for route in ROUTES if route.endswith("/") and "<" not in route and route != "claims/")
# What is pressed on a page, and what stands there when the server has done it.
PRESSED = [
    ("/claims/C9/", "Run", "whoami of a user with the role admin"),
    ("/lab/wire/", "Play", "GET /session/api/whoami"),
    ("/lab/token/", "The copied sample", "John Doe"),
    ("/lab/refresh/", "Play", "Who is out at the end"),
    ("/lab/remember/", "Log in, close the browser, ask again", "Max-Age"),
    ("/lab/inspect/", "Log somebody in both ways", "role"),
    ("/lab/clients/", "Send the requests and count", "bytes"),
    ("/lab/mistakes/", "Check this server", "localStorage"),
    ("/lab/interview/", "Run it", "401"),
    ("/lab/measure/", "Measure", "p95"),
]


@pytest.fixture(scope="module")
def profile(chromium: Browser) -> Iterator[tuple[Page, Witness]]:
    """One for all of them: a new browser profile for each page takes long."""
    context, witness = new_profile(chromium)
    yield context.new_page(), witness
    context.close()


@pytest.fixture
def lab(profile: tuple[Page, Witness]) -> Iterator[Page]:
    page, witness = profile
    page.set_viewport_size({"width": 1280, "height": 720})
    page.emulate_media(color_scheme="light")
    yield page
    objections = witness.objections()
    witness.complaints.clear()
    assert objections == []


@pytest.mark.parametrize("path", [*PAGES, "/claims/?part=csrf"])
def test_a_page_of_the_lab_is_sound(lab: Page, site: Site, path: str) -> None:
    lab.goto(site.url + path)
    expect(lab.get_by_role("heading", level=1)).to_be_visible()
    assert_sound(lab, unsure=False)


@pytest.mark.parametrize(("path", "button", "shown"), PRESSED)
def test_what_a_page_of_the_lab_shows_is_sound(lab: Page, site: Site, path: str, button: str, shown: str) -> None:
    lab.goto(site.url + path)
    lab.get_by_role("main").get_by_role("button", name=button).first.click()
    expect(lab.get_by_role("main").get_by_text(shown).first).to_be_visible(timeout=20_000)
    assert_sound(lab, unsure=False)
