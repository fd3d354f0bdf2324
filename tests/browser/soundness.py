"""Checks of every page: axe finds nothing, and nothing is wider than the window, in each theme and width."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

# Returns only the findings: axe's whole answer has a megabyte of checks that passed.
ASK_AXE = """async (options) => {
    // To read a stylesheet that imports another, axe would put a <style> into the page, which the policy refuses.
    const found = await axe.run({...options, preload: false, resultTypes: ["violations", "incomplete"]});
    return [...found.violations, ...found.incomplete.filter(rule => rule.id === "color-contrast")].map(rule => ({
        rule: rule.id,
        sure: found.violations.includes(rule),
        nodes: rule.nodes.map(node => `${node.html} ${node.any.map(check => check.data?.messageKey ?? "").join()}`),
    }));
}"""


# Makes text as wide as WCAG 2.2, 1.4.12 (text spacing) asks for, which is wider than any machine's fonts.
SPACE_OUT = """spaced => {
    const sheet = (window.spacing ??= new CSSStyleSheet());
    sheet.replaceSync(`* {
        letter-spacing: 0.12em !important; word-spacing: 0.16em !important; line-height: 1.5 !important;
    }`);
    const others = document.adoptedStyleSheets.filter(other => other !== sheet);
    document.adoptedStyleSheets = spaced ? [...others, sheet] : others;
}"""


@dataclass(frozen=True)
class View:
    """A window of this width, in pixels, on a machine with this theme, and perhaps with wide letters."""

    width: int
    theme: str
    spaced: bool = False


# `make test` checks each page in the first view; `make test-all` also in the others.
FIRST_VIEW = View(360, "light")
OTHER_VIEWS = [View(360, "dark"), View(1280, "light"), View(1280, "dark"), View(360, "light", spaced=True)]


def assert_sound(page: Page, views: list[View], unsure: bool = True, without: Iterable[str] = ()) -> None:
    """`without`: rules of axe that are left out.

    `unsure`: also fails where axe cannot tell the contrast, as in drawings, signs and wide tables.
    """
    page.evaluate(AXE_SCRIPT)
    for view in views:
        look(page, view)
        # A theme changes colours only.
        colours = [rule for rule in ("color-contrast", "link-in-text-block") if rule not in without]
        others = {"rules": {rule: {"enabled": False} for rule in without}}
        options: dict[str, Any] = {"runOnly": colours} if view.theme == "dark" else others
        objections = axe(page, unsure, **options)
        assert not objections, f"{view}: {objections}"
        assert_fits(page)
    page.set_viewport_size({"width": 320, "height": 640})
    assert_fits(page)


def look(page: Page, view: View) -> None:
    # Behind a bar that stays at the top lies what was scrolled, which axe takes for a background of the bar's text.
    page.evaluate("window.scrollTo(0, 0)")
    page.set_viewport_size({"width": view.width, "height": 800})
    page.emulate_media(color_scheme=view.theme)  # type: ignore[arg-type]
    page.evaluate(SPACE_OUT, view.spaced)
    # The page's script hears of the theme in the next frame. In the middle of a transition a colour is neither.
    page.evaluate("new Promise(requestAnimationFrame)")
    page.evaluate("document.getAnimations().forEach(it => it instanceof CSSTransition && it.finish())")


def axe(page: Page, unsure: bool = True, **options: Any) -> list[str]:
    """The findings of axe and, if `unsure`, the places where it could not tell the contrast."""
    found = page.evaluate(ASK_AXE, options)
    return [f"{rule['rule']}: {node}" for rule in found if rule["sure"] or unsure for node in rule["nodes"]]


def assert_fits(page: Page) -> None:
    content, window = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert content <= window, page.url
