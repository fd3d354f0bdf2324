"""Bad requests to the gateway or to a service: no answer is a 500, and no client gets another user's identity."""

import json

import pytest

from tests.running import DESIGNS, Services
from tests.services.client import Client, as_lines, ask, raw

JSON = b"Content-Type: application/json"
# Bodies for `orders`, which expects the name of an article.
BODIES = {
    "nothing": b"",
    "no JSON": b"{",
    "deep": b"[" * 30000,
    "deep objects": b'{"article":' * 5000,
    "a null byte": b'{"article": "a\\u0000b"}',
    "a raw null byte": b'{"article": "a\0b"}',
    "no UTF-8": b'{"article": "\xff\xfe"}',
    "half a surrogate": b'{"article": "\\ud800"}',
    "a byte order mark": b'\xef\xbb\xbf{"article": "x"}',
    "no number": b'{"article": NaN}',
    "a list": b"[]",
    "null": b"null",
    "an object": b'{"article": {}}',
    "a name twice": b'{"article": "a", "article": "b"}',
    "too long": json.dumps({"article": "x" * 101}).encode(),
}
AMOUNTS = (
    "1e400",
    "Infinity",
    "9" * 5000,
    "9223372036854775807",
    "99999999999999999999",
    "-1",
    "1.5",
    "true",
    '"one"',
    "[1]",
)


def test_a_bad_body_is_400_and_is_stored_nowhere(services: Services, alice: Client) -> None:
    lines = [*as_lines(alice.credential("token")), JSON]
    for design in ("token", "each"):
        for name, body in BODIES.items():
            answer = ask(services, "gateway", f"/{design}/orders/", *lines, method="POST", body=body)
            assert answer.status == 400, (design, name, answer)
    for amount in AMOUNTS:
        body = b'{"cents": %s}' % amount.encode()
        assert ask(services, "gateway", "/each/billing/", *lines, method="POST", body=body).status == 400, amount
    assert (alice.get("token").json["orders"], alice.get("token", "billing/").json["payments"]) == ([], [])


