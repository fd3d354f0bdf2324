"""A refusal by `auth` reaches the client unchanged through either gateway, and no answer is a 500."""

import pytest

from tests.running import DESIGNS, Services
from tests.services.client import Client, ask, raw

EVIL = b"Origin: https://evil.example"


def test_a_refusal_keeps_its_status_and_its_sentence(services: Services, alice: Client) -> None:
    cookie = alice.credential("session")["Cookie"].encode()
    foreign = ask(services, "gateway", "/session/orders/", b"Cookie: " + cookie, EVIL, method="POST")
    assert (foreign.status, foreign.json["detail"][:12]) == (403, "Origin gate:")
    forged = ask(services, "gateway", "/token/orders/", b"Authorization: Bearer e30.e30.e30")
    assert (forged.status, forged.json) == (401, {"error": "Invalid token"})
    assert forged.headers["www-authenticate"].startswith("Bearer ")
    for answer in (foreign, forged):
        assert answer.headers["cache-control"] == "no-store"
        assert "x-refusal" not in answer.headers


@pytest.mark.parametrize("design", DESIGNS)
def test_a_charset_that_is_none_is_no_fault_of_the_server(services: Services, alice: Client, design: str) -> None:
    assert alice.get(design, "orders/?x=%41", **{"Content-Type": "text/plain; charset=rot13"}).status == 200


def test_more_headers_than_are_taken_are_refused(services: Services) -> None:
    answer = ask(services, "gateway", "/session/billing/prices", *[b"X-Harmless-%d: 1" % n for n in range(70)])
    assert answer.status == 431


def test_another_host_is_not_served(services: Services) -> None:
    request = b"GET /session/billing/prices HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert raw(services, "gateway", request).status == 421


def test_where_there_is_nothing_the_gateway_says_what_there_is(services: Services) -> None:
    answer = ask(services, "gateway", "/")
    assert (answer.status, "/session/orders/" in answer.json["error"]) == (404, True)


def test_an_address_that_a_service_has_not_is_said_in_json(services: Services) -> None:
    nothing = ask(services, "gateway", "/each/orders/nothing")
    assert (nothing.status, nothing.json) == (404, {"detail": "Not found."})
