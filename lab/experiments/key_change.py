"""Changes signing keys under running clients. Two servers sign and verify; a service has only the public keys.

Two runs happen at the same time: one follows the dates of a rotation, the other replaces the key at once. Both servers
read a temporary file of keys, each with its own reader, as two processes would. The keys of the site are not touched.
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import cycle
from pathlib import Path
from threading import BoundedSemaphore, Event, Lock

import jwt
from django.utils import timezone
from rest_framework_simplejwt.exceptions import TokenBackendError

from jwt_demo import key_writing, keys
from jwt_demo.key_rotation import followed_by
from jwt_demo.keys import DatedKey, KeyFile, Ring
from jwt_demo.tokens import AccessToken, Backend

# The service needs public keys, so the experiment uses a key pair, whatever algorithm the site uses.
ALGORITHM = "EdDSA"
ISSUER, AUDIENCE = "key-change", "key-change/jwt"
# Seconds, where the site has minutes or hours: between two looks at the file, for how long the service keeps the
# published keys, for how long a key is published before it signs, and for how long a token is valid.
REREAD, MAX_AGE, PENDING, TOKEN_LIFE = 0.25, 0.7, 2.0, 3
# Seconds from the start: when each rotation begins, and when the run ends, which is after the second key has retired.
BEGINNINGS, SECONDS = (0.5, 3.0), 8.4
# Each client takes a token, sends it USES times to all three places, and then takes the next one, even after a refusal.
# This keeps the old and the new key in use after each change. USED_FOR is shorter than TOKEN_LIFE, or a token could be
# refused because it has expired.
CLIENTS, USES, INTERVAL, USED_FOR = 3, 6, 0.1, 1.0
FIRST_SERVER, SECOND_SERVER, SERVICE = "server A", "server B", "service"
PLACES = (FIRST_SERVER, SECOND_SERVER, SERVICE)
# A run keeps several threads busy for nine seconds. Too many runs at once would slow down the site.
RUNS_MAX = 2
_places = BoundedSemaphore(RUNS_MAX)
BUSY = f"{RUNS_MAX} runs are under way already. Try again in ten seconds."


class Busy(Exception):
    """The maximum number of runs is already under way."""


@dataclass(frozen=True)
class Way:
    """How the next key is introduced. `next_ring` makes the next ring, `delay` seconds after each of `BEGINNINGS`."""

    name: str
    about: str
    next_ring: Callable[[Ring, datetime], Ring]
    delay: float = 0


def planned(before: Ring, now: datetime) -> Ring:
    """The next key is published first and signs later. The old key then verifies until its tokens have expired."""
    next_key = DatedKey(key_writing.new_secret(ALGORITHM), now, now + timedelta(seconds=PENDING))
    return followed_by(before, next_key, timedelta(seconds=TOKEN_LIFE))


def swapped(before: Ring, now: datetime) -> Ring:
    """The next key replaces the old one at once."""
    return Ring(before.kind, [DatedKey(key_writing.new_secret(ALGORITHM), now, now)])


# The delay of the second way makes its new key sign at the same moments as that of the first.
WAYS = (
    Way("By dates", "The next key is pending first, and the old one retires later.", planned),
    Way("At once", "For comparison, the next key replaces the old one immediately.", swapped, PENDING),
)


@dataclass(frozen=True)
class Use:
    """A token that was signed, verified or refused. `at` is in seconds from the start of the run."""

    at: float
    place: str
    act: str  # "signed", "verified" or "refused"
    kid: str
    signer: str


@dataclass
class Played:
    """The record of one way: every use of a token, and every key with its dates, oldest key first.

    A key that disappears from the file counts as retired from that moment.
    """

    way: Way
    keys: dict[str, DatedKey] = field(default_factory=dict)
    began: datetime = field(default_factory=timezone.now)
    start: float = field(default_factory=time.monotonic)
    changes: list[float] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)

    def add_use(self, place: str, act: str, kid: str, signer: str) -> None:
        """Records one use of a token, now."""
        self.uses.append(Use(time.monotonic() - self.start, place, act, kid, signer))

    def add_ring(self, ring: Ring, now: datetime) -> None:
        """Records the ring that the file now holds. The change counts from the moment at which its newest key signs."""
        kept = {dated.key.kid: dated for dated in ring.dated}
        for kid, dated in self.keys.items():
            if kid not in kept and not dated.retired:
                self.keys[kid] = DatedKey(dated.secret, dated.pending, dated.active, now, now)
        if self.keys:
            self.changes.append((ring.dated[-1].active - self.began).total_seconds())
        self.keys |= kept

    def count(self, act: str = "", **more: str) -> int:
        """The number of uses with this act and these attributes."""
        wanted = more | ({"act": act} if act else {})
        return sum(all(getattr(use, name) == value for name, value in wanted.items()) for use in self.uses)

    def refused_by_other_server(self) -> int:
        """How often one server refused a token that the other had signed."""
        servers = (FIRST_SERVER, SECOND_SERVER)
        return sum(use.act == "refused" and use.place in servers and use.signer != use.place for use in self.uses)

    def longest_refusing(self, *places: str) -> float:
        """For how many seconds after a change these places refused tokens. The longest of all changes counts."""
        last = 0.0
        for use in self.uses:
            if use.act == "refused" and use.place in places:
                before = [moment for moment in self.changes if moment <= use.at]
                last = max(last, use.at - before[-1] if before else use.at)
        return last


def run(ways: tuple[Way, ...] = WAYS) -> list[Played]:
    """Runs all ways at the same time, which takes `SECONDS`. Raises `Busy`."""
    if not _places.acquire(blocking=False):
        raise Busy(BUSY)
    try:
        with ThreadPoolExecutor(len(ways)) as pool:
            return list(pool.map(_play, ways))
    finally:
        _places.release()


def _play(way: Way) -> Played:
    with tempfile.TemporaryDirectory(prefix="lab-keys-") as folder:
        path, now = Path(folder) / "keys.json", timezone.now()
        first = Ring("access", [DatedKey(key_writing.new_secret(ALGORITHM), now, now)])
        key_writing.write(path, {"access": first})
        played, over = Played(way), Event()
        played.add_ring(first, now)
        servers = Server(FIRST_SERVER, path), Server(SECOND_SERVER, path, REREAD / 2)
        service = Service(servers)
        with ThreadPoolExecutor(CLIENTS) as pool:
            try:
                clients = [pool.submit(_ask, played, servers, service, number, over) for number in range(CLIENTS)]
                _change_keys(played, path)
            finally:
                over.set()
        for client in clients:
            client.result()
    return played


class Server:
    """A server of the site with its own reader of the file of keys. It first reads the file after `late` seconds."""

    def __init__(self, name: str, path: Path, late: float = 0) -> None:
        self.name, self._file = name, KeyFile(str(path), REREAD)
        self._backend = Backend(AccessToken.kind, self._ring, ISSUER, AUDIENCE)
        Event().wait(late)  # or both would read a change at the same moment, unlike two processes
        self._ring()

    def _ring(self) -> Ring:
        return self._file.rings()["access"]

    def sign(self) -> str:
        """A new access token."""
        now = int(time.time())
        return self._backend.encode({"sub": "1", "iat": now, "exp": now + TOKEN_LIFE})

    def verifies(self, token: str) -> bool:
        """Whether the server accepts this token with the keys that it has."""
        try:
            self._backend.decode(token)
        except TokenBackendError:
            return False
        return True

    def published(self) -> str:
        """The server's public keys, in the form in which the site publishes them."""
        return json.dumps({"keys": keys.public_keys(self._ring())})


