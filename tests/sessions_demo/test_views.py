"""The JSON endpoints: their exact answers, what they refuse, and in which order."""

import io
import json
import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.urls import URLPattern

from accounts import urls as account_urls
from accounts.models import User
from security.models import SecurityEvent
from sessions_demo import urls
from sessions_demo.models import DeviceSession
from sessions_demo.views import SessionView
from tests.access import set_version
from tests.conftest import PASSWORDS, Browser, Clock, told
from tests.running import Store
from tests.sessions_demo.conftest import (
    CSRF,
    DEVICES,
    DEVICES_PAGE,
    EVERYWHERE,
    EVERYWHERE_PAGE,
    LOGIN,
    LOGIN_PAGE,
    LOGOUT,
    LOGOUT_PAGE,
    NEW,
    PASSWORD,
    PASSWORD_PAGE,
    PROFILE,
    PROFILE_PAGE,
    REAUTHENTICATE,
    RIGHT,
    SECOND,
    SESSION,
    WHOAMI,
    Visitor,
    assert_cleared,
    fingerprint,
    keys,
    logged_in,
    record,
    thief,
)

ROOT, STAFF = "/session/api/", "/session/api/staff"
UNSAFE = ["POST", "PUT", "PATCH", "DELETE"]
committed = pytest.mark.django_db(transaction=True)
BODIES: dict[str, Any] = {
    LOGIN: {"email": "alice@example.com", "password": RIGHT},
    REAUTHENTICATE: {"password": RIGHT},
    PASSWORD: {"current": RIGHT, "new": NEW},
}


def address(prefix: str, pattern: URLPattern) -> str:
    """A URL of this route."""
    route = re.sub(r"<uuid:\w+>", "00000000-0000-4000-8000-000000000000", str(pattern.pattern))
    return prefix + re.sub(r"<(\w+:)?\w+>", "x", route)


SESSION_ROUTES = [address("/session/", pattern) for pattern in urls.urlpatterns]
JSON_ROUTES = [path for path in SESSION_ROUTES if re.match(r"/session/(auth|api)/", path)]
ROUTES = SESSION_ROUTES + [address("/accounts/", pattern) for pattern in account_urls.urlpatterns]
ASKS_FOR_A_SESSION = [path for path in JSON_ROUTES if path not in (LOGIN, LOGOUT, ROOT)]


# ── What is answered ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("email", "role"), [("alice@example.com", "member"), ("admin@example.com", "admin")])
def test_the_answers_are_those_of_the_contract(alice: User, admin: User, email: str, role: str) -> None:
    visitor = Visitor()
    user = User.objects.get(email=email)
    done = visitor.sign_in(email)
    assert (done.status_code, done.json()) == (200, {"message": "Logged in successfully"})
    assert visitor.get(WHOAMI).json() == {"userId": str(user.pk), "role": role}
    profile = {"id": str(user.pk), "email": email, "name": user.name, "role": role}
    assert visitor.get(PROFILE).json() == {"data": profile}
    staff = visitor.get(STAFF)
    if role == "admin":
        assert (staff.status_code, staff.json()) == (200, {"message": "You are an administrator"})
    else:
        assert (staff.status_code, staff.json()) == (403, {"error": "Forbidden"})
    out = visitor.call("POST", LOGOUT)
    assert (out.status_code, out.json()) == (200, {"message": "Logged out"})


@pytest.mark.parametrize("path", ASKS_FOR_A_SESSION)
@pytest.mark.parametrize("cookie", ["", "a" * 32])
def test_without_a_session_json_is_401_and_never_a_redirect(db: None, path: str, cookie: str) -> None:
    for method in ("GET", "HEAD", "POST", "DELETE"):
        refused = (thief(cookie) if cookie else Visitor()).call(method, path)
        assert refused.status_code == 401
        assert refused["WWW-Authenticate"] == 'Session realm="session"'
        assert refused["Cache-Control"] == "no-store"
        assert "Cookie" in refused["Vary"]
        if method != "HEAD":
            assert refused.json() == {"error": "Not authenticated"}
        assert not refused.cookies


ALLOWED = {LOGIN: "POST", REAUTHENTICATE: "POST", PASSWORD: "POST", LOGOUT: "POST", EVERYWHERE: "POST"}


@pytest.mark.parametrize("path", JSON_ROUTES)
def test_other_methods_are_405(at_alice: Visitor, path: str) -> None:
    allowed = {"DELETE"} if "devices/" in path else {"GET", "DELETE"} if path == DEVICES else {ALLOWED.get(path, "GET")}
    for method in {"GET", *UNSAFE} - allowed:
        refused = at_alice.call(method, path)
        if path == STAFF:
            continue  # Alice gets a 403
        assert refused.status_code == 405
        assert refused.json() == {"error": "Method not allowed"}
        assert set(refused["Allow"].split(", ")) - {"HEAD", "OPTIONS"} == allowed
    assert at_alice.whoami() == 200


