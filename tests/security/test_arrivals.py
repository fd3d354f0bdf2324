"""A visit from another site changes no cookie of a user who is logged in (D9)."""

import html
import re
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from jwt_demo.conf import conf as jwt_conf
from tests.conftest import Browser
from tests.running import Store
from tests.sessions_demo.conftest import CSRF, SESSION, Visitor, logged_in

pytestmark = pytest.mark.usefixtures("db")
FROM_ELSEWHERE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Accept": "text/html,*/*;q=0.8"}
PAGES = [
    *("/", "/session/login/", "/session/profile/", "/accounts/register/", "/accounts/password/reset/", "/admin/"),
    *(
        "/session/api/",
        "/jwt/",
        "/docs/",
        "/nothing/",
        "/accounts/mail/?page=2",
        "/session/login/?next=/session/staff/",
    ),
]


def arrive(path: str, method: str = "GET", cookies: dict[str, str] | None = None, **headers: str) -> Any:
    """Opens a page by a link on another site. Returns the response."""
    client = Client(enforce_csrf_checks=True, headers=FROM_ELSEWHERE | headers)
    for name, value in (cookies or {}).items():
        client.cookies[name] = value
    return client.generic(method, path)


def address(answer: Any) -> str:
    """The address that the response leads to, by its refresh and by its link."""
    page = answer.content.decode()
    [refresh] = re.findall(r'<meta http-equiv="refresh" content="0;url=([^"]*)">', page)
    [link] = re.findall(r'<a class="button" href="([^"]*)">Continue</a>', page)
    assert refresh == link
    return html.unescape(refresh)


def test_a_project_without_the_setting_is_served_too(settings: Settings) -> None:
    del settings.ARRIVALS_EXEMPT
    assert address(arrive("/session/login/")) == "/session/login/"
    assert arrive("/static/site.css").status_code == 404


def test_a_cookie_that_a_sibling_may_set_is_none_of_those_that_are_withheld() -> None:
    answer = arrive("/session/login/", cookies={"__Secure-theme": "dark"})
    assert address(answer) == "/session/login/"
    assert not answer.cookies


@pytest.mark.parametrize("path", PAGES)
def test_a_page_that_another_site_opens_is_asked_for_once_more_from_here(path: str, store: Store) -> None:
    answer = arrive(path)
    assert (answer.status_code, answer["Cache-Control"], answer.cookies) == (200, "no-store", {})
    assert "Sec-Fetch-Site" in answer["Vary"]
    assert address(answer) == path
    assert store.client(0).dbsize() == 0
    again = Browser({"Sec-Fetch-Mode": "navigate"}).get(address(answer))
    assert b'http-equiv="refresh"' not in again.content
    head = arrive(path, "HEAD")
    assert (head.status_code, head.content, head.cookies) == (200, b"", {})


@pytest.mark.parametrize(
    "path",
    [
        *("//evil.example/", "///evil.example", "/\\evil.example", "//evil.example?next=//evil.example", "////"),
        *('/"><script>alert(1)</script>', "/?a='\"><script>&b=;url=//evil.example", "/x;url=//evil.example", "/?;,'"),
        *("/\u00e4/?q=\u00f6", "/%0d%0aX:y", "/?q=%22%3E&next=https://evil.example/"),
    ],
)
def test_it_leads_to_no_other_site(path: str) -> None:
    raw, _, query = path.partition("?")
    client = Client(headers=FROM_ELSEWHERE)
    # PATH_INFO as a server passes it: Django's test client would remove a host name from the path.
    answer = client.get("/", PATH_INFO=raw.encode().decode("latin-1"), QUERY_STRING=query.encode().decode("latin-1"))
    where = address(answer)
    assert urlsplit(urljoin("http://localhost/a/b", where)).netloc == "localhost"
    assert where.startswith("/")
    assert not where.startswith(("//", "/\\"))
    assert not set(where) & set('"<> \\\r\n')
    assert b"<script>alert" not in answer.content


@pytest.mark.parametrize("path", ["/static/site.css", "/static/nothing.css", "/healthz", "/readyz"])
def test_what_is_no_page_is_answered_at_once(path: str) -> None:
    answer = arrive(path)
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    assert b'http-equiv="refresh"' not in content
    assert not answer.cookies


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Mode": "cors"},
        {"Accept": "application/json"},
    ],
    ids=str,
)
def test_who_asks_from_here_or_for_no_page_is_answered_at_once(headers: dict[str, str]) -> None:
    answer = arrive("/session/login/", **headers)
    assert b'http-equiv="refresh"' not in answer.content
    assert answer.status_code == 200


@pytest.mark.parametrize("name", [SESSION, CSRF, jwt_conf.JWT_REFRESH_COOKIE_NAME])
def test_a_browser_that_sends_a_cookie_of_ours_is_answered_at_once(name: str) -> None:
    """The browser has withheld no cookie. A second request would bring nothing, and could repeat without end."""
    assert b'http-equiv="refresh"' not in arrive("/session/login/", cookies={name: "a" * 32}).content
    assert b'http-equiv="refresh"' in arrive("/session/login/", cookies={"theirs": "1"}).content


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/session/logout/", "/session/login/", "/accounts/register/", "/session/auth/login"])
def test_another_sites_form_is_refused_and_sets_no_cookie(path: str, method: str) -> None:
    answer = arrive(path, method)
    assert (answer.status_code, answer.cookies) == (403, {})


def test_the_button_of_an_open_tab_works_after_a_visit_from_another_site(alice: User) -> None:
    visitor: Visitor = logged_in()
    page = visitor.get("/session/profile/").content.decode()
    token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[0]
    before = {name: morsel.value for name, morsel in visitor.cookies.items()}
    # The browser sends none of its cookies, but stores those of the response.
    for name, morsel in arrive("/session/login/").cookies.items():
        visitor.cookies[name] = morsel.value
    assert {name: morsel.value for name, morsel in visitor.cookies.items()} == before
    assert visitor.get("/session/profile/").status_code == 200
    assert visitor.post("/session/logout/", {"csrfmiddlewaretoken": token}).status_code == 200
