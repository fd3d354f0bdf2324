"""This store beside Django's cache sessions, with the same calls and results, and `set_expiry()` in use."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from http.cookies import Morsel
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth import login
from django.contrib.auth.decorators import login_not_required
from django.contrib.messages import INFO
from django.contrib.messages.storage.session import SessionStorage
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.contrib.sessions.backends.cache import SessionStore as CacheStore
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware, get_token
from django.test import RequestFactory
from django.urls import include, path
from pytest_django import Settings
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response

from accounts.models import User
from security.models import UserAccess
from security.users import stored_users
from sessions_demo.authentication import SessionAuthentication
from sessions_demo.models import DeviceSession
from sessions_demo.record import ABSOLUTE_END, IDLE_END
from sessions_demo.set_expiry import CLOSES, EXPIRY_END
from sessions_demo.store import SessionStore
from tests.conftest import NOON, Clock
from tests.running import Store
from tests.sessions_demo.conftest import LOGIN_PAGE, SESSION, Visitor, keys, logged_in, thief
from tests.sessions_demo.test_middleware import answer

pytestmark = pytest.mark.django_db
LATER = NOON + timedelta(seconds=90)
VALUES: dict[str, Any] = {
    "seconds": 30,
    "many seconds": 90 * 24 * 3600,
    "moment": LATER,
    "moment in another zone": LATER.astimezone(),
    "difference": timedelta(minutes=2),
    "past moment": NOON - timedelta(seconds=1),
    "negative": -5,
    "browser close": 0,
    "default": None,
}
Script = Callable[[type[SessionBase]], list[Any]]
DAY = 24 * 3600


# ── Side by side (C13) ────────────────────────────────────────────────────────────────────────


def use_as_a_dict(kind: type[SessionBase]) -> list[Any]:
    one: Any = kind()
    seen = [one.is_empty(), one.setdefault("a", [1]), one.setdefault("a", [2]), one.modified, one.pop("b", "none")]
    one.update({"c": {"d": None}, "e": "\u00fc"})
    one.save()
    other: Any = kind(one.session_key)
    seen += [other.has_key("a"), "z" in other, other.get("z", 5), sorted(other.keys()), other.modified, other.accessed]
    seen += [other.pop("c"), other.modified, len(other.values()), sorted(other.items()), other.is_empty()]
    with pytest.raises(KeyError):
        other.pop("c")
    with pytest.raises(KeyError):
        other["c"]
    del other["a"]
    other.save()
    return [*seen, dict(kind(one.session_key).items())]


def use_test_cookies(kind: type[SessionBase]) -> list[Any]:
    one: Any = kind()
    one.set_test_cookie()
    one.save()
    other: Any = kind(one.session_key)
    seen = [other.test_cookie_worked()]
    other.delete_test_cookie()
    other.save()
    return [*seen, kind(one.session_key).test_cookie_worked()]


def end_and_begin_anew(kind: type[SessionBase]) -> list[Any]:
    one: Any = kind()
    one["a"] = 1
    one.save()
    first = one.session_key
    one.cycle_key()
    one.save()
    seen = [kind().exists(first), kind().exists(one.session_key), one["a"], one.modified]
    stale: Any = kind(one.session_key)
    seen += [stale["a"]]
    one.flush()
    seen += [one.session_key, one.is_empty(), dict(one.items()), one.modified]
    with pytest.raises(UpdateError):
        stale.save()
    lost: Any = kind(first)
    return [*seen, lost.get("a"), lost.session_key, lost.is_empty(), kind().exists(""), kind().delete()]


def keep_messages(kind: type[SessionBase]) -> list[Any]:
    request = RequestFactory().get("/")
    request.session = kind()
    storage = SessionStorage(request)
    storage.add(INFO, "Saved \u2713", extra_tags="big")
    storage.update(HttpResponse())
    request.session.save()
    later = RequestFactory().get("/")
    later.session = kind(request.session.session_key)
    return [(str(one), one.tags, one.extra_tags) for one in SessionStorage(later)]


def keep_the_csrf_token(kind: type[SessionBase]) -> list[Any]:
    request = RequestFactory().get("/")
    request.session = kind()
    gate = CsrfViewMiddleware(lambda request: HttpResponse(get_token(request)))
    token = gate(request).content.decode()
    request.session.save()
    seen = []
    for sent in (token, "x" * 64):
        post = RequestFactory(enforce_csrf_checks=True).post("/", {"csrfmiddlewaretoken": sent})
        post.session = kind(request.session.session_key)
        gate.process_request(post)
        seen.append(getattr(gate.process_view(post, HttpResponse, (), {}), "status_code", 200))
    return seen


def remove_expired_ones(kind: type[SessionBase]) -> list[Any]:
    one: Any = kind()
    one["a"] = 1
    one.save()
    return [call_command("clearsessions"), kind.clear_expired(), dict(kind(one.session_key).items())]


@pytest.mark.parametrize(
    "script",
    [
        use_as_a_dict,
        use_test_cookies,
        end_and_begin_anew,
        keep_messages,
        keep_the_csrf_token,
        remove_expired_ones,
    ],
)
def test_ours_does_what_djangos_does(settings: Settings, script: Script) -> None:
    settings.CSRF_USE_SESSIONS = script is keep_the_csrf_token
    ours = script(SessionStore)
    assert ours == script(CacheStore)
    assert ours


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("at_close", [False, True])
def test_each_form_of_set_expiry_means_what_django_says(
    clock: Clock, store: Store, settings: Settings, value: Any, at_close: bool
) -> None:
    settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = at_close
    before, seen, left = NOON - timedelta(seconds=10), [], []
    for kind in (CacheStore, SessionStore):
        store.client(0).flushdb()
        one: Any = kind()
        one["a"] = 1
        one.set_expiry(value)
        said = [one.get_expiry_age(), one.get_expiry_date(), one.get_expire_at_browser_close()]
        said += [one.get_expiry_age(modification=before), one.get_expiry_date(modification=before)]
        for other in (LATER, 7, 0, None, LATER.isoformat()):
            said += [one.get_expiry_age(expiry=other), one.get_expiry_date(expiry=other, modification=before)]
        one.save()
        left.append([store.client(0).ttl(name) for name in store.client(0).scan_iter()])
        seen.append(said)
    assert seen[0] == seen[1]
    assert left[0] == pytest.approx(left[1], abs=3)  # the clock of Redis is not frozen


@pytest.mark.parametrize("kind", [CacheStore, SessionStore])
def test_a_time_without_a_zone_is_the_error_that_it_is_in_django(kind: type[SessionBase]) -> None:
    one: Any = kind()
    one.set_expiry(datetime(2030, 1, 1))
    with pytest.raises(TypeError):
        one.save()


# ── Ends by set_expiry() ──────────────────────────────────────────────────────────────────────


def test_a_session_ends_so_long_after_it_was_last_changed(clock: Clock, store: Store) -> None:
    """To the second, by the clock of this process. Redis has its own clock, and deletes a record late."""
    one = SessionStore()
    one.set_expiry(30)
    one.save()
    for moment, lives in ((29.9, True), (30, False)):
        clock(moment)
        assert (SessionStore(one.session_key).get("_session_expiry") == 30) is lives
    clock(20)
    later = SessionStore(one.session_key)
    later["a"] = 1
    later.save()
    for moment, lives in ((49.9, True), (50, False)):
        clock(moment)
        assert (SessionStore(one.session_key).get("a") == 1) is lives


def test_a_session_ends_at_the_moment_that_was_set(clock: Clock) -> None:
    for value in (LATER, timedelta(seconds=90)):
        clock(0)
        one = SessionStore()
        one.set_expiry(value)
        one.save()
        clock(60)
        later = SessionStore(one.session_key)
        later["a"] = 1
        later.save()
        for moment, lives in ((89.9, True), (90, False)):
            clock(moment)
            assert (SessionStore(one.session_key).get("a") == 1) is lives


def test_what_is_over_at_once_is_gone_and_can_be_set_back(store: Store) -> None:
    one = SessionStore()
    one["a"] = 1
    one.save()
    one.set_expiry(-5)
    one.save()
    assert keys(store) == set()
    other = SessionStore()
    other.set_expiry(30)
    other.save()
    other.set_expiry(None)
    other.save()
    assert EXPIRY_END not in other
    assert other.get_expiry_age() == 3600


@pytest.mark.parametrize(
    ("value", "age"), [(30, 30), (10 * DAY, 7200), (LATER, 90), (0, 7200), (None, 7200), (timedelta(days=3), 7200)]
)
def test_the_earliest_of_all_ends_wins(clock: Clock, value: Any, age: int, alice: User, store: Store) -> None:
    visitor = logged_in()
    answer(lambda request: request.session.set_expiry(value), visitor.session_id)
    (key,) = keys(store)
    name = store.client(0).keys(f"*{key}")[0]
    assert store.client(0).ttl(name) == pytest.approx(age, abs=3)
    session = SessionStore(visitor.session_id) if value != 0 else None
    if session is not None:
        assert session.get_expiry_age() == age
        assert session.get_expiry_date() == NOON + timedelta(seconds=age)
        assert session.get_expiry_age(modification=NOON - timedelta(seconds=5)) == (age if value == 30 else age + 5)
        assert session.get_expiry_age(expiry=60) == 60
        assert session.get_expiry_age(expiry=10 * DAY) == 7200
        assert session.get_expiry_date(expiry=LATER) == LATER


def test_reading_does_not_put_off_the_end(clock: Clock, alice: User, store: Store) -> None:
    """The session's use is noted every minute. That does not count as a change."""
    visitor = logged_in()
    answer(lambda request: request.session.set_expiry(150), visitor.session_id)
    for moment in (61, 122, 149):
        clock(moment)
        assert visitor.whoami() == 200
    assert visitor.row.last_seen == NOON + timedelta(seconds=122)
    clock(150)
    assert visitor.whoami() == 401
    # The registry has the end too, so the login page does not call it a revocation.
    assert DeviceSession.objects.get().state() == "expired"
    page = thief(visitor.session_id).get(LOGIN_PAGE + "?next=/session/profile/")
    assert b"revoked" not in page.content


