"""Starts the app: its checks and its housekeeping."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users, and what both ways to log in share."""

    name = "accounts"

    def ready(self) -> None:
        from accounts import checks, mail  # noqa: F401  (checks and tasks register on import)
