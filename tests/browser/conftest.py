"""A headless Chromium against the running site. A test fails if one of its pages had an error or a warning.

A failed test leaves a picture of each page and its console's messages in `var/browser/`, in a folder named after the
test.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Error,
    Page,
    Response,
    expect,
    sync_playwright,
)

from tests.browser.soundness import FIRST_VIEW, OTHER_VIEWS, assert_sound
from tests.running import ROOT, Site, of_this_machine
from tests.site.backstage import Backstage

EVIDENCE = ROOT / "var" / "browser"
# Milliseconds. One password check of a default Django project takes two seconds on a busy machine.
PATIENCE = 20_000
expect.set_options(timeout=PATIENCE)
Options = tuple[tuple[str, Any], ...]
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Otherwise Chromium starts a spare process for every page.
    "--renderer-process-limit=1",
]
LISTEN = """addEventListener("securitypolicyviolation", e =>
    reportViolation(`${e.effectiveDirective} refused ${e.blockedURI} ${e.sample} on ${e.documentURI}`))"""
# With an icon, because otherwise a browser asks the site for one.
BLANK = '<!doctype html><link rel="icon" href="data:,">'
PAYLOAD = "<img src=x onerror=alert(1)><script>alert(2)</script>"


@dataclass
class Witness:
    """Collects the errors and warnings of all pages of one browser profile."""

    complaints: list[tuple[str, str]] = field(default_factory=list)
    documents: set[str] = field(default_factory=set)
    refusals: tuple[str, ...] = ()
    console: list[str] = field(default_factory=list)

    def forget(self, refusals: tuple[str, ...] = ()) -> None:
        self.complaints.clear()
        self.documents.clear()
        self.console.clear()
        self.refusals = refusals

    def follow(self, page: Page) -> None:
        page.on("console", self.heard)
        page.on("pageerror", lambda error: self.complain(f"uncaught {error}"))
        page.on("dialog", self.asked)
        page.on("response", self.loaded)

    def heard(self, message: ConsoleMessage) -> None:
        self.console.append(f"{message.type}: {message.text} ({message.location['url']})")
        if message.type in ("error", "warning"):
            self.complaints.append((message.location["url"], message.text))

    def asked(self, dialog: Dialog) -> None:
        self.complain(f"dialog {dialog.message}")
        dialog.dismiss()

    def loaded(self, response: Response) -> None:
        if response.request.is_navigation_request():
            self.documents.add(response.url)

    def violation(self, source: Any, text: str) -> None:
        self.complain(f"policy: {text}")

    def complain(self, text: str) -> None:
        self.console.append(text)
        self.complaints.append(("", text))

    def objections(self) -> list[str]:
        """All complaints except Chromium's expected remarks about requests that failed.

        A failure is expected if a page that the test opened is an error page, if a refresh is refused because
        no user is logged in, or if the address has a part that is named in `refusals`.
        """
        return [text for url, text in self.complaints if not self.is_expected(url.partition("#")[0], text)]

    def is_expected(self, url: str, text: str) -> bool:
        remark = "Failed to load resource: "
        if text.startswith(f"{remark}the server responded with a status of 4") and url in self.documents:
            return True
        if text.startswith(f"{remark}the server responded with a status of 401") and url.endswith("/jwt/auth/refresh"):
            return True
        return text.startswith(remark) and any(part in url for part in self.refusals)


@dataclass
class Profile:
    """A browser profile with its first page and its witness."""

    context: BrowserContext
    page: Page
    witness: Witness
    # Its options. A later test with the same options may use it again; with `None` it is not used again.
    options: Options | None

    def clean(self, site: Site) -> None:
        """Removes what the last test left in the profile, except the cache."""
        for page in self.context.pages[1:]:
            page.close()
        self.context.unroute_all()
        self.page.unroute_all()
        self.context.set_offline(False)
        # A page of the same site, or Chromium would start a new process; it has no script that could still run.
        self.page.route("**/blank", lambda route: route.fulfill(content_type="text/html", body=BLANK))
        self.page.goto(f"{site.url}/blank")
        self.page.unroute("**/blank")
        self.page.evaluate("localStorage.clear(); sessionStorage.clear(); window.name = ''")
        self.context.clear_cookies()
        self.page.set_viewport_size({"width": 1280, "height": 720})
        self.page.emulate_media(color_scheme="light")


# The profiles of the running test, for the pictures if it fails.
PROFILES: list[Profile] = []


def new_profile(chromium: Browser, refusals: tuple[str, ...] = (), fresh: bool = False, **options: Any) -> Profile:
    """Opens a profile. `fresh`: no other test uses it later."""
    context, witness = chromium.new_context(**options), Witness(refusals=refusals)
    context.set_default_timeout(PATIENCE)
    context.expose_binding("reportViolation", witness.violation)
    context.add_init_script(LISTEN)
    context.on("page", witness.follow)
    profile = Profile(context, context.new_page(), witness, None if fresh else tuple(sorted(options.items())))
    if not fresh:
        # These calls cannot be undone for the next test.
        context.add_init_script = profile.page.add_init_script = wants_a_fresh_one  # type: ignore[method-assign]
        profile.page.clock.install = wants_a_fresh_one  # type: ignore[method-assign]
    return profile


def wants_a_fresh_one(*_: Any, **__: Any) -> None:
    pytest.fail("Another test will use this profile. Ask for one of your own: visit(fresh=True)")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Skips tests that cannot run before the site is started for them."""
    if CHROMIUM is None:
        sentence = "There is no Chromium on the PATH, and browser tests need one."
        pytest.fail(sentence) if os.environ.get("REQUIRE_BROWSER") == "1" else pytest.skip(sentence)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: Any = yield
    if report.when == "call":
        shutil.rmtree(evidence_of(item), ignore_errors=True)
    if report.failed and report.when != "teardown":  # `visit` has kept that before it closed them
        keep_evidence(item)
    return report