def test_a_change_puts_off_the_end_and_the_default_brings_the_old_ends_back(clock: Clock, alice: User) -> None:
    visitor = logged_in()
    answer(lambda request: request.session.set_expiry(150), visitor.session_id)
    clock(100)
    answer(lambda request: request.session.update({"a": 1}), visitor.session_id)
    clock(249)
    assert visitor.whoami() == 200
    answer(lambda request: request.session.set_expiry(None), visitor.session_id)
    clock(7200)
    assert visitor.whoami() == 200
    assert visitor.row.idle_end == NOON + timedelta(seconds=2 * 7200)


def test_a_user_can_be_logged_out_at_once(alice: User, store: Store) -> None:
    visitor = logged_in()
    response = answer(lambda request: request.session.set_expiry(-5), visitor.session_id)
    assert not response.cookies
    assert keys(store) == set()
    assert visitor.whoami() == 401


def test_a_session_that_is_over_as_it_begins_sets_no_cookie(store: Store) -> None:
    response = answer(lambda request: request.session.set_expiry(-5))
    assert not response.cookies
    assert keys(store) == set()


# ── The cookie ────────────────────────────────────────────────────────────────────────────────


def _cookie(response: HttpResponse) -> Morsel[str]:
    return response.cookies[SESSION]


@pytest.mark.parametrize(
    ("value", "age"), [(30, 3600), (5000, 5000), (LATER, 90), (timedelta(days=2), 2 * DAY), (0, ""), (None, 3600)]
)
def test_the_cookie_of_a_session_without_a_user_lasts_as_long_as_it_can_live(
    clock: Clock, value: Any, age: int | str
) -> None:
    cookie = _cookie(answer(lambda request: (request.session.update({"a": 1}), request.session.set_expiry(value))))
    assert cookie["max-age"] == age
    assert bool(cookie["expires"]) is (age != "")


