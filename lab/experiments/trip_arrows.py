"""Turns a request through the gateway into arrows for the sequence diagrams of the lab."""

from collections.abc import Iterator, Mapping

from lab.experiments.gateway import Hop, Trip
from lab.tracing.sequence import Arrow

CLIENT, GATEWAY, AUTH, REDIS, SERVICE = PARTICIPANTS = ("Client", "Gateway", "Auth", "Redis", "Service")
# The headers that carry an identity, real or forged.
OF_IDENTITY = ("authorization", "cookie", "x-user-id", "x-user-role", "x-internal-token")


def arrows(trip: Trip, service: str) -> list[Arrow]:
    """All arrows of this trip, from the client and back."""
    gateway, auth, served = trip.hop("gateway"), trip.hop("auth"), trip.hop(service)
    if gateway is None:
        # The request bypassed the gateway, so it has no id and no log lines.
        asked = Arrow(CLIENT, SERVICE, "GET /", identity(trip.sent))
        return [asked, Arrow(SERVICE, CLIENT, str(trip.status), _outcome(trip), trip.ms)]
    found = [Arrow(CLIENT, GATEWAY, "GET", identity(gateway.arrived))]
    if auth:
        found += _asked(auth, served)
    if served:
        found += _served(served)
    return [*found, Arrow(GATEWAY, CLIENT, str(trip.status), _outcome(trip), trip.ms)]


def identity(headers: Mapping[str, str]) -> str:
    """The names of the headers that carry an identity. The user's key and role come with their values."""
    names = {name.lower(): (name, value) for name, value in headers.items()}
    said = []
    for name, value in (names[wanted] for wanted in OF_IDENTITY if wanted in names):
        said.append(f"{name}: {value}" if name.lower().startswith("x-user-") else name)
    return " · ".join(said) or "no identity"


def _asked(auth: Hop, served: Hop | None) -> Iterator[Arrow]:
    yield Arrow(GATEWAY, AUTH, "who sent this?", identity(auth.arrived))
    if auth.count("verify"):
        yield Arrow(AUTH, AUTH, "signature verified")
    if number := auth.count("redis"):
        yield Arrow(AUTH, REDIS, f"{number} look-up{'s' * (number > 1)}")
    says = "an identity" if served and "x-user-id" in map(str.lower, served.arrived) else "no identity"
    yield Arrow(AUTH, GATEWAY, str(auth.status), says if auth.status == 204 else "", auth.ms)


def _served(served: Hop) -> Iterator[Arrow]:
    yield Arrow(GATEWAY, SERVICE, "GET /", identity(served.arrived))
    if served.count("fetch"):
        yield Arrow(SERVICE, GATEWAY, "GET /.well-known/jwks.json")
    if served.count("verify"):
        yield Arrow(SERVICE, SERVICE, "signature verified")
    yield Arrow(SERVICE, GATEWAY, str(served.status), ms=served.ms)


def _outcome(trip: Trip) -> str:
    return f"as user {trip.user_id}" if trip.user_id else str(trip.body.get("detail", ""))
