"""The origin gate with every combination of headers, compared with a short version of its rule."""

import json
from itertools import product
from typing import Any, NamedTuple

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from jwt_demo.models import TokenFamily
from security.models import SecurityEvent
from tests.conftest import Browser
from tests.jwt_demo.conftest import (
    COOKIE,
    DEVICES,
    LOGIN,
    LOGOUT,
    NEW,
    PASSWORD,
    REAUTHENTICATE,
    REFRESH,
    RIGHT,
    WHOAMI,
    Holder,
    logged_in,
)
from tests.sampling import sampled

HERE, TRUSTED, OTHER = "http://testserver", "https://app.example.org", "https://evil.example"
NAMES = {"session": "__Host-sessionid", "csrf": "__Host-csrftoken", "refresh": COOKIE}
SITES = [None, "same-origin", "none", "same-site", "cross-site", "odd"]
ORIGINS = [None, HERE, TRUSTED, OTHER, "null"]
CREDENTIALS = {"email": "alice@example.com", "password": RIGHT}
FORM = "application/x-www-form-urlencoded"


class Route(NamedTuple):
    """One kind of request. `decides`: its body says that it needs no cookie. `sets`: its answer would set one."""

    method: str
    path: str
    body: Any = None
    kind: str = "application/json"
    decides: bool = False
    sets: bool = False


ROUTES = {
    "session login": Route("POST", "/session/auth/login", CREDENTIALS),
    "session login page": Route("POST", "/session/login/", b"email=alice", FORM),
    "session logout": Route("POST", "/session/auth/logout"),
    "session logout page": Route("POST", "/session/logout/", b"", FORM),
    "session devices": Route("DELETE", "/session/api/devices"),
    "login by cookie": Route("POST", LOGIN, CREDENTIALS, sets=True),
    "login by body": Route("POST", LOGIN, CREDENTIALS | {"transport": "body"}, decides=True),
    "login without refresh": Route("POST", LOGIN, CREDENTIALS | {"refresh": False}, decides=True),
    "refresh": Route("POST", REFRESH),
    "refresh by body": Route("POST", REFRESH, "TOKEN", decides=True),
    "logout": Route("POST", LOGOUT),
    "logout by body": Route("POST", LOGOUT, "TOKEN", decides=True),
    "reauthenticate": Route("POST", REAUTHENTICATE, {"password": RIGHT}, sets=True),
    "devices": Route("DELETE", DEVICES),
    "a view, patched": Route("PATCH", WHOAMI),
    "a view, read": Route("GET", WHOAMI),
    "a view, its options": Route("OPTIONS", WHOAMI),
    "the admin's login": Route("POST", "/admin/login/", b"username=alice", FORM),
    "nowhere": Route("POST", "/nowhere"),
}
CASES = list(product(ROUTES, SITES, ORIGINS))
# From another site, from a sibling subdomain, and from a trusted origin.
QUICK = [("cross-site", OTHER), ("same-site", None), ("cross-site", TRUSTED)]


def passes(route: Route, site: str | None, origin: str | None, cookie: str, credential: str) -> bool:
    """Whether the gate must let this request pass."""
    if route.method in ("GET", "OPTIONS") or origin == TRUSTED or site in ("same-origin", "none"):
        return True
    if site is None and origin in (None, HERE):
        return True
    return cookie not in NAMES and not route.sets and (route.decides or credential == "bearer")


class Held(NamedTuple):
    """Credentials of Alice that a client may have."""

    cookies: dict[str, str]
    access: str
    refresh: str


@pytest.fixture
def held(alice: User, settings: Settings) -> Held:
    settings.CSRF_TRUSTED_ORIGINS = [TRUSTED]
    browser, holder, native = Browser(), logged_in(), Holder()
    browser.force_login(alice)
    refresh = native.sign_in(transport="body").json()["refreshToken"]
    values = {"session": browser.session_id, "csrf": "a" * 32, "refresh": holder.refresh}
    cookies = {kind: f"{NAMES[kind]}={value}" for kind, value in values.items()}
    return Held(cookies | {"theirs": "theme=dark"}, holder.access, refresh)


def ask(held: Held, route: Route, site: str | None, origin: str | None, cookie: str, credential: str) -> Any:
    credentials = {"bearer": f"Bearer {held.access}", "basic": "Basic YWxpY2U6cGFzc3dvcmQ="}
    given = {"Sec-Fetch-Site": site, "Origin": origin, "Cookie": held.cookies.get(cookie)}
    given |= {"Authorization": credentials.get(credential)}
    body = {"refreshToken": held.refresh} if route.body == "TOKEN" else route.body
    data = body if isinstance(body, bytes) else json.dumps(body).encode() if body else b""
    headers = {name: value for name, value in given.items() if value is not None}
    return Client(enforce_csrf_checks=True).generic(route.method, route.path, data, route.kind, headers=headers)


