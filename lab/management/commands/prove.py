"""`manage.py prove C9 C10`: runs the proofs of `/claims/` in a terminal. Exit status 1 if one is not as expected."""

import json
import shutil
import sys
import textwrap
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

import lab.claims.proofs  # noqa: F401  (registers them)
from lab.claims import recorded
from lab.claims.attacks import BY_ATTACK, Answers, list_cases, run, trying_each_once
from lab.claims.catalogue import BY_ID, PARTS, Claim
from lab.claims.evidence import NotRunning, Result, Status, count_by_status, prove, select_claims
from lab.claims.services import BY_SERVICES
from lab.management.silence import logging_silenced

MARKS = {Status.PROVED: "✓", Status.CONTRADICTED: "✗", Status.NOT_YET: "…"}
BAR = 30


class Command(BaseCommand):
    """Proves claims, and says how many came out as expected, how many did not, and how many were not run."""

    help = "Runs the proofs of all claims, of some, or of one part, against this site."
    # The system checks ran when the site was set up. To repeat them here would only take time.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("ids", nargs="*", metavar="ID", help="such as C9; all claims without one")
        parser.add_argument("--part", default="", help=f"only these: {', '.join(PARTS)}")
        parser.add_argument("--json", action="store_true", help="everything that was seen, as JSON")
        parser.add_argument(
            "--record", action="store_true", help="stores what the attack range shows, for sites where it does not run"
        )

    def asks(self, words: list[str]) -> set[str]:
        """The processes besides the site that a command line with these words needs: "range", "services"."""
        options, _ = self.create_parser("manage.py", "prove").parse_known_args(words)
        named = {name.upper() for name in options.ids}
        proofs = {"range": BY_ATTACK, "services": set() if options.record else BY_SERVICES}
        return {
            beside
            for beside, ids in proofs.items()
            if any(name in (named or ids) and options.part in ("", BY_ID[name].part) for name in ids)
        }

    def handle(self, *args: Any, **options: Any) -> None:
        claims = self._select_claims(options["ids"], options["part"], options["record"])
        results = []
        with logging_silenced(), trying_each_once() as answers:
            for number, claim in enumerate(claims):
                self._draw_progress(number, len(claims), claim.id)
                results.append(prove(claim))
                if not options["json"]:
                    self._write_result(results[-1])
            self._draw_progress(len(claims), len(claims))
            self.stdout.write(_as_json(results) if options["json"] else summarize(results))
            if options["record"]:
                self._write_record(results, answers)
        if count_by_status(results)[Status.CONTRADICTED]:
            sys.exit(1)

    def _select_claims(self, ids: list[str], part: str, record: bool) -> list[Claim]:
        if record and (ids or part):
            raise CommandError("A record is made of all claims that the attack range shows: leave ID and PART out.")
        if part and part not in PARTS:
            raise CommandError(f"There is no part {part}. The parts are {', '.join(PARTS)}.")
        try:
            claims = select_claims(ids, part)
        except ValueError as error:
            raise CommandError(str(error)) from None
        if not claims:
            raise CommandError(f"None of these claims is in the part {part}.")
        return [claim for claim in claims if claim.id in BY_ATTACK or not record]

    def _write_result(self, result: Result) -> None:
        self._draw_progress(0, 0)
        claim = result.claim
        start = f"{claim.id:5}{MARKS[result.status]} {result.outcome:32}"
        width = max(shutil.get_terminal_size().columns - len(start), 20)
        self.stdout.write(start + textwrap.shorten(claim.text, width, placeholder="…"))
        if result.status is Status.CONTRADICTED:
            self.stdout.write(f"       expected: {claim.expected}")
            lines = [f"broke off: {result.failure}"] if result.failure else []
            lines += [f"{'limit, ' * e.limit}{e.asked}: {e.seen}{' (not so)' * (not e.true)}" for e in result.evidence]
            self.stdout.writelines(f"       {line}\n" for line in lines)

    def _write_record(self, results: list[Result], answers: Answers) -> None:
        """Tries the cases that no proof used, which the matrices need, and stores all results."""
        try:
            listed = list_cases()
            for number, case in enumerate(listed):
                self._draw_progress(number, len(listed), case.id)
                run(case.id)
        except NotRunning as problem:
            raise CommandError(f"Nothing was recorded. {problem}") from None
        self._draw_progress(0, 0)
        kept = [result for result in results if result.verdict]
        recorded.write(kept, answers)
        text = f"Recorded: {len(kept)} claims and {len(answers.cases)} cases, in {recorded.FILE.name}."
        self.stderr.write(text, lambda text: text)

    def _draw_progress(self, done: int, of: int, name: str = "") -> None:
        """Draws the progress bar if stderr is a terminal. Without `name`, removes it."""
        if not sys.stderr.isatty():
            return
        full = BAR * done // max(of, 1)
        bar = f"[{'█' * full}{' ' * (BAR - full)}] {done} of {of}, now {name}" if name else ""
        sys.stderr.write(f"\r\x1b[K{bar}")
        sys.stderr.flush()


def summarize(results: list[Result]) -> str:
    """How many claims came out as expected, how many did not, and how many were not run, in sentences."""
    number = count_by_status(results)
    absent = sum(bool(result.not_running) for result in results)
    counts = (
        f"{number[Status.PROVED]} as expected, {number[Status.CONTRADICTED]} not as expected, "
        f"{absent} not run here, {number[Status.NOT_YET] - absent} without a proof"
    )
    seconds = sum(result.ms for result in results) / 1000
    lines = [f"\n{len(results)} claim{'s' * (len(results) != 1)} in {seconds:.1f} s: {counts}."]
    waiting = Counter(result.needs for result in results if result.needs)
    lines += [f"  {many:3} need{'s' * (many == 1)} {needs.removesuffix('.')}." for needs, many in waiting.most_common()]
    if missed := [result.claim.id for result in results if result.not_running and result.claim.id in BY_ATTACK]:
        lines.append(_summarize_recorded(missed))
    return "\n".join(lines)


def _summarize_recorded(ids: list[str]) -> str:
    try:
        record = recorded.read()
    except recorded.Missing as problem:
        return f"      {problem}"
    right = sum(record.claims.get(name, {}).get("status") == Status.PROVED for name in ids)
    return f"      Last recorded on {record.at}: {right} of these {len(ids)} as expected."


def _as_json(results: list[Result]) -> str:
    content = {"counts": count_by_status(results), "results": [result.as_json() for result in results]}
    return json.dumps(content, indent=2, ensure_ascii=False)
