"""Receivers of Django's signals that revoke access: a user is saved or deleted, or gets other groups or permissions."""

from functools import partial
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.db.models.signals import m2m_changed, post_save, pre_delete

from security.backends import with_session_hash
from security.models import UserAccess
from security.revocation import KEPT_CREDENTIAL, revoke_access, revoke_if_changed
from security.users import access_of, fingerprints_of, guarded_fields, stored_users, user_key


def connect() -> None:
    """Listens to the user model, its proxies and its subclasses, and to its groups and permissions."""
    user = get_user_model()
    for model in apps.get_models():
        if issubclass(model, user):
            post_save.connect(revoke_from_changed, sender=model, dispatch_uid="security.changed")
            pre_delete.connect(revoke_from_deleted, sender=model, dispatch_uid="security.deleted")
    for name in ("groups", "user_permissions"):
        if relation := getattr(user, name, None):
            m2m_changed.connect(revoke_from_regrouped, sender=relation.through, dispatch_uid="security.regrouped")
            pre_delete.connect(partial(_revoke_from_removed, name), relation.rel.model, False, f"security.{name}")


def revoke_from_changed(
    sender: object, instance: Any, created: bool, raw: bool, update_fields: Any, **kwargs: Any
) -> None:
    """Revokes the access of a user whose guarded fields have changed, and creates the `UserAccess` of a new user.

    It does nothing for a user that `loaddata` stores: a backup has the versions of its own time. `loaddata` then sets
    the groups of the same instance. `m2m_changed` has no `raw`, so `_is_loaded` keeps it for that receiver.
    """
    instance._is_loaded = raw
    if raw or (update_fields is not None and not {*update_fields} & {*guarded_fields()}):
        return
    if created:
        UserAccess.begin(user_key(instance.pk), fingerprints_of(instance), 0)
    else:
        revoke_if_changed([instance.pk], keep=KEPT_CREDENTIAL.get())
        instance.__dict__.pop("_access", None)
        # Read now: an async view that has set a new password needs it where Django allows no query.
        access_of(instance)
    # Without this, `update_session_auth_hash` and `login` would store Django's own hash of this user in the session.
    with_session_hash(instance)


def revoke_from_deleted(sender: object, instance: Any, **kwargs: Any) -> None:
    """Revokes the access of a deleted user, in the same transaction. `QuerySet.delete()` sends the signal too."""
    revoke_access(instance, "deleted")


def revoke_from_regrouped(sender: Any, instance: Any, action: str, pk_set: Any, **kwargs: Any) -> None:
    """Revokes the access of each user who enters or leaves a group, or is given or loses a permission."""
    user = get_user_model()
    if getattr(instance, "_is_loaded", False):
        return
    if action not in ("post_add", "post_remove", "pre_clear") or (pk_set is not None and not pk_set):
        return
    name = "groups" if sender is getattr(getattr(user, "groups", None), "through", None) else "user_permissions"
    of_user = isinstance(instance, user)
    if of_user:
        instance.__dict__.pop("_access", None)
    users = stored_users().filter(pk__in={instance.pk} if of_user else pk_set or set())
    if action == "pre_clear":
        # `clear()` names no keys. A user without groups or permissions loses nothing.
        users = users.exclude(**{name: None}) if of_user else stored_users().filter(**{name: instance})
    _revoke_regrouped(users, name)


def _revoke_from_removed(name: str, sender: object, instance: Any, **kwargs: Any) -> None:
    # When a group or a permission is deleted, its users lose it without `m2m_changed`.
    _revoke_regrouped(stored_users().filter(**{name: instance}), name)


def _revoke_regrouped(users: QuerySet[Any], name: str) -> None:
    for user in users:
        revoke_access(user, f"{name.removeprefix('user_')} changed")
