"""SimpleJWT's own tables: what they say after each operation, and that no token is stored in them or elsewhere."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site_settings
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models.signals import post_save
from django.utils import timezone
from pytest_django import Settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts.models import User
from jwt_demo import blacklist, lifecycle
from jwt_demo.flow import FLOW
from jwt_demo.lifecycle import IssuedTokens
from jwt_demo.models import TokenFamily, Transport
from jwt_demo.tokens import RefreshToken
from security.revocation import revoke_access
from tests.conftest import NOON, Clock
from tests.jwt_demo.conftest import LOGOUT, NEW, PASSWORD, REAUTHENTICATE, RIGHT, SECOND, Holder, logged_in, thief
from tests.jwt_demo.inside import HERS, OTHER, begun, committed, counts, overtaken, refused, rotated, row, text
from tests.jwt_demo.rings import in_file, secrets_of
from tests.running import Store
from tests.sessions_demo.conftest import Visitor

HOUR, DAY = 3600, 86_400


def entries(issued: IssuedTokens) -> list[tuple[int, bool]]:
    """The outstanding tokens of a family in order: the generation of each, and whether it is still good."""
    rows = reversed(blacklist.chain(row(issued)))
    return [(int(entry.jti.split(".")[1]), not hasattr(entry, "blacklistedtoken")) for entry in rows]


# ── What is written ───────────────────────────────────────────────────────────────────────────


def test_a_login_is_outstanding(alice: User, clock: Clock) -> None:
    issued = begun(alice)
    entry = OutstandingToken.objects.get()
    assert (entry.user, entry.jti, entry.created_at) == (alice, row(issued).jti, NOON)
    assert entry.expires_at == row(issued).expires
    assert entry.jti == RefreshToken(text(issued))["jti"]
    assert str(blacklist.family_of(entry.jti)) == str(row(issued).pk)
    assert entries(issued) == [(0, True)]


def test_each_rotation_blacklists_the_one_before(alice: User, clock: Clock) -> None:
    latest = issued = begun(alice)
    other = begun(alice)
    for second in (100, 200):
        clock(second)
        latest = rotated(text(latest))
    assert entries(issued) == [(0, False), (1, False), (2, True)]
    blacklisted = BlacklistedToken.objects.order_by("pk").values_list("blacklisted_at", flat=True)
    assert [(at - NOON).total_seconds() for at in blacklisted] == [100, 200]
    assert blacklist.chain(row(issued))[0].jti == row(issued).jti
    assert entries(other) == [(0, True)]


def test_a_retry_and_a_short_login_write_nothing(alice: User, clock: Clock) -> None:
    issued = begun(alice)
    rotated(text(issued))
    before = entries(issued), OutstandingToken.objects.count(), BlacklistedToken.objects.count()
    rotated(text(issued))
    lifecycle.access_token_only(User.objects.get(), HERS)
    assert (entries(issued), OutstandingToken.objects.count(), BlacklistedToken.objects.count()) == before


ENDINGS: dict[str, Callable[[User, IssuedTokens], Any]] = {
    "logged out": lambda alice, issued: lifecycle.end(RefreshToken(text(issued)), None, "test"),
    "ended": lambda alice, issued: FLOW.end(alice, row(issued).pk, "test"),
    "others ended": lambda alice, issued: FLOW.end_others(alice, None, "test"),
    "revoked": lambda alice, issued: revoke_access(alice, "test"),
    "late": lambda alice, issued: refused(text(issued)),
    "theft": lambda alice, issued: refused(text(issued), OTHER),
}


@committed
@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
def test_an_ended_family_has_nothing_good_left(
    alice: User, clock: Clock, settings: Settings, ending: Callable[[User, IssuedTokens], Any]
) -> None:
    settings.JWT_GRACE_PERIOD = 0
    issued = begun(alice)
    rotated(text(issued))
    ending(User.objects.get(), issued)
    assert entries(issued) == [(0, False), (1, False)]
    ending(User.objects.get(), issued)
    assert entries(issued) == [(0, False), (1, False)]


@committed
@pytest.mark.parametrize(("name", "verdict"), [("late", "late"), ("theft", "reuse")])
def test_a_replay_that_overtakes_a_rotation_leaves_nothing_good_either(
    alice: User, clock: Clock, monkeypatch: pytest.MonkeyPatch, name: str, verdict: str
) -> None:
    """The family is rotated after the replay has read its row."""
    issued = begun(alice)
    latest = rotated(text(issued))
    clock(HOUR)
    overtaken(monkeypatch, issued, lambda: rotated(text(latest)))
    assert ENDINGS[name](alice, issued) == verdict
    assert entries(issued) == [(0, False), (1, False), (2, False)]


def test_a_re_key_blacklists_the_old_and_notes_the_new(alice: User) -> None:
    issued = begun(alice)
    lifecycle.reauthenticate(row(issued), User.objects.get(), HERS)
    assert entries(issued) == [(0, False), (1, True)]


def test_a_receiver_of_the_projects_hears_of_each_token_that_is_issued(alice: User) -> None:
    heard: list[str] = []

    def hear(instance: OutstandingToken, **_: Any) -> None:
        heard.append(instance.jti)

    post_save.connect(hear, sender=OutstandingToken)
    try:
        issued = rotated(text(begun(alice)))
    finally:
        post_save.disconnect(hear, sender=OutstandingToken)
    assert heard == list(OutstandingToken.objects.order_by("pk").values_list("jti", flat=True))
    assert heard[-1] == row(issued).jti


def test_a_rotation_that_fails_leaves_no_row(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    issued = begun(alice)

    def fails(_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(blacklist, "add", fails)
    with pytest.raises(ZeroDivisionError):
        rotated(text(issued))
    monkeypatch.undo()
    assert (row(issued).generation, entries(issued)) == (0, [(0, True)])
    assert rotated(text(issued))


def test_the_chain_of_one_family_is_not_that_of_another(alice: User, bob: User) -> None:
    issued, other, bobs = begun(alice), begun(alice), begun(bob)
    rotated(text(issued))
    assert [len(entries(family)) for family in (issued, other, bobs)] == [2, 1, 1]


@committed
@pytest.mark.parametrize("rotates", [False, True])
def test_blacklisting_the_latest_token_ends_its_family(alice: User, rotates: bool) -> None:
    """SimpleJWT's own code blacklists it. The client may rotate between the commit and the end of the family."""
    issued, other = begun(alice), begun(alice)
    with transaction.atomic():
        if rotates:
            transaction.on_commit(lambda: rotated(text(issued)))
        BlacklistedToken.objects.create(token=blacklist.chain(row(issued))[0])
    assert (row(issued).reason, row(other).ended) == ("blacklisted", None)
    assert (counts(issued), counts(other)) == (False, True)
    assert {good for _, good in entries(issued)} == {False}