def test_the_root_gives_the_csrf_token_to_those_who_keep_no_jar(alice: User) -> None:
    visitor = Visitor()
    answer = visitor.get(ROOT)
    cookie = answer.cookies[CSRF]
    assert (cookie["secure"], cookie["samesite"], cookie["path"], cookie["domain"]) == (True, "Strict", "/", "")
    assert not cookie["httponly"]
    assert answer.json()["whoami"].endswith(WHOAMI)
    token = answer["X-CSRFToken"]
    assert len(token) == 64
    assert visitor.call("POST", LOGIN, BODIES[LOGIN], token=token).status_code == 200
    assert visitor.whoami() == 200
    assert visitor.call("POST", LOGOUT, token=visitor.get(ROOT)["X-CSRFToken"]).status_code == 200


def test_the_role_in_the_record_decides_and_a_change_of_role_ends_the_record(
    admin: User, django_capture_on_commit_callbacks: Any
) -> None:
    visitor = logged_in(admin.email)
    assert visitor.get(STAFF).status_code == 200
    with django_capture_on_commit_callbacks(execute=True):
        admin.role = "member"
        admin.save()
    assert visitor.get(STAFF).status_code == 401


def test_a_name_that_looks_like_markup_is_only_a_name(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(name="<script>alert(1)</script>")
    visitor = logged_in()
    answer = visitor.get(PROFILE)
    assert answer["Content-Type"] == "application/json"
    assert answer.json()["data"]["name"] == "<script>alert(1)</script>"
    assert b"<script>alert(1)" not in visitor.get(PROFILE, headers={"Accept": "text/html"}).content


# ── The cookies (C5, C6), what caches are told (C7) ───────────────────────────────────────────


@pytest.mark.parametrize(("remember", "seconds"), [(False, 86_400), (True, 2_592_000)])
@pytest.mark.parametrize("way", [Visitor.sign_in, Visitor.sign_in_by_page])
def test_the_session_cookie_is_bound_to_this_host_and_out_of_reach_of_scripts(
    alice: User, clock: Clock, remember: bool, seconds: int, way: Callable[..., Any]
) -> None:
    visitor = Visitor()
    # A form does not send a box that is not ticked.
    answer = way(visitor, **({"remember": remember} if remember else {}))
    header = answer.cookies[SESSION].OutputString()
    assert re.fullmatch(
        rf"__Host-sessionid=[a-z0-9]{{32}}; expires=[^;]+; HttpOnly; Max-Age={seconds}; Path=/; "
        r"SameSite=Strict; Secure",
        header,
    )
    csrf = answer.cookies[CSRF].OutputString()
    assert re.fullmatch(
        r"__Host-csrftoken=\w{32}; expires=[^;]+; Max-Age=31449600; Path=/; SameSite=Strict; Secure", csrf
    )
    assert visitor.row.remember is remember is record_of(visitor)["_auth_remember"]


def record_of(visitor: Visitor) -> dict[str, Any]:
    from django.conf import settings

    return record(Store(settings.STORE_SOCKET), visitor)


def test_the_csrf_token_is_another_after_a_login(alice: User) -> None:
    visitor = Visitor()
    visitor.get(ROOT)
    before = visitor.cookies[CSRF].value
    visitor.sign_in()
    assert visitor.cookies[CSRF].value != before


def test_nothing_about_a_credential_may_be_kept_by_a_cache(at_alice: Visitor) -> None:
    wrong = {"email": "alice@example.com", "password": "wrong"}
    answers = [at_alice.call("GET", path) for path in (WHOAMI, PROFILE, STAFF, DEVICES, ROOT)]
    answers += [at_alice.get(path) for path in (PROFILE_PAGE, DEVICES_PAGE, "/session/staff/", PASSWORD_PAGE, "/")]
    answers += [
        at_alice.call("POST", REAUTHENTICATE, {"password": "wrong"}),
        at_alice.call("POST", REAUTHENTICATE, {}),
        at_alice.call("POST", REAUTHENTICATE, {"password": RIGHT}),
        at_alice.call("DELETE", f"{DEVICES}/{uuid4()}"),
        at_alice.call("POST", LOGIN, wrong),
        at_alice.submit(LOGIN_PAGE, wrong),
        at_alice.call("POST", LOGIN, BODIES[LOGIN]),
        at_alice.submit(DEVICES_PAGE, {"others": "1"}),
        at_alice.call("POST", LOGOUT),
        at_alice.call("POST", LOGOUT),
        at_alice.get(WHOAMI),
        at_alice.get(LOGIN_PAGE),
        at_alice.submit(LOGIN_PAGE, BODIES[LOGIN]),
        at_alice.submit(LOGOUT_PAGE),
        at_alice.call("POST", LOGIN, wrong, token=""),
    ]
    for answer in answers:
        where = (answer.wsgi_request.method, answer.wsgi_request.path, answer.status_code)
        assert "no-store" in answer.get("Cache-Control", ""), where
        assert "Cookie" in answer.get("Vary", ""), where


# ── Logging out (C4) ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", [LOGOUT, LOGOUT_PAGE])
def test_a_logout_ends_the_session_on_the_server(at_alice: Visitor, store: Store, path: str) -> None:
    stolen, row = at_alice.session_id, at_alice.row
    assert at_alice.get(path).status_code == 405
    assert at_alice.call("POST", path, token="").status_code == 403
    assert at_alice.whoami() == 200
    done = at_alice.call("POST", path) if path == LOGOUT else at_alice.submit(path)
    assert done.status_code == 200
    assert_cleared(done)
    assert done["Clear-Site-Data"] == '"cache"'
    assert done["Cache-Control"] == "no-store" if path == LOGOUT else "no-store" in done["Cache-Control"]
    assert keys(store) == set()
    row.refresh_from_db()
    assert (row.ended is not None, row.reason) == (True, "logged out")
    for page, refusal in ((WHOAMI, 401), (PROFILE, 401), (PROFILE_PAGE, 302)):
        assert thief(stolen).get(page).status_code == refusal


@pytest.mark.parametrize("path", [LOGOUT, LOGOUT_PAGE])
@pytest.mark.parametrize("cookie", ["", "a" * 32, "\x7f"])
def test_a_logout_without_a_live_session_is_one_too(db: None, store: Store, path: str, cookie: str) -> None:
    visitor = thief(cookie) if cookie else Visitor()
    for _ in range(2):
        done = visitor.call("POST", path) if path == LOGOUT else visitor.submit(path)
        assert done.status_code == 200
        assert done["Clear-Site-Data"] == '"cache"'
    assert visitor.session_id == ""
    assert keys(store) == set()


@pytest.mark.parametrize("way", [Visitor.sign_in, Visitor.sign_in_by_page])
def test_a_stale_cookie_never_blocks_a_login(alice: User, way: Callable[..., Any]) -> None:
    visitor = logged_in()
    stale = visitor.session_id
    visitor.call("POST", LOGOUT)
    visitor.cookies[SESSION] = stale
    assert way(visitor).status_code in (200, 302)
    assert visitor.session_id != stale
    assert visitor.whoami() == 200


# ── Devices (C9) ──────────────────────────────────────────────────────────────────────────────


def test_the_list_names_each_device_and_which_one_asks(at_alice: Visitor, second: Visitor, at_bob: Visitor) -> None:
    found = {device["id"]: device for device in at_alice.get(DEVICES).json()["devices"]}
    assert set(found) == {str(at_alice.row.pk), str(second.row.pk)}
    mine, other = found[str(at_alice.row.pk)], found[str(second.row.pk)]
    assert (mine["current"], other["current"]) == (True, False)
    assert (mine["userAgent"], other["userAgent"]) == ("Mozilla/5.0 (test)", SECOND)
    assert set(mine) == {"id", "current", "address", "userAgent", "started", "lastSeen", "ends", "remember"}
    assert (mine["address"], mine["remember"]) == ("127.0.0.1", False)
    for visitor in (at_alice, second):
        assert visitor.row.digest not in json.dumps(found)


def test_one_device_is_ended(at_alice: Visitor, second: Visitor, store: Store) -> None:
    row = second.row
    done = at_alice.call("DELETE", f"{DEVICES}/{row.pk}")
    assert (done.status_code, done.json()) == (200, {"message": "Ended"})
    assert (at_alice.whoami(), second.whoami()) == (200, 401)
    assert keys(store) == {at_alice.key}
    row.refresh_from_db()
    assert row.reason == "ended by its owner"
    assert SecurityEvent.objects.filter(name="session_revoked").count() == 1
    assert at_alice.call("DELETE", f"{DEVICES}/{row.pk}").status_code == 404


def test_this_device_is_ended_like_a_logout(at_alice: Visitor, second: Visitor) -> None:
    done = at_alice.call("DELETE", f"{DEVICES}/{at_alice.row.pk}")
    assert done.status_code == 200
    assert_cleared(done)
    assert second.whoami() == 200


def test_the_others_are_ended(at_alice: Visitor, second: Visitor, at_bob: Visitor) -> None:
    third = logged_in(agent="third/1.0")
    done = at_alice.call("DELETE", DEVICES)
    assert (done.status_code, done.json()) == (200, {"message": "The others were ended", "ended": 2})
    assert [visitor.whoami() for visitor in (at_alice, second, third, at_bob)] == [200, 401, 401, 200]


@pytest.mark.parametrize("of", ["bob", "nobody"])
def test_anothers_device_is_404_and_nothing_happens(at_alice: Visitor, at_bob: Visitor, store: Store, of: str) -> None:
    device = at_bob.row.pk if of == "bob" else uuid4()
    before = fingerprint(store)
    refused = at_alice.call("DELETE", f"{DEVICES}/{device}")
    assert (refused.status_code, refused.json()) == (404, {"error": "Not found"})
    assert fingerprint(store) == before
    assert at_bob.whoami() == 200


@committed
@pytest.mark.parametrize("path", [EVERYWHERE, EVERYWHERE_PAGE])
def test_everywhere_ends_all_of_hers_and_nobody_elses(alice: User, bob: User, store: Store, path: str) -> None:
    here, there, at_bob = logged_in(), logged_in(agent=SECOND), logged_in(bob.email)
    done = here.call("POST", path) if path == EVERYWHERE else here.submit(path)
    assert done.status_code == 200
    assert_cleared(done)
    assert done["Clear-Site-Data"] == '"cache"'
    if path == EVERYWHERE:
        assert done.json() == {"message": "Logged out everywhere"}
    assert [visitor.whoami() for visitor in (here, there, at_bob)] == [401, 401, 200]
    assert keys(store) == {at_bob.key}
    assert DeviceSession.objects.live().get() == at_bob.row


# ── Passwords (C10, G5) ───────────────────────────────────────────────────────────────────────


@committed
def test_a_password_change_ends_the_others_and_keeps_this_one_under_a_new_id(alice: User, store: Store) -> None:
    here, there = logged_in(remember=True), logged_in(agent=SECOND)
    before, device = here.session_id, here.row.pk
    done = here.call("POST", PASSWORD, {"current": RIGHT, "new": NEW})
    assert (done.status_code, done.json()) == (200, {"message": "Password changed"})
    assert here.session_id != before
    assert here.row.pk == device
    assert [visitor.whoami() for visitor in (here, there, thief(before))] == [200, 401, 401]
    assert here.get(PROFILE).status_code == here.get(PROFILE_PAGE).status_code == 200
    assert keys(store) == {here.key}
    assert Visitor().sign_in().status_code == 401
    assert Visitor().sign_in(password=NEW).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"current": "wrong", "new": NEW}, 401),
        ({"current": "", "new": NEW}, 400),
        ({"new": NEW}, 400),
        ({"current": RIGHT}, 400),
        ({"current": RIGHT, "new": "short"}, 400),
        ({"current": RIGHT, "new": "password"}, 400),
        ({"current": RIGHT, "new": "alice@example.com"}, 400),
        ({"current": RIGHT, "new": "x" * 1025}, 400),
    ],
)
def test_a_password_change_wants_the_current_one_and_a_good_new_one(
    at_alice: Visitor, second: Visitor, body: dict[str, str], status: int
) -> None:
    before = (User.objects.values().get(), at_alice.session_id)
    refused = at_alice.call("POST", PASSWORD, body)
    assert refused.status_code == status
    assert refused.json()["error"] == ("Invalid credentials" if status == 401 else "Some fields are missing or wrong.")
    after = User.objects.values().get()
    assert (after | {"last_login": None}, at_alice.session_id) == (before[0] | {"last_login": None}, before[1])
    assert at_alice.whoami() == second.whoami() == 200


