"""The registry: a row for each session that was ever begun, so that one can be named and ended."""

import uuid
from datetime import timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from security.client import USER_AGENT_LENGTH
from security.database_time import database_now

# How long a logout that was sent under the previous id still finds the session. Not longer: that id must be of no
# use to a thief.
LOGOUT_GRACE = timedelta(seconds=10)


class DeviceSessions(models.QuerySet["DeviceSession"]):
    """Finds and ends rows. The session itself is in Redis, and is ended before its row."""

    def live(self) -> Self:
        """Those that were not ended and have not expired."""
        now = timezone.now()
        return self.filter(ended=None, idle_end__gt=now, absolute_end__gt=now)

    def change_digest(self, old: str, new: str, **more: Any) -> bool:
        """Names one live session by its new id; whether it still had the old one.

        Only from the id of this request: what another one has just given the browser would live on without a row.
        """
        until = database_now() + LOGOUT_GRACE
        return self.live().filter(digest=old).update(digest=new, former=old, former_until=until, **more) == 1

    def mark_ended(self, reason: str) -> int:
        """Notes when and why, once; how many it was."""
        return self.filter(ended=None).update(ended=timezone.now(), reason=reason[:100])


class DeviceSession(models.Model):
    """One session on one device. It holds the digest under which Redis keeps the session, never its key."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # Without a constraint: the rows of a deleted user must stay until their sessions are ended.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, db_constraint=False, null=True)
    digest = models.CharField(max_length=64, unique=True)
    former = models.CharField("digest before the id last changed", max_length=64, blank=True, db_index=True)
    former_until = models.DateTimeField("until when that id may still log out", null=True, blank=True)
    address = models.CharField(max_length=45, blank=True)
    user_agent = models.CharField(max_length=USER_AGENT_LENGTH, blank=True)
    remember = models.BooleanField()
    token_version = models.PositiveIntegerField()
    started = models.DateTimeField()
    last_seen = models.DateTimeField()
    idle_end = models.DateTimeField()
    absolute_end = models.DateTimeField()
    ended = models.DateTimeField(null=True, blank=True)
    reason = models.CharField("why it ended", max_length=100, blank=True)

    objects: ClassVar[DeviceSessions] = DeviceSessions.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name = "session"
        indexes = [
            models.Index(name="session_by_user", fields=["user", "-started"]),
            models.Index(name="session_by_start", fields=["-started"]),
            models.Index(name="session_by_address", fields=["address"]),
            # For housekeeping: what may run out, and what has ended.
            models.Index(name="session_by_idle_end", fields=["idle_end"], condition=models.Q(ended=None)),
            models.Index(name="session_by_ended", fields=["ended"], condition=models.Q(ended__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.id} since {self.started:%Y-%m-%d %H:%M}"

    def state(self) -> str:
        """ "live", or when and why it ended."""
        if self.ended:
            return f"ended {self.ended:%Y-%m-%d %H:%M} ({self.reason})"
        return "live" if min(self.idle_end, self.absolute_end) > timezone.now() else "expired"
