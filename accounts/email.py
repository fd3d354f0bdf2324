"""E-mail addresses, in the one form in which they are compared and stored.

Needs Django. Gives `normalise` and a model field that cannot hold anything else.
"""

import unicodedata
from typing import Any

from django.db import models


def normalise(address: str) -> str:
    """`address` as it is stored: NFKC, case-folded, without blanks around it.

    Two spellings of one mailbox must not become two accounts. What cannot be stored at all (a NUL,
    half a surrogate pair) becomes "", which is nobody's address.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", address).casefold()).strip()
    storable = "\0" not in folded and not any("\ud800" <= c <= "\udfff" for c in folded)
    return folded if storable else ""


class NormalisedEmailField(models.EmailField):
    """Normalises on the way in and in every look-up, `QuerySet.update` and `bulk_create` included."""

    def to_python(self, value: Any) -> Any:
        value = super().to_python(value)
        return normalise(value) if isinstance(value, str) else value

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = self.to_python(super().pre_save(model_instance, add))
        setattr(model_instance, self.attname, value)
        return value
