"""The token flow: tokens that the client carries."""

from django.apps import AppConfig


class JwtDemoConfig(AppConfig):
    """Logging in with an access token in memory and a rotated refresh token."""

    name = "jwt_demo"
    verbose_name = "Tokens"

    def ready(self) -> None:
        from jwt_demo import blacklist, checks, flow, housekeeping, schema  # noqa: F401  (they register on import)
        from security import devices

        devices.FLOWS.append(flow.FLOW)
