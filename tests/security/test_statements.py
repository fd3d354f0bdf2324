"""The user's row is read by a statement that is compiled once. It must be the row that Django's own query returns."""

from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, ClassVar
from uuid import UUID

import pytest
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import connection, models
from django.db.models.sql.compiler import SQLCompiler
from django.test.utils import isolate_apps

from security import users
from security.client import Client
from security.models import KnownClient, UserAccess

TENANT: ContextVar[str] = ContextVar("tenant")
CLIENT = Client("192.0.2.1", "known/1.0")


class OfTenant(BaseUserManager[Any]):
    def get_queryset(self) -> Any:
        return super().get_queryset().filter(tenant=TENANT.get())


class Filtered(models.QuerySet[Any]):
    def filter(self, *args: Any, **kwargs: Any) -> Any:
        return super().filter(*args, tenant=TENANT.get(), **kwargs)


MANAGERS = {
    "get_queryset": OfTenant,
    "filter of the query set": BaseUserManager.from_queryset(Filtered),
}
KEYS: dict[str, tuple[Any, Any]] = {
    "number": (models.BigAutoField, 42),
    "uuid": (models.UUIDField, UUID(int=7)),
    "text": (lambda **options: models.CharField(max_length=30, **options), "a{b}:c/é%s"),
}


def user_model(key: Any = models.BigAutoField, manager: Any = BaseUserManager) -> Any:
    """A user model with this kind of key and this manager, and a model that inherits from it."""

    class Person(AbstractBaseUser):
        id = key(primary_key=True)
        name = models.CharField(max_length=30, unique=True)
        tenant = models.CharField(max_length=30)
        joined = models.DateTimeField(null=True)
        notes = models.JSONField(default=dict)
        objects: ClassVar[Any] = manager()
        USERNAME_FIELD = "name"

        class Meta:
            app_label = "security"

    class Employee(Person):
        desk = models.DurationField(null=True)

        class Meta:
            app_label = "security"

    return Person, Employee


@pytest.fixture
def take(monkeypatch: pytest.MonkeyPatch, transactional_db: None) -> Iterator[Any]:
    """`take(...)` makes the tables of `user_model(...)`. The model it returns is the project's user model."""
    made: list[Any] = []

    def run(which: int = 0, **options: Any) -> Any:
        with isolate_apps("security"), connection.schema_editor() as editor:
            made.extend(user_model(**options))
            for model in made:
                editor.create_model(model)
        monkeypatch.setattr(users, "get_user_model", lambda: made[which])
        return made[which]

    yield run
    with connection.schema_editor() as editor:
        for model in reversed(made):
            editor.delete_model(model)


@pytest.mark.parametrize("which", [0, 1], ids=["own table", "inherited"])
@pytest.mark.parametrize(("key", "pk"), KEYS.values(), ids=KEYS)
def test_the_row_is_the_one_that_django_gives(take: Any, key: Any, pk: Any, which: int) -> None:
    model = take(which, key=key)
    model.objects.create(id=pk, name="Ann", notes={"a": [1]}, joined="2026-01-31T12:00:00Z")
    UserAccess.begin(users.user_key(pk), {"password": "digest"}, 3)
    KnownClient.remember(users.user_key(pk), CLIENT)
    stored = model.objects.get(pk=pk)
    for found, known in ((users.get_user(pk), False), (users.find_user("Ann", CLIENT), True)):
        assert [getattr(found, field.attname) for field in model._meta.concrete_fields] == [
            getattr(stored, field.attname) for field in model._meta.concrete_fields
        ]
        assert (found._state.db, found._state.adding) == ("default", False)
        assert found._access == users.Access(3, {"password": "digest"}, known)
    assert users.find_user("ann", CLIENT) is None


def test_the_statement_is_compiled_once(alice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    users.get_user(alice.pk)
    compiled: list[object] = []
    monkeypatch.setattr(SQLCompiler, "as_sql", lambda *given, **options: compiled.append(given))
    assert users.get_user(alice.pk) == alice
    assert compiled == []


@pytest.mark.parametrize("manager", MANAGERS.values(), ids=MANAGERS)
def test_a_tenant_does_not_get_the_user_of_another(take: Any, manager: Any) -> None:
    model = take(manager=manager)
    for number, tenant in enumerate(("red", "blue"), 1):
        models.QuerySet(model).create(pk=number, name=tenant, tenant=tenant)
    for _ in range(2):
        for number, tenant in enumerate(("red", "blue"), 1):
            TENANT.set(tenant)
            assert users.get_user(number).tenant == tenant
            assert users.get_user(3 - number) is None


def test_a_look_up_of_the_projects_own_is_asked(take: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class AnyCase(models.Lookup):  # type: ignore[type-arg]
        def as_sql(self, compiler: Any, connection: Any) -> Any:
            (lhs, given), (rhs, more) = self.process_lhs(compiler, connection), self.process_rhs(compiler, connection)
            return f"lower({lhs}) = lower({rhs})", [*given, *more]

    model = take()
    model.objects.create(name="Ann")
    assert users.find_user("ANN", CLIENT) is None
    field = model._meta.get_field("name")
    monkeypatch.setattr(field, "get_lookup", {"exact": AnyCase}.get)
    assert users.find_user("ANN", CLIENT).name == "Ann"


def test_a_key_that_no_column_can_hold_is_no_users(take: Any) -> None:
    take()
    assert users.get_user(2**70) is None
