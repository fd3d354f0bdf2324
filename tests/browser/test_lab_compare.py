"""The comparison with others in a browser: every plot is drawn, and no table loses a column on a phone."""

import pytest
from playwright.sync_api import Page, expect

from lab.pages import compare
from tests.running import Site

pytestmark = pytest.mark.browser
OVERFLOW = "parts => parts.filter(part => part.scrollWidth > part.clientWidth).map(part => part.innerText)"
NOT_DRAWN = "images => images.filter(image => !image.complete || !image.naturalHeight).map(image => image.src)"


def test_every_plot_is_drawn_and_no_table_is_cut(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/lab/compare/")
    plots = page.locator("img.plot")
    expect(plots).to_have_count(len(list(compare.RESULTS.glob("*.svg"))))
    # They are loaded when they come into sight.
    for plot in plots.all():
        plot.scroll_into_view_if_needed()
    page.wait_for_load_state("networkidle")
    assert plots.evaluate_all(NOT_DRAWN) == []
    page.set_viewport_size({"width": 320, "height": 800})
    assert page.get_by_role("region").evaluate_all(OVERFLOW) == []
