"""The tables of both flows: users' access, pending revocations, known clients, events and housekeeping runs."""

import json
from typing import Any, Self

from django.db import connection, models
from django.utils import timezone

from security.client import USER_AGENT_LENGTH, Client
from security.dates import moment


class UserAccess(models.Model):
    """The `token_version` of a user. Sessions and tokens of an earlier version are invalid. One row for each user.

    A row is never deleted or reset: old tokens would become valid again for a later user with the same key. A user
    without a row has version 0.
    """

    user_key = models.CharField(max_length=255, unique=True)
    token_version = models.PositiveIntegerField(default=0)
    guarded = models.JSONField("digests of the guarded fields", default=dict)

    class Meta:
        verbose_name_plural = "user access"

    def __str__(self) -> str:
        return f"user {self.user_key} at version {self.token_version}"

    @classmethod
    def begin(cls, key: str, guarded: dict[str, str], token_version: int) -> bool:
        """Creates the row of a user who has none. Returns whether it did. It is one statement, so there is no race."""
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO security_useraccess (user_key, token_version, guarded) VALUES (%s, %s, %s)"
                " ON CONFLICT (user_key) DO NOTHING",
                [key, token_version, json.dumps(guarded)],
            )
            return cursor.rowcount == 1

    @classmethod
    def raise_version(cls, key: str, guarded: dict[str, str]) -> int:
        """Raises the version by one, stores these digests, and returns the new version. Call it in a transaction."""
        cls.begin(key, {}, 0)
        row = cls.objects.select_for_update().get(user_key=key)
        row.token_version += 1
        row.guarded |= guarded
        row.save(update_fields=["token_version", "guarded"])
        return row.token_version


class PendingRevocation(models.Model):
    """A revocation that is committed but not yet carried out by every flow. After that its row is deleted."""

    # No foreign key: the user may have been deleted.
    user_key = models.CharField(max_length=255, db_index=True)
    token_version = models.PositiveIntegerField("void before this version")
    reason = models.CharField(max_length=100)
    created = models.DateTimeField(default=timezone.now)
    due = models.DateTimeField("when housekeeping takes it over", default=timezone.now, db_index=True)

    # How much each flow ended, by the flow's name; `None` until all flows have succeeded. Not stored.
    ended: dict[str, int] | None = None

    def __str__(self) -> str:
        return f"user {self.user_key}: {self.reason}"


class KnownClient(models.Model):
    """A client from which a user has logged in before. It helps to distinguish the user from a stranger."""

    user_key = models.CharField(max_length=255)
    user_agent_hash = models.CharField(max_length=64)
    first_seen = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(name="known_client_once", fields=["user_key", "user_agent_hash"])]

    def __str__(self) -> str:
        return f"{self.user_agent_hash[:8]} of user {self.user_key}"

    @classmethod
    def remember(cls, key: str, client: Client) -> bool:
        """Stores `client` for this user. Returns whether it was new. It is one statement, so there is no race."""
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO security_knownclient (user_key, user_agent_hash, first_seen) VALUES (%s, %s, %s)"
                " ON CONFLICT (user_key, user_agent_hash) DO NOTHING",
                [key, client.user_agent_hash, timezone.now()],
            )
            return cursor.rowcount == 1


class AppendOnly(models.QuerySet[Any]):
    """Refuses to change or delete rows. Otherwise an intruder could hide what happened."""

    def update(self, **fields: Any) -> int:
        raise TypeError("Security events are written once and never changed.")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise TypeError("Security events are written once and never deleted.")


class SecurityEvent(models.Model):
    """One thing that happened to a user's access. Append-only.

    The user is stored in plain columns, not as a foreign key: deleting a user must not change history.
    Names are those of the OWASP logging vocabulary where it has one.
    """

    class Name(models.TextChoices):
        LOGIN_SUCCESS = "authn_login_success", "Login succeeded"
        LOGIN_FAIL = "authn_login_fail", "Login failed"
        PASSWORD_CHANGE = "authn_password_change", "Password changed"
        PASSWORD_RESET = "authn_password_reset", "Password reset by mail"
        USER_CREATED = "user_created", "User registered"
        ACCESS_REVOKED = "authn_access_revoked", "Access revoked"
        SESSION_REVOKED = "session_revoked", "Session ended"
        TOKEN_REVOKED = "authn_token_revoked", "Token login ended"
        TOKEN_REUSED = "authn_token_reuse", "Refresh token used twice"
        ADMIN_ACTION = "authz_admin", "Action of an administrator"

    at = models.DateTimeField(default=timezone.now, db_index=True)
    name = models.CharField(max_length=40)
    user_key = models.CharField(max_length=255, blank=True)
    email = models.CharField(max_length=254, blank=True)
    address = models.CharField(max_length=45, blank=True)
    user_agent = models.CharField(max_length=USER_AGENT_LENGTH, blank=True)
    detail = models.JSONField(default=dict)

    objects = models.Manager.from_queryset(AppendOnly)()

    class Meta:
        ordering = ["-at", "-pk"]
        indexes = [
            models.Index(name="event_by_user", fields=["user_key", "-at"]),
            models.Index(name="event_by_email", fields=["email", "-at"]),
            models.Index(name="event_by_name", fields=["name", "-at"]),
        ]

    def __str__(self) -> str:
        return ", ".join(filter(None, [self.title, self.email, moment(self.at)]))

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None:
            raise TypeError("Security events are written once and never changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise TypeError("Security events are written once and never deleted.")

    @property
    def title(self) -> str:
        """What happened, in words. Of an event of an older release, its name."""
        return str(self.Name(self.name).label) if self.name in self.Name else self.name


class HousekeepingRun(models.Model):
    """When a housekeeping task last ran, and how it went."""

    task = models.CharField(max_length=40, primary_key=True)
    at = models.DateTimeField()
    outcome = models.CharField(max_length=200)

    def __str__(self) -> str:
        return f"{self.task} at {moment(self.at)}"

    @classmethod
    def finished(cls, task: str, outcome: str) -> Self:
        """Stores that `task` has run now."""
        return cls.objects.update_or_create(task=task, defaults={"at": timezone.now(), "outcome": outcome[:200]})[0]
