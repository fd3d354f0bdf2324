"""A family of tokens from the login to its end: what a second use means, what it ends, and who wins a race."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import DateTimeField, Value
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User, UserManager
from jwt_demo import lifecycle
from jwt_demo.conf import conf as jwt_conf
from jwt_demo.flow import FLOW
from jwt_demo.models import Policy, TokenFamily, Transport
from jwt_demo.rotation import family_for_rotation
from jwt_demo.tokens import RefreshToken
from security.backends import InvalidCredentials
from security.client import Client
from security.models import PendingRevocation, SecurityEvent
from security.revocation import revoke_access
from sessions_demo.models import DeviceSession
from tests.access import set_version, version_of
from tests.conftest import NOON, PASSWORDS, Clock
from tests.jwt_demo.conftest import (
    COOKIE,
    EVERYWHERE,
    LOGOUT,
    NEW,
    PASSWORD,
    REAUTHENTICATE,
    RIGHT,
    SECOND,
    Holder,
    logged_in,
    thief,
)
from tests.jwt_demo.inside import (
    ACCESS_REVOKED,
    HERS,
    OTHER,
    REUSED,
    TOKENS_REVOKED,
    begun,
    committed,
    counts,
    everything,
    mails,
    overtaken,
    refused,
    rotated,
    row,
    text,
    told,
)
from tests.running import Store
from tests.sessions_demo.conftest import after
from tests.sessions_demo.conftest import logged_in as in_a_session

pytestmark = pytest.mark.usefixtures("whole")
MINUTE, HOUR, DAY = 60, 3600, 86_400
# Details of the event.
REUSE = {"verdict": "reused", "everything": True}
LATE = {"verdict": "reused after grace", "everything": False}
ALREADY_USED, REUSE_DETECTED = {"error": "Refresh token already used"}, {"error": "Token reuse detected"}


# ── The latest token, and a retry (B1, B6) ────────────────────────────────────────────────────


def test_the_latest_token_is_exchanged_for_the_next(alice: User, clock: Clock) -> None:
    first = begun(alice)
    clock(MINUTE)
    second = rotated(text(first), OTHER)
    assert text(second) != text(first)
    assert row(second).generation == RefreshToken(text(second))["gen"] == 1
    assert row(second).rotated_by == OTHER.user_agent_hash
    assert (second.access["sid"], second.access["iat"]) == (first.access["sid"], int(NOON.timestamp()) + MINUTE)
    assert second.access["auth_time"] == first.access["auth_time"] == int(NOON.timestamp())
    assert counts(first) and counts(second)


@pytest.mark.parametrize("second", [0, 9.999])
@pytest.mark.parametrize("generation", [0, 3])
def test_a_retry_gets_the_same_successor_to_the_byte(alice: User, clock: Clock, second: float, generation: int) -> None:
    before = text(begun(alice))
    for _ in range(generation):
        before = text(rotated(before))
    answer = rotated(before)
    clock(second)
    elsewhere = Client("198.51.100.7", HERS.user_agent)
    for client in (HERS, elsewhere, HERS):
        again = rotated(before, client)
        assert text(again) == text(answer)
        assert (row(again).generation, row(again).issued) == (generation + 1, NOON)
        assert counts(again)
    assert rotated(text(answer)).family
    assert (told(REUSED), mails()) == ([], [])


@pytest.mark.parametrize("ed25519", [False, True])
def test_a_retry_gets_the_same_bytes_after_a_change_of_keys(
    alice: User, clock: Clock, settings: Settings, ed25519: bool
) -> None:
    first = text(begun(alice))
    old = list(jwt_conf.JWT_REFRESH_KEYS)
    settings.JWT_REFRESH_KEYS = [("ed25519:" * ed25519) + secrets.token_urlsafe(32), *old]
    second = text(rotated(first))
    backend = RefreshToken().token_backend
    kid = backend.key_of(second).kid
    settings.JWT_REFRESH_KEYS = [secrets.token_urlsafe(48), *jwt_conf.JWT_REFRESH_KEYS]
    assert text(rotated(first)) == second
    third = text(rotated(second))
    assert [backend.key_of(refresh).kid for refresh in (second, third)] == [kid, backend.ring.active.kid]
    assert kid not in (backend.ring.active.kid, backend.key_of(first).kid)


def test_a_predecessor_that_was_never_issued_gets_no_successor(alice: User, clock: Clock) -> None:
    """A thief who has the refresh key and the id of a login can sign a predecessor of its latest token."""
    first = text(begun(alice))
    latest = rotated(first)
    forged = RefreshToken(first)
    for jti in ("forged", f"{forged['sid']}.0.{'0' * 32}", row(latest).jti):
        forged["jti"] = jti
        assert refused(str(forged)) == "invalid"
    assert counts(latest)
    # Control: the real predecessor gets the same successor, and no forgery has ended the family.
    assert text(rotated(first)) == text(latest)


def test_a_retry_whose_answer_cannot_be_signed_again_means_nothing(
    alice: User, clock: Clock, settings: Settings, store: Store
) -> None:
    first, old = begun(alice), list(jwt_conf.JWT_REFRESH_KEYS)
    before = text(first)
    settings.JWT_REFRESH_KEYS = [secrets.token_urlsafe(48), *old]
    rotated(before)
    settings.JWT_REFRESH_KEYS = old
    stored = everything(store)
    assert refused(before) == "invalid"
    assert everything(store) == stored
    assert row(first).is_open()


def test_over_http_a_retry_gets_the_same_cookie(holder: Holder, clock: Clock) -> None:
    holder.sign_in()
    before = holder.refresh
    assert holder.rotate().status_code == 200
    after_ = holder.refresh
    clock(9)
    assert holder.rotate(before).status_code == 200
    assert holder.refresh == after_ != before
    assert holder.whoami() == holder.rotate().status_code == 200


# ── Reused after the grace period: the same client, too late (B6, B17) ────────────────────────


@committed
@pytest.mark.parametrize(("window", "second"), [(10, 10), (10, DAY), (0, 0), (60, 60)])
def test_the_predecessor_after_the_window_ends_its_family_and_no_other(
    alice: User, clock: Clock, settings: Settings, window: int, second: float
) -> None:
    settings.JWT_GRACE_PERIOD = window
    first, other = begun(alice), begun(alice)
    latest = rotated(text(first))
    clock(second)
    fresh, session = rotated(text(other)), in_a_session()
    assert refused(text(first)) == "late"
    assert (row(first).ended, row(first).reason) == (timezone.now(), "token reused after the grace period")
    assert [told(REUSED), told(ACCESS_REVOKED), mails()] == [[LATE | {"family": str(row(first).pk)}], [], []]
    assert [refused(text(token)) for token in (first, latest)] == ["invalid"] * 2
    assert [counts(token) for token in (first, latest, other, fresh)] == [False, False, True, True]
    assert session.whoami() == 200
    assert row(other).is_open() and rotated(text(fresh))


def test_the_window_of_a_family_is_the_one_it_was_born_with(alice: User, clock: Clock, settings: Settings) -> None:
    strict = begun(alice, policy=Policy(900, DAY, DAY, 0, "denylist"))
    rotated(text(strict))
    settings.JWT_GRACE_PERIOD = 60
    assert refused(text(strict)) == "late"
    assert told(REUSED)[0]["everything"] is False


@committed
def test_a_lost_answer_is_never_announced_as_theft(alice: User, clock: Clock) -> None:
    """The browser asks again too late. The answer says what happened, and no other login of the user ends."""
    browser, other, session = logged_in(), logged_in(agent=SECOND), in_a_session()
    before = browser.refresh
    assert browser.rotate().status_code == 200
    clock(11)
    answer = browser.rotate(before)
    assert (answer.status_code, answer.json()) == (401, ALREADY_USED)
    assert (browser.whoami(), other.whoami(), session.whoami()) == (401, 200, 200)
    assert (other.rotate().status_code, mails()) == (200, [])
    # An older token is reported as a theft.
    stolen = other.refresh
    for _ in range(2):
        other.rotate()
    assert other.rotate(stolen).json() == REUSE_DETECTED


UPDATED = Client("192.0.2.1", "Shop/1.1")


@committed
@pytest.mark.parametrize(("second", "verdict"), [(0, ""), (9.9, ""), (10, "late"), (DAY, "late")])
def test_an_app_that_updates_itself_is_still_the_client_that_asked(
    alice: User, clock: Clock, second: float, verdict: str
) -> None:
    """A native client refreshes, is updated, and asks again with the user agent of its new version."""
    shop = Client("192.0.2.1", "Shop/1.0")
    issued, other = begun(alice, shop, transport=Transport.BODY), begun(alice)
    before = text(issued)
    successor = text(rotated(before, shop, Transport.BODY))
    clock(second)
    if verdict:
        assert refused(before, UPDATED, Transport.BODY) == verdict
    else:
        assert text(rotated(before, UPDATED, Transport.BODY)) == successor
    assert (row(issued).is_open(), mails()) == (not verdict, [])
    assert row(other).is_open()


@committed
def test_an_older_token_of_an_app_is_a_theft(alice: User, clock: Clock) -> None:
    shop = Client("192.0.2.1", "Shop/1.0")
    issued = begun(alice, shop, transport=Transport.BODY)
    rotated(text(rotated(text(issued), shop, Transport.BODY)), shop, Transport.BODY)
    assert refused(text(issued), shop, Transport.BODY) == "reuse"


@pytest.mark.parametrize("window", [0, 10])
@pytest.mark.parametrize("apart", [-30, -20, -2, 2, 20, 30])
def test_the_grace_period_is_the_databases_whatever_the_machines_clock_says(
    alice: User, clock: Clock, settings: Settings, monkeypatch: pytest.MonkeyPatch, window: int, apart: int
) -> None:
    """One machine rotates. Another machine, whose clock differs by `apart`, is asked again, in and after the period."""
    settings.JWT_GRACE_PERIOD = window
    by_database = {"now": NOON}
    now = lambda: Value(by_database["now"], output_field=DateTimeField())  # noqa: E731
    monkeypatch.setattr("jwt_demo.rotation.database_now", now, raising=False)
    before = text(begun(alice))
    clock(apart)
    successor = rotated(before)
    assert row(successor).issued == NOON
    by_database["now"] = NOON + timedelta(seconds=9.9)
    clock(9.9 - apart)
    if window:
        assert text(rotated(before)) == text(successor)
    by_database["now"] = NOON + timedelta(seconds=10)
    assert refused(before) == "late"


@pytest.mark.parametrize(("window", "verdict"), [(0, "late"), (10, "")])
def test_a_statement_that_is_dated_before_the_rotation_it_sees_opens_no_window(
    alice: User, settings: Settings, monkeypatch: pytest.MonkeyPatch, window: int, verdict: str
) -> None:
    """PostgreSQL dates a statement when it arrives. It may still see what an overlapping, later statement wrote."""
    settings.JWT_GRACE_PERIOD = window
    before = text(begun(alice))
    successor = rotated(before)
    earlier = Value(row(successor).issued - timedelta(milliseconds=1), output_field=DateTimeField())
    monkeypatch.setattr("jwt_demo.rotation.database_now", lambda: earlier)
    if verdict:
        assert refused(before) == verdict
    else:
        assert text(rotated(before)) == text(successor)


# ── Theft (B3) ────────────────────────────────────────────────────────────────────────────────

# Which token (0, 1, or the latest, 2), by which client, by which transport, and how many seconds later.
THEFTS: dict[str, tuple[int, Client, str, float]] = {
    "older, same client, at once": (0, HERS, Transport.COOKIE, 0),
    "older, same client, much later": (0, HERS, Transport.COOKIE, 6 * DAY),
    "older, other client": (0, OTHER, Transport.COOKIE, 0),
    "predecessor, other client, at once": (1, OTHER, Transport.COOKIE, 0),
    "predecessor, other client, after the window": (1, OTHER, Transport.COOKIE, 6 * DAY),
    "predecessor, other transport, at once": (1, HERS, Transport.BODY, 0),
    "predecessor, other transport, after the window": (1, HERS, Transport.BODY, HOUR),
}


@committed
@pytest.mark.parametrize(("which", "client", "transport", "second"), THEFTS.values(), ids=THEFTS)
def test_a_theft_ends_everything_of_that_user_and_of_nobody_else(
    alice: User, bob: User, clock: Clock, which: int, client: Client, transport: str, second: float
) -> None:
    tokens = [begun(alice)]
    tokens += [rotated(text(tokens[0]))]
    tokens += [rotated(text(tokens[1]))]
    clock(second)
    other, session, bobs = begun(alice, remember=True), in_a_session(), begun(bob)
    assert refused(text(tokens[which]), client, transport) == "reuse"
    assert [row(tokens[0]).reason, row(other).reason] == ["token reused"] * 2
    assert not TokenFamily.objects.live().filter(user=alice).exists()
    assert not DeviceSession.objects.live().filter(user=alice).exists()
    assert session.whoami() == 401
    assert [told(REUSED), mails()] == [
        [REUSE | {"family": str(row(tokens[0]).pk)}],
        [("token_reuse", alice.email)],
    ]
    assert [detail["reason"] for detail in told(ACCESS_REVOKED)] == ["token reused"]
    assert [counts(token) for token in (*tokens, other)] == [False] * 4
    assert {refused(text(token)) for token in (tokens[2], other)} == {"invalid"}
    assert counts(bobs) and rotated(text(bobs))
    assert not PendingRevocation.objects.exists()


@committed
@pytest.mark.parametrize("thief_agent", ["thief/1.0", "Mozilla/5.0 (test)"])
@pytest.mark.parametrize("later", [0, 9, 11, DAY])
def test_thief_first_both_are_out(alice: User, clock: Clock, later: int, thief_agent: str) -> None:
    owner, same = logged_in(), thief_agent == "Mozilla/5.0 (test)"
    mallory = Holder(thief_agent)
    assert mallory.rotate(owner.refresh).status_code == 200
    clock(later)
    answer = owner.rotate()
    if same and later < 10:
        # The server cannot tell them apart. But both hold the same token, and one of them will come too late.
        assert owner.refresh == mallory.refresh
        assert mallory.rotate().status_code == 200
        clock(later + 10)
        answer = owner.rotate()
    assert (answer.status_code, answer.json()) == (401, ALREADY_USED if same else REUSE_DETECTED)
    assert [owner.whoami(), mallory.whoami(), mallory.rotate().status_code] == [401] * 3
    assert len(mails()) == (0 if same else 1)


@committed
@pytest.mark.parametrize("later", [0, 9, 11, DAY])
def test_owner_first_both_are_out(alice: User, clock: Clock, later: int) -> None:
    owner, second = logged_in(), logged_in(agent=SECOND)
    stolen = owner.refresh
    assert owner.rotate().status_code == 200
    clock(later)
    mallory = thief(stolen)
    answer = mallory.rotate()
    assert (answer.status_code, answer.json()) == (401, REUSE_DETECTED)
    assert [client.whoami() for client in (owner, mallory, second)] == [401] * 3
    assert [client.rotate().json() for client in (owner, second)] == [{"error": "Invalid refresh token"}] * 2
    assert mails() == [("token_reuse", alice.email)]


@committed
def test_two_replays_at_once_revoke_and_write_once(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    first = begun(alice)
    rotated(text(rotated(text(first))))
    overtaken(monkeypatch, first, lambda: refused(text(first), OTHER))
    assert refused(text(first), HERS) == "reuse"
    assert len(told(REUSED)) == len(told(ACCESS_REVOKED)) == len(mails()) == 1
    assert version_of(User.objects.get()) == 1


@pytest.mark.usefixtures("file_database")
def test_eight_replays_at_once_revoke_and_write_once(at_once: Callable[..., list[Any]]) -> None:
    first = begun(User.objects.create_user("alice@example.com"))
    rotated(text(first))
    answers = at_once(8, lambda _: refused(text(first), OTHER))
    assert sorted(answers) == ["invalid"] * 7 + ["reuse"]
    assert (len(told(REUSED)), len(told(ACCESS_REVOKED)), len(mails())) == (1, 1, 1)


@committed
def test_two_that_are_late_at_once_end_the_family_once(
    alice: User, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begun(alice)
    rotated(text(first))
    clock(HOUR)
    overtaken(monkeypatch, first, lambda: refused(text(first)))
    assert refused(text(first)) == "late"
    assert (len(told(REUSED)), row(first).reason) == (1, "token reused after the grace period")


@pytest.mark.usefixtures("file_database")
def test_the_end_survives_the_401(at_once: Callable[..., list[Any]]) -> None:
    """B4, as other connections to the database see it. Every request is in a transaction."""
    User.objects.create_user("alice@example.com", PASSWORDS["alice@example.com"])
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        owner, second = logged_in(), logged_in(agent=SECOND)
        stolen = owner.refresh
        assert owner.rotate().status_code == 200
        assert thief(stolen).rotate().json() == REUSE_DETECTED
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False
    live = lambda _: TokenFamily.objects.live().count()  # noqa: E731
    assert at_once(2, live) == [0, 0]
    again = at_once(2, lambda number: (owner, second)[number].rotate().json()["error"])
    assert again == ["Invalid refresh token"] * 2
    assert at_once(2, lambda number: (owner, second)[number].whoami()) == [401, 401]
    assert (len(told(REUSED)), len(mails())) == (1, 1)


@committed
def test_inside_a_transaction_of_somebody_else_nothing_is_rotated(alice: User) -> None:
    from django.db import transaction

    first = begun(alice)
    with transaction.atomic(), pytest.raises(RuntimeError, match="durable"):
        rotated(text(first))
    assert rotated(text(first))


@committed
@pytest.mark.parametrize("which", ["late", "theft"])
def test_a_replay_while_redis_is_away_ends_what_it_must(
    alice: User, clock: Clock, store: Store, run_housekeeping: Callable[[], None], which: str
) -> None:
    owner = logged_in()
    owner.raise_request_exception = False
    stolen = owner.refresh
    owner.rotate()
    clock(MINUTE)
    store.kill()
    replaying = owner if which == "late" else thief(stolen)
    replaying.raise_request_exception = False
    assert replaying.rotate(stolen).status_code == (503 if which == "late" else 401)
    assert not TokenFamily.objects.live().exists()
    assert [detail["everything"] for detail in told(REUSED)] == [which == "theft"]
    store.start()
    run_housekeeping()
    assert owner.whoami() == 401
    assert not PendingRevocation.objects.exists()


# ── What means nothing (B6, B12) ──────────────────────────────────────────────────────────────

ENDS: dict[str, Callable[[User, Any], Any]] = {
    "logged out": lambda alice, issued: lifecycle.end(RefreshToken(text(issued)), None, "logged out"),
    "ended from a list": lambda alice, issued: FLOW.end_others(alice, None, "test"),
    "revoked": lambda alice, issued: revoke_access(alice, "test"),
    "revoked, and not carried out yet": lambda alice, issued: set_version(alice, 7),
    "inactive": lambda alice, issued: User.objects.update(is_active=False),
    "deleted": lambda alice, issued: alice.delete(),
    "gone without a trace": lambda alice, issued: User.objects.all().delete(),
    "purged": lambda alice, issued: TokenFamily.objects.all().delete(),
    "stolen": lambda alice, issued: refused(text(issued), OTHER),
    "absolute end": lambda alice, issued: TokenFamily.objects.update(absolute_end=timezone.now()),
    "idle end": lambda alice, issued: TokenFamily.objects.update(expires=timezone.now()),
}
# These were not done by the user. The refusal says so, as the login page does after a session.
REVOKED = (
    "ended from a list",
    "revoked",
    "revoked, and not carried out yet",
    "inactive",
    "deleted",
    "gone without a trace",
)


@committed
@pytest.mark.parametrize("ending", ENDS)
def test_the_tokens_of_an_ended_family_change_nothing(
    alice: User, bob: User, store: Store, clock: Clock, ending: str
) -> None:
    tokens = [begun(alice)]
    tokens += [rotated(text(tokens[0]))]
    tokens += [rotated(text(tokens[1]))]
    texts = [text(token) for token in tokens]
    begun(alice)
    begun(bob)
    ENDS[ending](alice, tokens[0])
    before = everything(store)
    for refresh in texts:
        for client in (HERS, OTHER):
            for transport in Transport.values:
                assert refused(refresh, client, transport) == "invalid"
        answer = thief(refresh).rotate()
        sentence = "Access revoked" if ending in REVOKED else "Invalid refresh token"
        assert (answer.status_code, answer.json()) == (401, {"error": sentence})
    assert everything(store) == before


def test_a_token_from_the_future_or_of_another_jti_means_nothing(alice: User, store: Store) -> None:
    issued = begun(alice)
    before = everything(store)
    for name, value in (("gen", 1), ("gen", 2**31 - 1), ("jti", "another"), ("sid", str(begun.__hash__()))):
        token = RefreshToken(text(issued))
        token[name] = value if name != "sid" else "00000000-0000-4000-8000-000000000000"
        with pytest.raises(lifecycle.InvalidRefresh):
            lifecycle.rotate(token, HERS)
    assert refused(text(issued), HERS, Transport.BODY) == "invalid"
    assert everything(store) == before
    assert rotated(text(issued))


# ── Both ends (B7) ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("remember", "idle", "absolute"), [(False, 7 * DAY, 30 * DAY), (True, 30 * DAY, 90 * DAY)])
def test_no_token_outlives_its_family(alice: User, clock: Clock, remember: bool, idle: int, absolute: int) -> None:
    holder = logged_in(remember=remember)
    end = NOON + timedelta(seconds=absolute)
    for second in [*range(idle - MINUTE, absolute, idle - MINUTE), absolute - 2 * MINUTE]:
        clock(second)
        assert holder.rotate().status_code == 200
        refresh = RefreshToken(holder.refresh)
        assert refresh["exp"] == int(min(timezone.now() + timedelta(seconds=idle), end).timestamp())
        assert holder.claims["exp"] == int(min(timezone.now() + timedelta(minutes=15), end).timestamp())
        assert (holder.family.absolute_end, holder.family.remember) == (end, remember)
        left = max(0, refresh["exp"] - int(timezone.now().timestamp())) if remember else ""
        assert holder.cookies[COOKIE]["max-age"] == left
    latest = RefreshToken(holder.refresh)
    clock(absolute - 1)
    assert holder.whoami() == 200
    clock(absolute)
    assert holder.whoami() == holder.rotate().status_code == 401
    with pytest.raises(lifecycle.InvalidRefresh):
        lifecycle.rotate(latest, HERS)
    assert FLOW.list(alice.pk) == []


@pytest.mark.parametrize(("remember", "idle"), [(False, 7 * DAY), (True, 30 * DAY)])
def test_a_family_that_is_not_used_ends(alice: User, clock: Clock, remember: bool, idle: int) -> None:
    issued = begun(alice, remember=remember)
    latest = RefreshToken(text(issued))
    clock(idle - 1)
    assert [device.remember for device in FLOW.list(alice.pk)] == [remember]
    clock(idle)
    assert FLOW.list(alice.pk) == []
    assert thief(text(issued)).rotate().json() == {"error": "Invalid refresh token"}
    with pytest.raises(lifecycle.InvalidRefresh):
        lifecycle.rotate(latest, HERS)
    clock(idle - 1)
    assert rotated(text(issued))


def test_an_access_token_never_lives_longer_than_the_denylist_remembers(
    alice: User, clock: Clock, simple_jwt: Callable[..., None]
) -> None:
    issued = begun(alice)
    simple_jwt(ACCESS_TOKEN_LIFETIME=timedelta(seconds=300))
    later = rotated(text(issued))
    assert later.access["exp"] - later.access["iat"] <= 300


# ── Re-key: the password was proved (B6, B11) ─────────────────────────────────────────────────

CHANGES: dict[str, Callable[[Holder], Any]] = {
    "reauthenticate": lambda holder: holder.call("POST", REAUTHENTICATE, {"password": RIGHT}),
    "password": lambda holder: holder.call("POST", PASSWORD, {"current": RIGHT, "new": NEW}),
}


@committed
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("rotations", [0, 2])
def test_after_a_re_key_the_old_tokens_mean_nothing_and_raise_no_alarm(
    alice: User, clock: Clock, store: Store, change: str, rotations: int
) -> None:
    holder, old = logged_in(remember=True), []
    for _ in range(rotations):
        old.append(holder.refresh)
        holder.rotate()
    old.append(holder.refresh)
    before, access = holder.claims, holder.access
    clock(5)
    assert CHANGES[change](holder).status_code == 200
    assert (holder.claims["sid"], holder.family.remember) == (before["sid"], True)
    assert holder.claims["ver"] == before["ver"] + (change == "password")
    assert holder.claims["auth_time"] == before["auth_time"] + (5 if change == "reauthenticate" else 0)
    assert Holder().call("GET", "/jwt/api/whoami", access=access).status_code == (401 if change == "password" else 200)
    clock(16)  # for ten seconds, a logout that was sent before would still end the family
    stored = everything(store)
    for refresh in old:
        assert {refused(refresh, client) for client in (HERS, OTHER)} == {"invalid"}
        assert thief(refresh).rotate().json() == {"error": "Invalid refresh token"}
        assert thief(refresh).call("POST", LOGOUT).status_code == 200
    assert everything(store) == stored
    assert holder.whoami() == holder.rotate().status_code == 200
    assert holder.family.absolute_end == NOON + timedelta(days=90)


@committed
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_password_change_whose_own_family_is_ended_meanwhile_ends_the_others_at_once(
    alice: User, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    holder, second, short = logged_in(), logged_in(agent=SECOND), logged_in(refresh=False)
    targets = {"before": "security.passwords.choose", "after": "security.passwords.replace"}
    own = holder.family.pk
    after(monkeypatch, targets[moment], lambda: FLOW.end(alice, own, "test"))
    answer = CHANGES["password"](holder)
    assert answer.status_code == (401 if moment == "before" else 200)
    assert User.objects.get().check_password(NEW)
    assert [client.whoami() for client in (holder, second, short)] == [401] * 3
    assert holder.rotate().status_code == second.rotate().status_code == 401


@committed
def test_what_is_rotated_after_a_re_key_is_watched_again(alice: User, clock: Clock) -> None:
    holder = logged_in()
    void = holder.refresh
    CHANGES["reauthenticate"](holder)
    stolen = holder.refresh
    holder.rotate()
    holder.rotate()
    assert thief(void).rotate().json() == {"error": "Invalid refresh token"}
    assert thief(stolen).rotate().json() == REUSE_DETECTED
    assert holder.whoami() == 401


@committed
def test_a_password_change_ends_the_others_and_keeps_this_one(alice: User) -> None:
    holder, second, session, short = logged_in(), logged_in(agent=SECOND), in_a_session(), logged_in(refresh=False)
    assert CHANGES["password"](holder).status_code == 200
    assert [client.whoami() for client in (holder, second, session, short)] == [200, 401, 401, 401]
    assert second.rotate().status_code == 401
    assert holder.rotate().status_code == 200
    assert [row_.reason for row_ in TokenFamily.objects.exclude(ended=None)] == ["password changed"]


def test_a_family_that_was_ended_meanwhile_gets_no_new_tokens(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    holder = logged_in()
    family = holder.family
    after(monkeypatch, "jwt_demo.views.verify", lambda: FLOW.end_others(alice, None, "test"))
    refused_ = CHANGES["reauthenticate"](holder)
    assert (refused_.status_code, refused_.json()) == (401, {"error": "Invalid credentials"})
    with pytest.raises(InvalidCredentials):
        lifecycle.cycle_key(family, alice)
    assert TokenFamily.objects.get().generation == 0


# ── Two things at once (B11) ──────────────────────────────────────────────────────────────────

REVOCATIONS: dict[str, Callable[[User], Any]] = {
    "everywhere": lambda alice: revoke_access(alice, "test"),
    "banned": lambda alice: (setattr(alice, "is_active", False), alice.save()),
    "role": lambda alice: (setattr(alice, "role", "admin"), alice.save()),
    "password": lambda alice: (alice.set_password(NEW), alice.save()),
    "deleted": lambda alice: alice.delete(),
}


@committed
@pytest.mark.parametrize("revoke", REVOCATIONS.values(), ids=REVOCATIONS)
@pytest.mark.parametrize("body", [{}, {"transport": "body"}, {"refresh": False}], ids=["cookie", "body", "short"])
def test_a_login_that_overlaps_a_revocation_loses(
    alice: User, monkeypatch: pytest.MonkeyPatch, revoke: Callable[[User], Any], body: dict[str, Any]
) -> None:
    """Access is revoked while the password is being verified."""
    after(monkeypatch, "jwt_demo.views.verify", lambda: revoke(User.objects.get()))
    holder = Holder()
    answer = holder.sign_in(**body)
    assert (answer.status_code, answer.json()) == (401, {"error": "Invalid credentials"})
    assert (holder.access, holder.refresh, TokenFamily.objects.count()) == ("", "", 0)
    assert told(SecurityEvent.Name.LOGIN_SUCCESS) == []


@committed
@pytest.mark.parametrize("body", [{}, {"refresh": False}], ids=["family", "short"])
@pytest.mark.parametrize("carried_out", [True, False])
def test_a_confirmation_that_overlaps_a_revocation_loses(
    alice: User, monkeypatch: pytest.MonkeyPatch, carried_out: bool, body: dict[str, Any]
) -> None:
    holder = logged_in(**body)
    if not carried_out:
        monkeypatch.setattr("security.revocation.carry_out", lambda *_: False)
    after(monkeypatch, "jwt_demo.views.verify", lambda: revoke_access(User.objects.get(), "test"))
    before = TokenFamily.objects.values_list("generation", "void_below", "authenticated")
    expected = list(before)
    assert CHANGES["reauthenticate"](holder).json() == {"error": "Invalid credentials"}
    assert list(before.all()) == expected
    assert len(told(SecurityEvent.Name.LOGIN_SUCCESS)) == 1
    assert holder.rotate().status_code == 401
    assert holder.whoami() == (401 if carried_out else 200), "until it is carried out"


@committed
@pytest.mark.parametrize("revoke", REVOCATIONS.values(), ids=REVOCATIONS)
@pytest.mark.parametrize("carried_out", [True, False])
def test_a_refresh_that_overlaps_a_revocation_gives_nothing_that_lasts(
    alice: User, monkeypatch: pytest.MonkeyPatch, revoke: Callable[[User], Any], carried_out: bool
) -> None:
    """The revocation is committed after the rotation has read its family, and carried out before or after its write."""
    issued, work = begun(alice), []
    if not carried_out:
        monkeypatch.setattr("security.revocation.carry_out", lambda *given: work.append(given))
    overtaken(monkeypatch, issued, lambda: revoke(User.objects.get()))
    try:
        latest = rotated(text(issued))
    except lifecycle.InvalidRefresh:
        latest = issued
    monkeypatch.undo()
    for pending, keep in work:
        from security.revocation import carry_out

        assert carry_out(pending, keep)
    assert row(issued).ended is not None
    assert not counts(issued) and not counts(latest)
    assert refused(text(latest)) == "invalid"


def test_of_two_refreshes_at_once_one_rotates_and_the_other_gets_the_same(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued, answers = begun(alice), []
    overtaken(monkeypatch, issued, lambda: answers.append(text(rotated(text(issued)))))
    assert [text(rotated(text(issued)))] == answers
    assert (row(issued).generation, told(REUSED)) == (1, [])


@committed
def test_of_two_clients_at_once_the_second_is_a_thief(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = begun(alice)
    overtaken(monkeypatch, issued, lambda: rotated(text(issued), OTHER))
    assert refused(text(issued)) == "reuse"
    assert told(REUSED)[0]["everything"] is True


ENDINGS: dict[str, Callable[[User, Any], Any]] = {
    "logout": lambda alice, issued: lifecycle.end(RefreshToken(text(issued)), None, "test"),
    "end one": lambda alice, issued: FLOW.end(alice, row(issued).pk, "test"),
    "end others": lambda alice, issued: FLOW.end_others(alice, None, "test"),
    "re-key": lambda alice, issued: lifecycle.reauthenticate(row(issued), User.objects.get(), HERS),
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_a_refresh_that_is_overtaken_by_an_ending_loses(
    alice: User, monkeypatch: pytest.MonkeyPatch, ending: Callable[[User, Any], Any]
) -> None:
    issued = begun(alice)
    overtaken(monkeypatch, issued, lambda: ending(alice, issued))
    before = TokenFamily.objects.values().get()
    assert refused(text(issued)) == "invalid"
    assert TokenFamily.objects.values().get() == before
    assert told(REUSED) == []


def test_a_refresh_asks_the_manager_of_the_users_each_time(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A manager may hide users by the tenant of the request. The compiled statement must not keep one tenant."""
    names, plain, issued = [alice.email], UserManager.get_queryset, begun(alice)
    with monkeypatch.context() as patch:
        patch.setattr(UserManager, "get_queryset", lambda self: plain(self).filter(email=names[0]))
        issued = rotated(text(issued))
        names[0] = "other@example.com"
        assert refused(text(issued)) == "invalid"
        names[0] = alice.email
        issued = rotated(text(issued))
    assert rotated(text(issued))