class Service:
    """A service that has only the published public keys. It keeps them for `MAX_AGE` seconds."""

    def __init__(self, servers: tuple[Server, Server]) -> None:
        self._servers, self._asking, self._next_fetch = cycle(servers), Lock(), 0.0
        self._key_set = self._fetched()

    def verifies(self, token: str) -> bool:
        """Whether the service accepts this token with the keys that it fetched last."""
        try:
            key = self._fetched()[jwt.get_unverified_header(token)["kid"]]
            jwt.decode(token, key, [ALGORITHM], issuer=ISSUER, audience=AUDIENCE, options={"verify_iat": False})
        except (LookupError, jwt.InvalidTokenError):
            return False
        return True

    def _fetched(self) -> jwt.PyJWKSet:
        with self._asking:
            if time.monotonic() >= self._next_fetch:
                self._next_fetch = time.monotonic() + MAX_AGE
                self._key_set = jwt.PyJWKSet.from_json(next(self._servers).published())
            return self._key_set


def _ask(played: Played, servers: tuple[Server, Server], service: Service, number: int, over: Event) -> None:
    """One client: takes tokens from the two servers in turn, and sends each to both servers and the service."""
    verifiers = {server.name: server.verifies for server in servers} | {SERVICE: service.verifies}
    # The clients start one after another, so they do not all take a new token at the same moment.
    over.wait(number * INTERVAL * USES / CLIENTS)
    for server in _in_turn(servers, number):
        since, token = time.monotonic(), server.sign()
        kid = jwt.get_unverified_header(token)["kid"]
        played.add_use(server.name, "signed", kid, server.name)
        for _ in range(USES):
            results = {place: verifies(token) for place, verifies in verifiers.items()}
            if time.monotonic() - since > USED_FOR:
                break  # a refusal could now mean that the token has expired
            for place, good in results.items():
                played.add_use(place, "verified" if good else "refused", kid, server.name)
            if over.wait(INTERVAL):
                return


def _in_turn(servers: tuple[Server, Server], number: int) -> Iterator[Server]:
    turn = cycle(servers)
    if number % 2:
        next(turn)
    return turn


def _change_keys(played: Played, path: Path) -> None:
    for beginning in BEGINNINGS:
        _wait_until(played, beginning + played.way.delay)
        with key_writing.locked(path):
            now = timezone.now()
            ring = played.way.next_ring(keys.read(path)["access"], now)
            key_writing.write(path, {"access": ring})
        played.add_ring(ring, now)
    _wait_until(played, SECONDS)


def _wait_until(played: Played, moment: float) -> None:
    Event().wait(max(0.0, played.start + moment - time.monotonic()))
