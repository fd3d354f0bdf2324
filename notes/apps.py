"""An example: notes, which their owner reads and writes with a session or with a token."""

from django.apps import AppConfig


class NotesConfig(AppConfig):
    """What is installed with `DEMO=1` only."""

    name = "notes"
