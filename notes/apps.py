"""An example: notes that a user reads and writes with a session or with a token."""

from django.apps import AppConfig


class NotesConfig(AppConfig):
    """Installed with `DEMO=1` only."""

    name = "notes"
