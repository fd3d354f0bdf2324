"""A session from login to logout: when its id changes, when it ends, and which of two simultaneous requests wins."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.db.models import DateTimeField, Value
from django.http import HttpRequest
from django.test import RequestFactory
from redis.exceptions import RedisError

from accounts.models import User
from security.backends import InvalidCredentials
from security.models import PendingRevocation, SecurityEvent
from security.revocation import carry_out, revoke_access
from security.users import stored_users
from sessions_demo import lifecycle
from sessions_demo.flow import FLOW
from sessions_demo.models import DeviceSession
from sessions_demo.record import ABSOLUTE_END, DEVICE, IDLE_END, REMEMBER, SEEN, USER_ID, whole
from sessions_demo.store import SessionStore
from tests.access import version_of
from tests.conftest import NOON, PASSWORDS, Clock
from tests.running import Store
from tests.sampling import sampled
from tests.sessions_demo.conftest import (
    DEVICES,
    LOGIN,
    LOGOUT,
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
    after,
    assert_cleared,
    database_away,
    keys,
    logged_in,
    raw_key,
    record,
    thief,
)

BY_PAGE = {"old_password": RIGHT, "new_password1": NEW, "new_password2": NEW}
DAY, HOUR = 86_400, 3600
committed = pytest.mark.django_db(transaction=True)


# ── The id changes (C3) ───────────────────────────────────────────────────────────────────────

CHANGES: dict[str, Callable[[Visitor], Any]] = {
    "re-login": lambda visitor: visitor.sign_in(),
    "re-login by page": lambda visitor: visitor.sign_in_by_page(),
    "reauthenticate": lambda visitor: visitor.call("POST", REAUTHENTICATE, {"password": RIGHT}),
    "password": lambda visitor: visitor.call("POST", PASSWORD, {"current": RIGHT, "new": NEW}),
    "password by page": lambda visitor: visitor.submit(PASSWORD_PAGE, BY_PAGE),
}


@committed
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_id_changes_and_the_old_one_is_dead(alice: User, store: Store, change: Callable[[Visitor], Any]) -> None:
    visitor = logged_in()
    before, key = visitor.session_id, visitor.key
    assert change(visitor).status_code in (200, 302)
    assert visitor.session_id not in ("", before)
    assert visitor.whoami() == visitor.get(PROFILE_PAGE).status_code == visitor.get(PROFILE).status_code == 200
    assert thief(before).whoami() == 401
    assert thief(before).get(PROFILE_PAGE).status_code == 302
    assert keys(store) == {visitor.key} != {key}
    assert DeviceSession.objects.live().get() == visitor.row


@pytest.mark.parametrize("first", ["alice@example.com", "admin@example.com"])
@pytest.mark.parametrize("way", [Visitor.log_in, Visitor.sign_in, Visitor.sign_in_by_page])
def test_a_login_over_another_session_ends_that_one(
    alice: User, admin: User, store: Store, first: str, way: Callable[..., Any]
) -> None:
    visitor = logged_in(first)
    before, row = visitor.session_id, visitor.row
    assert way(visitor, admin.email).status_code in (200, 302)
    assert visitor.get(WHOAMI).json() == {"userId": str(admin.pk), "role": "admin"}
    assert visitor.get("/admin/").status_code == 200
    assert thief(before).whoami() == 401
    assert keys(store) == {visitor.key}
    row.refresh_from_db()
    assert (row.ended is None, row.reason) == (False, "logged in again")
    assert DeviceSession.objects.live().get() == visitor.row != row


@pytest.mark.parametrize("way", [Visitor.sign_in, Visitor.sign_in_by_page])
def test_nothing_that_somebody_planted_is_taken_along_into_a_login(
    alice: User, store: Store, way: Callable[..., Any]
) -> None:
    planted = SessionStore()
    planted.update({"remember": True, "planted": "by mallory"})
    planted.save()
    visitor = thief(str(planted.session_key))
    assert way(visitor).status_code in (200, 302)
    assert visitor.session_id != planted.session_key
    assert "planted" not in record(store, visitor)
    assert visitor.row.remember is False
    assert keys(store) == {visitor.key}


def test_a_login_to_the_admin_is_in_the_registry(at_admin: Visitor, admin: User) -> None:
    row = at_admin.row
    assert (row.user, row.user_agent, row.address) == (admin, "admin/1.0", "127.0.0.1")
    assert (row.remember, row.ended) == (False, None)
    assert [device["id"] for device in at_admin.get(DEVICES).json()["devices"]] == [str(row.pk)]
    assert FLOW.end(admin, row.pk, "test")
    assert at_admin.get("/admin/").status_code == 302


def test_the_admins_own_logout_ends_the_session_and_its_row(at_admin: Visitor, store: Store) -> None:
    stolen, row = at_admin.session_id, at_admin.row
    assert at_admin.get("/admin/logout/").status_code == 405
    done = at_admin.submit("/admin/logout/")
    assert done.status_code in (200, 302)
    assert_cleared(done)
    row.refresh_from_db()
    assert row.reason == "logged out"
    assert keys(store) == set()
    assert thief(stolen).get("/admin/").status_code == 302


# ── Both ends (C5) ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("remember", "idle"), [(False, 2 * HOUR), (True, 14 * DAY)])
@pytest.mark.parametrize("path", [WHOAMI, PROFILE_PAGE])
def test_an_unused_session_ends(alice: User, clock: Clock, store: Store, remember: bool, idle: int, path: str) -> None:
    visitor = logged_in(remember=remember)
    store.client(0).persist(store.client(0).keys()[0])
    clock(idle - 1)
    assert thief(visitor.session_id).get(path).status_code == 200
    clock(idle - 1 + idle)  # it was used a second before its end, so its end has moved
    refused = thief(visitor.session_id).get(path)
    assert refused.status_code == (401 if path == WHOAMI else 302)
    assert not refused.cookies
    assert keys(store) != set(), "Redis still has it; our own clock must have decided"
    assert FLOW.list(alice.pk) == []


@pytest.mark.parametrize(("remember", "idle", "absolute"), [(False, 2 * HOUR, DAY), (True, 14 * DAY, 30 * DAY)])
def test_a_session_ends_however_much_it_is_used(
    alice: User, clock: Clock, store: Store, remember: bool, idle: int, absolute: int
) -> None:
    visitor = logged_in(remember=remember)
    ends = record(store, visitor)[ABSOLUTE_END]
    for second in range(idle - 60, absolute, idle - 60):
        clock(second)
        assert visitor.whoami() == 200
        assert record(store, visitor)[ABSOLUTE_END] == ends == visitor.row.absolute_end.timestamp()
        assert record(store, visitor)[IDLE_END] == visitor.row.idle_end.timestamp() <= ends
    store.client(0).persist(store.client(0).keys()[0])
    clock(absolute - 0.5)
    assert thief(visitor.session_id).whoami() == 200
    clock(absolute)
    assert thief(visitor.session_id).whoami() == 401
    assert FLOW.list(alice.pk) == []


@committed
@pytest.mark.parametrize("remember", [False, True])
@pytest.mark.parametrize("change", ["reauthenticate", "password", "password by page"])
def test_a_new_id_gives_no_more_time(alice: User, clock: Clock, store: Store, change: str, remember: bool) -> None:
    visitor = logged_in(remember=remember)
    absolute = 30 * DAY if remember else DAY
    before = record(store, visitor)
    clock(30)
    answer = CHANGES[change](visitor)
    later = record(store, visitor)
    for name in (ABSOLUTE_END, IDLE_END, REMEMBER, DEVICE):
        assert later[name] == before[name]
    assert answer.cookies[SESSION]["max-age"] == absolute - 30
    clock(absolute)
    assert visitor.whoami() == 401


def test_last_seen_is_written_at_most_once_a_minute(
    alice: User, clock: Clock, store: Store, measured: Callable[..., Any]
) -> None:
    visitor = logged_in()
    seen = visitor.row.last_seen.timestamp()
    for second, written in ((59, 0), (60, 60), (61, 60), (119, 60), (120, 120), (1000, 1000)):
        clock(second)
        with measured() as cost:
            answer = visitor.get(WHOAMI)
        moved = written == second
        assert (visitor.row.last_seen.timestamp(), record(store, visitor)[SEEN]) == (seen + written, seen + written)
        assert (cost.redis, len(cost.sql)) == (["GET", "SET"] if moved else ["GET"], 2 if moved else 0)
        # The cookie ends at the absolute end, since the login.
        assert not answer.cookies
        if moved:
            assert visitor.row.idle_end.timestamp() == seen + second + 2 * HOUR


def test_a_row_that_somebody_ended_takes_its_record_along_within_the_minute(at_alice: Visitor, clock: Clock) -> None:
    """If a record outlives its row, it ends when its use is noted the next time."""
    clock(0)
    at_alice.sign_in()
    DeviceSession.objects.live().mark_ended("by hand")
    clock(60)
    at_alice.whoami()
    assert at_alice.whoami() == 401


@committed
def test_a_password_that_was_changed_past_the_signals_spares_no_session(
    alice: User, clock: Clock, store: Store
) -> None:
    """Only the request that sets the password keeps its session, not the first request that notices the change."""
    first, second = logged_in(), logged_in(agent=SECOND)
    stored_users().filter(pk=alice.pk).update(password=make_password(NEW))
    clock(60)
    assert (first.whoami(), second.whoami()) == (401, 401)
    assert keys(store) == set()


# ── Two things at once ────────────────────────────────────────────────────────────────────────


ENDINGS: dict[str, Callable[[Visitor], Any]] = {
    "logout": lambda visitor: thief(visitor.session_id).call("POST", LOGOUT),
    "end": lambda visitor: FLOW.end(visitor.row.user, visitor.row.pk, "test"),
    "end all": lambda visitor: FLOW.end_others(visitor.row.user, None, "test"),
    "revocation": lambda visitor: revoke_access(visitor.row.user, "test"),
}


@committed
@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
@pytest.mark.parametrize("path", [WHOAMI, PROFILE_PAGE])
def test_a_request_under_way_does_not_bring_an_ended_session_back(
    alice: User, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch, ending: Callable[..., Any], path: str
) -> None:
    visitor = logged_in()
    clock(60)  # so that the request notes its use
    after(monkeypatch, "sessions_demo.models.DeviceSessions.update", lambda: ending(visitor))
    answer = visitor.get(path)
    # The JSON view renews the session before it answers. A page renews it after the view.
    assert answer.status_code == (401 if path == WHOAMI else 200)
    assert not answer.cookies
    assert keys(store) == set()
    assert not DeviceSession.objects.live().exists()
    assert visitor.whoami() == 401


@committed
@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
@pytest.mark.parametrize("change", ["reauthenticate", "password", "password by page"])
@pytest.mark.parametrize("moment", ["sessions_demo.lifecycle.cycle_key", "sessions_demo.lifecycle.SessionStore.create"])
def test_a_new_id_does_not_escape_an_ending(
    alice: User,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    ending: Callable[..., Any],
    change: str,
    moment: str,
) -> None:
    """Another request ends the session just before its row gets the new digest, or just after."""
    visitor = logged_in()
    row, before = visitor.row, visitor.session_id
    visitor_then = thief(before)
    monkeypatch.setattr(Visitor, "row", property(lambda self: DeviceSession.objects.get(pk=row.pk)))
    after(monkeypatch, moment, lambda: ending(visitor_then))
    answer = CHANGES[change](visitor)
    monkeypatch.undo()
    assert answer.status_code in (200, 302, 401, 403)
    row.refresh_from_db()
    assert visitor.whoami() == thief(before).whoami() == 401
    assert keys(store) == set()
    assert row.ended is not None


def test_a_session_that_gets_a_new_id_while_it_is_being_ended_is_ended(
    at_alice: Visitor, alice: User, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session gets its new id between the query for live sessions and the deletion."""
    session, row = SessionStore(at_alice.session_id), at_alice.row
    delete = lifecycle.store.delete

    def overtaken(digests: Any) -> None:
        monkeypatch.undo()
        lifecycle.cycle_key(session, alice)
        session.save()
        delete(digests)

    monkeypatch.setattr(lifecycle.store, "delete", overtaken)
    assert FLOW.end_others(alice, None, "test") == 1
    assert thief(str(session.session_key)).whoami() == 401
    assert keys(store) == set()
    row.refresh_from_db()
    assert row.reason == "test"