def test_nothing_else_that_is_sent_is_taken(at_alice: Visitor, alice: User) -> None:
    more = {"role": "admin", "is_staff": True, "is_superuser": True, "token_version": 9, "id": 1, "device": "x"}
    for path, body in BODIES.items():
        assert at_alice.call("POST", path, {**body, **more}).status_code == 200
        at_alice.call("POST", PASSWORD, {"current": NEW, "new": RIGHT})
    alice.refresh_from_db()
    assert (alice.role, alice.is_superuser) == ("member", False)
    assert at_alice.get(WHOAMI).json()["role"] == "member"


# ── From other sites (D1, D2, D4), and the order of refusals ──────────────────────────────────


def tokens(visitor: Visitor) -> dict[str, dict[str, Any]]:
    """Requests that do not prove that they come from a page of this site."""
    other = Visitor()
    other.get(ROOT)
    stolen = other.cookies[CSRF].value
    return {
        "none": {"token": ""},
        "wrong": {"token": "a" * 32},
        "masked and wrong": {"token": "a" * 64},
        "another's": {"token": stolen},
        "in the address": {"token": "", "query_params": {"csrfmiddlewaretoken": visitor.cookies[CSRF].value}},
        "in a foreign header": {"token": "", "headers": {"X-XSRF-Token": visitor.cookies[CSRF].value}},
        "odd": {"token": "\u00fc" * 32},
    }


