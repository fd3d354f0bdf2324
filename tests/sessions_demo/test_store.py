"""Sessions in a real Redis-protocol store: what lies there, what is believed of it, and what an outage does."""

import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.backends.base import CreateError, UpdateError
from redis.exceptions import RedisError

from accounts.models import User
from sessions_demo.store import SessionStore
from tests.conftest import Browser
from tests.running import Store

PAGE = "/accounts/password/"
ran: list[str] = []


def take_effect() -> None:
    ran.append("poison")


class Poison:
    """Pickled, it runs code when it is read."""

    def __reduce__(self) -> Any:
        return take_effect, ()


@pytest.fixture
def logged_in(alice: User, browser: Browser) -> Browser:
    browser.force_login(alice)
    assert browser.get(PAGE).status_code == 200
    return browser


def only_key(store: Store) -> bytes:
    (key,) = store.client(0).keys("*")
    return key


def test_reading_the_store_gives_no_cookie(logged_in: Browser, store: Store) -> None:
    redis = store.client(0)
    for key in redis.scan_iter():
        assert logged_in.session_id.encode() not in key + redis.dump(key) + redis.get(key)
        found = key.decode().rpartition(":")[2]
        assert len(found) == 64
        thief = Browser()
        thief.cookies[settings.SESSION_COOKIE_NAME] = found
        assert thief.get(PAGE).status_code == 302


def test_a_record_is_json(logged_in: Browser, alice: User, store: Store) -> None:
    assert json.loads(store.client(0).get(only_key(store)))["_auth_user_id"] == str(alice.pk)


def test_an_id_has_at_least_128_random_bits() -> None:
    ids = {SessionStore()._get_new_session_key() for _ in range(100)}
    assert len(ids) == 100
    assert all(len(one) == 32 and len(set(one) - set("abcdefghijklmnopqrstuvwxyz0123456789")) == 0 for one in ids)


@pytest.mark.parametrize(
    "value",
    [
        pickle.dumps(Poison()),
        pickle.dumps({"_auth_user_id": "1"}, 0),
        b"",
        b"\xff\xfe\x00",
        b"[]",
        b"null",
        b"true",
        b"4711",
        b"9" * 5000,
        b'"text"',
        b"{",
        b"NaN",
        b"[" * 100_000,
        b"{}",
    ],
    ids=lambda value: repr(value[:12]),
)
def test_what_somebody_else_wrote_is_no_session_and_nothing_runs(
    logged_in: Browser, store: Store, value: bytes
) -> None:
    store.client(0).set(only_key(store), value)
    assert logged_in.get(PAGE).status_code == 302
    assert ran == []


def test_the_poison_is_one() -> None:
    pickle.loads(pickle.dumps(Poison()))  # noqa: S301
    assert ran == ["poison"]
    ran.clear()


@pytest.mark.parametrize("chosen", ["a" * 32, "x", "../../etc", "session:x", "\u00fc" * 32, "a" * 4000])
def test_a_chosen_id_is_never_adopted(admin: User, store: Store, chosen: str) -> None:
    victim = Browser()
    victim.cookies[settings.SESSION_COOKIE_NAME] = chosen
    assert victim.get(PAGE).status_code == 302
    assert store.client(0).dbsize() == 0
    victim.cookies[settings.SESSION_COOKIE_NAME] = chosen
    assert victim.log_in(admin.email).status_code == 302
    assert victim.session_id not in ("", chosen)
    attacker = Browser()
    attacker.cookies[settings.SESSION_COOKIE_NAME] = chosen
    assert attacker.get(PAGE).status_code == 302


def test_what_is_written_under_a_chosen_id_gets_a_new_one(store: Store) -> None:
    session = SessionStore("a" * 32)
    session["x"] = 1
    session.save()
    assert session.session_key not in (None, "a" * 32)
    assert store.client(0).dbsize() == 1
    assert not SessionStore().exists("a" * 32)


def test_looking_around_stores_nothing(db: None, browser: Browser, store: Store) -> None:
    for path in ("/", "/accounts/register/", "/accounts/password/reset/", PAGE, "/admin/", "/nothing"):
        assert browser.get(path).status_code in (200, 302, 404)
    assert store.client(0).dbsize() == 0
    assert browser.session_id == ""


def test_the_id_changes_at_login_and_the_old_one_is_dead(admin: User, alice: User, store: Store) -> None:
    browser = Browser()
    browser.force_login(alice)
    before = browser.session_id
    browser.log_in(admin.email)
    assert browser.session_id != before
    assert store.client(0).dbsize() == 1
    browser.cookies[settings.SESSION_COOKIE_NAME] = before
    assert browser.get(PAGE).status_code == 302


