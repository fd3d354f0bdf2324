"""`manage.py purge_tokens`: does now what housekeeping does every hour."""

from typing import Any

from django.core.management import BaseCommand

from jwt_demo.housekeeping import purge
from security.housekeeping import Unfinished


class Command(BaseCommand):
    """Does the same as SimpleJWT's `flushexpiredtokens`, in batches, and also removes families."""

    help = "Removes expired outstanding tokens, and token families that ended long ago."

    def handle(self, *args: Any, **options: Any) -> None:
        while isinstance(done := purge(), Unfinished):
            self.stdout.write(done)
        self.stdout.write(done or "nothing to do")
