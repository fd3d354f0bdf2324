from typing import Any

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from accounts.models import OutgoingMail, User
from security.models import SecurityEvent
from security.origin import SAFE_METHODS, came_from_here
from tests.conftest import PASSWORDS, Browser

HERE = "http://testserver"
PASS, FOREIGN = True, False
# Sec-Fetch-Site, Origin, whether it came from here. `None` is an absent header.
REQUESTS = [
    ("same-origin", None, PASS),
    ("none", None, PASS),
    ("cross-site", None, FOREIGN),
    ("same-site", None, FOREIGN),
    ("same-origin", HERE, PASS),
    ("none", HERE, PASS),
    ("cross-site", HERE, FOREIGN),
    ("same-site", HERE, FOREIGN),
    ("cross-site", "https://evil.example", FOREIGN),
    ("", None, FOREIGN),
    ("Same-Origin", None, FOREIGN),
    ("SAME-ORIGIN", HERE, FOREIGN),
    (" same-origin", None, FOREIGN),
    ("same-origin,same-origin", None, FOREIGN),
    ("same-origin, cross-site", None, FOREIGN),
    ("something-new", HERE, FOREIGN),
    (None, None, PASS),
    (None, HERE, PASS),
    (None, "null", FOREIGN),
    (None, "", FOREIGN),
    (None, "https://testserver", FOREIGN),
    (None, "http://testserver:81", FOREIGN),
    (None, "http://testserver:80", FOREIGN),
    (None, "http://sub.testserver", FOREIGN),
    (None, "http://testserver.evil.example", FOREIGN),
    (None, "http://evil.example", FOREIGN),
    (None, "http://TESTSERVER", FOREIGN),
    (None, "HTTP://testserver", FOREIGN),
    (None, "http://testserver/", FOREIGN),
    (None, "testserver", FOREIGN),
    (None, f"{HERE},{HERE}", FOREIGN),
    (None, f"{HERE} https://evil.example", FOREIGN),
]


def headers(site: str | None, origin: str | None) -> dict[str, str]:
    given = {"HTTP_SEC_FETCH_SITE": site, "HTTP_ORIGIN": origin}
    return {name: value for name, value in given.items() if value is not None}


@pytest.mark.parametrize(("site", "origin", "passes"), REQUESTS)
def test_only_what_came_from_here_passes(site: str | None, origin: str | None, passes: bool) -> None:
    assert came_from_here(RequestFactory().post("/", **headers(site, origin))) is passes


@pytest.mark.parametrize(("site", "origin", "passes"), REQUESTS)
def test_a_foreign_login_is_refused_before_anything_happens(
    admin: User, browser: Browser, site: str | None, origin: str | None, passes: bool
) -> None:
    del browser.defaults["HTTP_SEC_FETCH_SITE"]
    answer = browser.log_in(admin.email, **headers(site, origin))
    assert answer.status_code == (302 if passes else 403)
    assert bool(browser.session_id) is passes
    assert SecurityEvent.objects.exists() is passes


@pytest.mark.parametrize(
    "path", ["/accounts/register/", "/accounts/password/reset/", "/admin/logout/", "/accounts/password/"]
)
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_foreign_form_with_the_right_token_changes_nothing(
    alice: User, browser: Browser, path: str, site: str
) -> None:
    browser.force_login(alice)
    data = {"email": alice.email, "name": "A", "old_password": PASSWORDS[alice.email]}
    data |= {"new_password1": "kqzvwxyj", "new_password2": "kqzvwxyj"}
    assert browser.submit(path, data, headers={"Sec-Fetch-Site": site}).status_code == 403
    assert browser.get("/accounts/password/").status_code == 200
    alice.refresh_from_db()
    assert alice.check_password(PASSWORDS[alice.email])
    assert not OutgoingMail.objects.exists()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND", "post"])
def test_every_method_that_could_change_something_is_gated(db: None, browser: Browser, method: str) -> None:
    assert browser.generic(method, "/", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


@pytest.mark.parametrize("method", SAFE_METHODS)
def test_links_from_elsewhere_are_followed(db: None, browser: Browser, method: str) -> None:
    assert browser.generic(method, "/", headers={"Sec-Fetch-Site": "cross-site"}).status_code != 403


def test_behind_a_proxy_the_scheme_is_the_visitors(settings: Settings) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    for origin, passes in (("https://testserver", True), ("http://testserver", False)):
        request = RequestFactory().post("/", HTTP_ORIGIN=origin, HTTP_X_FORWARDED_PROTO="https", HTTP_HOST="testserver")
        assert came_from_here(request) is passes


@pytest.mark.parametrize("token", ["none", "wrong", "another session's"])
def test_from_here_but_without_the_right_token_is_refused_too(alice: User, browser: Browser, token: str) -> None:
    browser.force_login(alice)
    own = browser.get("/accounts/password/").cookies["__Host-csrftoken"].value
    tokens: dict[str, Any] = {"none": {}, "wrong": {"csrfmiddlewaretoken": "A" * 32}}
    other = Browser().get("/accounts/register/").cookies["__Host-csrftoken"].value
    assert other != own
    data = {"old_password": PASSWORDS[alice.email], "new_password1": "kqzvwxyj", "new_password2": "kqzvwxyj"}
    answer = browser.post("/accounts/password/", data | tokens.get(token, {"csrfmiddlewaretoken": other}))
    assert answer.status_code == 403
    alice.refresh_from_db()
    assert alice.check_password(PASSWORDS[alice.email])
