"""The gateway's page in a browser, while the services run: its drawing, on the narrowest screen too."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.diagrams import assert_diagrams_are_readable
from tests.browser.soundness import assert_fits
from tests.running import DESIGNS, PORTS, Services, Site, free_ports

pytestmark = [pytest.mark.browser, pytest.mark.exhaustive]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A separate site with services: the site of the other browser tests has none."""
    with Site(SERVICES_PORT=str(free_ports(len(PORTS)))) as site, Services(site):
        yield site


def test_a_request_is_drawn_in_three_designs_and_fits_a_narrow_screen(
    page: Page, sound: Callable[..., None], site: Site
) -> None:
    page.set_viewport_size({"width": 320, "height": 800})
    page.goto(f"{site.url}/lab/gateway/")
    main = page.get_by_role("main")
    main.get_by_role("button", name="Send").and_(main.locator("[value=through]")).click()
    expect(main.get_by_role("status")).to_contain_text("Shared session answered 200")
    for design in DESIGNS:
        drawing = main.locator(f"#trip-{design} sequence-diagram")
        expect(drawing.locator("svg")).to_be_visible()
        expect(drawing).to_have_role("img")
        # Each arrow is also described in words.
        assert drawing.locator("svg text").count() >= main.locator(f"#trip-{design} .words > li").count() > 3
    assert_diagrams_are_readable(page, len(DESIGNS))
    for details in main.locator("summary").all():
        details.click()
    assert_fits(page)
    sound(page, unsure=False)


def test_a_request_is_sent_by_keyboard_alone(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/lab/gateway/")
    page.locator("button[value=anonymous]").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("answered 401")
    page.goto(f"{site.url}/lab/scale/")
    page.locator("button[value=turn]").focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("main").get_by_role("table")).to_contain_text("3 of 6")


def test_the_answers_of_two_servers_are_sound_and_fit(page: Page, sound: Callable[..., None], site: Site) -> None:
    page.goto(f"{site.url}/lab/scale/")
    page.get_by_role("button", name="Send the requests").click()
    expect(page.get_by_role("main").get_by_role("table")).to_contain_text("6 of 6")
    sound(page, unsure=False)
