"""Requests to the services behind the gateway, and what each process on the way logged about them.

The services are other processes on this machine (`python -m services`) and are reached only over HTTP. Gives
`DESIGNS`, three ways in which a service learns who sent a request; `send`, one request through the gateway;
`send_around`, one that bypasses it; and `try_way`, which the page calls.
"""

import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
from django.conf import settings

from lab.claims.evidence import NotRunning
from lab.claims.sandbox import Person, Sandbox
from lab.experiments import revocation

HOST = "127.0.0.1"
HIGHEST_PORT = 65535
HOW_TO_START = "make run starts the services with the site, and make prove starts them for the proofs."
SERVICES = ("orders", "billing")
# In the order of their ports. Must match PORTS in services/places.py.
PORTS = ("gateway", *SERVICES, "careless gateway", "first worker", "second worker")
# Seconds to wait for an answer, and then for the log lines of all processes.
ANSWER_SECONDS_MAX, LINES_SECONDS_MAX = 15, 5
# Bytes that are read from the end of a log: some hundred requests.
LOG_TAIL = 256 * 1024
TIMING = re.compile(r'(\w+);desc="([^"]*)"')
COUNT = re.compile(r"(\d+) ([A-Za-z]+)")


class ServicesNotRunning(NotRunning):
    """The services do not run, or do not answer as they should."""

    what = "the services behind the gateway"


@dataclass(frozen=True)
class Design:
    """One way in which a service learns who sent a request. `hops` are the processes that the request passes."""

    name: str
    title: str
    about: str
    flow: str
    hops: tuple[str, ...]


SESSION = Design(
    "session",
    "Shared session",
    "The gateway asks the service auth, which looks up the session in Redis. The service gets the identity and an "
    "internal token.",
    "session",
    ("gateway", "auth", "service"),
)
AT_GATEWAY = Design(
    "token",
    "Token checked at the gateway",
    "The gateway asks the service auth, which verifies the access token. The service gets the identity and an "
    "internal token.",
    "jwt",
    ("gateway", "auth", "service"),
)
BY_EACH = Design(
    "each",
    "Token checked by each service",
    "The gateway passes the access token on. Each service verifies it with the keys that the site publishes.",
    "jwt",
    ("gateway", "service"),
)
DESIGNS = (SESSION, AT_GATEWAY, BY_EACH)


# The identity that an attacker claims to have.
SPOOFED = {"X-User-ID": "1", "X-User-Role": "admin"}


@dataclass(frozen=True)
class Hop:
    """What one process logged: the headers that arrived, its answer, and how often it did each kind of work."""

    name: str
    arrived: dict[str, str]
    status: int
    ms: float
    work: dict[str, int] = field(default_factory=dict)

    def count(self, *kinds: str) -> int:
        """How often the process did work of these kinds."""
        return sum(self.work.get(kind, 0) for kind in kinds)

    @property
    def lookups(self) -> int:
        """How often it looked up the identity elsewhere. The queries of a service for its own data do not count."""
        return self.count("redis", "fetch", *(["sql"] if self.name == "auth" else []))


@dataclass(frozen=True)
class Trip:
    """One request: the headers that the client sent, the answer, and the processes that it passed, in order."""

    sent: Mapping[str, str]
    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]
    ms: float
    hops: tuple[Hop, ...] = ()

    def hop(self, name: str) -> Hop | None:
        """The hop of this name, `None` if the request did not reach it."""
        return next((hop for hop in self.hops if hop.name == name), None)

    @property
    def user_id(self) -> str | None:
        """The id of the user that the service names in its answer."""
        return self.body.get("userId")


def port(name: str = "gateway") -> int:
    """The port of the gateway, or of another of `PORTS`. Raises `NotRunning` for a wrong SERVICES_PORT."""
    text = os.environ.get("SERVICES_PORT") or str(int(os.environ.get("PORT") or 8000) + 20)
    most = HIGHEST_PORT - len(PORTS) + 1
    if not (text.isdecimal() and 1 <= int(text) <= most):
        raise ServicesNotRunning(f"SERVICES_PORT must be a number from 1 to {most}, not {text!r}.")
    return int(text) + PORTS.index(name)


