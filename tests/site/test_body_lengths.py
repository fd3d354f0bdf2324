"""A body whose length is missing or wrong, at every address of the running site (RFC 9110 section 8.6)."""

import json
import re
import socket
from collections.abc import Callable
from urllib.parse import urlencode

import pytest

from tests.running import Site, no_failures_counted
from tests.site.holder import LOGOUT, Holder
from tests.site.member import CSRF, SESSION, TOKEN, Member
from tests.site.test_bad_input import FORM, HEADERS, JSON, addresses
from tests.site.visitor import PATIENCE

pytestmark = pytest.mark.site
PATHS = addresses("999999")
API = [path for path in PATHS if re.match("/(session|jwt|notes)/(auth|api)/", path)]
ALICE = ("alice@example.com", "demo-only-alice")
TOKENS = f"Cookie: {CSRF}={TOKEN}\r\nX-CSRFToken: {TOKEN}\r\n"
Framing = Callable[[bytes], bytes]


def measured(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def chunked(body: bytes) -> bytes:
    return b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def unmeasured(body: bytes) -> bytes:
    return b"\r\n" + body


def awaited(body: bytes) -> bytes:
    return b"Expect: 100-continue\r\n" + measured(body)


def too_short(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%s" % (len(body) - 1, body)


def send(site: Site, head: str, tail: bytes) -> tuple[int, str]:
    """The final status of the answer, and all of it."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=PATIENCE) as connection:
        connection.sendall(f"{head}".encode() + tail)
        answer = b""
        while some := connection.recv(65536):
            answer += some
    answer = answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    return int(answer.split()[1]), answer.decode()


def post(site: Site, path: str, framing: Framing, more: str = TOKENS) -> tuple[int, str]:
    """A POST of a body that this address may read, with a good CSRF token."""
    body = b"{}" if path in API else urlencode({"csrfmiddlewaretoken": TOKEN}).encode()
    return send(site, f"POST {path} HTTP/1.1\r\n{HEADERS}{JSON if path in API else FORM}{more}", framing(body))


def test_there_is_something_to_ask() -> None:
    assert {"/session/login/", "/accounts/register/", "/admin/login/", LOGOUT, "/session/auth/login"} <= set(PATHS)
    assert len(API) > 15
    assert len(PATHS) - len(API) > 40


@pytest.mark.parametrize("framing", [chunked, unmeasured])
def test_a_body_without_a_length_is_never_taken_for_no_body(site: Site, framing: Framing) -> None:
    for path in PATHS:
        status, answer = post(site, path, framing)
        assert (status, "Content-Length" in answer) == (411, True), path
        if path in API:
            assert json.loads(answer.partition("\r\n\r\n")[2])["error"] == "Length required"


@pytest.mark.parametrize("framing", [measured, awaited])
def test_the_same_body_with_a_length_is_read(site: Site, framing: Framing) -> None:
    for path in PATHS:
        no_failures_counted(site)
        status, answer = post(site, path, framing)
        assert status in (200, 201, 302, 400, 401, 403, 404, 405, 410), path
        assert "Content-Length" not in answer.partition("\r\n\r\n")[2], path
        assert status != 403 or "CSRF" not in answer, path


@pytest.mark.parametrize("length", ["x", "-1", "+2", "2.0", "0x2", "9" * 40, "2, 2"])
def test_a_length_that_is_no_number_is_400(site: Site, length: str) -> None:
    for path in (LOGOUT, "/session/auth/login", "/session/login/", "/accounts/register/"):
        head = f"POST {path} HTTP/1.1\r\n{HEADERS}{JSON}Content-Length: {length}\r\n"
        status, _ = send(site, head, b"\r\n{}")
        assert status in ((400, 413) if length.isdigit() else (400,)), path


def test_two_ways_to_say_the_length_are_400(site: Site) -> None:
    chunks = b"\r\n2\r\n{}\r\n0\r\n\r\n"
    for path in (LOGOUT, "/session/login/"):
        for both in ("Content-Length: 2\r\nTransfer-Encoding: chunked", "Content-Length: 2\r\nContent-Length: 2"):
            assert send(site, f"POST {path} HTTP/1.1\r\n{HEADERS}{JSON}{both}\r\n", chunks)[0] == 400


def test_a_body_that_is_cut_off_is_no_json(site: Site) -> None:
    for path in API:
        if "auth/" in path:
            status, answer = post(site, path, too_short)
            assert status in (400, 401), path
            assert status == 401 or "The body is not valid JSON." in answer


def test_a_logout_without_a_length_says_so_and_logs_nobody_out(site: Site) -> None:
    native = Holder(site, native=True)
    native.log_in(*ALICE, transport="body")
    body = json.dumps({"refreshToken": native.refresh}).encode()
    head = f"POST {LOGOUT} HTTP/1.1\r\n{HEADERS}{JSON}"
    for framing in (chunked, unmeasured):
        assert send(site, head, framing(body))[0] == 411
        assert native.whoami() == 200
    assert native.keep(native.rotate()).status == 200
    status, answer = send(site, head, awaited(json.dumps({"refreshToken": native.refresh}).encode()))
    assert (status, "Logged out" in answer, native.whoami(), native.rotate().status) == (200, True, 401, 401)


@pytest.mark.parametrize("path", ["/session/auth/logout", "/session/logout/"])
def test_a_session_is_ended_by_a_measured_body_only(site: Site, path: str) -> None:
    member = Member(site)
    member.log_in(*ALICE)
    cookies = f"Cookie: {CSRF}={TOKEN}; {SESSION}={member.session}\r\nX-CSRFToken: {TOKEN}\r\n"
    for framing in (chunked, unmeasured):
        assert post(site, path, framing, cookies)[0] == 411
        assert member.whoami() == 200
    assert post(site, path, measured, cookies)[0] == 200
    assert member.whoami() == 401


def test_without_a_body_no_length_is_needed(site: Site) -> None:
    """The request that `curl -X POST` sends."""
    assert send(site, f"POST {LOGOUT} HTTP/1.1\r\n{HEADERS}", b"\r\n")[0] == 200
    member = Member(site)
    member.log_in(*ALICE)
    head = f"POST /session/auth/logout HTTP/1.1\r\n{HEADERS}X-CSRFToken: {TOKEN}\r\n"
    assert send(site, f"{head}Cookie: {CSRF}={TOKEN}; {SESSION}={member.session}\r\n", b"\r\n")[0] == 200
    assert member.whoami() == 401


def test_the_connection_ends_with_a_refused_body(site: Site) -> None:
    """Otherwise the server would read on to find the next request. Bytes after a refused body are no request."""
    head = f"POST {LOGOUT} HTTP/1.1\r\nHost: localhost\r\n{JSON}"
    good = f"GET /healthz HTTP/1.1\r\n{HEADERS}\r\n".encode()
    status, answer = send(site, head, chunked(b"{}") + good)
    assert status == 411
    assert "Connection: close" in answer
    assert answer.count("HTTP/1.1") == 1


def test_a_client_that_waits_for_100_continue_gets_it(site: Site) -> None:
    body = json.dumps(dict(zip(("email", "password"), ALICE, strict=True))).encode()
    with socket.create_connection(("127.0.0.1", site.port), timeout=PATIENCE) as connection:
        head = f"POST /jwt/auth/login HTTP/1.1\r\n{HEADERS}{JSON}Content-Length: {len(body)}\r\n"
        connection.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.sendall(body)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")
