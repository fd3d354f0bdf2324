"""Withdrawing access: what was issued to a user before this moment is void, in both flows.

`User.save()` calls it when a guarded field changes; "log out everywhere" and an administrator do so
by hand. The epoch is raised, and the work noted, in the transaction of the change; the flows end what
they own after the commit. What an outage leaves undone, housekeeping does when the store is back.
"""

import logging
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.signals import m2m_changed, post_save, pre_delete
from django.dispatch import receiver

from accounts.models import User
from security import devices, events
from security.client import Client
from security.database_time import database_now
from security.housekeeping import task
from security.models import PendingWithdrawal, SecurityEvent
from security.outages import OUTAGES

logger = logging.getLogger("site.withdrawal")

# For the process that withdrew. Housekeeping knows of no session to spare: were it to come first, who
# changes her password would be logged out. Longer than any wait for a store.
OWN_TIME = timedelta(seconds=10)


@transaction.atomic
def access_withdrawn(user: User, reason: str, spare: Any = None) -> PendingWithdrawal:
    """Voids everything issued to `user` so far, and returns the row that stands for what is still to be done.

    `spare` is one session or family to be re-keyed instead of ended: who changes her password stays in.
    After the commit its `ended` says how much each flow ended; `None`, while a store has not been told. A
    login that was under way loses in any case.
    """
    User.objects.filter(pk=user.pk).update(token_version=F("token_version") + 1)
    user.token_version = User.objects.values_list("token_version", flat=True).get(pk=user.pk)
    pending = PendingWithdrawal.objects.create(
        user_id=user.pk, version=user.token_version, reason=reason[:100], due=database_now() + OWN_TIME
    )
    events.record(SecurityEvent.Name.WITHDRAWN, user, Client(), reason=reason, version=user.token_version)
    transaction.on_commit(lambda: carry_out(pending, spare))
    return pending


@receiver(pre_delete, sender=User)
def withdraw_from_deleted(sender: object, instance: User, **kwargs: Any) -> None:
    """Ends everything a user had open, in the transaction that removes her; the admin's action deletes by query."""
    access_withdrawn(instance, "deleted")


@receiver(post_save, sender=User)
def note_loaded(sender: object, instance: User, raw: bool, **kwargs: Any) -> None:
    """Notes that `loaddata` stored this user: `m2m_changed`, which follows with the same instance, does not say so."""
    instance.is_loaded = raw


@receiver(m2m_changed, sender=User.groups.through)
@receiver(m2m_changed, sender=User.user_permissions.through)
def withdraw_from_regrouped(sender: Any, instance: Any, action: str, pk_set: Any, **kwargs: Any) -> None:
    """Withdraws from each user who enters or leaves a group, or is given or loses a permission, from either side.

    Not from a user that `loaddata` stores: a backup brings the epochs of the time it was made.
    """
    if isinstance(instance, User) and instance.is_loaded:
        return
    if action not in ("post_add", "post_remove", "pre_clear") or (pk_set is not None and not pk_set):
        return
    if action == "pre_clear":
        # Whom it will concern, as long as that can be read.
        mine = {type(instance)._meta.model_name: instance}
        ids = set(sender.objects.filter(**mine).values_list("user_id", flat=True))
    else:
        ids = {instance.pk} if isinstance(instance, User) else set(pk_set or ())
    for user in User.objects.filter(pk__in=ids):
        access_withdrawn(user, "groups changed" if sender is User.groups.through else "permissions changed")


def carry_out(pending: PendingWithdrawal, spare: Any = None) -> bool:
    """Has each flow end what it owns; whether all of them could. Notes on `pending` how much that was."""
    ended, failed = {}, ""
    for flow in devices.FLOWS:
        # Each of them tries: what one flow cannot do now must not keep another from what it can.
        try:
            ended[flow.name] = flow.end_all(pending.user_id, pending.version, pending.reason, spare)
        except OUTAGES as error:
            failed = type(error).__name__
    if failed:
        logger.warning("withdrawal pending", extra={"user_id": pending.user_id, "error": failed})
        with suppress(*OUTAGES):
            PendingWithdrawal.objects.filter(pk=pending.pk).update(due=database_now())
        return False
    PendingWithdrawal.objects.filter(pk=pending.pk).delete()
    pending.ended = ended
    return True


def told(ended: dict[str, int], pending: int) -> str:
    """What withdrawals have done, in a sentence for who asked for them: what was ended, how many wait for a store."""
    counts = ", ".join(f"{number} {name}" for name, number in ended.items()) or "nothing"
    late = f" {pending} wait for a store that is away, and end on its return." if pending else ""
    return f"Access withdrawn. Ended: {counts}.{late}"


@task("withdrawals", every=1)
def carry_out_pending() -> str:
    """Does what an outage left undone, the oldest first."""
    done = [
        carry_out(pending) for pending in PendingWithdrawal.objects.filter(due__lte=database_now()).order_by("pk")[:100]
    ]
    return f"{sum(done)} of {len(done)} carried out" if done else ""
