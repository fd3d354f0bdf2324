"""The lab as an app. With it and its block in the settings gone, everything else stands."""

import logging

from django.apps import AppConfig


class LabConfig(AppConfig):
    """What is installed with `DEMO=1` only."""

    name = "lab"

    def ready(self) -> None:
        from lab.claims import sandbox  # noqa: F401  (its housekeeping registers on import)
        from lab.tracing import instruments

        instruments.watch_algorithms()
        # It would write a line for each request of a proof, beside the one that the site writes.
        logging.getLogger("httpx").setLevel(logging.WARNING)
