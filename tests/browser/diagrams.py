"""Measures the sequence diagrams of a page: their text can be read and crosses nothing, at each width."""

from playwright.sync_api import Page, expect

from tests.browser.soundness import assert_fits

# Until a diagram is drawn anew for a narrower window, the browser shrinks the old one: its letters are too small then.
# So its own width is compared, and not the width at which it is shown.
DRAWN_ANEW = """() => [...document.querySelectorAll('svg.sequence')].every(picture =>
    picture.width.baseVal.value <= picture.parentElement.clientWidth + 1)"""
# The texts of each diagram that are in the wrong place or too small: a text may cross no line and no shape, and may
# not leave the picture.
MISPLACED = """() => [...document.querySelectorAll('svg.sequence')].flatMap(picture => {
    const box = element => element.getBoundingClientRect(), edge = box(picture);
    const marks = [...picture.querySelectorAll('line, polygon, circle, rect')].map(mark => [mark, box(mark)]);
    return [...picture.querySelectorAll('text')].filter(text => {
        const own = box(text), scale = edge.width / picture.viewBox.baseVal.width;
        const size = parseFloat(getComputedStyle(text).fontSize) * scale;
        const outside = own.left < edge.left || own.right > edge.right + 1 || own.bottom > edge.bottom + 1;
        return size < 12 || outside || marks.some(([mark, other]) => other.right > own.left && other.left < own.right
            && other.bottom > own.top + 1 && other.top < own.bottom - 1);
    }).map(text => text.textContent);
})"""


def assert_diagrams_are_readable(page: Page, number: int) -> None:
    for width in (1280, 360, 320):
        page.set_viewport_size({"width": width, "height": 800})
        pictures = page.locator("svg.sequence")
        expect(pictures).to_have_count(number)
        page.wait_for_function(DRAWN_ANEW)
        assert page.evaluate(MISPLACED) == [], width
        assert_fits(page)
