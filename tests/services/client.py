"""A client of the services, for each of the three designs. It can send headers and bytes that a library would not."""

import json
import re
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.running import Services
from tests.site.holder import Holder
from tests.site.member import Member

PASSWORD = "demo-only-alice"


@dataclass
class Answer:
    """An answer of a service or of the gateway. `json` is `None` for other types."""

    status: int
    headers: dict[str, str]
    body: bytes
    json: Any = None


@dataclass
class Client:
    """A user with a session and an access token."""

    services: Services
    email: str
    member: Member = field(init=False)
    holder: Holder = field(init=False)

    def log_in(self) -> None:
        """Logs the user in by both flows."""
        site = self.services.site
        self.member, self.holder = Member(site), Holder(site)
        assert self.member.log_in(self.email, PASSWORD).status == 200
        assert self.holder.log_in(self.email, PASSWORD).status == 200

    def credential(self, design: str) -> dict[str, str]:
        """The header with the credential that a design accepts."""
        if design.startswith("session"):
            return {"Cookie": f"__Host-sessionid={self.member.session}"}
        return {"Authorization": f"Bearer {self.holder.access}"}

    def get(self, design: str, path: str = "orders/", *lines: bytes, **headers: str) -> Answer:
        """A GET through the gateway with this user's credential."""
        named = self.credential(design) | {name.replace("_", "-"): value for name, value in headers.items()}
        return ask(self.services, "gateway", f"/{design}/{path}", *as_lines(named), *lines)


def as_lines(headers: dict[str, str]) -> list[bytes]:
    return [f"{name}: {value}".encode() for name, value in headers.items()]


def ask(
    services: Services,
    name: str,
    path: str,
    *lines: bytes,
    method: str = "GET",
    body: bytes = b"",
    patience: float = 10,
) -> Answer:
    """Sends one request; its lines are sent unchanged."""
    port = services.port(name)
    length = [f"Content-Length: {len(body)}".encode()] if body or method not in ("GET", "HEAD") else []
    head = [f"{method} {path} HTTP/1.1".encode(), f"Host: localhost:{port}".encode(), b"Connection: close"]
    return raw(services, name, b"\r\n".join([*head, *length, *lines, b"", b""]) + body, patience)


def raw(services: Services, name: str, request: bytes, patience: float = 10) -> Answer:
    """Sends these bytes; returns the first answer of the connection, with status 0 if there is none."""
    received = b""
    with socket.create_connection(("127.0.0.1", services.port(name)), patience) as connection:
        try:
            # A server that refuses a body may answer and close the connection before all of it is sent.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(request)
            while part := connection.recv(65536):
                received += part
        except (ConnectionResetError, TimeoutError):
            pass
    return parsed(received)


def parsed(received: bytes) -> Answer:
    head, _, body = received.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    if headers.get("transfer-encoding") == "chunked":
        body = dechunked(body)
    found = Answer(int(first.split()[1]) if first else 0, headers, body)
    try:
        found.json = json.loads(body)
    except ValueError:
        found.json = None
    return found


def dechunked(body: bytes) -> bytes:
    whole = b""
    while match := re.match(rb"([0-9A-Fa-f]+)[^\r]*\r\n", body):
        size = int(match[1], 16)
        whole, body = whole + body[match.end() : match.end() + size], body[match.end() + size + 2 :]
    return whole
