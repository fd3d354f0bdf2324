"""The tables of the lab: each fits on a wide screen, and on a phone, what does not fit can be scrolled by keyboard."""

import pytest
from playwright.sync_api import Page, expect

from tests.running import Site
from tests.sampling import sampled

pytestmark = pytest.mark.browser

MEASURE = """regions => regions.filter((region) => region.checkVisibility()).map((region) => ({
  name: region.getAttribute("aria-label") ?? region.getAttribute("aria-labelledby"),
  wide: region.scrollWidth > region.clientWidth,
  marked: getComputedStyle(region).backgroundImage.includes("gradient"),
  reachable: region.tabIndex === 0,
}))"""
# The button to press on each page, and the table that appears. "" for a page that shows its tables at once.
PAGES = [
    ("/lab/measure/", "Measure", "The comparison"),
    ("/lab/revocation/", "Log Dana in and watch", "The numbers"),
    ("/lab/refresh/", "Play", "Who is out at the end"),
    ("/lab/keys/", "Change the keys", "When each state began"),
    ("/lab/inspect/", "Demote an administrator", "How long the old role was granted"),
    ("/lab/clients/", "", ""),
    ("/lab/compare/", "", ""),
]


@pytest.mark.parametrize(("path", "button", "table"), sampled(PAGES, PAGES[:2]))
def test_no_table_is_cut_silently(page: Page, site: Site, path: str, button: str, table: str) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(site.url + path)
    if button:
        page.get_by_role("main").get_by_role("button", name=button).first.click()
        region = page.get_by_role("region", name=table)
        expect(region.locator("tbody tr").first).to_be_visible(timeout=30_000)
    wide = page.locator(".scroll").evaluate_all(MEASURE)
    assert wide
    assert [region["name"] for region in wide if region["wide"]] == []
    page.set_viewport_size({"width": 360, "height": 900})
    narrow = page.locator(".scroll").evaluate_all(MEASURE)
    assert [each["name"] for each in narrow if each["wide"] and not (each["marked"] and each["reachable"])] == []
    assert not (path in {"/lab/measure/", "/lab/revocation/"} and any(each["wide"] for each in narrow))
