"""The panel on the token flow's browsable API: it sends the access token, which navigation cannot send."""

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.tokens import (
    ALL,
    OUT,
    SEARCH,
    press,
    refresh_cookie,
    refresh_cookies,
    state,
    title,
    token_login,
)
from tests.running import Site
from tests.site.backstage import Backstage

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("people")]


@pytest.fixture(scope="module")
def people(backstage: Backstage) -> None:
    backstage.ask("add_people", "quentin", "ruth", "sam")


def test_one_logs_in_and_asks_each_address(visit: Callable[..., Page], site: Site) -> None:
    page = visit(refusals=ALL)
    page.goto(f"{site.url}/jwt/api/whoami")
    expect(state(page)).to_have_text(OUT)
    log_in(page, "quentin", "a guess")
    expect(page.get_by_role("alert")).to_have_text("This e-mail address and password do not belong together.")
    log_in(page, "quentin")
    expect(answer(page)).to_contain_text("HTTP 200 OK")
    expect(answer(page)).to_contain_text('"role": "member"')
    expect(page.get_by_text("No token provided")).to_be_visible()  # what navigation got

    for path, found in {"": "whoami", "profile": "quentin@example.com", "devices": "HeadlessChrome"}.items():
        page.goto(f"{site.url}/jwt/api/{path}")
        expect(answer(page)).to_contain_text(found)
    page.goto(f"{site.url}/jwt/api/staff")
    expect(answer(page)).to_contain_text("HTTP 403 Forbidden")


def test_a_reload_restores_it_and_the_token_is_masked_until_asked_for(visit: Callable[..., Page], site: Site) -> None:
    page = visit(refusals=ALL)
    page.goto(f"{site.url}/jwt/api/profile")
    log_in(page, "quentin")
    expect(answer(page)).to_contain_text("quentin@example.com")
    with page.expect_response("**/jwt/auth/refresh") as restored:
        page.reload()
    token = restored.value.json()["accessToken"]
    expect(answer(page)).to_contain_text("quentin@example.com")
    parts = [*token.split("."), *refresh_cookie(page.context)["value"].split(".")[1:]]
    assert page.evaluate(SEARCH, parts) == []
    page.get_by_text("The token:").click()
    expect(page.get_by_text("Password last proved")).to_be_visible()
    expect(page.get_by_text("14 min")).to_be_visible()
    page.get_by_role("button", name="Show the token").click()
    expect(page.get_by_text(token)).to_be_visible()
    page.get_by_role("button", name="Hide the token").click()
    assert page.evaluate(SEARCH, parts) == []


@pytest.mark.exhaustive
def test_method_and_body_are_chosen(visit: Callable[..., Page], site: Site) -> None:
    page, other = visit(refusals=ALL), visit(refusals=ALL)
    token_login(other, site, "ruth")
    page.goto(f"{site.url}/jwt/api/devices")
    log_in(page, "ruth")
    expect(answer(page)).to_contain_text('"current": true')
    send(page, "DELETE")
    expect(answer(page)).to_contain_text('"ended": 1')
    press(other, "Try the staff page")
    expect(title(other)).to_have_text("Log in with a token")


def test_what_gives_tokens_is_done_without_showing_them(visit: Callable[..., Page], site: Site) -> None:
    page = visit(refusals=ALL)
    page.goto(f"{site.url}/jwt/auth/reauthenticate")
    log_in(page, "quentin")
    send(page, "POST", {"password": "correct horse quentin"})
    expect(answer(page)).to_contain_text("Done. The new tokens are not shown here")
    send(page, "POST", {"password": "a guess"})
    expect(answer(page)).to_contain_text("HTTP 401")
    page.goto(f"{site.url}/jwt/api/whoami")
    expect(answer(page)).to_contain_text("HTTP 200 OK")


@pytest.mark.exhaustive
def test_logging_out_there_ends_it_everywhere(visit: Callable[..., Page], site: Site) -> None:
    page = visit(refusals=ALL)
    token_login(page, site, "sam")
    panel = page.context.new_page()
    panel.goto(f"{site.url}/jwt/api/profile")
    expect(answer(panel)).to_contain_text("sam@example.com")
    panel.get_by_role("button", name="Log out").click()
    expect(state(panel)).to_have_text("You are logged out.")
    assert "sam@example.com" not in panel.content()
    expect(state(page)).to_have_text("You logged out elsewhere in this browser.")
    assert refresh_cookies(page.context) == []


def test_the_panel_is_sound(visit: Callable[..., Page], sound: Callable[..., None], site: Site) -> None:
    page = visit(refusals=ALL)
    for path in ("api/", "api/devices", "auth/login"):
        page.goto(f"{site.url}/jwt/{path}")
        expect(state(page)).to_have_text(OUT)
        sound(page)
        expect(page.get_by_role("link", name="Sessions & tokens", exact=True)).to_have_attribute("href", "/")
    page.goto(f"{site.url}/jwt/api/profile")
    log_in(page, "quentin")
    expect(answer(page)).to_contain_text("quentin@example.com")
    page.get_by_text("The token:").click()
    sound(page)


def log_in(page: Page, name: str, password: str = "") -> None:
    page.get_by_label("E-mail address").fill(f"{name}@example.com")
    page.get_by_label("Password", exact=True).fill(password or f"correct horse {name}")
    page.get_by_role("button", name="Log in").click()


def send(page: Page, method: str, body: dict[str, str] | None = None) -> None:
    page.get_by_label("Method").select_option(method)
    if body:
        page.get_by_label("Body (JSON)").fill(json.dumps(body))
    page.get_by_role("button", name="Send with the token").click()


def answer(page: Page) -> Locator:
    return page.get_by_role("region", name="Answer", exact=True)
