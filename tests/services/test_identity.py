"""F1 to F6: only `auth` gives a request its identity, behind Caddy and behind nginx."""

import json
import re
from typing import Any

import jwt
import pytest

from tests.running import DESIGNS, Services, until
from tests.services.client import Answer, Client, ask, raw
from tests.site.holder import Holder
from tests.site.member import exchange

ASKED = ("session", "token")
# Spellings of the identity headers that some server may accept from a client.
SPOOFED = {
    "plain": [b"X-User-ID: 1", b"X-User-Role: admin"],
    "another case": [b"x-uSER-id: 1", b"x-user-ROLE: admin"],
    "doubled": [b"X-User-ID: 1", b"X-User-ID: 1", b"X-User-Role: admin", b"X-User-Role: admin"],
    "underscored": [b"X_User_ID: 1", b"X_User_Role: admin"],
    "half underscored": [b"X-User_ID: 1", b"X_User-Role: admin"],
    "dotted": [b"X.User.ID: 1", b"X.User.Role: admin"],
    "behind Connection": [b"X-User-ID: 1", b"X-User-Role: admin", b"Connection: X-User-ID, X-User-Role"],
    "its own behind Connection": [b"Connection: close, X-User-ID, X-User-Role, X-Internal-Token"],
    "with a token": [b"X-User-ID: 1", b"X-User-Role: admin", b"X-Internal-Token: e30.e30.e30"],
    "a comma": [b"X-User-ID: 1,2", b"X-User-Role: admin,member"],
}
# Malformed lines that no server may read as a header.
BROKEN = {
    "folded": [b"X-Harmless: 1", b" X-User-ID: 1"],
    "folded value": [b"X-User-ID:", b" 1", b"X-User-Role:", b" admin"],
    "a blank before the colon": [b"X-User-ID : 1", b"X-User-Role : admin"],
    "a bare line feed": [b"X-Harmless: 1\nX-User-ID: 1\nX-User-Role: admin"],
    "a bare carriage return": [b"X-Harmless: 1\rX-User-ID: 1\rX-User-Role: admin"],
    "a null": [b"X-User-ID\0: 1"],
}


def arrived(services: Services, service: str, answer: Answer) -> dict[str, str]:
    """The headers with which this request reached a service, from the service's log."""
    return written(services, service, answer)["headers"]


def written(services: Services, name: str, answer: Answer) -> Any:
    """The line of a process's log about the request that led to this answer."""
    found = []

    def look() -> bool:
        found[:] = [json.loads(line) for line in lines_of(services, name) if answer.headers["x-request-id"] in line]
        return bool(found)

    until(look)
    return found[0]


@pytest.mark.parametrize("design", DESIGNS)
def test_the_user_is_the_one_whose_credential_it_is(services: Services, alice: Client, design: str) -> None:
    user_id = alice.holder.send("GET", "/jwt/api/whoami").json["userId"]
    for service, has in (("orders", "orders"), ("billing", "payments")):
        answer = alice.get(design, f"{service}/")
        assert (answer.status, answer.json) == (200, {"userId": user_id, "role": "member", has: []})


@pytest.mark.parametrize("way", SPOOFED)
@pytest.mark.parametrize("design", DESIGNS)
def test_what_a_client_calls_itself_never_arrives(services: Services, alice: Client, design: str, way: str) -> None:
    user_id = alice.holder.send("GET", "/jwt/api/whoami").json["userId"]
    assert user_id != "1"
    as_alice = alice.get(design, "billing/prices", *SPOOFED[way])
    # The gateway itself removes the headers. If one reached the service, it would refuse the request.
    assert (as_alice.status, as_alice.json["userId"]) == (200, user_id)
    assert_one_identity(arrived(services, "billing", as_alice), user_id if design in ASKED else None)
    assert alice.get(design, "billing/total", *SPOOFED[way]).status == 403
    anonymous = ask(services, "gateway", f"/{design}/billing/prices", *SPOOFED[way])
    assert (anonymous.status, anonymous.json["userId"]) == (200, None)
    assert_one_identity(arrived(services, "billing", anonymous), None)
    assert ask(services, "gateway", f"/{design}/billing/", *SPOOFED[way]).status == 401


def assert_one_identity(headers: dict[str, str], user_id: str | None) -> None:
    """Only one header, or none, can become HTTP_X_USER_ID in a WSGI server; the same for role and token."""
    spelled = [re.sub(r"[^a-z]", "-", name.lower()) for name in headers]
    same = {name: value for name, value in headers.items() if re.sub(r"[^a-z]", "-", name.lower()) == "x-user-id"}
    assert list(same.values()) == ([] if user_id is None else [user_id]), same
    assert "1" not in same.values()
    for name in ("x-user-role", "x-internal-token"):
        assert spelled.count(name) == (user_id is not None), spelled


