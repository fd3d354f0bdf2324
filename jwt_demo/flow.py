"""The families as others use them: `security` lists and ends them, and SimpleJWT can blacklist a token."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken

from jwt_demo import blacklist, revocation
from jwt_demo.ending import end_and_deny, end_rows
from jwt_demo.lifecycle import cycle_key
from jwt_demo.models import TokenFamilies, TokenFamily
from security import events
from security.client import Client
from security.devices import Device
from security.models import SecurityEvent
from security.users import get_user, pk_of


class TokenFlow:
    """How `security` lists and ends the families of a user: see `security.devices.Flow`."""

    name = "token login"

    def list(self, pk: Any) -> list[Device]:
        """The live families of a user, the latest first."""
        rows = TokenFamily.objects.live().filter(user_id=pk).order_by("-started")
        return [
            Device(row.pk, row.address, row.user_agent, row.started, row.issued, row.absolute_end, row.remember)
            for row in rows
        ]

    def end(self, user: Any, device: UUID, reason: str) -> bool:
        """Ends one family of this user. Returns whether it was live."""
        return self._revoke(user, TokenFamily.objects.filter(pk=device), reason) == 1

    def end_all(self, key: str, token_version: int, reason: str, keep: Any = None) -> int:
        """Ends all families of an earlier `token_version`. If `keep` is a family, it gets new tokens instead."""
        pk = pk_of(key)
        rows = TokenFamily.objects.live().filter(user_id=pk, token_version__lt=token_version)
        is_ours = isinstance(keep, TokenFamily)
        try:
            _, ended = end_rows(rows.exclude(pk=keep.pk) if is_ours else rows, reason)
            if is_ours:
                cycle_key(keep, get_user(pk))
        finally:
            # Also if `keep` was ended meanwhile or the database is locked. The one entry covers all these families, and
            # access tokens without a family, which have no row.
            revocation.deny_before(key, token_version)
        return ended

    def end_others(self, user: Any, device: str | None, reason: str) -> int:
        """Ends all families of this user, except `device` if one is given. Returns how many it ended."""
        rows = TokenFamily.objects.all()
        return self._revoke(user, rows.exclude(pk=device) if device else rows, reason)

    def _revoke(self, user: Any, rows: TokenFamilies, reason: str) -> int:
        ended = end_and_deny(rows.live().filter(user=user), reason)
        if ended:
            events.record(SecurityEvent.Name.TOKEN_REVOKED, user, Client(), ended=ended, reason=reason)
        return ended


FLOW = TokenFlow()


@receiver(post_save, sender=BlacklistedToken)
def end_blacklisted(sender: object, instance: BlacklistedToken, raw: bool, **kwargs: Any) -> None:
    """Ends the family of a token that SimpleJWT's own code has blacklisted, because that code knows no families."""
    if raw:
        return  # A backup is being loaded: the token's row may still be missing, and the family's row says if it ended.
    if family := blacklist.family_of(instance.token.jti):
        rows = TokenFamily.objects.live().filter(pk=family)
        if rows.filter(jti=instance.token.jti).exists():
            # By the id of the family, not by the `jti`: the client may rotate between the commit and this call.
            transaction.on_commit(lambda: end_and_deny(rows, "blacklisted"))