def send(
    design: Design,
    service: str = "orders",
    path: str = "",
    method: str = "GET",
    headers: Mapping[str, str] = MappingProxyType({}),
    **body: Any,
) -> Trip:
    """Sends one request through the gateway. Raises `NotRunning`, with a sentence that says what to do."""
    trip = _ask(f"/{design.name}/{service}/{path}", "gateway", method, headers, body, [*design.hops[:-1], service])
    if "X-Request-ID" not in trip.headers:
        raise ServicesNotRunning(f"What answers on port {port()} is another server. Choose another SERVICES_PORT.")
    if trip.status in (502, 503):
        raise ServicesNotRunning(f"{design.title}: {trip.status}, {_reason(trip)}")
    if not trip.hops:
        raise ServicesNotRunning(
            f"The services on port {port()} are those of another site. Choose another SERVICES_PORT."
        )
    return trip


def _reason(trip: Trip) -> str:
    said = trip.body if isinstance(trip.body, dict) else {}
    return str(said.get("error") or said.get("detail") or "and no reason was given.")


def send_around(
    service: str, path: str = "", method: str = "GET", headers: Mapping[str, str] = MappingProxyType({})
) -> Trip:
    """Sends one request directly to a service, as no client outside its network can. Raises `NotRunning`."""
    return _ask(f"/{path}", service, method, headers, {}, [])


def _ask(path: str, to: str, method: str, headers: Mapping[str, str], body: Any, expected: list[str]) -> Trip:
    address, named = f"http://{HOST}:{port(to)}{path}", {"Host": f"localhost:{port(to)}"}
    try:
        # With trust_env, httpx would send the request to a proxy from the environment.
        with httpx.Client(timeout=ANSWER_SECONDS_MAX, trust_env=False) as client:
            started = time.perf_counter()
            answer = client.request(method, address, headers=named | dict(headers), json=body or None)
            ms = (time.perf_counter() - started) * 1000
    except httpx.ConnectError:
        raise ServicesNotRunning(f"Nothing answers on port {port(to)}. {HOW_TO_START}") from None
    except httpx.TransportError:
        problem = f"It did not answer within {ANSWER_SECONDS_MAX} s on port {port(to)}. Try again."
        raise ServicesNotRunning(problem) from None
    hops = _hops(answer.headers.get("X-Request-ID", ""), expected)
    return Trip(headers, answer.status_code, _json(answer), answer.headers, ms, hops)


def _json(answer: httpx.Response) -> dict[str, Any]:
    # The services answer with a JSON object, but another server may listen on this port.
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _hops(request_id: str, expected: list[str]) -> tuple[Hop, ...]:
    """What the processes logged about this request. After an early refusal, not all of them have a line."""
    end = time.monotonic() + LINES_SECONDS_MAX
    # An empty id would match every line. It means that another server answered.
    while expected and request_id:
        found = [hop for name in expected for hop in _read(name, request_id)]
        # The gateway writes last. When its line is there, all the others are.
        if "gateway" in {hop.name for hop in found} or time.monotonic() > end:
            return tuple(found)
        time.sleep(0.01)
    return ()


def _read(name: str, request_id: str) -> Iterator[Hop]:
    # The * matches the rotated log too, which may hold the line.
    for file in (settings.VAR_DIR / "services").glob(f"{name}*.log*"):
        for line in _tail(file):
            # A client can put the id of another request into a header, so the field must match too.
            if request_id in line and (entry := json.loads(line)).get("request_id", request_id) == request_id:
                yield _gateway_hop(entry) if name == "gateway" else _hop(name, entry)
                return