@committed
def test_blacklisting_an_earlier_token_changes_nothing(alice: User) -> None:
    issued = begun(alice)
    latest = rotated(text(issued))
    BlacklistedToken.objects.all().delete()
    BlacklistedToken.objects.create(token=blacklist.chain(row(issued))[1])
    assert rotated(text(latest))


# ── No token in any store (B9) ────────────────────────────────────────────────────────────────


def dump(store: Store) -> str:
    """Every row of every table, and every key of Redis with its value."""
    connection.ensure_connection()
    lines = list(connection.connection.iterdump())
    for number in range(4):
        client = store.client(number)
        for key in client.scan_iter():
            kind = client.type(key)
            value = client.get(key) if kind == b"string" else client.execute_command("DUMP", key)
            lines.append(f"{key!r} {value!r}")
    return "\n".join(lines)


def tour(alice: User, bob: User) -> list[str]:
    """Calls every operation. Returns all tokens that were issued."""
    tokens: list[str] = []

    def noted(holder: Holder, *refresh: str) -> Holder:
        tokens.extend(filter(None, (holder.access, holder.refresh, *refresh)))
        return holder

    holder, stolen = noted(logged_in(remember=True)), noted(logged_in(bob.email))
    native = noted(Holder("native/1.0"))
    tokens.append(native.sign_in(transport="body").json()["refreshToken"])
    tokens.append(native.call("POST", "/jwt/auth/refresh", {"refreshToken": tokens[-1]}).json()["refreshToken"])
    noted(noted(logged_in(refresh=False))).call("POST", LOGOUT)
    for _ in range(2):
        holder.rotate()
        noted(holder)
    for path, body in ((REAUTHENTICATE, {"password": RIGHT}), (PASSWORD, {"current": RIGHT, "new": NEW})):
        assert holder.call("POST", path, body).status_code == 200
        noted(holder)
    stolen.rotate()
    noted(stolen)
    assert thief(tokens[3]).rotate().status_code == 401
    noted(logged_in(agent=SECOND, password=NEW)).call("POST", LOGOUT)
    return tokens


@committed
def test_no_token_and_no_key_lies_in_any_store(
    alice: User, bob: User, store: Store, run_housekeeping: Callable[[], None]
) -> None:
    tokens = tour(alice, bob)
    during = dump(store)
    run_housekeeping()
    everything = during + dump(store)
    assert len(set(tokens)) > 15
    assert OutstandingToken.objects.count() > 8 and f"{OutstandingToken.objects.first().jti}" in everything
    for token in tokens:
        for part in (token, *token.split(".")):
            assert part not in everything
    for key in (*site_settings.JWT_ACCESS_KEYS, *site_settings.JWT_REFRESH_KEYS):
        assert key not in everything


