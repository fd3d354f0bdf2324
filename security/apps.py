"""What both ways to log in stand on."""

from django.apps import AppConfig


class SecurityConfig(AppConfig):
    """Passwords proved, access revoked, devices, events, housekeeping: whatever the user model."""

    name = "security"
    verbose_name = "Security"
    # A project with another default of its own would be asked for migrations of this app.
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from security import backends, checks, receivers  # noqa: F401  (they register on import)

        receivers.connect()
