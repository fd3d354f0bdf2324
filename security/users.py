"""Users of any model: the key as text, the role, the guarded fields and `token_version`.

Needs `settings.AUTH_USER_MODEL`, and of that model only what Django requires of every user model. A primary key may be
an integer, a UUID or text. Rows about a user have the text of `user_key` and no foreign key, so that they remain when
the user is deleted.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.hashers import check_password as fits
from django.contrib.auth.hashers import make_password
from django.core.exceptions import FieldDoesNotExist, SynchronousOnlyOperation, ValidationError
from django.db import connections, models, transaction
from django.db.models import Exists, OuterRef, QuerySet, Subquery, Value
from django.db.models.fields.related_lookups import RelatedExact
from django.db.models.functions import Cast, Replace
from django.db.models.lookups import Exact, IntegerFieldExact
from django.utils.crypto import salted_hmac
from django.utils.module_loading import import_string

from security.client import Client
from security.conf import conf
from security.hashing import compute, turn
from security.models import KnownClient, UserAccess
from security.statements import Slot, Statement, is_everything

# The reason of a revocation because the user is not active any more.
DEACTIVATED = "deactivated"


def user_key(pk: Any) -> str:
    """The text that stands for this primary key in every table of these apps.

    A UUID is written without hyphens, as SQLite stores it, so that a query can compare the two.
    """
    return pk.hex if isinstance(pk, UUID) else str(pk)


def pk_of(key: str) -> Any:
    """The primary key that this text stands for: a `user_key` or the `sub` of a token.

    Raises `ValidationError` if no user of this model can have such a key.
    """
    field = get_user_model()._meta.pk
    pk = field.to_python(key)
    field.run_validators(pk)
    if key not in (str(pk), user_key(pk)):
        raise ValidationError("not the form of this key")
    return pk


def role_of(user: Any) -> str:
    """The role for a session's record and an access token: what the function named by `SECURITY_ROLE` returns."""
    return str(import_string(conf.SECURITY_ROLE)(user))


def default_role(user: Any) -> str:
    """`user.role` if the user has one; otherwise `admin` for a superuser, and `member` for others."""
    if role := getattr(user, "role", None):
        return str(role)
    return "admin" if getattr(user, "is_superuser", False) else "member"


def email_of(user: Any) -> str:
    """The user's e-mail address, "" if there is none."""
    return str(getattr(user, user.get_email_field_name(), "") or "")


def login_field() -> str:
    """The field of a login body that has the login name: `email` if users log in by it, otherwise `username`."""
    model: Any = get_user_model()
    return "email" if model.USERNAME_FIELD == "email" else "username"


def profile(user: Any) -> dict[str, str]:
    """What the JSON endpoints send about a user, from the user's row."""
    name = getattr(user, "get_full_name", str)() or str(user.get_username())
    return {"id": str(user.pk), "email": email_of(user), "name": name, "role": role_of(user)}


def has_field(name: str) -> bool:
    """Whether the user model has a column of this name."""
    try:
        return bool(get_user_model()._meta.get_field(name).concrete)
    except FieldDoesNotExist:
        return False


def guarded_fields() -> list[str]:
    """The fields whose change revokes a user's access."""
    model: Any = get_user_model()
    names = {model.USERNAME_FIELD, getattr(model, "EMAIL_FIELD", ""), *conf.SECURITY_GUARDED_FIELDS}
    return sorted(name for name in names if name and has_field(name))


def fingerprints(values: dict[str, Any]) -> dict[str, str]:
    """Digests of guarded fields, which are stored to notice later that a field has changed.

    They have no key: they show no more than the user's row does, and a new `SECRET_KEY` must not look like a change.
    """
    return {name: hashlib.sha256(str(value).encode()).hexdigest()[:16] for name, value in values.items()}


def fingerprints_of(user: Any) -> dict[str, str]:
    """The digests of the guarded fields of `user`, each value in the form in which the database returns it."""
    model: Any = get_user_model()
    fields = [model._meta.get_field(name) for name in guarded_fields()]
    return fingerprints({field.name: field.to_python(getattr(user, field.attname)) for field in fields})


