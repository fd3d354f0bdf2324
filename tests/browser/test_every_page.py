"""The rule over every page of the site, whoever looks: axe in each width and theme, zoom, reduced motion, and print.

The addresses come from the URLconf, so a new page is looked at too. `make test` looks at a few.
"""

from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import new_profile
from tests.browser.soundness import View, assert_fits, assert_sound
from tests.config.test_urls import PATHS
from tests.running import Site
from tests.sampling import sampled

pytestmark = pytest.mark.browser

PEOPLE = ("nobody", "member", "admin")
VIEWS = [View(width, theme) for theme in ("light", "dark") for width in (320, 360, 1280)]
ADDRESSES = [*(path.replace("/claims/x/", "/claims/C9/") for path in PATHS), "/claims/?part=csrf"]
# These look alike to everyone but for the name in the bar.
ALIKE = ("/lab/", "/claims/", "/start/", "/glossary/", "/docs/")
VISITS = [
    (path, who)
    for path in ADDRESSES
    for who in (("admin",) if path.startswith("/admin/") else ("member",) if path.startswith(ALIKE) else PEOPLE)
]
# What `make test` looks at: a page with a form, one with a table, and one of the API.
FEW = [("/session/devices/", "member"), ("/glossary/", "member"), ("/session/api/", "nobody")]
SEEN = [(*visit, VIEWS[:1]) for visit in FEW] + [
    pytest.param(*visit, VIEWS[1:] if visit in FEW else VIEWS, marks=pytest.mark.exhaustive) for visit in VISITS
]
# Rules that pages of Django and Swagger break, by the beginning of the address.
LEFT_OUT: dict[str, tuple[str, ...]] = {
    # Swagger has a `main` in ours, which a role takes back: for axe the role is the mistake.
    "/docs/": ("aria-allowed-role",),
    # Django labels the search field by a picture, and shows some links in a line without underline.
    "/admin/": ("label-title-only", "link-in-text-block"),
}
MOVING = """() => [...document.querySelectorAll("*")].filter(element => {
    const style = getComputedStyle(element);
    const seconds = `${style.transitionDuration}, ${style.animationDuration}`.split(", ").map(parseFloat);
    return Math.max(...seconds) > 0.01;
}).map(element => element.outerHTML.slice(0, 120))"""
# Links to other pages and controls have no use on paper.
WORDS = """() => {
    const words = element => (element?.innerText ?? "").split(/\\s+/);
    const others = [...document.querySelectorAll("main :is(nav, form, button, .button)")].flatMap(words);
    return words(document.querySelector("main")).filter(word => !others.includes(word));
}"""
CUT = """() => [...document.querySelectorAll("main *")].filter(element =>
    element.scrollWidth > element.clientWidth + 1
    && ["auto", "scroll", "hidden"].includes(getComputedStyle(element).overflowX)
    && !element.closest(".visually-hidden, thead, input, textarea, select")
).map(element => element.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="module")
def states(chromium: Browser, site: Site, admin_state: Any) -> dict[str, Any]:
    """The cookies of each of the people."""
    profile = new_profile(chromium)
    page = profile.page
    page.goto(f"{site.url}/session/login/")
    page.get_by_label("E-mail address").fill("alice@example.com")
    page.get_by_label("Password", exact=True).fill("demo-only-alice")
    page.get_by_role("main").get_by_role("button", name="Log in").click()
    page.wait_for_url("**/session/profile/")
    found = {"nobody": [], "member": profile.context.cookies(), "admin": admin_state["cookies"]}
    profile.context.close()
    return found


@pytest.mark.parametrize(("path", "who", "views"), SEEN)
def test_every_page_is_sound_in_each_view(
    page: Page, site: Site, states: dict[str, Any], path: str, who: str, views: list[View]
) -> None:
    if not opened(page, site, states[who], path):
        assert (path, who) not in FEW
        return
    without = [rule for prefix, rules in LEFT_OUT.items() if path.startswith(prefix) for rule in rules]
    assert_sound(page, views, unsure=False, without=without)


@pytest.mark.parametrize(("path", "who"), sampled(VISITS, FEW))
def test_every_page_zooms_rests_and_prints(page: Page, site: Site, states: dict[str, Any], path: str, who: str) -> None:
    if not opened(page, site, states[who], path):
        assert (path, who) not in FEW
        return
    # A window of 1280 pixels at 200 %.
    page.set_viewport_size({"width": 640, "height": 400})
    assert_fits(page)
    if path.startswith("/admin/"):
        return  # Django's own styles move and print
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(MOVING) == []
    page.emulate_media(reduced_motion="no-preference")
    seen = page.evaluate(WORDS)
    # A sheet of A4 between its margins.
    page.set_viewport_size({"width": 718, "height": 1000})
    page.emulate_media(media="print")
    assert_fits(page)
    printed = page.evaluate(WORDS)
    assert page.evaluate(CUT) == []
    assert not page.get_by_role("navigation", name="Main").is_visible()
    page.emulate_media(media="screen")
    # A script may have changed the words meanwhile: one that stands no longer on the screen was not lost on paper.
    assert set(seen).intersection(page.evaluate(WORDS)) - set(printed) == set()


def opened(page: Page, site: Site, cookies: list[Any], path: str) -> bool:
    """Whether the address has a page for the person with these cookies."""
    page.context.clear_cookies()
    page.context.add_cookies(cookies)
    # With a session that has ended, each page would be the login page.
    assert page.request.get(f"{site.url}/session/api/whoami").status == (200 if cookies else 401)
    answer = page.request.get(site.url + path, headers={"Accept": "text/html"})
    if not answer.headers.get("content-type", "").startswith("text/html"):
        return False
    page.goto(site.url + path)
    return True
