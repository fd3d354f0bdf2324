"""Access is revoked at once, in the transaction of the change that requires it, and after an outage once it is over."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models import DateTimeField, Q, Value

from accounts.models import User
from security import devices, revocation
from security.models import PendingRevocation, SecurityEvent
from security.revocation import carry_out_pending, keeping, revoke_access
from tests.access import version_of
from tests.conftest import NOON, PASSWORDS, Clock, link_in
from tests.running import Store
from tests.sessions_demo.conftest import (
    NEW,
    PASSWORD_PAGE,
    PROFILE,
    PROFILE_PAGE,
    SECOND,
    Visitor,
    cheap_hashes,  # noqa: F401  (a fixture)
    keys,
    logged_in,
    thief,
)

committed = pytest.mark.django_db(transaction=True)
BOTH = {"new_password1": NEW, "new_password2": NEW}
USERS = "/admin/accounts/user/"


def is_out(visitor: Visitor) -> bool:
    """Whether the session is refused. It must be refused everywhere or accepted everywhere."""
    cookie = visitor.session_id
    statuses = (
        thief(cookie).whoami(),
        thief(cookie).get(PROFILE).status_code,
        thief(cookie).get(PROFILE_PAGE).status_code,
    )
    assert statuses in ((401, 401, 302), (200, 200, 200))
    return statuses[0] == 401


def form(user: User, **changed: Any) -> dict[str, Any]:
    fields = {"email": user.email, "name": user.name, "role": user.role, "is_active": "on"} | changed
    return {name: value for name, value in fields.items() if value is not None}


def by_admin(**changed: Any) -> Callable[[User], Any]:
    def change(user: User) -> Any:
        return at_work().submit(f"{USERS}{user.pk}/change/", form(user, **changed))

    return change


def at_work() -> Visitor:
    """An administrator who is logged in to the admin."""
    User.objects.create_superuser("admin@example.com", PASSWORDS["admin@example.com"])
    visitor = Visitor({"User-Agent": "admin/1.0"})
    assert visitor.log_in("admin@example.com").status_code == 302
    return visitor


def saved(**fields: Any) -> Callable[[User], Any]:
    def change(user: User) -> None:
        user = User.objects.get(pk=user.pk)
        for name, value in fields.items():
            setattr(user, name, value)
        user.save()

    return change


def by_action(user: User) -> Any:
    return at_work().submit(USERS, {"action": "delete_selected", "_selected_action": [user.pk], "post": "yes"})


def updated(**fields: Any) -> Callable[[User], Any]:
    """Changes these fields by a query, without `save()`."""
    return lambda user: User.objects.filter(email__endswith=".com", pk=user.pk).update(**fields) and None


def bulk_updated(**fields: Any) -> Callable[[User], Any]:
    def change(user: User) -> None:
        people = list(User.objects.order_by("pk"))
        for person in people:
            for name, value in fields.items():
                setattr(person, name, value if person.pk == user.pk else getattr(person, name))
        User.objects.bulk_update(people, fields)

    return change


def a_group() -> Group:
    return Group.objects.get_or_create(name="auditors")[0]


def a_permission() -> Permission:
    return Permission.objects.earliest("pk")


CHANGES: dict[str, Callable[[User], Any]] = {
    "banned": saved(is_active=False),
    "role": saved(role="admin"),
    "superuser": saved(is_superuser=True),
    "e-mail": saved(email="alice@example.org"),
    "password": saved(password=make_password(NEW)),
    "deleted": lambda user: user.delete(),
    "deleted by query": lambda user: User.objects.filter(pk=user.pk).delete(),
    "everywhere": lambda user: revoke_access(user, "test"),
    "banned in the admin": by_admin(is_active=None),
    "role in the admin": by_admin(role="admin"),
    "e-mail in the admin": by_admin(email="alice@example.org"),
    "password in the admin": lambda user: at_work().submit(
        f"{USERS}{user.pk}/password/", {"usable_password": "true", "password1": NEW, "password2": NEW}
    ),
    "deleted in the admin": lambda user: at_work().submit(f"{USERS}{user.pk}/delete/", {"post": "yes"}),
    "deleted by the admin's action": by_action,
    "banned by a query": updated(is_active=False),
    "role by a query": updated(role="admin", name="A"),
    "password by a query": updated(password="!"),
    "superuser by an expression": updated(is_superuser=Q(role="member")),
    "banned in bulk": bulk_updated(is_active=False),
    "e-mail in bulk": bulk_updated(email="alice@example.org", name="A"),
    "into a group": lambda user: user.groups.add(a_group()),
    "into a group, from its side": lambda user: a_group().user_set.add(user),
    "given a permission": lambda user: user.user_permissions.set([a_permission()]),
    "revoked by the command": lambda user: call_command("revoke_access", user.email, reason="test", stdout=StringIO()),
    "revoked in the admin": lambda user: at_work().submit(
        USERS, {"action": "revoke_access", "_selected_action": [user.pk], "reason": "test"}
    ),
}


# ── At once ───────────────────────────────────────────────────────────────────────────────────


@committed
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_that_matters_ends_every_session_at_once(alice: User, bob: User, change: Callable[..., Any]) -> None:
    here, there, at_bob = logged_in(), logged_in(agent=SECOND, remember=True), logged_in(bob.email)
    pk, answer = alice.pk, change(alice)
    assert getattr(answer, "status_code", 302) == 302
    assert [is_out(visitor) for visitor in (here, there, at_bob)] == [True, True, False]
    assert not PendingRevocation.objects.exists()
    assert SecurityEvent.objects.filter(name=SecurityEvent.Name.ACCESS_REVOKED, user_key=str(pk)).count() == 1


@committed
@pytest.mark.parametrize(
    "change",
    [
        saved(name="Alicia"),
        saved(email=" ALICE@Example.com"),
        saved(),
        by_admin(name="Alicia"),
        by_admin(),
        lambda user: user.check_password(PASSWORDS[user.email]),
        updated(name="Alicia"),
        updated(role="member", is_active=True),
        bulk_updated(role="member", name="Alicia"),
        lambda user: user.groups.add(*Group.objects.none()),
        lambda user: user.groups.clear(),
    ],
    ids=[
        *["name", "same e-mail", "nothing", "name in the admin", "nothing in the admin", "a look at the password"],
        *["name by a query", "the same by a query", "the same in bulk", "into no group", "out of no group"],
    ],
)
def test_any_other_change_ends_nothing(alice: User, change: Callable[[User], Any]) -> None:
    visitor = logged_in()
    change(alice)
    assert not is_out(visitor)
    alice.refresh_from_db()
    assert version_of(alice) == 0


@committed
@pytest.mark.parametrize(
    "leave",
    [
        lambda user: user.groups.clear(),
        lambda user: user.groups.remove(a_group()),
        lambda user: a_group().user_set.clear(),
        lambda user: a_group().user_set.set([]),
        lambda user: user.user_permissions.clear(),
        lambda user: a_group().delete(),
        lambda user: a_permission().delete(),
    ],
)
def test_who_loses_what_she_was_allowed_is_out(alice: User, leave: Callable[[User], Any]) -> None:
    alice.groups.add(a_group())
    alice.user_permissions.add(a_permission())
    visitor = logged_in()
    leave(alice)
    assert is_out(visitor)


@committed
def test_a_query_that_bans_many_revokes_from_each_it_changed_and_no_other(alice: User, bob: User) -> None:
    updated(is_active=False)(bob)
    before, visitor = version_of(bob), logged_in()
    assert User.objects.update(is_active=False) == 2
    assert is_out(visitor)
    assert version_of(alice) == 1
    assert version_of(bob) == before


@committed
def test_a_change_by_query_that_is_rolled_back_revokes_nothing(alice: User) -> None:
    visitor = logged_in()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        updated(is_active=False)(alice)
        raise ZeroDivisionError
    assert not is_out(visitor)


@committed
def test_the_command_says_what_it_ended(alice: User, store: Store) -> None:
    logged_in(), logged_in(agent=SECOND)
    told = StringIO()
    call_command("revoke_access", "ALICE@example.com", reason="phone stolen", stdout=told)
    assert told.getvalue() == "Access revoked. Ended: 2 sessions.\n"
    assert SecurityEvent.objects.filter(name=SecurityEvent.Name.ACCESS_REVOKED).latest("pk").detail["reason"] == (
        "phone stolen"
    )
    store.kill()
    call_command("revoke_access", alice.email, reason="again", stdout=told)
    later = "Not ended yet, of 1 user: a store is away. Housekeeping ends the rest when it is back."
    assert told.getvalue().endswith(f"Access revoked. {later}\n")
    store.start()


def test_the_command_refuses_an_address_nobody_has(db: None) -> None:
    with pytest.raises(CommandError, match=r"No user here logs in as nobody@example\.com"):
        call_command("revoke_access", "nobody@example.com", reason="test")


@committed
def test_an_administrator_is_asked_why_and_told_what_was_ended(alice: User, bob: User, admin: User) -> None:
    visitors, clerk = (logged_in(), logged_in(bob.email)), Visitor({"User-Agent": "admin/1.0"})
    assert clerk.log_in(admin.email).status_code == 302
    assert b"Revoke access" in clerk.get(f"{USERS}{alice.pk}/change/").content
    assert clerk.get(f"{USERS}{alice.pk}/revoke-access/").status_code == 200
    chosen = {"action": "revoke_access", "_selected_action": [alice.pk, bob.pk]}
    asked = clerk.submit(USERS, chosen)
    assert all(text in asked.content.decode() for text in ("alice@example.com", "bob@example.com", "Reason"))
    assert [is_out(visitor) for visitor in visitors] == [False, False]
    answer = clerk.submit(USERS, {**chosen, "reason": "stolen laptop"}, follow=True)
    assert "The access of 2 users is revoked. Ended: 2 sessions." in answer.content.decode()
    assert [is_out(visitor) for visitor in visitors] == [True, True]
    written = SecurityEvent.objects.filter(name=SecurityEvent.Name.ADMIN_ACTION, user_key=str(alice.pk)).get()
    assert written.detail == {"by": str(admin.pk), "action": "access revoked", "reason": "stolen laptop"}


@pytest.mark.parametrize("key", ["{}", "999999", "x"])
def test_who_may_not_change_users_revokes_nothing(alice: User, key: str) -> None:
    clerk = at_work()
    User.objects.filter(email="admin@example.com").update(is_superuser=False)
    assert clerk.log_in("admin@example.com").status_code == 302
    assert clerk.get(f"{USERS}{key.format(alice.pk)}/revoke-access/").status_code in (403, 404)
    clerk.submit(USERS, {"action": "revoke_access", "_selected_action": [alice.pk], "reason": "x"})
    assert version_of(alice) == 0


@committed
def test_coming_back_revives_nothing(alice: User) -> None:
    visitor = logged_in()
    saved(is_active=False)(alice)
    assert is_out(visitor)
    saved(is_active=True)(alice)
    assert is_out(visitor)
    assert logged_in().whoami() == 200


@committed
def test_an_inactive_user_cannot_come_in(alice: User) -> None:
    saved(is_active=False)(alice)
    assert Visitor().sign_in().status_code == Visitor().sign_in_by_page().status_code == 401


@committed
@pytest.mark.parametrize("logged_in_there", [True, False])
def test_a_reset_by_mail_ends_everything(alice: User, mailbox: Callable[..., Any], logged_in_there: bool) -> None:
    here, there = logged_in(), logged_in(agent=SECOND)
    browser = there if logged_in_there else Visitor()
    assert browser.submit("/accounts/password/reset/", {"email": alice.email}).status_code == 302
    path = browser.get(link_in(mailbox(alice.email)[0]))["Location"]
    cookies = here.session_id, there.session_id
    assert browser.submit(path, BOTH).status_code == 302
    assert [is_out(thief(cookie)) for cookie in cookies] == [True, True]
    assert browser.whoami() == 401
    assert Visitor().sign_in(password=NEW).status_code == 200


@committed
def test_ones_own_password_page_spares_this_session_only(alice: User) -> None:
    here, there = logged_in(), logged_in(agent=SECOND)
    old = here.session_id
    assert here.submit(PASSWORD_PAGE, {"old_password": PASSWORDS[alice.email], **BOTH}).status_code == 302
    assert [is_out(visitor) for visitor in (here, there, thief(old))] == [False, True, True]


# ── In the transaction of the change ──────────────────────────────────────────────────────────


@committed
@pytest.mark.parametrize(
    "revoke", [lambda user: revoke_access(user, "test"), saved(is_active=False), lambda user: user.delete()]
)
def test_a_change_that_is_rolled_back_revokes_nothing(alice: User, revoke: Callable[[User], Any]) -> None:
    visitor = logged_in()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        revoke(alice)
        assert PendingRevocation.objects.count() == 1
        raise ZeroDivisionError
    assert version_of(User.objects.get()) == 0
    assert not PendingRevocation.objects.exists()
    assert not SecurityEvent.objects.filter(name=SecurityEvent.Name.ACCESS_REVOKED).exists()
    assert not is_out(visitor)


@committed
def test_within_the_transaction_the_version_and_the_work_are_noted_and_nothing_is_ended_yet(
    alice: User, store: Store
) -> None:
    visitor = logged_in()
    with transaction.atomic():
        pending = revoke_access(alice, "a reason" + "!" * 200)
        assert (pending.user_key, pending.token_version, len(pending.reason)) == (str(alice.pk), 1, 100)
        assert version_of(alice) == 1
        assert keys(store) == {visitor.key}
    assert keys(store) == set()


def test_each_revocation_is_a_version_of_its_own(alice: User) -> None:
    stale = User.objects.get()
    assert [revoke_access(user, "test").token_version for user in (alice, stale, alice)] == [1, 2, 3]


def test_a_row_that_was_read_before_never_sets_the_version_back(alice: User) -> None:
    stale = [User.objects.get() for _ in range(4)]
    revoke_access(alice, "test")
    stale[0].name = "A"
    stale[0].save()
    stale[1].save(update_fields=["name"])
    assert version_of(User.objects.get()) == 1
    stale[2].role = "admin"
    stale[2].save()
    assert version_of(User.objects.get()) == 2
    User.objects.update_or_create(pk=alice.pk, defaults={"name": "B"})
    assert version_of(User.objects.get()) == 2


def test_taking_up_new_hash_parameters_revokes_nothing(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor, before = logged_in(), alice.password
    monkeypatch.setattr("security.hashers.Argon2id.memory_cost", 16)
    assert Visitor().sign_in().status_code == 200
    alice.refresh_from_db()
    assert (alice.password != before, version_of(alice)) == (True, 0)
    assert not is_out(visitor)


def test_a_rehash_never_brings_an_old_password_back(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The password is changed while a login with the old password is storing its hash with new parameters."""
    stale = User.objects.get()
    alice.set_password(NEW)
    alice.save()
    monkeypatch.setattr("security.hashers.Argon2id.memory_cost", 16)
    stale.check_password(PASSWORDS[alice.email])
    assert User.objects.get().check_password(NEW)
    assert not User.objects.get().check_password(PASSWORDS[alice.email])


