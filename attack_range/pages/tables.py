"""The cases of an attack as its page shows them: as lists by variant, as matrices, and as histograms."""

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
    """A case, and its result in this browser, or `None` if it was not run."""

    case: Case
    result: dict[str, Any] | None


@dataclass(frozen=True)
class Axis:
    """The lines or the columns of a matrix: its title, and the label for each part of an id."""

    name: str
    words: dict[str, str]


@dataclass(frozen=True)
class Outcome:
    """One cell: its entry, or `None` without such a case, and the words for an attack that succeeded or failed."""

    entry: Entry | None
    yes: str
    no: str


@dataclass(frozen=True)
class Matrix:
    """One table: its caption, its columns, and its lines. Each cell of a line comes with the label of its column."""

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
            "ride": "acts in the page",
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
    """The cases, grouped under a heading for each variant that has any."""
    entries = [Entry(case, visit.results.get(case.id)) for case in of_attack(slug)]
    grouped = [(HEADINGS[variant], [one for one in entries if one.case.variant == variant]) for variant in HEADINGS]
    return [(heading, those) for heading, those in grouped if those]


def matrices(slug: str, visit: Visit) -> list[Matrix]:
    """One matrix for XSS, one for each defence for CSRF, none for other attacks. A matrix without cases is left out."""
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
        # A script that uses the login from inside the page steals nothing.
        return Outcome(entry, "used" if payload == "ride" else "stolen", "safe")

    lines = [
        (words, [(column, outcome(pattern.format(first, second), second)) for second, column in across.words.items()])
        for first, words in down.words.items()
    ]
    return Matrix(caption, down.name, list(across.words.values()), lines)


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram, in units of the SVG."""

    x: float
    y: float
    height: float


@dataclass(frozen=True)
class Series:
    """The times of one kind of failed login. Times are in milliseconds, `base` and `bars` in units of the SVG."""

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
    """A histogram of the weak login and one of ours, on the same axis. Results without times are left out."""
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
