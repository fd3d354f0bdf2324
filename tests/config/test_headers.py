import html
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from csp.constants import NONCE, SELF
from csp.decorators import csp_exempt, csp_update
from csp.utils import build_policy
from django.conf import settings as configured
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from pytest_django import Settings

from accounts.models import User
from config.headers import PolicyMiddleware, SecurityHeadersMiddleware
from tests.conftest import Browser

PAGES = [
    "/",
    "/accounts/register/",
    "/accounts/password/reset/",
    "/accounts/password/",
    "/jwt/",
    "/notes/",
    "/healthz",
    "/readyz",
    "/nothing",
]
ADMIN = ["/admin/", "/admin/login/", "/admin/accounts/user/", "/admin/nothing/"]
STRICT = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
TRUSTED_TYPES = {"require-trusted-types-for": "'script'", "trusted-types": "'none'"}


@pytest.fixture
def static_file() -> Iterator[str]:
    file = Path(configured.STATIC_ROOT) / "headers.js"
    file.write_text("1")
    yield "/static/headers.js"
    file.unlink()


def policy(answer: object) -> dict[str, str]:
    header = answer["Content-Security-Policy"]  # type: ignore[index]
    return dict(part.strip().split(" ", 1) for part in header.split(";"))


@pytest.mark.parametrize("path", PAGES)
def test_our_pages_have_the_strict_policy(admin: User, browser: Browser, path: str) -> None:
    for _ in ("anonymous", "logged in"):
        assert policy(browser.get(path)) == STRICT | TRUSTED_TYPES
        browser.force_login(admin)


@pytest.mark.parametrize("path", ADMIN)
def test_the_admin_loses_trusted_types_and_nothing_else(admin: User, browser: Browser, path: str) -> None:
    for _ in ("anonymous", "logged in"):
        assert policy(browser.get(path)) == STRICT
        browser.force_login(admin)


@pytest.mark.parametrize("path", ["/administrator", "//admin/", "/x/admin/", "/admin", "/ADMIN/"])
def test_only_the_admin_loses_them(db: None, browser: Browser, path: str) -> None:
    assert policy(browser.get(path)) == STRICT | TRUSTED_TYPES


@pytest.mark.parametrize("path", [*PAGES, *ADMIN])
def test_every_answer_carries_the_headers(admin: User, browser: Browser, path: str) -> None:
    browser.force_login(admin)
    for method in (browser.get, browser.head, browser.options, browser.put, browser.post):
        answer = method(path)
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Referrer-Policy"] == "same-origin"
        assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]
        assert "Strict-Transport-Security" not in answer.headers


def test_static_files_carry_them_too(browser: Browser, static_file: str) -> None:
    answer = browser.get(static_file)
    assert answer.status_code == 200
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Content-Type"].startswith("text/javascript")
    assert policy(answer) == STRICT | TRUSTED_TYPES


@pytest.mark.parametrize(
    "path", ["/static/../config/settings.py", "/static/%2e%2e/db.sqlite3", "/static//etc/passwd", "/static/"]
)
def test_no_other_file_is_static(db: None, browser: Browser, static_file: str, path: str) -> None:
    assert browser.get(path).status_code == 404


@pytest.fixture
def behind_tls(settings: Settings) -> None:
    """Sets what DEMO=0 sets. tests/config/test_settings.py proves that DEMO=0 does so."""
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60