# ── During an outage ──────────────────────────────────────────────────────────────────────────


@committed
def test_what_an_outage_leaves_undone_is_done_when_it_is_over(
    alice: User, store: Store, run_housekeeping: Callable[[], None]
) -> None:
    visitor = logged_in()
    store.kill()
    saved(is_active=False)(alice)
    assert PendingRevocation.objects.get().reason == "deactivated"
    run_housekeeping()
    assert PendingRevocation.objects.count() == 1
    store.start()
    run_housekeeping()
    assert not PendingRevocation.objects.exists()
    assert is_out(visitor)


@committed
def test_who_logs_in_after_the_revocation_stays_in_when_it_is_carried_out_late(alice: User, store: Store) -> None:
    before = logged_in()
    store.kill()
    revoke_access(alice, "test")
    store.start()
    since = logged_in()
    assert carry_out_pending() == "1 of 1 carried out"
    assert (is_out(before), is_out(since)) == (True, False)
    assert not PendingRevocation.objects.exists()
    assert carry_out_pending() == ""


@committed
@pytest.mark.parametrize("apart", [-30, -2, 0, 2, 30])
def test_housekeeping_leaves_a_revocation_its_own_time_whatever_its_clock_says(
    alice: User, clock: Clock, monkeypatch: pytest.MonkeyPatch, apart: int
) -> None:
    """Housekeeping does not know which session to keep. If it ran too early, it would log out the user who changes
    the password.
    """
    by_database = {"now": NOON}
    now = lambda: Value(by_database["now"], output_field=DateTimeField())  # noqa: E731
    monkeypatch.setattr("security.revocation.database_now", now, raising=False)
    monkeypatch.setattr(revocation, "carry_out", lambda *_: False)
    clock(apart)
    revoke_access(alice, "test")
    assert PendingRevocation.objects.count() == 1
    by_database["now"] = NOON + timedelta(seconds=9)
    clock(9 - apart)
    assert carry_out_pending() == ""
    by_database["now"] = NOON + timedelta(seconds=10)
    assert carry_out_pending() == "0 of 1 carried out"


