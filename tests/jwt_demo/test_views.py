"""The JSON endpoints: their exact answers, and what they refuse."""

import io
import json
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.tokens import default_token_generator
from django.core import signing
from django.urls import URLPattern
from rest_framework.permissions import IsAuthenticated
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts.models import User
from jwt_demo import urls
from jwt_demo.models import TokenFamily
from jwt_demo.revocation import LEASE, UNBROKEN
from jwt_demo.views import TokenView
from security.models import SecurityEvent
from services.internal_tokens import Issuer
from tests.access import set_version, version_of
from tests.conftest import PASSWORDS, Clock, told
from tests.jwt_demo.conftest import (
    COOKIE,
    DEVICES,
    EVERYWHERE,
    LOGIN,
    LOGOUT,
    NEW,
    PASSWORD,
    PROFILE,
    REAUTHENTICATE,
    REFRESH,
    RIGHT,
    SECOND,
    STAFF,
    WHOAMI,
    Holder,
    logged_in,
    thief,
)
from tests.jwt_demo.forge import RefreshBench
from tests.jwt_demo.inside import everything
from tests.running import Store
from tests.sessions_demo.conftest import SESSION, Visitor, database_away
from tests.sessions_demo.conftest import WHOAMI as SESSION_WHOAMI
from tests.sessions_demo.test_views import NOT_JSON, OTHER_TYPES, WRONG

ROOT = "/jwt/api/"
UNSAFE = ["POST", "PUT", "PATCH", "DELETE"]
BARE, BAD = 'Bearer realm="jwt"', 'Bearer realm="jwt", error="invalid_token"'
A_DAY = 24 * 60 * 60
committed = pytest.mark.django_db(transaction=True)
BODIES: dict[str, Any] = {
    LOGIN: {"email": "alice@example.com", "password": RIGHT},
    REAUTHENTICATE: {"password": RIGHT},
    PASSWORD: {"current": RIGHT, "new": NEW},
}
ALLOWED = {path: {"POST"} for path in (LOGIN, REFRESH, LOGOUT, EVERYWHERE, REAUTHENTICATE, PASSWORD)}
ALLOWED |= {DEVICES: {"GET", "DELETE"}, f"{DEVICES}/00000000-0000-4000-8000-000000000000": {"DELETE"}}


def address(pattern: URLPattern) -> str:
    """An address of this route, with values for its arguments."""
    return "/jwt/" + re.sub(r"<uuid:\w+>", "00000000-0000-4000-8000-000000000000", str(pattern.pattern))


ROUTES = [address(pattern) for pattern in urls.urlpatterns]
JSON_ROUTES = [path for path in ROUTES if re.match(r"/jwt/(auth|api)/", path)]
OPEN = [LOGIN, REFRESH, LOGOUT, ROOT]
CLOSED = [path for path in JSON_ROUTES if path not in OPEN]
WITH_BODY = [LOGIN, REFRESH, LOGOUT, EVERYWHERE, REAUTHENTICATE, PASSWORD]


def stored(store: Store) -> dict[str, Any]:
    """Everything that is stored, except the lease of the denylist, which runs out by itself."""
    return {name: value for name, value in everything(store).items() if not name.endswith((LEASE, UNBROKEN))}


def assert_cleared(response: Any) -> None:
    """Asserts that the refresh cookie is cleared with exactly the attributes that it was set with."""
    cookie = response.cookies[COOKIE]
    assert (cookie.value, cookie["max-age"]) == ("", 0)
    assert cookie["expires"] == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert (cookie["path"], cookie["domain"], cookie["samesite"]) == ("/", "", "Strict")
    assert (cookie["secure"], cookie["httponly"]) == (True, True)


def native(**body: Any) -> tuple[Holder, str]:
    """A client that keeps its refresh token itself."""
    holder = Holder()
    return holder, holder.sign_in(transport="body", **body).json()["refreshToken"]


# ── What is answered ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("email", "role"), [("alice@example.com", "member"), ("admin@example.com", "admin")])
def test_the_answers_are_those_of_the_contract(alice: User, admin: User, clock: Clock, email: str, role: str) -> None:
    holder, user = Holder(), User.objects.get(email=email)
    done = holder.sign_in(email)
    assert (done.status_code, done.json()) == (200, {"accessToken": holder.access, "expiresIn": 900})
    assert holder.call("GET", WHOAMI).json() == {"userId": str(user.pk), "role": role}
    profile = {"id": str(user.pk), "email": email, "name": user.name, "role": role}
    assert holder.call("GET", PROFILE).json() == {"data": profile}
    staff = holder.call("GET", STAFF)
    if role == "admin":
        assert (staff.status_code, staff.json()) == (200, {"message": "You are an administrator"})
    else:
        assert (staff.status_code, staff.json()) == (403, {"error": "Forbidden"})
        assert staff["WWW-Authenticate"] == 'Bearer realm="jwt", error="insufficient_scope"'
    before = holder.access
    fresh = holder.rotate()
    assert (fresh.status_code, fresh.json()) == (200, {"accessToken": holder.access, "expiresIn": 900})
    assert holder.access != before
    out = holder.call("POST", LOGOUT)
    assert (out.status_code, out.json()) == (200, {"message": "Logged out"})


def test_a_native_client_gets_and_gives_its_refresh_token_in_bodies(alice: User) -> None:
    holder, first = native()
    assert holder.whoami() == 200
    fresh = holder.call("POST", REFRESH, {"refreshToken": first})
    assert set(fresh.json()) == {"accessToken", "refreshToken", "expiresIn"}
    second = fresh.json()["refreshToken"]
    reauthenticated = holder.call("POST", REAUTHENTICATE, {"password": RIGHT})
    assert set(reauthenticated.json()) == {"message", "accessToken", "refreshToken", "expiresIn"}
    third = reauthenticated.json()["refreshToken"]
    assert len({first, second, third}) == 3
    assert holder.call("POST", LOGOUT, {"refreshToken": third}, access="").status_code == 200
    gone = holder.call("POST", REFRESH, {"refreshToken": third})
    assert (gone.status_code, gone.json()) == (401, {"error": "Invalid refresh token"})
    assert holder.whoami() == 401
    assert COOKIE not in fresh.cookies | reauthenticated.cookies | gone.cookies


