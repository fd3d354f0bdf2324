"""`manage.py measure`: measures what one request costs in each mode, on this machine."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand

from lab.experiments import measure
from lab.experiments.measure import MODES, Report
from lab.management.silence import logging_silenced

MAX_REQUESTS = 5000


class Command(BaseCommand):
    help = "Measures whoami with a session and with a token under each check: time, look-ups, bytes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--requests", type=parse_number, default=500, metavar="N", help=f"of each mode, 1 to {MAX_REQUESTS}"
        )
        parser.add_argument("--modes", type=_parse_modes, default=list(MODES), metavar="M,…", help=", ".join(MODES))
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help="everything, as JSON")
        form.add_argument("--csv", action="store_true", help="the table, as CSV")
        form.add_argument("--markdown", action="store_true", help="the table, for docs/costs.md")

    def handle(self, *args: Any, **options: Any) -> None:
        # The site logs each request to standard output, and the lines would mix with the numbers.
        with logging_silenced():
            number = options["requests"]
            report = measure.measure(
                options["modes"], number, logins=min(20, number), progress=self._progress_writer(number)
            )
        if options["json"]:
            self.stdout.write(json.dumps(report.as_json(), indent=2))
        elif options["csv"]:
            self.stdout.write(measure.as_csv(report), ending="")
        elif options["markdown"]:
            self.stdout.write(measure.as_markdown(report), ending="")
        else:
            self.stdout.write(_align(report))

    def _progress_writer(self, number: int) -> Any:
        def progress(done: int) -> None:
            if self.stderr.isatty() and done % 10 == 0:
                self.stderr.write(f"\r{done} of {number} requests of each", ending="\n" if done == number else "")

        return progress


def parse_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MAX_REQUESTS):
        raise ArgumentTypeError(f"not a number from 1 to {MAX_REQUESTS}")
    return int(text)


def _parse_modes(text: str) -> list[str]:
    chosen = text.split(",")
    if not set(chosen) <= set(MODES):
        raise ArgumentTypeError(f"choose from {', '.join(MODES)}")
    return chosen


def _align(report: Report) -> str:
    """The table with one column per mode: its lines are shorter than with one row per mode."""
    columns = [*zip(*measure.table_rows(report), strict=True)]
    widths = [max(len(line[at]) for line in columns) for at in range(len(columns[0]))]
    lines = ["  ".join(_pad(cell, widths[at], at) for at, cell in enumerate(line)) for line in columns]
    return "\n".join([*lines, "", measure.caption(report)])


def _pad(text: str, width: int, at: int) -> str:
    return text.rjust(width) if at else text.ljust(width)
