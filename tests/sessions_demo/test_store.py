"""Sessions in a real Redis-protocol server: what is stored, what is accepted from it, and what an outage does."""

import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as site_settings
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django_redis.client import DefaultClient
from pytest_django import Settings
from redis.exceptions import RedisError

from accounts.models import User
from sessions_demo.record import ABSOLUTE_END, IDLE_END
from sessions_demo.store import PREFIX, SessionStore, digest, existing
from tests.conftest import Browser, Clock
from tests.running import Store
from tests.sessions_demo.conftest import (
    DEVICES,
    LOGOUT,
    NEW,
    PASSWORD,
    PROFILE,
    PROFILE_PAGE,
    REAUTHENTICATE,
    RIGHT,
    SECOND,
    SESSION,
    WHOAMI,
    Visitor,
    keys,
    logged_in,
    raw_key,
    record,
    thief,
)

ran: list[str] = []


def take_effect() -> None:
    ran.append("poison")


class Poison:
    """If it is pickled, unpickling it runs code."""

    def __reduce__(self) -> Any:
        return take_effect, ()


GARBAGE = {
    "poisoned pickle": pickle.dumps(Poison()),
    "pickled record": pickle.dumps({"_auth_user_id": "1", "_auth_device": "x"}, 0),
    "nothing": b"",
    "not UTF-8": b"\xff\xfe\x00",
    "list": b"[]",
    "null": b"null",
    "true": b"true",
    "number": b"4711",
    "long number": b"9" * 5000,
    "text": b'"text"',
    "half": b"{",
    "NaN": b"NaN",
    "deep": b"[" * 100_000,
    "empty": b"{}",
    "a short list": b"[1]",
    "a list of the right length": b"[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]",
    "times out of reach": b'["%s", "", 0, "1", "member", 0, 0, %s, 0, 0, 0]' % (b"A" * 22, b"9" * 400),
    "an end that is text": b'{"_auth_absolute_end": "x"}',
    "an end that is null": b'{"_auth_absolute_end": null}',
    "an end that is no number": b'{"_auth_idle_end": NaN}',
}


# ── Ids (C1, C2) ──────────────────────────────────────────────────────────────────────────────


def test_an_id_has_at_least_128_random_bits() -> None:
    ids = {SessionStore()._get_new_session_key() for _ in range(2000)}
    assert len(ids) == 2000
    assert {len(one) for one in ids} == {32}
    # 32 characters out of 36 are 165 bits, if each character occurs at each place.
    assert set("".join(ids)) == set("abcdefghijklmnopqrstuvwxyz0123456789")
    assert all(len({one[place] for one in ids}) == 36 for place in range(32))


@pytest.mark.parametrize("chosen", ["a" * 32, "x", "../../etc", "session:x", "\u00fc" * 32, "a" * 4000, "*", "\\0"])
@pytest.mark.parametrize("way", [Visitor.sign_in, Visitor.sign_in_by_page, Visitor.log_in])
def test_a_chosen_id_is_never_adopted(admin: User, store: Store, chosen: str, way: Callable[..., Any]) -> None:
    victim = thief(chosen)
    assert victim.whoami() == 401
    assert keys(store) == set()
    victim.cookies[SESSION] = chosen
    assert way(victim, admin.email).status_code in (200, 302)
    assert victim.whoami() == 200
    assert victim.session_id not in ("", chosen)
    assert thief(chosen).whoami() == 401
    assert keys(store) == {victim.key}


def test_the_id_of_a_session_that_has_run_out_is_never_adopted(at_alice: Visitor, store: Store, clock: Clock) -> None:
    clock(0)
    at_alice.sign_in()
    expired, held = at_alice.session_id, at_alice.key
    clock(25 * 3600)
    assert held in keys(store)
    assert at_alice.sign_in().status_code == 200
    assert at_alice.session_id not in ("", expired)
    assert thief(expired).whoami() == 401


def test_an_id_that_is_taken_is_not_taken_over(store: Store) -> None:
    one = SessionStore()
    one["owner"] = "alice"
    one.save()
    other = SessionStore(one.session_key)
    with pytest.raises(CreateError):
        other.save(must_create=True)
    assert SessionStore(one.session_key)["owner"] == "alice"


# ── What lies in Redis (C8) ───────────────────────────────────────────────────────────────────


