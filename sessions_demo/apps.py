"""The session flow: sessions kept on the server."""

from django.apps import AppConfig


class SessionsDemoConfig(AppConfig):
    """Logging in with a cookie that holds the id of a record in Redis."""

    name = "sessions_demo"
    verbose_name = "Sessions"

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in, user_logged_out

        from security import devices
        from sessions_demo import checks, flow, housekeeping, lifecycle, schema  # noqa: F401  (they register on import)

        user_logged_in.connect(lifecycle.register, dispatch_uid="sessions_demo.registry")
        user_logged_out.connect(lifecycle.unregister, dispatch_uid="sessions_demo.registry")
        devices.FLOWS.append(flow.FLOW)
