"""Promises about every address. The routes are read from the URLconf, so new ones are tested too."""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.apps import apps
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts.models import User
from config.urls import CachedInclude
from jwt_demo import lifecycle
from notes.models import Note
from security.client import Client
from security.models import PendingRevocation, SecurityEvent
from sessions_demo.models import DeviceSession
from tests.conftest import Browser
from tests.running import Store
from tests.sampling import sampled

# Addresses that anyone may see. All others require a login.
OPEN = {
    "/",
    "/browser-now",
    "/glossary/",
    "/healthz",
    "/readyz",
    "/.well-known/jwks.json",
    "/accounts/register/",
    "/accounts/register/sent/",
    "/accounts/register/done/",
    "/accounts/register/x/",
    "/accounts/password/done/",
    "/accounts/password/reset/",
    "/accounts/password/reset/sent/",
    "/accounts/password/reset/done/",
    "/accounts/password/reset/x/x/",
    "/accounts/mail/",
    "/admin/login/",
    "/session/login/",
    "/session/logout/",
    "/session/api/",
    "/session/auth/login",
    "/session/auth/logout",
    "/jwt/",
    "/jwt/api/",
    "/jwt/auth/login",
    "/jwt/auth/refresh",
    "/jwt/auth/logout",
    "/schema/",
    "/docs/",
}
# A value for each variable part of a route.
VALUES = {
    "device": "00000000-0000-0000-0000-000000000000",
    "app_label": "accounts",
    "object_id": "1",
    "id": "1",
    "pk": "1",
    "content_type_id": "1",
    "url": "nothing/",
}
EVIL = [
    "//evil.example",
    "https://evil.example",
    "http:evil.example",
    "http:///evil.example",
    "///evil.example",
    "\\\\evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    " //evil.example",
    "\t//evil.example",
    "/\t/evil.example",
    "//evil.example\\@testserver",
    "//testserver@evil.example",
    "https://testserver.evil.example",
    "\u2028//evil.example",
    "//\u2044evil.example",
]


