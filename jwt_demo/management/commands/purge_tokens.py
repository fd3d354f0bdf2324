"""`manage.py purge_tokens`: what housekeeping does every hour, now."""

from typing import Any

from django.core.management import BaseCommand

from jwt_demo.housekeeping import purge
from security.housekeeping import Unfinished


class Command(BaseCommand):
    """SimpleJWT's `flushexpiredtokens` in batches, and the families besides."""

    help = "Removes expired outstanding tokens, and token families that ended long ago."

    def handle(self, *args: Any, **options: Any) -> None:
        while isinstance(done := purge(), Unfinished):
            self.stdout.write(done)
        self.stdout.write(done or "nothing to do")
