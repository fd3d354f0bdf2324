"""A cookie of the site is accepted only under its exact name, and only once in a request."""

from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.http.cookie import parse_cookie
from django.test import RequestFactory

from jwt_demo.conf import conf as jwt_conf
from tests.conftest import Browser
from tests.cookies import BLANKS, as_wsgi, look_alikes
from tests.jwt_demo.conftest import REFRESH, Holder
from tests.sessions_demo.conftest import CSRF, LOGOUT, SESSION, WHOAMI, Visitor, logged_in

REFRESH_COOKIE = jwt_conf.JWT_REFRESH_COOKIE_NAME
OURS = [SESSION, CSRF, REFRESH_COOKIE, "__Host-lab", "__Secure-x"]
NAMES = pytest.mark.parametrize("name", OURS)
EACH_BLANK = pytest.mark.parametrize("blank", BLANKS, ids=lambda blank: f"U+{ord(blank):04X}")


def seen(line: str) -> dict[str, str]:
    """The site's own cookies as a view gets them for this `Cookie` header."""
    from security.cookies import ExactCookiesMiddleware, is_ours

    found: dict[str, str] = {}

    def view(request: HttpRequest) -> HttpResponse:
        found.update(request.COOKIES)
        assert request.headers["Cookie"] == request.META["HTTP_COOKIE"]
        # An ASGI request parses the header again, and must find the same.
        for name, value in parse_cookie(request.META["HTTP_COOKIE"]).items():
            assert not is_ours(name) or found[name] == value
        return HttpResponse()

    ExactCookiesMiddleware(view)(RequestFactory().get("/", HTTP_COOKIE=as_wsgi(line)))
    return {name: value for name, value in found.items() if is_ours(name)}


def whoami(line: str) -> int:
    return int(Browser().get(WHOAMI, HTTP_COOKIE=as_wsgi(line)).status_code)


@EACH_BLANK
def test_a_name_with_any_blank_in_it_is_not_ours(blank: str) -> None:
    for name, planted in [(ours, planted) for ours in OURS for planted in look_alikes(ours, blank)]:
        assert name not in seen(f"{planted}=evil")
        for line in (f"{name}=own; {planted}=evil", f"{planted}=evil; {name}=own", f"{planted}=evil;{name}=own;"):
            assert seen(line)[name] == "own", line
        for value in ('"evil"', '"', "a=b", ""):
            assert seen(f"{name}=own; {planted}={value}")[name] == "own"


@NAMES
@pytest.mark.parametrize("separator", ["; ", ";", " ; ", "\t;\t"])
def test_the_exact_name_is_ours_with_the_blanks_that_browsers_strip(name: str, separator: str) -> None:
    assert seen(f"{name}=own") == seen(f"  {name} =own") == {name: "own"}
    assert seen(separator.join(["a=b", f"{name}=own", "c=d"])) == {name: "own"}


@NAMES
def test_of_a_name_that_stands_twice_none_is_believed(name: str) -> None:
    assert seen(f"{name}=own; {name}=evil") == {}
    assert seen(f"{name}=own; a=b; {name} =own") == {}
    other = SESSION if name != SESSION else CSRF
    assert seen(f"{name}=own; {name}=evil; {other}=own") == {other: "own"}


@NAMES
def test_a_name_in_another_case_is_another_name(name: str) -> None:
    for planted in {name.lower(), name.upper(), name.swapcase()} - {name}:
        assert name not in seen(f"{planted}=evil")
        assert seen(f"{name}=own; {planted}=evil")[name] == "own"


@NAMES
def test_quotes_and_missing_names_make_no_cookie_of_ours(name: str) -> None:
    for planted in (f'"{name}"=evil', f"={name}=evil", f"{name}", f'a="{name}=evil"', f"$Version={name}=evil", "="):
        assert seen(planted) == {}
        assert seen(f"{planted}; {name}=own") == seen(f"{name}=own; {planted}") == {name: "own"}


FOREIGN = [
    *(b"\xff\xfe=\x80", b"x", b"=x", b"", b"\xe2\x80", b"a=\xe2\x80", b'a="', b'"=a', "ä=ö".encode(), b"\xa0=\x85"),
    *("\u2000a=1".encode(), b"a=1; a=2", b"x" * 4000, b"a" + b"=" * 50, b"__Host", b"\xe2\x80\x80"),
]


