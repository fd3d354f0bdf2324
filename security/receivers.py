"""Receivers of Django's signals about users who are saved, deleted or regrouped: they revoke access."""

from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db.models.signals import m2m_changed, post_save, pre_delete

from security.models import UserAccess
from security.revocation import KEPT_CREDENTIAL, revoke_access, revoke_if_changed
from security.users import fingerprints_of, guarded_fields, stored_users, user_key


def connect() -> None:
    """Listens to the user model, its proxies and its subclasses, and to no other model."""
    user = get_user_model()
    for model in apps.get_models():
        if issubclass(model, user):
            post_save.connect(revoke_from_changed, sender=model, dispatch_uid="security.changed")
            pre_delete.connect(revoke_from_deleted, sender=model, dispatch_uid="security.deleted")
    for name in ("groups", "user_permissions"):
        if relation := getattr(user, name, None):
            m2m_changed.connect(revoke_from_regrouped, sender=relation.through, dispatch_uid="security.regrouped")


def revoke_from_changed(
    sender: object, instance: Any, created: bool, raw: bool, update_fields: Any, **kwargs: Any
) -> None:
    """Revokes the access of a user whose guarded fields have changed, and begins that of a new one.

    Not of a user whom `loaddata` stores: a backup brings the versions of the time it was made. `m2m_changed`, which
    follows with the same instance, does not say so.
    """
    instance._is_loaded = raw
    if raw or (update_fields is not None and not {*update_fields} & {*guarded_fields()}):
        return
    if created:
        UserAccess.begin(user_key(instance.pk), fingerprints_of(instance), 0)
    else:
        revoke_if_changed([instance.pk], keep=KEPT_CREDENTIAL.get())
        instance.__dict__.pop("_access", None)


def revoke_from_deleted(sender: object, instance: Any, **kwargs: Any) -> None:
    """Ends everything a user had open, in the transaction that removes the user; an admin's action deletes by query."""
    revoke_access(instance, "deleted")


def revoke_from_regrouped(sender: Any, instance: Any, action: str, pk_set: Any, **kwargs: Any) -> None:
    """Revokes the access of each user who enters or leaves a group, or is given or loses a permission."""
    user = get_user_model()
    if getattr(instance, "_is_loaded", False):
        return
    if action not in ("post_add", "post_remove", "pre_clear") or (pk_set is not None and not pk_set):
        return
    name = "groups" if sender is getattr(getattr(user, "groups", None), "through", None) else "permissions"
    if action == "pre_clear":
        # The users it will concern, as long as they can be read.
        column = f"{user._meta.model_name}_id"
        pks = set(sender.objects.filter(**{type(instance)._meta.model_name: instance}).values_list(column, flat=True))
    else:
        pks = {instance.pk} if isinstance(instance, user) else set(pk_set or ())
    for concerned in stored_users().filter(pk__in=pks):
        revoke_access(concerned, f"{name} changed")
