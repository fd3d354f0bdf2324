"""The OpenAPI description is true: requests that it allows are accepted, and those that it forbids are refused.

Schemathesis makes the requests from the running site's `/schema/`; they are the same in each run.
"""

import html
import os
import re
import uuid
from collections import Counter
from typing import Any

import pytest
import redis
from django.urls import get_resolver
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode, openapi
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.running import Site
from tests.sampling import sampled
from tests.site.backstage import Backstage
from tests.site.holder import LOGOUT, REFRESH, Holder
from tests.site.member import PATIENCE, Member

pytestmark = pytest.mark.site
LIKE, PASSWORD = "alice@example.com", "demo-only-alice"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
FLOWS = {"session": Member, "jwt": Holder}
# Addresses that end or replace the credential of the request.
LEAVING = [f"/{flow}/auth/{name}" for flow in FLOWS for name in ("logout", "logout-everywhere")] + [REFRESH]
BOUNDED = settings(
    max_examples=12,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def store(site: Site, db: int = 0) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(site.store_socket), db=db)


@pytest.fixture(scope="module")
def operations(site: Site) -> list[APIOperation]:
    """Every method of every address that the site describes."""
    return [found.ok() for found in openapi.from_url(f"{site.url}/schema/").get_all_operations()]


@pytest.mark.parametrize("flow", FLOWS)
def test_every_json_endpoint_is_described(operations: list[APIOperation], flow: str) -> None:
    described = {re.sub(r"\{.*?\}", "<>", operation.path) for operation in operations}
    resolver = next(found for found in get_resolver("config.urls").url_patterns if str(found.pattern) == f"{flow}/")
    routes = {f"/{flow}/" + re.sub(r"<.*?>", "<>", str(found.pattern)) for found in resolver.url_patterns}
    of_this_flow = {path for path in described if path.startswith(f"/{flow}/")}
    assert of_this_flow == {route for route in routes if "api/" in route or "auth/" in route}
    assert {path for path in described if path.startswith("/notes/")} == {"/notes/api/", "/notes/api/<>"}
    assert {path.split("/")[1] for path in described} == {*FLOWS, "notes"}


def test_what_is_described_as_closed_is_closed_and_nothing_else(site: Site, operations: list[APIOperation]) -> None:
    for operation in operations:
        closed = any({"session", "bearer"} & scheme.keys() for scheme in operation.definition.raw.get("security", []))
        path = operation.path.replace("{device}", str(uuid.uuid4())).replace("{id}", "1")
        body = None if operation.method.upper() == "GET" else {}
        answer = Member(site).send(operation.method.upper(), path, body)
        if path == REFRESH:  # its token is read from a cookie or the body, and is no security scheme of OpenAPI
            assert (closed, answer.status, answer.json) == (False, 401, {"error": "No refresh token"})
        else:
            assert (answer.status == 401) == closed, (operation.label, answer.status)


def test_tokens_and_their_bodies_are_described(operations: list[APIOperation]) -> None:
    described = {operation.path: operation.definition.raw for operation in operations if operation.path != "/jwt/api/"}
    named = {
        path: (name_of(raw.get("requestBody", {})), name_of(raw["responses"]["200"]))
        for path, raw in described.items()
        if path.startswith("/jwt/auth/")
    }
    assert named == {
        "/jwt/auth/login": ("TokenLoginBody", "TokensAnswer"),
        REFRESH: ("RefreshBody", "TokensAnswer"),
        "/jwt/auth/reauthenticate": ("ReauthenticateBody", "RenewedTokensAnswer"),
        "/jwt/auth/password": ("PasswordBody", "RenewedTokensAnswer"),
        LOGOUT: ("RefreshBody", "Message"),
        "/jwt/auth/logout-everywhere": (None, "Message"),
    }
    assert all({"400", "401", "403", "415", "503"} <= raw["responses"].keys() for raw in described.values())


def name_of(content: dict[str, Any]) -> str | None:
    """The name of the schema of a JSON body."""
    schema = content.get("content", {}).get("application/json", {}).get("schema", {})
    return schema.get("$ref", "").rpartition("/")[2] or None


