"""Another project in a browser: the pages of the parts there, with no template of ours around them; and its API at
api.site.localhost under a page at app.site.localhost, and under pages that are not trusted.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.adopters.cross_origin import PASSWORD, api
from tests.adopters.host import Host

pytestmark = [pytest.mark.exhaustive, pytest.mark.browser]
REFRESH, SESSION = "__Host-refresh", "__Host-sessionid"


@pytest.fixture(scope="module")
def made() -> Iterator[tuple[Host, int]]:
    with api(with_pages=True) as made:
        yield made


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A new browser context without cookies."""
    context = chromium.new_context()
    context.set_default_timeout(10_000)
    yield context
    context.close()


@pytest.fixture
def app(made: tuple[Host, int]) -> str:
    return f"http://app.site.localhost:{made[1]}/"


def press(page: Page, name: str) -> Any:
    page.get_by_role("button", name=name).click()
    return expect(page.locator("output"))


def log_in(page: Page) -> None:
    page.get_by_label("User name").fill("alice")
    page.get_by_label("Password").fill(PASSWORD)


def names(context: BrowserContext) -> set[str]:
    return {cookie["name"] for cookie in context.cookies()}


def test_a_page_of_a_trusted_origin_does_all_by_token(context: BrowserContext, app: str) -> None:
    page = context.new_page()
    page.goto(f"{app}#token")
    expect(page.locator("output")).to_have_text("false")
    log_in(page)
    press(page, "Log in").to_have_text("done")
    [cookie] = [cookie for cookie in context.cookies() if cookie["name"] == REFRESH]
    assert (cookie["domain"], cookie["httpOnly"], cookie["sameSite"]) == ("api.site.localhost", True, "Strict")
    before = cookie["value"]
    press(page, "Write").to_have_text('201 {"sent":{"text":"by token"}}')
    page.reload()
    expect(page.locator("output")).to_have_text("true")
    assert before not in {cookie["value"] for cookie in context.cookies()}
    press(page, "Write").to_have_text('201 {"sent":{"text":"by token"}}')
    press(page, "Log out").to_have_text("done")
    assert REFRESH not in names(context)
    press(page, "Write").to_have_text("401 You are logged out.")
    page.reload()
    expect(page.locator("output")).to_have_text("false")


def test_a_page_of_a_trusted_origin_does_all_by_session(context: BrowserContext, app: str) -> None:
    page = context.new_page()
    page.goto(f"{app}#session")
    expect(page.locator("output")).to_contain_text("401")
    press(page, "Write").to_contain_text("401")
    log_in(page)
    press(page, "Log in").to_contain_text("200")
    press(page, "Write").to_have_text('201 {"sent":{"text":"by session"}}')
    page.reload()
    expect(page.locator("output")).to_contain_text("200")
    press(page, "Write").to_contain_text("201")
    press(page, "Log out").to_contain_text("200")
    assert SESSION not in names(context)
    page.reload()
    expect(page.locator("output")).to_contain_text("401")


def test_tabs_of_that_page_share_a_login(context: BrowserContext, app: str) -> None:
    first, second = context.new_page(), context.new_page()
    first.goto(f"{app}#token")
    expect(first.locator("output")).to_have_text("false")
    log_in(first)
    press(first, "Log in").to_have_text("done")
    second.goto(f"{app}#token")
    expect(second.locator("output")).to_have_text("true")
    press(first, "Log out").to_have_text("done")
    press(second, "Write").to_have_text("401 You logged out elsewhere in this browser.")


# A request that needs no preflight: a form's content type, with cookies. The script cannot read the answer.
BLIND = """async ([url, body]) => {
    const headers = { "Content-Type": "text/plain" };
    await fetch(url, { method: "POST", mode: "no-cors", credentials: "include", headers, body });
}"""
# A request whose answer the script may read if the server allows it.
READ = """async ([url, body, credentials, access]) => {
    const headers = { "Content-Type": "application/json", ...(access && { Authorization: `Bearer ${access}` }) };
    const answer = await fetch(url, { method: "POST", credentials, headers, body: JSON.stringify(body) });
    return [answer.status, await answer.json()];
}"""
FORM = """([url]) => {
    const form = document.createElement("form");
    Object.assign(form, { method: "POST", action: url });
    document.body.append(form);
    form.submit();
}"""
WAYS = ["jwt/auth/login", "jwt/auth/refresh", "jwt/auth/logout", "session/auth/login", "session/auth/logout", "notes"]