def test_a_re_key_that_is_overtaken_by_a_refresh_voids_that_one_too(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued, taken = begun(alice), []
    advance = lifecycle._advance

    def overtaking(*given: Any, **more: Any) -> bool:
        family = family_for_rotation(str(row(issued).pk))
        if not taken and family and advance(family, OTHER):
            taken.append(str(family.token()))
        return advance(*given, **more)

    monkeypatch.setattr(lifecycle, "_advance", overtaking)
    latest = lifecycle.reauthenticate(row(issued), User.objects.get(), HERS)
    assert (row(issued).generation, row(issued).void_below) == (2, 2)
    assert [refused(refresh, OTHER) for refresh in (text(issued), taken[0])] == ["invalid"] * 2
    assert rotated(text(latest))


@pytest.mark.usefixtures("file_database")
def test_eight_refreshes_at_once_give_one_successor(at_once: Callable[..., list[Any]]) -> None:
    alice = User.objects.create_user("alice@example.com")
    for _ in range(3):
        before = text(begun(alice))
        assert len(set(at_once(8, lambda _, before=before: text(rotated(before))))) == 1
    assert set(TokenFamily.objects.values_list("generation", flat=True)) == {1}
    assert told(REUSED) == []


# ── Leaving, and what has no family (B10, B11) ────────────────────────────────────────────────


@committed
def test_an_access_token_dies_with_its_family_at_once(alice: User) -> None:
    holder = logged_in()
    access = [holder.access]
    holder.rotate()
    access.append(holder.access)
    assert holder.call("POST", LOGOUT).status_code == 200
    assert {Holder().call("GET", "/jwt/api/whoami", access=token).status_code for token in access} == {401}


def test_a_short_login_leaves_no_row_and_its_logout_ends_it(alice: User, store: Store) -> None:
    short, other = logged_in(refresh=False), logged_in(refresh=False)
    assert (short.refresh, TokenFamily.objects.count()) == ("", 0)
    assert short.call("POST", LOGOUT).status_code == 200
    assert (short.whoami(), other.whoami()) == (401, 200)
    assert told(TOKENS_REVOKED) == [{"jti": short.claims["jti"], "reason": "logged out"}]


def test_a_logout_ends_the_short_login_beside_a_family_too(alice: User) -> None:
    """A browser has a family in its cookie and a short login in memory. The logout ends both."""
    holder = logged_in()
    assert holder.sign_in(refresh=False).status_code == 200
    assert holder.refresh and not TokenFamily.objects.filter(pk=holder.claims["sid"]).exists()
    assert holder.call("POST", LOGOUT).status_code == 200
    assert not TokenFamily.objects.live().exists()
    assert holder.whoami() == 401


@committed
@pytest.mark.parametrize("body", [{}, {"refresh": False}], ids=["family", "short"])
def test_everywhere_is_everywhere(alice: User, bob: User, body: dict[str, Any]) -> None:
    asking, others = logged_in(**body), [logged_in(agent=SECOND), logged_in(refresh=False), in_a_session()]
    bobs = logged_in(bob.email)
    assert asking.call("POST", EVERYWHERE).status_code == 200
    assert [client.whoami() for client in (asking, *others, bobs)] == [401] * 4 + [200]


def test_a_confirmation_without_a_family_is_one_more_short_login(alice: User, clock: Clock) -> None:
    short = logged_in(refresh=False)
    before = short.claims
    clock(5)
    assert CHANGES["reauthenticate"](short).status_code == 200
    assert short.claims["auth_time"] == before["auth_time"] + 5
    assert (short.whoami(), TokenFamily.objects.count()) == (200, 0)


def test_logging_in_over_another_family_ends_that_one(alice: User, bob: User) -> None:
    holder = logged_in()
    before, access = holder.refresh, holder.access
    assert holder.sign_in(bob.email).status_code == 200
    assert holder.whoami() == 200
    assert Holder().call("GET", "/jwt/api/whoami", access=access).status_code == 401
    assert refused(before) == "invalid"
    assert TokenFamily.objects.get(user=alice).reason == "logged in again"
