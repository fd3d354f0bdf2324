"""The users of this site, and the mails that are due to them."""

from typing import Any, ClassVar

from asgiref.sync import sync_to_async
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils import timezone

from accounts.email import NormalisedEmailField, as_given, normalise, validate_address, validate_visible
from security.managers import RevokingQuerySet
from security.users import check_password


class Users(RevokingQuerySet):
    """Users. `update()` and `bulk_update()` revoke access if a save would."""

    def update(self, **fields: Any) -> int:
        """Sets `email_as_given` together with `email`."""
        if "email" in fields:
            given = fields["email"]
            fields.setdefault("email_as_given", as_given(given) if isinstance(given, str) else given)
        return super().update(**fields)

    def bulk_update(self, objs: Any, fields: Any, batch_size: int | None = None) -> int:
        """Sets `email_as_given` together with `email`."""
        users, fields = list(objs), set(fields)
        if "email" in fields:
            fields.add("email_as_given")
            for user in users:
                User._meta.get_field("email").pre_save(user, add=False)
        return super().bulk_update(users, fields, batch_size)


class UserManager(BaseUserManager.from_queryset(Users)):  # type: ignore[misc]
    """Creates users, and finds a user by any spelling of the address."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Creates a user and stores it. Without `password` no password fits.

        Raises `ValueError` for an e-mail address to which no mail could be sent.
        """
        try:
            validate_address(email)
        except ValidationError as refusal:
            raise ValueError(f"A user needs an e-mail address. {refusal.messages[0]}") from None
        user = self.model(email=email, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A user who may do everything in the admin."""
        return self.create_user(email, password, role=User.Role.ADMIN, is_superuser=True, **fields)


class Absent:
    """Hides an inherited attribute: `hasattr` is false for the class and for its instances."""

    def __get__(self, instance: object, owner: type) -> Any:
        raise AttributeError("This attribute was taken away on purpose.")


class User(AbstractBaseUser, PermissionsMixin):
    """A person who can log in, by either flow."""

    class Role(models.TextChoices):
        MEMBER = "member", "Member"
        ADMIN = "admin", "Administrator"

    # `email` is unique and used for look-ups. Mail is sent to `email_as_given`. See accounts/email.py.
    email = NormalisedEmailField("e-mail address", unique=True)
    email_as_given = models.CharField("e-mail address as given", max_length=254, editable=False)
    name = models.CharField(max_length=150, blank=True, validators=[validate_visible])
    role = models.CharField(max_length=16, choices=Role, default=Role.MEMBER)
    is_active = models.BooleanField(
        "active", default=True, help_text="Clear this instead of deleting: the user is out, the history stays."
    )
    created = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        constraints = [
            models.CheckConstraint(name="user_role_known", condition=models.Q(role__in=["member", "admin"])),
            models.CheckConstraint(name="user_email_present", condition=~models.Q(email="")),
            models.CheckConstraint(name="user_email_as_given_present", condition=~models.Q(email_as_given="")),
        ]

    # Tokens, sessions and the history name a user by id. With a natural key, `dumpdata --natural-primary` would leave
    # the id out, and a restored user would get the id of another. `--natural-foreign` would fail for a row whose
    # user was deleted.
    natural_key = Absent()

    @classmethod
    def normalize_username(cls, username: str) -> str:
        """The form in which addresses are compared."""
        return normalise(username)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Stores the user and, in the same transaction, the revocation if a guarded field has changed."""
        if "email" in (kwargs.get("update_fields") or ()):
            kwargs["update_fields"] = {*kwargs["update_fields"], "email_as_given"}
        with transaction.atomic():
            super().save(*args, **kwargs)

    def check_password(self, raw_password: str | None) -> bool:
        """Whether this is the password. Replaces a hash with outdated parameters, which does not revoke access."""
        return raw_password is not None and check_password(self, raw_password)

    async def acheck_password(self, raw_password: str | None) -> bool:
        """Like `check_password`."""
        return await sync_to_async(self.check_password)(raw_password)

    @property
    def is_staff(self) -> bool:
        """Whether the user may open the admin. It follows from the role, so that the two cannot disagree."""
        return self.role == self.Role.ADMIN

    def get_full_name(self) -> str:
        """The name to greet with."""
        return self.name or self.email

    def get_short_name(self) -> str:
        """The name to greet with; the admin's header asks for the short one."""
        return self.get_full_name()


class OutgoingMail(models.Model):
    """A mail that is due: its kind and its recipient. The text may have a link that works as a key, so it is
    written only when the mail is sent, and not stored here."""

    kind = models.CharField(max_length=40)
    to = models.CharField(max_length=254)
    context = models.JSONField(default=dict)
    created = models.DateTimeField(default=timezone.now)
    due = models.DateTimeField(default=timezone.now, db_index=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.kind} to {self.to}"


class DemoMail(models.Model):
    """The demo's mailbox: the mails that are not sent because there is no mail server. Empty without `DEMO=1`."""

    to = models.CharField(max_length=254)
    subject = models.CharField(max_length=254)
    body = models.TextField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.subject} to {self.to}"