@pytest.fixture
def path(settings: Settings, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of keys. Commands that change it do not wait for other processes."""
    monkeypatch.setattr("jwt_demo.management.commands.rotate_keys.time.sleep", lambda seconds: None)
    return in_file(settings, tmp_path / "keys.json")


@committed
def test_no_key_of_a_file_lies_in_any_store_or_in_the_log(
    alice: User, path: Path, store: Store, clock: Clock, log: io.StringIO, run_housekeeping: Callable[[], None]
) -> None:
    """During a rotation, with a broken file, with reminders, and after a leak."""
    everything, secret = "", secrets_of(path)
    for second, options in ((0, []), (91 * DAY, []), (91 * DAY, ["--force"])):
        clock(second)
        call_command("rotate_keys", *options, stdout=(said := io.StringIO()))
        call_command("keys", stdout=said)
        secret += secrets_of(path)
        holder = logged_in()
        path.chmod(0o644)
        run_housekeeping()
        assert holder.whoami() == 200
        everything += dump(store) + said.getvalue()
        path.chmod(0o600)
    everything += log.getvalue()
    assert (len(set(secret)) > 8, everything.count("Run chmod 600.") > 3, holder.family.kid in everything) == (
        True,
    ) * 3
    assert not [one for one in secret if one in everything]


def test_what_stands_in_the_place_of_a_token_is_none(alice: User) -> None:
    issued = begun(alice)
    entry = OutstandingToken.objects.get()
    assert entry.token.startswith("sha256:") and len(entry.token) == len("sha256:") + 64
    for value in (entry.token, entry.jti, row(issued).rotated_by, row(issued).kid, str(row(issued).pk)):
        assert thief(value).rotate().json() == {"error": "Invalid refresh token"}
    assert rotated(text(issued))


# ── A user who goes, and SimpleJWT's own command ──────────────────────────────────────────────


def by_admin(path: str, **data: Any) -> Callable[[User], Any]:
    def delete(alice: User) -> Any:
        User.objects.create_superuser("admin@example.com", "correct horse admin")
        visitor = Visitor({"User-Agent": "admin/1.0"})
        assert visitor.log_in("admin@example.com").status_code == 302
        given = {name: value.format(pk=alice.pk) for name, value in data.items()}
        return visitor.submit(path.format(pk=alice.pk), {"post": "yes", **given})

    return delete


DELETIONS: dict[str, Callable[[User], Any]] = {
    "by the ORM": lambda alice: alice.delete(),
    "by query": lambda alice: User.objects.filter(pk=alice.pk).delete(),
    "on the admin's page": by_admin("/admin/accounts/user/{pk}/delete/"),
    "by the admin's action": by_admin("/admin/accounts/user/", action="delete_selected", _selected_action="{pk}"),
}


@committed
@pytest.mark.parametrize("delete", DELETIONS.values(), ids=DELETIONS)
def test_a_user_with_tokens_can_be_deleted_and_they_are_ended(
    alice: User, bob: User, delete: Callable[[User], Any]
) -> None:
    holder, bobs = logged_in(), logged_in(bob.email)
    holder.rotate()
    family = holder.family
    delete(alice)
    assert not User.objects.filter(pk=family.user_id).exists()
    family.refresh_from_db()
    assert (family.reason, family.ended is None) == ("deleted", False)
    mine = OutstandingToken.objects.filter(jti__startswith=f"{family.pk}.")
    assert [(entry.user, hasattr(entry, "blacklistedtoken")) for entry in mine] == [(None, True)] * 2
    refused_ = holder.rotate()
    assert (refused_.status_code, refused_.json()) == (401, {"error": "Access revoked"})
    assert (holder.whoami(), bobs.whoami(), bobs.rotate().status_code) == (401, 200, 200)


@pytest.mark.parametrize("days", [0, 6, 8, 40])
def test_simplejwts_own_command_breaks_no_rotation(alice: User, clock: Clock, days: int) -> None:
    issued = latest = begun(alice, remember=True)
    clock(6 * DAY)
    latest = rotated(text(latest))
    clock((6 + min(days, 29)) * DAY)
    call_command("flushexpiredtokens")
    latest = rotated(text(latest))
    assert entries(issued)[-1] == (2, True)
    assert sum(good for _, good in entries(issued)) == 1


@committed
def test_simplejwts_own_command_hides_no_theft(alice: User, clock: Clock) -> None:
    issued = begun(alice, remember=True)
    clock(29 * DAY)
    OutstandingToken.objects.update(expires_at=timezone.now())
    rotated(text(rotated(text(issued))))
    call_command("flushexpiredtokens")
    assert not OutstandingToken.objects.filter(jti=row(issued).jti.replace(".2.", ".0.")).exists()
    assert refused(text(issued)) == "reuse"
    assert row(issued).reason == "token reused"


@committed
def test_a_rotation_whose_row_somebody_removed_still_rotates(alice: User, measured: Callable[..., Any]) -> None:
    issued = begun(alice)
    OutstandingToken.objects.all().delete()
    with measured() as cost:
        latest = rotated(text(issued))
    # An entry without a token: SQLite would ignore the INSERT, and PostgreSQL would refuse it.
    assert not [sql for sql in cost.sql if "blacklistedtoken" in sql]
    assert entries(issued) == [(1, True)]
    assert refused(text(issued), HERS, Transport.BODY) == "reuse"
    assert refused(text(latest)) == "invalid"
    assert TokenFamily.objects.get().reason == "token reused"
