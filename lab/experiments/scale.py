"""Compares a login at two web processes: with a session in process memory, a session in Redis, and a token.

The workers are other processes on this machine (`python -m services`). Each is the complete site on its own port.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any

import httpx
from django.conf import settings
from django.utils.crypto import salted_hmac

from lab.claims.sandbox import Person, Sandbox
from lab.experiments.gateway import HOST, HOW_TO_START, ServicesNotRunning, port

MEMORY, REDIS, TOKEN = "memory", "session", "jwt"
FLOWS = (MEMORY, REDIS, TOKEN)
WHERE = {MEMORY: "session in process memory", REDIS: "session in Redis", TOKEN: "token"}
# The number of requests of one user, of users of each flow, and of visitors without a login.
REQUESTS, MEMBERS, VISITORS = 6, 3, 1000
FIRST, SECOND = "first worker", "second worker"
WORKERS = (FIRST, SECOND)
# A worker that was ended must answer again within this many seconds.
RESTART_SECONDS_MAX = 15
# Must match services/workers/views.py.
CONTROL_SALT, CONTROL_HEADER = "services.workers", "X-Control"


class Busy(ServicesNotRunning):
    """Another run uses the workers now."""


@dataclass(frozen=True)
class Asked:
    """One request: the worker that got it, and the status of the answer."""

    worker: str
    status: int


@dataclass
class Member:
    """A client that logs in by one flow at one worker, and sends its cookies and its token to both."""

    flow: str
    cookies: dict[str, str] = field(default_factory=dict)
    access: str = ""

    def log_in(self, person: Person, worker: str = FIRST) -> int:
        """Logs in `person` at this worker. Gives the status of the answer."""
        if self.flow == REDIS:
            self._keep(_ask(worker, "GET", "/session/api/"))
        answer = self._send(worker, "POST", "auth/login", {"email": person.email, "password": person.password})
        self._keep(answer)
        if self.flow == TOKEN and answer.status_code == 200:
            self.access = answer.json()["accessToken"]
        return answer.status_code

    def whoami(self, worker: str) -> Asked:
        """Asks this worker whoami: 200 if it knows the client."""
        return Asked(worker, self._send(worker, "GET", "api/whoami").status_code)

    def in_turn(self, number: int) -> list[Asked]:
        """Sends `number` requests to the workers in turn."""
        return [self.whoami(worker) for worker in islice(cycle(WORKERS), number)]

    def _send(self, worker: str, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if token := self.cookies.get(settings.CSRF_COOKIE_NAME):
            headers["X-CSRFToken"] = token
        if self.access:
            headers["Authorization"] = f"Bearer {self.access}"
        return _ask(worker, method, f"/{self.flow}/{path}", headers, body)

    def _keep(self, answer: httpx.Response) -> None:
        # Not in a cookie jar, which would not send a Secure cookie to a worker without TLS.
        for line in answer.headers.get_list("Set-Cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name.strip()] = value.strip()


@dataclass(frozen=True)
class Process:
    """The process of a worker now: its id, and its memory in bytes."""

    pid: int
    memory: int


@dataclass(frozen=True)
class InTurn:
    """The statuses that one flow got, in order. `known` of `of` requests were answered with 200."""

    flow: str
    where: str
    statuses: list[int]
    known: int
    of: int


@dataclass(frozen=True)
class Growth:
    """How sessions in memory changed a process. `memory` is the growth in bytes, `kept` the sessions still there."""

    cache: str
    visitors: int
    memory: int
    kept: int


def in_turn(sandbox: Sandbox) -> list[InTurn]:
    """Logs in a user of each flow at the first worker, and asks both workers in turn. Raises `Busy`, `NotRunning`."""
    found = []
    with _alone():
        for flow, (member,) in members(sandbox).items():
            statuses = [one.status for one in member.in_turn(REQUESTS)]
            found.append(InTurn(flow, WHERE[flow], statuses, statuses.count(200), len(statuses)))
    return found


def after_restart(sandbox: Sandbox) -> list[InTurn]:
    """Logs in users of each flow at the first worker, restarts it, and asks it again. Raises `Busy`, `NotRunning`."""
    with _alone():
        logged_in = members(sandbox, MEMBERS)
        restart(FIRST)
        found = []
        for flow, group in logged_in.items():
            statuses = [member.whoami(FIRST).status for member in group]
            found.append(InTurn(flow, WHERE[flow], statuses, statuses.count(200), len(statuses)))
    return found


def grown(sandbox: Sandbox) -> list[Growth]:
    """Sends visitors without a login to a worker, where each gets a session in memory. Raises `Busy`, `NotRunning`.

    It does so once without a limit, and once with the default limit of Django's cache in memory.
    """
    with _alone():
        restart(SECOND)
        return [_growth(cache) for cache in ("unlimited", "limited")]


def members(sandbox: Sandbox, number: int = 1) -> dict[str, list[Member]]:
    """`number` new users for each flow, logged in at the first worker. Raises `NotRunning` if it refuses a login."""
    process(FIRST)  # fails if another program has its port
    found: dict[str, list[Member]] = {flow: [Member(flow) for _ in range(number)] for flow in FLOWS}
    for member in [member for group in found.values() for member in group]:
        if (status := member.log_in(sandbox.person())) != 200:
            raise ServicesNotRunning(f"The {FIRST} answered the login of a new user with {status}.")
    return found


@contextmanager
def _alone() -> Iterator[None]:
    # Two runs at once would restart the workers under each other. The lock is a file: the site has several processes.
    folder = settings.VAR_DIR / "services"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "asked.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy("Another run is using the two workers. Try again in half a minute.") from None
        yield


def restart(worker: str) -> None:
    """Ends the process of this worker, and waits until its successor answers. Raises `NotRunning` if none does."""
    before = process(worker).pid
    _ask(worker, "POST", "/restart", _control())
    end = time.monotonic() + RESTART_SECONDS_MAX
    while time.monotonic() < end:
        with suppress(ServicesNotRunning):
            if process(worker).pid != before:
                return
        time.sleep(0.05)
    raise ServicesNotRunning(f"The {worker} did not come back within {RESTART_SECONDS_MAX} s.")


def process(worker: str) -> Process:
    """The process of this worker. Raises `NotRunning` if no worker answers."""
    answer = _ask(worker, "GET", "/process")
    try:
        found = answer.json()
        return Process(int(found["pid"]), int(found["bytes"]))
    except (ValueError, TypeError, KeyError):
        raise ServicesNotRunning(f"What answers on port {port(worker)} is not a worker. {HOW_TO_START}") from None


def _growth(cache: str) -> Growth:
    visit, question = f"/memory/visit?cache={cache}", f"/memory/kept?cache={cache}"
    with httpx.Client(trust_env=False) as client:
        control = _control()
        _ask(SECOND, "POST", visit, control, client=client)  # the first visit costs more than its session
        before = process(SECOND).memory
        sessions = [_ask(SECOND, "POST", visit, control, client=client).json()["session"] for _ in range(VISITORS)]
        memory = process(SECOND).memory - before
        kept = _ask(SECOND, "POST", question, control, {"sessions": sessions}, client).json()["kept"]
    return Growth(cache, VISITORS, memory, kept)


def _control() -> dict[str, str]:
    """The header by which a worker recognises the lab of its own site."""
    return {CONTROL_HEADER: salted_hmac(CONTROL_SALT, "control", algorithm="sha256").hexdigest()}


def _ask(
    worker: str, method: str, path: str, headers: Any = None, body: Any = None, client: httpx.Client | None = None
) -> httpx.Response:
    # The name and not the IP address, which ALLOWED_HOSTS may not contain.
    named = {"Host": f"localhost:{port(worker)}"} | (headers or {})
    try:
        with nullcontext(client) if client else httpx.Client(trust_env=False) as asking:
            return asking.request(method, _url(worker) + path, headers=named, json=body, timeout=10)
    except httpx.TransportError:
        raise ServicesNotRunning(f"The {worker} does not answer. {HOW_TO_START}") from None


def _url(worker: str) -> str:
    return f"http://{HOST}:{port(worker)}"
