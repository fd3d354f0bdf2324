"""How a claim is proved. A proof is run now, and the verdict is computed from the evidence that it sees.

A proof is a function that takes a `Sandbox` and yields evidence. Evidence *for* a claim shows that it holds at all. A
*limit* shows where it ends. "Holds": all evidence for the claim is true, and no limit is. "Holds, if": all evidence and
all limits are true. "Does not hold": some evidence for the claim is false, and all limits are true. Otherwise, or
without any evidence for the claim, there is no verdict.
"""

import os
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from lab.claims.catalogue import BY_ID, CLAIMS, Claim, Verdict
from lab.claims.sandbox import Sandbox, open_sandbox


@dataclass(frozen=True)
class Evidence:
    """One thing that was asked, what was seen, and whether that is what the claim (or the limit) says."""

    asked: str
    seen: str
    true: bool
    limit: bool = False


def holds(asked: str, seen: Any, true: bool) -> Evidence:
    """Evidence for the claim."""
    return Evidence(asked, _as_text(seen), true)


def limit(asked: str, seen: Any, true: bool) -> Evidence:
    """Evidence of where the claim ends: `true` when it does end there."""
    return Evidence(asked, _as_text(seen), true, limit=True)


def _as_text(seen: Any) -> str:
    if isinstance(seen, float):
        return f"{seen:.3g}"
    return ", ".join(map(str, seen)) or "nothing" if isinstance(seen, list | tuple) else str(seen)


class Status(StrEnum):
    """Whether a claim is proved."""

    PROVED = "proved"
    CONTRADICTED = "contradicted"
    NOT_YET = "not proved yet"


# What is said of a proof with the expected verdict. "Proved" alone would be misread beside a claim that is wrong.
OUTCOMES = {
    Verdict.HOLDS: "holds, as expected",
    Verdict.CONDITIONAL: "holds if, as expected",
    Verdict.WRONG: "shown to be wrong, as expected",
}


class NotRunning(Exception):
    """The process that a proof asks does not answer. `what` names the process, and the message says what to do."""

    what = "the attack range"


@dataclass
class Result:
    """One claim, its evidence, and the verdict. `failure` names the exception that ended the proof. `not_running` names
    the process that did not answer, and says what to do. `ms` is how long the proof took, in milliseconds."""

    claim: Claim
    evidence: list[Evidence] = field(default_factory=list)
    verdict: Verdict | None = None
    failure: str = ""
    not_running: str = ""
    ms: float = 0

    @property
    def status(self) -> Status:
        """`PROVED` if the computed verdict is the expected one."""
        if self.claim.id not in PROOFS or self.not_running:
            return Status.NOT_YET
        return Status.PROVED if self.verdict is self.claim.expected else Status.CONTRADICTED

    @property
    def outcome(self) -> str:
        """The status in words that also fit a claim which is expected to be wrong."""
        if self.status is Status.NOT_YET:
            return "not run here" if self.not_running else "without a proof"
        if self.status is Status.CONTRADICTED:
            return f"not as expected: {self.verdict or 'no verdict'}"
        return OUTCOMES[self.claim.expected]

    @property
    def needs(self) -> str:
        """What is missing before the proof can be run; "" if it was run."""
        if self.status is not Status.NOT_YET:
            return ""
        return self.not_running or self.claim.needs or UNWRITTEN

    def as_json(self) -> dict[str, Any]:
        """What the page and `prove --json` show."""
        return {
            "id": self.claim.id,
            "part": self.claim.part,
            "claim": self.claim.text,
            "expected": self.claim.expected,
            "verdict": self.verdict,
            "status": self.status,
            "outcome": self.outcome,
            "needs": self.needs,
            "failure": self.failure,
            "ms": round(self.ms, 1),
            "evidence": [asdict(evidence) for evidence in self.evidence],
        }


Proof = Callable[[Sandbox], Iterator[Evidence]]
UNWRITTEN = "a proof that is still to be written"
PROOFS: dict[str, Proof] = {}


def proves(*ids: str) -> Callable[[Proof], Proof]:
    """Registers the decorated function as the proof of these claims.

    Raises `KeyError` for an unknown claim, and `ValueError` for one that has a proof already.
    """

    def register(proof: Proof) -> Proof:
        for name in ids:
            if BY_ID[name].id in PROOFS:
                raise ValueError(f"{name} has two proofs.")
            PROOFS[name] = proof
        return proof

    return register


def prove(claim: Claim) -> Result:
    """Runs the proof of one claim now. If it raises an exception, the result has no verdict but a `failure`."""
    result, started = Result(claim), time.perf_counter()
    if claim.id in PROOFS:
        try:
            with open_sandbox() as sandbox:
                result.evidence.extend(PROOFS[claim.id](sandbox))
            result.verdict = verdict_of(result.evidence)
        except NotRunning as error:
            # The proof is incomplete. Shown alone, the evidence so far would look like a result.
            result.evidence.clear()
            result.not_running = f"{error.what}. {error}"
        except Exception as error:
            result.failure = f"{type(error).__name__} at {_location_of(error)}"
    result.ms = (time.perf_counter() - started) * 1000
    return result


def _location_of(error: Exception) -> str:
    # The message of the error is left out: it can contain a path, an SQL statement or the address of a store.
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if f"{os.sep}lab{os.sep}" in frame.filename]
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "an unknown place"


def count_by_status(results: Iterable[Result]) -> dict[Status, int]:
    """The number of claims of each status."""
    seen = Counter(result.status for result in results)
    return {status: seen[status] for status in Status}


def count_missing_proofs(claims: Iterable[Claim] = CLAIMS) -> list[tuple[int, str]]:
    """What those of these claims without a proof need: how many claims need it, and what it is; the most first."""
    waiting = Counter(claim.needs or UNWRITTEN for claim in claims if claim.id not in PROOFS)
    return [(number, needs) for needs, number in waiting.most_common()]


def verdict_of(evidence: list[Evidence]) -> Verdict | None:
    """The verdict that follows from this evidence, by the rules at the top of this module. `None` if none follows."""
    support, limits = [e.true for e in evidence if not e.limit], [e.true for e in evidence if e.limit]
    if not support or not all(support):
        # The limits say why the claim does not hold, so they must be true as well. No evidence is no verdict.
        return Verdict.WRONG if support and all(limits) else None
    if any(limits):
        return Verdict.CONDITIONAL if all(limits) else None
    return Verdict.HOLDS


def select_claims(ids: list[str], part: str = "") -> list[Claim]:
    """The claims with one of these ids, if any are given, and of this part, if one is given.

    Raises `ValueError`, with a sentence, for an unknown id.
    """
    if unknown := [name for name in ids if name.upper() not in BY_ID]:
        raise ValueError(f"There is no claim {', '.join(unknown)}. They are C1 to C{len(CLAIMS)}.")
    wanted = {name.upper() for name in ids}
    return [c for c in CLAIMS if (not wanted or c.id in wanted) and (not part or c.part == part)]