def changed_fields(user: Any, stored: dict[str, str] | None) -> dict[str, str]:
    """The fields whose digest differs from the stored one, with the new digests."""
    return {name: new for name, new in fingerprints_of(user).items() if new != (stored or {}).get(name, new)}


def changes_in_words(user: Any, changed: Iterable[str]) -> str:
    """The reason of a revocation because these guarded fields have changed, as administrators read it."""
    if "is_active" in changed:
        return "activated" if user.is_active else DEACTIVATED
    return ", ".join(str(user._meta.get_field(name).verbose_name) for name in changed) + " changed"


def stored_users() -> QuerySet[Any]:
    """All users, also those that a manager of the model hides."""
    return QuerySet(get_user_model())


def active_users() -> QuerySet[Any]:
    """The users who may log in: active, and not hidden by the model's manager, as after a soft deletion."""
    users = get_user_model()._default_manager.all()
    return users.filter(is_active=True) if has_field("is_active") else users


def current_users(pk: Any, token_version: int) -> QuerySet[Any]:
    """The user with this key, if active and still at this `token_version`; no row otherwise."""
    return active_users().filter(Exists(at_version(user_key(pk), token_version)), pk=pk)


def at_version(key: str, token_version: Any) -> QuerySet[UserAccess]:
    """The row of a user's access, if it is at this version. `token_version` may be an expression."""
    return UserAccess.objects.filter(user_key=key, token_version=token_version)


@dataclass(frozen=True)
class Access:
    """A user's access, as read together with the user. `guarded` is `None` if there is no `UserAccess` row yet."""

    token_version: int = 0
    guarded: dict[str, str] | None = None
    client_is_known: bool = False


def find_user(identifier: str, client: Client) -> Any:
    """The user with this login name, or `None`. Also reads what `access_of` returns.

    One query, or two for a model whose manager has its own `get_by_natural_key`.
    """
    model: Any = get_user_model()
    if not identifier.isprintable():
        return None  # NUL and half of a surrogate pair are errors in a database, and no name has them
    try:
        if type(model._default_manager).get_by_natural_key is BaseUserManager.get_by_natural_key:
            return _with_access(model.USERNAME_FIELD, identifier, client)
        found = model._default_manager.get_by_natural_key(identifier)
    except (model.DoesNotExist, ValueError, ValidationError):
        return None  # also if users log in by a number and this is not a number
    return _with_access("pk", found.pk, client)


def get_user(pk: Any) -> Any:
    """The user with this primary key, or `None`. Also reads what `access_of` returns."""
    return _with_access("pk", pk, Client())


def _with_access(name: str, value: Any, client: Client) -> Any:
    model: Any = get_user_model()
    users = model._default_manager.all()
    if not (is_everything(users) and _is_compared_as_it_is(model, name)):
        found = _annotated(users, client.user_agent_hash).filter(**{name: value}).first()
        return found and _noted(found, found.security_version, found.security_guarded, found.security_client_is_known)
    kind: Any = type(connections[users.db])
    statement = _statement(model, name, users.db, kind)
    try:
        row = statement.first(users.db, value=value, user_agent_hash=client.user_agent_hash)
    except OverflowError:
        return None  # the number is too large for SQLite; Django's own look-up finds nothing either
    if row is None:
        return None
    fields = [field.attname for field in model._meta.concrete_fields]
    return _noted(model.from_db(users.db, fields, row[:-3]), *row[-3:])


def _noted(user: Any, token_version: int | None, guarded: dict[str, str] | None, client_is_known: bool) -> Any:
    user._access = Access(token_version or 0, guarded, client_is_known)
    return user


def _is_compared_as_it_is(model: Any, name: str) -> bool:
    """Whether this field compares by Django's own look-up, and not by one of the project."""
    field = _meta_field(model, name)
    return field.get_lookup("exact") in (Exact, IntegerFieldExact, RelatedExact)


def _meta_field(model: Any, name: str) -> Any:
    return model._meta.pk if name == "pk" else model._meta.get_field(name)


