"""A user of any model: its key as text, its role, the fields that guard it, and the version of its access.

Needs `settings.AUTH_USER_MODEL` and nothing of that model but what Django asks of every user model. A key may be an
integer, a UUID or text. What is noted about a user is noted under the text of `user_key`, without a foreign key, so
that it outlives the user.
"""

import hashlib
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


def user_key(pk: Any) -> str:
    """The text that stands for this primary key in every table of these apps.

    A UUID is written without its hyphens, as SQLite stores it: so the databases can compare the two themselves.
    """
    return pk.hex if isinstance(pk, UUID) else str(pk)


def pk_of(key: str) -> Any:
    """The primary key that this text stands for, also as `sub` of a token has it.

    Raises `ValidationError` for a text that no user of this model can have as a key.
    """
    field = get_user_model()._meta.pk
    pk = field.to_python(key)
    field.run_validators(pk)
    if key not in (str(pk), user_key(pk)):
        raise ValidationError("not the form of this key")
    return pk


def role_of(user: Any) -> str:
    """The role that a session's record and an access token say: what the setting `SECURITY_ROLE` calls gives."""
    return str(import_string(conf.SECURITY_ROLE)(user))


def default_role(user: Any) -> str:
    """`user.role` where the model has one; else `admin` for a superuser, and `member`."""
    if role := getattr(user, "role", None):
        return str(role)
    return "admin" if getattr(user, "is_superuser", False) else "member"


def email_of(user: Any) -> str:
    """The user's e-mail address, "" for a model that has none."""
    return str(getattr(user, user.get_email_field_name(), "") or "")


def login_field() -> str:
    """The name of the field that names the user in a login: `email` where users log in by it, else `username`."""
    model: Any = get_user_model()
    return "email" if model.USERNAME_FIELD == "email" else "username"


def profile(user: Any) -> dict[str, str]:
    """What the JSON endpoints say of a user, from the user's row."""
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
    """What is kept of guarded fields to see later whether they changed.

    Digests without a key: they show no more than the user's own row does, and a new `SECRET_KEY` is no change.
    """
    return {name: hashlib.sha256(str(value).encode()).hexdigest()[:16] for name, value in values.items()}


def fingerprints_of(user: Any) -> dict[str, str]:
    """Likewise for the fields as `user` has them, in the form in which the database gives them back."""
    model: Any = get_user_model()
    fields = [model._meta.get_field(name) for name in guarded_fields()]
    return fingerprints({field.name: field.to_python(getattr(user, field.attname)) for field in fields})


def changed_fields(user: Any, stored: dict[str, str] | None) -> dict[str, str]:
    """The fields whose digest is another one than was stored, with the new digests."""
    return {name: new for name, new in fingerprints_of(user).items() if new != (stored or {}).get(name, new)}


def stored_users() -> QuerySet[Any]:
    """All users, past any manager of the model that hides some of them."""
    return QuerySet(get_user_model())


def active_users() -> QuerySet[Any]:
    """Those who may log in: active, and not hidden by the model's manager, as after a soft deletion."""
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
    """What was read of a user's access together with the user. `guarded` is `None` before anything was issued."""

    token_version: int = 0
    guarded: dict[str, str] | None = None
    client_is_known: bool = False


def find_user(identifier: str, client: Client) -> Any:
    """The user who logs in by this name, with what `access_of` gives, or `None`.

    One statement, or two for a model whose manager has a `get_by_natural_key` of its own.
    """
    model: Any = get_user_model()
    if not identifier.isprintable():
        return None  # NUL and halves of surrogate pairs are errors to a database, and in no name
    try:
        if type(model._default_manager).get_by_natural_key is BaseUserManager.get_by_natural_key:
            return _with_access(model.USERNAME_FIELD, identifier, client)
        found = model._default_manager.get_by_natural_key(identifier)
    except (model.DoesNotExist, ValueError, ValidationError):
        return None  # also where users log in by a number, and this is none
    return _with_access("pk", found.pk, client)