def paths(patterns: list[Any] | None = None, prefix: str = "/") -> Iterator[str]:
    """One address of each route."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + _filled(pattern)
        if isinstance(pattern, URLResolver):
            yield from paths(pattern.url_patterns, route)
        else:
            assert isinstance(pattern, URLPattern)
            yield route


def _filled(pattern: Any) -> str:
    route = str(pattern.pattern)
    if route.startswith("^") or route.endswith("$"):
        # The admin has two regular expressions: the index of an app, and a catch-all for unknown addresses.
        return "accounts/" if "app_label" in route else "nothing/"
    for name in pattern.pattern.converters:
        value = VALUES.get(name, "x")
        route = re.sub(rf"<(\w+:)?{name}>", value, route)
    assert "<" not in route, route
    return route


PATHS = sorted(set(paths()))
# The lab exists only in the demo, and is open to anyone.
OPEN |= {path for path in PATHS if path.startswith(("/lab/", "/claims/", "/start/"))}


def test_the_list_of_what_is_open_names_real_addresses() -> None:
    assert set(PATHS) >= OPEN
    assert len(PATHS) > 30
    assert "/admin/accounts/user/1/password/" in PATHS


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["get", "post"])
def test_what_is_not_on_the_list_of_open_addresses_is_closed(
    db: None, browser: Browser, path: str, method: str
) -> None:
    answer = browser.get(path) if method == "get" else browser.submit(path)
    if path in OPEN:
        assert "/login/" not in answer.get("Location", "")
    elif answer.status_code == 302:
        leads = answer["Location"]
        # Without a login the admin's logout redirects to the admin's index, which requires one.
        asks = leads.startswith(("/session/login/?next=", "/admin/login/?next="))
        assert asks or (path, leads) == ("/admin/logout/", "/admin/")
    else:
        # 415: an endpoint that accepts only JSON checks the content type first.
        assert answer.status_code in (401, 403, 405, 415)


@pytest.mark.parametrize("path", PATHS)
def test_a_member_gets_into_nothing_of_the_admin(alice: User, browser: Browser, path: str) -> None:
    browser.force_login(alice)
    answer = browser.get(path)
    if path.startswith("/admin/") and path not in OPEN:
        assert answer.status_code in (301, 302, 403, 404)
        assert b"alice@example.com" not in answer.content


def state(store: Store) -> Any:
    """Every row, and every key of the store with its value."""
    rows = {model: list(model._base_manager.order_by("pk").values()) for model in apps.get_models()}
    keys = {(db, key): store.client(db).dump(key) for db in range(4) for key in store.client(db).scan_iter()}
    return rows, keys


def rows_of_a_family(user: User) -> list[Any]:
    """The rows of a login with tokens, one of the blacklist included."""
    family, token = lifecycle.start(user, Client()).family, OutstandingToken.objects.get()
    return [family, token, BlacklistedToken.objects.create(token=token)]


READERS = [(method, who) for method in ("GET", "HEAD", "OPTIONS", "TRACE") for who in ("anonymous", "admin")]


# An administrator reaches more pages than an anonymous visitor.
@pytest.mark.parametrize(("method", "who"), sampled(READERS, [("GET", "admin")]))
def test_reading_changes_nothing_anywhere(admin: User, alice: User, store: Store, who: str, method: str) -> None:
    browser = Browser()
    if who == "admin":
        browser.force_login(admin)
    pending = PendingRevocation.objects.create(user_key=str(alice.pk), token_version=1, reason="test")
    note = Note.objects.create(owner=alice, text="Buy milk")
    rows = [admin, SecurityEvent.objects.first(), DeviceSession.objects.first(), pending, note]
    rows += rows_of_a_family(alice)
    before = state(store)
    for path in PATHS:
        # For an unknown id the admin stores a message in the session, so use ids of rows that exist.
        for row in filter(None, rows):
            path = path.replace(f"{row._meta.model_name}/1/", f"{row._meta.model_name}/{row.pk}/")
        answer = browser.generic(method, path)
        assert answer.status_code < 500, path
        assert state(store) == before, path


def test_a_page_that_needs_a_login_says_where_one_wanted_to_go(db: None, browser: Browser) -> None:
    answer = browser.get("/accounts/password/?a=b")
    assert answer["Location"] == "/session/login/?next=/accounts/password/%3Fa%3Db"


@pytest.mark.parametrize("target", EVIL)
@pytest.mark.parametrize("where", ["query", "form"])
def test_a_login_leads_to_no_other_site(admin: User, browser: Browser, target: str, where: str) -> None:
    data = {"username": admin.email, "password": "correct horse admin"}
    if where == "query":
        from urllib.parse import quote

        answer = browser.submit(f"/admin/login/?next={quote(target)}", data)
    else:
        answer = browser.submit("/admin/login/", data | {"next": target})
    assert answer.status_code == 302
    assert answer["Location"] in ("/session/profile/", "/admin/")
    assert browser.get(answer["Location"]).status_code == 200


@pytest.mark.parametrize("target", ["/accounts/password/", "/admin/accounts/user/?q=a"])
def test_a_login_leads_where_one_wanted_to_go_here(admin: User, browser: Browser, target: str) -> None:
    answer = browser.submit(
        "/admin/login/", {"username": admin.email, "password": "correct horse admin", "next": target}
    )
    assert answer["Location"] == target


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/accounts/password",
        "//evil.example/admin",
        "/\\evil.example/admin",
        "//evil.example/%2e%2e/admin",
    ],
)
def test_no_path_becomes_a_redirect_to_another_site(db: None, browser: Browser, path: str) -> None:
    answer = browser.get(path)
    assert not answer.get("Location", "/").startswith(("//", "/\\", "http"))


@pytest.mark.parametrize(
    "page", ["/accounts/register/", "/accounts/password/reset/", "/accounts/password/", "/admin/logout/"]
)
def test_no_other_page_follows_next(admin: User, browser: Browser, page: str) -> None:
    browser.force_login(admin)
    data = {"email": "a@example.com", "name": "a", "next": "//evil.example", "old_password": "correct horse admin"}
    data |= {"new_password1": "kqzvwxyj", "new_password2": "kqzvwxyj"}
    answer = browser.submit(f"{page}?next=//evil.example", data)
    assert answer.status_code in (200, 302)
    assert "evil" not in answer.get("Location", "")


BODIES: list[tuple[bytes, str]] = [
    (b"", "application/json"),
    (b"{", "application/json"),
    (b"\xff\xfe", "application/x-www-form-urlencoded"),
    (b"email=%00&name=%ED%A0%80&new_password1=%00&new_password2=%00", "application/x-www-form-urlencoded"),
    (b"username=%00&password=%00", "application/x-www-form-urlencoded"),
    (b"x", "multipart/form-data"),
    (b"x", "multipart/form-data; boundary=x"),
    (b"&" * 5000, "application/x-www-form-urlencoded"),
    (b"a", "text/plain; charset=nonsense"),
]


# tests/site/test_bad_input.py sends more, to the running site.
@pytest.mark.exhaustive
@pytest.mark.parametrize("signed_in", [False, True])
def test_nothing_that_is_sent_is_a_500(admin: User, signed_in: bool) -> None:
    browser = Browser()
    browser.handler.enforce_csrf_checks = False
    if signed_in:
        browser.force_login(admin)
    for path in PATHS:
        if path.endswith(("/logout/", "/delete/")):  # these act on any body
            continue
        # Hardly any address allows PUT or DELETE.
        for method, bodies in (("POST", BODIES), ("PUT", BODIES[:2]), ("DELETE", BODIES[:2])):
            for body, content_type in bodies:
                answer = browser.generic(method, path, body, content_type)
                assert answer.status_code < 500, (method, path, body)
    assert User.objects.count() == 1
    assert not SecurityEvent.objects.filter(name__in=["user_created", "authn_password_change", "authz_admin"]).exists()


def test_each_unsafe_route_wants_the_token(admin: User, browser: Browser, store: Store) -> None:
    browser.force_login(admin)
    before = state(store)
    for path in PATHS:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = browser.generic(method, path, b"post=yes", "application/x-www-form-urlencoded")
            assert answer.status_code in (403, 404, 405, 415), (method, path)
    assert state(store) == before


def test_only_addresses_without_variable_parts_are_remembered() -> None:
    includes = [pattern for pattern in get_resolver().url_patterns if isinstance(pattern, CachedInclude)]
    asked = [path for path in PATHS if path.startswith(("/session/", "/jwt/"))]
    for path in [*asked, "/session/api/nothing", "/jwt/api/devices/3f2504e0-4f89-41d3-9a0c-0305e82c3301"]:
        matches = []
        with suppress(Resolver404):
            matches = [resolve(path), resolve(path)]
        assert len({match.func for match in matches}) == bool(matches) == (path != "/session/api/nothing")
        # A middleware may change `kwargs`. This must not affect other requests.
        assert not matches or matches[0].kwargs is not matches[1].kwargs
    found = sorted(f"/{path}" for pattern in includes for path in pattern.found)
    assert found == [path for path in asked if VALUES["device"] not in path]
