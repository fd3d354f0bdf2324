"""Revoked access tokens: what each of the three checks asks, what it misses, and what it does without its store."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection
from django.db.models import QuerySet
from django.utils import timezone
from pytest_django import Settings
from redis.exceptions import RedisError
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from accounts.models import User
from jwt_demo import flow, housekeeping, lifecycle, revocation
from jwt_demo.authentication import JWTAuthentication
from jwt_demo.conf import conf as jwt_conf
from jwt_demo.flow import FLOW
from jwt_demo.lifecycle import IssuedTokens
from jwt_demo.models import Policy, TokenFamily, Transport
from jwt_demo.revocation import CHECKS, LEASE, SKEW, prefix_of
from security.housekeeping import TASKS
from security.models import PendingRevocation, SecurityEvent
from security.outages import OUTAGES
from security.revocation import OWN_TIME, carry_out, carry_out_pending, revoke_access
from tests.access import set_version, version_of
from tests.conftest import Clock
from tests.jwt_demo.conftest import DEVICES, LOGOUT, NEW, PROFILE, SECOND, WHOAMI, Holder, logged_in
from tests.jwt_demo.inside import (
    HERS,
    TOKENS_REVOKED,
    begun,
    committed,
    counts,
    refused,
    rotated,
    row,
    text,
    told,
)
from tests.running import Store
from tests.sessions_demo.conftest import after

pytestmark = pytest.mark.usefixtures("whole")
HOUR = 3600
LASTS = 900 + 60  # the life of an access token and the skew of two clocks
EXPIRY, DENYLIST, VERSION = "expiry", "denylist", "version"


def allowed(issued: IssuedTokens) -> dict[str, bool]:
    """What each check says about an access token."""
    return {name: check.allows(issued.access) for name, check in CHECKS.items()}


def says(expiry: bool, denylist: bool, by_version: bool) -> dict[str, bool]:
    return {EXPIRY: expiry, DENYLIST: denylist, VERSION: by_version}


def denied(store: Store) -> dict[str, int]:
    """The entries of the denylist, each with the seconds that it has left."""
    client = store.client(1)
    return {key.decode(): client.ttl(key) for key in client.scan_iter("deny:*")}


def short(user: User) -> IssuedTokens:
    return lifecycle.access_token_only(User.objects.get(pk=user.pk), HERS)


def end_short(issued: IssuedTokens) -> None:
    lifecycle.end(None, issued.access, "logged out")


# ── What ends a token, and what each check sees of it (A19, B11) ───────────────────────────────

REVOCATIONS: dict[str, Callable[[User], Any]] = {
    "everywhere": lambda alice: revoke_access(alice, "test"),
    "deactivated": lambda alice: (setattr(alice, "is_active", False), alice.save()),
    "deleted": lambda alice: alice.delete(),
    "role": lambda alice: (setattr(alice, "role", "admin"), alice.save()),
    "password": lambda alice: (alice.set_password(NEW), alice.save()),
    "another address": lambda alice: (setattr(alice, "email", "a@example.com"), alice.save()),
}


@committed
@pytest.mark.parametrize("revoke", REVOCATIONS.values(), ids=REVOCATIONS)
@pytest.mark.parametrize("begin", [begun, short], ids=["family", "short"])
def test_a_revocation_is_seen_at_once_by_every_check_that_promises_it(
    alice: User, bob: User, clock: Clock, begin: Callable[[User], IssuedTokens], revoke: Callable[[User], Any]
) -> None:
    """The clock stands still, so the token was signed in the same second as the revocation (B14)."""
    hers, bobs = begin(alice), begin(bob)
    assert allowed(hers) == says(True, True, True)
    revoke(User.objects.get(pk=alice.pk))
    assert allowed(hers) == says(True, False, False)
    assert allowed(bobs) == says(True, True, True)


@committed
@pytest.mark.parametrize("check", [DENYLIST, VERSION, EXPIRY])
@pytest.mark.parametrize("revoke", REVOCATIONS.values(), ids=REVOCATIONS)
def test_over_http_she_is_out_at_the_next_call(
    alice: User, clock: Clock, settings: Settings, check: str, revoke: Callable[[User], Any]
) -> None:
    settings.JWT_REVOCATION = check
    holder = logged_in()
    revoke(User.objects.get(pk=alice.pk))
    answer = holder.call("GET", WHOAMI)
    assert answer.status_code == (200 if check == EXPIRY else 401)
    # A view that reads the row of the user needs no check.
    assert holder.call("GET", PROFILE).status_code == 401
    clock(899)
    assert holder.whoami() == (200 if check == EXPIRY else 401)
    clock(900)
    assert holder.whoami() == 401


@pytest.mark.parametrize(
    "change",
    [
        lambda alice: QuerySet(User).filter(pk=alice.pk).update(is_active=False),
        lambda alice: set_version(alice, 1),
    ],
    ids=["inactive", "another version"],
)
def test_the_version_check_reads_the_row_as_it_is(alice: User, change: Callable[[User], Any]) -> None:
    issued = begun(alice)
    change(alice)
    assert allowed(issued) == says(True, True, False)


@committed
def test_a_login_in_the_second_of_a_revocation_is_good(alice: User, clock: Clock) -> None:
    before = begun(alice)
    revoke_access(User.objects.get(), "test")
    fresh = begun(alice)
    assert before.access["iat"] == fresh.access["iat"]
    assert (allowed(before), allowed(fresh)) == (says(True, False, False), says(True, True, True))


ENDINGS: dict[str, Callable[[User, IssuedTokens], Any]] = {
    "logged out": lambda alice, issued: lifecycle.end(None, issued.access, "logged out"),
    "ended": lambda alice, issued: FLOW.end(alice, row(issued).pk, "test"),
    "others ended": lambda alice, issued: FLOW.end_others(alice, None, "test"),
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_the_end_of_one_device_is_seen_by_the_denylist_alone(
    alice: User, clock: Clock, ending: Callable[[User, IssuedTokens], Any]
) -> None:
    issued = begun(alice)
    latest = rotated(text(issued))
    ending(alice, issued)
    assert allowed(issued) == allowed(latest) == says(True, False, True)
    assert allowed(begun(alice)) == says(True, True, True)


@pytest.mark.parametrize("check", [DENYLIST, EXPIRY])
def test_a_family_whose_policy_is_to_expire_is_not_listed(alice: User, store: Store, check: str) -> None:
    issued = begun(alice, policy=Policy(900, HOUR, HOUR, 10, check))
    FLOW.end_others(alice, None, "test")
    assert bool(denied(store)) == (check == DENYLIST)
    assert counts(issued) == (check == EXPIRY)


# ── What lies in Redis, and for how long (B13) ────────────────────────────────────────────────


@committed
def test_each_entry_names_what_it_denies_and_lasts_until_nothing_is_left_to_deny(alice: User, store: Store) -> None:
    issued, once = begun(alice), short(alice)
    end_short(once)
    FLOW.end(alice, row(issued).pk, "test")
    revoke_access(alice, "test")
    names = [f"jti:{once.access['jti']}", f"sid:{issued.access['sid']}", "ver:"]
    assert denied(store).keys() == {prefix_of(str(alice.pk)) + name for name in names}
    for left in denied(store).values():
        assert LASTS - 2 <= left <= LASTS
    assert store.client(1).get(prefix_of(str(alice.pk)) + "ver:") == b"1"


def test_no_access_token_outlives_its_entry(alice: User, clock: Clock, store: Store) -> None:
    """The token was signed by a machine whose clock is ahead of the machine that ends the family."""
    clock(SKEW.total_seconds())
    issued = begun(alice)
    clock(0)
    FLOW.end_others(alice, None, "test")
    (left,) = denied(store).values()
    assert left + 2 >= issued.access["exp"] - timezone.now().timestamp()


def test_the_lowest_version_only_rises(store: Store) -> None:
    for token_version, expected in ((3, b"3"), (2, b"3"), (10, b"10"), (9, b"10"), (10, b"10")):
        revocation.deny_before("1", token_version)
        assert store.client(1).get(prefix_of("1") + "ver:") == expected
    store.client(1).expire(prefix_of("1") + "ver:", 5)
    revocation.deny_before("1", 9)
    assert 0 < store.client(1).ttl(prefix_of("1") + "ver:") <= 5
    revocation.deny_before("1", 10)
    assert store.client(1).ttl(prefix_of("1") + "ver:") > 900


def test_of_two_revocations_the_earlier_may_be_carried_out_last(alice: User, store: Store) -> None:
    between = begun(alice)
    first, second = revoke_access(alice, "first"), revoke_access(alice, "second")
    assert carry_out(second) and carry_out(first)
    assert not counts(between)
    assert store.client(1).get(prefix_of(str(alice.pk)) + "ver:") == b"2"


# ── Without its store (B13) ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("check", "status"), [(EXPIRY, 200), (DENYLIST, 503), (VERSION, 200)])
def test_without_redis(alice: User, store: Store, settings: Settings, check: str, status: int) -> None:
    settings.JWT_REVOCATION = check
    holder = logged_in()
    holder.raise_request_exception = False
    store.kill()
    answer = holder.call("GET", WHOAMI)
    assert answer.status_code == status
    if status == 503:
        assert answer["Retry-After"] == "5"
        assert answer.json() == {"error": "Unavailable for a moment"}
    store.start()
    assert holder.whoami() == 200


@pytest.mark.parametrize(("check", "status"), [(EXPIRY, 200), (DENYLIST, 200), (VERSION, 503)])
def test_without_the_database(alice: User, settings: Settings, database_away: Any, check: str, status: int) -> None:
    settings.JWT_REVOCATION = check
    holder = logged_in()
    holder.raise_request_exception = False
    with database_away():
        assert holder.call("GET", WHOAMI).status_code == status
    assert holder.whoami() == 200


def test_a_refresh_needs_no_redis(alice: User, store: Store) -> None:
    """A refresh token is not looked up in the denylist."""
    issued = begun(alice)
    store.kill()
    latest = rotated(text(issued))
    store.start()
    assert counts(latest)


@pytest.fixture
def database_away() -> Any:
    from tests.sessions_demo.conftest import database_away

    return database_away


# ── Lost and told again (B13) ─────────────────────────────────────────────────────────────────

LOST: dict[str, Callable[[User, IssuedTokens], Any]] = {
    **ENDINGS,
    "revoked": lambda alice, issued: revoke_access(alice, "test"),
    "deleted": lambda alice, issued: alice.delete(),
    "stolen": lambda alice, issued: [rotated(text(issued)), refused(text(issued), HERS, Transport.BODY)],
}


@committed
@pytest.mark.parametrize("ending", LOST.values(), ids=LOST)
def test_a_redis_that_comes_back_empty_lets_nobody_in_who_was_out(
    alice: User, bob: User, clock: Clock, store: Store, ending: Callable[[User, IssuedTokens], Any]
) -> None:
    issued, bobs = begun(alice), begun(bob)
    ending(User.objects.get(pk=alice.pk), issued)
    assert not counts(issued)
    clock(899)
    store.client(1).flushdb()
    assert not counts(issued)
    assert counts(bobs)
    assert denied(store)


def test_a_short_login_that_was_ended_stays_so_in_an_empty_redis(alice: User, clock: Clock, store: Store) -> None:
    once, other = short(alice), short(alice)
    end_short(once)
    clock(899)
    store.client(1).flushdb()
    assert (counts(once), counts(other)) == (False, True)


@committed
@pytest.mark.parametrize("revoke", REVOCATIONS.values(), ids=REVOCATIONS)
def test_a_short_login_that_was_revoked_stays_so_in_an_empty_redis(
    alice: User, clock: Clock, store: Store, revoke: Callable[[User], Any]
) -> None:
    """It has no family. The list is rebuilt from the event of the revocation, even if the user was deleted."""
    once = short(alice)
    revoke(User.objects.get())
    clock(899)
    store.client(1).flushdb()
    assert not counts(once)


@committed
@pytest.mark.parametrize("lost", [True, False])
def test_what_was_committed_and_not_carried_out_is_told_too(
    alice: User, store: Store, monkeypatch: pytest.MonkeyPatch, run_housekeeping: Callable[[], None], lost: bool
) -> None:
    """The process that revoked access was killed right after its commit."""
    issued = begun(alice)
    monkeypatch.setattr("security.revocation.carry_out", lambda *_: False)
    revoke_access(alice, "test")
    if lost:
        store.client(1).flushdb()
    else:
        run_housekeeping()
    assert not counts(issued)
    assert PendingRevocation.objects.exists()


def test_nobody_is_let_in_before_the_list_is_whole(alice: User, store: Store, database_away: Any) -> None:
    holder = logged_in()
    holder.raise_request_exception = False
    store.client(1).flushdb()
    with database_away():
        assert holder.whoami() == 503
    assert not store.client(1).exists(LEASE)
    assert holder.whoami() == 200
    assert store.client(1).exists(LEASE)


def test_a_database_that_is_away_stops_no_token_that_redis_can_answer_for(
    alice: User, store: Store, database_away: Any
) -> None:
    good, ended = logged_in(), logged_in(agent="ended/1.0")
    assert ended.call("POST", "/jwt/auth/logout").status_code == 200
    store.client(1).delete(LEASE)
    assert good.whoami() == 200
    # The lease has run out and cannot be renewed, but Redis has lost nothing.
    store.client(1).delete(LEASE)
    with database_away():
        assert [good.whoami(), ended.whoami()] == [200, 401]
        assert 0 < store.client(1).ttl(LEASE) <= 5
    assert [good.whoami(), ended.whoami()] == [200, 401]


def test_a_rebuilding_that_dies_halfway_leaves_no_marker(
    alice: User, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = begun(alice)
    FLOW.end_others(alice, None, "test")
    store.client(1).flushdb()

    def dies(*_: Any) -> None:
        raise RedisError

    monkeypatch.setattr(revocation, "deny_family", dies)
    with pytest.raises(OUTAGES):
        counts(issued)
    assert not store.client(1).exists(LEASE)
    monkeypatch.undo()
    assert not counts(issued)


def test_only_what_can_still_matter_is_told_again(alice: User, clock: Clock, store: Store) -> None:
    issued = begun(alice)
    FLOW.end_others(alice, None, "test")
    for second, entries in ((LASTS, 1), (LASTS + 1, 0)):
        clock(second)
        store.client(1).flushdb()
        revocation.sync_denylist(timezone.now() - timedelta(seconds=900))
        assert len(denied(store)) == entries
    assert issued.access["exp"] < timezone.now().timestamp()


def test_the_marker_is_a_lease_that_housekeeping_renews(
    alice: User, store: Store, settings: Settings, run_housekeeping: Callable[[], None]
) -> None:
    run_housekeeping()
    assert 0 < store.client(1).ttl(LEASE) <= jwt_conf.JWT_DENYLIST_LEASE == 3
    store.client(1).expire(LEASE, 1)
    run_housekeeping()
    assert store.client(1).ttl(LEASE) > 1
    assert 2 * TASKS["denylist"].every < jwt_conf.JWT_DENYLIST_LEASE


def test_without_housekeeping_each_lease_is_earned_from_the_database(
    alice: User, store: Store, measured: Callable[..., Any]
) -> None:
    issued = begun(alice)
    store.client(1).delete(LEASE)
    for statements in (2, 0):
        with measured() as cost:
            assert counts(issued)
        assert len(cost.sql) == statements
    store.client(1).delete(LEASE)
    with measured() as cost:
        assert counts(issued)
    assert len(cost.sql) == 2


def test_housekeeping_makes_an_empty_list_whole(alice: User, clock: Clock, store: Store) -> None:
    begun(alice)
    FLOW.end_others(alice, None, "test")
    for second in (0, 300):
        clock(second)
        housekeeping.keep_complete()
    store.client(1).flushdb()
    housekeeping.keep_complete()
    assert store.client(1).exists(LEASE)
    assert len(denied(store)) == 1


def test_a_list_that_is_lost_during_a_turn_is_not_called_whole(
    alice: User, clock: Clock, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = begun(alice)
    FLOW.end_others(alice, None, "test")
    for second in (0, 300):
        clock(second)
        housekeeping.keep_complete()
    after(monkeypatch, "jwt_demo.revocation.is_complete", lambda: store.client(1).flushdb())
    housekeeping.keep_complete()
    assert not store.client(1).exists(LEASE)
    assert not counts(issued)


@committed
@pytest.mark.parametrize("kept", [True, False], ids=["marker kept", "came back empty"])
def test_a_denial_that_failed_is_told_on_return(
    alice: User, clock: Clock, store: Store, run_housekeeping: Callable[[], None], kept: bool
) -> None:
    issued, second = begun(alice), begun(alice)
    run_housekeeping()
    clock(1)
    store.kill()
    with pytest.raises(OUTAGES):
        FLOW.end(alice, row(issued).pk, "test")
    assert row(issued).ended is not None
    store.start()
    if not kept:
        store.client(1).flushdb()
    clock(2)
    run_housekeeping()
    assert (counts(issued), counts(second)) == (False, True)


def test_what_was_begun_before_the_last_turn_and_committed_after_is_told(
    alice: User, clock: Clock, store: Store, run_housekeeping: Callable[[], None]
) -> None:
    """A slow transaction or a clock that is behind dated the end of the family, and its entry was lost."""
    issued = begun(alice)
    clock(SKEW.total_seconds())
    run_housekeeping()
    TokenFamily.objects.update(ended=timezone.now() - SKEW)
    run_housekeeping()
    assert not counts(issued)


# ── Our part of a revocation (B11) ────────────────────────────────────────────────────────────


@committed
def test_a_revocation_ends_her_devices_and_leaves_no_row_behind(alice: User, bob: User) -> None:
    mine, bobs = [logged_in(), logged_in(agent=SECOND), logged_in(refresh=False)], logged_in(bob.email)
    revoke_access(alice, "the reason")
    assert [holder.whoami() for holder in (*mine, bobs)] == [401, 401, 401, 200]
    assert set(TokenFamily.objects.filter(user=alice).values_list("reason", flat=True)) == {"the reason"}
    assert FLOW.list(alice.pk) == []
    assert len(FLOW.list(bob.pk)) == 1
    assert not PendingRevocation.objects.exists()


@committed
def test_the_spared_family_is_kept_under_new_tokens(alice: User) -> None:
    kept, other = begun(alice), begun(alice)
    family = row(kept)
    revoke_access(alice, "test", keep=family)
    assert (row(kept).token_version, row(kept).generation, row(other).ended is None) == (1, 1, False)
    fresh = lifecycle.reissue(family)
    assert (counts(kept), counts(other), counts(fresh)) == (False, False, True)
    assert refused(text(kept)) == refused(text(other)) == "invalid"
    assert rotated(text(fresh))


@committed
@pytest.mark.parametrize("emptied", [True, False])
def test_a_revocation_in_an_outage_is_applied_on_return(
    alice: User, clock: Clock, store: Store, run_housekeeping: Callable[[], None], emptied: bool
) -> None:
    issued, once = begun(alice), short(alice)
    store.kill()
    revoke_access(alice, "test")
    assert PendingRevocation.objects.count() == 1
    # Nothing is carried out yet. The row of the user decides.
    assert refused(text(issued)) == "invalid"
    store.start()
    if emptied:
        store.client(1).flushdb()
        assert not counts(issued)
    run_housekeeping()
    assert not PendingRevocation.objects.exists()
    assert row(issued).reason == "test"
    assert [counts(issued), counts(once), counts(begun(alice))] == [False, False, True]


@committed
def test_an_outage_between_the_re_key_and_the_denial_keeps_the_spared_family(
    alice: User, clock: Clock, store: Store, run_housekeeping: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, other = begun(alice), begun(alice)
    family = row(kept)
    after(monkeypatch, "jwt_demo.flow.cycle_key", lambda: store.kill())
    revoke_access(alice, "test", keep=family)
    assert PendingRevocation.objects.count() == 1
    store.start()
    run_housekeeping()
    assert not PendingRevocation.objects.exists()
    fresh = lifecycle.reissue(family)
    assert (counts(kept), counts(other), counts(fresh)) == (False, False, True)
    assert (row(kept).ended, row(other).reason) == (None, "test")
    assert rotated(text(fresh))


def test_a_revocation_is_left_to_its_own_process_for_a_while(alice: User, clock: Clock) -> None:
    issued = begun(alice)
    revoke_access(alice, "test")
    clock(OWN_TIME.total_seconds() - 1)
    assert carry_out_pending() == ""
    clock(OWN_TIME.total_seconds())
    assert carry_out_pending() == "1 of 1 carried out"
    assert row(issued).reason == "test"


@committed
def test_end_all_leaves_what_was_begun_since(alice: User) -> None:
    issued = begun(alice)
    assert FLOW.end_all(str(alice.pk), version_of(alice), "late") == 0
    assert counts(issued) and rotated(text(issued))
    assert FLOW.end_all(str(alice.pk), version_of(alice) + 1, "now") == 1
    assert not counts(issued)


@committed
def test_access_tokens_are_denied_also_when_the_database_cannot_end_the_rows(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = begun(alice)

    def locked(*_: Any) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(flow, "end_rows", locked)
    with pytest.raises(OperationalError):
        FLOW.end_all(str(alice.pk), version_of(alice) + 1, "test")
    assert not CHECKS[DENYLIST].allows(issued.access)


@pytest.mark.parametrize("keep", [None, object(), "a session"])
def test_what_is_no_family_is_not_kept(alice: User, keep: Any) -> None:
    issued = begun(alice)
    assert FLOW.end_all(str(alice.pk), 1, "test", keep) == 1
    assert not counts(issued)


def test_devices_are_told_apart_by_user(alice: User, bob: User) -> None:
    hers, his = begun(alice), begun(bob)
    assert FLOW.end(bob, row(hers).pk, "test") is False
    assert FLOW.end_others(bob, str(row(his).pk), "test") == 0
    assert (counts(hers), counts(his)) == (True, True)
    assert FLOW.end_others(bob, None, "test") == 1
    assert (counts(hers), counts(his)) == (True, False)
    assert told(TOKENS_REVOKED) == [{"ended": 1, "reason": "test"}]
    assert FLOW.end(alice, row(hers).pk, "first")
    assert not FLOW.end(alice, row(hers).pk, "second")
    assert row(hers).reason == "first"


# ── Leaving in an outage (B10) ────────────────────────────────────────────────────────────────


@pytest.fixture
def away(store: Store) -> Iterator[Callable[[], None]]:
    yield lambda: store.kill()
    if not store.answers():
        store.start()


@committed
@pytest.mark.parametrize("body", [{}, {"refresh": False}], ids=["family", "short"])
def test_a_logout_without_redis_says_that_it_failed_and_a_second_one_mends_it(
    alice: User, store: Store, away: Callable[[], None], body: dict[str, Any]
) -> None:
    holder = logged_in(**body)
    before = holder.refresh
    away()
    answer = holder.call("POST", LOGOUT)
    assert (answer.status_code, answer.json()) == (503, {"error": "Logout failed"})
    assert "Clear-Site-Data" not in answer and not answer.cookies
    assert holder.refresh == before
    store.start()
    assert holder.call("POST", LOGOUT).status_code == 200
    assert holder.whoami() == 401


def test_ending_another_device_without_redis_is_a_503(alice: User, away: Callable[[], None]) -> None:
    holder = logged_in()
    holder.raise_request_exception = False
    other = logged_in(agent=SECOND)
    device = other.family.pk
    away()
    assert holder.call("DELETE", f"{DEVICES}/{device}").status_code == 503
    assert Holder().whoami() == 401
    assert connection.is_usable()


def test_who_logs_out_again_and_again_fills_no_history(alice: User) -> None:
    holder = Holder()
    assert holder.sign_in(refresh=False).status_code == 200
    for _ in range(3):
        assert holder.call("POST", LOGOUT).status_code == 200
    assert SecurityEvent.objects.filter(name=SecurityEvent.Name.TOKEN_REVOKED).count() == 1


class Quick(JWTAuthentication):
    """A view that chooses its own check."""

    check = "expiry"


class Strict(JWTAuthentication):
    """A view that asks the denylist although the setting is "expiry"."""

    check = "denylist"


def test_a_view_may_ask_the_denylist_where_the_others_do_not(alice: User, settings: Settings) -> None:
    settings.JWT_REVOCATION = "expiry"
    holder = logged_in()
    request = APIRequestFactory().get("/", headers={"Authorization": f"Bearer {holder.access}"})
    assert Strict().authenticate(Request(request))
    assert holder.call("POST", LOGOUT).status_code == 200
    assert JWTAuthentication().authenticate(Request(request))
    with pytest.raises(AuthenticationFailed, match="Token revoked"):
        Strict().authenticate(Request(request))


def test_a_view_that_names_no_check_there_is_does_not_start() -> None:
    with pytest.raises(ImproperlyConfigured, match="Write one of expiry, denylist, version"):
        type("Misspelt", (JWTAuthentication,), {"check": "expires"})


def test_a_view_names_its_check_and_the_rest_follow_the_setting(alice: User, settings: Settings) -> None:
    holder = logged_in()
    assert holder.call("POST", LOGOUT).status_code == 200
    request = APIRequestFactory().get("/", headers={"Authorization": f"Bearer {holder.access}"})
    user, _ = Quick().authenticate(Request(request))
    assert user.pk == alice.pk
    with pytest.raises(AuthenticationFailed, match="Token revoked"):
        JWTAuthentication().authenticate(Request(request))
    settings.JWT_REVOCATION = "expiry"
    assert JWTAuthentication().authenticate(Request(request))