@pytest.mark.parametrize("more", [{}, {"remember": True}, {"transport": "body"}])
def test_a_short_login_is_one_token_and_no_row(alice: User, clock: Clock, more: dict[str, Any]) -> None:
    holder = Holder()
    done = holder.sign_in(refresh=False, **more)
    assert (set(done.json()), done.json()["expiresIn"]) == ({"accessToken", "expiresIn"}, 900)
    assert COOKIE not in done.cookies
    assert TokenFamily.objects.count() == OutstandingToken.objects.count() == 0
    for path in (WHOAMI, PROFILE):
        assert holder.call("GET", path).status_code == 200
    assert holder.call("GET", DEVICES).json() == {"devices": []}
    assert holder.call("POST", REFRESH).json() == {"error": "No refresh token"}
    assert set(holder.call("POST", REAUTHENTICATE, {"password": RIGHT}).json()) == {
        "message",
        "accessToken",
        "expiresIn",
    }
    assert holder.call("POST", LOGOUT).status_code == 200
    assert holder.call("GET", WHOAMI).json() == {"error": "Token revoked"}
    assert TokenFamily.objects.count() == 0


def test_a_token_lives_for_fifteen_minutes_to_the_second(alice: User, clock: Clock) -> None:
    holder = logged_in()
    clock(899.9)
    assert holder.whoami() == 200
    clock(900)
    answer = holder.call("GET", WHOAMI)
    assert (answer.status_code, answer.json()) == (401, {"error": "Token expired"})
    assert answer["WWW-Authenticate"] == BAD
    assert holder.rotate().json()["expiresIn"] == 900
    clock(1799)
    assert holder.whoami() == 200
    clock(1800)
    assert holder.whoami() == 401


def test_the_root_says_where_things_are(db: None) -> None:
    answer = Holder().call("GET", ROOT)
    assert answer.status_code == 200
    for name, where in answer.json().items():
        path = where.removeprefix("http://testserver")
        assert path in JSON_ROUTES
        assert name.replace("_", "-") == path.rpartition("/")[2]


