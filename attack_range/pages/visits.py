"""What one browser has done at the range: its results, its guesses, and the rooms it has solved.

Results and guesses are in memory only. The nonce of the visit and the solved rooms are in a signed cookie too, so they
survive a restart of the range.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from attack_range import rooms
from attack_range.cases import Result

COOKIE, SALT = "range_progress", "attack_range.progress"
LIFETIME = 30 * 24 * 60 * 60
# When there are more visits, the oldest are deleted.
VISITS_MAX = 500


@dataclass
class Visit:
    """The visit of one browser. `results` maps the id of a case to its result as in `/api/run`, with the time `at`."""

    nonce: str
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    guesses: dict[str, int] = field(default_factory=dict)

    def keep(self, results: Iterable[Result]) -> None:
        """Stores results of cases that were run just now."""
        now = datetime.now(UTC)
        self.results |= {result.case.id: result.as_json() | {"at": now} for result in results}

    def forget(self, attack: str) -> None:
        """Deletes the results and the guess for one attack."""
        self.results = {name: one for name, one in self.results.items() if not name.startswith(f"{attack}/")}
        self.guesses.pop(attack, None)


_visits: OrderedDict[str, Visit] = OrderedDict()
_lock = Lock()


def of(request: HttpRequest) -> Visit:
    """The visit of the browser that sent the request. Without a valid cookie, a new visit begins."""
    said = _read(request)
    room = rooms.find(said["visit"], said["solved"]) if said else rooms.begin()
    with _lock:
        visit = _visits.setdefault(room.nonce, Visit(room.nonce))
        while len(_visits) > VISITS_MAX:
            _visits.popitem(last=False)
    return visit


def keep_results(request: HttpRequest, results: Iterable[Result]) -> None:
    """Stores results for the browser that sent the request. A client without the cookie, such as a proof, has none."""
    if _read(request):
        of(request).keep(results)


def save(response: HttpResponseBase, visit: Visit) -> None:
    """Writes the progress into a cookie. It is signed, so that a visitor cannot mark a room as solved in it."""
    said = {"visit": visit.nonce, "solved": sorted(rooms.find(visit.nonce).solved)}
    value = signing.dumps(said, salt=SALT)
    response.set_cookie(COOKIE, value, max_age=LIFETIME, httponly=True, samesite="Strict")


def _read(request: HttpRequest) -> dict[str, Any] | None:
    try:
        said: dict[str, Any] = signing.loads(request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=LIFETIME)
    except signing.BadSignature:
        return None
    return said