@pytest.mark.parametrize("path", ROUTES)
def test_without_the_csrf_token_nothing_unsafe_is_done(at_alice: Visitor, store: Store, path: str) -> None:
    before = fingerprint(store)
    for why, extra in tokens(at_alice).items():
        for method in UNSAFE:
            refused = at_alice.call(method, path, BODIES.get(path), **extra)
            assert refused.status_code == 403, (why, method)
            assert SESSION not in refused.cookies
    if path not in JSON_ROUTES:
        for wrong in ({}, {"csrfmiddlewaretoken": "a" * 32}, {"csrfmiddlewaretoken": ""}):
            refused = at_alice.post(path, {**wrong, "email": "alice@example.com", "others": "1"})
            # If the user is logged in, an old login form redirects to the page to which the login would lead.
            assert refused.status_code == (302 if path == LOGIN_PAGE and any(wrong.values()) else 403)
    assert fingerprint(store) == before
    assert at_alice.whoami() == 200


@pytest.mark.parametrize("path", [LOGIN, LOGOUT, LOGIN_PAGE, LOGOUT_PAGE])
def test_logging_in_and_out_need_the_token_without_a_session_too(alice: User, store: Store, path: str) -> None:
    visitor = Visitor()
    visitor.get(ROOT)
    before = fingerprint(store)
    for why, extra in tokens(visitor).items():
        refused = visitor.call("POST", path, BODIES[LOGIN], **extra)
        assert refused.status_code == 403, why
    del visitor.cookies[CSRF]
    assert visitor.generic("POST", path, b"{}", "application/json").status_code == 403
    assert fingerprint(store) == before
    assert visitor.session_id == ""


