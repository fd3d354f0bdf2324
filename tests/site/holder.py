"""A client of a running site's JWT flow: a browser's script or a native client."""

import base64
import json
from typing import Any

from tests.running import Site
from tests.site.member import Answer, exchange

COOKIE = "__Host-refresh"
AGENT = "holder/1.0"
REFRESH, LOGOUT, WHOAMI = "/jwt/auth/refresh", "/jwt/auth/logout", "/jwt/api/whoami"


class Holder:
    """One client. It sends the refresh token as a cookie or, if it is native, in the body."""

    def __init__(
        self, site: Site, refresh: str = "", access: str = "", agent: str = AGENT, native: bool = False
    ) -> None:
        self.site, self.agent, self.native = site, agent, native
        self.refresh, self.access = refresh, access

    @property
    def headers(self) -> dict[str, str]:
        """The headers of each request of this client."""
        bearer = {"Authorization": f"Bearer {self.access}"} if self.access else {}
        cookie = {"Cookie": f"{COOKIE}={self.refresh}"} if self.refresh and not self.native else {}
        return {"User-Agent": self.agent} | bearer | cookie

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Sends one request and does not keep its tokens; `headers` have underscores for hyphens."""
        if self.native and path in (REFRESH, LOGOUT):
            body = {"refreshToken": self.refresh}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return exchange(self.site, method, path, body, self.headers | named)

    def keep(self, answer: Answer) -> Answer:
        """Takes over the tokens of an answer."""
        cookie, body = answer.cookie(COOKIE), answer.json if answer.status == 200 else {}
        self.refresh = body.get("refreshToken", self.refresh if cookie is None else cookie)
        self.access = body.get("accessToken", self.access)
        return answer

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.keep(self.send("POST", path, body, **headers))

    def log_in(self, email: str, password: str, **more: Any) -> Answer:
        return self.post("/jwt/auth/login", {"email": email, "password": password} | more)

    def rotate(self) -> Answer:
        """Refreshes, and does not keep the new tokens."""
        return self.send("POST", REFRESH)

    def whoami(self) -> int:
        return self.send("GET", WHOAMI).status

    def given(self, answer: Answer) -> "Holder":
        """A new client that has only the tokens of this answer."""
        holder = Holder(self.site, agent=self.agent, native=self.native)
        holder.keep(answer)
        return holder

    @property
    def claims(self) -> dict[str, Any]:
        """The claims of the access token, unverified."""
        payload = self.access.split(".")[1]
        return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))
