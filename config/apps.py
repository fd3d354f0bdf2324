"""The app that joins the other apps into one site."""

from django.apps import AppConfig
from django.core.cache import close_caches
from django.core.signals import request_finished, request_started
from django.db import reset_queries


class SiteConfig(AppConfig):
    """The site's settings, URLs, home page, error pages, log and processes."""

    name = "config"

    def ready(self) -> None:
        from config import schema  # noqa: F401  (its extensions register on import)

        drop_idle_receivers()


def drop_idle_receivers() -> None:
    """Disconnects two of Django's receivers that are called for each request and have no effect here.

    `close_caches`: django-redis keeps its connections unless DJANGO_REDIS_CLOSE_CONNECTION is set. `reset_queries`:
    Django collects statements only with DEBUG. The receiver that closes database connections stays.
    """
    request_finished.disconnect(close_caches)
    request_started.disconnect(reset_queries)
