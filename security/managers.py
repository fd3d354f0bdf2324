"""A query set for user models whose `update()` ends access as a save does."""

from typing import Any

from django.db import models, transaction

from security.revocation import KEPT_CREDENTIAL, revoke_if_changed
from security.users import guarded_fields


class RevokingQuerySet(models.QuerySet[Any]):
    """For the manager of a user model: no user is changed past the revocation that the change calls for.

    `bulk_update` comes through here. Raw SQL does not: that is noticed within a minute of use.
    """

    def update(self, **fields: Any) -> int:
        """Django's, and in the same transaction revokes the access of each whose guarded fields it changed."""
        if not fields.keys() & set(guarded_fields()):
            return super().update(**fields)
        with transaction.atomic():
            pks = list(self.select_for_update(of=("self",)).values_list("pk", flat=True))
            count = super().update(**fields)
            revoke_if_changed(pks, keep=KEPT_CREDENTIAL.get())
        return count