@pytest.mark.parametrize("path", JSON_ROUTES)
def test_with_the_token_every_route_gets_past_the_gate(at_alice: Visitor, path: str) -> None:
    """The positive control of the two tests above."""
    statuses = {at_alice.call(method, path, BODIES.get(path)).status_code for method in ("POST", "DELETE")}
    assert statuses <= ({403} if path == STAFF else {200, 401, 404, 405})


@pytest.mark.parametrize("origin", ["cross-site", "same-site"])
def test_another_site_does_nothing_even_with_the_token(at_alice: Visitor, store: Store, origin: str) -> None:
    before, headers = fingerprint(store), {"Sec-Fetch-Site": origin}
    for path in ROUTES:
        for method in UNSAFE:
            assert at_alice.call(method, path, BODIES.get(path), headers=headers).status_code == 403
    assert fingerprint(store) == before


@pytest.mark.parametrize("who", ["alice", "nobody", "a stale cookie"])
def test_looking_changes_nothing(at_alice: Visitor, store: Store, who: str) -> None:
    before = fingerprint(store)
    for path in [*ROUTES, "/", "/admin/login/", "/nothing"]:
        for method in ("GET", "HEAD", "OPTIONS"):
            visitor = {"alice": at_alice, "nobody": Visitor(), "a stale cookie": thief("a" * 32)}[who]
            assert visitor.generic(method, path).status_code < 500
            assert who != "nobody" or SESSION not in visitor.cookies
    assert fingerprint(store) == before
    assert at_alice.whoami() == 200


def test_the_order_of_refusals(alice: User, store: Store) -> None:
    """Origin, type of the body (the CSRF check would read a form), credential, CSRF token, content."""
    visitor, anonymous = logged_in(), Visitor()
    form = {"content_type": "application/x-www-form-urlencoded"}
    elsewhere = {"headers": {"Sec-Fetch-Site": "cross-site"}}
    big = b" " * 70_000
    assert anonymous.call("POST", REAUTHENTICATE, big, token="", **form, **elsewhere).status_code == 403
    assert anonymous.call("POST", REAUTHENTICATE, big, token="", **form).status_code == 413
    assert anonymous.call("POST", REAUTHENTICATE, b"a=b", token="", **form).status_code == 415
    assert anonymous.call("POST", REAUTHENTICATE, b"{", token="").status_code == 401
    assert visitor.call("POST", REAUTHENTICATE, b"{", token="").status_code == 403
    assert visitor.call("POST", REAUTHENTICATE, b"{").status_code == 400
    assert visitor.call("POST", REAUTHENTICATE, {"password": "wrong"}).status_code == 401
    assert visitor.call("POST", REAUTHENTICATE, {"password": RIGHT}).status_code == 200


# ── Bodies (D6) ───────────────────────────────────────────────────────────────────────────────

WITH_BODY = [LOGIN, REAUTHENTICATE, PASSWORD, LOGOUT, EVERYWHERE]
OTHER_TYPES = {
    "form": ("application/x-www-form-urlencoded", b"email=alice%40example.com&password=x&csrfmiddlewaretoken=x"),
    "text": ("text/plain", b'{"email": "alice@example.com"}'),
    "multipart": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--',
    ),
    "xml": ("application/xml", b"<a/>"),
    "json of another kind": ("application/vnd.api+json", b"{}"),
    "json in the charset": ("text/plain; charset=application/json", b"{}"),
    "none": ("", b"{}"),
    "odd": ("application/json/", b"{}"),
}


