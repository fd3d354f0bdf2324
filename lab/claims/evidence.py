"""How a claim is proved: by what was seen just now. The verdict is computed from that evidence.

A proof is a function of a `Sandbox` that yields evidence. Evidence *for* a claim says whether it holds at all,
a *limit* shows where it does not: all of the first and none of the second is "holds", all of both is "holds,
if", and a claim some of whose evidence is missing does not hold. Where the limits are half there, or nothing was
seen, there is no verdict.
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
    """One thing that was asked, what was seen, and whether it was as the claim (or the limit) has it."""

    asked: str
    seen: str
    true: bool
    limit: bool = False


def holds(asked: str, seen: Any, true: bool) -> Evidence:
    """Evidence for the claim."""
    return Evidence(asked, _as_text(seen), true)


def limit(asked: str, seen: Any, true: bool) -> Evidence:
    """Evidence for where the claim ends: `true` when it indeed does."""
    return Evidence(asked, _as_text(seen), true, limit=True)


def _as_text(seen: Any) -> str:
    if isinstance(seen, float):
        return f"{seen:.3g}"
    return ", ".join(map(str, seen)) or "nothing" if isinstance(seen, list | tuple) else str(seen)


class Status(StrEnum):
    """How a claim stands."""

    PROVED = "proved"
    CONTRADICTED = "contradicted"
    NOT_YET = "not proved yet"


class NotRunning(Exception):
    """What the proof asks is not there now. The sentence says how to start it; `what` is its name."""

    what = "the attack range"


@dataclass
class Result:
    """One claim, what was seen, and what follows from it. `ms` is how long the proof took; `not_running` says what it
    needed, and why that was not there."""

    claim: Claim
    evidence: list[Evidence] = field(default_factory=list)
    verdict: Verdict | None = None
    failure: str = ""
    not_running: str = ""
    ms: float = 0

    @property
    def status(self) -> Status:
        """Proved: the verdict that was computed is the one an honest run shows."""
        if self.claim.id not in PROOFS or self.not_running:
            return Status.NOT_YET
        return Status.PROVED if self.verdict is self.claim.expected else Status.CONTRADICTED

    @property
    def needs(self) -> str:
        """What it waits for; "" for one whose proof was run."""
        if self.status is not Status.NOT_YET:
            return ""
        return self.not_running or self.claim.needs or UNWRITTEN

    def as_json(self) -> dict[str, Any]:
        """What the page and `--json` show."""
        return {
            "id": self.claim.id,
            "part": self.claim.part,
            "claim": self.claim.text,
            "expected": self.claim.expected,
            "verdict": self.verdict,
            "status": self.status,
            "needs": self.needs,
            "failure": self.failure,
            "ms": round(self.ms, 1),
            "evidence": [asdict(evidence) for evidence in self.evidence],
        }


Proof = Callable[[Sandbox], Iterator[Evidence]]
UNWRITTEN = "a proof that is still to be written"
PROOFS: dict[str, Proof] = {}


def proves(*ids: str) -> Callable[[Proof], Proof]:
    """Makes the decorated function the proof of these claims. Raises `KeyError` for a claim that there is not."""

    def register(proof: Proof) -> Proof:
        for name in ids:
            if BY_ID[name].id in PROOFS:
                raise ValueError(f"{name} has two proofs.")
            PROOFS[name] = proof
        return proof

    return register


def prove(claim: Claim) -> Result:
    """Runs the proof of one claim, now. A proof that breaks off proves nothing and says at what."""
    result, started = Result(claim), time.perf_counter()
    if claim.id in PROOFS:
        try:
            with open_sandbox() as sandbox:
                result.evidence.extend(PROOFS[claim.id](sandbox))
            result.verdict = verdict_of(result.evidence)
        except NotRunning as error:
            # Half of the evidence gives no verdict, and none of it shows the claim wrong.
            result.evidence.clear()
            result.not_running = f"{error.what}. {error}"
        except Exception as error:
            result.failure = f"{type(error).__name__} at {_location_of(error)}"
    result.ms = (time.perf_counter() - started) * 1000
    return result


def _location_of(error: Exception) -> str:
    # Not what the error says: that can be a path, a statement, the address of a store.
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if f"{os.sep}lab{os.sep}" in frame.filename]
    return f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "an unknown place"


def count_by_status(results: Iterable[Result]) -> dict[Status, int]:
    """How many claims stand how."""
    seen = Counter(result.status for result in results)
    return {status: seen[status] for status in Status}


def count_missing_proofs(claims: Iterable[Claim] = CLAIMS) -> list[tuple[int, str]]:
    """What those of these claims that have no proof wait for: of how many, and for what; the most first."""
    waiting = Counter(claim.needs or UNWRITTEN for claim in claims if claim.id not in PROOFS)
    return [(number, needs) for needs, number in waiting.most_common()]


def verdict_of(evidence: list[Evidence]) -> Verdict | None:
    """What follows from this evidence: `None` where nothing was seen for the claim, or only some of the limits."""
    support, limits = [e.true for e in evidence if not e.limit], [e.true for e in evidence if e.limit]
    if not support or not all(support):
        # What is said of why it does not hold must be there as well; and nothing seen is no verdict.
        return Verdict.WRONG if support and all(limits) else None
    if any(limits):
        return Verdict.CONDITIONAL if all(limits) else None
    return Verdict.HOLDS


def select_claims(ids: list[str], part: str = "") -> list[Claim]:
    """The claims with these ids, or of this part, or all. Raises `ValueError` with a sentence for what there is not."""
    if unknown := [name for name in ids if name.upper() not in BY_ID]:
        raise ValueError(f"There is no claim {', '.join(unknown)}. They are C1 to C{len(CLAIMS)}.")
    wanted = {name.upper() for name in ids}
    return [c for c in CLAIMS if (not wanted or c.id in wanted) and (not part or c.part == part)]
