"""`/claims/`: all claims as a board with one cell each; `?part=` shows one part with its texts and its evidence.

A POST runs the proof of one claim or one part.
"""

import inspect
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_http_methods

import lab.claims.proofs  # noqa: F401  (registers them)
from lab.claims import recorded
from lab.claims.attacks import BY_ATTACK
from lab.claims.catalogue import BY_ID, PARTS, Claim, Verdict
from lab.claims.evidence import PROOFS, UNWRITTEN, Result, Status, count_missing_proofs, prove, select_claims
from lab.pages import PAGES as LAB_PAGES
from lab.pages import render_page

# Seconds after which a part begins no more proofs. The server ends a connection after 60 (config/worker.py).
MAX_SECONDS = 15
# The pages named in the catalogue: their title, and the name of their URL.
PAGES = {name: (title, f"lab:{name}") for name, title, _ in LAB_PAGES} | {
    "home": ("the home page", "home"),
    "claims": ("the claims", "lab:claims"),
    "session": ("the session pages", "session:login_page"),
    "session-api": ("the session API", "session:root"),
    "jwt-api": ("the token API", "jwt:root"),
    "token-page": ("the token page", "jwt:client_page"),
    "admin": ("the admin", "admin:index"),
}
# The filter by whether a claim has a proof.
STATUSES = {"ready": "has a proof", "none": "without a proof"}
VERDICTS = {"holds": Verdict.HOLDS, "if": Verdict.CONDITIONAL, "wrong": Verdict.WRONG}
allowed = require_http_methods(["GET", "HEAD", "POST"])


@dataclass(frozen=True)
class Row:
    """One claim as the page shows it, with the result of its proof if this request ran it."""

    claim: Claim
    result: Result | None = None

    @property
    def can_be_proved(self) -> bool:
        return self.claim.id in PROOFS

    @property
    def expected(self) -> str:
        """The name of the expected verdict in an address: the filter and the board use it."""
        return next(name for name, verdict in VERDICTS.items() if verdict is self.claim.expected)

    @property
    def needs(self) -> str:
        """What the claim still needs before it can be proved."""
        return self.claim.needs or UNWRITTEN

    @cached_property
    def recorded(self) -> recorded.RecordedClaim | None:
        """The recorded result of an attack, if its proof was not run or could not run now."""
        missed = not self.result or self.result.not_running
        return recorded.find(self.claim.id) if self.claim.id in BY_ATTACK and missed else None

    def as_json(self) -> dict[str, Any] | None:
        """The result as the page's script needs it; `None` without one."""
        if not self.result:
            return None
        return self.result.as_json() | {"recorded": self.recorded and self.recorded.as_json()}

    @property
    def code(self) -> str:
        """The place of its proof, as `path: function`; "" without one."""
        if not self.can_be_proved:
            return ""
        proof = PROOFS[self.claim.id]
        path = Path(inspect.getfile(proof)).relative_to(settings.BASE_DIR)
        return f"{path}: {proof.__name__}"

    @property
    def links(self) -> list[tuple[str, str]]:
        """The names and addresses of the pages that show it. The address is "" if the page does not exist."""
        return [_link_to(slug) for slug in self.claim.pages]


def _link_to(slug: str) -> tuple[str, str]:
    name, view = PAGES.get(slug, (slug, f"lab:{slug}"))
    try:
        return name, reverse(view)
    except NoReverseMatch:
        return name, ""


@login_not_required
@allowed
def page(request: HttpRequest) -> HttpResponse:
    """The board, filtered, or one part. A POST runs the proofs of one part and shows that part."""
    asked = request.POST if request.method == "POST" else request.GET
    part, verdict, stands = (asked.get(name, "") for name in ("part", "verdict", "stands"))
    if problem := _problem_with(part, verdict, stands, request.method == "POST"):
        return render_page(request, "lab/claims.html", _context([], "", "", "", problem), {"error": problem}, 400)
    wanted = [claim for claim in select_claims([], part) if _matches(claim, verdict, stands)]
    results = _run_proofs(wanted) if request.method == "POST" else {}
    rows = [Row(claim, results.get(claim.id)) for claim in wanted]
    late = sum(row.can_be_proved and row.result is None for row in rows) if request.method == "POST" else 0
    context = _context(rows, part, verdict, stands) | {"late": late}
    return render_page(request, "lab/claims.html", context, [row.as_json() for row in rows if row.result])


def _problem_with(part: str, verdict: str, stands: str, run: bool) -> str:
    if (part and part not in PARTS) or (run and not part):
        return "There is no such part of the claims. Choose one from the list."
    if (verdict and verdict not in VERDICTS) or (stands and stands not in STATUSES):
        return "There is no such filter. Choose one from the list."
    return ""


def _matches(claim: Claim, verdict: str, stands: str) -> bool:
    return (not verdict or claim.expected is VERDICTS[verdict]) and (
        not stands or (claim.id in PROOFS) is (stands == "ready")
    )


def _run_proofs(claims: Iterable[Claim]) -> dict[str, Result]:
    end, results = time.monotonic() + MAX_SECONDS, {}
    for claim in claims:
        if claim.id not in PROOFS or time.monotonic() < end:
            results[claim.id] = prove(claim)
    return results


def _context(rows: list[Row], part: str, verdict: str, stands: str, problem: str = "") -> dict[str, Any]:
    groups = [(slug, title, [row for row in rows if row.claim.part == slug]) for slug, title in PARTS.items()]
    parts = [(*group, any(row.can_be_proved for row in group[2])) for group in groups if group[2]]
    return {
        "parts": parts,
        "choices": PARTS,
        "verdicts": {name: f"{value}" for name, value in VERDICTS.items()},
        "stands": STATUSES,
        "chosen": {"part": part, "verdict": verdict, "stands": stands},
        "total": len(BY_ID),
        "proofs": len(PROOFS),
        "without": len(BY_ID) - len(PROOFS),
        "missing": count_missing_proofs(),
        "shown": sum(row.can_be_proved for row in rows),
        "count": _count([row.result for row in rows if row.result]),
        "problem": problem,
    }


def _count(results: list[Result]) -> str:
    """`as expected 84: 61 hold, 22 hold if, 1 does not; 2 not as expected`. "" if nothing was run."""
    ran = [result for result in results if result.status is not Status.NOT_YET]
    if not ran:
        return ""
    held = Counter(result.verdict for result in ran if result.status is Status.PROVED)
    hold, under, wrong = (held[verdict] for verdict in VERDICTS.values())
    wording = (
        f"as expected {held.total()}: {hold} hold{'s' * (hold == 1)}, {under} hold{'s' * (under == 1)} if, "
        f"{wrong} do{'es' * (wrong == 1)} not"
    )
    other = len(ran) - held.total()
    return wording + (f"; {other} not as expected" if other else "")


@login_not_required
@allowed
def one(request: HttpRequest, name: str) -> HttpResponse:
    """One claim at its own address. A POST runs its proof."""
    claim = BY_ID.get(name.upper())
    if claim is None:
        raise Http404
    if claim.id != name:
        return redirect("lab:claim", claim.id, permanent=True)
    result = prove(claim) if request.method == "POST" else None
    before, after = (BY_ID.get(f"C{claim.number + step}") for step in (-1, 1))
    row = Row(claim, result)
    context = {"row": row, "part": PARTS[claim.part], "before": before, "after": after}
    return render_page(request, "lab/claim.html", context, row.as_json())
