"""Under ASGI: asynchronous views that await the session, the user, a login and a logout, with all middleware."""

import inspect
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import (
    aauthenticate,
    alogin,
    alogout,
    aupdate_session_auth_hash,
)
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.decorators import login_not_required
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.backends.cache import SessionStore as CacheStore
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import AsyncClient, override_settings
from django.urls import include, path
from django.utils import timezone
from redis.exceptions import RedisError

from accounts.models import User
from security.backends import PasswordBackend, throttled_is_raised
from security.hashers import Argon2id
from security.models import UserAccess
from security.revocation import revoke_access
from sessions_demo.models import DeviceSession
from sessions_demo.set_expiry import EXPIRY_END
from sessions_demo.store import PREFIX, SessionStore, digest
from tests.conftest import BROWSER_HEADERS
from tests.running import Store
from tests.sessions_demo.conftest import NEW, RIGHT, SESSION, keys, thief

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
OWN = "security.backends.PasswordBackend"


async def read(request: HttpRequest) -> JsonResponse:
    user = await request.auser()
    return JsonResponse({"user": user.pk, "more": await request.session.aget("more")})


async def write(request: HttpRequest) -> HttpResponse:
    await request.session.aset("more", 1)
    await request.session.asave()
    return HttpResponse()


async def enter(request: HttpRequest) -> HttpResponse:
    user = await aauthenticate(request, username=request.GET["email"], password=request.GET["password"])
    if user is None:
        return HttpResponse(status=401)
    await alogin(request, user)
    return HttpResponse()


async def told(request: HttpRequest) -> HttpResponse:
    with throttled_is_raised():
        return await enter(request)


async def cycle(request: HttpRequest) -> HttpResponse:
    await request.session.acycle_key()
    return HttpResponse()


async def leave(request: HttpRequest) -> HttpResponse:
    await alogout(request)
    return HttpResponse()


async def register(request: HttpRequest) -> HttpResponse:
    user = await User.objects.acreate(email="new@example.com", name="New")
    await alogin(request, user, OWN)
    return HttpResponse()


async def change(request: HttpRequest) -> HttpResponse:
    user = request.user = await request.auser()
    user.set_password(NEW)
    await user.asave()
    await aupdate_session_auth_hash(request, user)
    return HttpResponse()


async def break_down(request: HttpRequest) -> HttpResponse:
    await request.session.aget("more")
    raise RuntimeError


VIEWS = (read, write, enter, told, cycle, leave, register, change, break_down)
urlpatterns = [path(f"{view.__name__}/", login_not_required(view)) for view in VIEWS]
urlpatterns += [path("", include("config.urls"))]
handler400, handler403, handler404, handler500 = (
    "config.errors.bad_request",
    "config.errors.forbidden",
    "config.errors.not_found",
    "config.errors.server_error",
)


class Visitor(AsyncClient):
    """A browser at an ASGI server."""

    def __init__(self, **options: Any) -> None:
        super().__init__(headers=BROWSER_HEADERS, **options)

    def ask(self, path: str, **query: Any) -> Any:
        """Sends a GET and waits for the answer."""
        return async_to_sync(self.get)(path, query)

    def enter(self, password: str = RIGHT) -> "Visitor":
        """Logs Alice in by an asynchronous view."""
        assert self.ask("/enter/", email="alice@example.com", password=password).status_code == 200
        return self

    @property
    def session_id(self) -> str:
        """The session cookie's value."""
        return str(self.cookies[SESSION].value)


@pytest.fixture
def visitor(alice: User) -> Visitor:
    return Visitor().enter()


def test_reading_in_an_async_view_is_as_in_another(visitor: Visitor, alice: User) -> None:
    for _ in range(2):
        answer = visitor.ask("/read/")
        assert answer.json() == {"user": alice.pk, "more": None}
        assert SESSION not in answer.cookies
        assert answer["Cache-Control"] == "no-store"
    assert visitor.ask("/session/api/whoami").json()["userId"] == str(alice.pk)
    assert visitor.ask("/session/profile/").status_code == 200