@pytest.mark.parametrize(("kind", "body"), OTHER_TYPES.values(), ids=OTHER_TYPES)
def test_only_json_is_taken(at_alice: Visitor, store: Store, kind: str, body: bytes) -> None:
    before = fingerprint(store)
    for path in WITH_BODY:
        refused = at_alice.call("POST", path, body, content_type=kind)
        assert refused.status_code == 415
        assert refused.json() == {"error": "Unsupported media type: send application/json"}
        assert refused["Cache-Control"] == "no-store"
    assert fingerprint(store) == before


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "application/json;charset=klingon", "Application/JSON"]
)
def test_a_charset_changes_nothing(alice: User, kind: str) -> None:
    assert Visitor().call("POST", LOGIN, BODIES[LOGIN], content_type=kind).status_code == 200


@pytest.mark.parametrize("size", [64 * 1024 + 1, 500_000])
def test_too_much_is_413(at_alice: Visitor, store: Store, size: int) -> None:
    before = fingerprint(store)
    for path in WITH_BODY:
        refused = at_alice.call("POST", path, b'"' + b"x" * (size - 2) + b'"')
        detail = f"The body has {size} bytes; this address accepts 65536."
        assert (refused.status_code, refused.json()) == (413, {"error": "Too large", "detail": detail})
        assert refused["Cache-Control"] == "no-store"
    assert fingerprint(store) == before


NOT_JSON = {
    "deep": b"[" * 60_000,
    "deep and whole": b"[" * 5000 + b"]" * 5000,
    "deep objects": b'{"a":' * 9000,
    "NaN": b'{"email": NaN, "password": "x"}',
    "Infinity": b'{"email": "a", "password": -Infinity}',
    "twice": b'{"email": "alice@example.com", "password": "x", "password": "correct horse alice"}',
    "twice, deep inside": b'{"email": "a", "password": "x", "more": [{"b": 1, "b": 2}]}',
    "UTF-16": '{"email": "alice@example.com", "password": "x"}'.encode("utf-16"),
    "Latin-1": b'{"email": "\xfc", "password": "x"}',
    "a byte-order mark": b'\xef\xbb\xbf{"email": "a", "password": "x"}',
    "half": b'{"email": "a"',
    "single quotes": b"{'email': 'a'}",
    "a huge number": b'{"email": ' + b"9" * 5000 + b"}",
    "two values": b"{}{}",
    "blanks": b"   ",
    "NUL": b"\0",
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_no_json_is_400_with_a_sentence(at_alice: Visitor, store: Store, body: bytes) -> None:
    before = fingerprint(store)
    for path in WITH_BODY:
        refused = at_alice.call("POST", path, body)
        assert (refused.status_code, refused.json()) == (400, {"error": "The body is not valid JSON."})
    assert fingerprint(store) == before


WRONG: list[Any] = [None, 42, 4.2, True, [], ["x"], {}, {"a": "b"}, "\0", "\ud800", "a\0b"]


@pytest.mark.parametrize(("path", "field"), [(path, field) for path, body in BODIES.items() for field in body])
def test_a_field_that_is_wrong_is_named(at_alice: Visitor, store: Store, path: str, field: str) -> None:
    before = fingerprint(store)
    for value in (*WRONG, "", "x" * 1025):
        refused = at_alice.call("POST", path, {**BODIES[path], field: value})
        assert refused.status_code == 400, value
        assert refused.json()["error"] == "Some fields are missing or wrong."
        assert set(refused.json()["fields"]) == {field}
        assert all(isinstance(sentence, str) and sentence for sentence in refused.json()["fields"][field])
    assert fingerprint(store) == before


def test_remember_is_true_or_false(alice: User) -> None:
    visitor = Visitor()
    for value in ("yes", "true", "", 1, 0, None, [], {}, "on"):
        refused = visitor.sign_in(remember=value)
        assert (refused.status_code, set(refused.json()["fields"])) == (400, {"remember"})
        assert visitor.session_id == ""


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"null", b"42", b"true", b'[{"email": "a"}]', b""])
def test_a_body_that_is_no_object_is_400(at_alice: Visitor, body: bytes) -> None:
    for path in BODIES:
        refused = at_alice.call("POST", path, body)
        assert refused.status_code == 400
        assert refused.json()["error"]


def test_a_body_by_another_verb_is_read_as_strictly(at_alice: Visitor) -> None:
    for path in (WHOAMI, PROFILE, DEVICES):
        assert at_alice.call("GET", path, b"{").status_code == 400
        assert at_alice.call("GET", path, b"a", content_type="text/plain").status_code == 415
    assert at_alice.call("DELETE", DEVICES, b"{").status_code == 400


