"""Every page of the lab, as it is first seen and with what it shows: axe, the policy, and nothing sticks out."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from lab.experiments.revocation import STRATEGIES
from lab.urls import urlpatterns
from tests.browser.soundness import FIRST_VIEW, View, assert_sound
from tests.running import Site
from tests.sampling import sampled

pytestmark = pytest.mark.browser

ROUTES = [str(route.pattern) for route in urlpatterns]
PAGES = sorted(f"/{route}" for route in ROUTES if route.endswith("/") and "<" not in route)
# The button to press on each page, and the text that shows that the server has finished.
PRESSED = [
    ("/claims/C9/", "Run", "whoami of a user with the role admin"),
    ("/lab/wire/", "Play", "GET /session/api/whoami"),
    ("/lab/token/", "The copied sample", "John Doe"),
    ("/lab/refresh/", "Play", "Who is out at the end"),
    ("/lab/remember/", "Log in, close the browser, ask again", "Max-Age"),
    ("/lab/inspect/", "Log a user in both ways", "role"),
    ("/lab/clients/", "Send the requests and count", "bytes"),
    ("/lab/mistakes/", "Check this server", "localStorage"),
    ("/lab/interview/", "Run the proof", "401"),
    ("/lab/measure/", "Measure", "p95"),
]


@pytest.mark.parametrize("path", sampled([*PAGES, "/claims/?part=csrf"], PAGES[::3]))
def test_a_page_of_the_lab_is_sound(page: Page, site: Site, path: str) -> None:
    page.goto(site.url + path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    # tests/browser/test_every_page.py looks at it in the other views.
    assert_sound(page, [FIRST_VIEW, View(360, "light", spaced=True)], unsure=False)


@pytest.mark.parametrize(("path", "button", "shown"), sampled(PRESSED, PRESSED[:2]))
def test_what_a_page_of_the_lab_shows_is_sound(
    page: Page, sound: Callable[..., None], site: Site, path: str, button: str, shown: str
) -> None:
    page.goto(site.url + path)
    page.get_by_role("main").get_by_role("button", name=button).first.click()
    expect(page.get_by_role("main").get_by_text(shown).first).to_be_visible()
    sound(page, unsure=False)


@pytest.mark.exhaustive
def test_a_round_of_revocation_ends_with_all_credentials_refused(
    visit: Callable[..., Page], sound: Callable[..., None], site: Site
) -> None:
    page = visit(refusals=("/lab/whoami/",))
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"{site.url}/lab/revocation/")
    ban = page.get_by_role("button", name="Ban")
    expect(ban).to_be_disabled()
    page.get_by_role("button", name="Log Dana in and watch").click()
    expect(ban).to_be_enabled()
    # All lanes of the chart are on the screen.
    for strategy in STRATEGIES:
        expect(page.locator(f"#lane-{strategy.key} svg")).to_be_in_viewport(ratio=1)
    ban.click()
    expect(ban).to_be_disabled()
    # An access token lives ten seconds there, and the ban comes after two.
    expect(page.get_by_role("status")).to_contain_text("All dead.")
    for lane in ("session", "denylist", "version"):
        expect(page.locator(f"#lane-{lane}")).to_contain_text("dead at once")
    sound(page, unsure=False)