def test_a_login_in_an_async_view_is_in_the_registry_and_a_new_session(visitor: Visitor, store: Store) -> None:
    row = DeviceSession.objects.get()
    assert (row.digest, row.ended) == (digest(visitor.session_id), None)
    assert keys(store) == {PREFIX + row.digest}
    before = visitor.session_id
    visitor.enter()
    assert visitor.session_id != before
    assert thief(before).whoami() == 401
    assert keys(store) == {PREFIX + digest(visitor.session_id)}


def test_a_logout_in_an_async_view_ends_the_session(visitor: Visitor, store: Store) -> None:
    before = visitor.session_id
    answer = visitor.ask("/leave/")
    assert answer.cookies[SESSION]["max-age"] == 0
    assert thief(before).whoami() == 401
    assert keys(store) == set()
    assert DeviceSession.objects.get().reason == "logged out"


def test_what_an_async_view_stores_lies_under_the_digest(visitor: Visitor, store: Store) -> None:
    stranger = Visitor()
    for one in (visitor, stranger):
        assert one.ask("/write/").status_code == 200
        assert one.ask("/read/").json()["more"] == 1
    names = b" ".join(store.client(0).scan_iter())
    assert not [one for one in (visitor, stranger) if one.session_id.encode() in names]
    assert len(keys(store)) == 2


def test_a_revocation_reaches_an_async_view(visitor: Visitor, alice: User, store: Store) -> None:
    (name,) = store.client(0).keys()
    held = store.client(0).dump(name)
    revoke_access(alice, "test")
    store.client(0).restore(name, 0, held, replace=True)  # as if the deletion had failed because Redis was away
    assert visitor.ask("/read/").json()["user"] is None


def test_the_throttle_counts_in_async_views_too(alice: User) -> None:
    for _ in range(10):
        assert Visitor().ask("/enter/", email=alice.email, password="wrong").status_code == 401
    assert Visitor().ask("/enter/", email=alice.email, password=RIGHT).status_code == 401
    assert Visitor().ask("/told/", email=alice.email, password=RIGHT).status_code == 429


def test_an_outage_in_an_async_view_is_503_and_the_cookie_stays(visitor: Visitor, store: Store) -> None:
    store.kill()
    answer = visitor.ask("/read/")
    assert (answer.status_code, answer["Retry-After"], len(answer.cookies)) == (503, "5", 0)
    store.start()


def test_an_error_in_an_async_view_is_an_answer_too(visitor: Visitor) -> None:
    visitor.raise_request_exception = False
    assert visitor.ask("/break_down/").status_code == 500
    assert visitor.ask("/read/").json()["user"] is not None


def test_a_user_made_in_an_async_view_can_be_logged_in_there(db: None) -> None:
    visitor = Visitor()
    assert visitor.ask("/register/").status_code == 200
    assert visitor.ask("/read/").json()["user"] == User.objects.get().pk


@pytest.mark.django_db(transaction=True)
def test_a_new_password_in_an_async_view_keeps_this_session_and_ends_the_others(alice: User) -> None:
    visitor, other = Visitor().enter(), Visitor().enter()
    before = visitor.session_id
    assert visitor.ask("/change/").status_code == 200
    assert visitor.ask("/read/").json()["user"] == alice.pk
    assert visitor.session_id != before
    assert thief(before).whoami() == 401
    assert other.ask("/read/").json()["user"] is None


def _coroutines(kind: type) -> set[str]:
    return {name for name in dir(kind) if inspect.iscoroutinefunction(getattr(kind, name))}


@pytest.mark.parametrize(("ours", "theirs"), [(SessionStore, CacheStore), (PasswordBackend, ModelBackend)])
def test_each_twin_of_a_method_of_ours_is_ours(ours: type, theirs: type) -> None:
    twins = {}
    for name in _coroutines(theirs):
        plain = {"aset": "__setitem__"}.get(name) or name.replace("a", "", 1)
        assert hasattr(ours, plain), name
        twins[plain] = name
    is_ours = {
        name: inspect.getattr_static(ours, name) is not inspect.getattr_static(theirs, name)
        for name in (*twins, *twins.values())
    }
    assert any(is_ours[plain] for plain in twins)
    assert [twin for plain, twin in twins.items() if is_ours[plain] and not is_ours[twin]] == []