def test_the_two_store_objects_of_one_session(at_alice: Visitor, store: Store) -> None:
    first, second = SessionStore(at_alice.session_id), SessionStore(at_alice.session_id)
    user = User.objects.get()
    assert first[DEVICE] == second[DEVICE]
    FLOW.end_others(user, None, "ended in the second request")
    with pytest.raises(InvalidCredentials):
        lifecycle.cycle_key(first, user)
    assert first.is_empty()
    assert keys(store) == set()


@committed
@pytest.mark.parametrize(
    "revoke",
    [
        lambda alice: revoke_access(alice, "test"),
        lambda alice: (setattr(alice, "is_active", False), alice.save()),
        lambda alice: (setattr(alice, "role", "admin"), alice.save()),
        lambda alice: (alice.set_password(NEW), alice.save()),
        lambda alice: alice.delete(),
    ],
    ids=["everywhere", "banned", "role", "password", "deleted"],
)
@pytest.mark.parametrize("way", [Visitor.sign_in, Visitor.sign_in_by_page])
def test_a_login_that_overlaps_a_revocation_loses(
    alice: User, store: Store, monkeypatch: pytest.MonkeyPatch, revoke: Callable[[User], Any], way: Any
) -> None:
    """The access is revoked while the password is being hashed."""
    module = "views" if way is Visitor.sign_in else "pages"
    after(monkeypatch, f"sessions_demo.{module}.verify", lambda: revoke(User.objects.get()))
    visitor = Visitor()
    refused = way(visitor)
    assert refused.status_code == 401
    assert visitor.session_id == ""
    assert keys(store) == set()
    assert not DeviceSession.objects.exists()
    if way is Visitor.sign_in:
        assert refused.json() == {"error": "Invalid credentials"}
    assert not SecurityEvent.objects.filter(name=SecurityEvent.Name.LOGIN_SUCCESS).exists()


