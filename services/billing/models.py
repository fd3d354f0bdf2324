"""One table, which knows a user by the key that the site has for it."""

from django.core.validators import MaxValueValidator
from django.db import models

# Cents of one payment. Without a limit a few of them have a sum that the database cannot hold.
MOST = 10**9


class Payment(models.Model):
    """What a user has paid, in cents."""

    user = models.CharField(max_length=64, db_index=True)
    cents = models.PositiveIntegerField(validators=[MaxValueValidator(MOST)])
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.cents} cents"
