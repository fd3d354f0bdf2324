"""SimpleJWT's own record of refresh tokens: which were issued, which are no longer good.

Each one issued is outstanding, each one rotated or revoked is blacklisted. A `jti` begins with its family
and generation, so that the chain of a family can be read here. Where stock SimpleJWT keeps the token in
clear, these rows have a digest: with the tokens, a thief of the table could log in as every user.
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


def record_outstanding(family: TokenFamily) -> None:
    """Notes the latest token of a family."""
    values: dict[str, Any] = {
        "user_id": family.user_id,
        "jti": family.jti,
        "token": "sha256:" + hashlib.sha256(family.text().encode()).hexdigest(),
        "created_at": family.issued,
        "expires_at": family.expires,
    }
    if pre_save.has_listeners(OutstandingToken) or post_save.has_listeners(OutstandingToken):
        OutstandingToken.objects.create(**values)  # as SimpleJWT does, for the receivers of a project
    else:
        statements.insert(OutstandingToken, values)


def add(entries: Iterable[int | None]) -> None:
    """Notes that the tokens in these rows are no longer good; one that was noted before stays as it was."""
    rows = [{"token_id": entry, "blacklisted_at": timezone.now()} for entry in entries if entry]
    # Not `save`: its signal is how an administrator's own entry ends a family.
    if len(rows) == 1:
        statements.insert(BlacklistedToken, rows[0], unless_there=True)
    else:
        BlacklistedToken.objects.bulk_create([BlacklistedToken(**values) for values in rows], ignore_conflicts=True)


def add_latest(families: Iterable[UUID]) -> None:
    """Likewise for the latest token of each of these families, whose rows the caller has locked or changed.

    It looks again: a statement that waited for a row gets the new row from PostgreSQL, and beside it the old blacklist.
    """
    latest = TokenFamily.objects.filter(pk__in=families).values("jti")
    add(OutstandingToken.objects.filter(jti__in=latest).values_list("pk", flat=True))


def family_of(jti: str) -> UUID | None:
    """The id of the family a `jti` belongs to, `None` for one from before there were families."""
    try:
        return UUID(jti.partition(".")[0])
    except ValueError:
        return None


def generation_of(jti: str) -> str:
    """The place in its family, likewise."""
    return jti.split(".")[1] if jti.count(".") == 2 else ""


def entry_of(row: OutstandingToken | BlacklistedToken) -> OutstandingToken:
    """The row that has the `jti`."""
    return row.token if isinstance(row, BlacklistedToken) else row


def state(entry: OutstandingToken) -> str:
    """ "good", "expired", or since when blacklisted."""
    if blacklisted := getattr(entry, "blacklistedtoken", None):
        return f"blacklisted {blacklisted.blacklisted_at:%Y-%m-%d %H:%M}"
    return "good" if entry.expires_at > timezone.now() else "expired"


def with_families(rows: Iterable[Any]) -> list[Any]:
    """These rows, each with its `family` or `None`: one statement for all of them."""
    rows = list(rows)
    ids = {row.pk: family_of(entry_of(row).jti) for row in rows}
    families = TokenFamily.objects.in_bulk({family for family in ids.values() if family})
    for row in rows:
        row.family = families.get(ids[row.pk])
    return rows


def chain(family: TokenFamily) -> QuerySet[OutstandingToken]:
    """The outstanding tokens of a family, those of them that were blacklisted too, the latest first."""
    # By user first: there is an index for that, and none for the beginning of a jti on SQLite.
    rows = OutstandingToken.objects.filter(user=family.user_id, jti__startswith=f"{family.pk}.")
    return rows.select_related("blacklistedtoken").order_by("-pk")