@pytest.mark.django_db(transaction=True)
def test_after_a_whole_tour_redis_holds_no_cookie_value(alice: User, admin: User, store: Store) -> None:
    seen = set()
    visitor = Visitor()
    tour: list[Callable[[], Any]] = [
        visitor.sign_in,
        lambda: visitor.get(WHOAMI),
        lambda: visitor.get(PROFILE_PAGE),
        lambda: visitor.call("POST", REAUTHENTICATE, {"password": RIGHT}),
        lambda: visitor.call("POST", PASSWORD, {"current": RIGHT, "new": NEW}),
        lambda: visitor.sign_in_by_page(password=NEW, remember="on"),
        lambda: visitor.get(DEVICES),
        lambda: visitor.log_in(admin.email),
        lambda: visitor.get("/admin/"),
    ]
    for step in tour:
        assert step().status_code in (200, 302)
        seen.add(visitor.session_id)
        for number in (0, 1):
            redis = store.client(number)
            dump = b"".join(key + (redis.dump(key) or b"") for key in redis.scan_iter())
            assert not [one for one in seen if one.encode() in dump]
    assert len(seen) == 5
    assert visitor.whoami() == 200
    assert keys(store) == {visitor.key}


def test_the_name_of_a_record_is_no_cookie(at_alice: Visitor, store: Store) -> None:
    (name,) = keys(store)
    found = name.removeprefix(PREFIX)
    assert len(found) == 64
    for stolen in (found, name, raw_key(store, name).decode()):
        assert thief(stolen).whoami() == 401


def test_a_record_is_json_and_says_who_without_the_database(at_alice: Visitor, alice: User, store: Store) -> None:
    held = record(store, at_alice)
    assert (held["_auth_user_id"], held["_auth_role"], held["_auth_ver"]) == (str(alice.pk), "member", 0)
    assert held["_auth_device"] == str(at_alice.row.pk)
    assert 0 < held[IDLE_END] < held[ABSOLUTE_END]
    assert alice.email not in json.dumps(held)


def test_a_login_costs_the_store_at_most_300_bytes(at_alice: Visitor, store: Store, clock: Clock) -> None:
    """The bytes for key and value, as the server counts them."""
    clock(3600)
    assert at_alice.whoami() == 200  # and its use is noted
    [name] = keys(store)
    assert store.client(0).memory_usage(raw_key(store, name)) <= 300


def test_what_a_view_keeps_is_kept_under_its_own_name(at_alice: Visitor, store: Store) -> None:
    session = SessionStore(at_alice.session_id)
    before = dict(session.items())
    session["cart"] = {"tea": 2}
    session.save()
    assert b'{"cart": {"tea": 2}}' in store.client(0).get(raw_key(store, at_alice.key))
    assert dict(SessionStore(at_alice.session_id).items()) == before | {"cart": {"tea": 2}}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_what_somebody_else_wrote_is_no_session_and_nothing_runs(
    at_alice: Visitor, second: Visitor, store: Store, garbage: bytes
) -> None:
    for path, refusal in ((WHOAMI, 401), (PROFILE, 401), (PROFILE_PAGE, 302), (LOGOUT, 200)):
        store.client(0).set(raw_key(store, second.key), garbage)
        visitor = thief(second.session_id)
        answer = visitor.call("POST", path) if path == LOGOUT else visitor.get(path)
        assert answer.status_code == refusal
        assert (SESSION in answer.cookies) == (path == LOGOUT)
        # The list still shows the other devices.
        assert at_alice.get(DEVICES).status_code == 200
    assert ran == []


def test_the_poison_is_one() -> None:
    pickle.loads(pickle.dumps(Poison()))  # noqa: S301
    assert ran == ["poison"]
    ran.clear()


# ── Ends (C5) ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", [ABSOLUTE_END, IDLE_END])
def test_a_record_past_an_end_is_no_session_even_if_redis_still_has_it(store: Store, clock: Clock, name: str) -> None:
    session = SessionStore()
    other = {ABSOLUTE_END: IDLE_END, IDLE_END: ABSOLUTE_END}[name]
    session.update({name: _now() + 60, other: _now() + 6000, "a": 1})
    session.save()
    store.client(0).persist(raw_key(store, PREFIX + session.digest))
    clock(59.9)
    assert SessionStore(session.session_key).get("a") == 1
    clock(60)
    assert SessionStore(session.session_key).is_empty() is False  # the session has not been read yet
    late = SessionStore(session.session_key)
    assert late.get("a") is None
    assert late.is_empty()


