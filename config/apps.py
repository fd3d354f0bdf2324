"""The composition root as an app: its templates, its home page, its management of a run."""

from django.apps import AppConfig
from django.core.cache import close_caches
from django.core.signals import request_finished, request_started
from django.db import reset_queries


class SiteConfig(AppConfig):
    """What ties the apps together."""

    name = "config"

    def ready(self) -> None:
        from config import schema  # noqa: F401  (its extensions register on import)

        drop_idle_receivers()


def drop_idle_receivers() -> None:
    """Disconnects what Django calls around each request, and what does nothing here.

    django-redis keeps its connections at the end of a request, unless DJANGO_REDIS_CLOSE_CONNECTION is set. Statements
    are only collected under DEBUG. What closes database connections stays.
    """
    request_finished.disconnect(close_caches)
    request_started.disconnect(reset_queries)
