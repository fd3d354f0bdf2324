"""The composition root as an app: its templates, its home page, its management of a run."""

from django.apps import AppConfig


class SiteConfig(AppConfig):
    """What ties the apps together."""

    name = "config"

    def ready(self) -> None:
        from config import schema  # noqa: F401  (its extensions register on import)
