"""Reads and sets the `token_version` of a user in tests."""

from typing import Any

from security.models import UserAccess
from security.users import user_key


def version_of(user: Any) -> int:
    """The stored `token_version`."""
    row = UserAccess.objects.filter(user_key=user_key(user.pk)).first()
    return row.token_version if row else 0


def set_version(user: Any, token_version: int) -> None:
    """The state after a revocation that is committed, but that has not reached the flows yet."""
    UserAccess.objects.filter(user_key=user_key(user.pk)).update(token_version=token_version)
