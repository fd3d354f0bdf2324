"""What a password may be, and what else happens when one is replaced."""

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts import events, mail
from accounts.client import Client
from accounts.models import SecurityEvent, User

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


def replace(user: User, name: SecurityEvent.Name, client: Client) -> None:
    """Stores the new hash that `user` already carries, records it as `name` and tells its owner.

    The hash was computed before the transaction opens: SQLite's write lock must not wait for it.
    """
    with transaction.atomic():
        user.save(update_fields=["password"])
        events.record(name, user, client)
        mail.queue("password_changed", user.email)
