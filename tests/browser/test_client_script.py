"""The client script alone, against a server that answers as each test says: what it does when answers come late,
get lost or make no sense."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route

from tests.browser.conftest import BLANK
from tests.running import Site, until

pytestmark = pytest.mark.browser

PAYLOAD = base64.urlsafe_b64encode(json.dumps({"sub": "alice"}).encode()).decode().rstrip("=")
BASE = "/pretended/"
# Chromium's messages about answers that are errors or are missing.
REFUSALS = (BASE,)
START = """async base => {
    const { createClient } = await import("/static/jwt_demo/client.js");
    window.client = createClient(base);
    window.settled = promise => promise.then(
        value => ["resolved", typeof value === "object" ? null : value],
        error => ["rejected", error.name, error.status ?? null],
    );
}"""
NO_LOCKS = "Object.defineProperty(navigator, 'locks', {value: undefined})"


class Server:
    """Answers a page's requests and counts them. Requests to the addresses in `held` wait for `release`."""

    def __init__(self, page: Page) -> None:
        self.asked: list[str] = []
        self.held: dict[str, list[Route]] = {}
        self.answers: dict[str, tuple[int, Any]] = {}
        self.tokens = 0
        page.context.route(f"**{BASE}**", self.answer)

    def answer(self, route: Route) -> None:
        path = route.request.url.partition(BASE)[2]
        self.asked.append(path)
        if path in self.held:
            self.held[path].append(route)
        else:
            self.fulfill(route, path)

    def fulfill(self, route: Route, path: str) -> None:
        self.tokens += 1
        token = {"accessToken": f"head.{PAYLOAD}.{self.tokens}", "expiresIn": 900}
        status, body = self.answers.get(path, (200, token))
        route.fulfill(status=status, json=body)

    def hold(self, path: str) -> list[Route]:
        return self.held.setdefault(path, [])

    def release(self, page: Page, path: str) -> None:
        """Answers the first request to `path`, once it has come."""
        until(lambda: page.wait_for_timeout(20) or self.held[path])
        self.fulfill(self.held.pop(path)[0], path)


def open_client(page: Page, site: Site) -> Server:
    """Opens a page that has only a client, `window.client`."""
    page.route("**/blank", lambda route: route.fulfill(content_type="text/html", body=BLANK))
    page.goto(f"{site.url}/blank")
    page.evaluate(START, BASE)
    return Server(page)


def tell_of_a_logout(page: Page, site: Site) -> None:
    """Another tab logs out."""
    page.evaluate(
        "([url]) => { window.channel ??= new BroadcastChannel(url); window.channel.postMessage(''); }",
        [f"{site.url}{BASE}"],
    )
    page.wait_for_function("client.state === 'logged out'")


def test_requests_that_fail_together_do_not_put_off_the_next_attempt(visit: Callable[..., Page], site: Site) -> None:
    page = visit(refusals=REFUSALS, fresh=True)
    page.clock.install()
    server = open_client(page, site)
    page.evaluate("client.login('alice@example.com', 'a password')")
    server.answers["api/profile"] = (503, {"error": "Unavailable"})
    page.evaluate("Promise.all(Array.from({length: 5}, () => client.request('api/profile')))")
    assert page.evaluate("client.state") == "offline"
    page.clock.run_for(2100)
    until(lambda: page.wait_for_timeout(20) or "auth/refresh" in server.asked)
    until(lambda: page.evaluate("client.state") == "logged in")
    assert server.asked.count("auth/refresh") == 1


@pytest.mark.parametrize("call", ["login('a@example.com', 'b')", "reauthenticate('a')", "changePassword('a', 'b')"])
def test_an_answer_without_a_token_is_an_outage(visit: Callable[..., Page], site: Site, call: str) -> None:
    page = visit(refusals=REFUSALS)
    server = open_client(page, site)
    page.evaluate("client.login('alice@example.com', 'a password')")
    for path in ("auth/login", "auth/reauthenticate", "auth/password"):
        server.answers[path] = (200, {})
    assert page.evaluate(f"settled(client.{call})") == ["rejected", "Error", 503]
    assert page.evaluate("[client.state, client.inspect().claims.sub]") == ["logged in", "alice"]


def test_restoring_says_no_after_a_logout(visit: Callable[..., Page], site: Site) -> None:
    page = visit(refusals=REFUSALS)
    server = open_client(page, site)
    page.evaluate("client.login('alice@example.com', 'a password')")
    server.hold("auth/logout")
    page.evaluate("() => { window.out = client.logout(); window.restored = client.restore(); }")
    server.release(page, "auth/logout")
    assert page.evaluate("restored") is False
    assert "auth/refresh" not in server.asked


def test_a_logout_elsewhere_is_not_undone_by_a_second_attempt(visit: Callable[..., Page], site: Site) -> None:
    page = visit(refusals=REFUSALS, fresh=True)
    page.add_init_script(NO_LOCKS)
    server = open_client(page, site)
    page.evaluate("client.login('alice@example.com', 'a password')")
    held = server.hold("auth/refresh")
    page.evaluate("() => { window.restored = client.restore(); }")
    until(lambda: page.wait_for_timeout(20) or held)
    tell_of_a_logout(page, site)
    held[0].abort()
    assert page.evaluate("restored") is False
    assert page.evaluate("[client.state, client.inspect()]") == ["logged out", None]
    assert server.asked.count("auth/refresh") == 1


def test_a_login_goes_on_when_the_tab_hears_of_a_logout(visit: Callable[..., Page], site: Site) -> None:
    page = visit(refusals=REFUSALS)
    server = open_client(page, site)
    server.answers["auth/refresh"] = (401, {"error": "Invalid refresh token"})
    assert page.evaluate("client.restore()") is False
    held = server.hold("auth/login")
    page.evaluate("() => { window.login = settled(client.login('alice@example.com', 'a password')); }")
    until(lambda: page.wait_for_timeout(20) or held)
    tell_of_a_logout(page, site)
    assert page.evaluate("settled(client.request('api/profile'))") == ["rejected", "Error", 401]
    server.release(page, "auth/login")
    assert page.evaluate("login") == ["resolved", None]
    assert page.evaluate("client.state") == "logged in"


def test_the_token_goes_to_no_other_address(visit: Callable[..., Page], site: Site) -> None:
    page = visit(refusals=REFUSALS)
    server = open_client(page, site)
    page.evaluate("client.login('alice@example.com', 'a password')")
    assert page.evaluate("settled(client.request('/elsewhere'))") == ["rejected", "TypeError", None]
    assert server.asked == ["auth/login"]


def test_the_token_goes_to_the_api_that_was_named(visit: Callable[..., Page], site: Site) -> None:
    page = visit(refusals=REFUSALS)
    server = open_client(page, site)
    page.evaluate(
        """async base => {
            const { createClient } = await import("/static/jwt_demo/client.js");
            window.client = createClient(`${base}jwt/`, "email", base);
        }""",
        BASE,
    )
    page.evaluate("client.login('alice@example.com', 'a password')")
    for address in ("../notes", f"{BASE}notes"):
        assert page.evaluate(f"settled(client.request('{address}'))") == ["resolved", None]
    assert page.evaluate("settled(client.request('/elsewhere'))") == ["rejected", "TypeError", None]
    assert server.asked == ["jwt/auth/login", "notes", "notes"]
