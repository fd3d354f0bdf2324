"""`make pictures`: takes the pictures of the README from a running site, in a real Chromium, light and dark.

A site of its own is started for them, so that they show the demo's users and no data of yours.
"""

import sys
from collections.abc import Callable

from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

import tests.settings  # noqa: F401  (names the folder in which a site is prepared)
from tests.browser.conftest import CHROMIUM, SWITCHES, environment
from tests.running import ROOT, Site

FOLDER = ROOT / "docs" / "pictures"
# CSS pixels. A picture has one and a half times as many, so that its text stays sharp on fine screens.
VIEW = {"width": 1120, "height": 900}
MARGIN = 4
# Milliseconds. An access token of the revocation page lives ten seconds there.
PATIENCE = 30_000


def main() -> int:
    """Writes four PNG files to `docs/pictures/`. The exit status is 1 where there is no Chromium."""
    if CHROMIUM is None:
        print("There is no Chromium on the PATH, and the pictures need one.", file=sys.stderr)
        return 1
    FOLDER.mkdir(exist_ok=True)
    with Site() as site, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES, env=environment())
        for name, show in (("lanes", lanes), ("revocation", revocation)):
            take(chromium, site, name, show)
        chromium.close()
    return 0


def take(chromium: Browser, site: Site, name: str, show: Callable[[Page, Site], list[Locator]]) -> None:
    """Opens the page once, and takes a picture of what `show` returns in each theme."""
    page = chromium.new_page(viewport=VIEW, device_scale_factor=1.5, reduced_motion="reduce")
    parts = show(page, site)
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
        path = FOLDER / f"{name}-{theme}.png"
        page.screenshot(path=path, full_page=True, clip=around(parts))
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} KiB")
    page.close()


def lanes(page: Page, site: Site) -> list[Locator]:
    """The steps of the home page's two lanes, after Dana's logins."""
    page.goto(site.url)
    status = page.get_by_role("main").get_by_role("status")
    page.get_by_role("button", name="Log Dana in, both ways", exact=True).click()
    expect(status).to_contain_text("Dana was logged in both ways", timeout=PATIENCE)
    return page.locator(".lane h2, .lane li[id]").all()


def revocation(page: Page, site: Site) -> list[Locator]:
    """The chart of a ban, when the last credential has been refused."""
    page.goto(f"{site.url}/lab/revocation/")
    page.get_by_role("button", name="Log Dana in and watch").click()
    page.get_by_role("button", name="Ban", exact=True).click()
    expect(page.locator("#status")).to_contain_text("All dead.", timeout=PATIENCE)
    return [page.locator("#gantt")]


def around(parts: list[Locator]) -> dict[str, float]:
    """The rectangle around these parts of a page that is scrolled to its top, with a margin."""
    boxes = [box for part in parts if (box := part.bounding_box())]
    left, top = min(box["x"] for box in boxes) - MARGIN, min(box["y"] for box in boxes) - MARGIN
    right = max(box["x"] + box["width"] for box in boxes) + MARGIN
    bottom = max(box["y"] + box["height"] for box in boxes) + MARGIN
    return {"x": left, "y": top, "width": right - left, "height": bottom - top}


if __name__ == "__main__":
    sys.exit(main())