@pytest.mark.parametrize("way", BROKEN)
@pytest.mark.parametrize("design", DESIGNS)
def test_what_is_no_header_is_refused_or_means_nothing(
    services: Services, alice: Client, design: str, way: str
) -> None:
    answer = alice.get(design, "billing/believed" if design in ASKED else "billing/prices", *BROKEN[way])
    assert answer.status in (200, 400, 401)
    if answer.status == 200:
        assert answer.json["userId"] != "1"
    anonymous = ask(services, "gateway", f"/{design}/billing/believed", *BROKEN[way])
    assert anonymous.status in (400, 401, 403)


@pytest.mark.parametrize("design", ASKED)
def test_the_gateway_sets_each_header_once_and_ends_the_credential(
    services: Services, alice: Client, design: str
) -> None:
    both = alice.credential("session") | alice.credential("token")
    lines = [f"{name}: {value}".encode() for name, value in both.items()]
    answer = ask(services, "gateway", f"/{design}/orders/", *lines)
    headers = {name.lower(): value for name, value in arrived(services, "orders", answer).items()}
    assert answer.status == 200
    assert headers.keys() >= {"x-user-id", "x-user-role", "x-internal-token"}
    assert not headers.keys() & {"authorization", "cookie"}


def test_in_the_third_design_the_token_goes_on_and_the_cookie_does_not(services: Services, alice: Client) -> None:
    both = alice.credential("session") | alice.credential("token")
    answer = ask(services, "gateway", "/each/orders/", *[f"{name}: {value}".encode() for name, value in both.items()])
    headers = {name.lower() for name in arrived(services, "orders", answer)}
    assert answer.status == 200
    assert "authorization" in headers
    assert not headers & {"cookie", "x-user-id", "x-user-role", "x-internal-token"}


@pytest.mark.parametrize("design", DESIGNS)
def test_an_anonymous_request_has_no_identity_at_all(services: Services, design: str) -> None:
    answer = ask(services, "gateway", f"/{design}/billing/prices")
    assert (answer.status, answer.json["userId"]) == (200, None)
    assert not {name.lower() for name in arrived(services, "billing", answer)} & {
        *("x-user-id", "x-user-role", "x-internal-token", "authorization", "cookie")
    }


# ── Around the gateway ─────────────────────────────────────────────────────────────────────────


def token_for(services: Services, client: Client, service: str) -> tuple[str, dict[str, Any]]:
    """An internal token, which `auth` gives to any client that can reach its socket, and its claims."""
    import http.client
    import socket

    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(services.folder / "auth.sock"))
    headers = client.credential("token") | {"X-Forwarded-Method": "GET"}
    connection.request("GET", f"/check/token/{service}", headers=headers)
    token = connection.getresponse().headers["X-Internal-Token"]
    connection.close()
    return token, jwt.decode(token, options={"verify_signature": False})


def around(services: Services, service: str, *lines: str) -> Answer:
    return ask(services, service, "/", *[line.encode() for line in lines])


def test_what_comes_around_the_gateway_is_refused(services: Services, alice: Client) -> None:
    for service, other in (("orders", "billing"), ("billing", "orders")):
        token, claims = token_for(services, alice, service)
        own = [f"X-User-ID: {claims['sub']}", f"X-User-Role: {claims['role']}"]
        assert around(services, service, *own, f"X-Internal-Token: {token}").status == 200
        assert around(services, service, *own).status == 401
        assert around(services, other, *own, f"X-Internal-Token: {token}").status == 401
        assert around(services, service, *own, f"X-Internal-Token: {alice.holder.access}").status == 401
        assert around(services, service, *own, f"X-Internal-Token: {token[:-4]}AAAA").status == 401
        assert around(services, service, "X-User-ID: 1", own[1], f"X-Internal-Token: {token}").status == 401
        assert around(services, service, own[0], "X-User-Role: admin", f"X-Internal-Token: {token}").status == 401
        assert around(services, service, f"X-Internal-Token: {token}").status == 400
        cookie = f"Cookie: __Host-sessionid={alice.member.session}"
        assert around(services, service, cookie).status == 401


def test_an_internal_token_is_short_and_for_one_service(services: Services, alice: Client) -> None:
    token, claims = token_for(services, alice, "orders")
    assert claims["aud"] == "orders"
    assert 0 < claims["exp"] - claims["iat"] <= 60
    assert jwt.get_unverified_header(token)["typ"] == "internal+jwt"


@pytest.mark.parametrize(
    "values",
    [
        ["1,1"],
        ["1", "1"],
        ["1, "],
        ["all"],
        ["1 or 1=1"],
        [""],
        ["x" * 65],
        ["１"],
    ],
)
def test_a_service_refuses_anything_but_one_key(services: Services, alice: Client, values: list[str]) -> None:
    token, _ = token_for(services, alice, "orders")
    lines = [f"X-User-ID: {value}" for value in values]
    answer = around(services, "orders", *lines, "X-User-Role: member", f"X-Internal-Token: {token}")
    # Another user's id is one well-formed id, but it differs from the id in the token.
    assert answer.status == (401 if values == ["all"] else 400)