@lru_cache(maxsize=32)
def _statement(model: Any, name: str, using: str, kind: Any) -> Statement:
    """The statement of `_with_access` for this kind of database."""
    users = _annotated(QuerySet(model, using=using), Slot("user_agent_hash", models.CharField()))
    users = users.filter(**{name: Slot("value", _meta_field(model, name))})
    fields = [field.attname for field in model._meta.concrete_fields]
    found = users if users.ordered else users.order_by("pk")
    known = ["security_version", "security_guarded", "security_client_is_known"]
    return Statement.of(found.values_list(*fields, *known)[:1])


def _annotated(users: QuerySet[Any], user_agent_hash: Any) -> QuerySet[Any]:
    access = UserAccess.objects.filter(user_key=OuterRef("security_key"))
    known = KnownClient.objects.filter(user_key=OuterRef("security_key"), user_agent_hash=user_agent_hash)
    return users.annotate(security_key=key_expression()).annotate(
        security_version=Subquery(access.values("token_version")),
        security_guarded=Subquery(access.values("guarded")),
        security_client_is_known=Exists(known),
    )


def key_expression(column: Any = "pk") -> Any:
    """`user_key` as an expression of the database. `column` is the name of the primary key, also in another table."""
    text = Cast(column, models.CharField(max_length=255))
    field: Any = get_user_model()._meta.pk
    while field.remote_field:
        field = field.target_field  # the primary key of a child model is the one of its parent
    is_uuid = isinstance(field, models.UUIDField)
    return Replace(text, Value("-"), Value("")) if is_uuid else text


def access_of(user: Any) -> Access:
    """The user's access, as read together with the user. If it was not, it is read now."""
    if not hasattr(user, "_access"):
        row = UserAccess.objects.filter(user_key=user_key(user.pk)).first()
        user._access = Access(row.token_version, row.guarded) if row else Access()
    found: Access = user._access
    return found


def check_password(user: Any, password: str) -> bool:
    """Whether this is the user's password. Replaces a hash with outdated parameters. Raises `Busy`.

    Use this and not `user.check_password`, which saves the user: a new hash would look like a new password.
    """
    due: list[str] = []
    found = matches(user, password, due)
    if due:
        take_hash(user, *due)
    return found


def matches(user: Any, password: str, due: list[str]) -> bool:
    """Like `check_password`, but it only appends a new hash that is due to `due`, for `take_hash`. Raises `Busy`."""
    wanted: list[str] = []
    with turn():
        found = bool(compute(fits, password, user.password, wanted.append))
        due.extend(compute(make_password, raw) for raw in wanted)
    return found


def take_hash(user: Any, hashed: str) -> None:
    """Stores this new hash of the same password, and sets it on `user`."""
    before, user.password = user.password, hashed
    if store_hash(user.pk, before, hashed) and (access := access_of(user)).guarded:
        user._access = replace(access, guarded=access.guarded | fingerprints({"password": hashed}))


def store_hash(pk: Any, before: str, after: str) -> bool:
    """Replaces the hash that was read with another hash of the same password, and revokes no access.

    Returns whether the hash was still there: a new password may have been set meanwhile.
    """
    with transaction.atomic():
        stored = stored_users().filter(pk=pk, password=before).update(password=after)
        access = UserAccess.objects.select_for_update().filter(user_key=user_key(pk)).first() if stored else None
        if access and access.guarded.get("password") == fingerprints({"password": before})["password"]:
            access.guarded |= fingerprints({"password": after})
            access.save(update_fields=["guarded"])
    return bool(stored)


def normal_identifier(identifier: str) -> str:
    """The form of a login name by which failed logins are counted: the same for every spelling of the name."""
    return str(get_user_model().normalize_username(identifier)).casefold()


def session_hash(user: Any, secret: str | bytes | None = None) -> str:
    """The hash of `token_version` in a session, which Django compares at each request."""
    try:
        token_version: int | None = access_of(user).token_version
    except SynchronousOnlyOperation:
        # An async login of a user whom no backend has loaded, for example after a registration. The receivers of
        # `user_logged_in` replace this hash with the right one.
        token_version = None
    text = f"{user_key(user.pk)}:{token_version}"
    return salted_hmac("security.session_hash", text, secret=secret, algorithm="sha256").hexdigest()