def get_user(pk: Any) -> Any:
    """The user with this key, likewise."""
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
        return None  # a number that SQLite has no place for, as Django's own look-up answers
    if row is None:
        return None
    fields = [field.attname for field in model._meta.concrete_fields]
    return _noted(model.from_db(users.db, fields, row[:-3]), *row[-3:])


def _noted(user: Any, token_version: int | None, guarded: dict[str, str] | None, client_is_known: bool) -> Any:
    user._access = Access(token_version or 0, guarded, client_is_known)
    return user


def _is_compared_as_it_is(model: Any, name: str) -> bool:
    """Whether no look-up of the project's own stands between a value and this field."""
    field = _meta_field(model, name)
    return field.get_lookup("exact") in (Exact, IntegerFieldExact, RelatedExact)


def _meta_field(model: Any, name: str) -> Any:
    return model._meta.pk if name == "pk" else model._meta.get_field(name)


@lru_cache(maxsize=32)
def _statement(model: Any, name: str, using: str, kind: Any) -> Statement:
    """What `_with_access` asks of this kind of database."""
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
    """`user_key` of each user's primary key, as the database computes it; `column` names that key in another table."""
    text = Cast(column, models.CharField(max_length=255))
    field: Any = get_user_model()._meta.pk
    while field.remote_field:
        field = field.target_field  # the key of a model that inherits its table is that of its parent
    is_uuid = isinstance(field, models.UUIDField)
    return Replace(text, Value("-"), Value("")) if is_uuid else text


def access_of(user: Any) -> Access:
    """What was read of this user's access with the user; read now for a user who came by another way."""
    if not hasattr(user, "_access"):
        row = UserAccess.objects.filter(user_key=user_key(user.pk)).first()
        user._access = Access(row.token_version, row.guarded) if row else Access()
    found: Access = user._access
    return found


def check_password(user: Any, password: str) -> bool:
    """Whether this is the user's password. Stores it under new hash parameters if those are due. Raises `Busy`.

    Not `user.check_password`: that one saves the user, and a new hash would look like a new password.
    """
    due: list[str] = []
    found = matches(user, password, due)
    if due:
        take_hash(user, *due)
    return found


def matches(user: Any, password: str, due: list[str]) -> bool:
    """Likewise, but a hash with new parameters that is due is left in `due`, for `take_hash`. Raises `Busy`."""
    wanted: list[str] = []
    with turn():
        found = bool(compute(fits, password, user.password, wanted.append))
        due.extend(compute(make_password, raw) for raw in wanted)
    return found


def take_hash(user: Any, hashed: str) -> None:
    """Stores this hash of the same password, and has `user` know it."""
    before, user.password = user.password, hashed
    if store_hash(user.pk, before, hashed) and (access := access_of(user)).guarded:
        user._access = replace(access, guarded=access.guarded | fingerprints({"password": hashed}))


def store_hash(pk: Any, before: str, after: str) -> bool:
    """Stores another hash of the same password over the one that was read, and revokes no access.

    Gives whether that one was still there: a new password may have been set meanwhile.
    """
    with transaction.atomic():
        stored = stored_users().filter(pk=pk, password=before).update(password=after)
        access = UserAccess.objects.select_for_update().filter(user_key=user_key(pk)).first() if stored else None
        if access and access.guarded.get("password") == fingerprints({"password": before})["password"]:
            access.guarded |= fingerprints({"password": after})
            access.save(update_fields=["guarded"])
    return bool(stored)


def normal_identifier(identifier: str) -> str:
    """The form in which failed logins are counted by account: one for every spelling of one name."""
    return str(get_user_model().normalize_username(identifier)).casefold()


def session_hash(user: Any, secret: str | bytes | None = None) -> str:
    """What a session says of the version of its user's access, for Django to compare at each request."""
    try:
        token_version: int | None = access_of(user).token_version
    except SynchronousOnlyOperation:
        # An async login of a user who came by no backend, as after a registration. The receivers of the login put the
        # right hash in its place.
        token_version = None
    text = f"{user_key(user.pk)}:{token_version}"
    return salted_hmac("security.session_hash", text, secret=secret, algorithm="sha256").hexdigest()
