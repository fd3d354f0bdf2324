"""What every page must be: nothing that axe objects to, nothing wider than the window, in each theme and width."""

from dataclasses import dataclass
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

# Only what is asked about comes back: axe's whole answer is a megabyte of what it found to be well.
ASK_AXE = """async ([part, options]) => {
    const found = await axe.run(part, {...options, resultTypes: ["violations", "incomplete"]});
    return [...found.violations, ...found.incomplete.filter(rule => rule.id === "color-contrast")].map(rule => ({
        rule: rule.id,
        sure: found.violations.includes(rule),
        nodes: rule.nodes.map(node => `${node.html} ${node.any.map(check => check.data?.messageKey ?? "").join()}`),
    }));
}"""


# Whatever fonts a machine has: no text is wider than this makes it (WCAG 2.2, 1.4.12, text spacing).
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


# In `make test` a page is looked at in the first; the other views are for `make test-all`.
FIRST_VIEW = View(360, "light")
OTHER_VIEWS = [View(360, "dark"), View(1280, "light"), View(1280, "dark"), View(360, "light", spaced=True)]


def assert_sound(page: Page, views: list[View], part: str = "html", unsure: bool = True) -> None:
    """`part`: what is ours of the page, by a selector.

    `unsure`: also where axe could not tell the contrast, which it never can in drawings, signs and wide tables.
    """
    page.evaluate(AXE_SCRIPT)
    for view in views:
        look(page, view)
        # What a theme changes is colours.
        options = {"runOnly": ["color-contrast", "link-in-text-block"]} if view.theme == "dark" else {}
        objections = axe(page, part, unsure, **options)
        assert not objections, f"{view}: {objections}"
        assert_fits(page)
    page.set_viewport_size({"width": 320, "height": 640})
    assert_fits(page)


def look(page: Page, view: View) -> None:
    page.set_viewport_size({"width": view.width, "height": 800})
    page.emulate_media(color_scheme=view.theme)  # type: ignore[arg-type]
    page.evaluate(SPACE_OUT, view.spaced)


def axe(page: Page, part: str = "html", unsure: bool = True, **options: Any) -> list[str]:
    """What axe objects to, and where it could not tell the contrast."""
    found = page.evaluate(ASK_AXE, [part, options])
    return [f"{rule['rule']}: {node}" for rule in found if rule["sure"] or unsure for node in rule["nodes"]]


def assert_fits(page: Page) -> None:
    content, window = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert content <= window, page.url
