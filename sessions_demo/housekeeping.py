"""What time does to the registry."""

from datetime import timedelta

from django.utils import timezone

from security.housekeeping import Turn, task
from sessions_demo.conf import conf
from sessions_demo.models import DeviceSession

BATCH = 25


@task("sessions", every=3600)
def purge() -> str:
    """Marks what has run out, and removes what ended long ago, a batch at a time."""
    turn, now, expired, removed = Turn(), timezone.now(), 0, 0
    # Not by `absolute_end`: `idle_end` is never later.
    out = DeviceSession.objects.filter(idle_end__lte=now, ended=None)
    for keys in turn.batches(out.order_by("idle_end"), BATCH):
        expired += out.filter(pk__in=keys).mark_ended("expired")
    old = DeviceSession.objects.filter(ended__lt=now - timedelta(seconds=conf.SESSION_ROWS_KEPT))
    for keys in turn.batches(old.order_by("ended"), BATCH):
        removed += DeviceSession.objects.filter(pk__in=keys).delete()[0]
    return turn.outcome(f"{expired} expired, {removed} removed" if expired or removed else "")