def test_a_service_takes_no_identity_in_two_ways(services: Services, alice: Client) -> None:
    bearer = f"Authorization: Bearer {alice.holder.access}"
    assert around(services, "orders", bearer).status == 200
    assert around(services, "orders", bearer, "X-User-ID: 1", "X-User-Role: admin").status == 400


@pytest.mark.parametrize("name", ["X_User_ID", "X_USER_ROLE", "X_Internal_Token"])
def test_a_service_refuses_another_spelling_by_itself(services: Services, name: str) -> None:
    assert around(services, "orders", f"{name}: 1").status == 400


def test_the_public_api_takes_no_internal_token(services: Services, alice: Client) -> None:
    for service in ("orders", "billing"):
        token, _ = token_for(services, alice, service)
        holder = Holder(services.site, access=token)
        assert (holder.whoami(), holder.send("GET", "/jwt/api/profile").status) == (401, 401)
        for design in ("token", "each"):
            answer = ask(services, "gateway", f"/{design}/orders/", f"Authorization: Bearer {token}".encode())
            assert answer.status == 401
        assert exchange(
            services.site, "POST", "/jwt/auth/refresh", None, {"Cookie": f"__Host-refresh={token}"}
        ).status in (401, 411, 415)


# ── Paths and lengths ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize(
    "path",
    [
        "/{design}/orders/..%2fbilling/total",
        "/{design}/orders/%2e%2e/billing/total",
        "/{design}/orders/../billing/total",
        "/{design}/orders//total",
        "/{design}/orders/..%5cbilling/total",
        "/{design}/billing/x/..%2ftotal",
        "/{design}/billing/%74otal",
        "/_session_orders",
        "/check/session/orders",
        "/{design}/orders/../../check/session/orders",
    ],
)
def test_no_spelling_of_a_path_goes_where_its_identity_does_not(
    services: Services, alice: Client, design: str, path: str
) -> None:
    for lines in ([], [f"{name}: {value}".encode() for name, value in alice.credential(design).items()]):
        answer = ask(services, "gateway", path.format(design=design), *lines, *SPOOFED["plain"])
        assert answer.status in (301, 308, 400, 401, 403, 404), answer
        assert "x-internal-token" not in answer.headers


@pytest.mark.parametrize("design", DESIGNS)
def test_an_encoded_slash_is_the_slash_or_nothing(services: Services, alice: Client, design: str) -> None:
    answer = alice.get(f"{design}%2forders", "", *SPOOFED["plain"])
    assert answer.status == 404 or answer.json == alice.get(design).json


SMUGGLED = b"GET /total HTTP/1.1\r\nHost: localhost\r\nX-User-ID: 1\r\nX-User-Role: admin\r\n\r\n"
LENGTHS = {
    "chunked and a length": [b"Transfer-Encoding: chunked", b"Content-Length: 5"],
    "two lengths": [b"Content-Length: 5", b"Content-Length: 0"],
    "a length with a sign": [b"Content-Length: +0"],
    "two lengths in one": [b"Content-Length: 0, 5"],
    "an unknown coding": [b"Transfer-Encoding: xchunked"],
    "a blank before the colon": [b"Transfer-Encoding : chunked"],
    "a tab before the coding": [b"Transfer-Encoding:\x0bchunked"],
    "chunked twice": [b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"],
}


@pytest.mark.parametrize("way", LENGTHS)
@pytest.mark.parametrize("design", DESIGNS)
def test_no_length_hides_a_second_request(services: Services, alice: Client, design: str, way: str) -> None:
    before = len(lines_of(services, "billing"))
    head = [f"POST /{design}/billing/ HTTP/1.1".encode(), f"Host: localhost:{services.port()}".encode()]
    head += [f"{name}: {value}".encode() for name, value in alice.credential(design).items()]
    request = b"\r\n".join([*head, b"Content-Type: application/json", *LENGTHS[way], b"", b""])
    answer = raw(services, "gateway", request + b"0\r\n\r\n" + SMUGGLED)
    assert answer.status in (400, 401, 403, 411, 415, 501), answer
    assert not [line for line in lines_of(services, "billing")[before:] if json.loads(line)["route"] == "total"]


def lines_of(services: Services, name: str) -> list[str]:
    """The complete lines of a process's log so far, those in the rotated file included."""
    logs = sorted(services.folder.glob(f"{name}*.log*"), key=lambda log: log.stat().st_mtime)
    return [line for log in logs for line in log.read_text().split("\n")[:-1]]