def test_logging_out_leaves_nothing_in_the_store(admin: User, browser: Browser, store: Store) -> None:
    browser.force_login(admin)
    stolen = browser.session_id
    assert browser.get("/admin/logout/").status_code == 405
    assert browser.get(PAGE).status_code == 200
    assert browser.submit("/admin/logout/").status_code in (200, 302)
    assert store.client(0).dbsize() == 0
    browser.cookies[settings.SESSION_COOKIE_NAME] = stolen
    assert browser.get(PAGE).status_code == 302


@pytest.mark.parametrize("page", [PAGE, "/admin/"])
def test_an_outage_is_no_logout(logged_in: Browser, store: Store, page: str) -> None:
    logged_in.raise_request_exception = False
    cookie = logged_in.session_id
    store.kill()
    refused = logged_in.get(page)
    assert refused.status_code == 503
    assert int(refused["Retry-After"]) > 0
    assert settings.SESSION_COOKIE_NAME not in refused.cookies
    assert logged_in.session_id == cookie
    store.start()
    assert logged_in.get(PAGE).status_code == 200


def test_a_store_that_is_away_raises_and_is_not_an_empty_session(store: Store) -> None:
    session = SessionStore()
    session["a"] = 1
    session.save()
    store.kill()
    for act in (
        SessionStore(session.session_key).load,
        session.save,
        session.delete,
        SessionStore().create,
        lambda: SessionStore().exists("x"),
    ):
        with pytest.raises(RedisError):
            act()


def test_a_session_that_was_ended_does_not_come_back(store: Store) -> None:
    """The request that was under way when another one ended its session."""
    under_way = SessionStore()
    under_way["a"] = 1
    under_way.save()
    SessionStore(under_way.session_key).delete()
    under_way["b"] = 2
    with pytest.raises(UpdateError):
        under_way.save()
    assert store.client(0).dbsize() == 0


def test_a_request_overtaken_by_a_logout_brings_nothing_back(
    admin: User, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = Browser()
    browser.force_login(admin)
    save = SessionStore.save

    def after_logout(self: SessionStore, must_create: bool = False) -> None:
        if not must_create:
            store.client(0).flushdb()
        save(self, must_create)

    monkeypatch.setattr(SessionStore, "save", after_logout)
    user = User.objects.create_user("carol@example.com")
    data = {"email": user.email, "name": "C", "role": "member"}
    assert browser.submit(f"/admin/accounts/user/{user.pk}/change/", data).status_code == 400
    assert store.client(0).dbsize() == 0
    assert browser.get(PAGE).status_code == 302


def test_an_id_that_is_taken_is_not_taken_over() -> None:
    one = SessionStore()
    one["owner"] = "alice"
    one.save()
    other = SessionStore(one.session_key)
    with pytest.raises(CreateError):
        other.save(must_create=True)
    assert SessionStore(one.session_key)["owner"] == "alice"


def test_a_new_id_takes_the_record_along() -> None:
    session = SessionStore()
    session["a"] = 1
    session.save()
    before = session.session_key
    session.cycle_key()
    assert session.session_key != before
    assert SessionStore(session.session_key)["a"] == 1
    assert not SessionStore().exists(before)
    session.flush()
    assert session.is_empty()


def test_a_record_goes_by_itself(logged_in: Browser, store: Store) -> None:
    assert 0 < store.client(0).ttl(only_key(store)) <= settings.SESSION_COOKIE_AGE


def test_reading_is_one_command_and_so_is_each_write(measured: Callable[..., Any]) -> None:
    with measured() as cost:
        session = SessionStore()
        session["a"] = 1
        session.save()
    assert cost.redis == ["SET"]
    with measured() as cost:
        SessionStore(session.session_key)["a"]
    assert cost.redis == ["GET"]
    with measured() as cost:
        session.save()
    assert cost.redis == ["SET"]
    with measured() as cost:
        session.cycle_key()
    assert cost.redis == ["SET", "DEL"]


def test_a_page_reads_its_session_once(logged_in: Browser, measured: Callable[..., Any]) -> None:
    with measured() as cost:
        assert logged_in.get(PAGE).status_code == 200
    assert (cost.redis, len(cost.sql)) == (["GET"], 1)


def test_the_cookie_is_bound_to_this_host_and_out_of_reach_of_scripts(admin: User, browser: Browser) -> None:
    cookie = browser.log_in(admin.email).cookies["__Host-sessionid"]
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "Strict")
    assert (cookie["path"], cookie["domain"], cookie["max-age"]) == ("/", "", 86_400)