def test_a_name_that_looks_like_markup_is_only_a_name(holder: Holder, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(name="<script>alert(1)</script>")
    answer = holder.call("GET", PROFILE)
    assert (answer["Content-Type"], answer.json()["data"]["name"]) == ("application/json", "<script>alert(1)</script>")
    headers = {"Accept": "text/html", "Authorization": f"Bearer {holder.access}"}
    assert b"<script>alert(1)" not in holder.get(PROFILE, headers=headers).content


# ── The cookie, and what caches are told ──────────────────────────────────────────────────────

PLAIN = r"__Host-refresh=[\w-]+\.[\w-]+\.[\w-]+; {}HttpOnly; {}Path=/; SameSite=Strict; Secure"


@pytest.mark.parametrize(("remember", "seconds"), [(False, None), (True, 30 * A_DAY)])
def test_the_refresh_cookie_is_bound_to_this_host_and_out_of_reach_of_scripts(
    alice: User, clock: Clock, remember: bool, seconds: int | None
) -> None:
    holder = Holder()
    shape = PLAIN.format(r"expires=[^;]+; ", f"Max-Age={seconds}; ") if remember else PLAIN.format("", "")
    answers = [holder.sign_in(remember=remember)]
    clock(A_DAY)
    answers.append(holder.rotate())
    answers.append(holder.call("POST", REAUTHENTICATE, {"password": RIGHT}))
    for answer in answers:
        assert set(answer.cookies) == {COOKIE}
        assert re.fullmatch(shape, answer.cookies[COOKIE].OutputString())
    assert holder.family.remember is remember


def test_a_remembered_cookie_lasts_as_long_as_its_token(alice: User, clock: Clock) -> None:
    holder = logged_in(remember=True)
    for day, left in ((29, 30), (58, 30), (87, 3)):
        clock(day * A_DAY)
        assert holder.rotate().cookies[COOKIE]["max-age"] == left * A_DAY
    clock(90 * A_DAY)
    assert holder.rotate().json() == {"error": "Invalid refresh token"}


def test_nothing_about_a_credential_may_be_kept_by_a_cache(holder: Holder) -> None:
    answers = [holder.call("GET", path) for path in (WHOAMI, PROFILE, STAFF, DEVICES, ROOT)]
    answers += [
        holder.call("POST", REAUTHENTICATE, {"password": "wrong"}),
        holder.call("POST", REAUTHENTICATE, {}),
        holder.call("POST", REAUTHENTICATE, {"password": RIGHT}),
        holder.rotate(),
        holder.call("DELETE", f"{DEVICES}/{uuid4()}"),
        holder.sign_in(password="wrong"),
        holder.sign_in(),
        holder.call("POST", LOGOUT),
        holder.call("POST", REFRESH),
        holder.call("PUT", REFRESH),
        holder.call("GET", WHOAMI),
        holder.call("GET", WHOAMI, access=""),
    ]
    for answer in answers:
        assert answer["Cache-Control"] == "no-store", answer.wsgi_request.path
        assert answer["X-Content-Type-Options"] == "nosniff"


# ── Where a refresh token may be (B8) ─────────────────────────────────────────────────────────


def test_the_refresh_token_of_a_browser_is_in_no_body_no_log_and_no_row(
    alice: User, log: io.StringIO, store: Store
) -> None:
    holder = Holder()
    seen, answers = set(), [holder.sign_in()]
    seen.add(holder.refresh)
    for path in (REFRESH, REAUTHENTICATE, REFRESH):
        answers.append(holder.call("POST", path, BODIES.get(path)))
        seen |= {holder.refresh, holder.access}
    answers += [holder.call("GET", DEVICES), thief(holder.refresh + "x").rotate(), holder.call("POST", LOGOUT)]
    answers += [holder.rotate(token) for token in seen]
    assert len(seen) == 7
    for answer in answers:
        assert b"refreshToken" not in answer.content
    rows = repr(everything(store))
    assert "sha256:" in rows
    assert "token_rotated" in log.getvalue()
    for token in seen:
        for part in (token, token.rpartition(".")[2]):
            assert part not in log.getvalue()
            assert part not in rows


def test_a_refresh_token_is_taken_from_where_its_family_was_born_to_carry_it(alice: User, store: Store) -> None:
    browser, (client, secret) = logged_in(), native()
    before = stored(store)
    cases = [
        thief(secret).rotate(),
        Holder().call("POST", REFRESH, {"refreshToken": browser.refresh}),
        browser.call("POST", REFRESH, {"refreshToken": "x"}),
        browser.call("POST", REFRESH, {"refreshToken": browser.refresh}),
        Holder().call("POST", f"{REFRESH}?refreshToken={secret}"),
        Holder().call("POST", REFRESH, access=browser.refresh),
        Holder().call("POST", REFRESH, headers={"X-Refresh-Token": browser.refresh}),
    ]
    for answer in cases:
        assert answer.status_code == 401
        assert answer.json()["error"] in ("Invalid refresh token", "No refresh token")
        assert answer.cookies == {}
    assert stored(store) == before
    assert browser.rotate().status_code == 200
    assert client.call("POST", REFRESH, {"refreshToken": secret}).status_code == 200


# ── Every kind of token in every place (A11) ──────────────────────────────────────────────────


def kinds(alice: User) -> dict[str, str]:
    """A good credential of each kind."""
    browser, (client, secret) = logged_in(), native()
    short = Holder()
    short.sign_in(refresh=False)
    visitor = Visitor()
    assert visitor.sign_in().status_code == 200
    return {
        "access": browser.access,
        "refresh": browser.refresh,
        "native access": client.access,
        "native refresh": secret,
        "short": short.access,
        "session": visitor.session_id,
        "csrf": visitor.cookies["__Host-csrftoken"].value,
        "reset": default_token_generator.make_token(alice),
        "signed": signing.dumps({"sub": str(alice.pk)}),
        "family": browser.claims["sid"],
        "jti": browser.claims["jti"],
        "internal": internal(str(alice.pk)),
    }


def internal(user_id: str) -> str:
    """A token that a service behind the gateway accepts for this user."""
    with tempfile.TemporaryDirectory() as folder:
        return Issuer(Path(folder) / "keys.json").issue("orders", user_id, "admin")


PLACES: dict[str, Callable[[str], int]] = {
    "bearer": lambda text: Holder().call("GET", WHOAMI, access=text).status_code,
    "cookie": lambda text: thief(text).rotate().status_code,
    "body": lambda text: Holder().call("POST", REFRESH, {"refreshToken": text}).status_code,
    "session cookie": lambda text: with_session(text).get(SESSION_WHOAMI).status_code,
    "bearer of the session flow": lambda text: Holder().call("GET", SESSION_WHOAMI, access=text).status_code,
}
OWN = {
    ("access", "bearer"),
    ("native access", "bearer"),
    ("short", "bearer"),
    ("refresh", "cookie"),
    ("native refresh", "body"),
    ("session", "session cookie"),
}


def with_session(text: str) -> Visitor:
    visitor = Visitor()
    visitor.cookies[SESSION] = text
    return visitor


def test_a_token_is_good_in_its_own_place_and_in_no_other(alice: User) -> None:
    tokens = kinds(alice)
    for (kind, text), place in ((item, place) for item in tokens.items() for place in PLACES):
        if (kind, place) not in OWN:
            assert PLACES[place](text) == 401, (kind, place)
    # After all refusals, each is still good where it belongs.
    for kind, place in sorted(OWN):
        assert PLACES[place](tokens[kind]) == 200, (kind, place)


@pytest.mark.parametrize("path", CLOSED)
def test_no_other_token_opens_a_closed_endpoint(alice: User, path: str) -> None:
    tokens = kinds(alice)
    for kind, text in tokens.items():
        if "access" not in kind and kind != "short":
            for method in ALLOWED.get(path, {"GET"}):
                answer = Holder().call(method, path, BODIES.get(path), access=text)
                assert (answer.status_code, answer.json()) == (401, {"error": "Invalid token"}), kind
                assert answer["WWW-Authenticate"] == BAD


# ── Who asks (A16, A17) ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize("header", ["", "Basic YTpi", "Token abc", "Bearertoken", "DPoP a.b.c", "Bear er"])
def test_without_a_token_json_is_401_and_names_no_error(db: None, path: str, header: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        refused = Holder().call(method, path, headers={"Authorization": header} if header else {})
        assert (refused.status_code, refused.json()) == (401, {"error": "No token provided"})
        assert refused["WWW-Authenticate"] == BARE
        assert refused["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize("token", ["x", "a.b.c", "", ",", "undefined", "null", "Bearer x", "\xfc.\xfc.\xfc"])
def test_a_bad_token_is_401_and_says_so(db: None, path: str, token: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        refused = Holder().call(method, path, headers={"Authorization": f"Bearer {token}"})
        assert (refused.status_code, refused.json()) == (401, {"error": "Invalid token"})
        assert refused["WWW-Authenticate"] == BAD


def test_the_scheme_is_case_insensitive_and_stands_once(holder: Holder) -> None:
    good = holder.access
    for header in (f"Bearer {good}", f"bearer {good}", f"BEARER {good}", f"bEaReR  {good}", f" Bearer {good} "):
        assert holder.call("GET", WHOAMI, access="", headers={"Authorization": header}).status_code == 200, header
    # A server joins two headers by a comma.
    joined = [f"Bearer {good},Bearer {good}", f"Bearer {good}, Bearer x", f"Bearer x, Bearer {good}", f"Bearer {good},"]
    joined += [f"Bearer {good}, Basic YTpi", f"Basic YTpi, Bearer {good}", f",Bearer {good}", f"Bearer Bearer {good}"]
    joined += [f'Bearer "{good}"', f"Bearer={good}", f"Bearer:{good}", f"Bearer\t{good}", f"Bearer {good} {good}", good]
    for header in joined:
        assert holder.call("GET", WHOAMI, access="", headers={"Authorization": header}).status_code == 401, header
    assert holder.whoami() == 200


def test_a_token_anywhere_but_in_the_header_is_not_seen(holder: Holder) -> None:
    good, form = holder.access, "application/x-www-form-urlencoded"
    bare = Holder()
    for name in ("access_token", "token", "accessToken", "authorization", "jwt"):
        bare.cookies[name] = good
        asked = [
            bare.call("GET", f"{WHOAMI}?{name}={good}"),
            bare.call("GET", WHOAMI, {name: good}),
            bare.call("GET", WHOAMI, headers={f"X-{name}": good}),
            bare.call("GET", f"{WHOAMI}?{name}=Bearer%20{good}"),
        ]
        assert [answer.json() for answer in asked] == [{"error": "No token provided"}] * 4
        for path in (WHOAMI, PROFILE, EVERYWHERE):
            for method in ("GET", "POST"):
                refused = bare.call(method, path, f"{name}={good}".encode(), content_type=form)
                assert refused.status_code == 415
    assert holder.whoami() == 200


def test_a_stale_token_or_cookie_never_blocks_a_login_a_refresh_or_a_logout(alice: User, clock: Clock) -> None:
    expired, (old, _) = logged_in(), native()
    old.call("POST", LOGOUT)
    clock(901)
    for stale in (expired.access, old.access, "x", "a.b.c", expired.refresh, "\x7f"):
        holder = Holder()
        for cookie in (stale, "x", "a.b.c"):
            holder.cookies[COOKIE] = cookie
            assert holder.call("POST", LOGIN, BODIES[LOGIN], access=stale).status_code == 200
            assert holder.whoami() == 200
            assert holder.call("POST", REFRESH, access=stale).status_code == 200
            out = holder.call("POST", LOGOUT, access=stale)
            assert (out.status_code, holder.refresh) == (200, "")


@committed
def test_the_role_in_the_token_decides_and_a_change_of_role_ends_the_token(admin: User, alice: User) -> None:
    holder, member = logged_in(admin.email), logged_in()
    assert [each.call("GET", STAFF).status_code for each in (holder, member)] == [200, 403]
    admin.role, alice.role = "member", "admin"
    admin.save()
    alice.save()
    for each in (holder, member):
        answer = each.call("GET", STAFF)
        assert (answer.status_code, answer.json()) == (401, {"error": "Token revoked"})
    assert [logged_in(user.email).call("GET", STAFF).status_code for user in (admin, alice)] == [403, 200]


def test_a_revocation_shows_at_every_endpoint_that_reads_the_row(holder: Holder, alice: User) -> None:
    """Even if the denylist has no entry yet."""
    set_version(alice, 1)
    assert holder.whoami() == 200
    asked = [holder.call("GET", PROFILE), holder.call("DELETE", DEVICES), holder.call("DELETE", f"{DEVICES}/{uuid4()}")]
    asked += [holder.call("POST", path, BODIES.get(path)) for path in (REAUTHENTICATE, PASSWORD, EVERYWHERE)]
    for answer in asked:
        assert (answer.status_code, answer.json()) == (401, {"error": "Token revoked"})
        assert answer["WWW-Authenticate"] == BAD


# ── Refresh (B12) ─────────────────────────────────────────────────────────────────────────────


def deactivated(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def deleted(user: User) -> None:
    user.delete()


def of_another_version(user: User) -> None:
    set_version(user, 7)


@pytest.mark.parametrize("lose", [deactivated, deleted, of_another_version])
def test_who_is_gone_refreshes_nothing(alice: User, lose: Callable[[User], None]) -> None:
    """No flow has ended anything yet, because what follows a commit does not run in this test."""
    holder, (client, secret) = logged_in(), native()
    lose(alice)
    for answer in (holder.rotate(), client.call("POST", REFRESH, {"refreshToken": secret})):
        assert (answer.status_code, answer.json()) == (401, {"error": "Access revoked"})
        assert answer["WWW-Authenticate"] == BARE
        assert answer.cookies == {}
    assert holder.refresh


@pytest.mark.parametrize("who", [{"sid": str(uuid4())}, {"sub": "999999"}, {"sub": str(2**63 - 1)}])
def test_a_family_or_user_that_never_was_refreshes_nothing(holder: Holder, who: dict[str, str]) -> None:
    bench = RefreshBench(holder)
    answer = thief(bench.forge({}, who)).rotate()
    if "sid" in who:
        assert (answer.status_code, answer.json()) == (401, {"error": "Invalid refresh token"})
    assert answer.status_code < 500
    TokenFamily.objects.all().delete()
    assert holder.rotate().json() == {"error": "Invalid refresh token"}


@pytest.mark.parametrize("cookie", ["", "x", "a.b.c", "\x7f", "x" * 5000, "null", "."])
def test_a_refresh_without_a_good_token_says_which_and_stores_nothing(alice: User, store: Store, cookie: str) -> None:
    holder = Holder()
    holder.cookies[COOKIE] = cookie
    before = stored(store)
    answer = holder.call("POST", REFRESH)
    sentence = "Invalid refresh token" if cookie else "No refresh token"
    assert (answer.status_code, answer.json(), answer.cookies) == (401, {"error": sentence}, {})
    assert stored(store) == before


# ── Logging out ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("by", ["both", "cookie", "access", "expired access"])
def test_a_logout_ends_the_family_on_the_server(alice: User, second: Holder, clock: Clock, by: str) -> None:
    clock(0)
    holder, other = logged_in(), logged_in(agent=SECOND)
    refresh, access, family = holder.refresh, holder.access, holder.family
    clock(901 if by == "expired access" else 1)
    if by == "access":
        del holder.cookies[COOKIE]
    done = holder.call("POST", LOGOUT, access="" if by == "cookie" else access)
    assert (done.status_code, done.json()) == (200, {"message": "Logged out"})
    if by == "access":
        assert COOKIE not in done.cookies
    else:
        assert_cleared(done)
    assert done["Clear-Site-Data"] == '"cache"'
    family.refresh_from_db()
    assert (family.ended is not None, family.reason) == (True, "logged out")
    for replay in (thief(refresh), holder):
        assert replay.rotate(refresh).json() == {"error": "Invalid refresh token"}
    if by != "expired access":
        assert holder.call("GET", WHOAMI, access=access).json() == {"error": "Token revoked"}
        assert other.whoami() == 200
    assert other.rotate().status_code == 200


@pytest.mark.parametrize("cookie", ["", "x", "a.b.c", "\x7f"])
@pytest.mark.parametrize("access", ["", "x", "a.b.c"])
def test_a_logout_without_anything_live_is_one_too(db: None, store: Store, cookie: str, access: str) -> None:
    holder, before = Holder(), stored(store)
    if cookie:
        holder.cookies[COOKIE] = cookie
    for sent in (cookie, ""):
        done = holder.call("POST", LOGOUT, access=access)
        assert (done.status_code, done["Clear-Site-Data"]) == (200, '"cache"')
        if sent:
            assert_cleared(done)
        assert (COOKIE in done.cookies) == bool(sent)
    assert stored(store) == before


def test_a_second_logout_is_fine_and_changes_nothing(holder: Holder) -> None:
    refresh = holder.refresh
    assert holder.call("POST", LOGOUT).status_code == 200
    before = TokenFamily.objects.values().get()
    holder.cookies[COOKIE] = refresh
    assert holder.call("POST", LOGOUT).status_code == 200
    assert TokenFamily.objects.values().get() == before


def test_a_logout_while_the_store_is_away_is_503_and_can_be_tried_again(holder: Holder, store: Store) -> None:
    refresh, access = holder.refresh, holder.access
    store.kill()
    failed = holder.call("POST", LOGOUT)
    assert (failed.status_code, failed.json(), failed["Retry-After"]) == (503, {"error": "Logout failed"}, "5")
    assert (COOKIE in failed.cookies, "Clear-Site-Data" in failed) == (False, False)
    assert failed["Cache-Control"] == "no-store"
    assert holder.refresh == refresh
    store.start()
    assert_cleared(holder.call("POST", LOGOUT))
    assert holder.call("GET", WHOAMI, access=access).json() == {"error": "Token revoked"}
    assert thief(refresh).rotate().status_code == 401


@committed
@pytest.mark.parametrize("way", ["logout", "login", "access"])
def test_tokens_from_before_a_re_key_log_nobody_out(alice: User, bob: User, clock: Clock, way: str) -> None:
    """The owner has changed the password. A thief's copy of an old token ends nothing by a logout or a login."""
    clock(0)
    holder = logged_in()
    stolen, access = holder.refresh, holder.access
    assert holder.call("POST", PASSWORD, BODIES[PASSWORD]).status_code == 200
    clock(11)
    other = thief(stolen) if way != "access" else Holder()
    if way == "login":
        assert other.sign_in(bob.email).status_code == 200
    else:
        assert other.call("POST", LOGOUT, access=access if way == "access" else "").status_code == 200
    assert (holder.whoami(), holder.rotate().status_code) == (200, 200)
    assert not SecurityEvent.objects.filter(name="authn_token_revoked").exists()


@committed
def test_everywhere_ends_all_of_hers_and_nobody_elses(alice: User, bob: User) -> None:
    here, there, at_bob, (client, secret) = logged_in(), logged_in(agent=SECOND), logged_in(bob.email), native()
    short, visitor = Holder(), Visitor()
    short.sign_in(refresh=False)
    visitor.sign_in()
    done = here.call("POST", EVERYWHERE)
    assert (done.status_code, done.json()) == (200, {"message": "Logged out everywhere"})
    assert_cleared(done)
    assert done["Clear-Site-Data"] == '"cache"'
    assert [holder.whoami() for holder in (here, there, client, short, at_bob)] == [401, 401, 401, 401, 200]
    assert visitor.get(SESSION_WHOAMI).status_code == 401
    assert there.rotate().status_code == Holder().call("POST", REFRESH, {"refreshToken": secret}).status_code == 401
    assert at_bob.rotate().status_code == 200
    assert here.call("POST", EVERYWHERE).status_code == 401


# ── Devices ───────────────────────────────────────────────────────────────────────────────────


def test_the_list_names_each_device_and_which_one_asks(holder: Holder, second: Holder, bob: User) -> None:
    logged_in(bob.email)
    client, _ = native(remember=True)
    found = {device["id"]: device for device in holder.call("GET", DEVICES).json()["devices"]}
    assert set(found) == {str(each.family.pk) for each in (holder, second, client)}
    mine, other, third = (found[str(each.family.pk)] for each in (holder, second, client))
    assert (mine["current"], other["current"], third["current"]) == (True, False, False)
    assert (mine["userAgent"], other["userAgent"]) == ("Mozilla/5.0 (test)", SECOND)
    assert set(mine) == {"id", "current", "address", "userAgent", "started", "lastSeen", "ends", "remember"}
    assert (mine["address"], mine["remember"], third["remember"]) == ("127.0.0.1", False, True)
    told = json.dumps(found)
    for each in (holder, second):
        assert each.family.jti not in told


def test_one_device_is_ended(holder: Holder, second: Holder) -> None:
    family = second.family
    done = holder.call("DELETE", f"{DEVICES}/{family.pk}")
    assert (done.status_code, done.json()) == (200, {"message": "Ended"})
    assert COOKIE not in done.cookies
    assert (holder.whoami(), second.whoami(), second.rotate().status_code) == (200, 401, 401)
    family.refresh_from_db()
    assert family.reason == "ended by its owner"
    assert SecurityEvent.objects.filter(name="authn_token_revoked").count() == 1
    assert holder.call("DELETE", f"{DEVICES}/{family.pk}").status_code == 404


def test_this_device_is_ended_like_a_logout(holder: Holder, second: Holder) -> None:
    refresh = holder.refresh
    done = holder.call("DELETE", f"{DEVICES}/{holder.family.pk}")
    assert done.status_code == 200
    assert_cleared(done)
    assert (holder.whoami(), thief(refresh).rotate().status_code, second.whoami()) == (401, 401, 200)


@pytest.mark.parametrize("who", ["family", "short"])
def test_the_others_are_ended(holder: Holder, second: Holder, bob: User, who: str) -> None:
    at_bob, asking = logged_in(bob.email), holder
    if who == "short":
        asking = Holder()
        asking.sign_in(refresh=False)
    done = asking.call("DELETE", DEVICES)
    ended = 1 if who == "family" else 2
    assert (done.status_code, done.json()) == (200, {"message": "The others were ended", "ended": ended})
    assert [each.whoami() for each in (asking, second, at_bob)] == [200, 401, 200]
    assert second.rotate().status_code == 401


@pytest.mark.parametrize("of", ["bob", "nobody"])
def test_anothers_device_is_404_and_nothing_happens(holder: Holder, bob: User, store: Store, of: str) -> None:
    at_bob = logged_in(bob.email)
    device, before = at_bob.family.pk if of == "bob" else uuid4(), stored(store)
    refused = holder.call("DELETE", f"{DEVICES}/{device}")
    assert (refused.status_code, refused.json()) == (404, {"error": "Not found"})
    assert stored(store) == before
    assert at_bob.whoami() == 200


# ── Passwords and confirmation ────────────────────────────────────────────────────────────────


@committed
@pytest.mark.parametrize("transport", ["cookie", "body"])
def test_a_password_change_ends_the_others_and_gives_this_one_new_tokens(alice: User, transport: str) -> None:
    holder, there, visitor = Holder(), logged_in(agent=SECOND), Visitor()
    first = holder.sign_in(remember=True, transport=transport).json().get("refreshToken") or holder.refresh
    visitor.sign_in()
    old, family = holder.access, holder.family
    done = holder.call("POST", PASSWORD, BODIES[PASSWORD])
    keys = {"message", "accessToken", "expiresIn"} | ({"refreshToken"} if transport == "body" else set())
    assert (done.status_code, set(done.json()), done.json()["message"]) == (200, keys, "Password changed")
    assert (COOKIE in done.cookies) is (transport == "cookie")
    assert (holder.family.pk, holder.family.remember) == (family.pk, True)
    assert (holder.whoami(), there.whoami(), there.rotate().status_code) == (200, 401, 401)
    assert visitor.get(SESSION_WHOAMI).status_code == 401
    assert holder.call("GET", WHOAMI, access=old).json() == {"error": "Token revoked"}
    again = {"refreshToken": first} if transport == "body" else None
    assert (thief(first) if again is None else Holder()).call("POST", REFRESH, again).status_code == 401
    fresh = {"refreshToken": done.json()["refreshToken"]} if again else None
    assert holder.call("POST", REFRESH, fresh).status_code == 200
    assert [Holder().sign_in(password=password).status_code for password in (RIGHT, NEW)] == [401, 200]


@committed
def test_a_short_login_that_changes_the_password_ends_with_the_rest(alice: User) -> None:
    short, there = Holder(), logged_in()
    short.sign_in(refresh=False)
    done = short.call("POST", PASSWORD, BODIES[PASSWORD])
    assert (done.status_code, done.json(), done.cookies) == (200, {"message": "Password changed"}, {})
    assert (short.whoami(), there.whoami()) == (401, 401)
    assert Holder().sign_in(password=NEW).status_code == 200


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
    holder: Holder, second: Holder, body: dict[str, str], status: int
) -> None:
    before = (User.objects.values().get(), holder.refresh, list(TokenFamily.objects.order_by("pk").values()))
    refused = holder.call("POST", PASSWORD, body)
    assert refused.status_code == status
    assert refused.json()["error"] == ("Invalid credentials" if status == 401 else "Some fields are missing or wrong.")
    after = (User.objects.values().get(), holder.refresh, list(TokenFamily.objects.order_by("pk").values()))
    assert after == before
    assert holder.whoami() == second.whoami() == 200


def test_a_confirmation_dates_the_proof_and_voids_the_tokens_from_before(alice: User, clock: Clock) -> None:
    holder, there = logged_in(), logged_in(agent=SECOND)
    started, refresh = holder.claims["auth_time"], holder.refresh
    clock(60)
    holder.rotate()
    assert holder.claims["auth_time"] == started
    family, rotated = holder.family, holder.refresh
    clock(120)
    done = holder.call("POST", REAUTHENTICATE, {"password": RIGHT})
    assert (done.status_code, done.json()["message"]) == (200, "Reauthenticated")
    assert (holder.claims["auth_time"], holder.claims["sid"]) == (started + 120, str(family.pk))
    for old in (refresh, rotated):
        assert thief(old).rotate().json() == {"error": "Invalid refresh token"}
    assert (holder.whoami(), there.whoami(), holder.rotate().status_code) == (200, 200, 200)
    assert holder.claims["auth_time"] == started + 120


def test_a_wrong_password_is_no_fault_of_the_token(holder: Holder, second: Holder) -> None:
    """A client that gets `invalid_token` refreshes and repeats the request. One mistake would count several times."""
    before, family = holder.refresh, holder.family
    for path, body in ((REAUTHENTICATE, {"password": "wrong"}), (PASSWORD, {"current": "wrong", "new": NEW})):
        refused = holder.call("POST", path, body)
        assert (refused.status_code, refused.json()) == (401, {"error": "Invalid credentials"})
        assert refused["WWW-Authenticate"] == BARE
    assert (holder.refresh, holder.family.jti, holder.family.authenticated) == (
        before,
        family.jti,
        family.authenticated,
    )
    assert holder.whoami() == second.whoami() == 200


@pytest.mark.parametrize("path", [REAUTHENTICATE, PASSWORD])
def test_an_ended_family_confirms_and_changes_nothing(holder: Holder, settings: Any, path: str) -> None:
    """Even if access tokens are only left to expire, these views read the row of the family first."""
    settings.JWT_REVOCATION = "expiry"
    access = holder.access
    holder.call("POST", LOGOUT)
    assert holder.call("GET", WHOAMI, access=access).status_code == 200
    refused = holder.call("POST", path, BODIES[path], access=access)
    assert (refused.status_code, refused.json()) == (401, {"error": "Token revoked"})
    assert User.objects.get().check_password(RIGHT)


# ── From other sites (D2 to D5), and methods (D3, H3) ─────────────────────────────────────────


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize(
    "origin",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"},
        {"Sec-Fetch-Site": "Same-Origin"},
    ],
    ids=str,
)
def test_another_site_does_nothing_even_with_good_tokens(
    holder: Holder, store: Store, path: str, origin: dict[str, str]
) -> None:
    before, refresh = stored(store), holder.refresh
    for method in UNSAFE:
        refused = holder.call(method, path, BODIES.get(path), headers=origin)
        assert refused.status_code == 403
        assert refused.cookies == {}
    assert stored(store) == before
    assert (holder.refresh, holder.whoami()) == (refresh, 200)


def silent() -> Holder:
    """An old browser, which says only by `Origin` where a request comes from."""
    holder = logged_in()
    del holder.defaults["HTTP_SEC_FETCH_SITE"]
    return holder


@pytest.mark.parametrize("path", [LOGIN, REFRESH, LOGOUT])
def test_without_fetch_metadata_the_origin_decides(alice: User, store: Store, path: str) -> None:
    holder = silent()
    before = stored(store)
    for origin in ("null", "https://evil.example", "http://testserver:81", "https://testserver", "http://x.testserver"):
        assert holder.call("POST", path, BODIES.get(path), headers={"Origin": origin}).status_code == 403
    assert stored(store) == before
    for headers in ({"Origin": "http://testserver"}, {}):
        assert holder.call("POST", path, BODIES.get(path), headers=headers).status_code in (200, 401)
    assert stored(store) != before


@pytest.mark.parametrize("path", JSON_ROUTES)
def test_from_here_every_route_gets_past_the_gate(holder: Holder, path: str) -> None:
    """The control of the two tests above."""
    for method in ALLOWED.get(path, {"GET"}):
        status = holder.call(method, path, BODIES.get(path)).status_code
        assert status == {STAFF: 403}.get(path, 404 if "devices/" in path else 200)


@pytest.mark.parametrize("who", ["alice", "nobody", "stale"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE"])
def test_looking_changes_nothing(holder: Holder, store: Store, who: str, method: str) -> None:
    before, access, refresh = stored(store), holder.access, holder.refresh
    for path in ROUTES:
        asking = {"alice": holder, "nobody": Holder(), "stale": thief("a.b.c")}[who]
        headers = {"alice": {"Authorization": f"Bearer {access}"}, "stale": {"Authorization": "Bearer a.b.c"}}
        answer = asking.generic(method, path, headers=headers.get(who, {}))
        assert (answer.status_code < 500, answer.cookies.keys() & {COOKIE, SESSION}) == (True, set()), path
    assert stored(store) == before
    assert (holder.refresh, holder.whoami(), holder.rotate().status_code) == (refresh, 200, 200)


@pytest.mark.parametrize("path", JSON_ROUTES)
def test_other_methods_are_405(holder: Holder, path: str) -> None:
    allowed = ALLOWED.get(path, {"GET"})
    for method in {"GET", *UNSAFE} - allowed:
        refused = holder.call(method, path)
        if path == STAFF:
            continue  # alice is not told which methods it has
        assert (refused.status_code, refused.json()) == (405, {"error": "Method not allowed"})
        assert set(refused["Allow"].split(", ")) - {"HEAD", "OPTIONS"} == allowed
    assert holder.whoami() == 200


@pytest.mark.parametrize("path", JSON_ROUTES)
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://testserver"])
def test_no_other_origin_may_read_an_answer(holder: Holder, path: str, origin: str) -> None:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    asked |= {"Access-Control-Request-Headers": "authorization", "Authorization": f"Bearer {holder.access}"}
    for method in ("OPTIONS", "GET"):
        answer = holder.generic(method, path, headers=asked)
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


# ── Bodies (D6) ───────────────────────────────────────────────────────────────────────────────


def test_the_order_of_refusals(holder: Holder) -> None:
    """The order: origin, size and type of the body, credential, content of the body."""
    form = {"content_type": "application/x-www-form-urlencoded"}
    elsewhere = {"headers": {"Sec-Fetch-Site": "cross-site"}}
    big = b" " * 70_000
    assert holder.call("POST", REAUTHENTICATE, big, access="", **form, **elsewhere).status_code == 403
    assert holder.call("POST", REAUTHENTICATE, big, access="", **form).status_code == 413
    assert holder.call("POST", REAUTHENTICATE, b"a=b", access="", **form).status_code == 415
    assert holder.call("POST", REAUTHENTICATE, b"{", access="").status_code == 401
    assert holder.call("POST", REAUTHENTICATE, b"{").status_code == 400
    assert holder.call("POST", REAUTHENTICATE, {"password": "wrong"}).status_code == 401
    assert holder.call("POST", REAUTHENTICATE, {"password": RIGHT}).status_code == 200


@pytest.mark.parametrize(("kind", "body"), OTHER_TYPES.values(), ids=OTHER_TYPES)
def test_only_json_is_taken(holder: Holder, store: Store, kind: str, body: bytes) -> None:
    before = stored(store)
    for path in WITH_BODY:
        refused = holder.call("POST", path, body, content_type=kind)
        assert refused.status_code == 415
        assert refused.json() == {"error": "Unsupported media type: send application/json"}
        assert refused["Cache-Control"] == "no-store"
    assert stored(store) == before


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/json;charset=x", "Application/JSON"])
def test_a_charset_changes_nothing(alice: User, kind: str) -> None:
    assert Holder().call("POST", LOGIN, BODIES[LOGIN], content_type=kind).status_code == 200


@pytest.mark.parametrize("size", [64 * 1024 + 1, 500_000])
def test_too_much_is_413(holder: Holder, store: Store, size: int) -> None:
    before = stored(store)
    for path in WITH_BODY:
        refused = holder.call("POST", path, b'"' + b"x" * (size - 2) + b'"')
        detail = f"The body has {size} bytes; this address accepts 65536."
        assert (refused.status_code, refused.json()) == (413, {"error": "Too large", "detail": detail})
    assert stored(store) == before


def bent(path: str) -> Iterator[bytes]:
    """More than a hundred bodies that are not JSON: a good body cut off at every byte, or with one byte changed."""
    good = json.dumps(
        BODIES.get(path, {"refreshToken": "a.b.c", "more": [1, 2.5, None, True, {"a": "\u00e9\n"}]})
    ).encode()
    yield from NOT_JSON.values()
    yield from (good[:end] for end in range(1, len(good)))
    yield from (good[:place] + b"\xff" + good[place + 1 :] for place in range(len(good)))
    yield from (b"{" + good, good + b"}", good + good, b"," + good, good + b"\0", b"[" + good, good + b"]")


@pytest.mark.parametrize("path", WITH_BODY)
def test_what_is_no_json_is_400_with_a_sentence_and_stores_nothing(holder: Holder, store: Store, path: str) -> None:
    before, bodies = stored(store), list(bent(path))
    assert len(bodies) > 100 - 20 * (path == REAUTHENTICATE)
    for body in bodies:
        refused = holder.call("POST", path, body)
        assert (refused.status_code, refused.json()) == (400, {"error": "The body is not valid JSON."}), body
    assert stored(store) == before


FIELDS = [(path, field) for path, body in BODIES.items() for field in body]
FIELDS += [(LOGIN, "remember"), (LOGIN, "refresh"), (LOGIN, "transport"), (REFRESH, "refreshToken")]
FIELDS.append((LOGOUT, "refreshToken"))
NESTED: Any = json.loads("[" * 300 + "]" * 300)
VALUES = [*(value for value in WRONG if value is not True), "", "x" * 10_001, NESTED, "\ud800" * 20, "\u202e\0", 1e300]
VALUES += [-1, 10**400, ["a", "b"], {"toString": 1}, "\udfff\ud800"]


@pytest.mark.parametrize(("path", "field"), FIELDS)
def test_a_field_that_is_wrong_is_named_and_nothing_stored(holder: Holder, store: Store, path: str, field: str) -> None:
    before = stored(store)
    for value in [*VALUES, *([] if field in ("remember", "refresh") else [True])]:
        refused = holder.call("POST", path, {**BODIES.get(path, {}), field: value})
        assert refused.status_code == 400, value
        assert (refused.json()["error"], set(refused.json()["fields"])) == (
            "Some fields are missing or wrong.",
            {field},
        )
        assert all(isinstance(sentence, str) and sentence for sentence in refused.json()["fields"][field])
        assert "\ufffd" not in refused.content.decode()
    assert stored(store) == before


@pytest.mark.parametrize("name", ["remember", "refresh", "transport"])
def test_a_choice_is_one_of_its_values_and_is_not_repeated(alice: User, name: str) -> None:
    holder = Holder()
    for value in ("yes", "true", "on", "Cookie", "BODY", "cookie ", "<b>", "evil-word", 1, 0):
        refused = holder.sign_in(**{name: value})
        assert (refused.status_code, set(refused.json()["fields"])) == (400, {name})
        assert "evil-word" not in refused.content.decode()
        assert (holder.access, holder.refresh) == ("", "")


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"null", b"42", b"true", b'[{"email": "a"}]'])
def test_a_body_that_is_no_object_is_400(holder: Holder, store: Store, body: bytes) -> None:
    before = stored(store)
    for path in (*BODIES, REFRESH, LOGOUT):
        refused = holder.call("POST", path, body)
        assert (refused.status_code, bool(refused.json()["error"])) == (400, True), path
    assert stored(store) == before


def test_a_body_by_another_verb_is_read_as_strictly(holder: Holder) -> None:
    for path in (WHOAMI, PROFILE, DEVICES):
        assert holder.call("GET", path, b"{").status_code == 400
        assert holder.call("GET", path, b"a", content_type="text/plain").status_code == 415
    assert holder.call("DELETE", DEVICES, b"{").status_code == 400


def test_nothing_else_that_is_sent_is_taken(holder: Holder, alice: User) -> None:
    more = {
        "role": "admin",
        "is_staff": True,
        "is_superuser": True,
        "token_version": 9,
        "id": 1,
        "sub": "1",
        "sid": "x",
    }
    more |= {"policy": {"access": 10**6}, "expiresIn": 10**6, "aud": "x", "userId": "1", "authenticated": "now"}
    for path in (LOGIN, REAUTHENTICATE, REFRESH, LOGOUT):
        assert holder.call("POST", path, {**BODIES.get(path, {}), **more}).status_code == 200
    holder = Holder()
    assert holder.sign_in(**more).json()["expiresIn"] == 900
    alice.refresh_from_db()
    assert (alice.role, alice.is_superuser, version_of(alice)) == ("member", False, 0)
    assert holder.call("GET", WHOAMI).json() == {"userId": str(alice.pk), "role": "member"}


# ── The door (G3, G4) ─────────────────────────────────────────────────────────────────────────


def test_a_refused_login_does_not_tell_why(
    alice: User, bob: User, clock: Clock, store: Store, measured: Callable[..., Any]
) -> None:
    User.objects.filter(pk=bob.pk).update(is_active=False)
    User.objects.create_user("carol@example.com")
    cases = {
        "wrong": (alice.email, "wrong"),
        "unknown": ("nobody@example.com", RIGHT),
        "inactive": (bob.email, PASSWORDS[bob.email]),
        "inactive and wrong": (bob.email, "wrong"),
        "without a password": ("carol@example.com", "wrong"),
        "another spelling": (" ALICE@example.com", "wrong"),
    }
    answers = {}
    for why, (email, password) in cases.items():
        for more in ({}, {"transport": "body"}, {"refresh": False}):
            holder = Holder()
            with measured() as cost:
                answer = holder.sign_in(email, password, **more)
            answers[why] = (answer.status_code, told(answer), answer.content, cost.counts, answer.cookies)
            assert answers[why] == answers["wrong"], why
    assert json.loads(answers["wrong"][2]) == {"error": "Invalid credentials"}
    assert (answers["wrong"][0], answers["wrong"][3]) == (401, (1, 2, 2))
    assert answers["wrong"][1]["WWW-Authenticate"] == BARE
    assert TokenFamily.objects.count() == 0


@pytest.mark.parametrize("email", ["alice@example.com", "nobody@example.com"])
def test_the_eleventh_failure_is_429_and_no_hash(
    alice: User, clock: Clock, measured: Callable[..., Any], email: str
) -> None:
    holder = Holder()
    assert [holder.sign_in(email, "wrong").status_code for _ in range(10)] == [401] * 10
    clock(60)
    with measured() as cost:
        refused = holder.sign_in(email, RIGHT)
    assert (refused.status_code, refused["Retry-After"], cost.hashes) == (429, "240", 0)
    assert (refused.json(), refused["Cache-Control"]) == ({"error": "Too many attempts"}, "no-store")
    assert (holder.access, holder.refresh) == ("", "")
    clock(300)
    assert holder.sign_in(email, RIGHT).status_code == (200 if email == alice.email else 401)


def test_both_flows_share_one_count(alice: User, clock: Clock) -> None:
    holder = logged_in()
    for number in range(8):
        way = (Holder(), Visitor())[number % 2]
        assert way.sign_in(password="wrong").status_code == 401
    assert holder.call("POST", REAUTHENTICATE, {"password": "wrong"}).status_code == 401
    assert holder.call("POST", PASSWORD, {"current": "wrong", "new": NEW}).status_code == 401
    refused = [Holder().sign_in(), Visitor().sign_in(), Holder().sign_in(refresh=False)]
    refused += [holder.call("POST", path, BODIES[path]) for path in (REAUTHENTICATE, PASSWORD)]
    assert [(answer.status_code, answer["Retry-After"]) for answer in refused] == [(429, "300")] * 5
    assert (holder.whoami(), holder.rotate().status_code) == (200, 200)


def test_a_spoofed_address_resets_nothing(alice: User) -> None:
    statuses = []
    for number in range(11):
        headers = {"X-Forwarded-For": f"6.6.6.{number}", "Forwarded": f"for=6.6.6.{number}"}
        statuses.append(Holder().call("POST", LOGIN, {**BODIES[LOGIN], "password": "x"}, headers=headers).status_code)
    assert statuses == [401] * 10 + [429]


def test_logging_in_and_refreshing_use_nothing_up(alice: User) -> None:
    for _ in range(12):
        holder = Holder()
        assert (holder.sign_in().status_code, holder.rotate().status_code) == (200, 200)


# ── Outages ───────────────────────────────────────────────────────────────────────────────────


def test_while_the_store_is_away_what_asks_it_is_503_and_the_cookie_stays(holder: Holder, store: Store) -> None:
    holder.raise_request_exception = False
    refresh = holder.refresh
    store.kill()
    answers = [holder.call(method, path, BODIES.get(path)) for path in CLOSED for method in ALLOWED.get(path, {"GET"})]
    answers += [holder.call("POST", LOGIN, BODIES[LOGIN]), holder.call("POST", LOGOUT)]
    for answer in answers:
        assert (answer.status_code, answer["Retry-After"]) == (503, "5"), answer.wsgi_request.path
        assert set(answer.json()) == {"error"}
        assert (answer.cookies, "no-store" in answer["Cache-Control"]) == ({}, True)
    assert holder.call("GET", WHOAMI, access="a.b.c").status_code == 401
    assert holder.call("GET", WHOAMI, access="").status_code == 401
    store.start()
    assert holder.refresh == refresh


def test_an_outage_logs_nobody_out_who_only_reads(holder: Holder, store: Store) -> None:
    holder.raise_request_exception = False
    store.kill()
    assert holder.whoami() == 503
    assert holder.rotate().status_code == 200
    assert holder.whoami() == 503
    store.start()
    assert (holder.whoami(), holder.rotate().status_code) == (200, 200)


@committed
def test_without_the_database_what_needs_no_row_still_answers(alice: User) -> None:
    holder = logged_in()
    holder.raise_request_exception = False
    refresh = holder.refresh
    with database_away():
        assert holder.whoami() == 200
        for answer in (holder.call("GET", PROFILE), holder.rotate(), holder.call("POST", LOGOUT)):
            assert (answer.status_code, answer["Retry-After"], answer.cookies) == (503, "5", {})
    assert (holder.refresh, holder.whoami(), holder.rotate().status_code) == (refresh, 200, 200)


# ── What is closed is closed by default ───────────────────────────────────────────────────────


def test_a_view_is_closed_unless_it_says_otherwise() -> None:
    for pattern, path in zip(urls.urlpatterns, ROUTES, strict=True):
        if path in JSON_ROUTES:
            view = pattern.callback.view_class  # type: ignore[attr-defined]
            assert issubclass(view, TokenView)
            assert (IsAuthenticated in view.permission_classes) == (path in CLOSED)
