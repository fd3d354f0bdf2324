"""The app that both login flows share."""

from django.apps import AppConfig


class SecurityConfig(AppConfig):
    """Password checks, revocation, devices, events and housekeeping, for any user model."""

    name = "security"
    verbose_name = "Security"
    # Without it a project with another `DEFAULT_AUTO_FIELD` would be asked to make migrations for this app.
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from security import backends, checks, receivers  # noqa: F401  (they register on import)

        checks.refuse_origins_without_text()
        receivers.connect()
