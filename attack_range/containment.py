"""Contains the range: it answers only requests that come from this machine, without a proxy, to its own names."""

import socket
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any

from attack_range import hosts
from security import charset

NOT_FOUND = "404 Not Found"
# Headers that a proxy adds. Behind a local proxy, every client would seem to be on this machine.
ADDED_BY_PROXIES = ("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_REAL_IP")
# Whatever an attack puts into a weak page, the page can load from, post to and connect to the range only.
SOURCES = " ".join(f"http://{name}:{number}" for name in hosts.ALL for number in (hosts.port(), hosts.other_port()))
LOOPBACK_ONLY = (
    f"default-src {SOURCES} 'unsafe-inline' 'unsafe-eval'; img-src {SOURCES} data:; form-action {SOURCES}; "
    f"base-uri 'none'; object-src 'none'; frame-src {SOURCES}"
)
# The policy does not stop a browser from resolving names ahead of time, so another header switches that off.
HEADERS = [
    ("Content-Security-Policy", LOOPBACK_ONLY),
    ("X-DNS-Prefetch-Control", "off"),
    ("X-Robots-Tag", "noindex"),
]


class Contained:
    """Answers 404 to requests that must not reach `application`, and adds `HEADERS` to each answer.

    It refuses a client address or a local address that is not loopback, a Host that is not the range's, and any header
    that a proxy adds. The policy in `HEADERS` applies in addition to the page's own.
    """

    def __init__(self, application: Any) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(status, [*headers, *HEADERS], *more)

        if not is_from_here(environ):
            start(NOT_FOUND, [("Content-Type", "text/plain")])
            return [b"There is nothing here.\n"]
        charset.drop_foreign(environ)
        answer: Iterable[bytes] = self.application(environ, start)
        return answer


def is_from_here(environ: dict[str, Any]) -> bool:
    """Whether the range may answer the request."""
    if any(name.startswith("HTTP_X_FORWARDED") or name in ADDED_BY_PROXIES for name in environ):
        return False
    name, _, number = environ.get("HTTP_HOST", "").rpartition(":")
    if name not in hosts.ALL or number not in (str(hosts.port()), str(hosts.other_port())):
        return False
    return _is_loopback(environ.get("REMOTE_ADDR", "")) and _is_loopback(_local_address(environ))


def _local_address(environ: dict[str, Any]) -> str:
    # The address that the client connected to. It is checked too, in case the server listens on every address.
    connection: socket.socket | None = environ.get("gunicorn.socket")
    return connection.getsockname()[0] if connection else environ.get("REMOTE_ADDR", "")


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
