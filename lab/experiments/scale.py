"""The same login at two web processes: with the session in the memory of one, in Redis, and in a token.

The workers are other processes on this machine (`python -m services`), each the complete site at a port of its own.
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
# Requests of one user, users of each flow, and visitors without a login.
REQUESTS, MEMBERS, VISITORS = 6, 3, 1000
FIRST, SECOND = "first worker", "second worker"
WORKERS = (FIRST, SECOND)
# Seconds until a worker that was ended must answer again.
RESTART_SECONDS_MAX = 15
# As services/workers/views.py has it.
CONTROL_SALT, CONTROL_HEADER = "services.workers", "X-Control"


class Busy(ServicesNotRunning):
    """Another run asks the workers just now."""


@dataclass(frozen=True)
class Asked:
    """One request of the client, and what the worker that got it answered."""

    worker: str
    status: int


@dataclass
class Member:
    """A client that has logged in by one flow, at the first worker. Its cookies and its token go to both."""

    flow: str
    cookies: dict[str, str] = field(default_factory=dict)
    access: str = ""

    def log_in(self, person: Person, worker: str = FIRST) -> int:
        """Logs `person` in there; gives the status."""
        if self.flow == REDIS:
            self._keep(_ask(worker, "GET", "/session/api/"))
        answer = self._send(worker, "POST", "auth/login", {"email": person.email, "password": person.password})
        self._keep(answer)
        if self.flow == TOKEN and answer.status_code == 200:
            self.access = answer.json()["accessToken"]
        return answer.status_code

    def whoami(self, worker: str) -> Asked:
        """Whether this worker knows the client."""
        return Asked(worker, self._send(worker, "GET", "api/whoami").status_code)

    def in_turn(self, number: int) -> list[Asked]:
        """So many requests, each to the worker after the last one's."""
        return [self.whoami(worker) for worker in islice(cycle(WORKERS), number)]

    def _send(self, worker: str, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if token := self.cookies.get(settings.CSRF_COOKIE_NAME):
            headers["X-CSRFToken"] = token
        if self.access:
            headers["Authorization"] = f"Bearer {self.access}"
        return _ask(worker, method, f"/{self.flow}/{path}", headers, body)

    def _keep(self, answer: httpx.Response) -> None:
        # Not a jar: a Secure cookie would stay behind where the workers serve without TLS.
        for line in answer.headers.get_list("Set-Cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name.strip()] = value.strip()


@dataclass(frozen=True)
class Process:
    """A worker as it is now: its process id, and its memory in bytes."""

    pid: int
    memory: int


@dataclass(frozen=True)
class InTurn:
    """The statuses that one flow got, first worker first, and of how many users how many are known."""

    flow: str
    where: str
    statuses: list[int]
    known: int
    of: int


@dataclass(frozen=True)
class Growth:
    """What a cache of sessions in memory did to its process when so many visitors came."""

    cache: str
    visitors: int
    memory: int
    kept: int


def in_turn(sandbox: Sandbox) -> list[InTurn]:
    """A user of each flow logs in at the first worker, and asks both in turn. Raises `Busy`."""
    found = []
    with _alone():
        for flow, (member,) in members(sandbox).items():
            statuses = [one.status for one in member.in_turn(REQUESTS)]
            found.append(InTurn(flow, WHERE[flow], statuses, statuses.count(200), len(statuses)))
    return found


def after_restart(sandbox: Sandbox) -> list[InTurn]:
    """Users of each flow log in at the first worker, which is then started again. Raises `Busy`."""
    with _alone():
        logged_in = members(sandbox, MEMBERS)
        restart(FIRST)
        found = []
        for flow, group in logged_in.items():
            statuses = [member.whoami(FIRST).status for member in group]
            found.append(InTurn(flow, WHERE[flow], statuses, statuses.count(200), len(statuses)))
    return found


def grown(sandbox: Sandbox) -> list[Growth]:
    """Visitors without a login come to a worker, and each gets a session in its memory. Raises `Busy`.

    Once without a limit, and once with the limit of Django's own cache in memory.
    """
    with _alone():
        restart(SECOND)
        return [_growth(cache) for cache in ("unlimited", "limited")]


def members(sandbox: Sandbox, number: int = 1) -> dict[str, list[Member]]:
    """So many new users for each flow, logged in at the first worker. Raises `NotRunning` where it takes no login."""
    process(FIRST)  # another program may have its port
    found: dict[str, list[Member]] = {flow: [Member(flow) for _ in range(number)] for flow in FLOWS}
    for member in [member for group in found.values() for member in group]:
        if (status := member.log_in(sandbox.person())) != 200:
            raise ServicesNotRunning(f"The {FIRST} answered the login of a new user with {status}.")
    return found


@contextmanager
def _alone() -> Iterator[None]:
    # Two that restart the same worker would each lose the other's users. By a file: the site has several processes.
    folder = settings.VAR_DIR / "services"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "asked.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy("Another run asks the two workers just now. Try again in half a minute.") from None
        yield


def restart(worker: str) -> None:
    """Ends the process of this worker, and returns when the next one answers. Raises `NotRunning` without one."""
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
    """Raises `NotRunning` where there is none."""
    answer = _ask(worker, "GET", "/process")
    try:
        found = answer.json()
        return Process(int(found["pid"]), int(found["bytes"]))
    except (ValueError, TypeError, KeyError):
        raise ServicesNotRunning(f"What answers on port {port(worker)} is no worker. {HOW_TO_START}") from None


def _growth(cache: str) -> Growth:
    visit, question = f"/memory/visit?cache={cache}", f"/memory/kept?cache={cache}"
    with httpx.Client(trust_env=False) as client:
        control = _control()
        _ask(SECOND, "POST", visit, control, client=client)  # what the first one costs is not the session's
        before = process(SECOND).memory
        sessions = [_ask(SECOND, "POST", visit, control, client=client).json()["session"] for _ in range(VISITORS)]
        memory = process(SECOND).memory - before
        kept = _ask(SECOND, "POST", question, control, {"sessions": sessions}, client).json()["kept"]
    return Growth(cache, VISITORS, memory, kept)


def _control() -> dict[str, str]:
    """The header by which a worker knows the lab of its own site."""
    return {CONTROL_HEADER: salted_hmac(CONTROL_SALT, "control", algorithm="sha256").hexdigest()}


def _ask(
    worker: str, method: str, path: str, headers: Any = None, body: Any = None, client: httpx.Client | None = None
) -> httpx.Response:
    # As a person writes it, and not as it is dialled: ALLOWED_HOSTS may have no address.
    named = {"Host": f"localhost:{port(worker)}"} | (headers or {})
    try:
        with nullcontext(client) if client else httpx.Client(trust_env=False) as asking:
            return asking.request(method, _url(worker) + path, headers=named, json=body, timeout=10)
    except httpx.TransportError:
        raise ServicesNotRunning(f"The {worker} does not answer. {HOW_TO_START}") from None


def _url(worker: str) -> str:
    return f"http://{HOST}:{port(worker)}"