def evidence_of(item: pytest.Item) -> Path:
    return EVIDENCE / re.sub(r"[^\w.-]+", "-", item.nodeid.removeprefix("tests/browser/")).strip("-")[:150]


def keep_evidence(item: pytest.Item) -> None:
    """Saves a picture of each open page, and the messages of each profile's consoles."""
    folder = evidence_of(item)
    folder.mkdir(parents=True, exist_ok=True)
    for number, profile in enumerate(PROFILES, 1):
        profile.options = None
        said = [*profile.witness.console, *(page.url for page in profile.context.pages)]
        (folder / f"{number}-console.txt").write_text("\n".join(said) + "\n")
        for page_number, page in enumerate(profile.context.pages, 1):
            with contextlib.suppress(Error):  # a crashed page has no picture: report the test's failure
                page.screenshot(path=folder / f"{number}-page-{page_number}.png", full_page=True)


def environment() -> dict[str, Any]:
    """Chromium's environment. If the clock is moved, all kinds of clocks are: otherwise Chromium's waits fail."""
    names = os.environ | of_this_machine()
    names.pop("FAKETIME_DONT_FAKE_MONOTONIC", None)
    return names


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Chromium, until the last browser test ends: with its event loop Django's ORM refuses to work in other tests."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES, env=environment())
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def chromium_that_keeps_pages(chromium: Browser) -> Iterator[Browser]:
    """It keeps the page one came from alive for Back, as every browser but Playwright's does."""
    kept = "--disable-back-forward-cache"
    browser = chromium.browser_type.launch(
        executable_path=CHROMIUM, args=SWITCHES, ignore_default_args=[kept], env=environment()
    )
    yield browser
    browser.close()


@pytest.fixture
def keeps_pages(chromium_that_keeps_pages: Browser) -> Iterator[Page]:
    page = chromium_that_keeps_pages.new_page()
    yield page
    page.close()


@pytest.fixture(scope="session")
def cast(backstage: Backstage) -> dict[str, Any]:
    """More users than the demo's, the paths of one user's mailed links, and the id of that user."""
    links: dict[str, Any] = backstage.ask("cast", PAYLOAD)
    return links


@pytest.fixture(scope="package")
def idle_profiles(chromium: Browser) -> Iterator[list[Profile]]:
    """Profiles to be used again: a new one takes Chromium a second on both cores."""
    idle: list[Profile] = []
    yield idle
    for profile in idle:
        profile.context.close()


@pytest.fixture
def visit(
    request: pytest.FixtureRequest, chromium: Browser, idle_profiles: list[Profile], site: Site
) -> Iterator[Callable[..., Page]]:
    """`visit()` opens a browser profile and returns its page. After the test no profile may have complaints,
    except about addresses with a part that is named in `refusals`."""

    def visit(refusals: tuple[str, ...] = (), fresh: bool = False, **options: Any) -> Page:
        like = [profile for profile in idle_profiles if profile.options == tuple(sorted(options.items()))]
        if fresh or not like:
            PROFILES.append(new_profile(chromium, refusals, fresh, **options))
        else:
            idle_profiles.remove(like[0])
            like[0].witness.forget(refusals)
            PROFILES.append(like[0])
        return PROFILES[-1].page

    yield visit
    objections = [line for profile in PROFILES for line in profile.witness.objections()]
    if objections:
        keep_evidence(request.node)
    while PROFILES:
        put_back(PROFILES.pop(), idle_profiles, site)
    assert objections == []


def put_back(profile: Profile, idle: list[Profile], site: Site) -> None:
    """Keeps the profile for the next test with the same options, or closes it."""
    if profile.options is None:
        profile.context.close()
    else:
        profile.clean(site)
        idle.append(profile)


@pytest.fixture
def page(visit: Callable[..., Page]) -> Page:
    return visit()


@pytest.fixture(params=[[FIRST_VIEW], pytest.param(OTHER_VIEWS, marks=pytest.mark.exhaustive)], ids=["", "other-views"])
def sound(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`sound(page)`: axe finds nothing and no content is too wide, in the first view or in all others."""
    return partial(assert_sound, views=request.param)


@pytest.fixture(scope="package")
def admin_state(chromium: Browser, site: Site) -> Any:
    """The cookies of a browser in which the demo's administrator has logged in."""
    profile = new_profile(chromium)
    log_in(profile.page, site, "admin@example.com", "demo-only-admin")
    state = profile.context.storage_state()
    profile.context.close()
    return state


def session_login(page: Page, site: Site, name: str, remember: bool = False, then: str = "") -> None:
    """Logs a member of the cast in at the session's login page, to which `then` is added."""
    page.goto(f"{site.url}/session/login/{then}")
    page.get_by_label("E-mail address").fill(f"{name}@example.com")
    page.get_by_label("Password", exact=True).fill(f"correct horse {name}")
    page.get_by_label("Remember me").set_checked(remember)
    page.get_by_role("main").get_by_role("button", name="Log in").click()


def log_in(page: Page, site: Site, email: str, password: str, then: str = "/admin/") -> None:
    """Logs in at the admin, as its login page asks."""
    page.goto(f"{site.url}/admin/login/?next={then}")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
