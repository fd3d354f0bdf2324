"""Requests to the services behind the gateway, and what each process on the way wrote down about them.

The services are other processes on this machine (`python -m services`), and are asked over HTTP alone. Gives
`DESIGNS`, three ways in which a service learns who is asking; `send`, one request through the gateway; `send_around`,
one past it; and `try_way`, what a person can try on the page.
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
# In the order of their ports, as services/places.py has it.
PORTS = ("gateway", *SERVICES, "careless gateway", "first worker", "second worker")
# Seconds: for an answer, and until every process has written its line.
ANSWER_SECONDS_MAX, LINES_SECONDS_MAX = 15, 5
# Bytes at the end of a log that are read: some hundred requests.
LOG_TAIL = 256 * 1024
TIMING = re.compile(r'(\w+);desc="([^"]*)"')
COUNT = re.compile(r"(\d+) ([A-Za-z]+)")


class ServicesNotRunning(NotRunning):
    """They, or what is asked of them, are not there now."""

    what = "the services behind the gateway"


@dataclass(frozen=True)
class Design:
    """One way in which a service learns who is asking. `hops` are the processes that a request passes."""

    name: str
    title: str
    about: str
    flow: str
    hops: tuple[str, ...]


SESSION = Design(
    "session",
    "Shared session",
    "The gateway asks auth, which looks the session up in Redis. The service gets the identity and an internal token.",
    "session",
    ("gateway", "auth", "service"),
)
AT_GATEWAY = Design(
    "token",
    "Token checked at the gateway",
    "The gateway asks auth, which verifies the access token. The service gets the identity and an internal token.",
    "jwt",
    ("gateway", "auth", "service"),
)
BY_EACH = Design(
    "each",
    "Token checked by each service",
    "The gateway passes the access token on. Each service verifies it by the keys that the site publishes.",
    "jwt",
    ("gateway", "service"),
)
DESIGNS = (SESSION, AT_GATEWAY, BY_EACH)


# Whom an attacker names.
SPOOFED = {"X-User-ID": "1", "X-User-Role": "admin"}


@dataclass(frozen=True)
class Hop:
    """What one process wrote down: the headers that arrived, its answer, and how often it did what."""

    name: str
    arrived: dict[str, str]
    status: int
    ms: float
    work: dict[str, int] = field(default_factory=dict)

    def count(self, *kinds: str) -> int:
        """How often it did one of these."""
        return sum(self.work.get(kind, 0) for kind in kinds)

    @property
    def lookups(self) -> int:
        """How often it asked elsewhere who is asking. What a service asks its own table is no such question."""
        return self.count("redis", "fetch", *(["sql"] if self.name == "auth" else []))


@dataclass(frozen=True)
class Trip:
    """One request: what the client sent, its answer, and the processes that it passed, in their order."""

    sent: Mapping[str, str]
    status: int
    body: dict[str, Any]
    headers: Mapping[str, str]
    ms: float
    hops: tuple[Hop, ...] = ()

    def hop(self, name: str) -> Hop | None:
        """The hop of this name, `None` where the request did not come to it."""
        return next((hop for hop in self.hops if hop.name == name), None)

    @property
    def user_id(self) -> str | None:
        """For whom the service took the request."""
        return self.body.get("userId")


def port(name: str = "gateway") -> int:
    """The port of the gateway, or of another of `PORTS`. Raises `NotRunning` for one there is not."""
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
    """One request through the gateway. Raises `NotRunning`, with a sentence that says how to start the services."""
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
    """One request to a service itself, which a client outside its network cannot send. Raises as `send` does."""
    return _ask(f"/{path}", service, method, headers, {}, [])


def _ask(path: str, to: str, method: str, headers: Mapping[str, str], body: Any, expected: list[str]) -> Trip:
    address, named = f"http://{HOST}:{port(to)}{path}", {"Host": f"localhost:{port(to)}"}
    try:
        # A proxy of the environment would not find it here.
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
    # Whatever listens there: the services answer with an object.
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _hops(request_id: str, expected: list[str]) -> tuple[Hop, ...]:
    """What the processes wrote about this request. A refusal ends it early, and then not all of them wrote."""
    end = time.monotonic() + LINES_SECONDS_MAX
    # Without an id it was not the gateway that answered, and every line would hold it.
    while expected and request_id:
        found = [hop for name in expected for hop in _read(name, request_id)]
        # The gateway writes last: its line is there when all the others are.
        if "gateway" in {hop.name for hop in found} or time.monotonic() > end:
            return tuple(found)
        time.sleep(0.01)
    return ()


def _read(name: str, request_id: str) -> Iterator[Hop]:
    # One file more where the log has just become too large.
    for file in (settings.VAR_DIR / "services").glob(f"{name}*.log*"):
        for line in _tail(file):
            # A client may write another request's id into a header of its own.
            if request_id in line and (entry := json.loads(line)).get("request_id", request_id) == request_id:
                yield _gateway_hop(entry) if name == "gateway" else _hop(name, entry)
                return


def _tail(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            start = file.seek(max(0, path.stat().st_size - LOG_TAIL))
            lines = file.read().decode(errors="replace").split("\n")
            # Without the line that begins before the start, and the one that is being written.
            return lines[1 if start else 0 : -1]
    except FileNotFoundError:
        return []


def _gateway_hop(entry: dict[str, Any]) -> Hop:
    # nginx writes an empty value for what did not arrive.
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
    """What one throwaway user has: by each flow."""

    person: Person
    session: dict[str, str]
    token: dict[str, str]

    @property
    def user_id(self) -> str:
        """As an identity names the user."""
        return str(self.person.user.pk)

    def of(self, design: Design) -> dict[str, str]:
        """The header that a design takes."""
        return self.session if design.flow == "session" else self.token


def credentials(sandbox: Sandbox) -> Credentials:
    """A new user, logged in both ways."""
    person = sandbox.person()
    session, token = sandbox.logged_in("session", person), sandbox.logged_in("jwt", person)
    cookie = f"{settings.SESSION_COOKIE_NAME}={session.cookie(settings.SESSION_COOKIE_NAME)}"
    return Credentials(person, {"Cookie": cookie}, {"Authorization": f"Bearer {token.access}"})


def through(own: Credentials, design: Design) -> Trip:
    """With the user's own credential, as it is meant."""
    return send(design, headers=own.of(design))


