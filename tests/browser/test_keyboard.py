"""Without a mouse."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.running import Site

pytestmark = pytest.mark.browser

FOCUS = """() => {
    const element = document.activeElement, style = getComputedStyle(element), box = element.getBoundingClientRect();
    const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    return {
        name: element.id || element.textContent.trim(),
        ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
        seen: box.width > 10 && box.height > 10 && box.top >= 0 && style.clipPath === "none"
            && element.contains(top),
    };
}"""

MOVING = """() => [...document.querySelectorAll("*")].filter(element => {
    const style = getComputedStyle(element);
    return style.transitionDuration !== "0s" || style.animationName !== "none" || style.scrollBehavior === "smooth";
}).map(element => element.outerHTML)"""


def test_the_skip_link_leads_past_the_navigation(page: Page, site: Site) -> None:
    page.goto(site.url)
    assert tab(page) == "Skip to the content"
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    assert tab(page) == page.get_by_role("main").get_by_role("link").first.inner_text()


def test_a_visitor_registers_by_keyboard_alone(page: Page, site: Site) -> None:
    page.goto(site.url)
    tab_to(page, "Register")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Register")
    tab_to(page, "id_email")
    page.keyboard.type("leo@example.com")
    page.keyboard.press("Enter")

    expect(page.get_by_role("alert")).to_be_focused()
    assert tab(page) == "Name: This field is required."
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name")).to_be_focused()
    expect(page.get_by_label("Name")).to_have_accessible_description("This field is required.")
    page.keyboard.type("Leo")
    tab_to(page, "Send me the link")
    page.keyboard.press("Space")
    expect(page.get_by_role("heading", level=1)).to_have_text("Check your mail")


def test_nothing_moves_for_those_who_ask_for_stillness(visit: Callable[..., Page], site: Site) -> None:
    page = visit(reduced_motion="reduce")
    page.goto(site.url)
    assert page.evaluate(MOVING) == []


def tab_to(page: Page, name: str) -> None:
    """Presses Tab until `name` has the focus; at each stop the focus must be visible."""
    stops = []
    while name not in stops:
        stops.append(tab(page))
        assert len(stops) < 20, stops


def tab(page: Page) -> str:
    """Presses Tab once."""
    page.keyboard.press("Tab")
    focus = page.evaluate(FOCUS)
    assert focus["seen"], focus
    assert focus["ring"], focus
    return str(focus["name"])