def test_what_is_no_json_is_415_and_another_method_405(services: Services, alice: Client) -> None:
    lines = as_lines(alice.credential("token"))
    for kind in (b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x"):
        typed = [*lines, b"Content-Type: " + kind]
        answer = ask(services, "gateway", "/each/orders/", *typed, method="POST", body=b'{"article": "x"}')
        assert answer.status == 415, kind
    for design in ("token", "each"):
        for method in ("PUT", "PATCH", "PROPFIND", "QUERY"):
            answer = ask(services, "gateway", f"/{design}/orders/", *lines, JSON, method=method, body=b"{}")
            assert answer.status == 405, (design, method)


@pytest.mark.parametrize("design", DESIGNS)
def test_what_a_client_would_like_to_be_answered_is_for_the_service(
    services: Services, alice: Client, design: str
) -> None:
    for lines in (as_lines(alice.credential(design)), []):
        for kind in (b"text/html", b"text/html,application/xhtml+xml,*/*;q=0.8", b"application/xml", b"rubbish"):
            for query, status in (
                ("", (200, 406)),
                ("?format=json", (200, 406)),
                ("?format=api", (404,)),
                ("?x", (200, 406)),
            ):
                path = f"/{design}/billing/prices{query}"
                answer = ask(services, "gateway", path, *lines, b"Accept: " + kind)
                assert answer.status in status, (kind, query, answer)
                assert answer.status != 406 or kind != b"text/html,application/xhtml+xml,*/*;q=0.8"


@pytest.mark.parametrize("design", DESIGNS)
def test_no_cache_keeps_what_a_service_answers(services: Services, alice: Client, design: str) -> None:
    for path in ("orders/", "orders/nothing", "billing/total"):
        headers = alice.get(design, path).headers
        assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff"), path
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_a_large_body_is_413_at_the_gateway(services: Services, alice: Client) -> None:
    # The services' own limit is a little higher: there the answer would be 400.
    body = json.dumps({"article": "x" * 64_500}).encode()
    assert len(body) < 64 * 1024
    whole = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    lines = [*as_lines(alice.credential("token")), JSON]
    for design in DESIGNS:
        path = f"/{design}/orders/"
        # Caddy streams a body. The request has no session, so a service can answer 401 without reading the body.
        sooner = {401} if design == "session" else set()
        assert ask(services, "gateway", path, *lines, method="POST", body=body).status in {413} | sooner
        head = [f"POST {path} HTTP/1.1", f"Host: localhost:{services.port()}", "Connection: close"]
        head += ["Transfer-Encoding: chunked"]
        request = b"\r\n".join([*[line.encode() for line in head], *lines, b"", b""])
        # A service that receives the beginning of a chunked body asks for a length.
        assert raw(services, "gateway", request + whole).status in {411, 413} | sooner


def test_a_service_bounds_a_body_by_itself(services: Services, alice: Client) -> None:
    lines = [*as_lines(alice.credential("token")), JSON]
    head = [b"POST / HTTP/1.1", b"Host: localhost", b"Connection: close", *lines]
    # The body is not sent: the service answers without waiting for it.
    assert raw(services, "orders", b"\r\n".join([*head, b"Content-Length: 70000", b"", b""])).status == 413
    whole = b'10\r\n{"article": "x"}\r\n0\r\n\r\n'
    assert raw(services, "orders", b"\r\n".join([*head, b"Transfer-Encoding: chunked", b"", b""]) + whole).status == 411
    assert alice.get("token").json["orders"] == []


def test_headers_that_are_too_large_end_no_process(services: Services, alice: Client) -> None:
    for design in DESIGNS:
        for line in (b"X-Long: " + b"x" * 9000, b"Cookie: a=" + b"x" * 40_000, b"Authorization: Bearer " + b"x" * 9000):
            assert alice.get(design, "orders/", line).status in (400, 401, 431), (design, line[:10])
        assert alice.get(design, "orders/?" + "x" * 5000).status in (400, 414)
        assert alice.get(design).status == 200
    for target in ("orders", "billing"):
        assert ask(services, target, "/", b"X-Long: " + b"x" * 1_000_000).status in (0, 400, 431)
        assert ask(services, target, "/").status == 401


def test_two_credentials_of_a_kind_are_nobodys(services: Services, alice: Client) -> None:
    bearer = as_lines(alice.credential("token"))
    other = b"Authorization: Bearer e30.e30.e30"
    for design in ("token", "each"):
        for lines in ([*bearer, other], [other, *bearer], [*bearer, *bearer]):
            assert ask(services, "gateway", f"/{design}/orders/", *lines).status in (400, 401)


def test_another_way_to_write_a_request_gives_no_other_identity(services: Services, alice: Client) -> None:
    host = f"Host: localhost:{services.port()}".encode()
    cookie, spoofed = as_lines(alice.credential("session")), [b"X-User-ID: 1", b"X-User-Role: admin"]
    user_id = alice.get("session").json["userId"]
    for first in (
        f"GET http://localhost:{services.port()}/session/billing/ HTTP/1.1",
        "GET /session/billing/ HTTP/1.0",
        "GET //session/billing/ HTTP/1.1",
        "GET /session/orders/../billing/ HTTP/1.1",
    ):
        head = [first.encode(), host, b"Connection: close", *spoofed]
        as_alice = raw(services, "gateway", b"\r\n".join([*head, *cookie, b"", b""]))
        assert as_alice.status in (301, 308, 400, 404) or as_alice.json["userId"] == user_id, first
        assert raw(services, "gateway", b"\r\n".join([*head, b"", b""])).status in (301, 308, 400, 401, 404), first
    assert raw(services, "gateway", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").status in (0, 400, 404, 505)


def test_a_service_that_there_is_not_is_404(services: Services, alice: Client) -> None:
    for path in ("/session/shipping/", "/shipping/", "/", "/check/token/orders", "/session/orders/nowhere", "/each/"):
        assert ask(services, "gateway", path, *as_lines(alice.credential("session"))).status == 404, path
