"""Python servers behind a gateway that has written `X-User-ID: 7`: which user the application sees.

Needs what `make servers` needs, and installs each server into a folder of its own in the same way.
"""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version as release_of

from benchmarks import raw
from benchmarks.candidates import CANDIDATES, CHEROOT, Candidate, Running, gunicorn_with, install
from benchmarks.zoo.cases import CLOSE, CONNECTION, EMPTY, HEADERS, LENGTHS, LOGGED_IN, NOBODY, USER
from benchmarks.zoo.gateways import Gateway, running, send

OWN = f"X-User-ID: {USER}".encode()
# For a server and a group: the setting that mends it, and the line of the table that shows this.
MENDS = {
    ("cheroot", "other names"): ("a `HeaderReader` that drops `_`", "cheroot, a reader that drops _"),
    ("gunicorn, header_map = dangerous", "other names"): ('`header_map = "drop"`, the default', "gunicorn"),
}
NAME = "HTTP_X_USER_ID"
# Values that no field can have.
NOTHING, REFUSED = "\0nothing", "\0refused"
GROUPS: dict[str, tuple[str, ...]] = {
    "same name": ("plain", "case", "doubled"),
    "other names": ("underscore", "mixed", "dot"),
    "lines": ("folded", "blank before colon", "bare LF", "bare CR"),
    "Connection": ("listed",),
    "nobody": ("none",),
    "lengths": tuple(LENGTHS),
}
# cheroot's own reader for this fails with a TypeError in 11.1.2.
DROPS = """
from cheroot.server import HeaderReader, HTTPRequest
class Reader(HeaderReader):
    def _allow_header(self, key_name):
        return b"_" not in key_name
HTTPRequest.header_reader = Reader()
server.safe_start()
"""
CHEROOT_STRICT = CHEROOT.replace("server.safe_start()\n", DROPS)
BY_NAME = {it.name: it for it in CANDIDATES}
# Servers with one setting changed, for the worse or for the better.
MORE = (
    gunicorn_with("gunicorn, header_map = dangerous", 'header_map = "dangerous"'),
    gunicorn_with("gunicorn, header_map = refuse", 'header_map = "refuse"'),
    replace(BY_NAME["cheroot"], name="cheroot, a reader that drops _", file=CHEROOT_STRICT),
)


def available() -> tuple[list[Candidate], dict[str, str]]:
    """The servers that can be installed, and why the others cannot."""
    absent = {it.name: why for it in (*CANDIDATES, *MORE) if (why := install(it))}
    return [it for it in (*CANDIDATES, *MORE) if it.name not in absent], absent


def release(candidate: Candidate) -> str:
    """The version that is installed."""
    pinned = re.match(r"(?!gunicorn)[\w-]+==(\S+)", " ".join(candidate.requirements))
    return pinned[1] if pinned else release_of("gunicorn")


@dataclass(frozen=True)
class Way:
    """How a client reaches the server: the port, and the lines that are there because user 7 is logged in."""

    port: int
    own: tuple[bytes, ...]
    nobody: tuple[bytes, ...] = ()


def faults(server: Running, groups: tuple[str, ...] = tuple(GROUPS)) -> dict[tuple[str, str], str]:
    """What is wrong in each case behind a gateway that removes nothing, by group and name; "" if it is right."""
    return _faults(Way(server.port, (OWN,)), groups)


def faults_behind(
    gateway: Gateway, server: Running, groups: tuple[str, ...] = tuple(GROUPS)
) -> dict[tuple[str, str], str]:
    """The same through a real gateway. Raises `RuntimeError` if it does not start."""
    with running(gateway, server.port) as (port, _):
        return _faults(Way(port, LOGGED_IN, NOBODY), groups)


def _faults(way: Way, groups: tuple[str, ...]) -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    # As many as each server has threads, because most requests wait for an answer that must not come.
    with ThreadPoolExecutor(8) as pool:
        for group in groups:
            names = GROUPS[group]
            check = hidden if group == "lengths" else partial(mistaken, group=group)
            found |= dict(zip([(group, name) for name in names], pool.map(partial(check, way), names), strict=True))
    return found


def mistaken(way: Way, name: str, group: str) -> str:
    """The wrong users that the application sees; "" if it sees the right one, or refuses. No identity can be wrong too.

    The client's lines are sent before the gateway's own, after them, and where the gateway writes none.
    """
    if name == "none" and seen(way, way.own) != USER:
        return "the gateway's own is not seen"
    lines = CONNECTION[name] if group == "Connection" else HEADERS[name]
    wrong = {seen(way, (*way.own, *lines)), seen(way, (*lines, *way.own))} - {REFUSED, USER}
    if group == "same name":
        # Two lines of one name are one list (RFC 9110 section 5.3), and a list is no user. A gateway passes one line.
        wrong = {value for value in wrong if USER not in value}
    else:
        wrong |= {seen(way, (*way.nobody, *lines))} - {REFUSED, NOTHING}
    return ", ".join("no identity" if value == NOTHING else f"`{value}`" for value in sorted(wrong))


def seen(way: Way, lines: tuple[bytes, ...]) -> str:
    """The identity that the application sees: NOTHING if there is none, REFUSED if it is not asked."""
    closing = () if any(line.startswith(b"Connection") for line in lines) else (CLOSE,)
    request = b"\r\n".join([b"GET /probe/seen HTTP/1.1", b"Host: localhost", *closing, *lines, b"", b""])
    answer = send(way.port, request, raw.PATIENCE)
    if raw.statuses(answer) != [200]:
        return REFUSED
    fields: dict[str, str] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return fields.get(NAME, NOTHING)


def hidden(way: Way, name: str) -> str:
    """ "a second request" if the server answers the request that is hidden behind the body of the first; else ""."""
    request = b"GET /probe/seen HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    own = way.own if way.nobody else ()
    head = b"\r\n".join([b"POST /probe/nothing HTTP/1.1", b"Host: localhost", *own, *LENGTHS[name], b"", b""])
    statuses = raw.statuses(send(way.port, head + EMPTY + request, raw.PATIENCE))
    return "a second request" if statuses.count(200) > 1 else ""