def test_a_file_is_not_read(at_alice: Visitor) -> None:
    upload = io.BytesIO(b"{}")
    upload.name = "a.json"
    answer = at_alice.post(LOGIN, {"email": upload}, headers={"X-CSRFToken": at_alice.cookies[CSRF].value})
    assert answer.status_code == 415


# ── The door (G3, G4) ─────────────────────────────────────────────────────────────────────────

Way = Callable[..., Any]


def without_echo(body: bytes, email: str) -> bytes:
    body = re.sub(rb'name="csrfmiddlewaretoken" value="\w+"', b"", body)
    return body.replace(f'value="{email}"'.encode(), b"")


REFUSED_LOGINS = {
    "wrong": ("alice@example.com", "wrong"),
    "unknown": ("nobody@example.com", RIGHT),
    "inactive": ("bob@example.com", PASSWORDS["bob@example.com"]),
    "inactive and wrong": ("bob@example.com", "wrong"),
    "without a password": ("carol@example.com", "wrong"),
    "another spelling": (" ALICE@example.com", "wrong"),
}


@pytest.mark.parametrize("way", [Visitor.sign_in, Visitor.sign_in_by_page])
def test_a_refused_login_does_not_tell_why(
    alice: User, bob: User, store: Store, clock: Clock, measured: Callable[..., Any], way: Way
) -> None:
    User.objects.filter(pk=bob.pk).update(is_active=False)
    User.objects.create_user("carol@example.com")
    answers = {}
    for why, (email, password) in REFUSED_LOGINS.items():
        visitor = Visitor()
        visitor.get(LOGIN_PAGE)
        with measured() as cost:
            answer = way(visitor, email, password)
        headers = {name: value for name, value in told(answer).items() if name != "Content-Length"}
        body = without_echo(answer.content, email)
        answers[why] = (answer.status_code, headers, body, cost.counts, sorted(answer.cookies), visitor.session_id)
    for why, answer in answers.items():
        assert answer[:2] == answers["wrong"][:2], why
        assert answer[3:] == answers["wrong"][3:], why
        if why != "another spelling" or way is Visitor.sign_in:
            assert answer[2] == answers["wrong"][2], why
    assert (answers["wrong"][0], answers["wrong"][3]) == (401, (1, 2, 2))
    if way is Visitor.sign_in:
        assert json.loads(answers["wrong"][2]) == {"error": "Invalid credentials"}
    assert keys(store) == set()


@pytest.mark.parametrize("way", [Visitor.sign_in, Visitor.sign_in_by_page])
@pytest.mark.parametrize("email", ["alice@example.com", "nobody@example.com"])
def test_the_eleventh_failure_is_429_and_no_hash(
    alice: User, clock: Clock, measured: Callable[..., Any], way: Way, email: str
) -> None:
    visitor = Visitor()
    assert [way(visitor, email, "wrong").status_code for _ in range(10)] == [401] * 10
    clock(60)
    with measured() as cost:
        refused = way(visitor, email, RIGHT)
    assert (refused.status_code, refused["Retry-After"], cost.hashes) == (429, "240", 0)
    assert refused["Cache-Control"] == "no-store"
    if way is Visitor.sign_in:
        assert refused.json() == {"error": "Too many attempts"}
    assert visitor.session_id == ""
    clock(300)
    assert way(visitor, email, RIGHT).status_code in ((200, 302) if email == alice.email else (401,))


def test_all_ways_in_share_one_count(alice: User, admin: User, clock: Clock) -> None:
    ways: list[Way] = [Visitor.sign_in, Visitor.sign_in_by_page, Visitor.log_in]
    visitor = logged_in(admin.email)
    for number in range(8):
        assert ways[number % 3](Visitor(), admin.email, "wrong").status_code in (200, 401)
    assert visitor.call("POST", REAUTHENTICATE, {"password": "wrong"}).status_code == 401
    assert visitor.call("POST", PASSWORD, {"current": "wrong", "new": NEW}).status_code == 401
    for way in ways:
        refused = way(Visitor(), admin.email)
        assert (refused.status_code, refused["Retry-After"]) == (429, "300")
    for path, body in ((REAUTHENTICATE, {"password": RIGHT}), (PASSWORD, {"current": RIGHT, "new": NEW})):
        refused = visitor.call("POST", path, body)
        assert (refused.status_code, refused["Retry-After"]) == (429, "300")
    assert visitor.whoami() == 200
    assert Visitor().sign_in(alice.email).status_code == 200


def test_a_spoofed_address_resets_nothing(alice: User) -> None:
    statuses = [
        Visitor({"X-Forwarded-For": f"6.6.6.{number}"}).sign_in(password="wrong").status_code for number in range(11)
    ]
    assert statuses == [401] * 10 + [429]


