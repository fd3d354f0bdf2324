"""Which cookies the running site accepts. Requests go through sockets, byte by byte."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from tests.cookies import BLANKS, REFUSED, look_alikes
from tests.running import Site, free_port, until
from tests.site.holder import COOKIE as REFRESH_COOKIE
from tests.site.holder import Holder
from tests.site.member import CSRF, PATIENCE, SESSION, TOKEN, Member

WHOAMI, LOGOUT = "/session/api/whoami", "/session/auth/logout"


@dataclass(frozen=True)
class Answer:
    """An answer; `cookies` are the `Set-Cookie` lines."""

    status: int
    cookies: list[str]
    body: Any


@dataclass
class Wire:
    """A way to the site: its own port, or the port of a proxy in front of it."""

    port: int
    host: str

    def send(self, *lines: bytes, path: str = WHOAMI, method: str = "GET", token: str = TOKEN) -> Answer:
        """One request with these `Cookie` lines."""
        head = [f"{method} {path} HTTP/1.1", f"Host: {self.host}", f"X-CSRFToken: {token}", "Connection: close"]
        sent = [line.encode() for line in head] + [b"Cookie: " + line for line in lines]
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
            connection.sendall(b"\r\n".join([*sent, b"", b""]))
            response = HTTPResponse(connection)
            response.begin()
            text = response.read().decode(errors="replace")
        is_json = response.headers.get_content_type() == "application/json"
        return Answer(
            response.status, response.headers.get_all("Set-Cookie", []), json.loads(text) if is_json else text
        )


def cookie(name: str, value: str) -> bytes:
    return f"{name}={value}".encode()


@pytest.fixture
def wire(site: Site) -> Wire:
    return Wire(site.port, f"localhost:{site.port}")


@pytest.fixture
def alices(site: Site) -> bytes:
    return logged_in(site, "alice")


@pytest.fixture
def bobs(site: Site) -> bytes:
    return logged_in(site, "bob")


def logged_in(site: Site, name: str) -> bytes:
    member = Member(site)
    assert member.log_in(f"{name}@example.com", f"demo-only-{name}").status == 200
    return member.session.encode()


def test_no_look_alike_of_the_session_cookie_is_one(wire: Wire, alices: bytes, bobs: bytes) -> None:
    own = SESSION.encode() + b"=" + alices
    alice = wire.send(own)
    assert alice.status == 200
    for blank in sorted(set(BLANKS) - set(REFUSED) - set(" \t")):
        before, behind = f"{blank}{SESSION}".encode() + b"=" + bobs, f"{SESSION}{blank}".encode() + b"=" + bobs
        assert wire.send(before + b"; a=b; " + behind).status == 401, blank
        assert wire.send(before + b"; " + own + b"; " + behind) == alice, blank
    assert wire.send(SESSION.encode() + b"=" + bobs).status == 200


def test_what_no_browser_sends_in_a_cookie_is_refused(wire: Wire, alices: bytes) -> None:
    own = SESSION.encode() + b"=" + alices
    for blank in sorted(set(REFUSED) - set("\r\n")):
        assert wire.send(own + b"; " + f"{blank}{SESSION}=evil".encode()).status == 400, blank
    assert wire.send(own).status == 200


def test_a_session_cookie_that_stands_twice_is_none_and_stays(wire: Wire, alices: bytes, bobs: bytes) -> None:
    both = b"; ".join(SESSION.encode() + b"=" + value for value in (alices, bobs))
    for lines in ([both], both.split(b"; ")):
        answer = wire.send(*lines)
        assert (answer.status, answer.cookies) == (401, [])
    assert wire.send(SESSION.encode() + b"=" + alices).status == 200


def test_no_look_alike_of_the_csrf_cookie_is_one(wire: Wire, alices: bytes) -> None:
    session, evil = SESSION.encode() + b"=" + alices, "e" * 32
    planted = cookie(f"\u2000{CSRF}", evil)
    for lines in ([session + b"; " + planted], [session, planted]):
        assert wire.send(*lines, path=LOGOUT, method="POST", token=evil).status == 403
    assert wire.send(session).status == 200
    assert wire.send(session, planted, cookie(CSRF, TOKEN), path=LOGOUT, method="POST").status == 200
    assert wire.send(session).status == 401


def test_no_look_alike_of_the_refresh_cookie_is_one(wire: Wire, site: Site) -> None:
    holder = Holder(site)
    assert holder.log_in("alice@example.com", "demo-only-alice").status == 200
    for planted in look_alikes(REFRESH_COOKIE, "\u2000"):
        answer = wire.send(cookie(planted, holder.refresh), path="/jwt/auth/refresh", method="POST")
        assert (answer.status, answer.body) == (401, {"error": "No refresh token"})
    beside = wire.send(
        cookie(f"\u2000{REFRESH_COOKIE}", "x"),
        cookie(REFRESH_COOKIE, holder.refresh),
        path="/jwt/auth/refresh",
        method="POST",
    )
    assert beside.status == 200


FOREIGN = [
    b"\xff\xfe=\x80",
    b"x",
    b"=x",
    b"",
    b"\xe2\x80",
    b'a="',
    "ä=ö".encode(),
    b"\xa0=\x85",
    b"a,b=c,d",
    b"__Host-=x",
]


@pytest.mark.parametrize("theirs", FOREIGN, ids=repr)
def test_no_cookie_of_somebody_else_harms_ours(wire: Wire, alices: bytes, theirs: bytes) -> None:
    own = SESSION.encode() + b"=" + alices
    for lines in ([theirs + b"; " + own], [own + b"; " + theirs], [theirs, own], [own, theirs]):
        answer = wire.send(*lines)
        assert (answer.status, answer.cookies) == (200, [])


def assert_lines_are_joined(wire: Wire, alices: bytes) -> None:
    own = SESSION.encode() + b"=" + alices
    for lines in ([own, b"a=b"], [b"a=b", own], [b"a=b", b"c=d", own, b"e=f"]):
        answer = wire.send(*lines)
        assert (answer.status, answer.cookies) == (200, [])
    assert wire.send(b"a=b", own, cookie(CSRF, TOKEN), path=LOGOUT, method="POST").status == 200
    assert wire.send(own, b"a=b").status == 401


def test_cookies_in_several_lines_are_one_list_of_cookies(wire: Wire, alices: bytes) -> None:
    assert_lines_are_joined(wire, alices)


# ── Through nginx ─────────────────────────────────────────────────────────────────────────────

CONFIGURATION = """
daemon off; pid {folder}/pid; error_log {folder}/log;
events {{}}
http {{
    access_log off;
    {paths}
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://127.0.0.1:{site}; proxy_set_header Host $http_host; }}
    }}
}}
"""
PATHS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@pytest.fixture
def nginx(site: Site) -> Iterator[Wire]:
    """nginx in front of the site. Without nginx tests are skipped, but in CI they fail."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        says = "nginx is not installed."
        pytest.fail(says) if os.environ.get("CI") else pytest.skip(says)
    folder, port = Path(tempfile.mkdtemp(prefix="nginx-")), free_port()
    paths = " ".join(f"{name}_temp_path {folder}/{name};" for name in PATHS)
    (folder / "conf").write_text(CONFIGURATION.format(folder=folder, port=port, site=site.port, paths=paths))
    process = subprocess.Popen([program, "-p", str(folder), "-c", str(folder / "conf"), "-e", str(folder / "log")])
    try:
        until(lambda: answers(port))
        yield Wire(port, f"localhost:{site.port}")
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.exhaustive
def test_behind_nginx_it_is_the_same(nginx: Wire, alices: bytes, bobs: bytes) -> None:
    own = SESSION.encode() + b"=" + alices
    for planted in look_alikes(SESSION, "\u2000"):
        evil = planted.encode() + b"=" + bobs
        assert nginx.send(evil).status == 401
        assert nginx.send(evil, own) == nginx.send(own + b"; " + evil) == nginx.send(own)
    assert_lines_are_joined(nginx, alices)
