"""SimpleJWT's own tables of refresh tokens: outstanding tokens and blacklisted tokens.

Every token that was issued is outstanding, and every token that was rotated or revoked is also blacklisted. A `jti`
begins with its family and generation, so these tables show the chain of a family. Stock SimpleJWT stores the token
itself. These rows have a digest instead: with the tokens, a thief of the table could log in as every user.
"""

import hashlib
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.signals import post_save, pre_save
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from jwt_demo.models import TokenFamily
from security import statements
from security.dates import moment


def record_outstanding(family: TokenFamily) -> None:
    """Adds the latest token of a family to the outstanding tokens."""
    values: dict[str, Any] = {
        "user_id": family.user_id,
        "jti": family.jti,
        "token": "sha256:" + hashlib.sha256(family.text().encode()).hexdigest(),
        "created_at": family.issued,
        "expires_at": family.expires,
    }
    if pre_save.has_listeners(OutstandingToken) or post_save.has_listeners(OutstandingToken):
        OutstandingToken.objects.create(**values)  # as SimpleJWT does, because a project has receivers
    else:
        statements.insert(OutstandingToken, values)


def add(entries: Iterable[int | None]) -> None:
    """Blacklists the outstanding tokens with these primary keys. One that is already blacklisted stays as it is."""
    rows = [{"token_id": entry, "blacklisted_at": timezone.now()} for entry in entries if entry]
    # Not `save`: its signal ends the family, see `jwt_demo.flow.end_blacklisted`.
    if len(rows) == 1:
        statements.insert(BlacklistedToken, rows[0], unless_there=True)
    else:
        BlacklistedToken.objects.bulk_create([BlacklistedToken(**values) for values in rows], ignore_conflicts=True)


def add_latest(families: Iterable[UUID]) -> None:
    """Blacklists the latest token of each of these families, whose rows the caller has locked or changed.

    A statement of its own, after the lock: in PostgreSQL, a statement that waits for a row sees the new row, but the
    other tables as they were before.
    """
    latest = TokenFamily.objects.filter(pk__in=families).values("jti")
    add(OutstandingToken.objects.filter(jti__in=latest).values_list("pk", flat=True))


def family_of(jti: str) -> UUID | None:
    """The id of the family that a `jti` belongs to; `None` for a token that has no family, as of stock SimpleJWT."""
    try:
        return UUID(jti.partition(".")[0])
    except ValueError:
        return None


def generation_of(jti: str) -> str:
    """The generation that a `jti` belongs to; "" for a token that has no family."""
    return jti.split(".")[1] if jti.count(".") == 2 else ""


def entry_of(row: OutstandingToken | BlacklistedToken) -> OutstandingToken:
    """The outstanding token of a row of either table."""
    return row.token if isinstance(row, BlacklistedToken) else row


def state(entry: OutstandingToken) -> str:
    """ "good", "expired", or since when blacklisted."""
    if blacklisted := getattr(entry, "blacklistedtoken", None):
        return f"blacklisted {moment(blacklisted.blacklisted_at)}"
    return "good" if entry.expires_at > timezone.now() else "expired"


def set_families(rows: Iterable[Any]) -> None:
    """Sets an attribute `family`, which may be `None`, on each of these rows. One statement for all."""
    ids = {row: family_of(entry_of(row).jti) for row in rows}
    families = TokenFamily.objects.in_bulk({family for family in ids.values() if family})
    for row, family in ids.items():
        row.family = families.get(family) if family else None


def chain(family: TokenFamily) -> QuerySet[OutstandingToken]:
    """The outstanding tokens of a family, the latest first. Those that were blacklisted are among them."""
    # Also by user, because that has an index. SQLite has none for the beginning of a `jti`.
    rows = OutstandingToken.objects.filter(user=family.user_id, jti__startswith=f"{family.pk}.")
    return rows.select_related("blacklistedtoken").order_by("-pk")
