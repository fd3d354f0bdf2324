"""What the servers saw of one attempt. Whether an attack succeeded follows from this and from what changed, and from
nothing that a page says.

An attempt has a nonce. Each request that carries it as `attempt` in its query is recorded, at whatever host it arrived.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from threading import Lock
from typing import Any
from urllib.parse import parse_qs

# More are forgotten, the oldest first, and of one attempt no more requests are kept than this.
ATTEMPTS_MAX, ARRIVALS_MAX = 2000, 100
# Where the arrival of a request is kept while it is answered.
ARRIVAL = "attack_range.arrival"
BY_STATUS = {405: "method", 415: "media type"}
# How the project's own refusals begin. As pages they stand in HTML.
BY_SENTENCE = {"Origin gate:": "origin gate", "CSRF check:": "CSRF token"}


@dataclass
class Arrival:
    """One request as it reached a server of the range, the status of the answer, and the check of ours that refused."""

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
    """One try: what arrived, what was changed by it, what reached the attacker."""

    nonce: str
    arrivals: list[Arrival] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    loot: list[str] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)


_attempts: OrderedDict[str, Attempt] = OrderedDict()
_lock = Lock()


def begin() -> Attempt:
    """A new attempt, of which nothing has arrived."""
    attempt = Attempt(secrets.token_hex(12))
    with _lock:
        _attempts[attempt.nonce] = attempt
        while len(_attempts) > ATTEMPTS_MAX:
            _attempts.popitem(last=False)
    return attempt


def find(nonce: str) -> Attempt | None:
    """The attempt with this nonce, `None` for one that was never begun or is forgotten."""
    with _lock:
        return _attempts.get(nonce)


def reset() -> None:
    """Forgets all of them."""
    with _lock:
        _attempts.clear()


def watching(environ: dict[str, Any], start_response: Any) -> Callable[..., Any]:
    """`start_response`, which also records the request for the attempt it names."""
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
    """Keeps with the arrival of this request, if it is recorded, which check refused it."""
    if arrival := environ.get(ARRIVAL):
        arrival.refused_by = layer_of(status, text)


def layer_of(status: int, text: str) -> str:
    """The check of the project's own code that gave this answer; "" if none of those that stop forged requests did."""
    if status != 403:
        return BY_STATUS.get(status, "")
    return next((layer for sentence, layer in BY_SENTENCE.items() if sentence in text), "")
