"""The rows that both flows share: users, the clients they came from, what happened, and what is still to be done."""

from typing import Any, ClassVar, Self

from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.email import NormalisedEmailField, as_given, validate_address, validate_visible
from security.client import Client
from security.models import KnownClient


class Users(models.QuerySet["User"]):
    """Users, of whom nobody is changed past the withdrawal that the change calls for."""

    def update(self, **fields: Any) -> int:
        """Django's, and in the same transaction withdraws access from each whose guarded fields it changed.

        `bulk_update` comes through here. Raw SQL does not, and withdraws nothing.
        """
        from security.revocation import access_withdrawn

        if "email" in fields:
            given = fields["email"]
            fields.setdefault("email_as_given", as_given(given) if isinstance(given, str) else given)
        guarded = sorted(fields.keys() & set(User.GUARDED))
        if not guarded:
            return super().update(**fields)
        with transaction.atomic():
            before = {user.pk: user for user in self.select_for_update(of=("self",)).only("pk", "email", *guarded)}
            count = super().update(**fields)
            for user in User.objects.filter(pk__in=before).iterator(chunk_size=1000):
                changed = [name for name in guarded if getattr(user, name) != getattr(before[user.pk], name)]
                if changed:
                    access_withdrawn(user, f"{', '.join(changed)} changed")
        return count

    def bulk_update(self, objs: Any, fields: Any, batch_size: int | None = None) -> int:
        """Django's; the address as given follows the e-mail."""
        users, fields = list(objs), set(fields)
        if "email" in fields:
            fields.add("email_as_given")
            for user in users:
                User._meta.get_field("email").pre_save(user, add=False)
        return super().bulk_update(users, fields, batch_size)

    def rehash(self, password: str) -> int:
        """Stores the same password under new parameters, which withdraws nothing."""
        return super().update(password=password)


class UserManager(BaseUserManager.from_queryset(Users)):  # type: ignore[misc]
    """Makes users, and finds one by any spelling of the address."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A stored user. Without a password it has none that could match.

        Raises `ValueError` for an e-mail address that mail could not be sent to.
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

    def get_by_natural_key(self, username: str | None) -> "User":
        """The user with this address; what Django's own commands and forms ask."""
        return self.get(email=username)

    def known_to(self, email: str, client: Client) -> "tuple[User | None, bool]":
        """The user with this address or `None`, and whether she has logged in from `client`: one statement."""
        seen = KnownClient.objects.filter(user=OuterRef("pk"), digest=client.digest)
        user = self.filter(email=email).annotate(client_is_known=Exists(seen)).first()
        return user, bool(user and user.client_is_known)


class Absent:
    """In place of an inherited attribute: `hasattr` is false, for the class and for its instances."""

    def __get__(self, instance: object, owner: type) -> Any:
        raise AttributeError("This attribute was taken away on purpose.")


class User(AbstractBaseUser, PermissionsMixin):
    """Someone who can log in, by either flow."""

    class Role(models.TextChoices):
        MEMBER = "member", "Member"
        ADMIN = "admin", "Administrator"

    # What is compared, unique and looked up, and what mail is sent to: see accounts/email.py.
    email = NormalisedEmailField("e-mail address", unique=True)
    email_as_given = models.CharField("e-mail address as given", max_length=254, editable=False)
    name = models.CharField(max_length=150, blank=True, validators=[validate_visible])
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
            models.CheckConstraint(name="user_email_as_given_present", condition=~models.Q(email_as_given="")),
        ]

    # Tokens, sessions and the history name a user by id. By a natural key `dumpdata` would leave the id out, and
    # the restored user would get that of another; rows that outlive their user could not be dumped at all.
    natural_key = Absent()

    # Whether `loaddata` stored this instance: see security/revocation.py.
    is_loaded = False

    # What, when it changes, voids whatever was issued before: see security/revocation.py.
    GUARDED = ("email", "password", "role", "is_active", "is_superuser")

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> Self:
        user = super().from_db(*args, **kwargs)
        user.remember_guarded()
        return user

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stored: dict[str, Any] = {}

    def remember_guarded(self) -> None:
        """Notes the guarded fields as they are stored, to see at `save()` which were changed."""
        self._stored = {name: self.__dict__[name] for name in self.GUARDED if name in self.__dict__}

    def save(self, *args: Any, spare: Any = None, **kwargs: Any) -> None:
        """Stores the user; in the same transaction, withdraws access if a guarded field changed.

        `spare` is the one session or token family to keep: see `access_withdrawn`.
        """
        from security.revocation import access_withdrawn

        if not self._state.adding and kwargs.get("update_fields") is None:
            # A row read before a withdrawal and written after it would set the epoch back.
            fields = [field.name for field in self._meta.concrete_fields if not field.primary_key]
            kwargs["update_fields"] = [name for name in fields if name != "token_version"]
        if "email" in (kwargs.get("update_fields") or ()):
            kwargs["update_fields"] = {*kwargs["update_fields"], "email_as_given"}
        with transaction.atomic():
            super().save(*args, **kwargs)
            written = kwargs.get("update_fields") or ()
            changed = [name for name in self._stored if name in written and getattr(self, name) != self._stored[name]]
            if changed:
                access_withdrawn(self, f"{', '.join(changed)} changed", spare)
        self.remember_guarded()

    def check_password(self, raw_password: str | None) -> bool:
        """Whether this is the password. Takes up new hash parameters, which is no change of the password."""

        def rehash(raw: str) -> None:
            before, self.password = self.password, make_password(raw)
            self._stored["password"] = self.password
            # Only over the hash that was checked: a new password may have been set meanwhile.
            User.objects.filter(pk=self.pk, password=before).rehash(self.password)

        return check_password(raw_password, self.password, rehash)

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        # Django's covers the stored hash, so that new parameters, taken up at one login, would log out
        # every other device. The epoch moves with the password, and with every other withdrawal.
        salt = "accounts.User.session_auth_hash"
        return salted_hmac(salt, f"{self.pk}:{self.token_version}", secret=secret, algorithm="sha256").hexdigest()

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
