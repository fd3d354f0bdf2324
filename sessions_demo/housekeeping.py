"""Housekeeping of the registry of sessions."""

from datetime import timedelta

from django.utils import timezone

from security.housekeeping import Turn, task
from sessions_demo.conf import conf
from sessions_demo.models import DeviceSession

BATCH = 25


@task("sessions", every=3600)
def purge() -> str:
    """Marks expired sessions as ended, and deletes the rows of sessions that ended long ago, in batches."""
    turn, now, expired, removed = Turn(), timezone.now(), 0, 0
    # `absolute_end` need not be asked: `idle_end` is never later.
    out = DeviceSession.objects.filter(idle_end__lte=now, ended=None)
    for keys in turn.batches(out.order_by("idle_end"), BATCH):
        expired += out.filter(pk__in=keys).mark_ended("expired")
    old = DeviceSession.objects.filter(ended__lt=now - timedelta(seconds=conf.SESSION_ROWS_KEPT))
    for keys in turn.batches(old.order_by("ended"), BATCH):
        removed += DeviceSession.objects.filter(pk__in=keys).delete()[0]
    return turn.outcome(f"{expired} expired, {removed} removed" if expired or removed else "")
