"""Flow A: sessions kept on the server."""

from django.apps import AppConfig


class SessionsDemoConfig(AppConfig):
    """Logging in with a cookie that refers to a record in Redis."""

    name = "sessions_demo"
