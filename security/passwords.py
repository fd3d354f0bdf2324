"""What a password may be, and what else happens when one is replaced."""

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


def choose(user: Any, password: str) -> None:
    """Sets a new password on `user`, unsaved.

    Raises Django's `ValidationError` when it is not good enough, and `Busy`.
    """
    validate_password(password, user)
    # The project's own hasher may be one that does not ask for a turn itself.
    with turn():
        user.set_password(password)


def replace(user: Any, client: Client, keep: Any = None, by_mail: bool = False) -> None:
    """Stores the new hash that `user` already carries, records who set it, and sends the signal `password_changed`.

    Everything else the user has open ends; `keep` stays, under a new key.
    The hash was computed before the transaction opens: SQLite's write lock must not wait for it.
    """
    name = SecurityEvent.Name.PASSWORD_RESET if by_mail else SecurityEvent.Name.PASSWORD_CHANGE
    with transaction.atomic(), keeping(keep):
        user.save(update_fields=["password"])
        events.record(name, user, client)
        send_after_commit(password_changed, user=user, client=client, by_mail=by_mail)
