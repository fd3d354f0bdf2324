"""What the gateway tells `auth` about a request: its method, its origin and its cookies."""

import json
import socket
from http.client import HTTPConnection

import pytest

from tests.running import Services
from tests.services.client import Answer, Client, as_lines, ask, raw
from tests.services.test_identity import written
from tests.site.backstage import Backstage
from tests.site.member import TOKEN

ORDER = json.dumps({"article": "a lamp"}).encode()
JSON = b"Content-Type: application/json"
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
# Headers with which a client may try to make a POST look like a GET to `auth`, a service or a framework.
DISGUISES = (
    [b"X-Forwarded-Method: GET"],
    [b"X-Forwarded-Method: GET", b"X-Forwarded-Method: GET"],
    [b"X_Forwarded_Method: GET"],
    [b"Connection: close, X-Forwarded-Method"],
    [b"X-HTTP-Method-Override: GET"],
    [b"X-Method-Override: GET"],
    [b"X-Original-Method: GET"],
)


def send(client: Client, method: str, *lines: bytes, proved: bool = True, design: str = "session") -> Answer:
    """Sends an unsafe request with the user's cookie and, if `proved`, with the CSRF token."""
    credential = client.credential(design)
    if proved:
        credential |= {"Cookie": f"{credential['Cookie']}; __Host-csrftoken={TOKEN}", "X-CSRFToken": TOKEN}
    body = ORDER if method != "DELETE" else b""
    path = f"/{design}/orders/"
    return ask(client.services, "gateway", path, *as_lines(credential), JSON, *lines, method=method, body=body)


def orders(client: Client) -> int:
    return len(client.get("token").json["orders"])


def test_an_unsafe_request_with_a_cookie_needs_the_proof_and_the_origin(services: Services, alice: Client) -> None:
    own, foreign = f"Origin: http://localhost:{services.port()}".encode(), b"Origin: https://evil.example"
    assert send(alice, "POST", own).status == 201
    for method in UNSAFE:
        assert send(alice, method, proved=False).status == 403
        for line in (foreign, b"Origin: null", b"Sec-Fetch-Site: cross-site", b"Sec-Fetch-Site: same-site"):
            assert send(alice, method, line).status == 403, (method, line)
            assert send(alice, method, line, proved=False).status == 403
    assert orders(alice) == 1
    assert send(alice, "DELETE", own).status == 204
    assert orders(alice) == 0


def test_no_header_makes_another_method_of_a_request(services: Services, alice: Client) -> None:
    for lines in DISGUISES:
        for method in UNSAFE:
            assert send(alice, method, *lines, proved=False).status == 403, (method, lines)
    assert orders(alice) == 0
    # The headers do not turn a GET into an unsafe request either.
    for name in ("X-HTTP-Method-Override", "X-Forwarded-Method"):
        assert alice.get("session", "orders/", f"{name}: DELETE".encode()).status == 200


def test_in_any_case_a_method_is_the_same_for_auth_and_for_the_service(services: Services, alice: Client) -> None:
    for method in ("post", "Post", "delete", "gET"):
        assert send(alice, method, proved=False).status in (400, 403, 405), method
    assert orders(alice) == 0


def test_head_and_options_tell_as_little_as_get(services: Services, alice: Client) -> None:
    for design in ("session", "token", "each"):
        lines = as_lines(alice.credential(design))
        for method in ("HEAD", "OPTIONS"):
            assert ask(services, "gateway", f"/{design}/orders/", *lines, method=method).status == 200
            assert ask(services, "gateway", f"/{design}/orders/", method=method).status == 401


def test_auth_knows_the_clients_address_by_the_gateway_alone(services: Services, alice: Client) -> None:
    lines = (b"X-Forwarded-For: 192.0.2.9", b"X-Forwarded-Proto: https", b"X-Request-ID: " + b"a" * 32)
    answer = alice.get("session", "orders/", *lines)
    assert answer.headers["x-request-id"] != "a" * 32
    for name in ("auth", "orders"):
        headers = written(services, name, answer)["headers"]
        assert headers["X-Forwarded-For"] == "127.0.0.1"
        assert headers["X-Forwarded-Proto"] == "http"
        assert headers["X-Request-Id"] == answer.headers["x-request-id"]
    through = alice.get("each", "orders/", *lines)
    headers = written(services, "orders", through)["headers"]
    assert (headers["X-Forwarded-For"], headers["X-Forwarded-Proto"]) == ("127.0.0.1", "http")
    assert headers["X-Request-Id"] == through.headers["x-request-id"] != "a" * 32


def test_a_cookie_that_only_looks_like_the_session_is_none(services: Services, alice: Client) -> None:
    session = alice.member.session
    for line in (
        f"Cookie: \u2000__Host-sessionid={session}",
        f"Cookie: __host-sessionid={session}",
        f"Cookie: sessionid={session}",
        f"Cookie: __Host-sessionid={session}; __Host-sessionid={session}",
        f"Cookie: __Host-sessionid=other; __Host-sessionid={session}",
    ):
        assert ask(services, "gateway", "/session/orders/", line.encode()).status == 401, line
    assert alice.get("session").status == 200


@pytest.mark.parametrize("end", ["ban", "revoke_all"])
def test_who_is_out_is_out_at_the_next_request(
    services: Services, alice: Client, backstage: Backstage, end: str
) -> None:
    assert [alice.get(design).status for design in ("session", "token")] == [200, 200]
    backstage.ask(end, alice.email)
    answers = [alice.get(design) for design in ("session", "token")]
    assert [answer.status for answer in answers] == [401, 401]
    assert not any("x-internal-token" in answer.headers or "set-cookie" in answer.headers for answer in answers)


def test_a_logout_is_seen_at_the_next_request(services: Services, alice: Client) -> None:
    assert alice.get("session").status == 200
    session = alice.member.session
    assert alice.member.post("/session/auth/logout").status in (200, 204)
    alice.member.session = session
    assert alice.get("session").status == 401


def test_a_request_without_a_usable_host_has_no_identity(services: Services, alice: Client) -> None:
    cookie = as_lines(alice.credential("session"))
    host = f"Host: localhost:{services.port()}".encode()
    for first in (b"GET /session/orders/ HTTP/1.1", b"GET http://evil.example/session/orders/ HTTP/1.1"):
        for hosts in ([host, b"Host: evil.example"], [b"Host: evil.example", host], [b"Host: a b"]):
            answer = raw(services, "gateway", b"\r\n".join([first, b"Connection: close", *hosts, *cookie, b"", b""]))
            assert answer.status == 400, (first, hosts)


def test_a_question_that_names_no_method_is_taken_for_an_unsafe_one(services: Services, alice: Client) -> None:
    cookie = alice.credential("session")
    for headers, status in ((cookie, 403), (cookie | {"X-Forwarded-Method": "GET"}, 204)):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(services.folder / "auth.sock"))
            question = HTTPConnection("localhost")
            question.sock = connection
            question.request("GET", "/check/session/orders", headers=headers)
            answer = question.getresponse()
            assert answer.status == status
            assert ("X-Internal-Token" in answer.headers) == (status == 204)
