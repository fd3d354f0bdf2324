"""The headers and the JSON that clients at other origins get from a project with both parts."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.adopters.cross_origin import PASSWORD, api
from tests.adopters.host import Host
from tests.site.visitor import Visitor

pytestmark = [pytest.mark.site, pytest.mark.exhaustive]
JSON = {"Content_Type": "application/json"}
LOGIN = json.dumps({"username": "alice", "password": PASSWORD}).encode()


@pytest.fixture(scope="module")
def made() -> Iterator[tuple[Host, int]]:
    with api() as made:
        yield made


@pytest.fixture
def visitor(made: tuple[Host, int]) -> Visitor:
    return Visitor(made[0])


@pytest.fixture
def partner(made: tuple[Host, int]) -> dict[str, str]:
    return {"Sec_Fetch_Site": "cross-site", "Origin": f"http://partner.localhost:{made[1]}"}


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/jwt/auth/login", JSON),
        ("/jwt/auth/refresh", JSON),
        ("/jwt/auth/logout", JSON),
        ("/session/auth/login", JSON),
        ("/notes", {"Accept": "*/*", "Content_Type": "text/plain"}),
        ("/notes", {"Accept": "application/json", "Content_Type": "application/x-www-form-urlencoded"}),
        ("/notes", {"Transfer_Encoding": "chunked"}),
        ("/nowhere", {"Accept": "*/*"}),
    ],
)
def test_a_script_is_refused_in_json_that_it_can_read(
    visitor: Visitor, partner: dict[str, str], path: str, headers: dict[str, str]
) -> None:
    answer = visitor.send("POST", path, None if "Transfer_Encoding" in headers else LOGIN, **partner, **headers)
    told = json.loads(answer.text)
    assert (answer.status, told["error"]) == (403, "Forbidden")
    assert told["detail"].startswith("Origin gate: Sec-Fetch-Site: cross-site is neither same-origin nor none.")
    assert answer.headers["Access-Control-Allow-Origin"] == partner["Origin"]
    assert not visitor.cookies


def test_a_body_without_a_length_is_refused_in_json(visitor: Visitor) -> None:
    answer = visitor.send("POST", "/notes", Transfer_Encoding="chunked")
    assert (answer.status, json.loads(answer.text)["error"]) == (411, "Length required")


def test_a_person_is_refused_in_text(visitor: Visitor, partner: dict[str, str]) -> None:
    answer = visitor.send("POST", "/accounts/login/", b"", Accept="text/html,*/*;q=0.8", **partner)
    assert (answer.status, answer.headers["Content-Type"]) == (403, "text/plain; charset=utf-8")
    assert answer.text.startswith("Origin gate: ")


def test_without_cookies_a_client_of_another_site_does_all(visitor: Visitor, partner: dict[str, str]) -> None:
    def send(method: str, path: str, body: Any = None, access: str = "") -> Any:
        bearer = {"Authorization": f"Bearer {access}"} if access else {}
        answer = visitor.send(method, path, json.dumps(body).encode() if body else None, **JSON, **partner, **bearer)
        assert answer.headers["Access-Control-Allow-Origin"] == partner["Origin"]
        return answer

    login = json.loads(send("POST", "/jwt/auth/login", json.loads(LOGIN) | {"transport": "body"}).text)
    renewed = json.loads(send("POST", "/jwt/auth/refresh", {"refreshToken": login["refreshToken"]}).text)
    assert send("POST", "/notes", {"text": "a"}, renewed["accessToken"]).status == 201
    assert send("POST", "/notes", {"text": "a"}, "wrong").status == 401
    assert send("POST", "/notes", {"text": "a"}).status == 403
    assert send("POST", "/jwt/auth/logout", {"refreshToken": renewed["refreshToken"]}).status == 200
    assert send("POST", "/notes", {"text": "a"}, renewed["accessToken"]).status == 401
    assert not visitor.cookies
