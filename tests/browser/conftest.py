"""A headless Chromium against the running site. Whatever a test does, the pages it saw must have been silent."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page, Response, sync_playwright

from config.stores import THROTTLE
from tests.running import Site

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Or Chromium starts a spare process for every page.
    "--renderer-process-limit=1",
]
LISTEN = """addEventListener("securitypolicyviolation", e =>
    reportViolation(`${e.effectiveDirective} refused ${e.blockedURI} ${e.sample} on ${e.documentURI}`))"""
PAYLOAD = "<img src=x onerror=alert(1)><script>alert(2)</script>"

# Each plays in one test only: who fails there is throttled, who changes a password has another one.
CAST = f"""
import json
from django.contrib.auth.tokens import default_token_generator
from django.core import signing
from django.urls import reverse
from django.utils.http import urlsafe_base64_encode
from accounts.mail import REGISTRATION_SALT
from accounts.models import DemoMail, User
for name in ("erin", "heidi", "judith"):
    User.objects.create_superuser(name + "@example.com", "correct horse " + name, name=name.title())
User.objects.create_superuser("mallory@example.com", "correct horse mallory", name={PAYLOAD!r})
for name in ("frank", "grace", "nina", "oscar", "peggy", "rupert", "sybil", "trent", "victor", "walter", "ivan"):
    user = User.objects.create_user(name + "@example.com", "correct horse " + name, name=name.title())
reset = [urlsafe_base64_encode(str(user.pk).encode()), default_token_generator.make_token(user)]
register = signing.dumps(dict(email="judy@example.com", name="Judy"), salt=REGISTRATION_SALT)
body = "Open this link: http://localhost/" + "x" * 500
DemoMail.objects.bulk_create(DemoMail(to="judy@example.com", subject=f"Letter {{n}}", body=body) for n in range(21))
print(json.dumps(dict(
    user=user.pk,
    reset=reverse("accounts:password_reset_confirm", args=reset),
    register=reverse("accounts:register_confirm", args=[register]),
)))
"""


@dataclass
class Witness:
    """What went wrong in the pages of one browser profile."""

    complaints: list[tuple[str, str]] = field(default_factory=list)
    documents: set[str] = field(default_factory=set)
    refusals: tuple[str, ...] = ()

    def follow(self, page: Page) -> None:
        page.on("console", self.heard)
        page.on("pageerror", lambda error: self.complaints.append(("", f"uncaught {error}")))
        page.on("dialog", self.asked)
        page.on("response", self.loaded)

    def heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append((message.location["url"], message.text))

    def asked(self, dialog: Dialog) -> None:
        self.complaints.append(("", f"dialog {dialog.message}"))
        dialog.dismiss()

    def loaded(self, response: Response) -> None:
        if response.request.is_navigation_request():
            self.documents.add(response.url)

    def violation(self, source: Any, text: str) -> None:
        self.complaints.append(("", f"policy: {text}"))

    def objections(self) -> list[str]:
        """All of it, but for Chromium's remarks about what a page asked for in vain.

        That is: a page the test opened is an error page; nobody is logged in with a token; or the test said
        that what lies under `refusals` will be refused or out of reach.
        """
        return [text for url, text in self.complaints if not self.is_expected(url.partition("#")[0], text)]

    def is_expected(self, url: str, text: str) -> bool:
        remark = "Failed to load resource: "
        if text.startswith(f"{remark}the server responded with a status of 4") and url in self.documents:
            return True
        if text.startswith(f"{remark}the server responded with a status of 401") and url.endswith("/jwt/auth/refresh"):
            return True
        return text.startswith(remark) and any(part in url for part in self.refusals)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Before the site is started for a test that cannot run."""
    if CHROMIUM is None:
        sentence = "There is no Chromium on the PATH, and browser tests need one."
        pytest.fail(sentence) if os.environ.get("REQUIRE_BROWSER") == "1" else pytest.skip(sentence)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Ends with the last browser test: its event loop would make Django's ORM refuse to work in others."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def cast(site: Site) -> dict[str, Any]:
    """People beside the demo's, a key of the last one's for each kind of link, and her number."""
    links: dict[str, Any] = json.loads(site.manage("shell", "--verbosity", "0", "-c", CAST))
    return links


@pytest.fixture(autouse=True)
def no_failures_counted(site: Site) -> None:
    """All tests come from one address, and together they would meet its limits."""
    redis.Redis(unix_socket_path=str(site.store_socket), db=THROTTLE).flushdb()


def new_profile(chromium: Browser, refusals: tuple[str, ...] = (), **options: Any) -> tuple[BrowserContext, Witness]:
    """A browser profile, and who watches it."""
    context, witness = chromium.new_context(**options), Witness(refusals=refusals)
    context.set_default_timeout(10_000)
    context.expose_binding("reportViolation", witness.violation)
    context.add_init_script(LISTEN)
    context.on("page", witness.follow)
    return context, witness


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a browser profile of its own and gives its page. None of them may have had reason to complain,
    but about addresses with a part that is named in `refusals`."""
    opened: list[tuple[BrowserContext, Witness]] = []

    def visit(refusals: tuple[str, ...] = (), **options: Any) -> Page:
        opened.append(new_profile(chromium, refusals, **options))
        return opened[-1][0].new_page()

    yield visit
    for context, _ in opened:
        context.close()
    assert [line for _, witness in opened for line in witness.objections()] == []


@pytest.fixture
def page(visit: Callable[..., Page]) -> Page:
    return visit()


@pytest.fixture(scope="package")
def admin_state(chromium: Browser, site: Site) -> Any:
    """The cookies of a browser in which the demo's administrator has logged in."""
    context = chromium.new_context()
    log_in(context.new_page(), site, "admin@example.com", "demo-only-admin")
    state = context.storage_state()
    context.close()
    return state


def session_login(page: Page, site: Site, name: str, remember: bool = False, then: str = "") -> None:
    """Logs a member of the cast in at the session's login page, to which `then` is added."""
    page.goto(f"{site.url}/session/login/{then}")
    page.get_by_label("E-mail address").fill(f"{name}@example.com")
    page.get_by_label("Password", exact=True).fill(f"correct horse {name}")
    page.get_by_label("Keep me logged in").set_checked(remember)
    page.get_by_role("main").get_by_role("button", name="Log in").click()


def log_in(page: Page, site: Site, email: str, password: str, then: str = "/admin/") -> None:
    """Logs in at the admin, as its login page asks."""
    page.goto(f"{site.url}/admin/login/?next={then}")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()
