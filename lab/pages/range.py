"""`/lab/range/`: what the attack range is, whether it runs now, and what was last recorded there.

Visitors try the attacks by hand on the range's own pages, which another process serves.
"""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

import lab.claims.proofs  # noqa: F401  (registers them)
from lab.claims import recorded
from lab.claims.attacks import BY_ATTACK, address, list_cases
from lab.claims.catalogue import CLAIMS
from lab.claims.evidence import NotRunning
from lab.pages import render_page

# The name of each attack in the ids of its cases, its title, and what is tried.
ATTACKS = (
    (
        "xss",
        "Cross-site scripting",
        "A script in the page takes a credential from five places in four ways, or acts with it.",
    ),
    ("csrf", "Cross-site request forgery", "Another site, port or sibling host makes the browser send a request."),
    (
        "alg",
        "The algorithm of a token",
        "The attacker leaves out the signature, or signs with a key that is public.",
    ),
    ("secret", "The secret", "The attacker signs with a word from a list, or with the key of the other kind of token."),
    ("fixation", "Session fixation", "The attacker knows the id of the session before the victim logs in."),
    ("enumeration", "Who has an account", "The attacker times logins to learn which addresses have an account."),
    ("replay", "Replay", "The attacker sends a credential again after it was logged out or exchanged."),
)
PLACES = {
    "local-storage": "localStorage",
    "session-storage": "sessionStorage",
    "global": "a global variable",
    "closure": "a closure",
    "cookie": "an HttpOnly cookie",
}
PAYLOADS = {
    "read": "reads it",
    "patch": "patches fetch",
    "refresh": "calls refresh",
    "vendor": "a vendor’s script that only reads",
    "ride": "acts in the page",
}
CREDENTIALS = {
    "session-unset": "session, no SameSite",
    "session-lax": "session, Lax",
    "session-strict": "session, Strict",
    "session-none": "session, None",
    "token-cookie": "token in a cookie",
    "bearer": "bearer header",
}
REQUESTS = {
    "link": "link",
    "form": "form",
    "fetch": "fetch",
    "image": "image",
    "port": "another port",
    "sibling": "sibling host",
}
DEFENCES = {
    "none": "No defence but the cookie’s own attributes",
    "token": "CSRF token",
    "origin": "Origin gate",
    "metadata": "Fetch Metadata alone",
}
# What each defence of the server does, in a sentence.
EFFECTS = {
    "none": "The server checks only the credential.",
    "token": "The server requires a token that the attacker cannot know.",
    "origin": "The server refuses requests that come from another origin, even one of the same site.",
    "metadata": "The server refuses requests that the browser marks as cross-site. Same-site requests pass: "
    "those from another port and from a sibling host.",
}
# The words in a cell if the attack succeeded, and if it failed. Acting in the page uses a credential, but steals none.
STOLEN, USED, CHANGED = ("stolen", "safe"), ("used", "safe"), ("changed", "refused")


@dataclass(frozen=True)
class Cell:
    """The result of one case: a word, and whether the attack succeeded. `None` if the case was not recorded."""

    column: str
    word: str
    succeeded: bool | None


@dataclass(frozen=True)
class Matrix:
    """A table of cases. `corner` is the heading of the first column, `text` a sentence about the table."""

    id: str
    title: str
    corner: str
    columns: list[str]
    lines: list[tuple[str, list[Cell]]]
    text: str = ""


@login_not_required
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The page. As JSON: whether the range runs, and the recorded results of all cases."""
    try:
        here, problem = address(), ""
        list_cases()
    except NotRunning as error:
        here, problem = "", str(error)
    context = {"address": here, "not_running": problem, "attacks": ATTACKS} | _recorded()
    context["claims"] = [claim for claim in CLAIMS if claim.id in BY_ATTACK]
    body = {"address": here, "notRunning": problem, "cases": context["cases"]}
    return render_page(request, "lab/range.html", context, body)


def _recorded() -> dict[str, Any]:
    try:
        record = recorded.read()
    except recorded.Missing as problem:
        return {"problem": str(problem), "cases": {}}
    return {
        "at": record.at,
        "cases": {name: case.get("succeeded") for name, case in record.cases.items()},
        "xss": draw_places(record.cases),
        "csrf": [draw_requests(record.cases, defence) for defence in DEFENCES],
    }


def draw_places(cases: dict[str, dict[str, Any]]) -> Matrix:
    """The table of the five places in which a credential is kept, and what each of five scripts got."""
    lines = [
        (name, [_cell(cases, f"xss/{place}/{way}", said, _words_for(way)) for way, said in PAYLOADS.items()])
        for place, name in PLACES.items()
    ]
    return Matrix("places", "What a script in the page gets", "kept in", list(PAYLOADS.values()), lines)


def _words_for(payload: str) -> tuple[str, str]:
    return USED if payload == "ride" else STOLEN


def draw_requests(cases: dict[str, dict[str, Any]], defence: str) -> Matrix:
    """The table of six credentials and six forged requests, on a server with this defence."""
    lines = [
        (name, [_cell(cases, f"csrf/{held}/{kind}/{defence}", said, CHANGED) for kind, said in REQUESTS.items()])
        for held, name in CREDENTIALS.items()
    ]
    return Matrix(
        f"forged-{defence}", DEFENCES[defence], "the victim has", list(REQUESTS.values()), lines, EFFECTS[defence]
    )


def _cell(cases: dict[str, dict[str, Any]], name: str, column: str, words: tuple[str, str]) -> Cell:
    succeeded = cases.get(name, {}).get("succeeded")
    if not isinstance(succeeded, bool):
        return Cell(column, "not recorded", None)
    return Cell(column, words[0] if succeeded else words[1], succeeded)
