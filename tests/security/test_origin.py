from typing import Any

import pytest
from django.conf import settings as configured
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import path as route
from pytest_django import Settings

from accounts.models import OutgoingMail, User
from security.models import SecurityEvent
from security.origin import SAFE_METHODS, OriginGate, came_from_here, decide, decides_origin, is_under_bearer
from security.refusals import Refused
from security.waits import Busy
from tests.conftest import PASSWORDS, Browser

HERE = "http://testserver"
PASS, FOREIGN = True, False
# Sec-Fetch-Site, Origin, and whether the request came from this site. `None` is an absent header.
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


TRUSTED = "https://app.example.org"


@pytest.mark.parametrize("site", [None, "same-origin", "none", "same-site", "cross-site", "odd"])
@pytest.mark.parametrize(
    ("origin", "passes"),
    [
        (TRUSTED, PASS),
        ("https://app.example.org:8443", FOREIGN),
        ("http://app.example.org", FOREIGN),
        ("https://APP.example.org", FOREIGN),
        ("https://app.example.org/", FOREIGN),
        ("https://evil.app.example.org", FOREIGN),
        ("https://app.example.org.evil.example", FOREIGN),
        (f"{TRUSTED}, {TRUSTED}", FOREIGN),
        ("*", FOREIGN),
        ("null", FOREIGN),
        ("", FOREIGN),
    ],
)
def test_a_trusted_origin_passes_by_its_exact_name(
    settings: Settings, site: str | None, origin: str, passes: bool
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://other.example.org", TRUSTED]
    request = RequestFactory().post("/", **headers(site, origin))
    assert came_from_here(request) is (passes or site in ("same-origin", "none"))


def test_no_wildcard_is_trusted_by_the_gate(settings: Settings) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://*.example.org"]
    for site in (None, "same-site", "cross-site"):
        assert not came_from_here(RequestFactory().post("/", **headers(site, TRUSTED)))


@pytest.mark.parametrize("site", ["same-site", "cross-site"])
def test_without_an_origin_a_trusted_site_is_foreign(settings: Settings, site: str) -> None:
    settings.CSRF_TRUSTED_ORIGINS = [TRUSTED]
    assert not came_from_here(RequestFactory().post("/", **headers(site, None), HTTP_REFERER=f"{TRUSTED}/"))


@pytest.mark.parametrize(
    ("value", "own", "is_bearer"),
    [
        ("Bearer a.b.c", {}, True),
        ("bearer a.b.c", {}, True),
        ("Bearer a.b.c", None, True),
        ("JWT a.b.c", {"AUTH_HEADER_TYPES": ("Bearer", "JWT")}, True),
        ("jwt a.b.c", {"AUTH_HEADER_TYPES": "JWT"}, True),
        ("Bearer a.b.c", {"AUTH_HEADER_TYPES": ["JWT"]}, True),
        ("JWT a.b.c", {}, False),
        ("", {"AUTH_HEADER_TYPES": [""]}, False),
        ("Bearera.b.c", {}, False),
        ("Basic YTpi", {}, False),
        *((f"{kind} x", {"AUTH_HEADER_TYPES": [kind]}, False) for kind in ("Basic", "Digest", "Negotiate", "NTLM")),
        ("Bearer a.b.c", {"AUTH_HEADER_NAME": "HTTP_X_TOKEN"}, False),
    ],
)
def test_a_bearer_header_is_one_that_no_browser_sends_by_itself(
    monkeypatch: pytest.MonkeyPatch, value: str, own: dict[str, Any] | None, is_bearer: bool
) -> None:
    monkeypatch.setattr(configured, "SIMPLE_JWT", own)
    assert is_under_bearer(RequestFactory().post("/", HTTP_AUTHORIZATION=value)) is is_bearer
    assert not is_under_bearer(RequestFactory().post("/"))


def test_the_header_of_a_token_has_the_name_that_simplejwt_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configured, "SIMPLE_JWT", {"AUTH_HEADER_NAME": "HTTP_X_TOKEN"})
    assert is_under_bearer(RequestFactory().post("/", HTTP_X_TOKEN="Bearer a.b.c"))


def sets_all(request: HttpRequest) -> HttpResponse:
    """A view without an origin decision of its own that sets cookies."""
    answer = HttpResponse("done")
    for name in (configured.SESSION_COOKIE_NAME, configured.CSRF_COOKIE_NAME, "__Host-refresh", "theirs"):
        answer.set_cookie(name, "value")
    return answer


