"""`manage.py purge_tokens`: what housekeeping does every hour, now."""

from typing import Any

from django.core.management import BaseCommand

from jwt_demo.housekeeping import purge


class Command(BaseCommand):
    """SimpleJWT's `flushexpiredtokens` in batches, and the families besides."""

    help = "Removes expired outstanding tokens, and token families that ended long ago."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(purge() or "nothing to do")
