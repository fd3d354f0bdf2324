"""What was last recorded of the claims whose proofs ask the attack range: it is shown where the range does not run.

`manage.py prove --record` writes `recorded.json`. Gives `find`, what was recorded of one claim; `read`, all of it; and
`write`.
"""

import json
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab.claims.attacks import Answers
from lab.claims.evidence import Evidence, Result

FILE = Path(__file__).with_name("recorded.json")
NOTHING = "Nothing has been recorded yet: make prove RECORD=1 does so."
UNREADABLE = "What was recorded cannot be read: make prove RECORD=1 writes it anew."


class Missing(Exception):
    """There is no record that can be read. The sentence says how one is made."""


@dataclass(frozen=True)
class RecordedClaim:
    """What was seen for one claim, and when; `problem` says why there is nothing."""

    id: str
    at: str = ""
    verdict: str = ""
    status: str = ""
    evidence: list[Evidence] = field(default_factory=list)
    problem: str = ""

    @property
    def command(self) -> str:
        """What proves it now, in a terminal."""
        return f"make prove ID={self.id}"

    def as_json(self) -> dict[str, Any]:
        """What the page's script shows."""
        return asdict(self) | {"command": self.command}


@dataclass(frozen=True)
class Record:
    """All of it. `cases` holds what came of each case, as the range's answer has it."""

    date: datetime
    commit: str
    chromium: str
    claims: dict[str, dict[str, Any]]
    cases: dict[str, dict[str, Any]]

    @property
    def at(self) -> str:
        """`26 November 2026, at commit 3352de0, in Chromium 156.0.1`."""
        browser = f", in Chromium {self.chromium}" if self.chromium else ""
        return f"{self.date:%-d %B %Y}, at commit {self.commit}{browser}"


def find(name: str) -> RecordedClaim:
    """What was recorded of the claim with this id. Never fails: without a record it says so."""
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
    """Raises `Missing` where there is no record, or where it cannot be read."""
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
    """Keeps what was seen for these claims and what came of these cases, in place of the record that was there."""
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