@pytest.mark.usefixtures("behind_tls")
@pytest.mark.parametrize("path", ["/", "/nothing", "/accounts/password/", "/admin/login/"])
def test_under_tls_the_browser_is_told_to_stay_there(db: None, browser: Browser, path: str) -> None:
    answer = browser.get(path, secure=True)
    assert answer["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.usefixtures("behind_tls")
def test_other_hosts_are_told_too_where_that_was_asked_for(db: None, browser: Browser, settings: Settings) -> None:
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = True
    answer = browser.get("/", secure=True)
    assert answer["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"


@pytest.mark.usefixtures("behind_tls")
def test_a_refused_host_carries_the_headers_too(db: None, browser: Browser) -> None:
    for secure in (True, False):
        answer = browser.get("/", secure=secure, headers={"Host": "evil.example"})
        assert answer.status_code == 400
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert ("Strict-Transport-Security" in answer.headers) is secure
        assert "Location" not in answer.headers


@pytest.mark.usefixtures("behind_tls")
def test_without_tls_one_is_sent_there_but_for_the_supervisor(db: None, browser: Browser) -> None:
    answer = browser.get("/accounts/register/?a=b")
    assert (answer.status_code, answer["Location"]) == (301, "https://testserver/accounts/register/?a=b")
    assert policy(answer) == STRICT | TRUSTED_TYPES
    assert browser.get("/healthz").status_code == 200


@pytest.mark.parametrize("path", ["/", "/healthz", "/accounts/register/", "/admin/login/", "/nothing"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://sub.testserver"])
def test_no_other_origin_may_read_an_answer(db: None, browser: Browser, path: str, origin: str) -> None:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    for method in (browser.get, browser.options, browser.post):
        answer = method(path, headers=asked)
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
        assert answer.status_code != 500


@pytest.mark.parametrize("path", ["/accounts/password/", "/admin/", "/accounts/register/"])
def test_what_is_about_someone_is_not_kept(admin: User, browser: Browser, path: str) -> None:
    browser.force_login(admin)
    answer = browser.get(path)
    assert "no-store" in answer["Cache-Control"]
    assert "Cookie" in answer["Vary"]


def test_a_csrf_cookie_is_bound_to_this_host(db: None, browser: Browser) -> None:
    cookie = browser.get("/accounts/register/").cookies["__Host-csrftoken"]
    assert (cookie["secure"], cookie["samesite"], cookie["path"], cookie["domain"]) == (True, "Strict", "/", "")


# ── A proxy that does not say what it must ────────────────────────────────────────────────────

LOOPS: dict[str, tuple[int, dict[str, str], str]] = {
    "no header": (1, {"X-Forwarded-For": "192.0.2.1"}, "the proxy in front of it sent no X-Forwarded-Proto"),
    "an empty one": (1, {"X-Forwarded-Proto": ""}, "the proxy in front of it sent no X-Forwarded-Proto"),
    "in capitals": (
        1,
        {"X-Forwarded-Proto": "HTTPS"},
        "X-Forwarded-Proto: HTTPS, which is neither http nor https",
    ),
    "two proxies": (2, {"X-Forwarded-For": "192.0.2.1, 192.0.2.2"}, "sent no X-Forwarded-Proto"),
    "not trusted": (
        0,
        {"X-Forwarded-Proto": "https"},
        "the header X-Forwarded-Proto), but TRUSTED_PROXIES is 0",
    ),
    "only an address": (0, {"X-Forwarded-For": "192.0.2.1"}, "X-Forwarded-For), but TRUSTED_PROXIES is 0"),
}


def trust(settings: Settings, proxies: int) -> None:
    """Sets what TRUSTED_PROXIES sets."""
    settings.TRUSTED_PROXIES = proxies
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if proxies else None


@pytest.mark.usefixtures("behind_tls")
@pytest.mark.parametrize("loop", LOOPS)
def test_a_redirect_that_would_never_end_is_a_sentence_about_the_proxy(
    db: None, settings: Settings, browser: Browser, log: Any, loop: str
) -> None:
    proxies, headers, sentence = LOOPS[loop]
    trust(settings, proxies)
    for method in (browser.get, browser.post):
        answer = method("/session/login/", headers=headers)
        assert (answer.status_code, "Location" in answer) == (400, False)
        assert sentence in html.unescape(answer.content.decode())
        assert "no-store" in answer["Cache-Control"]
        assert policy(answer) == STRICT | TRUSTED_TYPES
    told = browser.get("/jwt/api/whoami", headers=headers).json()
    assert (told["error"], sentence in told["detail"]) == ("Bad request", True)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    refused = [line for line in lines if line["logger"] == "site.security"]
    assert {(line["level"], line["check"], sentence in line["reason"]) for line in refused} == {
        ("WARNING", "https", True)
    }
    for path in ("/healthz", "/readyz"):
        assert browser.get(path, headers=headers).status_code == 200
    # The positive control: the proxy says https.
    trust(settings, 1)
    assert browser.get("/session/login/", headers={"X-Forwarded-Proto": "https"}).status_code == 200


@pytest.mark.usefixtures("behind_tls")
@pytest.mark.parametrize(
    ("proxies", "headers"),
    [(0, {}), (1, {"X-Forwarded-Proto": "http"}), (2, {"X-Forwarded-Proto": "http, https", "X-Forwarded-For": "x"})],
)
def test_a_visit_by_http_is_sent_to_https(
    db: None, settings: Settings, browser: Browser, proxies: int, headers: dict[str, str]
) -> None:
    trust(settings, proxies)
    answer = browser.get("/session/login/", headers=headers)
    assert (answer.status_code, answer["Location"]) == (301, "https://testserver/session/login/")


def test_without_the_redirect_a_proxy_may_say_what_it_likes(db: None, settings: Settings, browser: Browser) -> None:
    trust(settings, 1)
    assert browser.get("/session/login/", headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 200


# ── Built once ────────────────────────────────────────────────────────────────────────────────


def test_a_policy_is_built_once_and_not_at_each_request(
    db: None, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Any] = []

    def build(*args: Any, **options: Any) -> str:
        built.append(args)
        return str(build_policy(*args, **options))

    monkeypatch.setattr("csp.middleware.build_policy", build)
    paths = ["/healthz", "/nothing", "/admin/login/", "/docs/", "/session/api/whoami"]
    first = [browser.get(path)["Content-Security-Policy"] for path in paths]
    before = len(built)
    assert [browser.get(path)["Content-Security-Policy"] for path in paths] == first
    assert len(set(first)) == 3
    assert before > 0 == len(built) - before


def answered(middleware: type, view: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
    """The response of `view`, which is the second one that passes this middleware."""
    answers = iter([lambda request: HttpResponse(), view])
    chain = middleware(lambda request: next(answers)(request))
    chain(RequestFactory().get("/"))
    answer: HttpResponse = chain(RequestFactory().get("/"))
    return answer


@pytest.mark.parametrize("name", ["Referrer-Policy", "X-Content-Type-Options", "Cross-Origin-Opener-Policy"])
def test_a_header_that_a_view_has_set_stays(name: str) -> None:
    answer = answered(SecurityHeadersMiddleware, lambda request: HttpResponse(headers={name.lower(): "mine"}))
    assert [value for key, value in answer.items() if key.lower() == name.lower()] == ["mine"]


def test_a_view_with_a_policy_of_its_own_gets_it() -> None:
    own = csp_update({"img-src": "https://images.example"})(lambda request: HttpResponse())
    assert "img-src 'self' https://images.example" in answered(PolicyMiddleware, own)["Content-Security-Policy"]
    without = csp_exempt()(lambda request: HttpResponse())
    assert "Content-Security-Policy" not in answered(PolicyMiddleware, without)
    plain = answered(PolicyMiddleware, lambda request: HttpResponse())
    assert policy(plain) == STRICT | TRUSTED_TYPES


def test_a_nonce_is_of_one_answer(settings: Settings) -> None:
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": {"script-src": [SELF, NONCE]}}
    answer = answered(PolicyMiddleware, lambda request: HttpResponse(str(request.csp_nonce)))  # type: ignore[attr-defined]
    assert policy(answer)["script-src"] == f"'self' 'nonce-{answer.content.decode()}'"
    assert policy(answered(PolicyMiddleware, lambda request: HttpResponse()))["script-src"] == "'self'"
