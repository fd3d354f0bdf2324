"""What time does to the registry."""

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from security.housekeeping import task
from sessions_demo.conf import conf
from sessions_demo.models import DeviceSession

BATCH = 1000


@task("sessions", every=3600)
def purge() -> str:
    """Marks what has run out, and removes what ended long ago, a batch at a time."""
    now = timezone.now()
    out = DeviceSession.objects.filter(Q(idle_end__lte=now) | Q(absolute_end__lte=now), ended=None)
    expired = out.mark_ended("expired")
    old = DeviceSession.objects.filter(ended__lt=now - timedelta(seconds=conf.SESSION_ROWS_KEPT))
    removed = 0
    while batch := list(old.values_list("pk", flat=True)[:BATCH]):
        removed += DeviceSession.objects.filter(pk__in=batch).delete()[0]
    return f"{expired} expired, {removed} removed" if expired or removed else ""