class Broken:
    """A flow whose store is down."""

    def end_all(self, *_: Any) -> int:
        from redis.exceptions import ConnectionError

        raise ConnectionError


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(devices, "FLOWS", [*devices.FLOWS, Broken()])
    yield


@committed
def test_the_work_stays_noted_until_every_flow_has_done_it(alice: User, broken: None) -> None:
    visitor = logged_in()
    revoke_access(alice, "test")
    assert is_out(visitor)
    assert PendingRevocation.objects.count() == 1
    assert carry_out_pending() == "0 of 1 carried out"


@committed
def test_what_one_flow_cannot_do_now_keeps_no_other_from_what_it_can(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "FLOWS", [Broken(), *devices.FLOWS])
    visitor = logged_in()
    revoked = revoke_access(alice, "test")
    assert is_out(visitor)
    assert revoked.ended is None
    assert PendingRevocation.objects.count() == 1


@committed
def test_a_deleted_users_sessions_end_although_her_row_is_gone(
    alice: User, store: Store, run_housekeeping: Callable[[], None]
) -> None:
    visitor = logged_in()
    store.kill()
    alice.delete()
    store.start()
    run_housekeeping()
    assert is_out(visitor)
    assert keys(store) == set()


@committed
def test_pending_work_is_done_the_oldest_first_and_once(alice: User, bob: User, store: Store) -> None:
    visitors = logged_in(), logged_in(bob.email)
    store.kill()
    for user in (alice, bob, alice):
        revoke_access(user, "test")
    store.start()
    assert carry_out_pending() == "3 of 3 carried out"
    assert [is_out(visitor) for visitor in visitors] == [True, True]


