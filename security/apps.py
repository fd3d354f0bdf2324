"""What both ways to log in share."""

from django.apps import AppConfig


class SecurityConfig(AppConfig):
    """The proof of passwords, revocation, devices, events and housekeeping, for any user model."""

    name = "security"
    verbose_name = "Security"
    # A project with another default of its own would be asked for migrations of this app.
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from security import backends, checks, receivers  # noqa: F401  (they register on import)

        checks.refuse_origins_without_text()
        receivers.connect()
