"""A client of a contestant: it logs in once, and builds the later requests of that login."""

import json
from dataclasses import dataclass, field

import httpx

from benchmarks.contestant import CSRF_TOKEN, PASSWORD, Flow, email
from benchmarks.load import TOKEN, Next, Request, Script
from benchmarks.servers import Server

AGENT = "Mozilla/5.0 (X11; Linux x86_64) benchmarks"


def common_headers(server: Server) -> dict[str, str]:
    """The headers of every request to this contestant."""
    host = server.base.removeprefix("http://")
    return {"Host": host, "User-Agent": AGENT, "Accept": "application/json"} | server.contestant.headers


def login_request(server: Server, flow: Flow, user: int) -> Request:
    """The login request of this user. Every contestant takes JSON."""
    body = json.dumps({flow.login_field: email(user), "password": PASSWORD})
    headers = common_headers(server) | {"Content-Type": "application/json"}
    if flow.csrf:
        cookie, header = flow.csrf
        headers |= {"Cookie": f"{cookie}={CSRF_TOKEN}", header: CSRF_TOKEN}
    return Request("POST", flow.login, headers, body)


@dataclass
class Login:
    """The cookies and the JSON body that a login returned."""

    server: Server
    flow: Flow
    cookies: dict[str, str] = field(default_factory=dict)
    body: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, server: Server, flow: Flow, user: int) -> "Login":
        """Logs this user in. Raises `httpx.HTTPStatusError` if the login is refused."""
        sent = login_request(server, flow, user)
        answer = httpx.post(server.base + sent.path, headers=sent.headers, content=sent.body, timeout=30)
        answer.raise_for_status()
        lines = [line.partition(";")[0].partition("=") for line in answer.headers.get_list("set-cookie")]
        return cls(server, flow, {name: value for name, _, value in lines}, answer.json())

    def get(self, path: str) -> Request:
        """A GET with the credential of this login."""
        return Request("GET", path, common_headers(self.server) | self._proof())

    def logout(self) -> Request:
        """The request that ends this login."""
        return self._with_refresh(self.flow.logout) if self.flow.refresh else self._post(self.flow.logout, {})

    def refresh(self, token: str = "") -> Request:
        """The request that refreshes this login, with `token` or else the refresh token of the login."""
        return self._with_refresh(self.flow.refresh, token)

    def _proof(self) -> dict[str, str]:
        if self.flow.access:
            return {"Authorization": f"Bearer {self.body[self.flow.access]}"}
        cookies, headers = self.cookies, {}
        if self.flow.csrf:
            cookie, header = self.flow.csrf
            cookies = {cookie: CSRF_TOKEN} | cookies
            headers = {header: cookies[cookie]}
        return headers | {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}

    def _with_refresh(self, path: str, token: str = "") -> Request:
        cookie, name = self.flow.refresh_cookie, self.flow.refresh_field
        if cookie:
            return self._post(path, {}, {"Cookie": f"{cookie}={token or self.cookies[cookie]}"})
        return self._post(path, {name: token or self.body[name]})

    def _post(self, path: str, body: dict[str, str], more: dict[str, str] | None = None) -> Request:
        headers = common_headers(self.server) | self._proof() | (more or {}) | {"Content-Type": "application/json"}
        return Request("POST", path, headers, json.dumps(body))


def refreshing(logins: list[Login]) -> Script:
    """A script that refreshes these logins again and again, each time with the newest refresh token of a login."""
    flow = logins[0].flow
    template = Next(logins[0].refresh(TOKEN), cookie=flow.refresh_cookie, field=flow.refresh_field)
    return Script(tuple(login.refresh() for login in logins), next=template)
