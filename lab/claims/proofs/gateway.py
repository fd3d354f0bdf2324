"""Services behind a gateway: what each of them has to look up, and when a service can trust the identity headers."""

from collections.abc import Iterator

from lab.claims.evidence import Evidence, holds, limit
from lab.claims.sandbox import Sandbox
from lab.claims.services import proves_by_services
from lab.experiments.gateway import (
    AT_GATEWAY,
    BY_EACH,
    SERVICES,
    SESSION,
    SPOOFED,
    Credentials,
    Trip,
    credentials,
    send,
    send_around,
)

LOOK_UPS = ("redis", "sql")


@proves_by_services("C50", "C111")
def each_service_verifies_a_token_by_itself_and_needs_the_store_for_a_session(sandbox: Sandbox) -> Iterator[Evidence]:
    """Counts the look-ups of an identity at every hop, in what each process wrote down about the request."""
    own = credentials(sandbox)
    for service in SERVICES:
        trip = send(SESSION, service, headers=own.of(SESSION))
        asked = _asked(trip, "auth")
        yield holds(f"a session at {service}: look-ups of auth", asked, _is_own(trip, own) and asked == 1)
    for service in SERVICES:
        alone = send_around(service, headers=own.session)
        yield holds(f"the session cookie at {service} alone, without the store", alone.status, alone.status == 401)
    send(BY_EACH, headers=own.token)  # the keys are fetched once in five minutes, and not for each request
    for service in SERVICES:
        send(BY_EACH, service, headers=own.token)
        trip = send(BY_EACH, service, headers=own.token)
        hop = trip.hop(service)
        seen = f"{hop.count('fetch', 'redis')} look-ups, {hop.count('verify')} signature verified" if hop else "nothing"
        by_itself = bool(hop and hop.count("verify") == 1 and not hop.count("fetch", "redis") and not trip.hop("auth"))
        yield holds(f"a token at {service}", seen, _is_own(trip, own) and by_itself)


def _asked(trip: Trip, name: str) -> int:
    hop = trip.hop(name)
    return hop.count(*LOOK_UPS) if hop else -1


def _is_own(trip: Trip, own: Credentials) -> bool:
    return trip.status == 200 and trip.user_id == own.user_id


@proves_by_services("C104")
def forwarded_headers_are_trusted_only_where_nobody_else_can_write_them(sandbox: Sandbox) -> Iterator[Evidence]:
    """A service believes the headers. They are true only because the gateway replaces those that a client sends. Behind
    a gateway that does not, and around the gateway, the service believes forged headers."""
    own = credentials(sandbox)
    for design in (SESSION, AT_GATEWAY):
        trip = send(design, "billing", "believed", headers=own.of(design))
        seen = f"{trip.status}, user {trip.user_id}"
        yield holds(f"{design.title.lower()}: the user that a service reads in the headers", seen, _is_own(trip, own))
        spoofed = send(design, "billing", "believed", headers=own.of(design) | SPOOFED)
        yield limit(
            f"… when the client sends X-User-ID: {SPOOFED['X-User-ID']} too",
            f"user {spoofed.user_id}",
            _is_own(spoofed, own),
        )
    careless = send_around("careless gateway", "billing/believed", headers=SPOOFED)
    yield limit(
        "the same headers through a gateway that replaces nothing", _believed(careless), careless.user_id == "1"
    )
    around = send_around("billing", "believed", headers=SPOOFED)
    yield limit("… and around the gateway", _believed(around), around.user_id == "1")
    ours = send_around("billing", "total", headers=SPOOFED)
    yield limit("… at a service that also requires the internal token", ours.status, ours.status == 401)


def _believed(trip: Trip) -> str:
    return f"{trip.status}, user {trip.user_id}, role {trip.body.get('role')}"