def test_a_cookie_that_goes_with_the_browser_comes_and_goes_with_a_new_id(clock: Clock, alice: User) -> None:
    visitor = logged_in()
    ids = [visitor.session_id]
    for value, age in ((0, ""), (300, DAY), (None, None), (0, ""), (None, DAY)):
        clock(len(ids))
        response = answer(lambda request, value=value: request.session.set_expiry(value), ids[-1])
        if age is None:
            assert not response.cookies
            continue
        assert _cookie(response)["max-age"] == (age if age == "" else age - len(ids))
        assert thief(ids[-1]).whoami() == 401
        ids.append(_cookie(response).value)
        assert thief(ids[-1]).whoami() == 200
        # A change that does not concern the cookie brings no new one.
        assert not answer(lambda request: request.session.update({"a": 1}), ids[-1]).cookies
    assert DeviceSession.objects.get().ended is None


def test_a_login_that_goes_with_the_browser_is_one_session(alice: User, settings: Settings, store: Store) -> None:
    settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = True
    visitor = Visitor()
    assert visitor.sign_in().cookies[SESSION]["max-age"] == ""
    before = visitor.session_id
    assert visitor.whoami() == 200
    assert not answer(lambda request: request.session.update({"a": 1}), before).cookies
    assert DeviceSession.objects.count() == 1


