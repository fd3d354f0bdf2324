"""One table. It identifies a user by the site's primary key, as text."""

from django.core.validators import MaxValueValidator
from django.db import models

# Cents of one payment. Without a limit, the sum of a few payments could overflow the database's integers.
MOST = 10**9


class Payment(models.Model):
    """What a user has paid, in cents."""

    user = models.CharField(max_length=64, db_index=True)
    cents = models.PositiveIntegerField(validators=[MaxValueValidator(MOST)])
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.cents} cents"
