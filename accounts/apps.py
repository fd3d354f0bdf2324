"""Starts the app: its checks and its housekeeping."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """This site's users, their registration, their passwords and the mail to them."""

    name = "accounts"

    def ready(self) -> None:
        from accounts import checks, mail  # noqa: F401  (checks and tasks register on import)
