"""`manage.py hops`: measures what each process costs that a request to a service passes, in three designs."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lab.claims.evidence import NotRunning
from lab.experiments.hop_costs import measure, table_rows
from lab.management.commands.measure import parse_number
from lab.management.silence import logging_silenced


class Command(BaseCommand):
    help = "Measures a request to a service behind the gateway: look-ups, signatures and milliseconds at each hop."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--requests", type=parse_number, default=200, metavar="N", help="of each design")

    def asks(self, words: list[str]) -> set[str]:
        """The processes that the command needs besides the site."""
        return {"services"}

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with logging_silenced():
                heading, *lines = table_rows(measure(options["requests"]))
        except NotRunning as problem:
            raise CommandError(str(problem)) from None
        for cells in (heading, ["---"] + ["---:"] * (len(heading) - 1), *lines):
            self.stdout.write(f"| {' | '.join(cells)} |")