def test_each_async_method_raises_while_the_store_is_away(store: Store) -> None:
    session = SessionStore()
    session["a"] = 1
    session.save()
    store.kill()
    acts: list[Callable[[], Awaitable[Any]]] = [
        SessionStore(session.session_key).aload,
        SessionStore(session.session_key).aget_expiry_age,
        session.asave,
        session.adelete,
        session.aflush,
        SessionStore().acreate,
        partial(session.aexists, "x"),
    ]
    for act in acts:
        with pytest.raises(RedisError):
            async_to_sync(act)()
    store.start()
    assert (session["a"], session.is_empty()) == (1, False)


def test_a_session_can_be_used_by_awaiting_alone() -> None:
    @async_to_sync
    async def use() -> None:
        session = SessionStore()
        await session.aset("a", 1)
        await session.asave()
        first = session.session_key
        await session.acycle_key()
        assert (await session.aexists(first), await session.aexists(session.session_key)) == (False, True)
        assert await session.acache_key() == PREFIX + digest(session.session_key)
        await session.aset_expiry(30)
        assert await session.aget_expiry_age() == 30
        assert await session.aget_expiry_date() - timezone.now() < timedelta(seconds=31)
        await session.asave()
        other = SessionStore(session.session_key)
        assert (await other.aget("a"), EXPIRY_END in await other.akeys()) == (1, True)
        await other.adelete()
        with pytest.raises(UpdateError):
            await session.asave()
        await session.aflush()
        assert session.is_empty()

    use()


def test_what_json_cannot_keep_cannot_be_kept_by_awaiting() -> None:
    session = SessionStore()
    session["when"] = timezone.now()
    with pytest.raises(TypeError, match="when"):
        async_to_sync(session.asave)()


def test_a_new_id_in_an_async_view_takes_the_row_along(visitor: Visitor, alice: User) -> None:
    before = visitor.session_id
    assert visitor.ask("/cycle/").status_code == 200
    assert DeviceSession.objects.get().digest == digest(visitor.session_id) != digest(before)
    assert visitor.ask("/read/").json()["user"] == alice.pk
    assert thief(before).whoami() == 401


def test_a_test_client_can_log_in_without_a_password(alice: User, store: Store) -> None:
    visitor = Visitor()
    async_to_sync(visitor.aforce_login)(alice)
    assert visitor.ask("/read/").json()["user"] == alice.pk
    assert DeviceSession.objects.get().digest == digest(visitor.session_id)
    async_to_sync(visitor.alogout)()
    assert keys(store) == set()


def test_the_checks_can_be_asked_where_a_server_loads_the_site(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some servers import the application inside their event loop."""
    monkeypatch.setattr("security.checks._Checked.passed", False)

    @async_to_sync
    async def load() -> None:
        ASGIHandler()

    with override_settings(ALLOWED_HOSTS=["localhost"]):
        load()


def test_a_new_hash_of_the_same_password_ends_nothing(visitor: Visitor, alice: User, monkeypatch: Any) -> None:
    monkeypatch.setattr(Argon2id, "memory_cost", 16)
    before = alice.password
    assert async_to_sync(alice.acheck_password)(RIGHT)
    alice.refresh_from_db()
    assert alice.password != before
    assert UserAccess.objects.get().token_version == 0
    assert visitor.ask("/read/").json()["user"] == alice.pk


def test_a_user_is_found_and_changed_by_awaiting_as_without(visitor: Visitor, alice: User) -> None:
    assert async_to_sync(User.objects.aget_by_natural_key)("ALICE@example.com") == alice
    assert async_to_sync(User.objects.filter(pk=alice.pk).aupdate)(role=User.Role.ADMIN) == 1
    assert UserAccess.objects.get().token_version == 1
    assert visitor.ask("/read/").json()["user"] is None