def test_redis_forgets_a_record_at_its_first_end(store: Store, clock: Clock) -> None:
    session = SessionStore()
    for ends, seconds in (({}, 3600), ({ABSOLUTE_END: 600}, 600), ({IDLE_END: 60.5}, 61)):
        session.update({name: _now() + value for name, value in ends.items()})
        session.save()
        assert store.client(0).ttl(raw_key(store, PREFIX + session.digest)) == seconds


def _now() -> float:
    from django.utils import timezone

    return timezone.now().timestamp()


# ── Races: an ended session stays ended ───────────────────────────────────────────────────────


def test_a_session_that_was_ended_does_not_come_back(store: Store) -> None:
    """One request is still running when another one ends its session."""
    under_way = SessionStore()
    under_way["a"] = 1
    under_way.save()
    loaded = SessionStore(under_way.session_key)
    assert loaded["a"] == 1
    SessionStore(under_way.session_key).delete()
    loaded["b"] = 2
    with pytest.raises(UpdateError):
        loaded.save()
    assert keys(store) == set()


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


# ── Outages (C12) ─────────────────────────────────────────────────────────────────────────────


def test_a_store_that_is_away_raises_and_is_not_an_empty_session(store: Store) -> None:
    session = SessionStore()
    session["a"] = 1
    session.save()
    store.kill()
    for act in (
        SessionStore(session.session_key).load,
        session.save,
        session.delete,
        session.flush,
        SessionStore().create,
        lambda: SessionStore().exists("x"),
        lambda: existing([digest("x")]),
    ):
        with pytest.raises(RedisError):
            act()
    assert (session.get("a"), session.is_empty()) == (1, False)
    store.start()
    assert SessionStore(session.session_key)["a"] == 1


# ── Cost ──────────────────────────────────────────────────────────────────────────────────────


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
    with measured() as cost:
        assert existing([session.digest, digest("x")]) == {session.digest}
        assert existing([]) == set()
    assert cost.redis == ["MGET"]


def test_two_browsers_have_two_records(at_alice: Visitor, store: Store) -> None:
    other = logged_in(agent=SECOND)
    assert keys(store) == {at_alice.key, other.key}


def test_a_browser_that_only_looks_around_is_given_no_session(db: None, store: Store) -> None:
    browser = Browser()
    for path in ("/", "/session/login/", "/accounts/register/", "/nothing"):
        browser.get(path)
    assert site_settings.SESSION_COOKIE_NAME not in browser.cookies
    assert keys(store) == set()


@pytest.mark.parametrize(
    ("client", "options"),
    [
        # Each has another name, because django-redis has one pool for each address.
        ("pool", {"CONNECTION_POOL_CLASS": "redis.connection.ConnectionPool"}),
        ("zlib", {"COMPRESSOR": "django_redis.compressors.zlib.ZlibCompressor"}),
        ("own", {"CLIENT_CLASS": "tests.sessions_demo.test_store.OwnClient"}),
    ],
)
def test_a_projects_own_cache_keeps_sessions_in_its_own_way(
    client: str, options: dict[str, str], store: Store, settings: Settings
) -> None:
    cache = settings.CACHES["sessions"]
    own = {"LOCATION": f"{cache['LOCATION']}&client_name={client}", "KEY_PREFIX": "mine", "VERSION": 7}
    settings.CACHES = settings.CACHES | {"sessions": cache | own | {"OPTIONS": cache["OPTIONS"] | options}}
    session = SessionStore()
    session["a"] = "b" * 1000
    session.save()
    assert SessionStore(session.session_key)["a"] == "b" * 1000
    (name,) = store.client().scan_iter()
    assert name.startswith(b"mine:7:own:session:" if client == "own" else b"mine:7:session:")


class OwnClient(DefaultClient):
    """A project's own client class, which makes keys in its own way."""

    def get(self, key: Any, *args: Any, **options: Any) -> Any:
        return super().get(f"own:{key}", *args, **options)

    def set(self, key: Any, *args: Any, **options: Any) -> Any:
        return super().set(f"own:{key}", *args, **options)
