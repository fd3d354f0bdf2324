"""Ends families: marks their rows, blacklists their refresh tokens, and puts them on the denylist."""

from collections.abc import Iterable

from jwt_demo import blacklist, revocation
from jwt_demo.models import TokenFamilies, TokenFamily
from security import events
from security.client import Client
from security.outages import OUTAGES
from security.transactions import write_transaction
from security.users import user_key

# How many families are ended in one transaction.
BATCH = 1000


def end_families(rows: TokenFamilies, reason: str) -> int:
    """Ends the live ones of these families in batches, and denies their access tokens. Returns how many it ended.

    Raises one of `OUTAGES` when a store is away. The families that were ended before that stay ended.
    """
    ended = 0
    while batch := list(rows.live().values_list("pk", flat=True)[:BATCH]):
        ended += end_and_deny(TokenFamily.objects.filter(pk__in=batch), reason)
    return ended


def end_and_deny(rows: TokenFamilies, reason: str) -> int:
    """Ends these families and denies their access tokens. Returns how many it ended.

    Families that had ended before are denied too, so that a second try completes a first one that failed halfway.
    """
    families, ended = end_rows(rows, reason)
    add_to_denylist(families)
    return ended


@write_transaction()
def end_rows(rows: TokenFamilies, reason: str) -> tuple[list[TokenFamily], int]:
    """Locks these families and ends those that were not ended. Returns all of them, and how many it ended."""
    # Without the lock, the new token of a rotation that comes in between would not be blacklisted. Without an order,
    # two requests that end many families could deadlock.
    families = list(rows.order_by("pk").select_for_update(of=("self",)))
    found = [family.pk for family in families]
    ended = TokenFamily.objects.filter(pk__in=found).mark_ended(reason)
    blacklist.add_latest(found)
    for family in families:
        events.log("token_revoked", Client(), user_key=user_key(family.user_id), family=str(family.pk), reason=reason)
    return families, ended


def add_to_denylist(families: Iterable[TokenFamily]) -> None:
    """Denies the access tokens of these families. Called after the commit that ends them.

    An entry lasts as long as an access token, so it must be written after the last one was issued. A family with the
    policy "expiry" is left out, unless that is the setting for all families: then only views with the check "denylist"
    of their own ask. A revocation of the user writes one entry instead, in `flow.py`.
    """
    is_asked = revocation.is_asked_by_default()
    if is_asked:
        families = [family for family in families if family.policy["revocation"] != "expiry"]
    try:
        revocation.deny_families((user_key(family.user_id), family.pk) for family in families)
    except OUTAGES:
        # `JWT_REVOCATION` is "expiry": a logout must work without Redis. A view with the check "denylist" answers 503.
        if is_asked:
            raise
