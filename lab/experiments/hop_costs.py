"""Measures each process that a request to a service passes, in three designs. `measure` gives a `Cost` for each.

The designs take turns, one request each, so that other load on this machine slows all of them alike.
"""

from dataclasses import astuple, dataclass
from statistics import median, median_low

from lab.claims.sandbox import open_sandbox
from lab.experiments.gateway import DESIGNS, Design, Trip, credentials, send

SERVICE = "orders"
# The kinds of work that are counted in addition to look-ups.
VERIFIED, SIGNED = "verify", "sign"
COLUMNS = (
    "design",
    "look-ups by auth",
    "look-ups by the service",
    "signatures made",
    "signatures verified",
    "ms in auth",
    "ms in the service",
    "ms in the gateway",
    "ms in all",
)


@dataclass(frozen=True)
class Cost:
    """The cost of one design: counts for one request, and medians in milliseconds."""

    design: str
    by_auth: int
    by_service: int
    signed: int
    verified: int
    auth: float
    service: float
    gateway: float
    whole: float


def measure(requests: int) -> list[Cost]:
    """Sends this many requests in each design. Raises `NotRunning` without the services."""
    with open_sandbox() as sandbox:
        own = credentials(sandbox)
        trips: dict[Design, list[Trip]] = {design: [] for design in DESIGNS}
        for number in range(-1, requests):
            for design, found in trips.items():
                trip = send(design, SERVICE, headers=own.of(design))
                if number >= 0:  # the first one fetches keys and opens connections
                    found.append(trip)
    return [_cost(design, found) for design, found in trips.items()]


def _cost(design: Design, trips: list[Trip]) -> Cost:
    # A few requests cost more than the others: the first that a process sees of a token, or one after a pause.
    counts = [median_low(part) for part in zip(*map(_counts, trips), strict=True)]
    times = [median(part) for part in zip(*map(_times, trips), strict=True)]
    return Cost(design.title, *counts, *(round(part, 2) for part in times))


def _counts(trip: Trip) -> tuple[int, int, int, int]:
    auth, service = trip.hop("auth"), trip.hop(SERVICE)
    signed, verified = (sum(hop.count(kind) for hop in trip.hops) for kind in (SIGNED, VERIFIED))
    return auth.lookups if auth else 0, service.lookups if service else 0, signed, verified


def _times(trip: Trip) -> tuple[float, float, float, float]:
    """Milliseconds in auth, in the service, in the gateway with the network between them, and in all."""
    auth, service, gateway = (trip.hop(name) for name in ("auth", SERVICE, "gateway"))
    behind = auth.ms if auth else 0.0, service.ms if service else 0.0
    whole = gateway.ms if gateway else 0.0
    return *behind, whole - sum(behind), whole


def table_rows(costs: list[Cost]) -> list[list[str]]:
    """The heading, then one row per design."""
    lines = [[str(value) for value in astuple(cost)] for cost in costs]
    # A design without auth spends no time there. A dash says so better than 0.0.
    return [list(COLUMNS), *(["–" if cell == "0.0" else cell for cell in line] for line in lines)]