@pytest.mark.parametrize("host", ["other.site.localhost", "evil.localhost"])
def test_no_other_page_changes_anything(context: BrowserContext, made: tuple[Host, int], app: str, host: str) -> None:
    """Requests from a sibling host carry Alice's cookies; requests from another site do not."""
    page = context.new_page()
    for way, answered in (("token", "done"), ("session", "200")):
        page.goto(f"{app}#{way}")
        page.reload()
        expect(page.locator("output")).to_contain_text("false" if way == "token" else "401")
        log_in(page)
        press(page, "Log in").to_contain_text(answered)
    before = context.cookies()
    evil, answers = context.new_page(), []
    evil.on("response", lambda answer: answers.append((answer.status, answer.request.method)))
    evil.goto(f"http://{host}:{made[1]}/blank")
    for path in WAYS:
        evil.evaluate(BLIND, [f"http://api.site.localhost:{made[0].port}/{path}", "{}"])
        evil.evaluate(FORM, [f"http://api.site.localhost:{made[0].port}/{path}"])
        expect(evil.locator("body")).to_contain_text(re.compile("Origin gate: Sec-Fetch-Site|HTTP 4"))
        evil.goto(f"http://{host}:{made[1]}/blank")
    posted = [status for status, method in answers if method == "POST"]
    assert set(posted) <= {400, 403, 415}
    assert context.cookies() == before
    press(page, "Write").to_contain_text("201")
    page.goto(f"{app}#token")
    page.reload()
    expect(page.locator("output")).to_have_text("true")


def test_a_page_of_another_site_does_all_without_cookies(context: BrowserContext, made: tuple[Host, int]) -> None:
    page, base = context.new_page(), f"http://api.site.localhost:{made[0].port}/"
    page.goto(f"http://partner.localhost:{made[1]}/blank")

    def ask(path: str, body: Any, credentials: str = "omit", access: str = "") -> tuple[int, Any]:
        status, answer = page.evaluate(READ, [base + path, body, credentials, access])
        return status, answer

    credentials = {"username": "alice", "password": PASSWORD}
    for path in WAYS:
        for sent in ("omit", "include"):
            status, answer = ask(path, credentials, sent)
            assert (status, answer["error"]) == (403, "Forbidden")
            assert answer["detail"].startswith("Origin gate: Sec-Fetch-Site: cross-site")
    status, tokens = ask("jwt/auth/login", credentials | {"transport": "body"})
    assert status == 200
    status, tokens = ask("jwt/auth/refresh", {"refreshToken": tokens["refreshToken"]})
    assert status == 200
    assert ask("notes", {"text": "a"}, access=tokens["accessToken"]) == (201, {"sent": {"text": "a"}})
    assert ask("jwt/auth/logout", {"refreshToken": tokens["refreshToken"]})[0] == 200
    assert ask("notes", {"text": "a"}, access=tokens["accessToken"])[0] == 401
    assert names(context) == set()


# ── The pages of the parts ─────────────────────────────────────────────────────────────────────


# Chromium asks for it if a page has no icon.
ICON = ("favicon.ico",)


def test_a_user_logs_in_and_out_by_a_session(visit: Callable[..., Page], made: tuple[Host, int]) -> None:
    page = visit(refusals=ICON)
    page.goto(f"http://localhost:{made[0].port}/session/profile/")
    page.get_by_label("User name").fill("alice")
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("alice")
    page.get_by_role("link", name="All your devices").click()
    expect(page.get_by_text("this browser", exact=True)).to_be_visible()
    page.goto(f"http://localhost:{made[0].port}/session/profile/")
    page.get_by_role("button", name="Log out here").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are logged out")


def test_a_user_logs_in_and_out_by_a_token(visit: Callable[..., Page], made: tuple[Host, int]) -> None:
    page = visit(refusals=(*ICON, "/jwt/auth/login"))
    page.goto(f"http://localhost:{made[0].port}/jwt/")
    page.get_by_label("User name").fill("alice")
    page.get_by_role("textbox", name="Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_have_text("This user name and password do not belong together.")
    page.get_by_role("textbox", name="Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("alice")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("alice")
    page.get_by_role("button", name="Log out here").click()
    expect(page.get_by_label("User name")).to_be_visible()
