"""What a password may be, and what else happens when one is replaced."""

from typing import Any

from django.contrib.auth import password_validation
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from accounts import mail
from accounts.models import User
from security import events
from security.client import Client
from security.hashers import normal_form
from security.models import SecurityEvent

# Characters. Far above the 64 that must be allowed (ASVS 6.2.9) and far below what takes long to hash.
MAXIMUM_LENGTH = 1024


class MaximumLengthValidator:
    """Refuses an endless password instead of truncating it."""

    def validate(self, password: str, user: object = None) -> None:
        """Raises `ValidationError` when `password` is too long."""
        if len(password) > MAXIMUM_LENGTH:
            raise ValidationError(f"This password is too long. It may have at most {MAXIMUM_LENGTH} characters.")

    def get_help_text(self) -> str:
        """The rule in words."""
        return f"Your password may have at most {MAXIMUM_LENGTH} characters."


class CommonPasswordValidator(password_validation.CommonPasswordValidator):
    """Django's, on the text that is hashed: in full-width letters, a common password is the same one."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raises `ValidationError` when `password` is on the list."""
        super().validate(normal_form(password), user)


class UserAttributeSimilarityValidator(password_validation.UserAttributeSimilarityValidator):
    """Django's, on the text that is hashed, for the same reason."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raises `ValidationError` when `password` is much like something that is known of `user`."""
        super().validate(normal_form(password), user)


def choose(user: User, password: str) -> None:
    """Sets a new password on `user`, unsaved. Raises Django's `ValidationError` when it is not good enough."""
    validate_password(password, user)
    user.set_password(password)


def replace(user: User, name: SecurityEvent.Name, client: Client, spare: Any = None) -> None:
    """Stores the new hash that `user` already carries, records it as `name` and tells its owner.

    Everything else the user has open ends; `spare` stays, under a new key.
    The hash was computed before the transaction opens: SQLite's write lock must not wait for it.
    """
    with transaction.atomic():
        user.save(update_fields=["password"], spare=spare)
        events.record(name, user, client)
        mail.queue("password_changed", user.email_as_given)
