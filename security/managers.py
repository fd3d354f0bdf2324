"""A query set for user models whose `update()` revokes access as a save does."""

from typing import Any

from django.db import models

from security.revocation import KEPT_CREDENTIAL, revoke_if_changed
from security.transactions import write_transaction
from security.users import guarded_fields, stored_users


class RevokingQuerySet(models.QuerySet[Any]):
    """For the manager of a user model: `update()` revokes access if a save would.

    `bulk_update()` uses it too, but raw SQL does not. While a session is in use, a change by raw SQL is noticed within
    a minute. For a token it is noticed at the next refresh.
    """

    def update(self, **fields: Any) -> int:
        """Updates the rows. In the same transaction it revokes the access of users whose guarded fields changed."""
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
