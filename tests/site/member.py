"""Someone who uses the session flow's JSON endpoints of a running site, cookies kept by hand.

Python's HTTP clients keep Secure cookies but do not send them over http.
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

# Seconds; an answer that takes longer is a hang.
PATIENCE = 20
SESSION, CSRF = "__Host-sessionid", "__Host-csrftoken"
# Any token does: what counts is that cookie and header agree.
TOKEN = "t" * 32


@dataclass(frozen=True)
class Answer:
    """What came back. `session` is the new id, "" for a cookie that was cleared, `None` without one."""

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
        """The new value of a cookie, "" for one that was cleared, `None` without it."""
        for line in self.headers.get_all("Set-Cookie", []):
            if morsel := SimpleCookie(line).get(name):
                return "" if morsel["max-age"] == "0" else morsel.value
        return None


def exchange(site: Site, method: str, path: str, body: Any, headers: dict[str, str]) -> Answer:
    """One request, with a body in JSON unless it is `None`."""
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
    """One browser, as far as cookies go. `session` is the id it holds."""

    def __init__(self, site: Site, session: str = "") -> None:
        self.site = site
        self.session = session
        # The public id of this session, where a test needs it.
        self.device = ""

    @property
    def headers(self) -> dict[str, str]:
        """What a request of this browser carries."""
        cookies = {CSRF: TOKEN} | ({SESSION: self.session} if self.session else {})
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()), "X-CSRFToken": TOKEN}

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request, without keeping what comes back; `headers` with underscores for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return exchange(self.site, method, path, body, self.headers | named)

    def keep(self, answer: Answer) -> Answer:
        """Keeps the cookie of an answer."""
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
    """What each of these returns, all begun at the same moment."""
    start = Barrier(len(work))

    def one(run: Callable[[], Any]) -> Any:
        start.wait()
        return run()

    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(one, work))
