"""A key is replaced without a logout: it stays as long as a token that it signed may be presented."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connection
from django.utils import timezone
from pytest_django import Settings
from rest_framework_simplejwt.exceptions import TokenError

from accounts.models import User
from jwt_demo import ending, key_rotation, key_writing, keys, lifecycle
from jwt_demo.key_rotation import Plan, RotationUnderWay, longest_life, tokens_under
from jwt_demo.keys import ALWAYS, DatedKey, Ring, State
from jwt_demo.lifecycle import IssuedTokens
from jwt_demo.models import Policy, TokenFamily
from jwt_demo.tokens import AccessToken, RefreshToken
from tests.conftest import NOON, Clock
from tests.jwt_demo.inside import OTHER, begun, refused, rotated, row, text
from tests.jwt_demo.rings import edit, in_file

MINUTE, HOUR, DAY = 60, 3600, 86_400
Change = Callable[..., None]


@pytest.fixture
def path(settings: Settings, tmp_path: Path, clock: Clock) -> Path:
    return in_file(settings, tmp_path / "keys.json")


def rotate(path: Path, *kinds: str) -> None:
    """Rotates as the command does."""
    with key_writing.locked(path):
        before = keys.read(path)
        after = {kind: Plan.without_logout(before[kind], timezone.now()).after for kind in kinds or before}
        key_writing.write(path, before | after)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def states(kind: str = "refresh") -> list[str]:
    return [dated.state(timezone.now()).value for dated in keys.ring(kind).dated]


# ── No rotation ends a login ──────────────────────────────────────────────────────────────────


def test_two_rotations_log_nobody_out(path: Path, alice: User, clock: Clock) -> None:
    """A login in each state of the keys, which refreshes at the last moment, and two logins that refresh every day."""
    logins: dict[int, IssuedTokens] = {}
    begins = [0, 5, HOUR + 4, HOUR + 5, 6 * DAY - 1, 6 * DAY, 6 * DAY + HOUR - 1, 6 * DAY + HOUR, 7 * DAY]
    ends = {begin + 7 * DAY - 1: begin for begin in begins}
    daily = [begun(alice), begun(alice, remember=True)]
    for second in sorted({5, 6 * DAY, *begins, *ends, *range(DAY, 15 * DAY, DAY)}):
        clock(second)
        if second in (5, 6 * DAY):
            rotate(path)
        if second in begins:
            logins[second] = begun(alice)
        if second in ends:
            assert AccessToken(str(rotated(text(logins[ends[second]])).access))
        if second % DAY == 0 and second:
            daily = [rotated(text(one)) for one in daily]
    assert states() == ["retiring", "retiring", "active"]
    kids = [dated.key.kid for dated in keys.ring("refresh").dated]
    assert {row(one).kid for one in daily} == {kids[-1]}
    # Each key has signed a token of these logins.
    assert {begun_.family.kid for begun_ in logins.values() if begun_.family} == set(kids)


@pytest.mark.parametrize("remember", [False, True])
def test_what_a_key_signed_in_its_last_second_refreshes_in_its_own(
    path: Path, alice: User, clock: Clock, remember: bool
) -> None:
    life = 30 * DAY if remember else 7 * DAY
    rotate(path)
    clock(HOUR - 1)
    first = keys.ring("refresh").active.kid
    login = begun(alice, remember=remember)
    token = text(login)
    clock(HOUR - 1 + life - 1)
    assert keys.ring("refresh").active.kid != first
    latest = rotated(token)
    # A lost answer is repeated byte for byte.
    assert text(rotated(token)) == text(latest)
    assert RefreshToken(token).token_backend.key_of(text(latest)).kid != first


def test_an_access_token_lives_out_its_time(path: Path, alice: User, clock: Clock) -> None:
    rotate(path, "access")
    clock(HOUR - 1)
    token = str(begun(alice).access)
    clock(HOUR - 1 + 15 * MINUTE - 1)
    assert AccessToken(token)
    clock(HOUR + 15 * MINUTE + 41)
    assert states("access") == ["retired", "active"]


def test_a_key_stays_for_the_longest_life_and_the_grace_period_and_the_leeway(
    path: Path, settings: Settings, simple_jwt: Change, alice: User
) -> None:
    settings.JWT_GRACE_PERIOD = 10
    extra = timedelta(seconds=10 + 30)
    assert longest_life("access") == timedelta(minutes=15) + extra
    assert longest_life("refresh") == timedelta(days=30) + extra
    settings.JWT_GRACE_PERIOD = 300
    simple_jwt(LEEWAY=60, REFRESH_TOKEN_LIFETIME=timedelta(days=31))
    assert longest_life("access") == timedelta(minutes=15, seconds=360)
    assert longest_life("refresh") == timedelta(days=31, seconds=360)
    rotate(path, "refresh")
    old, new = keys.ring("refresh").dated
    assert old.retiring == new.active == after(HOUR)
    assert old.retired == after(HOUR + 31 * DAY + 360)


def test_a_login_with_a_longer_policy_than_todays_settings_keeps_its_key(path: Path, alice: User, clock: Clock) -> None:
    policy = Policy(access=60, refresh=200 * DAY, absolute=300 * DAY, grace_period=10, revocation="denylist")
    login = begun(alice, policy=policy)
    rotate(path)
    clock(200 * DAY - 1)
    latest = rotated(text(login))
    # The absolute end of the family now comes before the end of the key.
    assert row(latest).expires == after(300 * DAY)
    rotate(path)
    clock(300 * DAY - 1)
    assert rotated(text(latest))


def test_lifetimes_that_grow_between_a_plan_and_its_change_make_no_token_that_outlives_its_key(
    path: Path, settings: Settings, simple_jwt: Change, alice: User, clock: Clock
) -> None:
    rotate(path)
    retired = keys.ring("refresh").dated[0].retired
    assert retired == after(HOUR + 30 * DAY + 40)
    simple_jwt(REFRESH_TOKEN_LIFETIME=timedelta(days=60), ACCESS_TOKEN_LIFETIME=timedelta(hours=2))
    settings.JWT_ABSOLUTE_LIFETIME = 90 * DAY
    clock(HOUR - 1)
    login = begun(alice)
    end = keys.ring("access").dated[0].retired
    assert end and login.access["exp"] == int(end.timestamp()) < after(3 * HOUR - 1).timestamp()
    # The token lives as long as its key, and not for 60 days.
    assert row(login).expires == retired
    clock(HOUR + 30 * DAY)
    latest = rotated(text(login))
    assert row(latest).expires == after(HOUR + 90 * DAY - 1)
    clock(HOUR + 89 * DAY)
    assert rotated(text(latest))


def test_by_a_clock_that_is_behind_or_ahead_nobody_is_logged_out(path: Path, alice: User, clock: Clock) -> None:
    rotate(path)
    clock(HOUR - 20)
    late = begun(alice)
    clock(HOUR + 20)
    early = begun(alice)
    for seconds in (HOUR - 30, HOUR + 30):
        clock(seconds)
        assert row(late).can_be_signed()
        assert row(early).can_be_signed()
    clock(HOUR + 20)
    assert rotated(text(late))
    assert rotated(text(early))


def test_a_retired_key_verifies_nothing(path: Path, alice: User, clock: Clock) -> None:
    login = begun(alice, remember=True)
    token = text(login)
    edit(path, lambda found: found["refresh"][0].update(retiring=str(after(1)), retired=str(after(2))))
    edit(path, lambda found: found["refresh"].append({"secret": key_writing.new_secret("HS256")} | _begins(after(1))))
    clock(1)
    assert states() == ["retiring", "active"]
    assert RefreshToken(token)
    clock(2)
    with pytest.raises(TokenError):
        RefreshToken(token)


def _begins(moment: datetime) -> dict[str, Any]:
    return {"pending": str(moment), "active": str(moment), "retiring": None, "retired": None}


# ── What a plan refuses, and what it leaves out ───────────────────────────────────────────────


def test_a_key_that_is_pending_is_not_replaced(path: Path, clock: Clock, db: None) -> None:
    rotate(path)
    for seconds in (0, HOUR - 1):
        clock(seconds)
        for kind in ("access", "refresh"):
            with pytest.raises(RotationUnderWay):
                rotate(path, kind)
    clock(HOUR)
    rotate(path)
    # By a clock that is behind, the key that signs is still pending.
    clock(-1)
    with pytest.raises(RotationUnderWay):
        rotate(path)


def test_a_rotation_drops_the_keys_that_have_retired_and_no_others(path: Path, clock: Clock, db: None) -> None:
    first = keys.ring("access").active.kid
    rotate(path)
    clock(2 * HOUR)
    rotate(path)
    assert first not in [dated.key.kid for dated in keys.ring("access").dated]
    assert states("access") == ["active", "pending"]
    assert states("refresh") == ["retiring", "active", "pending"]


def test_a_key_without_an_end_gets_one(clock: Clock, db: None) -> None:
    """In a file that was written by hand, a key may have no end."""
    endless = DatedKey(key_writing.new_secret("HS256"), ALWAYS, ALWAYS, NOON)
    before = Ring("refresh", [endless, DatedKey(key_writing.new_secret("HS256"), ALWAYS, NOON)])
    ended = Plan.without_logout(before, NOON).after.dated[0]
    assert (ended.retiring, ended.retired) == (NOON, after(HOUR) + longest_life("refresh"))


def test_no_key_signs_before_every_verifier_has_it(path: Path, settings: Settings, db: None) -> None:
    settings.JWT_KEYS_REREAD = 5
    settings.JWT_KEYS_PENDING = 305
    with pytest.raises(ImproperlyConfigured, match="JWT_KEYS_PENDING"):
        rotate(path)
    settings.JWT_KEYS_PENDING = 306
    rotate(path)
    assert keys.read(path)["access"].dated[1].active == after(306)


@pytest.mark.parametrize(("kind", "algorithm"), [("access", "RS256"), ("refresh", "ES256"), ("refresh", "none")])
def test_no_key_is_made_for_an_algorithm_that_the_ring_does_not_take(
    settings: Settings, kind: str, algorithm: str
) -> None:
    setattr(settings, f"JWT_{kind.upper()}_ALGORITHM", algorithm)
    with pytest.raises(ImproperlyConfigured, match=f"JWT_{kind.upper()}_ALGORITHM must be one of"):
        key_rotation.new_secret(kind)


def test_a_plan_says_who_would_be_logged_out(path: Path, alice: User, clock: Clock) -> None:
    login, ended = begun(alice), begun(alice)
    lifecycle.end(RefreshToken(text(ended)), None, "test")
    ring = keys.ring("refresh")
    assert list(Plan.at_once("refresh", ring, NOON).lost()) == [row(login)]
    # Without a file, the login is lost too.
    assert list(Plan.at_once("refresh", None, NOON).lost()) == [row(login)]
    assert not Plan.at_once("access", ring, NOON).lost().exists()
    assert not Plan.without_logout(ring, NOON).lost().exists()
    short = key_rotation.followed_by(
        ring, DatedKey(key_writing.new_secret("HS256"), NOON, NOON), timedelta(days=7, seconds=-1)
    )
    assert list(Plan(ring, short).lost()) == [row(login)]
    enough = key_rotation.followed_by(ring, DatedKey(key_writing.new_secret("HS256"), NOON, NOON), timedelta(days=7))
    assert not Plan(ring, enough).lost().exists()


def test_what_a_new_key_at_once_leaves_of_the_old_is_nothing(path: Path, alice: User, clock: Clock) -> None:
    login = begun(alice)
    refresh, access = text(login), str(login.access)
    rotate(path)
    plans = {kind: Plan.at_once(kind, ring, timezone.now()) for kind, ring in keys.read(path).items()}
    # The pending key was in the same file, so it is removed too.
    assert {kind: len(plan.gone()) for kind, plan in plans.items()} == {"access": 2, "refresh": 2}
    assert RefreshToken(refresh)
    assert AccessToken(access)
    key_writing.write(path, {kind: plan.after for kind, plan in plans.items()})
    for kind, token in ((RefreshToken, refresh), (AccessToken, access)):
        with pytest.raises(TokenError):
            kind(token)


# ── Out of a setting, into the file ───────────────────────────────────────────────────────────


def test_the_keys_of_a_setting_go_into_the_file_and_the_tokens_stay_good(
    settings: Settings, tmp_path: Path, alice: User, clock: Clock
) -> None:
    older, newer = key_writing.new_secret("HS256"), key_writing.new_secret("HS256")
    settings.JWT_REFRESH_KEYS = [older]
    first = begun(alice)
    settings.JWT_REFRESH_KEYS = [newer, older]
    second, token, access = begun(alice), text(first), settings.JWT_ACCESS_KEYS
    plans = [Plan.from_setting(kind, NOON) for kind in keys.SETTINGS]
    assert not any(plan.lost().exists() for plan in plans)
    path = in_file(settings, tmp_path / "keys.json", first=False)
    key_writing.write(path, {plan.after.kind: plan.after for plan in plans})
    assert keys.ring("access").active.signing == access[0].encode()
    assert keys.ring("refresh").active.signing == newer.encode()
    assert AccessToken(str(second.access))
    clock(7 * DAY - 1)
    assert rotated(token)
    assert rotated(text(second))
    clock(30 * DAY + 40)
    assert states() == ["retired", "active"]
    clock(91 * DAY)
    # Its age counts from the moment at which it was written into the file.
    assert any("is 91 days old" in due for due in key_rotation.reminders())
    rotate(path)
    assert states() == ["active", "pending"]


# ── Counting ──────────────────────────────────────────────────────────────────────────────────


def test_the_tokens_under_each_key_are_counted(path: Path, alice: User, clock: Clock) -> None:
    begun(alice)
    rotate(path)
    clock(HOUR)
    begun(alice)
    begun(alice)
    assert list(tokens_under(keys.ring("refresh")).values()) == [1, 2]
    assert list(tokens_under(keys.ring("access")).values()) == [0, 2]  # the token of the first login has expired
    clock(HOUR + 15 * MINUTE)
    assert list(tokens_under(keys.ring("access")).values()) == [0, 0]


def test_before_the_first_migrate_nothing_is_asked_of_tables(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_rotation, "has_tables", lambda: False)
    ring = keys.ring("refresh")
    assert list(tokens_under(ring).values()) == [0]
    assert not Plan.at_once("refresh", None, NOON).lost().exists()
    assert longest_life("refresh") == timedelta(days=30, seconds=40)


@pytest.mark.parametrize("says", ["unable to open database file", "database is locked"])
def test_a_database_that_is_away_is_not_taken_for_one_without_logins(
    db: None, monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    def away(*_: Any) -> None:
        raise OperationalError(says)

    monkeypatch.setattr(connection.introspection, "table_names", away)
    monkeypatch.setitem(connection.settings_dict, "NAME", f"file:{__file__}?mode=rw")
    with pytest.raises(OperationalError):
        key_rotation.has_tables()
    monkeypatch.setitem(connection.settings_dict, "NAME", "file:/nowhere/db%20file?mode=rw")
    if says.startswith("unable"):
        assert not key_rotation.has_tables()


# ── First keys, and reminders ─────────────────────────────────────────────────────────────────


def test_the_first_keys_are_those_that_neither_a_setting_nor_the_file_has(
    settings: Settings, tmp_path: Path, db: None
) -> None:
    path = in_file(settings, tmp_path / "keys.json", first=False)
    settings.JWT_REFRESH_KEYS = [key_writing.new_secret("HS256")]
    key_rotation.ensure_keys(path)
    assert keys.read(path).keys() == {"access"}
    before = path.read_bytes()
    key_rotation.ensure_keys(path)
    assert path.read_bytes() == before
    settings.JWT_REFRESH_KEYS = []
    access = keys.read(path)["access"].active.kid
    key_rotation.ensure_keys(path)
    assert (keys.read(path).keys(), keys.read(path)["access"].active.kid) == ({"access", "refresh"}, access)
    assert [ring.active.algorithm for ring in keys.read(path).values()] == ["EdDSA", "HS256"]
    path.write_text("{")
    with pytest.raises(keys.UnusableKeys):
        key_rotation.ensure_keys(path)
    assert path.read_text() == "{"


@pytest.mark.parametrize("lost", ["file", "ring"])
def test_a_start_makes_no_refresh_keys_while_somebody_is_logged_in_by_others(
    path: Path, alice: User, clock: Clock, lost: str
) -> None:
    """The file was lost, or a second machine with another folder starts on the same database."""
    login = begun(alice)
    path.unlink() if lost == "file" else edit(path, lambda found: found.pop("refresh"))
    for _ in range(2):
        with pytest.raises(keys.UnusableKeys, match=r"no refresh keys, and logins need .* rotate_keys refresh --force"):
            key_rotation.ensure_keys(path)
    assert path.exists() is (lost == "ring")
    ending.end_families(TokenFamily.objects.all(), "test")
    assert row(login).ended
    key_rotation.ensure_keys(path)
    assert keys.read(path).keys() == {"access", "refresh"}


def test_with_all_keys_in_settings_no_folder_is_needed(tmp_path: Path) -> None:
    key_rotation.ensure_keys(tmp_path / "none" / "keys.json")
    assert not (tmp_path / "none").exists()


def test_reminders_say_what_is_due_and_no_path(path: Path, settings: Settings, clock: Clock) -> None:
    kids = {kind: keys.ring(kind).active.kid for kind in keys.SETTINGS}
    clock(90 * DAY)
    assert key_rotation.reminders() == []
    clock(90 * DAY + 1)
    assert key_rotation.reminders() == [
        f"The {kind} key {kid} is 90 days old. Run manage.py rotate_keys {kind}." for kind, kid in kids.items()
    ]
    rotate(path, "access")
    assert len(key_rotation.reminders()) == 1
    path.chmod(0o644)
    problem = "The file of the keys is not in use: Others than its owner may read it or write to it. Run chmod 600."
    assert key_rotation.reminders()[1:] == [problem]
    settings.JWT_KEY_FILE = str(path.with_name("none.json"))
    assert key_rotation.reminders() == ["The file of the keys is not in use: No such file or directory."]
    settings.JWT_KEY_FILE = ""
    assert key_rotation.reminders() == ["JWT_KEY_FILE names no file."]
    for name in keys.SETTINGS.values():
        setattr(settings, name, [key_writing.new_secret("HS256")])
    # The keys of a setting have no dates, and no file is needed.
    assert key_rotation.reminders() == []
    settings.JWT_ACCESS_KEYS = ["hunter2"]
    (due,) = key_rotation.reminders()
    assert "access keys has a key that is a placeholder" in due
    assert "hunter2" not in due


def test_a_family_says_which_key_signed_it(path: Path, alice: User, clock: Clock) -> None:
    login = begun(alice)
    rotate(path)
    clock(HOUR)
    latest = rotated(text(login))
    assert row(latest).kid == keys.ring("refresh").active.kid != login.family.kid  # type: ignore[union-attr]
    assert refused(text(login), OTHER) == "reuse"
    assert State.RETIRING in states()
    assert TokenFamily.objects.get().ended
