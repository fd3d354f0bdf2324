"""What both flows note: the clients that users came from, what happened, and what is still to be done."""

import json
from typing import Any, Self

from django.db import connection, models
from django.utils import timezone

from security.client import USER_AGENT_LENGTH, Client


class UserAccess(models.Model):
    """What was issued to a user counts as long as it says this `token_version`. One row a user.

    It is never deleted and never set back: a user who is made later with the same key would revive old tokens. No row
    reads as version 0.
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
        """Makes the row of a user who has none yet; whether there was none. One statement, and no race to lose."""
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO security_useraccess (user_key, token_version, guarded) VALUES (%s, %s, %s)"
                " ON CONFLICT (user_key) DO NOTHING",
                [key, token_version, json.dumps(guarded)],
            )
            return cursor.rowcount == 1

    @classmethod
    def raise_version(cls, key: str, guarded: dict[str, str]) -> int:
        """Raises a version by one, notes these digests, and returns the new version. Call it in a transaction."""
        cls.begin(key, {}, 0)
        row = cls.objects.select_for_update().get(user_key=key)
        row.token_version += 1
        row.guarded |= guarded
        row.save(update_fields=["token_version", "guarded"])
        return row.token_version


class PendingRevocation(models.Model):
    """A revocation that is committed and not yet carried out everywhere. No row outlives the work it stands for."""

    # No foreign key: the user may be the one who was deleted.
    user_key = models.CharField(max_length=255, db_index=True)
    token_version = models.PositiveIntegerField("void before this version")
    reason = models.CharField(max_length=100)
    created = models.DateTimeField(default=timezone.now)
    due = models.DateTimeField("when housekeeping takes it over", default=timezone.now, db_index=True)

    # What each flow ended, by its name; `None` until all of them could. Not stored.
    ended: dict[str, int] | None = None

    def __str__(self) -> str:
        return f"user {self.user_key}: {self.reason}"


class KnownClient(models.Model):
    """A client from which a user has logged in before: it distinguishes the owner from a stranger."""

    user_key = models.CharField(max_length=255)
    user_agent_hash = models.CharField(max_length=64)
    first_seen = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(name="known_client_once", fields=["user_key", "user_agent_hash"])]

    def __str__(self) -> str:
        return f"{self.user_agent_hash[:8]} of user {self.user_key}"

    @classmethod
    def remember(cls, key: str, client: Client) -> bool:
        """Whether `client` is new to this user, who knows it from now on. One statement, and no race to lose."""
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO security_knownclient (user_key, user_agent_hash, first_seen) VALUES (%s, %s, %s)"
                " ON CONFLICT (user_key, user_agent_hash) DO NOTHING",
                [key, client.user_agent_hash, timezone.now()],
            )
            return cursor.rowcount == 1


class AppendOnly(models.QuerySet[Any]):
    """Rows that are never changed: an intruder would otherwise hide what happened."""

    def update(self, **fields: Any) -> int:
        raise TypeError("Security events are written once and never changed.")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise TypeError("Security events are written once and never deleted.")


class SecurityEvent(models.Model):
    """One thing that happened to a user's access. Append-only.

    The user is plain columns, not a foreign key: deleting a user must change no history.
    Names are those of the OWASP logging vocabulary where it has one.
    """

    class Name(models.TextChoices):
        LOGIN_SUCCESS = "authn_login_success", "Login succeeded"
        LOGIN_FAIL = "authn_login_fail", "Login failed"
        PASSWORD_CHANGE = "authn_password_change", "Password changed"
        PASSWORD_RESET = "authn_password_reset", "Password reset by mail"
        USER_CREATED = "user_created", "User registered"
        ACCESS_REVOKED = "authn_access_revoked", "Access revoked"
        SESSION_REVOKED = "session_revoked", "Session ended by its owner or an administrator"
        TOKEN_REVOKED = "authn_token_revoked", "Tokens ended by their owner or an administrator"
        TOKEN_REUSED = "authn_token_reuse", "Refresh token used twice"
        ADMIN_ACTION = "authz_admin", "Administrator's action"

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
        return f"{self.name} {self.email} {self.at:%Y-%m-%d %H:%M:%S}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None:
            raise TypeError("Security events are written once and never changed.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise TypeError("Security events are written once and never deleted.")


class HousekeepingRun(models.Model):
    """When a housekeeping task last ran, and how it went."""

    task = models.CharField(max_length=40, primary_key=True)
    at = models.DateTimeField()
    outcome = models.CharField(max_length=200)

    def __str__(self) -> str:
        return f"{self.task} at {self.at:%Y-%m-%d %H:%M:%S}"

    @classmethod
    def finished(cls, task: str, outcome: str) -> Self:
        """Notes that `task` has run now."""
        return cls.objects.update_or_create(task=task, defaults={"at": timezone.now(), "outcome": outcome[:200]})[0]