@committed
def test_the_event_says_who_and_why(alice: User) -> None:
    logged_in()
    saved(role="admin")(alice)
    event = SecurityEvent.objects.get(name=SecurityEvent.Name.ACCESS_REVOKED)
    detail = {"reason": "role changed", "token_version": 1}
    assert (event.user_key, event.email, event.detail) == (str(alice.pk), alice.email, detail)


@committed
@pytest.mark.parametrize(("more", "stays"), [({}, True), ({"role": "admin"}, False), ({"is_active": False}, False)])
def test_only_a_new_password_keeps_the_session_in_which_it_is_set(
    alice: User, more: dict[str, Any], stays: bool
) -> None:
    """A project's own page may change the password and other fields in one save."""
    from sessions_demo.store import SessionStore

    visitor = logged_in()
    kept = SessionStore(visitor.session_id)
    with keeping(kept):
        alice.set_password("another and longer one")
        for name, value in more.items():
            setattr(alice, name, value)
        alice.save()
    assert is_out(visitor)
    if stays:
        kept.save()
    assert SessionStore().exists(str(kept.session_key)) is stays


@committed
def test_the_spared_session_and_no_other_goes_on(alice: User, store: Store) -> None:
    from sessions_demo.store import SessionStore

    here, there = logged_in(), logged_in(agent=SECOND)
    keep = SessionStore(here.session_id)
    revoke_access(alice, "test", keep)
    keep.save()
    assert keep.session_key != here.session_id
    assert [is_out(thief(key)) for key in (here.session_id, there.session_id, str(keep.session_key))] == [
        True,
        True,
        False,
    ]
