"""Starts the app: its checks and its housekeeping."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users, and what both ways to log in share."""

    name = "accounts"

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in

        from accounts import checks, mail  # noqa: F401  (checks and tasks register on import)

        # `admit` writes it, in the statement that also asks whether the user may still come in.
        user_logged_in.disconnect(dispatch_uid="update_last_login")
