"""One table. It identifies a user by the site's primary key, as text."""

from django.db import models


class Order(models.Model):
    """What a user has ordered."""

    user = models.CharField(max_length=64, db_index=True)
    article = models.CharField(max_length=100)
    at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.article
