"""Keys that change, in a browser: what a run draws, on the narrowest screen and for those who do not see it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from lab.experiments.key_change import SECONDS
from tests.running import Site

pytestmark = pytest.mark.browser
SIDEWAYS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
# A page that is about to leave cannot be asked anything.
STAY = "() => document.querySelector('#change').addEventListener('submit', event => event.preventDefault())"
# Words of the drawing that stand outside of it, or on another word.
MISPLACED = """drawings => drawings.flatMap(drawing => {
  const right = drawing.getBoundingClientRect().right + 1;
  const words = [...drawing.querySelectorAll("text")].map(text => text.getBoundingClientRect());
  return words.filter((word, n) => word.right > right || words[n + 1]?.left < word.right).map(word => word.right);
})"""


def test_a_run_is_drawn_and_told_on_a_narrow_screen(page: Page, sound: Callable[..., None], site: Site) -> None:
    page.goto(f"{site.url}/lab/keys/")
    page.set_viewport_size({"width": 320, "height": 800})
    main = page.get_by_role("main")
    main.get_by_role("button", name="Change the keys").click()
    expect(main.get_by_role("status")).to_contain_text("By dates: 0 of ", timeout=3_000 * SECONDS)
    by_dates, at_once = main.locator(".key-lanes").all()
    expect(by_dates.locator(".refused")).to_have_count(0)
    expect(at_once.locator(".refused").first).to_be_attached()
    for state, number in (("pending", 2), ("active", 3), ("retiring", 2), ("retired", 2)):
        expect(by_dates.locator(f".band.{state}")).to_have_count(number)
    # The table says of each key and place what the drawing has as marks.
    refused = [int(text) for text in main.get_by_role("table").nth(1).locator("td:last-child").all_inner_texts()]
    assert (len(refused), sum(refused[:9])) == (18, 0)
    assert sum(refused[9:]) == at_once.locator(".refused").count() > 0
    assert page.locator(".key-grid svg:has(.band)").evaluate_all(MISPLACED) == []
    assert page.evaluate(SIDEWAYS) == 0
    sound(page, unsure=False)
    # While the page waits for the next answer it says so, and ignores a second press.
    page.evaluate(STAY)
    main.get_by_role("button", name="Change the keys").click()
    expect(main.get_by_role("status")).to_contain_text("The keys change.")
    expect(main.get_by_role("button", name="Change the keys")).to_be_disabled()
