"""A client of a running site's session flow: it uses the JSON endpoints and keeps its cookies itself.

Python's HTTP clients do not send Secure cookies over http, not even to localhost.
"""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from http.cookies import SimpleCookie
from threading import Barrier
from typing import Any

from tests.running import Site

# Seconds; a longer wait counts as a hang.
PATIENCE = 20
SESSION, CSRF = "__Host-sessionid", "__Host-csrftoken"
# Any token works: the CSRF check only compares cookie and header.
TOKEN = "t" * 32


@dataclass(frozen=True)
class Answer:
    """An answer. `session` is the new session id, "" if the cookie was cleared, `None` if it was not set."""

    status: int
    headers: HTTPMessage
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def session(self) -> str | None:
        return self.cookie(SESSION)

    def cookie(self, name: str) -> str | None:
        """The new value of a cookie, "" if it was cleared, `None` if it was not set."""
        for line in self.headers.get_all("Set-Cookie", []):
            if morsel := SimpleCookie(line).get(name):
                return "" if morsel["max-age"] == "0" else morsel.value
        return None


def exchange(site: Site, method: str, path: str, body: Any, headers: dict[str, str]) -> Answer:
    """Sends one request, with `body` as JSON unless it is `None`."""
    connection = HTTPConnection("127.0.0.1", site.port, timeout=PATIENCE)
    sent = {"Host": f"localhost:{site.port}"} | headers
    if body is not None:
        sent, body = {"Content-Type": "application/json"} | sent, json.dumps(body)
    try:
        connection.request(method, path, body, sent)
        response = connection.getresponse()
        return Answer(response.status, response.msg, response.read().decode(errors="replace"))
    finally:
        connection.close()


class Member:
    """One browser with its cookies. `session` is its session id."""

    def __init__(self, site: Site, session: str = "") -> None:
        self.site = site
        self.session = session
        # The public id of this session. `Arena.member` fills it in.
        self.device = ""

    @property
    def headers(self) -> dict[str, str]:
        """The headers of each request of this browser."""
        cookies = {CSRF: TOKEN} | ({SESSION: self.session} if self.session else {})
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()), "X-CSRFToken": TOKEN}

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Sends one request and does not keep its cookie; `headers` have underscores for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return exchange(self.site, method, path, body, self.headers | named)

    def keep(self, answer: Answer) -> Answer:
        """Takes over the session cookie of an answer."""
        if answer.session is not None:
            self.session = answer.session
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        return self.keep(self.send("GET", path, **headers))

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.keep(self.send("POST", path, body, **headers))

    def log_in(self, email: str, password: str) -> Answer:
        return self.post("/session/auth/login", {"email": email, "password": password})

    def whoami(self) -> int:
        return self.send("GET", "/session/api/whoami").status


def together(*work: Callable[[], Any]) -> list[Any]:
    """Calls all of these at the same moment, in threads; returns their results."""
    start = Barrier(len(work))

    def one(run: Callable[[], Any]) -> Any:
        start.wait()
        return run()

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(one, work))
