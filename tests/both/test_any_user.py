"""Any user model works: its changes revoke access, in whichever way they are made."""

from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.signals import user_logged_in
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.test import RequestFactory

from accounts.models import User
from security import signals, users
from security.models import UserAccess
from security.revocation import revoke_access
from security.users import guarded_fields, pk_of, role_of, stored_users, user_key
from sessions_demo.models import DeviceSession
from sessions_demo.store import SessionStore
from tests.access import version_of
from tests.conftest import Clock
from tests.jwt_demo import conftest as jwt
from tests.running import Store
from tests.sessions_demo import conftest as session
from tests.sessions_demo.conftest import after

# Changes that SQL, or an `update()` on another project's model, may make.
CHANGES: dict[str, dict[str, Any]] = {
    "inactive": {"is_active": False},
    "role": {"role": "admin"},
    "superuser": {"is_superuser": True},
    "e-mail": {"email": "other@example.com"},
    "password": {"password": make_password("another and longer one")},
}
committed = pytest.mark.django_db(transaction=True)


class Keyed:
    """Stands for a user model, but has only its primary key."""

    def __init__(self, key: Any) -> None:
        self._meta = self
        self.pk = key


KEYS: list[tuple[Any, Any, str]] = [
    (models.BigAutoField(), 42, "42"),
    (models.UUIDField(), UUID(int=1), "0" * 31 + "1"),
    (models.CharField(max_length=30), "a{b}:c/é", "a{b}:c/é"),
]


@pytest.mark.parametrize(("field", "pk", "text"), KEYS)
def test_a_key_of_any_kind_has_one_text(monkeypatch: pytest.MonkeyPatch, field: Any, pk: Any, text: str) -> None:
    monkeypatch.setattr(users, "get_user_model", lambda: Keyed(field))
    assert user_key(pk) == text
    assert pk_of(text) == pk_of(str(pk)) == pk


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (models.BigAutoField(), "042"),
        (models.BigAutoField(), "4 2"),
        (models.BigAutoField(), "x"),
        (models.UUIDField(), "{00000000-0000-0000-0000-000000000001}"),
        (models.UUIDField(), "1"),
        (models.CharField(max_length=3), "long"),
    ],
)
def test_what_is_no_key_is_refused(monkeypatch: pytest.MonkeyPatch, field: Any, text: str) -> None:
    monkeypatch.setattr(users, "get_user_model", lambda: Keyed(field))
    with pytest.raises(ValidationError):
        pk_of(text)


def test_the_fields_that_guard_are_those_the_model_has(db: None) -> None:
    assert guarded_fields() == ["email", "is_active", "is_superuser", "password", "role"]


def test_the_role_is_what_the_setting_says(alice: User, settings: Any) -> None:
    assert role_of(alice) == "member"
    settings.SECURITY_ROLE = "tests.both.test_any_user.shout"
    assert role_of(alice) == "MEMBER"


def shout(user: Any) -> str:
    return str(user.role).upper()


@committed
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_past_the_signals_ends_a_session_within_a_minute_of_use(
    alice: User, clock: Clock, store: Store, change: dict[str, Any]
) -> None:
    clock(0)
    visitor = session.logged_in()
    stored_users().filter(pk=alice.pk).update(**change)
    clock(60)
    assert (visitor.whoami(), session.keys(store), version_of(alice)) == (401, set(), 1)


@committed
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_past_the_signals_ends_a_family_at_the_next_refresh(
    alice: User, store: Store, change: dict[str, Any]
) -> None:
    holder = jwt.logged_in()
    stored_users().filter(pk=alice.pk).update(**change)
    assert holder.rotate().status_code == 401
    assert (holder.get(jwt.WHOAMI).status_code, version_of(alice)) == (401, 1)


@committed
def test_a_change_past_the_signals_is_seen_by_the_next_login(alice: User) -> None:
    before, holder = session.logged_in(), jwt.logged_in()
    stored_users().filter(pk=alice.pk).update(role="admin")
    assert session.Visitor().sign_in().status_code == 200
    assert (before.whoami(), holder.get(jwt.WHOAMI).status_code, version_of(alice)) == (401, 401, 1)


