"""The requests: what a client can send so that a service behind takes it for an identity, a path or a second request.

The user who is logged in is 7. The client writes 1, and no service may take it for user 1.
"""

import re
import secrets
from dataclasses import dataclass

import jwt

USER = "7"
# The name of each case in the tables, and the lines that the client adds.
HEADERS: dict[str, tuple[bytes, ...]] = {
    "none": (),
    "plain": (b"X-User-ID: 1",),
    "case": (b"x-uSER-id: 1",),
    "doubled": (b"X-User-ID: 1", b"X-User-ID: 1"),
    "underscore": (b"X_User_ID: 1",),
    "mixed": (b"X-User_ID: 1",),
    "dot": (b"X.User.ID: 1",),
    "folded": (b"X-Harmless: 1\r\n X-User-ID: 1",),
    "blank before colon": (b"X-User-ID : 1",),
    "bare LF": (b"X-Harmless: 1\nX-User-ID: 1",),
    "bare CR": (b"X-Harmless: 1\rX-User-ID: 1",),
}
# A gateway may drop the fields that `Connection` lists, and so the identity that it has just written.
CONNECTION: dict[str, tuple[bytes, ...]] = {
    "listed": (b"Connection: close, X-User-ID",),
    "sent and listed": (b"X-User-ID: 1", b"Connection: close, X-User-ID"),
}
CLOSE = b"Connection: close"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: localhost\r\nX-User-ID: 1\r\nConnection: close\r\n\r\n"
EMPTY = b"0\r\n\r\n"
# Lines that say how long a body is. Five bytes follow, which are an empty chunked body, and a second request.
LENGTHS: dict[str, tuple[bytes, ...]] = {
    "chunked and length": (b"Transfer-Encoding: chunked", b"Content-Length: 5"),
    "5 and 0": (b"Content-Length: 5", b"Content-Length: 0"),
    "0 and 5": (b"Content-Length: 0", b"Content-Length: 5"),
    "+5": (b"Content-Length: +5",),
    "0, 5": (b"Content-Length: 0, 5",),
    "chunked twice": (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "xchunked": (b"Transfer-Encoding: xchunked",),
    "blank before colon": (b"Transfer-Encoding : chunked",),
    "vertical tab": (b"Transfer-Encoding:\x0bchunked",),
    "chunked, identity": (b"Transfer-Encoding: chunked, identity",),
    "underscore": (b"Content_Length: 0", b"Transfer_Encoding: chunked"),
}
# The paths below /open/ need no login. All others do.
PATHS: dict[str, bytes] = {
    "/closed": b"/closed",
    "..%2f": b"/open/..%2fclosed",
    "%2e%2e": b"/open/%2e%2e/closed",
    "..": b"/open/../closed",
    "..%5c": b"/open/..%5cclosed",
    "//": b"//closed",
    "%63": b"/%63losed",
    "..;": b"/open/..;/closed",
    "absolute": b"http://localhost/closed",
}
# The key of the gateways that verify tokens themselves.
SECRET = secrets.token_hex(32)


def credentials(session: str, **claims: str) -> tuple[bytes, ...]:
    """The lines of a client that the gateway lets in: a cookie for the service `Auth`, and a token."""
    token = jwt.encode(claims, SECRET, "HS256").encode()
    return (b"Cookie: session=" + session.encode(), b"Authorization: Bearer " + token)


# The gateway lets both in. For the second, `Auth` names no user, and the token has no `sub`.
LOGGED_IN, NOBODY = credentials("good", sub=USER), credentials("nobody", scope="read")


@dataclass(frozen=True)
class Case:
    """One request. With `arrives`, it is valid, and a gateway must not refuse it."""

    group: str
    name: str
    raw: bytes
    arrives: bool = False


def requests() -> list[Case]:
    """All requests that are sent to a gateway."""
    right = _request(b"POST /closed", *LOGGED_IN, CLOSE, b"Content-Length: 5") + b"right"
    found = [Case("lengths", "right", right, True)]
    for group, path, own in GROUPS:
        for name, lines in HEADERS.items():
            raw = _request(b"GET " + path, *own, CLOSE, *lines)
            found.append(Case(group, name, raw, name == "none" and group != "nobody"))
    for name, lines in CONNECTION.items():
        found.append(Case("Connection", name, _request(b"GET /closed", *LOGGED_IN, *lines)))
    for name, path in PATHS.items():
        found.append(Case("paths", name, _request(b"GET " + path, CLOSE)))
    for name, lines in LENGTHS.items():
        raw = _request(b"POST /closed", *LOGGED_IN, *lines) + EMPTY + HIDDEN
        found.append(Case("lengths", name, raw))
    return found


GROUPS = (("names", b"/closed", LOGGED_IN), ("nobody", b"/closed", NOBODY), ("public", b"/open/", ()))
# In the order of the tables.
COLUMNS = ("names", "Connection", "nobody", "public", "paths", "lengths")


def _request(start: bytes, *lines: bytes) -> bytes:
    return b"\r\n".join([start + b" HTTP/1.1", b"Host: localhost", *lines, b"", b""])


def fault(case: Case, received: list[bytes]) -> str:
    """What is wrong with what arrived behind the gateway, in a few words; "" if it is right.

    A refusal is right, and so is a request with the identity that the gateway was told and no other.
    """
    if not received:
        return "does not arrive" if case.arrives else ""
    arrived = b"".join(received)
    if case.group == "paths":
        path = arrived.split()[1].decode("latin-1")
        return f"`{path}` arrives" if "closed" in path else ""
    if case.group == "lengths":
        return "a second request in the body" if b"GET /hidden" in arrived else ambiguous(arrived)
    wanted = [("x-user-id", USER)] if case.group in ("names", "Connection") else []
    found = [(name.lower(), value) for name, value in fields(arrived, "x-user-id")]
    if found == wanted:
        return ""
    wrong = dict.fromkeys(in_code(name, value) for name, value in found if (name, value) not in wanted)
    return ", ".join(wrong) or (f"the identity {len(found)} times" if found else "no identity")


def ambiguous(arrived: bytes) -> str:
    """The lines from which two programs may read different ends of the body; "" if there are none."""
    lengths, encodings = fields(arrived, "content-length"), fields(arrived, "transfer-encoding")
    right = [("content-length", value) for _, value in lengths if value.isdigit()]
    right += [("transfer-encoding", "chunked") for _, value in encodings if value.lower() == "chunked"]
    found = [*lengths, *encodings]
    if len(found) <= 1 and [(name.lower(), value.lower()) for name, value in found] == right:
        return ""
    return ", ".join(in_code(name.lower(), value) for name, value in found)


def in_code(name: str, value: str) -> str:
    """A header field as the tables show it. An empty value is said in words."""
    return f"`{name}: {value}`" if value else f"`{name}:` without a value"


def fields(arrived: bytes, wanted: str) -> list[tuple[str, str]]:
    """Names and values of all header fields that a server may take for this one, if it reads `_` or `.` as `-`."""
    head = arrived.partition(b"\r\n\r\n")[0].decode("latin-1")
    lines = [line.partition(":") for line in re.split(r"\r\n|\n|\r", head)[1:]]
    found = [(name.strip(), value.strip()) for name, _, value in lines]
    return [(name, value) for name, value in found if re.sub(r"[_.]", "-", name.lower()) == wanted]
