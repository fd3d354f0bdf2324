"""What the views answer about a user: the same as this project's endpoints."""

from typing import Any


def role_of(user: Any) -> str:
    """`admin` for a user who may open the admin, `member` for others."""
    return "admin" if user.is_staff else "member"


def who(user: Any) -> dict[str, str]:
    """The short answer."""
    return {"userId": str(user.pk), "role": role_of(user)}


def profile(user: Any) -> dict[str, dict[str, str]]:
    """The long answer, from the user's row."""
    name = user.get_full_name()
    return {"data": {"id": str(user.pk), "email": user.email, "name": name, "role": role_of(user)}}