@pytest.mark.parametrize("bytes_", FOREIGN, ids=repr)
def test_no_cookie_of_somebody_else_harms_ours(bytes_: bytes) -> None:
    theirs = bytes_.decode("latin-1")
    for line in (f"{theirs}; {SESSION}=own; {CSRF}=too", f"{SESSION}=own; {theirs}; {CSRF}=too"):
        request = RequestFactory().get("/", HTTP_COOKIE=line)
        from security.cookies import ExactCookiesMiddleware

        ExactCookiesMiddleware(lambda request: HttpResponse())(request)
        assert (request.META["HTTP_COOKIE"], request.COOKIES[SESSION], request.COOKIES[CSRF]) == (line, "own", "too")


def test_cookies_that_were_read_too_early_are_read_again() -> None:
    from security.cookies import ExactCookiesMiddleware

    request = RequestFactory().get("/", HTTP_COOKIE=as_wsgi(f"\u2000{SESSION}=evil"))
    assert request.COOKIES[SESSION] == "evil"
    ExactCookiesMiddleware(lambda request: HttpResponse())(request)
    assert SESSION not in request.COOKIES


def test_a_request_without_cookies_is_left_alone() -> None:
    from security.cookies import ExactCookiesMiddleware

    request = RequestFactory().get("/")
    del request.META["HTTP_COOKIE"]
    ExactCookiesMiddleware(lambda request: HttpResponse())(request)
    assert "HTTP_COOKIE" not in request.META


@pytest.mark.usefixtures("alice", "bob")
@pytest.mark.parametrize("blank", ["\u2000", "\x85", "\xa0", "\x1c", "\x0b", "\u3000"], ids=ascii)
def test_a_session_that_a_sibling_host_planted_is_not_seen(blank: str) -> None:
    alices, bobs = logged_in().session_id, logged_in("bob@example.com").session_id
    for planted in look_alikes(SESSION, blank):
        assert whoami(f"{planted}={bobs}") == 401
        for line in (f"{SESSION}={alices}; {planted}={bobs}", f"{planted}={bobs}; {SESSION}={alices}"):
            answer = Browser().get(WHOAMI, HTTP_COOKIE=as_wsgi(line))
            assert answer.status_code == 200, line
            assert answer.json() == Browser().get(WHOAMI, HTTP_COOKIE=f"{SESSION}={alices}").json()
    assert whoami(f"{SESSION}={bobs}") == 200


@pytest.mark.usefixtures("alice", "bob")
def test_a_planted_double_is_no_login_and_changes_no_cookie() -> None:
    alices, bobs = logged_in().session_id, logged_in("bob@example.com").session_id
    answer = Browser().get(WHOAMI, HTTP_COOKIE=f"{SESSION}={alices}; {SESSION}={bobs}")
    assert (answer.status_code, answer.cookies) == (401, {})
    assert whoami(f"{SESSION}={alices}") == 200


@pytest.mark.usefixtures("alice")
def test_a_planted_csrf_cookie_lets_no_other_site_write() -> None:
    visitor: Any = logged_in()
    own, evil = "o" * 32, "e" * 32
    for token, planted, status in (
        (evil, f"\u2000{CSRF}={evil}", 403),
        (own, f"\u2000{CSRF}={evil}; {CSRF}={own}", 200),
    ):
        line = as_wsgi(f"{SESSION}={visitor.session_id}; {planted}")
        answer = Visitor().call("POST", LOGOUT, token=token, HTTP_COOKIE=line)
        assert answer.status_code == status
        assert whoami(f"{SESSION}={visitor.session_id}") == (401 if status == 200 else 200)


@pytest.mark.usefixtures("alice")
def test_a_planted_refresh_token_is_not_seen() -> None:
    holder = Holder()
    assert holder.sign_in().status_code == 200
    line = as_wsgi(f"\u2000{REFRESH_COOKIE}={holder.refresh}")
    answer = Holder().call("POST", REFRESH, HTTP_COOKIE=line)
    assert (answer.status_code, answer.json()) == (401, {"error": "No refresh token"})
    assert holder.rotate().status_code == 200


@pytest.mark.usefixtures("db")
def test_a_csrf_cookie_that_the_browser_has_is_not_set_again() -> None:
    """Otherwise a response from before a login that arrives late would replace the login's new cookie."""
    browser = Browser()
    first = browser.get("/session/login/")
    assert first.cookies[CSRF].value
    again = browser.get("/session/login/")
    assert b"csrfmiddlewaretoken" in again.content
    assert CSRF not in again.cookies
    browser.cookies[CSRF] = "not a token"
    assert browser.get("/session/login/").cookies[CSRF].value != "not a token"


@pytest.mark.usefixtures("alice")
def test_a_login_gives_a_new_csrf_cookie() -> None:
    visitor = Visitor()
    visitor.get("/session/login/")
    before = visitor.cookies[CSRF].value
    assert visitor.sign_in().cookies[CSRF].value not in ("", before)
