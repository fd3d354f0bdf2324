"""The lab as a Django app. The site works the same after the app and its block in the settings are removed."""

import logging

from django.apps import AppConfig


class LabConfig(AppConfig):
    """Installed only with `DEMO=1`."""

    name = "lab"

    def ready(self) -> None:
        from lab.claims import sandbox  # noqa: F401  (its housekeeping registers on import)
        from lab.tracing import instruments

        instruments.watch_algorithms()
        # httpx would log every request of a proof a second time: the site logs it already.
        logging.getLogger("httpx").setLevel(logging.WARNING)
