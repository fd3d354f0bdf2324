"""Two tabs: a late answer about an old credential must not change a newer one, which the other tab has received.

The server's real answer to the old credential is held back until the browser has the new credential.
"""

from collections.abc import Callable
from itertools import count

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.tokens import COOKIE, IN, press, refreshing, state
from tests.running import Site, until
from tests.sampling import sampled
from tests.site.arena import PASSWORD
from tests.site.backstage import Backstage
from tests.site.holder import Holder
from tests.site.member import SESSION, Answer, Member

NEW = "battery staple again"
WHOAMI, REFRESH = "/session/api/whoami", "/jwt/auth/refresh"
numbers = count()


@pytest.fixture
def email(backstage: Backstage) -> str:
    """A user for one test only."""
    [email] = backstage.ask("people", f"tabs-{next(numbers)}-", 1, "alice@example.com")
    return str(email)


def late(tab: Page, method: str, path: str, meanwhile: Callable[[], None], ask: Callable[[], Answer]) -> int:
    """The tab sends a request, `meanwhile` runs, then the tab gets the answer of `ask`; returns its status."""
    held: list[Route] = []
    tab.route(f"**{path}", lambda route: held.append(route))
    script = "([method, path]) => { window.late = fetch(path, {method}).then(it => it.status); }"
    tab.evaluate(script, [method, path])
    until(lambda: tab.evaluate("1") and held)
    meanwhile()
    answer = ask()
    cookies = answer.headers.get_all("Set-Cookie", [])
    headers = {"Content-Type": "application/json"} | ({"Set-Cookie": "\n".join(cookies)} if cookies else {})
    held[0].fulfill(status=answer.status, headers=headers, body=answer.text)
    status = int(tab.evaluate("window.late"))
    tab.unroute(f"**{path}")
    return status


def cookie(page: Page, name: str) -> str:
    """The value of this cookie in the browser, or "" if there is none."""
    return next((str(it["value"]) for it in page.context.cookies() if it["name"] == name), "")


# ── Sessions ──────────────────────────────────────────────────────────────────────────────────


def log_in(page: Page, site: Site, email: str) -> None:
    page.goto(f"{site.url}/session/login/")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Log in").click()
    expect(page).to_have_url(f"{site.url}/session/profile/")


def reauthenticate(page: Page, site: Site, email: str) -> None:
    status = page.evaluate(
        """async password => {
            const token = document.cookie.match(/__Host-csrftoken=(\\w+)/)[1];
            const headers = {"Content-Type": "application/json", "X-CSRFToken": token};
            const body = JSON.stringify({password});
            return (await fetch("/session/auth/reauthenticate", {method: "POST", headers, body})).status;
        }""",
        PASSWORD,
    )
    assert status == 200


def change_password(page: Page, site: Site, email: str) -> None:
    page.goto(f"{site.url}/accounts/password/")
    page.get_by_label("Old password", exact=True).fill(PASSWORD)
    for label in ("New password", "New password confirmation"):
        page.get_by_label(label, exact=True).fill(NEW)
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your password is changed")


def end_and_log_in(page: Page, site: Site, email: str) -> None:
    page.goto(f"{site.url}/session/profile/")
    page.get_by_role("banner").get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are logged out")
    log_in(page, site, email)


CHANGES = [reauthenticate, change_password, log_in, end_and_log_in]


@pytest.mark.parametrize("change", sampled(CHANGES, CHANGES[:1]))
def test_a_late_answer_about_the_old_id_is_no_logout(
    visit: Callable[..., Page], site: Site, email: str, change: Callable[..., None]
) -> None:
    page = visit(refusals=(WHOAMI,))
    log_in(page, site, email)
    old, tab = cookie(page, SESSION), page.context.new_page()
    tab.goto(f"{site.url}/accounts/register/")
    ask = Member(site, old)
    status = late(tab, "GET", WHOAMI, lambda: change(page, site, email), lambda: ask.send("GET", WHOAMI))
    assert status == 401
    assert cookie(page, SESSION) not in ("", old)
    page.goto(f"{site.url}/session/profile/")
    expect(page.get_by_role("banner")).to_contain_text("Logged in as")
    page.get_by_role("banner").get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are logged out")
    assert cookie(page, SESSION) == ""


def test_a_late_answer_with_the_csrf_cookie_of_before_a_login_spoils_no_form(
    page: Page, site: Site, email: str
) -> None:
    page.goto(f"{site.url}/session/login/")
    before, tab = cookie(page, "__Host-csrftoken"), page.context.new_page()
    tab.goto(f"{site.url}/accounts/register/")

    def ask() -> Answer:
        member = Member(site)
        return member.send("GET", "/session/login/", Cookie=f"__Host-csrftoken={before}")

    assert late(tab, "GET", "/session/login/", lambda: log_in(page, site, email), ask) == 200
    page.get_by_role("banner").get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are logged out")


# ── Tokens ────────────────────────────────────────────────────────────────────────────────────


def token_log_in(page: Page, site: Site, email: str) -> None:
    page.goto(f"{site.url}/jwt/")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("main").get_by_role("button", name="Log in").click()
    expect(state(page)).to_have_text(IN)


def token_confirm(page: Page, email: str) -> None:
    page.get_by_role("textbox", name="Your password").fill(PASSWORD)
    with page.expect_response("**/jwt/auth/reauthenticate") as answer:
        press(page, "Confirm the password")
    assert answer.value.status == 200


def token_change_password(page: Page, email: str) -> None:
    page.get_by_label("Old password", exact=True).fill(PASSWORD)
    for label in ("New password", "New password confirmation"):
        page.get_by_label(label, exact=True).fill(NEW)
    with page.expect_response("**/jwt/auth/password") as answer:
        press(page, "Change the password")
    assert answer.value.status == 200


def token_log_in_again(page: Page, email: str) -> None:
    script = """async body => (await fetch("/jwt/auth/login", {
        method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)})).status"""
    assert page.evaluate(script, {"email": email, "password": PASSWORD}) == 200


LATE = [
    (token_confirm, REFRESH, 401),
    (token_change_password, REFRESH, 401),
    (token_log_in_again, REFRESH, 401),
    (token_log_in_again, "/jwt/auth/logout", 200),
]


@pytest.mark.parametrize(("change", "path", "status"), sampled(LATE, LATE[-1:]))
def test_a_late_answer_about_the_old_token_is_no_logout(
    visit: Callable[..., Page], site: Site, email: str, change: Callable[..., None], path: str, status: int
) -> None:
    page = visit()
    token_log_in(page, site, email)
    old, tab = cookie(page, COOKIE), page.context.new_page()
    tab.goto(f"{site.url}/accounts/register/")
    agent = str(page.evaluate("navigator.userAgent"))
    ask = Holder(site, old, agent=agent)
    assert late(tab, "POST", path, lambda: change(page, email), lambda: ask.send("POST", path)) == status
    assert cookie(page, COOKIE) not in ("", old)
    with refreshing(page) as answer:
        page.reload()
    assert answer.value.status == 200
    expect(state(page)).to_have_text(IN)
