"""The board of the claims in a browser: cells change while proofs run, and each says its text."""

import re

import pytest
from playwright.sync_api import Page, expect

from lab.claims.catalogue import BY_ID
from tests.running import Site

pytestmark = pytest.mark.browser


def test_a_cell_shows_its_text_on_focus_and_leads_to_its_claim(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/claims/")
    cell = page.get_by_role("link", name=f"C1: {BY_ID['C1'].text}")
    page.locator("#introduction h2 a").focus()
    page.keyboard.press("Tab")
    expect(cell).to_be_focused()
    box = cell.locator(".cell-text").bounding_box()
    assert box
    assert box["height"] > 20
    page.keyboard.press("Escape")
    expect(cell.locator(".cell-text")).to_have_css("clip-path", "inset(50%)")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site.url}/claims/C1/")


def test_running_a_part_changes_its_cells_and_counts_them(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/claims/")
    page.locator("#introduction").get_by_role("button", name="Run").click()
    expect(page.locator("[data-status-line]")).to_have_text("Done, 2 of 2. As expected 2: 2 hold, 0 hold if, 0 do not.")
    expect(page.locator("[data-count]")).to_have_text("As expected 2: 2 hold, 0 hold if, 0 do not.")
    expect(page.locator('#introduction [data-state="proved"]')).to_have_count(2)
    expect(page.locator("#C1 [data-now]")).to_have_text("holds, as expected")


def test_stop_ends_a_run_and_says_how_far_it_came(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/claims/")
    page.get_by_role("button", name=f"Run all {len(BY_ID)} proofs").click()
    expect(page.locator("[data-done]")).to_have_text(re.compile(rf"^[1-9]\d* of {len(BY_ID)}"))
    page.get_by_role("button", name="Stop").click()
    stopped = re.compile(rf"^Stopped after \d+ of {len(BY_ID)}\. As expected")
    expect(page.locator("[data-status-line]")).to_have_text(stopped)
    expect(page.locator("[data-done]")).to_be_hidden()
    expect(page.locator('.cell[data-state="running"]')).to_have_count(0)


def test_the_board_fits_one_screen_and_its_cells_can_be_touched(page: Page, site: Site) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"{site.url}/claims/")
    assert page.evaluate("document.querySelector('.board').getBoundingClientRect().bottom") <= 900
    page.set_viewport_size({"width": 360, "height": 900})
    box = page.locator("#C1 .cell").bounding_box()
    assert box
    assert min(box["height"], box["width"]) >= 24


def test_the_line_of_a_run_covers_no_row_of_the_board(page: Page, site: Site) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(f"{site.url}/claims/")
    page.locator("#tokens").get_by_role("button", name="Run").click()
    bar = page.locator(".claims-bar")
    expect(bar.get_by_role("button", name="Stop")).to_be_visible()
    line, row = bar.bounding_box(), page.locator("#rules").bounding_box()
    assert line
    assert row
    assert row["y"] + row["height"] <= line["y"]
