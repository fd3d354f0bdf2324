"""Clients that use both servers in turn, and counts of their requests and results."""

import itertools
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any

import jwt

from tests.site.rehearsal.servers import Servers, VerifierProcess

# Requests between two refreshes of a login. Even, so that refreshes alternate between the servers as well.
REQUESTS = 20
# Seconds; a longer wait counts as a hang.
PATIENCE = 20
# Seconds before its expiry from which no client uses an access token. A client knows the expiry from `expiresIn`.
MARGIN = 8
# Seconds between the refreshes of a login that is used rarely.
PAUSE = 6


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


@dataclass
class Figures:
    """The results of all clients. `signed` and `verified` count per ring, key and server."""

    requests: int = 0
    refreshes: int = 0
    verified_elsewhere: int = 0
    signed: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    verified: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __iadd__(self, other: "Figures") -> "Figures":
        with self.lock:
            self.requests += other.requests
            self.refreshes += other.refreshes
            self.verified_elsewhere += other.verified_elsewhere
            self.signed += other.signed
            self.verified += other.verified
            self.bad += other.bad
        return self

    def has_worked(self, kind: str, kid: str) -> bool:
        """Whether both servers have signed a token with this key and verified one."""
        with self.lock:
            return all(counted[kind, kid, server] for counted in (self.signed, self.verified) for server in (0, 1))


class Login:
    """One login of a native client, whose requests go to both servers in turn."""

    def __init__(self, servers: Servers, name: str) -> None:
        self.connections = [HTTPConnection("localhost", port, timeout=PATIENCE) for port in servers.ports]
        self.turn = itertools.cycle((0, 1))
        self.figures = Figures()
        # The expiry and the text of each valid access token, the oldest first.
        self.access: deque[tuple[float, str]] = deque()
        self.refresh_token = ""
        body = {"email": f"{name}@example.com", "password": f"demo-only-{name}", "transport": "body"}
        answer = self.post("login", body)
        assert self.take(*answer), answer

    def ask(self, server: int, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """Sends one request, and repeats it if the server has closed the connection after some idle time."""
        connection = self.connections[server]
        for left in (1, 0):
            try:
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                return answer.status, answer.read()
            except (ConnectionError, HTTPException):
                connection.close()
                if not left:
                    raise
        raise AssertionError

    def post(self, path: str, body: dict[str, str]) -> tuple[int, int, bytes]:
        """Returns the number of the server that was asked, the status and the body."""
        server, headers = next(self.turn), {"Content-Type": "application/json"}
        return server, *self.ask(server, "POST", f"/jwt/auth/{path}", json.dumps(body).encode(), **headers)

    def whoami(self, token: str, server: int | None = None) -> int:
        """The status of a request that needs an access token."""
        server = next(self.turn) if server is None else server
        return self.ask(server, "GET", "/jwt/api/whoami", Authorization=f"Bearer {token}")[0]

    def take(self, server: int, status: int, text: bytes) -> bool:
        """Keeps an answer's tokens and counts the keys that signed them; returns whether the answer is a 200."""
        if status != 200:
            self.figures.bad.append(f"{status} {text.decode()}")
            return False
        answer = json.loads(text)
        self.access.append((time.time() + answer["expiresIn"], answer["accessToken"]))
        self.refresh_token = answer["refreshToken"]
        self.figures.signed["access", kid_of(self.access[-1][1]), server] += 1
        self.figures.signed["refresh", kid_of(self.refresh_token), server] += 1
        return True

    def use(self) -> None:
        """Sends REQUESTS requests, with the newest and with the oldest valid token in turn."""
        for number in range(REQUESTS):
            while self.access[0][0] < time.time() + MARGIN and len(self.access) > 1:
                self.access.popleft()
            token, server = self.access[0 if number // 2 % 2 else -1][1], next(self.turn)
            status = self.whoami(token, server)
            self.figures.requests += 1
            self.figures.verified["access", kid_of(token), server] += status == 200
            if status != 200:
                self.figures.bad.append(f"{status} for a request")

    def refresh(self) -> None:
        """Refreshes, and counts the key of the refresh token that was presented."""
        presented = kid_of(self.refresh_token)
        server, status, text = self.post("refresh", {"refreshToken": self.refresh_token})
        self.figures.refreshes += 1
        if self.take(server, status, text):
            self.figures.verified["refresh", presented, server] += 1

    def show(self, verifier: VerifierProcess) -> None:
        """Gives the oldest and the newest valid token to the verifier."""
        for token in {self.access[0][1], self.access[-1][1]}:
            self.figures.verified_elsewhere += 1
            if because := verifier.refuses(token):
                self.figures.bad.append(f"The verifier: {because}")


class Clients:
    """Logins in use, one thread each. `with Clients(servers, verifier) as clients:` starts and ends them."""

    def __init__(self, servers: Servers, verifier: VerifierProcess) -> None:
        self.servers, self.verifier = servers, verifier
        self.figures, self.ended = Figures(), threading.Event()
        busy = [threading.Thread(target=self._run, args=(name, 0)) for name in ("alice", "bob", "alice", "bob")]
        idle = [threading.Thread(target=self._run, args=(name, PAUSE)) for name in ("alice", "bob")]
        self.threads = busy + idle

    def __enter__(self) -> "Clients":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def _run(self, name: str, pause: float) -> None:
        try:
            self._go_on(Login(self.servers, name), pause)
        except Exception as error:
            self.figures += Figures(bad=[f"A client ended: {error!r}"])
            raise

    def _go_on(self, login: Login, pause: float) -> None:
        while not self.ended.is_set():
            for step in (login.use, lambda: login.show(self.verifier), login.refresh):
                self._then(login, step)
            self.ended.wait(pause)

    def _then(self, login: Login, step: Callable[[], None]) -> None:
        step()
        self.figures += login.figures
        login.figures = Figures()