@committed
def test_a_login_to_the_admin_that_overlaps_a_revocation_loses(
    admin: User, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    after(monkeypatch, "security.backends.PasswordBackend.authenticate", lambda: revoke_access(admin, "test"))
    visitor = Visitor()
    assert visitor.log_in(admin.email).status_code == 403
    assert (visitor.session_id, keys(store)) == ("", set())
    assert not DeviceSession.objects.exists()


@committed
@pytest.mark.parametrize("way", [Visitor.sign_in, Visitor.sign_in_by_page])
def test_a_revocation_between_a_login_and_its_answer_ends_it(
    alice: User, store: Store, monkeypatch: pytest.MonkeyPatch, way: Callable[..., Any]
) -> None:
    after(monkeypatch, "sessions_demo.lifecycle.start", lambda: revoke_access(alice, "test"))
    visitor = Visitor()
    way(visitor)
    assert (visitor.session_id, keys(store)) == ("", set())
    assert DeviceSession.objects.get().ended is not None


@committed
def test_a_confirmation_that_overlaps_a_revocation_loses(
    alice: User, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = logged_in()
    after(monkeypatch, "sessions_demo.views.verify", lambda: revoke_access(alice, "test"))
    refused = visitor.call("POST", REAUTHENTICATE, {"password": RIGHT})
    assert (refused.status_code, refused.json()) == (401, {"error": "Invalid credentials"})
    assert keys(store) == set()
    assert visitor.whoami() == 401


# ── Outages in the middle (C12) ───────────────────────────────────────────────────────────────

OVER_A_SESSION = {"sign in": Visitor.sign_in, "by page": Visitor.sign_in_by_page, "admin": Visitor.log_in}


@committed
@pytest.mark.parametrize(
    "moment",
    sampled(["sessions_demo.views.verify", "sessions_demo.lifecycle.start"], ["sessions_demo.lifecycle.start"]),
)
def test_the_store_dies_during_a_login(alice: User, store: Store, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    """Redis dies after the throttle and before the record, and after the record and before the answer."""
    visitor = Visitor(raise_request_exception=False)
    after(monkeypatch, moment, lambda: store.kill())
    refused = visitor.sign_in()
    assert (refused.status_code, refused["Retry-After"]) == (503, "5")
    assert refused.json() == {"error": "Unavailable for a moment"}
    assert SESSION not in refused.cookies
    store.start()
    assert not DeviceSession.objects.live().exists()
    for name in keys(store):
        assert USER_ID not in whole(json.loads(store.client(0).get(raw_key(store, name)) or b"{}"))
    assert visitor.whoami() == 401
    assert visitor.sign_in().status_code == 200
    assert visitor.whoami() == 200


@committed
@pytest.mark.parametrize(
    "way", [lambda visitor: visitor.call("POST", LOGOUT), lambda visitor: visitor.submit("/session/logout/")]
)
@pytest.mark.parametrize("moment", sampled(["before", "between look and deletion"], ["between look and deletion"]))
def test_the_store_dies_at_a_logout_and_she_is_still_logged_in(
    alice: User, store: Store, monkeypatch: pytest.MonkeyPatch, way: Callable[..., Any], moment: str
) -> None:
    visitor = logged_in()
    visitor.raise_request_exception = False
    if moment == "before":
        store.kill()
    else:
        after(monkeypatch, "django.contrib.sessions.backends.base.SessionBase.get", lambda: store.kill())
    refused = way(visitor)
    assert (refused.status_code, refused["Retry-After"]) == (503, "5")
    assert SESSION not in refused.cookies
    assert "Clear-Site-Data" not in refused
    store.start()
    assert visitor.whoami() == visitor.get(PROFILE_PAGE).status_code == 200
    assert visitor.row.ended is None
    assert way(visitor).status_code == 200
    assert visitor.whoami() == 401


def test_a_json_logout_in_an_outage_says_that_it_failed(at_alice: Visitor, store: Store) -> None:
    at_alice.raise_request_exception = False
    store.kill()
    refused = at_alice.call("POST", LOGOUT)
    assert refused.status_code == 503
    assert refused["Cache-Control"] == "no-store"
    assert refused.json() == {"error": "Logout failed"}


# The status of each change while Redis dies. The password is changed in any case.
INTERRUPTED = [("reauthenticate", 503), ("password", 200), ("password by page", 302)]


@committed
@pytest.mark.parametrize("command", ["create", "delete"])
@pytest.mark.parametrize(("change", "status"), sampled(INTERRUPTED, INTERRUPTED[1:2]))
def test_a_change_of_id_that_an_outage_interrupts_leaves_nothing_that_cannot_be_ended(
    alice: User,
    store: Store,
    run_housekeeping: Callable[[], None],
    change: str,
    status: int,
    command: str,
) -> None:
    visitor = logged_in()
    visitor.raise_request_exception = False
    before = visitor.session_id
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SessionStore, command, dying(store))
        answer = CHANGES[change](visitor)
    store.start()
    assert answer.status_code == status
    assert SESSION not in answer.cookies
    assert thief(before).row.ended is None, "the row still names the id that lives"
    if change == "reauthenticate":
        assert thief(before).whoami() == 200
        assert FLOW.end_others(alice, None, "test") == 1
    else:
        assert PendingRevocation.objects.count() == 1
        run_housekeeping()
    assert thief(before).whoami() == 401


def dying(store: Store) -> Callable[..., None]:
    """Replaces a function: kills the Redis server and raises its error."""

    def dies(*_: Any) -> None:
        store.kill()
        raise RedisError

    return dies


@committed
@pytest.mark.parametrize("first", sampled(["alice@example.com", "admin@example.com"], ["alice@example.com"]))
def test_an_interrupted_login_to_the_admin_leaves_no_session_without_a_row(
    alice: User, admin: User, store: Store, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    visitor = logged_in(first)
    visitor.raise_request_exception = False
    before = visitor.session_id
    after(monkeypatch, "security.backends.PasswordBackend.authenticate", lambda: store.kill())
    refused = visitor.log_in(admin.email)
    assert refused.status_code == 503
    assert SESSION not in refused.cookies
    store.start()
    assert visitor.session_id == before
    assert visitor.whoami() == 200
    assert DeviceSession.objects.live().get() == visitor.row


@committed
def test_an_interrupted_logout_from_the_admin_is_none(
    admin: User, at_admin: Visitor, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_admin.raise_request_exception = False
    after(monkeypatch, "django.contrib.auth.get_user", lambda: store.kill())
    refused = at_admin.submit("/admin/logout/")
    assert refused.status_code == 503
    assert SESSION not in refused.cookies
    store.start()
    assert at_admin.get("/admin/").status_code == 200
    assert at_admin.row.ended is None


@committed
@pytest.mark.parametrize("way", OVER_A_SESSION.values(), ids=OVER_A_SESSION)
def test_a_login_without_the_database_leaves_no_half_session(
    admin: User, store: Store, monkeypatch: pytest.MonkeyPatch, way: Callable[..., Any]
) -> None:
    visitor = Visitor(raise_request_exception=False)
    away = database_away()
    after(monkeypatch, "security.backends.PasswordBackend.authenticate", away.__enter__)
    try:
        refused = way(visitor, admin.email)
    finally:
        away.__exit__(None, None, None)
    assert (refused.status_code, refused["Retry-After"]) == (503, "5")
    assert (visitor.session_id, keys(store)) == ("", set())
    assert not DeviceSession.objects.exists()
    assert way(visitor, admin.email).status_code in (200, 302)
    assert visitor.whoami() == 200


@committed
def test_a_database_that_is_away_costs_only_the_note_of_use(alice: User, clock: Clock, store: Store) -> None:
    at_alice = logged_in()
    seen = record(store, at_alice)[SEEN]
    clock(60)
    with database_away():
        assert at_alice.whoami() == 200
        at_alice.raise_request_exception = False
        assert at_alice.get(PROFILE).status_code == 503
    assert record(store, at_alice)[SEEN] == seen
    assert at_alice.whoami() == at_alice.get(PROFILE).status_code == 200


@committed
@pytest.mark.parametrize("apart", [-30, -2, 0, 2, 30])
@pytest.mark.parametrize(("second", "ends"), [(9, True), (11, False)])
def test_a_logout_under_the_id_before_counts_by_the_databases_clock(
    at_alice: Visitor, clock: Clock, monkeypatch: pytest.MonkeyPatch, apart: int, second: int, ends: bool
) -> None:
    by_database = {"now": NOON}
    now = lambda: Value(by_database["now"], output_field=DateTimeField())  # noqa: E731
    for module in ("models", "lifecycle"):  # `models` writes the time, `lifecycle` compares it
        monkeypatch.setattr(f"sessions_demo.{module}.database_now", now)
    before = at_alice.session_id
    clock(apart)
    assert at_alice.call("POST", REAUTHENTICATE, {"password": PASSWORDS["alice@example.com"]}).status_code == 200
    by_database["now"] = NOON + timedelta(seconds=second)
    clock(second - apart)
    assert thief(before).call("POST", LOGOUT).status_code == 200
    assert DeviceSession.objects.filter(ended=None).exists() is not ends


@pytest.mark.parametrize(
    "way", [lambda visitor: visitor.call("POST", LOGOUT), lambda visitor: visitor.submit("/session/logout/")]
)
def test_a_logout_without_the_database_is_one(alice: User, store: Store, way: Callable[..., Any]) -> None:
    visitor = logged_in()
    stolen = visitor.session_id
    with database_away():
        done = way(visitor)
    assert done.status_code == 200
    assert_cleared(done)
    assert keys(store) == set()
    assert thief(stolen).whoami() == 401
    assert FLOW.list(alice.pk) == []


# ── Ending what others hold (C9, C10) ─────────────────────────────────────────────────────────


def test_a_row_whose_record_is_lost_is_no_device(at_alice: Visitor, second: Visitor, store: Store) -> None:
    user = User.objects.get()
    assert len(FLOW.list(user.pk)) == 2
    store.client(0).delete(*store.client(0).keys(f"*{second.key}"))
    assert [device.id for device in FLOW.list(user.pk)] == [at_alice.row.pk]


def test_ends_are_told_apart_by_user(at_alice: Visitor, at_bob: Visitor, bob: User) -> None:
    assert FLOW.end(bob, at_alice.row.pk, "test") is False
    assert FLOW.end_others(bob, str(at_bob.row.pk), "test") == 0
    assert at_alice.whoami() == at_bob.whoami() == 200
    assert FLOW.end_others(bob, None, "test") == 1
    assert (at_alice.whoami(), at_bob.whoami()) == (200, 401)
    event = SecurityEvent.objects.get(name=SecurityEvent.Name.SESSION_REVOKED)
    assert (event.user_key, event.detail) == (str(bob.pk), {"ended": 1, "reason": "test"})


def test_a_device_that_is_ended_twice_is_ended_once(at_alice: Visitor, alice: User) -> None:
    row = at_alice.row
    assert FLOW.end(alice, row.pk, "first")
    assert not FLOW.end(alice, row.pk, "second")
    row.refresh_from_db()
    assert row.reason == "first"


def test_end_all_spares_what_was_begun_since(at_alice: Visitor, alice: User) -> None:
    assert FLOW.end_all(str(alice.pk), version_of(alice), "late") == 0
    assert at_alice.whoami() == 200
    assert FLOW.end_all(str(alice.pk), version_of(alice) + 1, "now") == 1
    assert at_alice.whoami() == 401


@pytest.mark.parametrize("keep", [None, object(), SessionStore()])
def test_what_is_no_session_of_ours_is_not_kept(at_alice: Visitor, alice: User, keep: Any) -> None:
    assert FLOW.end_all(str(alice.pk), 1, "test", keep) == 1
    assert at_alice.whoami() == 401


def test_a_session_begun_without_a_browser_is_one_too(alice: User, store: Store) -> None:
    request: HttpRequest = RequestFactory().post(LOGIN)
    request.session = SessionStore()  # type: ignore[assignment]
    lifecycle.start(request, alice, remember=False)
    row = DeviceSession.objects.get()
    assert (row.user_agent, row.address, row.user) == ("", "127.0.0.1", alice)
    assert row.digest == request.session.digest  # type: ignore[attr-defined]
    assert SECOND not in (row.user_agent, PASSWORDS)
    assert carry_out(PendingRevocation(user_key=str(alice.pk), token_version=1, reason="test"))
