"""The last recorded results of the claims whose proofs ask the attack range, shown where the range does not run.

`manage.py prove --record` writes `recorded.json`. Gives `find` for one claim, `read` for the whole record, and `write`.
"""

import json
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.utils.formats import date_format

from lab.claims.attacks import Answers
from lab.claims.evidence import Evidence, Result

FILE = Path(__file__).with_name("recorded.json")
NOTHING = "Nothing has been recorded yet. To make a record, run make prove RECORD=1."
UNREADABLE = "The record cannot be read. To make a new one, run make prove RECORD=1."


class Missing(Exception):
    """There is no record that can be read. The message says how to make one."""


@dataclass(frozen=True)
class RecordedClaim:
    """The recorded evidence of one claim, and when it was recorded. `problem` says why there is none."""

    id: str
    at: str = ""
    verdict: str = ""
    status: str = ""
    evidence: list[Evidence] = field(default_factory=list)
    problem: str = ""

    @property
    def command(self) -> str:
        """The command that proves the claim now, in a terminal."""
        return f"make prove ID={self.id}"

    def as_json(self) -> dict[str, Any]:
        """What the page's script shows."""
        return asdict(self) | {"command": self.command}


@dataclass(frozen=True)
class Record:
    """The whole record. `cases` holds the result of each case by its id, with the fields of the range's answer."""

    date: datetime
    commit: str
    chromium: str
    claims: dict[str, dict[str, Any]]
    cases: dict[str, dict[str, Any]]

    @property
    def at(self) -> str:
        """`26 Nov 2026, at commit 3352de0, in Chromium 156.0.1`."""
        browser = f", in Chromium {self.chromium}" if self.chromium else ""
        return f"{date_format(self.date)}, at commit {self.commit}{browser}"


def find(name: str) -> RecordedClaim:
    """What was recorded of the claim with this id. Raises nothing: without a record, `problem` says why."""
    try:
        record = read()
        claim = record.claims[name]
        if not claim["verdict"]:
            raise KeyError(name)
        evidence = [Evidence(**item) for item in claim["evidence"]]
        return RecordedClaim(name, record.at, str(claim["verdict"]), str(claim["status"]), evidence)
    except Missing as problem:
        return RecordedClaim(name, problem=str(problem))
    except KeyError:
        return RecordedClaim(name, problem="Nothing was recorded of this claim.")
    except TypeError:
        return RecordedClaim(name, problem=UNREADABLE)


def read() -> Record:
    """The whole record. Raises `Missing` when there is none, or when it cannot be read."""
    try:
        content = json.loads(FILE.read_text())
        date, words = datetime.fromisoformat(content["at"]), (content["commit"], content["chromium"])
        parts = content["claims"], content["cases"]
    except FileNotFoundError:
        raise Missing(NOTHING) from None
    except (OSError, ValueError, LookupError, TypeError):
        raise Missing(UNREADABLE) from None
    if not (all(isinstance(word, str) for word in words) and all(map(_is_table, parts))):
        raise Missing(UNREADABLE)
    return Record(date, *words, *parts)


def _is_table(part: Any) -> bool:
    return isinstance(part, dict) and all(isinstance(value, dict) for value in part.values())


def write(results: Iterable[Result], answers: Answers) -> None:
    """Replaces the record by the evidence of these claims and the results of these cases."""
    content = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "chromium": answers.chromium,
        "claims": {result.claim.id: _kept_of(result) for result in results},
        "cases": {name: asdict(case) for name, case in answers.cases.items()},
    }
    FILE.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _kept_of(result: Result) -> dict[str, Any]:
    seen = result.as_json()
    return {name: seen[name] for name in ("verdict", "status", "evidence")}


def _commit() -> str:
    git = shutil.which("git")
    command = [git or "git", "-C", str(FILE.parent), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.check_output(command, text=True, stderr=subprocess.DEVNULL).strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
