"""Starts the app: its checks, its housekeeping, and what is noted at each login."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users, and what both ways to log in share."""

    name = "accounts"

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in

        from accounts import checks, events, mail  # noqa: F401  (checks and tasks register on import)

        user_logged_in.connect(events.login_succeeded, dispatch_uid="accounts.events")
