"""What a case works with: a fresh attempt, browsers without a past, throwaway people, and a clean client."""

import ssl
from contextlib import ExitStack
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

import httpx

from attack_range import attempts, hosts, people
from attack_range.browser import CHROMIUM, PATIENCE

FETCH = """async ([method, url, body, headers]) => {
    const json = body === null ? {} : {body: JSON.stringify(body), headers: {"Content-Type": "application/json"}};
    const answer = await fetch(url, {method, ...json, headers: {...json.headers, ...headers}});
    const text = await answer.text();
    let data = {};
    try { data = JSON.parse(text); } catch { }
    return {status: answer.status, data, csrf: answer.headers.get("X-CSRFToken") ?? ""};
}"""
BLANK = "/ours/blank"
# Without any certificate. Nothing here speaks TLS, and to read the system's takes longer than ten requests.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Scene:
    """Made for one case. `with Scene() as scene:` closes its browsers at the end."""

    def __init__(self) -> None:
        self.attempt = attempts.begin()
        self._stack = ExitStack()

    def __enter__(self) -> "Scene":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def browser(self, **options: Any) -> Any:
        """A fresh browser profile (Playwright's `BrowserContext`): no cookie, no storage."""
        context = CHROMIUM.browser.new_context(**options)
        context.set_default_timeout(PATIENCE)
        self._stack.callback(context.close)
        return context

    def person(self, name: str = "Alice", role: str = "member") -> people.Person:
        """A throwaway user of the project's own code."""
        return people.make(name, role)

    def url(self, path: str, host: str = hosts.VICTIM, other: bool = False, **query: str) -> str:
        """An address of the range that names this attempt, so that the server records what arrives there."""
        return f"{hosts.origin(host, other)}{path}?{urlencode({'attempt': self.attempt.nonce} | query)}"

    def ask(self, method: str, url: str, cookies: dict[str, str] | None = None, **options: Any) -> httpx.Response:
        """One request of a clean client, which has nothing but what it is given: how a thief uses what was stolen.

        Over the network, with the cookies named, whatever their attributes. `options` are httpx's.
        """
        parts = urlsplit(url)
        headers = {"Host": parts.netloc} | options.pop("headers", {})
        if cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        address = url.replace(parts.netloc, f"127.0.0.1:{parts.port}", 1)  # Python does not resolve *.localhost
        return httpx.request(method, address, headers=headers, timeout=10, trust_env=False, verify=NO_TLS, **options)

    def in_page(self, page: Any, method: str, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
        """A request by a script of this page, as the page's own scripts make it: `status`, `data`, `csrf`."""
        return cast(dict[str, Any], page.evaluate(FETCH, [method, path, body, headers]))

    def log_in(self, page: Any, person: people.Person, flow: str) -> dict[str, Any]:
        """Logs `person` in to the project's own code (`session` or `jwt`), in a page that is at the victim's origin
        afterwards. Raises `RuntimeError` when the login fails."""
        page.goto(hosts.origin(hosts.VICTIM) + BLANK)
        csrf = self.in_page(page, "GET", f"/{flow}/api/")["csrf"] if flow == "session" else ""
        body = {"email": person.email, "password": person.password}
        answer = self.in_page(page, "POST", f"/{flow}/auth/login", body, **{"X-CSRFToken": csrf})
        if answer["status"] != 200:
            raise RuntimeError(f"The login itself failed with {answer['status']}.")
        return answer
