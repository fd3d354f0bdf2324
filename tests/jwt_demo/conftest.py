"""What the tests of the token flow share: a client that keeps its tokens as a careful client does, and its rows."""

import json
from typing import Any

import jwt
import pytest
from django.test import Client

from accounts.models import User
from config.stores import DENYLIST
from jwt_demo.conf import conf as jwt_conf
from jwt_demo.housekeeping import _Synced
from jwt_demo.models import TokenFamily
from jwt_demo.revocation import LEASE
from security.hashers import Argon2id
from tests.conftest import BROWSER_HEADERS, PASSWORDS
from tests.running import Store

LOGIN, REFRESH, LOGOUT = "/jwt/auth/login", "/jwt/auth/refresh", "/jwt/auth/logout"
EVERYWHERE, REAUTHENTICATE, PASSWORD = "/jwt/auth/logout-everywhere", "/jwt/auth/reauthenticate", "/jwt/auth/password"
WHOAMI, PROFILE, STAFF, DEVICES = "/jwt/api/whoami", "/jwt/api/profile", "/jwt/api/staff", "/jwt/api/devices"
RIGHT = PASSWORDS["alice@example.com"]
NEW = "a new and longer one"
SECOND = "another-browser/2.0"
COOKIE = "__Host-refresh"


class Holder(Client):
    """A browser with our client: the access token is in memory, the refresh token in the cookie."""

    def __init__(self, agent: str = "Mozilla/5.0 (test)") -> None:
        super().__init__(enforce_csrf_checks=True, headers=BROWSER_HEADERS | {"User-Agent": agent})
        self.access = ""

    def call(self, method: str, path: str, body: Any = None, access: str | None = None, **extra: Any) -> Any:
        """Sends a JSON request with `access` or the client's own access token; "" sends none. Keeps a new token."""
        access = self.access if access is None else access
        headers = ({"Authorization": f"Bearer {access}"} if access else {}) | extra.pop("headers", {})
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        kind = extra.pop("content_type", "application/json")
        response = self.generic(method, path, data, kind, headers=headers, **extra)
        if response.status_code == 200 and isinstance(answer := response.json(), dict):
            self.access = answer.get("accessToken", self.access)
        return response

    def sign_in(self, email: str = "alice@example.com", password: str | None = None, **body: Any) -> Any:
        """Logs in, with the right password unless another is given."""
        password = PASSWORDS.get(email, "") if password is None else password
        return self.call("POST", LOGIN, {"email": email, "password": password, **body}, access="")

    def rotate(self, refresh: str | None = None) -> Any:
        """Refreshes, by the token in the cookie unless another is given."""
        if refresh is not None:
            self.cookies[COOKIE] = refresh
        return self.call("POST", REFRESH)

    def whoami(self) -> int:
        """The status code of whoami."""
        return int(self.call("GET", WHOAMI).status_code)

    @property
    def refresh(self) -> str:
        """The refresh token in its cookie, "" without one."""
        cookie = self.cookies.get(COOKIE)
        return cookie.value if cookie else ""

    @property
    def claims(self) -> dict[str, Any]:
        """The claims of its access token, unverified."""
        return dict(jwt.decode(self.access, options={"verify_signature": False}))

    @property
    def family(self) -> TokenFamily:
        """The family of its access token, as it is stored now."""
        return TokenFamily.objects.get(pk=self.claims["sid"])


def thief(refresh: str) -> Holder:
    """A thief with this refresh token in another browser."""
    holder = Holder("thief/1.0")
    holder.cookies[COOKIE] = refresh
    return holder


def logged_in(email: str = "alice@example.com", agent: str = "Mozilla/5.0 (test)", **body: Any) -> Holder:
    """A client in which this user has logged in."""
    holder = Holder(agent)
    assert holder.sign_in(email, **body).status_code == 200
    assert holder.whoami() == 200
    return holder


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes hashes fast. Their cost is not tested here."""
    monkeypatch.setattr(Argon2id, "memory_cost", 8)
    monkeypatch.setattr(Argon2id, "time_cost", 1)


@pytest.fixture(autouse=True)
def untold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Housekeeping begins as in a new process, although other tests have run it at other times."""
    monkeypatch.setattr(_Synced, "until", None)


@pytest.fixture
def whole(empty_store: None, store: Store) -> None:
    """The denylist is complete, as on the running site. So it is not rebuilt from the database during a test."""
    store.client(DENYLIST).set(LEASE, 1, ex=3600)


@pytest.fixture
def holder(alice: User) -> Holder:
    """Alice's client, logged in."""
    return logged_in()


@pytest.fixture
def second(alice: User) -> Holder:
    """Alice's client in another browser, logged in."""
    return logged_in(agent=SECOND)


assert jwt_conf.JWT_REFRESH_COOKIE_NAME == COOKIE