def spoofed(own: Credentials, design: Design) -> Trip:
    """The same, and the client calls itself user 1, an administrator."""
    return send(design, headers=own.of(design) | SPOOFED)


def anonymous(own: Credentials, design: Design) -> Trip:
    """Without a credential, and the client calls itself user 1, an administrator."""
    return send(design, headers=SPOOFED)


def around(own: Credentials, design: Design) -> Trip:
    """To the service itself: with the headers that the gateway writes, without a token; or with the user's token."""
    return send_around("orders", headers=own.token if design is BY_EACH else SPOOFED)


def banned(own: Credentials, design: Design) -> Trip:
    """After the user was banned, with a credential from before."""
    return send(design, headers=own.of(design))


@dataclass(frozen=True)
class Way:
    """Something to try, in each of the designs."""

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
        "The client has not logged in, and calls itself user 1.",
        anonymous,
    ),
    Way("around", "Around the gateway", "The request goes to the port of the service itself.", around),
    Way("banned", "After a ban", "The user was banned a moment ago.", banned),
)


def try_way(sandbox: Sandbox, way: Way) -> list[tuple[Design, Trip]]:
    """What comes of it in each design, for a new user. Raises `NotRunning`."""
    own = credentials(sandbox)
    # The keys are fetched once in five minutes, and not for this request.
    send(BY_EACH, headers=own.token)
    if way.send is banned:
        revocation.revoke(own.person.user.pk, "ban")
    return [(design, way.send(own, design)) for design in DESIGNS]