@pytest.mark.parametrize(
    ("name", "site", "origin"), sampled(CASES, [(name, *sender) for name in ROUTES for sender in QUICK])
)
def test_in_every_combination_only_what_is_ours_trusted_or_exempt_passes(
    held: Held, name: str, site: str | None, origin: str | None
) -> None:
    route, wrong = ROUTES[name], []
    for cookie, credential in product(["none", *held.cookies], ["none", "bearer", "basic"]):
        families, events = TokenFamily.objects.count(), SecurityEvent.objects.count()
        answer = ask(held, route, site, origin, cookie, credential)
        is_refused = answer.status_code == 403 and "Origin gate: " in answer.content.decode()
        is_welcome = passes(route, site, origin, cookie, credential)
        if is_refused is is_welcome:
            wrong.append((cookie, credential, answer.status_code))
        if is_refused:
            assert (TokenFamily.objects.count(), SecurityEvent.objects.count()) == (families, events)
        if not passes(route._replace(decides=False), site, origin, "none", "none"):
            assert not answer.cookies, (cookie, credential)
    assert wrong == []


@pytest.mark.parametrize("site", ["same-site", "cross-site"])
@pytest.mark.parametrize("origin", [None, OTHER, "null"])
def test_a_login_by_cookie_from_elsewhere_never_happens(
    held: Held, site: str, origin: str | None, settings: Settings
) -> None:
    """Login CSRF: Alice would use an account of somebody else. The same request from the site sets the cookie."""
    route, before = ROUTES["login by cookie"], SecurityEvent.objects.count()
    for cookie, credential in product(["none", *held.cookies], ["none", "bearer"]):
        answer = ask(held, route, site, origin, cookie, credential)
        assert (answer.status_code, dict(answer.cookies)) == (403, {})
        assert answer["Content-Type"] == "application/json"
        assert answer.json()["detail"].startswith(f"Origin gate: Sec-Fetch-Site: {site} is neither")
    assert SecurityEvent.objects.count() == before
    for sender in (("same-origin", HERE), ("same-site", TRUSTED), ("cross-site", TRUSTED), (None, None)):
        answer = ask(held, route, *sender, "none", "none")
        assert (answer.status_code, list(answer.cookies)) == (200, [COOKIE])


def test_from_elsewhere_a_client_without_cookies_logs_in_refreshes_and_logs_out(alice: User) -> None:
    elsewhere = {"Sec-Fetch-Site": "cross-site", "Origin": OTHER}
    client = Client(enforce_csrf_checks=True, headers=elsewhere)
    login = client.post(LOGIN, CREDENTIALS | {"transport": "body"}, "application/json")
    assert login.status_code == 200
    refreshed = client.post(REFRESH, {"refreshToken": login.json()["refreshToken"]}, "application/json")
    assert refreshed.status_code == 200
    bearer = {"Authorization": f"Bearer {refreshed.json()['accessToken']}"}
    assert client.delete(DEVICES, headers=bearer).status_code == 200
    token = {"refreshToken": refreshed.json()["refreshToken"]}
    assert client.post(LOGOUT, token, "application/json").status_code == 200
    assert client.post(REFRESH, token, "application/json").status_code == 401
    assert client.get(WHOAMI, headers=bearer).status_code == 401
    assert not client.cookies


@pytest.mark.parametrize(
    ("path", "body", "instead"),
    [
        (LOGIN, CREDENTIALS, '"transport": "body"'),
        (REFRESH, {}, "the refreshToken in the body"),
        (LOGOUT, {}, "the refreshToken in the body"),
    ],
)
def test_a_view_that_decides_says_what_to_send(alice: User, log: Any, path: str, body: Any, instead: str) -> None:
    client = Client(headers={"Sec-Fetch-Site": "cross-site", "Origin": OTHER})
    answer = client.post(path, body, "application/json")
    assert (answer.status_code, answer.json()["error"]) == (403, "Forbidden")
    assert instead in answer.json()["detail"]
    [line] = [line for line in map(json.loads, log.getvalue().splitlines()) if line.get("event") == "request_refused"]
    assert (line["check"], line["reason"]) == ("origin gate", answer.json()["detail"])


@pytest.mark.parametrize("transport", ["cookie", "body"])
@pytest.mark.parametrize(
    ("path", "body"), [(REAUTHENTICATE, {"password": RIGHT}), (PASSWORD, {"current": RIGHT, "new": NEW})]
)
def test_a_token_whose_successor_would_be_a_cookie_is_of_no_use_elsewhere(
    alice: User, path: str, body: Any, transport: str
) -> None:
    """Otherwise the family would get a refresh token that no client receives."""
    holder = Holder()
    assert holder.sign_in(transport=transport).status_code == 200
    access, generation = holder.access, holder.family.generation
    holder.cookies.clear()
    answer = holder.call("POST", path, body, headers={"Sec-Fetch-Site": "cross-site", "Origin": OTHER})
    if transport == "body":
        assert (answer.status_code, "__Host-refresh" in answer.cookies) == (200, False)
        return
    assert (answer.status_code, answer.json()["detail"].startswith("Origin gate: ")) == (403, True)
    assert "WWW-Authenticate" not in answer
    assert (holder.access, holder.family.generation) == (access, generation)


@pytest.mark.parametrize("path", [LOGIN, REFRESH, LOGOUT])
def test_the_body_is_looked_at_before_a_view_decides(alice: User, path: str) -> None:
    """A form of another site cannot send JSON, and a body that is too large is not read."""
    client = Client(headers={"Sec-Fetch-Site": "cross-site", "Origin": OTHER})
    for kind in (FORM, "text/plain", "multipart/form-data; boundary=x"):
        assert client.post(path, b'{"transport": "body"}', kind).status_code == 415
    assert client.post(path, b" " * 70_000, "application/json").status_code == 413
    assert client.post(path, b"{", "application/json").status_code == 400
