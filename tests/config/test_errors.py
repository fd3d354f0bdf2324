"""Every error of the site, as a page and as JSON. None of them shows internals."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as configured
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import DataError, InterfaceError, OperationalError, ProgrammingError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.test import RequestFactory
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django_redis.exceptions import ConnectionInterrupted
from pytest_django import Settings
from redis.exceptions import BusyLoadingError, RedisError, TimeoutError

from accounts.models import User
from config.errors import NO_COOKIE, SENTENCES, answer, wants_json
from config.urls import handler400, handler403, handler404, handler500
from config.urls import urlpatterns as site
from security.throttle import Throttled
from tests.conftest import Browser, Clock
from tests.running import Store

INSIDE = "SELECT secret FROM inside WHERE key = 'correct horse'"


def failing(raised: Exception) -> Callable[[HttpRequest], HttpResponse]:
    @csrf_exempt
    @login_not_required
    def view(request: HttpRequest) -> HttpResponse:
        raise raised

    return view


@csrf_exempt
@login_not_required
def answering(request: HttpRequest, status: int) -> HttpResponse:
    return HttpResponse(status=status, headers={"Retry-After": "7"} if status in (429, 503) else {})


@csrf_exempt
@login_not_required
def read_only(request: HttpRequest) -> HttpResponse:
    return HttpResponseNotAllowed(["GET", "HEAD"])


@csrf_exempt
@login_not_required
def reading(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(len(request.POST)))


RAISED = {
    "400": SuspiciousOperation(INSIDE),
    "400-unstorable": DataError(INSIDE),
    "400-too-big": OverflowError(INSIDE),
    "403": PermissionDenied(INSIDE),
    "429": Throttled(42),
    "500": ValueError(INSIDE),
    "500-sql": ProgrammingError(INSIDE),
    "503-database": OperationalError(INSIDE),
    "503-connection": InterfaceError(INSIDE),
    "503-store": RedisError(INSIDE),
    "503-hung": TimeoutError(INSIDE),
    "503-loading": BusyLoadingError(INSIDE),
    "503-wrapped": ConnectionInterrupted(connection=None),
}
urlpatterns = [
    *site,
    *(path(f"raise/{name}", failing(raised)) for name, raised in RAISED.items()),
    path("answer/<int:status>", answering),
    path("read-only", read_only),
    path("reading", reading),
]
assert handler400 and handler403 and handler404 and handler500

ERRORS: dict[str, tuple[int, Callable[[Browser, dict[str, str]], Any]]] = {
    **{
        name: (int(name[:3]), lambda browser, headers, name=name: browser.get(f"/raise/{name}", headers=headers))
        for name in RAISED
    },
    **{
        f"empty {status}": (
            status,
            lambda browser, headers, status=status: browser.get(f"/answer/{status}", headers=headers),
        )
        for status in SENTENCES
    },
    "nothing there": (404, lambda browser, headers: browser.get("/nothing", headers=headers)),
    "nothing in the admin": (404, lambda browser, headers: browser.get("/accounts/nothing/", headers=headers)),
    "another host": (400, lambda browser, headers: browser.get("/", headers=headers | {"Host": "evil.example"})),
    "a broken host": (400, lambda browser, headers: browser.get("/", headers=headers | {"Host": "a b<c>"})),
    "another method": (405, lambda browser, headers: browser.put("/healthz", headers=headers)),
    "another site": (
        403,
        lambda browser, headers: browser.post("/", headers=headers | {"Sec-Fetch-Site": "cross-site"}),
    ),
    "no csrf token": (403, lambda browser, headers: browser.post("/accounts/register/", headers=headers)),
    "no length": (
        411,
        lambda browser, headers: browser.post(
            "/accounts/register/", headers=headers | {"Transfer-Encoding": "chunked"}, CONTENT_LENGTH=""
        ),
    ),
    "too large": (413, lambda browser, headers: browser.post("/reading", {"a": "x" * 70_000}, headers=headers)),
    "too large, on a real page": (
        413,
        lambda browser, headers: browser.submit("/accounts/register/", {"name": "x" * 70_000}, headers=headers),
    ),
    "too many fields": (
        400,
        lambda browser, headers: browser.submit("/reading", {f"f{n}": "" for n in range(1100)}, headers=headers),
    ),
    "broken multipart": (
        400,
        lambda browser, headers: browser.post(
            "/reading", b"--x\r\nbroken", content_type="multipart/form-data; boundary=", headers=headers
        ),
    ),
}
# The detail that some of these errors have, by the beginning of their names above.
DETAILS = {
    "another site": "Origin gate: Sec-Fetch-Site: cross-site is neither same-origin nor none.",
    "no csrf token": "CSRF check: the cookie __Host-csrftoken is missing. "
    "Get a page of this site first, and send its cookie back.",
    "no length": "Send the header Content-Length, 0 without a body, and no Transfer-Encoding.",
    "too large": "The body is larger than the 65536 bytes that are accepted here.",
}
FORMS = {"a page": {"Accept": "text/html"}, "json": {"Accept": "application/json"}, "anything": {}}
LEAKS = re.compile(
    r"traceback|exception|\.py\b|django|redis|valkey|sqlite|gunicorn|python|SELECT|correct horse|/home|/tmp"
    r"|site-packages|settings|\d+\.\d+\.\d+",
    re.I,
)


@pytest.fixture
def urls(settings: Settings, db: None, browser: Browser) -> Iterator[Browser]:
    settings.ROOT_URLCONF = __name__
    browser.raise_request_exception = False
    yield browser


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("error", ERRORS)
def test_every_error_is_one_sentence_in_the_form_that_was_asked_for(urls: Browser, error: str, form: str) -> None:
    status, act = ERRORS[error]
    answer = act(urls, FORMS[form])
    assert answer.status_code == status
    title, sentence = SENTENCES[status]
    detail = next((detail for name, detail in DETAILS.items() if error.startswith(name)), None)
    sentence = NO_COOKIE if error == "no csrf token" else detail or sentence
    assert answer["Cache-Control"] == "no-store"
    if form == "json":
        assert answer["Content-Type"] == "application/json"
        assert answer.json() == {"error": title} | ({"detail": detail} if detail else {})
    else:
        assert answer["Content-Type"] == "text/html; charset=utf-8"
        assert int(answer.get("Content-Length", len(answer.content))) == len(answer.content)
        assert title in answer.content.decode()
        assert sentence in answer.content.decode()


@pytest.mark.parametrize("error", ERRORS)
def test_no_error_tells_of_the_inside(urls: Browser, error: str) -> None:
    _, act = ERRORS[error]
    for form in FORMS.values():
        answer = act(urls, form)
        headers = {name: value for name, value in answer.headers.items() if name != "Content-Security-Policy"}
        # The footer of every page names the software of this site. It is left out of the search.
        told = repr(headers) + re.sub(r"(?s)<footer\b.*?</footer>", "", answer.content.decode())
        assert not LEAKS.search(told), LEAKS.search(told)
        assert configured.SECRET_KEY not in told
        assert str(configured.BASE_DIR) not in told
        assert not {"Server", "X-Powered-By", "Via"} & set(answer.headers)


@pytest.mark.parametrize("error", ERRORS)
def test_every_error_carries_the_headers(urls: Browser, error: str) -> None:
    answer = ERRORS[error][1](urls, {})
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("where", "seconds"),
    [
        ("raise/429", "42"),
        ("raise/503-store", "5"),
        ("raise/503-database", "5"),
        ("answer/429", "7"),
        ("answer/503", "7"),
    ],
)
def test_who_must_wait_is_told_how_long(urls: Browser, where: str, seconds: str) -> None:
    assert urls.get(f"/{where}")["Retry-After"] == seconds


@pytest.mark.parametrize(
    ("where", "words", "at"), [("raise/429", "42 s", "12:00:42 UTC"), ("answer/429", "7 s", "12:00:07 UTC")]
)
def test_a_page_says_how_long_to_wait_and_until_when(
    urls: Browser, clock: Clock, where: str, words: str, at: str
) -> None:
    clock(0)
    page = urls.get(f"/{where}", headers={"Referer": "http://testserver/accounts/password/"}).content.decode()
    assert f"Try again in {words}, at <time" in page
    assert at in page
    assert 'href="/accounts/password/">Load that page again</a>' in page


@pytest.mark.parametrize(("seconds", "words"), [(5, "5 s"), (60, "1 min"), (296, "4 min 56 s")])
def test_the_wait_is_said_in_minutes_and_seconds(urls: Browser, seconds: int, words: str) -> None:
    assert f"Try again in {words}," in answer(RequestFactory().get("/"), 429, retry_after=seconds).content.decode()


def test_who_may_not_see_a_page_reads_whom_it_is_for(alice: User, browser: Browser) -> None:
    browser.force_login(alice)
    refused = browser.get("/session/staff/")
    assert refused.status_code == 403
    assert "This page is for administrators. You are logged in as Alice (member)." in refused.content.decode()
    assert browser.get("/session/staff/", headers={"Accept": "application/json"}).json() == {"error": "Forbidden"}


def test_a_refusal_before_the_session_was_read_does_not_read_it(alice: User, urls: Browser, store: Store) -> None:
    urls.force_login(alice)
    store.kill()
    page = urls.get("/raise/403")
    assert page.status_code == 403
    assert "You may not do that from here." in page.content.decode()


def test_a_method_that_is_not_answered_names_those_that_are(urls: Browser) -> None:
    for accept in ("text/html", "application/json"):
        answer = urls.get("/read-only", headers={"Accept": accept})
        assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")


def test_an_error_that_has_a_body_keeps_it(alice: User, browser: Browser) -> None:
    assert browser.get("/accounts/register/x/").status_code == 410
    assert "Bad request" not in browser.get("/accounts/register/x/").content.decode()


@pytest.mark.parametrize("path_", ["/", "/accounts/register/", "/accounts/password/", "/admin/", "/readyz"])
def test_with_the_store_away_what_needs_it_is_a_503_and_the_rest_goes_on(
    admin: User, browser: Browser, store: Store, path_: str
) -> None:
    browser.force_login(admin)
    browser.raise_request_exception = False
    store.kill()
    answer = browser.get(path_)
    assert answer.status_code in (200, 503)
    if answer.status_code == 503:
        assert int(answer["Retry-After"]) > 0
    assert browser.session_id


@pytest.mark.parametrize(
    ("accept", "json"),
    [
        (None, False),
        ("", False),
        ("*/*", False),
        ("text/html", False),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
        ("application/json", True),
        ("application/json, text/plain, */*", True),
        ("application/json;q=0.5, text/html", False),
        ("application/json, text/html;q=0.5", True),
        ("application/*", True),
        ("APPLICATION/JSON", True),
        ("application/json; charset=utf-8", None),
        ("image/png", False),
        ("garbage", False),
        (";;;", False),
        (",,,", False),
        ("/", False),
        ("text/html;q=nonsense", False),
        ("application/json;q=nan", None),
        ("application/json;q=" + "9" * 400, None),
        ("\u00fc/\u00fc", False),
        ("a/b," * 2000, False),
    ],
)
def test_whether_json_was_asked_for(accept: str | None, json: bool | None) -> None:
    headers = {} if accept is None else {"Accept": accept}
    asked = wants_json(RequestFactory().get("/", headers=headers))
    assert json is None or asked is json


@pytest.mark.parametrize(
    ("content_type", "json"),
    [("application/json", True), ("application/json; charset=utf-8", True), ("text/plain", False)],
)
def test_who_sends_json_is_answered_in_json(content_type: str, json: bool) -> None:
    request = RequestFactory().post("/", b"{}", content_type=content_type, headers={"Accept": "*/*"})
    assert wants_json(request) is json
