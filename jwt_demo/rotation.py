"""Reads a family for a rotation, by one SQL statement that is compiled once."""

from functools import lru_cache
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connections, models

from jwt_demo.models import TokenFamily
from security.database_time import database_now
from security.statements import Slot, Statement, is_everything
from security.users import stored_users

# The names that `TokenFamilies.for_rotation` adds to a row, in its order.
BROUGHT = ("entry", "now", "user_may_enter", "user_version", "user_guarded")


def family_for_rotation(sid: str) -> TokenFamily | None:
    """The family with this id, its user, and what `TokenFamilies.for_rotation` adds; `None` if there is no such row."""
    model: Any = get_user_model()
    if not is_everything(model._default_manager.all()):
        return TokenFamily.objects.select_related("user").for_rotation().filter(pk=sid).first()
    using, now = TokenFamily.objects.db, database_now()
    kind: Any = type(connections[using])
    value = getattr(now, "value", None)  # on SQLite, whose clock is that of this machine
    row = _rotating(model, using, kind, value is not None).first(using, sid=sid, now=value)
    return _with_user(model, using, row) if row else None


@lru_cache(maxsize=32)
def _rotating(model: Any, using: str, kind: Any, now_is_given: bool) -> Statement:
    """The statement of `family_for_rotation` for this kind of database and this user model."""
    now = Slot("now", models.DateTimeField()) if now_is_given else None
    rows = TokenFamily.objects.using(using).for_rotation(now).filter(pk=Slot("sid", TokenFamily._meta.pk))
    # A separate question: the user's id stays in the family's row when the user has been deleted.
    exists = models.Exists(stored_users().filter(pk=models.OuterRef("user_id")))
    fields = [field.attname for field in TokenFamily._meta.concrete_fields]
    names = [f"user__{field.attname}" for field in model._meta.concrete_fields]
    return Statement.of(rows.annotate(user_exists=exists).values_list(*fields, *BROUGHT, "user_exists", *names))


def _with_user(model: Any, using: str, row: list[Any]) -> TokenFamily:
    fields = [field.attname for field in TokenFamily._meta.concrete_fields]
    family = TokenFamily.from_db(using, fields, row[: len(fields)])
    for name, value in zip(BROUGHT, row[len(fields) :], strict=False):
        setattr(family, name, value)
    names = [field.attname for field in model._meta.concrete_fields]
    user = model.from_db(using, names, row[-len(names) :]) if row[-len(names) - 1] else None
    # As `select_related` does. An assignment would set the id of a deleted user to `None`.
    field: Any = TokenFamily._meta.get_field("user")
    field.set_cached_value(family, user)
    return family
