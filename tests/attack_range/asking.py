"""Raw HTTP requests to a running range, and the list of its addresses."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path

from tests.running import ROOT, Range

# The host that serves each URLconf.
HOSTS = {
    "pages": "range.localhost",
    "victim": "victim.localhost",
    "ours": "victim.localhost",
    "sibling": "shop.victim.localhost",
    "attacker": "attacker.localhost",
}
FORM = ("Content-Type", "application/x-www-form-urlencoded")
# Example values for the variable parts of addresses.
PARTS = {"int": "1", "uuid": "3f2b8c1e-5a47-4c0e-9a55-0d8c6d1f7e21"}
ADDRESSES = """
import json
import django
from django.urls import URLResolver, get_resolver

django.setup()

def walk(patterns, before=""):
    for one in patterns:
        if isinstance(one, URLResolver):
            yield from walk(one.url_patterns, before + str(one.pattern))
        else:
            yield before + str(one.pattern)

print(json.dumps({name: [*walk(get_resolver(f"attack_range.urls.{name}").url_patterns)] for name in NAMES}))
"""


@dataclass(frozen=True)
class Answer:
    """An answer."""

    status: int
    headers: HTTPMessage
    text: str


def send(
    attack_range: Range,
    host: str,
    path: str,
    method: str = "GET",
    body: bytes = b"",
    headers: tuple[tuple[str, str | bytes], ...] = (),
) -> Answer:
    """Sends one request with exactly this `Host` line. Adds `Content-Length` for a body if it is missing."""
    connection = HTTPConnection("127.0.0.1", attack_range.port, timeout=20)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in (("Host", host), *headers):
            connection.putheader(name, value)
        if body and not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in headers):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return Answer(response.status, response.msg, response.read().decode())
    finally:
        connection.close()


def inside(attack_range: Range, code: str) -> str:
    """Runs `code` in a process with the range's settings, because tests cannot import the range; returns its output."""
    own = attack_range.environment | {"DJANGO_SETTINGS_MODULE": "attack_range.settings"}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, env=own, check=True, capture_output=True, text=True).stdout


def addresses_of(attack_range: Range) -> dict[str, list[str]]:
    """The addresses of each of `HOSTS`, with example values for their variable parts."""
    assert {path.stem for path in (ROOT / "attack_range/urls").glob("*.py")} - {"__init__"} == HOSTS.keys()
    found = json.loads(inside(attack_range, ADDRESSES.replace("NAMES", repr([*HOSTS]))))
    return {name: sorted({f"/{_filled(path)}" for path in paths}) for name, paths in found.items()}


def _filled(path: str) -> str:
    assert "(?P" not in path, path
    return re.sub(r"<(?:(\w+):)?\w+>", lambda part: PARTS.get(part[1], "x"), path)


def files_of(kind: str) -> list[str]:
    """The templates or static files of the range, by the names under which Django finds them."""
    folder: Path = ROOT / "attack_range" / kind
    return [file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()]
