from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from accounts.models import User
from security.client import Client
from security.models import HousekeepingRun, KnownClient
from security.users import access_of, find_user


@pytest.mark.parametrize("fields", [{"role": "root"}, {"role": ""}, {"email": ""}])
def test_the_database_itself_refuses_what_no_user_may_be(alice: User, fields: dict[str, str]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.update(**fields)
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.bulk_create([User(**{"email": "bob@example.com", **fields})])


@pytest.mark.parametrize(("role", "is_staff"), [(User.Role.MEMBER, False), (User.Role.ADMIN, True)])
def test_staff_follows_from_the_role(alice: User, role: str, is_staff: bool) -> None:
    User.objects.update(role=role)
    alice.refresh_from_db()
    assert alice.is_staff is is_staff


def test_staff_cannot_be_set_beside_the_role(alice: User) -> None:
    with pytest.raises(AttributeError):
        alice.is_staff = True  # type: ignore[misc]
    with pytest.raises(AttributeError):
        User(email="bob@example.com", is_staff=True)


def test_a_superuser_is_an_administrator(admin: User) -> None:
    assert (admin.role, admin.is_staff, admin.is_superuser) == (User.Role.ADMIN, True, True)


def test_a_user_without_a_password_has_none_that_fits(db: None) -> None:
    user = User.objects.create_user("carol@example.com")
    assert not user.has_usable_password()
    assert not any(user.check_password(guess) for guess in ("", "!", user.password))


def test_a_greeting_needs_no_name(alice: User) -> None:
    assert (alice.get_full_name(), alice.get_short_name()) == ("Alice", "Alice")
    assert User(email="bob@example.com").get_full_name() == "bob@example.com"


def test_a_client_is_new_once(alice: User, bob: User) -> None:
    client = Client("192.0.2.1", "browser")
    assert [KnownClient.remember(str(user.pk), client) for user in (alice, alice, bob)] == [True, False, True]
    for agent, known in (("browser", True), ("another", False)):
        found = find_user(alice.email, Client("192.0.2.1", agent))
        assert (found, access_of(found).client_is_known) == (alice, known)
    assert find_user("nobody@example.com", client) is None


@pytest.mark.usefixtures("file_database")
def test_of_eight_logins_at_once_one_sees_a_new_client(at_once: Callable[..., list[Any]]) -> None:
    alice = User.objects.create_user("alice@example.com")
    for round_ in range(5):
        client = Client(user_agent=f"browser {round_}")
        seen = at_once(8, lambda _, client=client: KnownClient.remember(str(alice.pk), client))
        assert sorted(seen) == [False] * 7 + [True]


def test_a_run_of_housekeeping_is_one_row_a_task(db: None) -> None:
    HousekeepingRun.finished("mail", "first")
    HousekeepingRun.finished("mail", "second")
    assert HousekeepingRun.objects.get().outcome == "second"
