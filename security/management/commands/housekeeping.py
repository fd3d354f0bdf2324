"""`manage.py housekeeping`: runs the background work in a loop, until SIGTERM."""

import signal
import threading
from argparse import ArgumentParser
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from security import housekeeping
from security.checks import refuse_mistakes


class Command(BaseCommand):
    """Runs the tasks of `security.housekeeping`."""

    # `handle` runs the checks, because `--skip-checks` would skip Django's own call of them.
    requires_system_checks = []
    help = "Sends mail and does the other work that no request waits for, until it gets SIGTERM or SIGINT."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="do what is due now, then stop")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        try:
            refuse_mistakes()
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from None
        if once:
            housekeeping.run_due()
            while housekeeping.is_unfinished():
                housekeeping.run_due()
        else:
            self.loop()

    def loop(self) -> None:
        """Runs what is due once a second, until SIGTERM or SIGINT."""
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        with ThreadPoolExecutor(max_workers=1) as apart:
            housekeeping.run_due(apart)
            while not stop.wait(1):
                housekeeping.run_due(apart)
