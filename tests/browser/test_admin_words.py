"""The pages of the admin about rows whose texts have no space in them, such as the name of a token."""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.running import Site
from tests.site.backstage import Backstage

pytestmark = [pytest.mark.browser, pytest.mark.exhaustive]
# The texts that end beyond the content, where the page is made wider or the text is cut.
TOO_WIDE = """() => {
    const range = new Range();
    // Of the text itself: the box of a heading is as wide as the content, and its text may leave it.
    const right = element => (range.selectNodeContents(element), range.getBoundingClientRect().right);
    const content = document.querySelector("#content").getBoundingClientRect().right;
    const edge = Math.min(content, document.documentElement.clientWidth);
    const texts = document.querySelectorAll(".breadcrumbs a, #content :is(h1, h2, p, li, a, .readonly)");
    return [...texts].filter(text => right(text) > edge + 1).map(text => text.outerHTML.slice(0, 60));
}"""


def test_a_long_word_stays_within_the_page(page: Page, site: Site, admin_state: Any, backstage: Backstage) -> None:
    page.context.add_cookies(admin_state["cookies"])
    rows, wide = backstage.ask("long_words"), {}
    lists = {"/".join(path.split("/")[:4]) + "/" for path in rows}
    for path in [*rows, *sorted(lists)]:
        answer = page.goto(site.url + path)
        assert answer is not None
        assert page.url == site.url + path
        assert answer.status == 200 or path.endswith("/delete/")  # some rows are not deleted by hand
        for width in (320, 1280):
            page.set_viewport_size({"width": width, "height": 640})
            if found := page.evaluate(TOO_WIDE):
                wide[path, width] = found
    assert not wide