def _tail(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            start = file.seek(max(0, path.stat().st_size - LOG_TAIL))
            lines = file.read().decode(errors="replace").split("\n")
            # Drop the line that is cut at the start, and the line that is still being written.
            return lines[1 if start else 0 : -1]
    except FileNotFoundError:
        return []


def _gateway_hop(entry: dict[str, Any]) -> Hop:
    # nginx writes an empty value for a header that did not arrive.
    arrived = {name: ", ".join(values) for name, values in entry["request"]["headers"].items() if any(values)}
    return Hop("gateway", arrived, int(entry["status"]), round(float(entry["duration"]) * 1000, 2))


def _hop(name: str, entry: dict[str, Any]) -> Hop:
    work = dict(entry["work"])
    for kind, text in TIMING.findall(entry["timing"]):
        for number, what in COUNT.findall(text):
            key = what if kind == "jwt" else kind
            work[key] = work.get(key, 0) + int(number)
    return Hop(name, entry["headers"], int(entry["status"]), float(entry["ms"]), work)


@dataclass(frozen=True)
class Credentials:
    """The credentials of one throwaway user: the header of each flow."""

    person: Person
    session: dict[str, str]
    token: dict[str, str]

    @property
    def user_id(self) -> str:
        """The user's key as it stands in X-User-ID."""
        return str(self.person.user.pk)

    def of(self, design: Design) -> dict[str, str]:
        """The header that this design expects."""
        return self.session if design.flow == "session" else self.token


def credentials(sandbox: Sandbox) -> Credentials:
    """A new user, logged in by both flows."""
    person = sandbox.person()
    session, token = sandbox.logged_in("session", person), sandbox.logged_in("jwt", person)
    cookie = f"{settings.SESSION_COOKIE_NAME}={session.cookie(settings.SESSION_COOKIE_NAME)}"
    return Credentials(person, {"Cookie": cookie}, {"Authorization": f"Bearer {token.access}"})


def through(own: Credentials, design: Design) -> Trip:
    """Sends the user's own credential."""
    return send(design, headers=own.of(design))


def spoofed(own: Credentials, design: Design) -> Trip:
    """Sends the user's own credential, and headers that claim to be user 1, an administrator."""
    return send(design, headers=own.of(design) | SPOOFED)


def anonymous(own: Credentials, design: Design) -> Trip:
    """Sends no credential, and headers that claim to be user 1, an administrator."""
    return send(design, headers=SPOOFED)


def around(own: Credentials, design: Design) -> Trip:
    """Bypasses the gateway: with the user's token where the design takes one, otherwise with forged headers only."""
    return send_around("orders", headers=own.token if design is BY_EACH else SPOOFED)


def banned(own: Credentials, design: Design) -> Trip:
    """Sends the credential of a user who was banned after the login."""
    return send(design, headers=own.of(design))


@dataclass(frozen=True)
class Way:
    """A kind of request to try in each design."""

    name: str
    title: str
    about: str
    send: Callable[[Credentials, Design], Trip]


WAYS = (
    Way("through", "Through the gateway", "A user asks for their own orders.", through),
    Way("spoofed", "With forged headers", "The user adds X-User-ID: 1 and X-User-Role: admin.", spoofed),
    Way(
        "anonymous",
        "With nothing but forged headers",
        "The client has not logged in, and claims to be user 1.",
        anonymous,
    ),
    Way("around", "Around the gateway", "The request goes directly to the port of the service.", around),
    Way("banned", "After a ban", "The user was banned a moment ago.", banned),
)


def try_way(sandbox: Sandbox, way: Way) -> list[tuple[Design, Trip]]:
    """Sends it in each design, for a new user, and gives the answers. Raises `NotRunning`."""
    own = credentials(sandbox)
    # A service fetches the keys once in five minutes. This request makes it do so now, and not during the trip.
    send(BY_EACH, headers=own.token)
    if way.send is banned:
        revocation.revoke(own.person.user.pk, "ban")
    return [(design, way.send(own, design)) for design in DESIGNS]
