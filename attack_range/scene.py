"""The tools of one case: a new attempt, fresh browser profiles, temporary users, and a client without a browser."""

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
# Holds no certificates. Nothing here uses TLS, and loading those of the system takes longer than ten requests.
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class Scene:
    """One scene for one case. `with Scene() as scene:` closes its browsers at the end."""

    def __init__(self) -> None:
        self.attempt = attempts.begin()
        self._stack = ExitStack()

    def __enter__(self) -> "Scene":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def browser(self, **options: Any) -> Any:
        """A new browser profile (Playwright's `BrowserContext`), without cookies and storage."""
        context = CHROMIUM.browser.new_context(**options)
        context.set_default_timeout(PATIENCE)
        self._stack.callback(context.close)
        return context

    def person(self, name: str = "Alice", role: str = "member") -> people.Person:
        """A temporary user of the project's own code."""
        return people.make(name, role)

    def url(self, path: str, host: str = hosts.VICTIM, other: bool = False, **query: str) -> str:
        """An address of the range that names this attempt, so that the server records what arrives there."""
        return f"{hosts.origin(host, other)}{path}?{urlencode({'attempt': self.attempt.nonce} | query)}"

    def ask(self, method: str, url: str, cookies: dict[str, str] | None = None, **options: Any) -> httpx.Response:
        """Sends one request without a browser, as a thief does who uses a stolen credential.

        It sends these cookies and no others, and ignores their attributes. `options` are httpx's.
        """
        parts = urlsplit(url)
        headers = {"Host": parts.netloc} | options.pop("headers", {})
        if cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        address = url.replace(parts.netloc, f"127.0.0.1:{parts.port}", 1)  # Python does not resolve *.localhost
        return httpx.request(method, address, headers=headers, timeout=10, trust_env=False, verify=NO_TLS, **options)

    def in_page(self, page: Any, method: str, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
        """Sends a request by `fetch` inside this page. Returns `status`, `data` (the JSON) and `csrf` of the answer."""
        return cast(dict[str, Any], page.evaluate(FETCH, [method, path, body, headers]))

    def log_in(self, page: Any, person: people.Person, flow: str) -> dict[str, Any]:
        """Logs `person` in to the `flow` (`session` or `jwt`) of the project's own code, in this page, and returns the
        answer. The page is at the victim's origin afterwards. Raises `RuntimeError` when the login fails."""
        page.goto(hosts.origin(hosts.VICTIM) + BLANK)
        csrf = self.in_page(page, "GET", f"/{flow}/api/")["csrf"] if flow == "session" else ""
        body = {"email": person.email, "password": person.password}
        answer = self.in_page(page, "POST", f"/{flow}/auth/login", body, **{"X-CSRFToken": csrf})
        if answer["status"] != 200:
            raise RuntimeError(f"The login itself failed with {answer['status']}.")
        return answer