# Fewer combinations suffice by default: without a login most bodies are not read, and both flows share code.
ASKED = [(flow, logged_in, mode) for flow in FLOWS for logged_in in (True, False) for mode in GenerationMode]


@pytest.mark.parametrize(
    ("flow", "logged_in", "mode"),
    sampled(ASKED, [("session", True, GenerationMode.POSITIVE), ("jwt", True, GenerationMode.NEGATIVE)]),
)
def test_answers_are_as_described_and_nothing_is_stored(
    site: Site, backstage: Backstage, operations: list[APIOperation], flow: str, logged_in: bool, mode: GenerationMode
) -> None:
    # A user for this test only, because logging out everywhere also ends logins that other tests left.
    [email] = backstage.ask("people", f"described-{flow}-{logged_in}-{mode.value}-".lower(), 1, LIKE)
    member = FLOWS[flow](site)
    if logged_in:
        assert member.log_in(email, PASSWORD).status == 200
    before = stored(site, backstage, email)
    # The notes take either credential.
    of_this_flow = [found for found in operations if found.path.startswith((f"/{flow}/", "/notes/"))]
    some = [found for found in of_this_flow if can_be(found, mode)]
    answers = {found.label: try_out(found, mode, member, email if logged_in else None) for found in some}
    assert len(answers) >= 4, answers
    if mode is GenerationMode.POSITIVE:  # a 403 elsewhere would come from the CSRF check
        assert {label for label, seen in answers.items() if 403 in seen} <= {f"GET /{flow}/api/staff"}, answers
        there = {label: seen for label, seen in answers.items() if "GET" in label and "{" not in label}
        assert all(200 in seen for seen in there.values() if logged_in and 403 not in seen)
    assert member.whoami() == (200 if logged_in else 401)
    assert stored(site, backstage, email) == before
    member.post(f"/{flow}/auth/logout")


def stored(site: Site, backstage: Backstage, email: str) -> list[Any]:
    """The live sessions in the database and in the store, and the number of the user's live families."""
    families = backstage.ask("outstanding_tokens", email).values()
    return [backstage.ask("live"), store(site).dbsize(), sum(not family["ended"] for family in families)]


def can_be(operation: APIOperation, mode: GenerationMode) -> bool:
    """Whether such requests can be made: without a body or a path parameter none can be wrong."""
    return mode is GenerationMode.POSITIVE or bool(operation.body or operation.path_parameters)


def try_out(operation: APIOperation, mode: GenerationMode, member: Member | Holder, email: str | None) -> Counter[int]:
    """Sends requests that the description allows, or forbids, as the user `email`, if any; returns the statuses."""
    statuses = Counter()
    store(member.site, 1).flushdb()  # otherwise all logins would be throttled
    checks = CHECKS + [negative_data_rejection] * (mode is GenerationMode.NEGATIVE)

    @given(case=operation.as_strategy(generation_mode=mode))
    @BOUNDED
    def one(case: Case) -> None:
        case.cookies = {}
        case.headers.pop("Authorization", None)
        response = case.call(base_url=member.site.url, headers=member.headers, timeout=PATIENCE)
        statuses[response.status_code] += 1
        if email and operation.path in LEAVING and response.status_code == 200:
            assert member.log_in(email, PASSWORD).status == 200
        # Schemathesis does not count 413 as a refusal, but it is one: the body is too long to be read.
        case.validate_response(response, checks=CHECKS if response.status_code == 413 else checks)

    one()
    return statuses


def test_the_description_has_no_gap_that_its_generator_sees(site: Site) -> None:
    site.manage("spectacular", "--validate", "--fail-on-warn", "--file", os.devnull)


def test_the_pages_that_show_it_load_nothing_from_elsewhere(site: Site) -> None:
    visitor = Member(site)
    page = visitor.get("/docs/", Accept="text/html")
    assert page.status == 200
    # A link to another page loads nothing.
    loaded = re.findall(r'<(?:script|link|img)\b[^>]* (?:src|href)="([^"]+)"', page.text)
    assert any("swagger-ui-bundle" in address for address in loaded)
    for address in loaded:
        assert re.match(r"/(?!/)", address), address
        assert visitor.get(html.unescape(address)).status == 200, address
    assert not re.search(r"(?:https?:)?//\w", page.text + visitor.get("/docs/?script=").text)
