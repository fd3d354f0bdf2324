"""Bans: the account is not active, and its access was revoked.

Needs `accounts.models` and `security.revocation`. Gives `ban` and `lift`, for each why it is refused, the lock that a
refusal needs, and whether users are the last superusers.
"""

from collections.abc import Iterable

from django.db.models import Q, QuerySet

from accounts.models import User
from security.models import PendingRevocation
from security.revocation import watching


def refusal_to_ban(user: User, by: User) -> str:
    """Why `by` cannot ban `user`; "" if nothing is against it."""
    if not user.is_active:
        return f"{user.email_as_given} is banned already."
    if user.pk == by.pk:
        return "You cannot ban yourself."
    if are_last_superusers([user]):
        return f"{user.email_as_given} is the last superuser and cannot be banned. Name another superuser first."
    return ""


def are_last_superusers(users: Iterable[User]) -> bool:
    """Whether without `users` no active superuser could open the admin, which also needs the role `admin`."""
    superusers = User.objects.filter(is_superuser=True, is_active=True, role=User.Role.ADMIN)
    keys = set(superusers.values_list("pk", flat=True))
    return bool(keys) and keys <= {user.pk for user in users}


def lock_with_superusers(pk: int) -> QuerySet[User]:
    """The user with this key, and all superusers, locked until the transaction ends.

    Without the lock, two superusers could ban each other at the same time.
    """
    return User.objects.select_for_update().filter(Q(pk=pk) | Q(is_superuser=True)).order_by("pk")


def refusal_to_lift(user: User, by: User) -> str:
    """Why no ban of `user` can be lifted."""
    return f"{user.email_as_given} is not banned." if user.is_active else ""


def ban(user: User, reason: str) -> list[PendingRevocation]:
    """Bans `user`. After the commit, the rows that it returns say what was ended."""
    return _set_active(user, False, f"banned: {reason}")


def lift(user: User, reason: str) -> list[PendingRevocation]:
    """Lifts the ban of `user`. What was ended stays ended."""
    return _set_active(user, True, f"ban lifted: {reason}")


def _set_active(user: User, active: bool, reason: str) -> list[PendingRevocation]:
    with watching(reason) as revocations:
        user.is_active = active
        user.save(update_fields=["is_active"])
    return revocations
