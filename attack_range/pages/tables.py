"""The cases of an attack as its page lists them: by what they are run against, as a matrix, as two histograms."""

from dataclasses import dataclass
from statistics import median
from typing import Any

from attack_range.cases import CASES, Case, Variant
from attack_range.pages.visits import Visit

HEADINGS = {
    Variant.WEAK: "The weak variant",
    Variant.OURS: "The project's own code",
    Variant.LEGITIMATE: "A legitimate use of the project's own code",
}


@dataclass(frozen=True)
class Entry:
    """A case, and what came of it in this browser, if it was run."""

    case: Case
    result: dict[str, Any] | None


@dataclass(frozen=True)
class Axis:
    """The lines or the columns of a matrix: the part of the id, with the words for it."""

    name: str
    words: dict[str, str]


@dataclass(frozen=True)
class Outcome:
    """One cell: its entry, `None` where there is no such case, and the words for an attack that succeeded or failed."""

    entry: Entry | None
    yes: str
    no: str


@dataclass(frozen=True)
class Matrix:
    """One table: its caption, its columns, and for each line its cells, each with its column's words."""

    caption: str
    corner: str
    columns: list[str]
    lines: list[tuple[str, list[tuple[str, Outcome]]]]


XSS = (
    Axis(
        "Where the credential is",
        {
            "local-storage": "localStorage",
            "session-storage": "sessionStorage",
            "global": "A global variable",
            "closure": "A closure",
            "cookie": "An HttpOnly cookie",
        },
    ),
    Axis(
        "What the script does",
        {
            "read": "reads it",
            "patch": "patches fetch",
            "ride": "rides the login",
            "refresh": "calls refresh",
            "vendor": "a vendor's script that only reads",
        },
    ),
)
CSRF = (
    Axis(
        "Credential",
        {
            "session-unset": "Session, no SameSite",
            "session-lax": "Session, Lax",
            "session-strict": "Session, Strict",
            "session-none": "Session, None",
            "token-cookie": "Token in a cookie",
            "bearer": "Bearer token",
        },
    ),
    Axis(
        "Request",
        {
            "link": "a link",
            "form": "a form",
            "fetch": "a fetch",
            "image": "an image",
            "port": "another port",
            "sibling": "a sibling host",
        },
    ),
)
DEFENCES = {
    "none": "No defence but the cookie's own attributes",
    "token": "CSRF token",
    "origin": "Origin gate",
    "metadata": "Fetch Metadata alone",
}


def of_attack(slug: str) -> list[Case]:
    """All cases of an attack, in the order in which they are run."""
    return [case for case in CASES.values() if case.attack == slug]


def by_variant(slug: str, visit: Visit) -> list[tuple[str, list[Entry]]]:
    """The cases under a heading each for weak, ours and legitimate."""
    entries = [Entry(case, visit.results.get(case.id)) for case in of_attack(slug)]
    grouped = [(HEADINGS[variant], [one for one in entries if one.case.variant == variant]) for variant in HEADINGS]
    return [(heading, those) for heading, those in grouped if those]


def matrices(slug: str, visit: Visit) -> list[Matrix]:
    """One for XSS, one a defence for CSRF, none for the others. Without their cases there is none either."""
    found = []
    if slug == "xss":
        found = [_matrix("Five places, five payloads", "xss/{}/{}", XSS, visit)]
    elif slug == "csrf":
        found = [_matrix(words, f"csrf/{{}}/{{}}/{name}", CSRF, visit) for name, words in DEFENCES.items()]
    return [matrix for matrix in found if any(one.entry for _, cells in matrix.lines for _, one in cells)]


def _matrix(caption: str, pattern: str, axes: tuple[Axis, Axis], visit: Visit) -> Matrix:
    down, across = axes

    def outcome(name: str, payload: str) -> Outcome:
        entry = Entry(CASES[name], visit.results.get(name)) if name in CASES else None
        if name.startswith("csrf/"):
            return Outcome(entry, "changed", "refused")
        # To ride the login is no theft.
        return Outcome(entry, "used" if payload == "ride" else "stolen", "safe")

    lines = [
        (words, [(column, outcome(pattern.format(first, second), second)) for second, column in across.words.items()])
        for first, words in down.words.items()
    ]
    return Matrix(caption, down.name, list(across.words.values()), lines)


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram, in the units of its drawing."""

    x: float
    y: float
    height: float


@dataclass(frozen=True)
class Series:
    """The times of one kind of login that failed, in milliseconds."""

    name: str
    kind: str
    base: int
    bars: list[Bar]
    count: int
    least: float
    middle: float
    most: float


@dataclass(frozen=True)
class Histogram:
    """Two series on one axis, which ends at `end` milliseconds."""

    title: str
    end: float
    series: list[Series]


BINS, BIN_WIDTH, BAR_HEIGHT = 24, 15, 70
SERIES = (("unknown", "No such account"), ("wrong", "Wrong password"))


def histograms(slug: str, visit: Visit) -> list[Histogram]:
    """Weak beside ours, for the results that hold times. Both have the same axis."""
    if slug != "enumeration":
        return []
    found = [
        (HEADINGS[variant], visit.results.get(f"enumeration/{variant}")) for variant in (Variant.WEAK, Variant.OURS)
    ]
    timed = [
        (title, one["detail"]) for title, one in found if one and all(one["detail"].get(name) for name, _ in SERIES)
    ]
    end = max((ms for _, detail in timed for name, _ in SERIES for ms in detail[name]), default=0.0)
    return [_histogram(title, detail, end or 1.0) for title, detail in timed]


def _histogram(title: str, detail: dict[str, list[float]], end: float) -> Histogram:
    series = [
        _series(name, words, detail[name], end, (number + 1) * (BAR_HEIGHT + 20))
        for number, (name, words) in enumerate(SERIES)
    ]
    return Histogram(title, end, series)


def _series(name: str, kind: str, times: list[float], end: float, base: int) -> Series:
    counts = [0] * BINS
    for ms in times:
        counts[min(int(ms / end * BINS), BINS - 1)] += 1
    unit = BAR_HEIGHT / max(counts)
    bars = [Bar(number * BIN_WIDTH, base - count * unit, count * unit) for number, count in enumerate(counts) if count]
    return Series(name, kind, base, bars, len(times), min(times), median(times), max(times))