@committed
def test_a_ban_past_the_signals_wins_over_a_login_that_is_under_way(
    alice: User, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ban does not raise `token_version`, so the login must also check that the user is active."""
    for flow, visitor in (("sessions_demo", session.Visitor()), ("jwt_demo", jwt.Holder())):
        stored_users().filter(pk=alice.pk).update(is_active=True)
        ban = lambda: stored_users().filter(pk=alice.pk).update(is_active=False)  # noqa: E731
        after(monkeypatch, f"{flow}.views.verify", ban)
        assert visitor.sign_in().status_code == 401
    assert (session.keys(store), version_of(alice)) == (set(), 0)


@committed
def test_the_row_of_a_deleted_user_stays_and_revives_nothing(alice: User) -> None:
    visitor, holder, pk = session.logged_in(), jwt.logged_in(), alice.pk
    email, password = alice.email, alice.password
    alice.delete()
    assert UserAccess.objects.get(user_key=user_key(pk)).token_version == 1
    User.objects.bulk_create([User(pk=pk, email=email, email_as_given=email, password=password)])
    assert (visitor.whoami(), holder.get(jwt.WHOAMI).status_code, holder.rotate().status_code) == (401, 401, 401)
    again = session.logged_in()
    assert (again.whoami(), version_of(alice.__class__(pk=pk))) == (200, 1)


def received(signal: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    signal.connect(lambda sender, signal, **arguments: found.append(arguments), weak=False, dispatch_uid="test")
    return found


@pytest.fixture(autouse=True)
def _disconnected() -> Any:
    yield
    for signal in (signals.access_revoked, signals.new_client_seen, signals.token_reuse_detected):
        signal.disconnect(dispatch_uid="test")
        signal.disconnect(dispatch_uid="broken")


@committed
def test_a_project_is_told_after_the_commit_and_of_nothing_that_was_rolled_back(alice: User) -> None:
    revoked = received(signals.access_revoked)
    with transaction.atomic():
        revoke_access(alice, "first")
        assert revoked == []
    with transaction.atomic():
        revoke_access(alice, "second")
        transaction.set_rollback(True)
    expected = {"user": alice, "user_key": user_key(alice.pk), "reason": "first", "token_version": 1}
    assert revoked == [expected]


@committed
def test_a_project_is_told_of_a_new_client_and_of_a_theft(alice: User) -> None:
    clients, thefts = received(signals.new_client_seen), received(signals.token_reuse_detected)
    session.logged_in()
    holder = jwt.logged_in()
    assert [one["user"].pk for one in clients] == [alice.pk]
    stolen = dict(holder.cookies)
    holder.rotate()
    holder.rotate()
    for name, morsel in stolen.items():
        holder.cookies[name] = morsel.value
    assert holder.rotate().status_code == 401
    assert [(one["user"].pk, one["everything"]) for one in thefts] == [(alice.pk, True)]


@committed
def test_a_receiver_that_fails_undoes_nothing_and_keeps_no_other_from_hearing(
    alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(**arguments: Any) -> None:
        raise ZeroDivisionError

    signals.access_revoked.connect(broken, weak=False, dispatch_uid="broken")
    visitor, revoked = session.logged_in(), received(signals.access_revoked)
    revoke_access(alice, "test")
    assert (visitor.whoami(), len(revoked)) == (401, 1)
    assert "broken" in caplog.text


def test_djangos_own_receiver_of_a_login_stays_where_it_was() -> None:
    assert "update_last_login" in [key[0] for key, *_ in user_logged_in.receivers]


def test_a_login_without_a_session_is_left_alone(alice: User, store: Store) -> None:
    """Token libraries also send Django's signal, some without a request."""
    request = RequestFactory().post("/")
    request.session = SessionStore()
    for one in (request, None):
        user_logged_in.send(User, request=one, user=alice)
    assert (session.keys(store), DeviceSession.objects.count()) == (set(), 0)
