"""A11 behind the gateway: each kind of token is accepted in its own place, and in no other."""

import time
from collections.abc import Callable
from typing import Any

from tests.running import Services
from tests.services.client import Client, ask
from tests.services.test_identity import token_for
from tests.site.backstage import Backstage
from tests.site.holder import Holder
from tests.site.member import Member, exchange

ACCESS, API = {"typ": "at+jwt"}, "/jwt/api/whoami"
BEARER, SESSION, INTERNAL = b"Authorization: Bearer ", b"Cookie: __Host-sessionid=", b"X-Internal-Token: "
# A place sends a credential and returns the answer. It takes the services, the identity headers and the credential.
Place = Callable[[Services, list[bytes], bytes], Any]
PLACES: dict[str, Place] = {
    "token": lambda at, _, text: ask(at, "gateway", "/token/orders/", BEARER + text),
    "each": lambda at, _, text: ask(at, "gateway", "/each/orders/", BEARER + text),
    "session": lambda at, _, text: ask(at, "gateway", "/session/orders/", SESSION + text),
    "session as bearer": lambda at, _, text: ask(at, "gateway", "/session/orders/", BEARER + text),
    "cookie in the token design": lambda at, _, text: ask(at, "gateway", "/token/orders/", cookies(text)),
    "cookie in the third design": lambda at, _, text: ask(at, "gateway", "/each/orders/", cookies(text)),
    "bearer at the service": lambda at, _, text: ask(at, "orders", "/", BEARER + text),
    "bearer at the other": lambda at, _, text: ask(at, "billing", "/", BEARER + text),
    "cookie at the service": lambda at, _, text: ask(at, "orders", "/", SESSION + text),
    "internal": lambda at, own, text: ask(at, "orders", "/", *own, INTERNAL + text),
    "internal at the other": lambda at, own, text: ask(at, "billing", "/", *own, INTERNAL + text),
    "internal through the gateway": lambda at, own, text: ask(at, "gateway", "/token/orders/", *own, INTERNAL + text),
    "both at the gateway": lambda at, own, text: ask(
        at, "gateway", "/each/orders/", *own, BEARER + text, INTERNAL + text
    ),
    "the site's API": lambda at, _, text: Holder(at.site, access=text.decode()).send("GET", API),
    "the site's pages": lambda at, _, text: Member(at.site, text.decode()).send("GET", "/session/api/whoami"),
    "the site's refresh": lambda at, _, text: exchange(
        at.site, "POST", "/jwt/auth/refresh", {}, {"Cookie": "__Host-refresh=" + text.decode()}
    ),
}
GOOD = {
    "access": {
        "token",
        "each",
        "bearer at the service",
        "bearer at the other",
        "both at the gateway",
        "the site's API",
    },
    "session": {"session", "the site's pages"},
    "refresh": {"the site's refresh"},
    "internal": {"internal"},
    "internal for billing": {"internal at the other"},
}


def cookies(text: bytes) -> bytes:
    return SESSION + text + b"; __Host-refresh=" + text


def kinds(services: Services, alice: Client, backstage: Backstage) -> dict[str, str]:
    internal, claims = token_for(services, alice, "orders")
    return {
        "access": alice.holder.access,
        "refresh": alice.holder.refresh,
        "session": alice.member.session,
        "internal": internal,
        "internal for billing": token_for(services, alice, "billing")[0],
        "id": backstage.ask("signed", "access", alice.holder.claims, {"typ": "JWT"}),
        # A forged internal token: signed with the site's published access key instead of the key of `auth`.
        "internal of the site": backstage.ask("signed", "access", claims, {"typ": "internal+jwt"}),
        "internal as access": backstage.ask("signed", "access", claims | {"exp": int(time.time()) + 30}, ACCESS),
    }


def test_a_token_is_good_in_its_own_place_behind_the_gateway_and_in_no_other(
    services: Services, alice: Client, backstage: Backstage
) -> None:
    _, claims = token_for(services, alice, "orders")
    own = [f"X-User-ID: {claims['sub']}".encode(), f"X-User-Role: {claims['role']}".encode()]
    for kind, text in kinds(services, alice, backstage).items():
        good = {name for name, send in PLACES.items() if send(services, own, text.encode()).status == 200}
        assert good == GOOD.get(kind, set()), kind
