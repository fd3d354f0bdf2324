"""Helpers for the tests of the token flow's pages."""

import http.client
import json
from contextlib import AbstractContextManager
from typing import Any

from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.running import Site

COOKIE = "__Host-refresh"
ALL = ("/jwt/",)
# After an answer the strip asks what this browser is logged in with. Offline it gets no answer.
OFFLINE = (*ALL, "/browser-now")
OUT = "You are not logged in."
IN = "You are logged in."
ENDED = "Your token login has ended: it"
REVOKED = "Your access was revoked, by an administrator or because your account was changed"
LOST = (
    "An answer to this browser was lost on its way, so this token login has ended. Your other logins have not. "
    "Log in again."
)
REUSED = "Somebody used an old token of yours, so all your logins have ended. Change your password."

# Each place where a script of the page could find a token. The client keeps it in a private field, which no other
# script can read. `parts` are the texts to look for.
SEARCH = """async parts => {
    const found = [], seen = new Set();
    const look = (where, text) => { if (parts.some(part => String(text).includes(part))) found.push(where); };
    look("localStorage", JSON.stringify({...localStorage}));
    look("sessionStorage", JSON.stringify({...sessionStorage}));
    look("document.cookie", document.cookie);
    look("history.state", JSON.stringify(history.state));
    look("window.name", window.name);
    look("document", document.documentElement.outerHTML);
    for (const template of document.querySelectorAll("template")) look("template", template.innerHTML);
    for (const field of document.querySelectorAll("input, textarea")) look("field", field.value);
    for (const {name} of await indexedDB.databases()) {
        const open = indexedDB.open(name);
        await new Promise(done => open.onsuccess = done);
        for (const store of open.result.objectStoreNames) {
            const all = open.result.transaction(store).objectStore(store).getAll();
            await new Promise(done => all.onsuccess = done);
            look("indexedDB", JSON.stringify(all.result));
        }
        open.result.close();
    }
    for (const name of await caches.keys()) found.push(`cache ${name}`);
    const walk = (value, path) => {
        if (typeof value === "string") look(path, value);
        if (value === null || !["object", "function"].includes(typeof value)) return;
        if (value instanceof Node && value !== element || seen.has(value)) return;
        seen.add(value);
        for (const [key, {value: part}] of Object.entries(Object.getOwnPropertyDescriptors(value))) {
            walk(part, `${path}.${key}`);
        }
    };
    let element = null;
    walk(window, "window");
    for (element of document.querySelectorAll("*")) walk(element, element.tagName);
    return found;
}"""


def token_login(page: Page, site: Site, name: str, remember: bool = False) -> None:
    """Logs a member of the cast in on the token page."""
    page.goto(f"{site.url}/jwt/")
    fill(page, name, remember=remember)
    expect(title(page)).to_have_text(name.title())
    # The page's last step. A test that presses Tab earlier may start at a different element.
    expect(title(page)).to_be_focused()


def fill(page: Page, name: str, password: str = "", remember: bool = False) -> None:
    """Fills in the login form that is open, and sends it."""
    page.get_by_label("E-mail address").fill(f"{name}@example.com")
    page.get_by_label("Password", exact=True).fill(password or f"correct horse {name}")
    page.get_by_label("Remember me").set_checked(remember)
    page.get_by_role("main").get_by_role("button", name="Log in").click()


def title(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


def state(page: Page) -> Locator:
    """The page's status line."""
    return page.get_by_role("status")


def press(page: Page, name: str) -> None:
    page.get_by_role("main").get_by_role("button", name=name, exact=True).click()


def renew(page: Page) -> None:
    """Makes the page refresh, and waits until it has the new token."""
    with refreshing(page) as answer:
        press(page, "Get a new one")
    assert answer.value.status == 200
    expect(state(page)).to_have_text("You have a new token.")


def refreshing(page: Page) -> AbstractContextManager[Any]:
    """`with refreshing(page) as answer:` waits for an answer to a refresh."""
    return page.expect_response("**/jwt/auth/refresh")


def refresh_cookies(context: BrowserContext) -> list[Any]:
    return [cookie for cookie in context.cookies() if cookie["name"] == COOKIE]


def refresh_cookie(context: BrowserContext) -> Any:
    """The one refresh cookie this browser holds."""
    (cookie,) = refresh_cookies(context)
    return cookie


def refresh_elsewhere(site: Site, value: str, user_agent: str) -> tuple[int, dict[str, Any]]:
    """Sends a refresh cookie from outside the browser."""
    connection = http.client.HTTPConnection("localhost", site.port, timeout=20)
    connection.request("POST", "/jwt/auth/refresh", headers={"Cookie": f"{COOKIE}={value}", "User-Agent": user_agent})
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    return answer.status, body


def user_agent(page: Page) -> str:
    return str(page.evaluate("navigator.userAgent"))
