"""Which access tokens a service accepts that verifies them with the published keys. The site signs all of them."""

import base64
import time
from typing import Any

import jwt
import pytest

from benchmarks.servers import free_port
from services import hops
from services.authentication import KeysUnknown, SiteKeys
from tests.lab.test_attacks import serving
from tests.running import Services
from tests.services.client import Client, ask
from tests.site.backstage import Backstage

TYPE = {"typ": "at+jwt"}


def status(services: Services, token: str) -> int:
    return ask(services, "gateway", "/each/orders/", f"Authorization: Bearer {token}".encode()).status


def test_each_claim_of_an_access_token_counts(services: Services, alice: Client, backstage: Backstage) -> None:
    own = alice.holder.claims
    past = int(time.time()) - 60

    def given(claims: dict[str, Any]) -> int:
        return status(services, backstage.ask("signed", "access", claims, TYPE))

    assert given(own) == 200
    for name in ("exp", "iat", "iss", "aud", "sub", "role"):
        assert given({key: value for key, value in own.items() if key != name}) == 401, name
    wrong: list[dict[str, Any]] = [
        {"iss": f"{own['iss']}/"},
        {"iss": "auth"},
        {"aud": "orders"},
        {"aud": f"{own['aud']}-other"},
        {"exp": past},
        {"exp": "soon"},
        {"nbf": int(time.time()) + 600},
        {"sub": 1},
    ]
    for change in wrong:
        assert given(own | change) == 401, change


def test_the_header_says_what_it_must_and_nothing_else(services: Services, alice: Client, backstage: Backstage) -> None:
    own = alice.holder.claims

    def given(header: dict[str, Any], kind: str = "access") -> int:
        return status(services, backstage.ask("signed", kind, own, TYPE | header))

    assert given({}) == 200
    for header in ({"typ": "rt+jwt"}, {"typ": "internal+jwt"}, {"typ": "JWT"}, {"typ": None}, {"kid": "other"}):
        assert given(header) == 401, header
    for more in ({"crit": ["exp"]}, {"jwk": {}}, {"jku": "http://localhost/"}, {"b64": False}):
        assert given(more) == 401, more
    assert given({}, kind="refresh") == 401


def test_the_algorithm_is_that_of_the_key(services: Services, alice: Client) -> None:
    claims, header = alice.holder.claims, jwt.get_unverified_header(alice.holder.access)
    published = ask(services, "gateway", "/.well-known/jwks.json").json["keys"]
    assert all(not key.keys() & {"d", "k", "p", "q"} for key in published)
    named = {"typ": header["typ"], "kid": header["kid"]}
    texts = [value for key in published for value in key.values()]
    forged = [jwt.encode(claims, "", "none", headers=named)]
    forged += [jwt.encode(claims, text.ljust(64, "="), "HS256", headers=named) for text in texts]
    head, body, signature = alice.holder.access.split(".")
    forged += [f"{head}.{body}.", f"{head}.{body}", f"{head}.{body}.{signature[:-4]}AAAA"]
    deep = base64.urlsafe_b64encode(b"[" * 2000).decode()
    forged += [f"{alice.holder.access}==", f"{head}=.{body}.{signature}", f"{deep}.{body}.{signature}", "A" * 5000]
    assert {status(services, token) for token in forged} == {401}
    assert status(services, alice.holder.access) == 200


@pytest.mark.parametrize("answer", [{"keys": []}, [], b"<html>"], ids=str)
def test_a_site_that_publishes_no_keys_is_asked_again_later(answer: Any) -> None:
    with serving() as server:
        server.give(answer)
        keys, work = SiteKeys(f"http://127.0.0.1:{server.server_port}/", timeout=2), {"fetch": 0}
        token = hops._work.set(work)
        for _ in range(3):
            with pytest.raises(jwt.PyJWKClientConnectionError):
                keys.get_signing_key("any")
        hops._work.reset(token)
    assert work["fetch"] == 1


def test_keys_that_cannot_be_fetched_are_not_fetched_for_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    keys, work = SiteKeys(f"http://127.0.0.1:{free_port()}/", timeout=2), {"fetch": 0}
    token = hops._work.set(work)
    try:
        for _ in range(3):
            with pytest.raises(jwt.PyJWKClientConnectionError):
                keys.get_signing_key("invented")
        assert work["fetch"] == 1
        monkeypatch.setattr(KeysUnknown, "wait", 0)
        with pytest.raises(jwt.PyJWKClientConnectionError):
            keys.get_signing_key("invented")
        assert work["fetch"] == 2
    finally:
        hops._work.reset(token)
