"""Fixtures of the session flow: a browser that also calls the JSON endpoints, and functions that read stored data."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pkgutil import resolve_name
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import OperationalError, connection
from django.utils.crypto import get_random_string

from accounts.models import User
from security.hashers import Argon2id
from sessions_demo.models import DeviceSession
from sessions_demo.record import whole
from sessions_demo.store import PREFIX, digest
from tests.conftest import PASSWORDS, Browser
from tests.running import Store

WHOAMI, PROFILE, DEVICES = "/session/api/whoami", "/session/api/profile", "/session/api/devices"
LOGIN, LOGOUT, EVERYWHERE = "/session/auth/login", "/session/auth/logout", "/session/auth/logout-everywhere"
REAUTHENTICATE, PASSWORD = "/session/auth/reauthenticate", "/session/auth/password"
LOGIN_PAGE, PROFILE_PAGE, DEVICES_PAGE = "/session/login/", "/session/profile/", "/session/devices/"
LOGOUT_PAGE, EVERYWHERE_PAGE, PASSWORD_PAGE = "/session/logout/", "/session/logout-everywhere/", "/accounts/password/"
NEW = "a new and longer one"
RIGHT = PASSWORDS["alice@example.com"]
SECOND = "another-browser/2.0"
SESSION, CSRF = "__Host-sessionid", "__Host-csrftoken"


class Visitor(Browser):
    """A browser that also calls the JSON endpoints, as the project's JavaScript does."""

    def call(self, method: str, path: str, body: Any = None, token: str | None = None, **extra: Any) -> Any:
        """Sends a JSON request with the browser's CSRF token, unless another is given; "" sends none."""
        if CSRF not in self.cookies:
            self.cookies[CSRF] = get_random_string(32)
        token = self.cookies[CSRF].value if token is None else token
        headers = extra.pop("headers", {}) | ({"X-CSRFToken": token} if token else {})
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        kind = extra.pop("content_type", "application/json")
        return self.generic(method, path, data, kind, headers=headers, **extra)

    def sign_in(self, email: str = "alice@example.com", password: str | None = None, **body: Any) -> Any:
        """Logs in by JSON, with the right password unless another is given."""
        password = PASSWORDS.get(email, "") if password is None else password
        return self.call("POST", LOGIN, {"email": email, "password": password, **body})

    def sign_in_by_page(self, email: str = "alice@example.com", password: str | None = None, **form: Any) -> Any:
        """Logs in by the login page, with the right password unless another is given."""
        password = PASSWORDS.get(email, "") if password is None else password
        return self.submit(LOGIN_PAGE, {"email": email, "password": password, **form})

    def whoami(self) -> int:
        """The status of whoami."""
        return int(self.get(WHOAMI).status_code)

    @property
    def key(self) -> str:
        """The key of this browser's record in Redis."""
        return PREFIX + digest(self.session_id)

    @property
    def row(self) -> DeviceSession:
        """This browser's row in the registry."""
        return DeviceSession.objects.get(digest=digest(self.session_id))


def thief(session_id: str) -> Visitor:
    """A browser that sends this value as its session cookie."""
    visitor = Visitor({"User-Agent": "thief/1.0"})
    visitor.cookies[SESSION] = session_id
    return visitor


def logged_in(email: str = "alice@example.com", agent: str = "Mozilla/5.0 (test)", **body: Any) -> Visitor:
    """A browser in which this user has logged in."""
    visitor = Visitor({"User-Agent": agent})
    assert visitor.sign_in(email, **body).status_code == 200
    assert visitor.whoami() == 200
    return visitor


def keys(store: Store) -> set[str]:
    """The keys of the session records in Redis, without the prefix of the cache."""
    found = {key.decode() for key in store.client(0).scan_iter()}
    assert all(PREFIX in key for key in found)
    return {key[key.index(PREFIX) :] for key in found}


def raw_key(store: Store, name: str) -> bytes:
    """A key with the prefix of the cache, as it is in Redis."""
    (key,) = store.client(0).keys(f"*{name}")
    return bytes(key)


def record(store: Store, visitor: Visitor) -> dict[str, Any]:
    """The record of this browser's session in Redis."""
    return whole(json.loads(store.client(0).get(raw_key(store, visitor.key))))


def fingerprint(store: Store) -> dict[str, Any]:
    """Everything that is stored: every row of this project's tables, every key in Redis."""
    state: dict[str, Any] = {}
    for label in ("accounts", "sessions_demo"):
        for model in apps.get_app_config(label).get_models():
            state[model.__name__] = list(model._default_manager.order_by("pk").values())
    for number in (0, 1):
        client = store.client(number)
        for key in client.scan_iter():
            state[f"{number}:{key!r}"] = client.dump(key)
    return state


@contextmanager
def database_away() -> Iterator[None]:
    """Makes every statement fail as it does while the database is away."""

    def refuse(*_: Any) -> None:
        raise OperationalError("away")

    with connection.execute_wrapper(refuse):
        yield


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes hashes cheap. No test here depends on the cost of a hash, some count the hashes."""
    monkeypatch.setattr(Argon2id, "memory_cost", 8)
    monkeypatch.setattr(Argon2id, "time_cost", 1)


@pytest.fixture
def at_alice(alice: User) -> Visitor:
    """Alice's browser, logged in."""
    return logged_in()


@pytest.fixture
def second(alice: User) -> Visitor:
    """Alice's other browser, logged in."""
    return logged_in(agent=SECOND)


@pytest.fixture
def at_bob(bob: User) -> Visitor:
    """Bob's browser, logged in."""
    return logged_in(bob.email)


@pytest.fixture
def at_admin(admin: User) -> Visitor:
    """The administrator's browser, logged in by the admin's own form."""
    visitor = Visitor({"User-Agent": "admin/1.0"})
    assert visitor.log_in(admin.email).status_code == 302
    return visitor


def after(monkeypatch: pytest.MonkeyPatch, target: str, then: Callable[[], object]) -> None:
    """Calls `then` once, right after the function `target` has returned."""
    function = resolve_name(target)
    happened: list[bool] = []

    def wrapped(*args: Any, **options: Any) -> Any:
        result = function(*args, **options)
        if not happened:
            happened.append(True)
            then()
        return result

    monkeypatch.setattr(target, wrapped)


def assert_cleared(response: Any) -> None:
    """Asserts that the answer deletes the session cookie, with the same attributes with which it was set."""
    cookie = response.cookies[SESSION]
    assert (cookie.value, cookie["max-age"]) == ("", 0)
    assert cookie["expires"] == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert (cookie["path"], cookie["domain"], cookie["samesite"]) == ("/", "", "Strict")
    assert (cookie["secure"], cookie["httponly"]) == (True, True)


assert settings.SESSION_COOKIE_NAME == SESSION
assert settings.CSRF_COOKIE_NAME == CSRF