def test_a_visitor_keeps_one_id_however_often_the_session_changes(clock: Clock, settings: Settings) -> None:
    """Two simultaneous requests have the same cookie. If one got a new id, the other's changes would be lost."""
    first = _cookie(answer(lambda request: request.session.update({"cart": ["a"]})))
    assert first["max-age"] == settings.SESSION_COOKIE_AGE == 3600
    for moment in range(600, 3 * 3600, 600):
        clock(moment)
        response = answer(
            lambda request: request.session.update({"cart": [*request.session["cart"], "b"]}), first.value
        )
        assert not response.cookies
    assert len(SessionStore(first.value)["cart"]) == 18
    assert not answer(lambda request: request.session.set_expiry(timedelta(days=30)), first.value).cookies


def test_saving_with_every_request_moves_the_end(clock: Clock, settings: Settings, alice: User, store: Store) -> None:
    settings.SESSION_SAVE_EVERY_REQUEST = True
    visitor = logged_in()
    answer(lambda request: request.session.set_expiry(100), visitor.session_id)
    for moment in (90, 180):
        clock(moment)
        assert visitor.whoami() == 200
    clock(280)
    assert visitor.whoami() == 401
    # Without a session, this neither starts one nor deletes a cookie.
    for settings.SESSION_EXPIRE_AT_BROWSER_CLOSE in (False, True):
        for cookie in ("", "a" * 32):
            assert not answer(lambda request: None, cookie).cookies
    assert len(keys(store)) == 1  # by the clock of Redis


def test_a_login_keeps_what_the_session_before_it_was_given(clock: Clock, alice: User) -> None:
    stranger = _cookie(answer(lambda request: request.session.set_expiry(300))).value

    def log_in(request: HttpRequest) -> None:
        login(request, alice)

    response = answer(log_in, stranger)
    session = SessionStore(_cookie(response).value)
    assert (session.get_expiry_age(), _cookie(response)["max-age"]) == (300, DAY)
    assert CLOSES not in session
    assert session[ABSOLUTE_END] > session[IDLE_END] > session[EXPIRY_END]


# ── What JSON cannot keep ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "value",
    [
        {1},
        NOON,
        NOON.date(),
        timedelta(1),
        Decimal("1.10"),
        UUID(int=1),
        User(),
        b"bytes",
        [{"deep": NOON}],
        {(1, 2): 3},
        reduce(lambda inner, _: [inner], range(5000), 0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_cannot_keep_is_an_error_that_names_it(store: Store, value: Any) -> None:
    session = SessionStore()
    session.update({"fine": [1, 2.5, None, "x"], "cart": value})
    with pytest.raises(TypeError) as raised:
        session.save()
    assert 'request.session["cart"]' in str(raised.value)
    assert "str(value)" in str(raised.value)
    assert keys(store) == set()


# ── A transaction for each request ────────────────────────────────────────────────────────────


@api_view(["GET"])
@authentication_classes([SessionAuthentication])
@permission_classes([IsAuthenticated])
def whoami(request: Any) -> Response:
    return Response("in")


urlpatterns = [path("stock/", login_not_required(whoami)), path("", include("config.urls"))]


@pytest.mark.django_db(transaction=True)
@pytest.mark.urls(__name__)
def test_a_revocation_that_a_request_finds_due_survives_that_request(
    alice: User, clock: Clock, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import connection

    visitor, other = logged_in(), logged_in()
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    stored_users().update(role=User.Role.ADMIN)  # no signal is sent
    clock(61)
    assert visitor.get("/stock/").status_code == 401
    assert UserAccess.objects.get().token_version == 1
    assert set(DeviceSession.objects.values_list("reason", flat=True)) == {"role changed"}
    assert keys(store) == set()
    assert (other.whoami(), visitor.whoami()) == (401, 401)
