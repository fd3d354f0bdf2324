"""The registry: a row for each session of a user, so that sessions can be listed and ended."""

import uuid
from datetime import timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from security.client import USER_AGENT_LENGTH, name_of
from security.database_time import database_now
from security.dates import moment

# For so long after a change of its id, a logout sent with the old id still ends the session. It is short, so that a
# stolen old id cannot be used to log the user out later.
LOGOUT_GRACE = timedelta(seconds=10)


class DeviceSessions(models.QuerySet["DeviceSession"]):
    """Finds rows and marks them as ended. The session itself is in Redis, and is deleted there first."""

    def live(self) -> Self:
        """The rows of sessions that were not ended and have not expired."""
        now = timezone.now()
        return self.filter(ended=None, idle_end__gt=now, absolute_end__gt=now)

    def change_digest(self, old: str, new: str, **more: Any) -> bool:
        """Replaces the digest of a live session. Returns whether it still had the digest `old`.

        If another request was first, the row keeps the id of that one: a session without a row could not be ended.
        """
        until = database_now() + LOGOUT_GRACE
        return self.live().filter(digest=old).update(digest=new, former=old, former_until=until, **more) == 1

    def mark_ended(self, reason: str) -> int:
        """Sets the time and the reason of the end, unless they are set. Returns how many rows were changed."""
        return self.filter(ended=None).update(ended=timezone.now(), reason=reason[:100])


class DeviceSession(models.Model):
    """One session on one device. It holds the digest of the session id, never the id itself."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # Without a constraint: when a user is deleted, the rows must stay until the sessions are ended.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.DO_NOTHING, db_constraint=False, null=True)
    digest = models.CharField(max_length=64, unique=True)
    # After a login: the digest of the cookie that this session's cookie has replaced.
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
            # For housekeeping: live sessions by their end, and ended ones.
            models.Index(name="session_by_idle_end", fields=["idle_end"], condition=models.Q(ended=None)),
            models.Index(name="session_by_ended", fields=["ended"], condition=models.Q(ended__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{name_of(self.user_agent)}, since {moment(self.started)}"

    def state(self) -> str:
        """ "live", "expired", or when and why it was ended."""
        if self.ended:
            return f"ended {moment(self.ended)} ({self.reason})"
        return "live" if min(self.idle_end, self.absolute_end) > timezone.now() else "expired"
