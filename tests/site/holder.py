"""Someone who uses the JWT flow's endpoints of a running site, as a browser's script or a native client does."""

import base64
import json
from typing import Any

from tests.running import Site
from tests.site.member import Answer, exchange

COOKIE = "__Host-refresh"
AGENT = "holder/1.0"
REFRESH, LOGOUT, WHOAMI = "/jwt/auth/refresh", "/jwt/auth/logout", "/jwt/api/whoami"


class Holder:
    """One client: an access token in memory, and a refresh token that is a cookie or, of a native one, in bodies."""

    def __init__(
        self, site: Site, refresh: str = "", access: str = "", agent: str = AGENT, native: bool = False
    ) -> None:
        self.site, self.agent, self.native = site, agent, native
        self.refresh, self.access = refresh, access

    @property
    def headers(self) -> dict[str, str]:
        """What a request of this client carries."""
        bearer = {"Authorization": f"Bearer {self.access}"} if self.access else {}
        cookie = {"Cookie": f"{COOKIE}={self.refresh}"} if self.refresh and not self.native else {}
        return {"User-Agent": self.agent} | bearer | cookie

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request, without keeping what comes back; `headers` with underscores for hyphens."""
        if self.native and path in (REFRESH, LOGOUT):
            body = {"refreshToken": self.refresh}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return exchange(self.site, method, path, body, self.headers | named)

    def keep(self, answer: Answer) -> Answer:
        """Keeps the tokens of an answer."""
        cookie, body = answer.cookie(COOKIE), answer.json if answer.status == 200 else {}
        self.refresh = body.get("refreshToken", self.refresh if cookie is None else cookie)
        self.access = body.get("accessToken", self.access)
        return answer

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.keep(self.send("POST", path, body, **headers))

    def log_in(self, email: str, password: str, **more: Any) -> Answer:
        return self.post("/jwt/auth/login", {"email": email, "password": password} | more)

    def rotate(self) -> Answer:
        """Refreshes, without keeping what comes back."""
        return self.send("POST", REFRESH)

    def whoami(self) -> int:
        return self.send("GET", WHOAMI).status

    def given(self, answer: Answer) -> "Holder":
        """A client with nothing but the tokens of this answer."""
        holder = Holder(self.site, agent=self.agent, native=self.native)
        holder.keep(answer)
        return holder

    @property
    def claims(self) -> dict[str, Any]:
        """What its access token says, unverified."""
        payload = self.access.split(".")[1]
        return dict(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))
