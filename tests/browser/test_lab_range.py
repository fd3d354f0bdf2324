"""The attack range's page on the site, and a claim about attacks where no range runs, as these sites have none."""

import pytest
from playwright.sync_api import Page, expect

from lab.claims.catalogue import BY_ID
from tests.running import Site

pytestmark = pytest.mark.browser
OVERFLOW = "parts => parts.filter(part => part.scrollWidth > part.clientWidth).map(part => part.innerText)"


def test_the_tables_are_read_on_a_phone_as_cards_and_on_a_screen_as_tables(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/lab/range/")
    table = page.get_by_role("table").first
    for width, heads in ((320, False), (1280, True)):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.locator(".matrix tr, .matrix td").evaluate_all(OVERFLOW) == []
        # A screen reader finds the same table at each width.
        expect(table.get_by_role("rowheader").first).to_have_text("localStorage")
        expect(table.get_by_role("row").nth(1).get_by_role("cell")).to_have_count(5)
        expect(table.get_by_role("columnheader").nth(1)).to_have_text("reads it")
        expect(page.locator(".matrix-column").first).to_be_visible(visible=not heads)


def test_a_proof_that_cannot_run_here_is_not_counted(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/claims/?part={BY_ID['C55'].part}")
    counted = page.locator("[data-count]").inner_text()
    page.locator("#C55").get_by_role("button", name="Run").click()
    expect(page.locator("[data-status-line]")).to_contain_text("C55: not run here.")
    expect(page.locator("[data-count]")).to_have_text(counted)


def test_a_claim_that_cannot_be_tried_here_says_so_and_what_was_recorded(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/claims/C55/")
    main = page.get_by_role("main")
    main.get_by_role("button", name="Run").click()
    expect(main.get_by_role("status")).to_contain_text("C55: not run here. It needs the attack range.")
    expect(main.get_by_text("Last recorded.")).to_be_visible()
    expect(main.locator("[data-result]").get_by_text("make prove ID=C55")).to_be_visible()
    expect(main.locator(".outcome")).to_have_text("not run here")
