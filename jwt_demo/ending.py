"""Ends families: their rows, their outstanding tokens, and by the denylist their access tokens."""

from collections.abc import Iterable

from jwt_demo import blacklist, revocation
from jwt_demo.models import TokenFamilies, TokenFamily
from security import events
from security.client import Client
from security.outages import OUTAGES
from security.transactions import write_transaction
from security.users import user_key

# Families that are ended in one transaction.
BATCH = 1000


def end_families(rows: TokenFamilies, reason: str) -> int:
    """Ends those of these families that are live, a batch at a time, and denies their access tokens; how many it was.

    Raises one of `OUTAGES` for a store that is away. What has ended by then has ended.
    """
    ended = 0
    while batch := list(rows.live().values_list("pk", flat=True)[:BATCH]):
        ended += end_and_deny(TokenFamily.objects.filter(pk__in=batch), reason)
    return ended


def end_and_deny(rows: TokenFamilies, reason: str) -> int:
    """Ends these families. Denies the access tokens also of those that had ended: a second try mends the first."""
    families, ended = end_rows(rows, reason)
    add_to_denylist(families)
    return ended


@write_transaction()
def end_rows(rows: TokenFamilies, reason: str) -> tuple[list[TokenFamily], int]:
    """Locks these families and ends those that are live. Returns all of them, and how many it ended."""
    # Locked, or a rotation between the look and the update would leave its token out of the blacklist; in
    # one order, or two requests that end many would wait for each other.
    families = list(rows.order_by("pk").select_for_update(of=("self",)))
    found = [family.pk for family in families]
    ended = TokenFamily.objects.filter(pk__in=found).mark_ended(reason)
    blacklist.add_latest(found)
    for family in families:
        events.log("token_revoked", Client(), user_key=user_key(family.user_id), family=str(family.pk), reason=reason)
    return families, ended


def add_to_denylist(families: Iterable[TokenFamily]) -> None:
    """Denies the access tokens of these families, but not those that are only to expire by their policy."""
    # After the commit: a token that was issued a moment before it must be covered too.
    is_asked = revocation.is_asked_by_default()
    listed = [family for family in families if family.policy["revocation"] != "expiry" or not is_asked]
    try:
        revocation.deny_families((user_key(family.user_id), family.pk) for family in listed)
    except OUTAGES:
        # Where tokens are only to expire, a logout needs no store; a view that asks the denylist is a 503 meanwhile.
        if is_asked:
            raise
