"""Reads what a rotation needs to know, in one SQL statement that is compiled once."""

from functools import lru_cache
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connections, models

from jwt_demo.models import TokenFamily
from security.database_time import database_now
from security.statements import Slot, Statement, is_everything
from security.users import stored_users

# What `for_rotation` adds to a row.
BROUGHT = ("entry", "now", "user_may_enter", "user_version", "user_guarded")


def family_for_rotation(sid: str) -> TokenFamily | None:
    """The family with this id and its user, as `for_rotation` has it, by a statement that is compiled once."""
    model: Any = get_user_model()
    if not is_everything(model._default_manager.all()):
        return TokenFamily.objects.select_related("user").for_rotation().filter(pk=sid).first()
    using, now = TokenFamily.objects.db, database_now()
    kind: Any = type(connections[using])
    value = getattr(now, "value", None)  # of SQLite, which has this machine's clock
    row = _rotating(model, using, kind, value is not None).first(using, sid=sid, now=value)
    return _with_user(model, using, row) if row else None


@lru_cache(maxsize=32)
def _rotating(model: Any, using: str, kind: Any, now_is_given: bool) -> Statement:
    """What `family_for_rotation` asks of this kind of database, for users of this model."""
    now = Slot("now", models.DateTimeField()) if now_is_given else None
    rows = TokenFamily.objects.using(using).for_rotation(now).filter(pk=Slot("sid", TokenFamily._meta.pk))
    # Asked for by itself: the key in the family's own row may outlive the user's.
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
    # As `select_related` does. An assignment would take the key of a deleted user away.
    field: Any = TokenFamily._meta.get_field("user")
    field.set_cached_value(family, user)
    return family
