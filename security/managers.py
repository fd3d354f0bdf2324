"""A query set for user models whose `update()` ends access as a save does."""

from typing import Any

from django.db import models

from security.revocation import KEPT_CREDENTIAL, revoke_if_changed
from security.transactions import write_transaction
from security.users import guarded_fields, stored_users


class RevokingQuerySet(models.QuerySet[Any]):
    """For the manager of a user model: `update()` revokes access where a save would.

    `bulk_update` comes through here, and raw SQL does not. A session notices such a change within a minute of use,
    and a token at its next refresh.
    """

    def update(self, **fields: Any) -> int:
        """Django's. In the same transaction it revokes the access of each user whose guarded fields it changed."""
        if not fields.keys() & set(guarded_fields()):
            return super().update(**fields)
        with write_transaction():
            pks = list(
                stored_users()
                .filter(pk__in=self.order_by().values("pk"))
                .select_for_update()
                .values_list("pk", flat=True)
            )
            count = super().update(**fields)
            revoke_if_changed(pks, keep=KEPT_CREDENTIAL.get())
        return count
