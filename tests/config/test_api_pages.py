"""The pages of the APIs: the browsable API and the documentation, as pages of this site."""

import re

import pytest
from django.urls import resolve

from accounts.models import User
from config.endpoints import endpoints
from security.views import JsonView
from tests.config.test_urls import PATHS
from tests.conftest import Browser
from tests.running import Store

HTML = {"HTTP_ACCEPT": "text/html"}
# The lab's one answers with JSON only.
API = [
    path
    for path in PATHS
    if issubclass(getattr(resolve(path).func, "cls", object), JsonView) and not path.startswith("/lab/")
]


@pytest.mark.parametrize("path", API)
def test_the_page_of_an_address_says_in_words_what_it_is(admin: User, browser: Browser, path: str) -> None:
    view = resolve(path).func.cls  # type: ignore[attr-defined]
    for _ in ("anonymous", "logged in"):
        page = browser.get(path, **HTML).content.decode()
        assert '<html lang="en">' in page
        [title] = re.findall("<h1>(.*)</h1>", page)
        assert title not in {view.__name__, ""}
        assert "<title>" + title in page
        assert '<p class="lead"></p>' not in page
        browser.force_login(admin)


def test_the_table_names_every_endpoint() -> None:
    listed = {re.sub("{.*}", "x", endpoint.path) for those in endpoints().values() for endpoint in those}
    assert {re.sub("/(1|0000.*)$", "/x", path) for path in API} == listed


def test_the_table_says_what_an_endpoint_needs() -> None:
    needs = {(it.method, it.path): it.needs for those in endpoints().values() for it in those}
    assert needs["GET", "/session/api/"] == ""
    assert needs["POST", "/session/auth/password"] == "session cookie and CSRF token"
    assert needs["POST", "/notes/api/"] == "access token, or session cookie and CSRF token"


def test_a_page_of_the_token_api_does_not_offer_a_login_to_who_has_a_session(admin: User, browser: Browser) -> None:
    browser.force_login(admin)
    page = browser.get("/jwt/api/", **HTML).content.decode()
    assert "Session: not looked up" in page
    assert ">Register</a>" not in page


@pytest.mark.parametrize("path", ["/session/api/", "/session/api/whoami", "/session/auth/login", "/jwt/api/whoami"])
def test_while_redis_is_away_the_page_is_no_500(admin: User, browser: Browser, store: Store, path: str) -> None:
    browser.force_login(admin)
    browser.raise_request_exception = False
    store.kill()
    assert browser.get(path, **HTML).status_code in (401, 405, 503)
