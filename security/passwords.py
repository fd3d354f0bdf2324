"""The rules for passwords, and what happens when one is replaced."""

from typing import Any

from django.contrib.auth import password_validation
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from security import events
from security.client import Client
from security.hashers import normal_form
from security.hashing import turn
from security.models import SecurityEvent
from security.revocation import keeping
from security.signals import password_changed, send_after_commit

# Characters. Far above the 64 that must be allowed (ASVS 6.2.9) and far below what takes long to hash.
MAXIMUM_LENGTH = 1024


class MaximumLengthValidator:
    """Refuses a password that is too long instead of truncating it."""

    def validate(self, password: str, user: object = None) -> None:
        """Raises `ValidationError` when `password` is too long."""
        if len(password) > MAXIMUM_LENGTH:
            raise ValidationError(f"This password is too long. It may have at most {MAXIMUM_LENGTH} characters.")

    def get_help_text(self) -> str:
        """The rule in words."""
        return f"Your password may have at most {MAXIMUM_LENGTH} characters."


class CommonPasswordValidator(password_validation.CommonPasswordValidator):
    """Django's validator, applied to the text that is hashed: full-width letters do not make a password less common."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raises `ValidationError` when `password` is on the list."""
        super().validate(normal_form(password), user)


class UserAttributeSimilarityValidator(password_validation.UserAttributeSimilarityValidator):
    """Django's validator, applied to the text that is hashed, for the same reason."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raises `ValidationError` when `password` is too similar to an attribute of `user`."""
        super().validate(normal_form(password), user)


def choose(user: Any, password: str) -> None:
    """Sets a new password on `user`, unsaved.

    Raises Django's `ValidationError` when it is not good enough, and `Busy`.
    """
    validate_password(password, user)
    # A hasher of the project's own may not wait for a turn itself.
    with turn():
        user.set_password(password)


def replace(user: Any, client: Client, keep: Any = None, by_mail: bool = False) -> None:
    """Stores the new hash that was set on `user`, records the event, and sends the signal `password_changed`.

    All sessions and token families of the user end, except `keep`, which gets a new key. The hash is computed before
    the transaction begins: SQLite's write lock must not be held while a hash is computed.
    """
    name = SecurityEvent.Name.PASSWORD_RESET if by_mail else SecurityEvent.Name.PASSWORD_CHANGE
    with transaction.atomic(), keeping(keep):
        user.save(update_fields=["password"])
        events.record(name, user, client)
        send_after_commit(password_changed, user=user, client=client, by_mail=by_mail)
