"""The coat check in Chromium: by keyboard, without JavaScript, sound at each width, its pictures legible."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from lab.experiments.coat_check import STEPS
from lab.pages.start import address
from tests.running import Site

pytestmark = pytest.mark.browser
# The text boxes of a picture that run out of it, or into the arrows and the papers.
CROSSED = """() => [...document.querySelectorAll(".story-picture svg")].flatMap((svg) => {
  const frame = svg.viewBox.baseVal;
  const boxes = [...svg.querySelectorAll("text")].map((text) => [text.textContent, text.getBBox()]);
  const lines = [...svg.querySelectorAll(".way, .fold, .person > *")].map((line) => line.getBBox());
  const meet = (a, b) => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
  const isOutside = (box) => box.x < 8 || box.x + box.width > frame.width - 8;
  return boxes.filter(([, box]) => isOutside(box) || lines.some((line) => meet(box, line)))
    .map(([words]) => words);
})"""
# The pixels between the answers and the lesson, and between the button and the note below it.
GAPS = """() => [[".story-facts", ".story-lesson"], ["form .button", "form > .muted"]].map((pair) => {
  const [above, below] = pair.map((each) => document.querySelector(`main ${each}`).getBoundingClientRect());
  return below.top - above.bottom;
})"""


def test_the_story_is_read_from_beginning_to_end_without_javascript(visit: Callable[..., Page], site: Site) -> None:
    page = visit(java_script_enabled=False)
    page.goto(f"{site.url}/start/")
    for number, step in enumerate(STEPS.values(), 1):
        expect(page.get_by_role("heading", level=1)).to_have_text(step.title)
        page.get_by_role("main").get_by_role("radio").first.check()
        page.get_by_role("button", name="Ask the server").click()
        expect(page.locator("#answer [role=status]")).to_contain_text("You guessed")
        if number < len(STEPS):
            page.get_by_role("link", name="Next", exact=True).click()
    expect(page.get_by_role("heading", name="Which one for me?")).to_be_visible()


def test_the_keyboard_is_enough(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/start/come-back/")
    page.get_by_role("radio", name="The number").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#answer")).to_contain_text("You guessed it")
    page.get_by_role("link", name="Next", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Get banned")


@pytest.mark.parametrize("name", STEPS)
def test_a_page_of_the_story_is_sound(page: Page, sound: Callable[..., None], site: Site, name: str) -> None:
    page.goto(site.url + address(name))
    page.get_by_role("button", name="Ask the server").click()
    expect(page.locator("#answer")).to_be_visible()
    page.get_by_text("requests on the wire").click()
    sound(page, unsure=False)
    for width in (320, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(CROSSED) == []
        assert min(page.evaluate(GAPS)) >= 8
