"""What time does to families and to outstanding tokens, how the denylist is kept complete, and what is due of keys."""

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
    """Families of which no token is good any more, and which ended longer ago than the registry remembers."""
    now = timezone.now()
    return TokenFamily.objects.filter(expires__lt=now, ended__lt=now - timedelta(seconds=conf.JWT_ROWS_KEPT)).order_by(
        "ended"
    )


@task("tokens", every=3600)
def purge() -> str:
    """Marks what has run out, and removes what is of no more use, a batch at a time.

    Reuse is detected by a family's row and the token's own signature, and an expired token is refused
    before either is looked at. So a family must stay until its last token has expired, and an
    outstanding token until it has expired itself.
    """
    turn, now, expired, removed = Turn(), timezone.now(), 0, 0
    # Not by `absolute_end`: `expires` is never later.
    out = TokenFamily.objects.filter(expires__lte=now, ended=None)
    for keys in turn.batches(out.order_by("expires"), BATCH):
        expired += out.filter(pk__in=keys).mark_ended("expired")
    for rows in (OutstandingToken.objects.filter(expires_at__lt=now).order_by("expires_at"), ripe()):
        for keys in turn.batches(rows, BATCH):
            removed += rows.model._base_manager.filter(pk__in=keys).delete()[0]
    return turn.outcome(f"{expired} expired, {removed} removed" if expired or removed else "")


class _Synced:
    """Up to when this process has written to Redis what the database knows."""

    until: datetime | None = None


@task("keys", every=3600)
def remind_of_keys() -> str:
    """Writes into the log what an administrator has to do about the keys. `manage.py keys` says it, too."""
    return " ".join(reminders())


@task("denylist", every=1)
def keep_complete() -> str:
    """Writes to Redis what ended since the last turn, in case the process that ended it could not.

    Writes all of it if Redis has lost the list.
    """
    now = timezone.now()
    since = _Synced.until if revocation.is_complete() else None
    revocation.sync_denylist(since or now - timedelta(seconds=access_lifetime()), renew=bool(since))
    _Synced.until = now
    return ""
