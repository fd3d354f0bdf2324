"""Records what the servers see of one attempt. Whether an attack succeeded follows from these records and from what
changed on a server.

Each attempt has a nonce. A request with the nonce as `attempt` in its query is recorded, at every host of the range.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from threading import Lock
from typing import Any
from urllib.parse import parse_qs

# When there are more attempts, the oldest are deleted. Requests of one attempt beyond the maximum are not recorded.
ATTEMPTS_MAX, ARRIVALS_MAX = 2000, 100
# The key in the WSGI environment for the `Arrival` of a request.
ARRIVAL = "attack_range.arrival"
BY_STATUS = {405: "method", 415: "media type"}
# How the project's own refusals begin. In an answer in HTML, such a sentence stands inside the page.
BY_SENTENCE = {"Origin gate:": "origin gate", "CSRF check:": "CSRF token"}


@dataclass
class Arrival:
    """One request as it reached a server of the range, the status of the answer, and which of our checks refused it."""

    host: str
    method: str
    path: str
    origin: str
    fetch_site: str
    cookies: list[str]
    authorization: bool
    status: int = 0
    refused_by: str = ""


@dataclass
class Attempt:
    """One try: which requests arrived, what they changed, and what reached the attacker."""

    nonce: str
    arrivals: list[Arrival] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    loot: list[str] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)


_attempts: OrderedDict[str, Attempt] = OrderedDict()
_lock = Lock()


def begin() -> Attempt:
    """Creates and stores a new attempt, without requests yet."""
    attempt = Attempt(secrets.token_hex(12))
    with _lock:
        _attempts[attempt.nonce] = attempt
        while len(_attempts) > ATTEMPTS_MAX:
            _attempts.popitem(last=False)
    return attempt


def find(nonce: str) -> Attempt | None:
    """The attempt with this nonce. `None` when there is none, or when it has been deleted."""
    with _lock:
        return _attempts.get(nonce)


def reset() -> None:
    """Deletes all attempts."""
    with _lock:
        _attempts.clear()


def watching(environ: dict[str, Any], start_response: Any) -> Callable[..., Any]:
    """Records the request if it names an attempt. Returns a `start_response` that adds the status to the record."""
    nonces = parse_qs(environ.get("QUERY_STRING", "")).get("attempt", [])
    attempt = find(nonces[0]) if nonces else None
    if attempt is None or len(attempt.arrivals) >= ARRIVALS_MAX:
        return start_response
    arrival = _arrival(environ)
    attempt.arrivals.append(arrival)
    environ[ARRIVAL] = arrival

    def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
        arrival.status = int(status.partition(" ")[0])
        return start_response(status, headers, *more)

    return start


def _arrival(environ: dict[str, Any]) -> Arrival:
    return Arrival(
        host=environ["HTTP_HOST"],
        method=environ["REQUEST_METHOD"],
        path=environ["PATH_INFO"],
        origin=environ.get("HTTP_ORIGIN", ""),
        fetch_site=environ.get("HTTP_SEC_FETCH_SITE", ""),
        cookies=_cookie_names(environ.get("HTTP_COOKIE", "")),
        authorization="HTTP_AUTHORIZATION" in environ,
    )


def _cookie_names(line: str) -> list[str]:
    try:
        return sorted(SimpleCookie(line))
    except CookieError:
        return sorted(part.partition("=")[0].strip() for part in line.split(";"))


def note_answer(environ: dict[str, Any], status: int, text: str) -> None:
    """Adds to the record of this request, if there is one, which check refused it."""
    if arrival := environ.get(ARRIVAL):
        arrival.refused_by = layer_of(status, text)


def layer_of(status: int, text: str) -> str:
    """The check against forged requests, of the project's own code, that gave this answer. "" if none of them did."""
    if status != 403:
        return BY_STATUS.get(status, "")
    return next((layer for sentence, layer in BY_SENTENCE.items() if sentence in text), "")
