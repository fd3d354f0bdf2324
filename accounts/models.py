"""The rows that both flows share: users, the clients they came from, what happened, and what is still to be done."""

from typing import Any, ClassVar, Self

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import connection, models
from django.db.models import Exists, OuterRef
from django.utils import timezone

from accounts.client import USER_AGENT_LENGTH, Client
from accounts.email import NormalisedEmailField, normalise


class UserManager(BaseUserManager["User"]):
    """Makes users, and finds one by any spelling of the address."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A stored user. Without a password it has none that could match. Raises `ValueError` without an address."""
        if not normalise(email):
            raise ValueError("A user needs an e-mail address.")
        user = self.model(email=email, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A user who may do everything in the admin."""
        return self.create_user(email, password, role=User.Role.ADMIN, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        """The user with this address; what Django's own commands and forms ask."""
        return self.get(email=username)

    def known_to(self, email: str, client: Client) -> "tuple[User | None, bool]":
        """The user with this address or `None`, and whether she has logged in from `client`: one statement."""
        seen = KnownClient.objects.filter(user=OuterRef("pk"), digest=client.digest)
        user = self.filter(email=email).annotate(client_is_known=Exists(seen)).first()
        return user, bool(user and user.client_is_known)


class User(AbstractBaseUser, PermissionsMixin):
    """Someone who can log in, by either flow."""

    class Role(models.TextChoices):
        MEMBER = "member", "Member"
        ADMIN = "admin", "Administrator"

    email = NormalisedEmailField("e-mail address", unique=True)
    name = models.CharField(max_length=150, blank=True)
    role = models.CharField(max_length=16, choices=Role, default=Role.MEMBER)
    is_active = models.BooleanField(
        "active", default=True, help_text="Clear this instead of deleting: the user is out, the history stays."
    )
    token_version = models.PositiveIntegerField(
        default=0, editable=False, help_text="The access epoch. Whatever was issued under an earlier one is void."
    )
    created = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        constraints = [
            models.CheckConstraint(name="user_role_known", condition=models.Q(role__in=["member", "admin"])),
            models.CheckConstraint(name="user_email_present", condition=~models.Q(email="")),
        ]

    @property
    def is_staff(self) -> bool:
        """Who may open the admin. It follows from the role, so that the two cannot disagree."""
        return self.role == self.Role.ADMIN

    def get_full_name(self) -> str:
        """The name to greet with."""
        return self.name or self.email

    def get_short_name(self) -> str:
        """The name to greet with; the admin's header asks for the short one."""
        return self.get_full_name()


class KnownClient(models.Model):
    """A client from which a user has logged in before: what tells the owner from a stranger."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="known_clients")
    digest = models.CharField(max_length=64)
    first_seen = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(name="known_client_once", fields=["user", "digest"])]

    def __str__(self) -> str:
        return f"{self.digest[:8]} of user {self.user_id}"

    @classmethod
    def remember(cls, user: User, client: Client) -> bool:
        """Whether `client` is new to `user`, who knows it from now on. One statement, and no race to lose."""
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO accounts_knownclient (user_id, digest, first_seen) VALUES (%s, %s, %s)"
                " ON CONFLICT (user_id, digest) DO NOTHING",
                [user.pk, client.digest, timezone.now()],
            )
            return cursor.rowcount == 1


class AppendOnly(models.QuerySet[Any]):
    """Rows that nobody edits: what an intruder would do first is tidy up."""

    def update(self, **fields: Any) -> int:
        raise TypeError("Security events are written once and never changed.")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise TypeError("Security events are written once and never deleted.")


class SecurityEvent(models.Model):
    """One thing that happened to someone's access. Append-only.

    The user is plain columns, not a foreign key: deleting a user must change no history.
    Names are those of the OWASP logging vocabulary where it has one.
    """

    class Name(models.TextChoices):
        LOGIN_SUCCESS = "authn_login_success", "Login succeeded"
        LOGIN_FAIL = "authn_login_fail", "Login failed"
        PASSWORD_CHANGE = "authn_password_change", "Password changed"
        PASSWORD_RESET = "authn_password_reset", "Password reset by mail"
        USER_CREATED = "user_created", "User registered"
        ADMIN_ACTION = "authz_admin", "Administrator's action"

    at = models.DateTimeField(default=timezone.now, db_index=True)
    name = models.CharField(max_length=40)
    user_id = models.BigIntegerField(null=True)
    email = models.CharField(max_length=254, blank=True)
    address = models.CharField(max_length=45, blank=True)
    user_agent = models.CharField(max_length=USER_AGENT_LENGTH, blank=True)
    detail = models.JSONField(default=dict)

    objects = models.Manager.from_queryset(AppendOnly)()

    class Meta:
        ordering = ["-at", "-pk"]
        indexes = [
            models.Index(name="event_by_user", fields=["user_id", "-at"]),
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


class OutgoingMail(models.Model):
    """A mail that is due. It names what to say and to whom; the text, which may hold a link that is a
    key, is written when the mail is handed over, so that no key rests here."""

    kind = models.CharField(max_length=40)
    to = models.CharField(max_length=254)
    context = models.JSONField(default=dict)
    created = models.DateTimeField(default=timezone.now)
    due = models.DateTimeField(default=timezone.now, db_index=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.kind} to {self.to}"


class DemoMail(models.Model):
    """The demo's mailbox: what was handed over where there is no mail server. Empty without `DEMO=1`."""

    to = models.CharField(max_length=254)
    subject = models.CharField(max_length=254)
    body = models.TextField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.subject} to {self.to}"


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
        return cls.objects.update_or_create(task=task, defaults={"at": timezone.now(), "outcome": outcome})[0]
