"""Housekeeping: purges families and outstanding tokens, keeps the denylist complete, and reminds of old keys."""

from datetime import datetime, timedelta

from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from jwt_demo import revocation
from jwt_demo.conf import access_lifetime, conf
from jwt_demo.key_rotation import reminders
from jwt_demo.models import TokenFamilies, TokenFamily
from security.housekeeping import Turn, task

BATCH = 25


def ripe() -> TokenFamilies:
    """Families that can be deleted: none of their tokens is valid, and they ended longer than `JWT_ROWS_KEPT` ago."""
    now = timezone.now()
    return TokenFamily.objects.filter(expires__lt=now, ended__lt=now - timedelta(seconds=conf.JWT_ROWS_KEPT)).order_by(
        "ended"
    )


@task("tokens", every=3600)
def purge() -> str:
    """Marks families that have expired, and deletes rows that are no longer needed, in batches.

    A reused token is detected by its signature and the row of its family. A token that has expired is refused before
    that. So a family stays until its last token has expired, and an outstanding token until it has expired itself.
    """
    turn, now, expired, removed = Turn(), timezone.now(), 0, 0
    # `absolute_end` is not asked: `expires` is never later.
    out = TokenFamily.objects.filter(expires__lte=now, ended=None)
    for keys in turn.batches(out.order_by("expires"), BATCH):
        expired += out.filter(pk__in=keys).mark_ended("expired")
    for rows in (OutstandingToken.objects.filter(expires_at__lt=now).order_by("expires_at"), ripe()):
        for keys in turn.batches(rows, BATCH):
            removed += rows.model._base_manager.filter(pk__in=keys).delete()[0]
    return turn.outcome(f"{expired} expired, {removed} removed" if expired or removed else "")


class _Synced:
    """The time up to which this process has written revocations from the database to Redis."""

    until: datetime | None = None


@task("keys", every=3600)
def remind_of_keys() -> str:
    """Logs what an administrator has to do about the keys. `manage.py keys` shows the same."""
    return " ".join(reminders())


@task("denylist", every=1)
def keep_complete() -> str:
    """Writes to Redis what was revoked since the last turn, in case the process that revoked it could not.

    Writes the whole list if Redis has lost it.
    """
    now = timezone.now()
    since = _Synced.until if revocation.is_complete() else None
    revocation.sync_denylist(since or now - timedelta(seconds=access_lifetime()), renew=bool(since))
    _Synced.until = now
    return ""
