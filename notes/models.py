"""The one table of the example."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class Note(models.Model):
    """A line of text that belongs to one user and is deleted with the user."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notes")
    text = models.CharField(max_length=200)
    created = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["-created", "-pk"]

    def __str__(self) -> str:
        return self.text
