"""Sends raw requests to a server under test, byte for byte, and reads the answers.

Needs nothing of the site but its addresses. `benchmarks/raw_checks.py` and `raw_slow.py` have the checks.
"""

import contextlib
import json
import re
import socket
import ssl
import time
from typing import Protocol

import psutil

# Seconds for one answer.
PATIENCE = 5.0
HOST = b"Host: localhost\r\n"
CLOSE = HOST + b"Connection: close\r\n"
NOTHING = b"GET /probe/nothing HTTP/1.1\r\n" + CLOSE + b"\r\n"
HEALTHZ = b"GET /healthz HTTP/1.1\r\n" + CLOSE + b"\r\n"
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")


class Server(Protocol):
    """A server under test."""

    port: int
    process: psutil.Popen
    tls: bool

    def written(self) -> str:
        """What it has written to standard output and standard error."""

    def store(self) -> psutil.Process:
        """The process of its store."""


class Start(Protocol):
    """Starts another server with these variables in its environment. With `wait`, it serves when the block begins."""

    def __call__(
        self, wait: bool = True, tls: bool = False, **environment: str
    ) -> contextlib.AbstractContextManager[Server]:
        """The server, which ends with the block. Raises `NotServing` if it does not begin to serve."""


class NotServing(Exception):
    """The server ended, or did not answer in time. The message says why."""


def connect(server: Server, patience: float) -> socket.socket:
    """A connection to the server. Over TLS, the certificate is not verified."""
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=patience)
    if not server.tls:
        return plain
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(plain, server_hostname="localhost")


def ask(server: Server, request: bytes, patience: float = PATIENCE) -> bytes:
    """Sends these bytes. Returns all that is answered until the server closes, or `patience` seconds are over."""
    return ask_until_closed(server, request, patience)[0]


def ask_until_closed(server: Server, request: bytes, patience: float = PATIENCE) -> tuple[bytes, bool]:
    """What `ask` returns, and whether the server closed the connection in time."""
    answer, end = b"", time.monotonic() + patience
    with contextlib.suppress(OSError), connect(server, patience) as connection:
        try:
            connection.sendall(request)
            while (left := end - time.monotonic()) > 0:
                connection.settimeout(left)
                if not (some := connection.recv(65536)):
                    return answer, True
                answer += some
        except TimeoutError:
            return answer, False
        except OSError:
            return answer, True
    return answer, False


def statuses(answer: bytes) -> list[int]:
    """The statuses of all answers in it."""
    return [int(status) for status in STATUS.findall(answer)]


def log_in(server: Server) -> bytes:
    """Logs Alice in, and returns the `Cookie` line of the session. Raises `NotServing` if the login fails."""
    token = b"t" * 32
    body = json.dumps({"email": "alice@example.com", "password": "demo-only-alice"}).encode()
    head = b"POST /session/auth/login HTTP/1.1\r\n" + CLOSE + b"Content-Type: application/json\r\n"
    head += b"Cookie: __Host-csrftoken=%s\r\nX-CSRFToken: %s\r\nContent-Length: %d\r\n" % (token, token, len(body))
    answer = ask(server, head + b"\r\n" + body)
    session = re.search(rb"__Host-sessionid=(\w+)", answer)
    if not session:
        raise NotServing(f"a login is answered {statuses(answer)}")
    return b"Cookie: __Host-sessionid=" + session[1] + b"\r\n"