def test_logging_in_uses_nothing_up(alice: User) -> None:
    assert [Visitor().sign_in().status_code for _ in range(12)] == [200] * 12


def test_a_revocation_shows_at_every_endpoint_that_reads_the_row(at_alice: Visitor, alice: User) -> None:
    """Also if the record still exists, as it does while Redis is away."""
    set_version(alice, 1)
    device = f"{DEVICES}/{uuid4()}"
    assert at_alice.get(PROFILE).status_code == 401
    for method, path in (("POST", REAUTHENTICATE), ("POST", PASSWORD), ("POST", EVERYWHERE), ("DELETE", DEVICES)):
        assert at_alice.call(method, path, BODIES.get(path)).status_code == 401
    assert at_alice.call("DELETE", device).status_code == 401
    assert at_alice.get(PROFILE_PAGE).status_code == 302


# ── Outages (C12) ─────────────────────────────────────────────────────────────────────────────


def test_while_the_store_is_away_every_route_is_503_and_the_cookie_stays(at_alice: Visitor, store: Store) -> None:
    at_alice.raise_request_exception = False
    cookie = at_alice.session_id
    pages = (PROFILE_PAGE, DEVICES_PAGE, "/session/staff/", PASSWORD_PAGE, "/admin/")
    store.kill()
    answers = [at_alice.call("GET", path) for path in (WHOAMI, PROFILE, STAFF, DEVICES)]
    answers += [
        at_alice.call("POST", path, BODIES.get(path)) for path in (LOGIN, REAUTHENTICATE, PASSWORD, LOGOUT, EVERYWHERE)
    ]
    answers += [at_alice.call("DELETE", DEVICES), at_alice.call("DELETE", f"{DEVICES}/{uuid4()}")]
    assert all(set(answer.json()) == {"error"} for answer in answers)
    shown = [at_alice.get(path, headers={"Accept": "text/html"}) for path in pages]
    shown += [
        at_alice.submit(path, {"email": "a", "password": "b"}) for path in (LOGIN_PAGE, LOGOUT_PAGE, EVERYWHERE_PAGE)
    ]
    assert all(b"still logged in" in answer.content for answer in shown)
    for answer in answers + shown:
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
        assert "no-store" in answer["Cache-Control"]
        assert SESSION not in answer.cookies
    store.start()
    assert at_alice.session_id == cookie
    assert at_alice.whoami() == at_alice.get(PROFILE_PAGE).status_code == 200


def test_an_outage_opens_nothing_to_those_without_a_session(db: None, store: Store) -> None:
    visitor = Browser(raise_request_exception=False)
    store.kill()
    assert visitor.get(WHOAMI).status_code == 401
    assert visitor.get(PROFILE_PAGE).status_code == 302
    assert visitor.get(LOGIN_PAGE).status_code == 200


@committed
def test_without_the_database_what_needs_no_row_still_answers(alice: User) -> None:
    from tests.sessions_demo.conftest import database_away

    visitor = logged_in()
    visitor.raise_request_exception = False
    with database_away():
        assert visitor.whoami() == 200
        refused = visitor.get(PROFILE)
        assert (refused.status_code, refused["Retry-After"], SESSION in refused.cookies) == (503, "5", False)
    assert visitor.get(PROFILE).status_code == 200


# ── What is closed is closed by default ───────────────────────────────────────────────────────


def test_a_view_is_closed_unless_it_says_otherwise() -> None:
    from rest_framework.permissions import IsAuthenticated

    closed = {path for path in JSON_ROUTES if path not in (LOGIN, LOGOUT, ROOT)}
    for pattern, path in zip(urls.urlpatterns, SESSION_ROUTES, strict=True):
        if path in JSON_ROUTES:
            view = pattern.callback.view_class  # type: ignore[attr-defined]
            assert issubclass(view, SessionView)
            assert (IsAuthenticated in view.permission_classes) == (path in closed)


def test_an_id_that_was_replaced_long_ago_logs_nobody_out(alice: User, clock: Clock) -> None:
    clock(0)
    visitor = logged_in(alice.email)
    before = visitor.cookies[SESSION].value
    assert visitor.call("POST", REAUTHENTICATE, {"password": RIGHT}).status_code == 200
    clock(11)
    old = Visitor()
    old.get("/session/api/")
    old.cookies[SESSION] = before
    assert old.call("POST", LOGOUT).status_code == 200
    assert visitor.whoami() == 200


@pytest.mark.parametrize("page", ["/session/login/", "/accounts/register/", "/accounts/password/reset/"])
def test_a_form_is_not_sent_by_put(db: None, page: str) -> None:
    visitor = Visitor()
    visitor.get("/session/api/")
    answer = visitor.call("PUT", page)
    assert (answer.status_code, answer["Allow"]) == (405, "GET, POST, HEAD, OPTIONS")
