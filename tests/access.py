"""The token_version of a user's access, for tests to read and to set."""

from typing import Any

from security.models import UserAccess
from security.users import user_key


def version_of(user: Any) -> int:
    """The stored one."""
    row = UserAccess.objects.filter(user_key=user_key(user.pk)).first()
    return row.token_version if row else 0


def set_version(user: Any, token_version: int) -> None:
    """As a revocation leaves it that is committed and that no flow has heard of yet."""
    UserAccess.objects.filter(user_key=user_key(user.pk)).update(token_version=token_version)