@decides_origin
def forgets(request: HttpRequest) -> HttpResponse:
    """A view that is marked with `decides_origin`, but never decides."""
    return sets_all(request)


URLS = (route("forgets", forgets), route("plain", sets_all))


def through_the_gate(path: str, **given: Any) -> Any:
    request = RequestFactory().post(path, **given)
    request.urlconf = URLS  # type: ignore[attr-defined]
    return OriginGate(sets_all)(request)


ELSEWHERE = {"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_ORIGIN": "https://evil.example"}


@pytest.mark.parametrize(
    ("path", "given"),
    [("/forgets", {}), ("/plain", {"HTTP_AUTHORIZATION": "Bearer x"}), ("/forgets", {"HTTP_COOKIE": "a=b"})],
)
def test_what_is_exempt_is_answered_without_a_cookie_of_ours(path: str, given: dict[str, str]) -> None:
    assert through_the_gate(path, **given, **ELSEWHERE).cookies.keys() == {"theirs"}
    assert len(through_the_gate(path, **given).cookies) == 4


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("/plain", {}),
        ("/nowhere", {}),
        ("/plain", {"HTTP_AUTHORIZATION": "Basic x"}),
        *(
            ("/forgets", {"HTTP_COOKIE": f"{name}=x", "HTTP_AUTHORIZATION": "Bearer x"})
            for name in ("__Host-sessionid", "__Host-csrftoken", "__Host-refresh")
        ),
    ],
)
def test_nothing_else_is_exempt(path: str, given: dict[str, str]) -> None:
    assert through_the_gate(path, **given, **ELSEWHERE).status_code == 403
    assert through_the_gate(path, **given).status_code == 200


@pytest.mark.parametrize("exempt", [False, True])
@pytest.mark.parametrize("cookie", ["", "theme=dark", "__Host-refresh=x"])
def test_a_view_that_decides_does_not_rely_on_the_middleware(exempt: bool, cookie: str) -> None:
    decide(RequestFactory().post("/", HTTP_COOKIE=cookie), exempt)
    request = RequestFactory().post("/", HTTP_COOKIE=cookie, **ELSEWHERE)
    if exempt and "__Host-" not in cookie:
        decide(request, exempt)
        return
    with pytest.raises(Refused, match=r"cross-site is neither .* Send this"):
        decide(request, exempt, "Send this.")


def test_an_origin_that_is_not_trusted_is_told_the_setting() -> None:
    answer = through_the_gate("/plain", **ELSEWHERE)
    assert answer.sentence.endswith(" CSRF_TRUSTED_ORIGINS does not name this Origin.")
    assert "evil" not in answer.sentence
    assert "CSRF_TRUSTED" not in through_the_gate("/plain", HTTP_SEC_FETCH_SITE="same-site").sentence


@pytest.mark.parametrize("path", ["/session/auth/login", "/session/login/", "/jwt/auth/logout", "/nowhere"])
@pytest.mark.parametrize("origin", [TRUSTED, "https://evil.example"])
def test_a_refusal_carries_the_headers_of_cors_that_a_project_has_set(
    db: None, settings: Settings, path: str, origin: str
) -> None:
    """Without these headers a script could not read why it was refused. The gate adds none of its own."""
    settings.MIDDLEWARE = ["corsheaders.middleware.CorsMiddleware", *settings.MIDDLEWARE]
    settings.CORS_ALLOWED_ORIGINS, settings.CORS_ALLOW_CREDENTIALS = [TRUSTED], True
    answer = Browser().post(path, {}, "application/json", **headers("cross-site", origin))
    assert (answer.status_code, answer.json()["error"]) == (403, "Forbidden")
    allowed = (answer.get("Access-Control-Allow-Origin"), answer.get("Access-Control-Allow-Credentials"))
    assert allowed == ((TRUSTED, "true") if origin == TRUSTED else (None, None))


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


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_a_password_that_waited_in_vain_is_a_503_in_a_page_of_the_project_too(accept: str) -> None:
    """Django's own login page and the admin's do not catch `Busy`. Without the gate the response would be a 500."""
    request = RequestFactory().post("/admin/login/", HTTP_ACCEPT=accept)
    answer = OriginGate(lambda request: HttpResponse()).process_exception(request, Busy("in vain"))
    assert answer is not None
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert b"Too many people log in at once" in b"".join(answer)  # type: ignore[arg-type]
    assert OriginGate(lambda request: HttpResponse()).process_exception(request, ValueError()) is None
