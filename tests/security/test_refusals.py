"""Every refusal says which check refused and what to send instead, in the response and in the log."""

import json
from typing import Any

import pytest
from django.middleware import csrf
from django.test import RequestFactory
from pytest_django import Settings

from accounts.models import User
from security.refusals import LONGEST, PROXY, Refused, csrf_refusal, refusal
from tests.conftest import PASSWORDS, Browser
from tests.sessions_demo.conftest import CSRF, LOGIN, LOGOUT, Visitor

HERE, ROOT = "http://testserver", "/session/api/"
HTTPS_NEEDS = (
    "CSRF check: over https a request needs an Origin or a Referer. Send the header Origin: https://testserver"
)
SEND = f"Send the value of the cookie {CSRF} in the header X-CSRFToken or the field csrfmiddlewaretoken."
OTHER = f"CSRF check: the token does not match the cookie {CSRF}, which each login and logout replace. {SEND}"


def refused(log: Any) -> list[dict[str, Any]]:
    """The log lines about refusals."""
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    return [line for line in lines if line.get("event") == "request_refused"]


# The check, the status, the sentence, and the request of a logged-in visitor that is refused.
JSON_REFUSALS: dict[str, tuple[str, int, str, dict[str, Any]]] = {
    "another site": (
        *("origin gate", 403, "Origin gate: Sec-Fetch-Site: cross-site is neither same-origin nor none."),
        {"headers": {"Sec-Fetch-Site": "cross-site"}},
    ),
    "a sibling": (
        *("origin gate", 403, "Origin gate: Sec-Fetch-Site: same-site is neither same-origin nor none."),
        {"headers": {"Sec-Fetch-Site": "same-site", "Origin": HERE}},
    ),
    "no token": ("csrf", 403, f"CSRF check: the token is missing. {SEND}", {"token": ""}),
    "another token": ("csrf", 403, OTHER, {"token": "a" * 32}),
    "a token of odd length": ("csrf", 403, OTHER, {"token": "a"}),
    "over https without an origin": ("csrf", 403, HTTPS_NEEDS, {"secure": True}),
    "over https from elsewhere": (
        *("csrf", 403, "CSRF check: the header Referer does not name https://testserver. "),
        {"secure": True, "headers": {"Referer": "https://evil.example/?secret"}},
    ),
    "no length": (
        *("body length", 411, "Send the header Content-Length, 0 without a body, and no Transfer-Encoding."),
        {"headers": {"Transfer-Encoding": "chunked"}, "CONTENT_LENGTH": ""},
    ),
    "a length that is none": (
        *("body length", 400, "The header Content-Length must be a number of bytes."),
        {"CONTENT_LENGTH": "x"},
    ),
    "a form": ("media type", 415, "Unsupported media type: send application/json", {"content_type": "text/plain"}),
    "no json": ("json", 400, "The body is not valid JSON.", {"body": b"{"}),
    "too large": (
        "body size",
        413,
        "The body has 70002 bytes; this address accepts 65536.",
        {"body": b'"%070000d"' % 0},
    ),
}


@pytest.mark.parametrize("path", [LOGIN, LOGOUT])
@pytest.mark.parametrize("case", JSON_REFUSALS)
def test_a_refusal_in_json_says_which_check_it_was_and_what_to_send(
    alice: User, log: Any, path: str, case: str
) -> None:
    check, status, sentence, extra = JSON_REFUSALS[case]
    visitor, extra = Visitor(), {"body": {"email": alice.email, "password": PASSWORDS[alice.email]}} | extra
    assert visitor.call("POST", LOGIN, {"email": alice.email, "password": PASSWORDS[alice.email]}).status_code == 200
    answer = visitor.call("POST", path, extra.pop("body"), **extra)
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/json")
    told = answer.json()
    if status == 403:
        assert told["error"] == "Forbidden"
    assert sentence in told.get("detail", told["error"])
    (line,) = refused(log)
    assert (line["logger"], line["level"], line["check"]) == ("site.security", "INFO", check)
    assert sentence in line["reason"]
    for secret in (*PASSWORDS.values(), visitor.session_id, visitor.cookies[CSRF].value, "?secret"):
        assert secret not in answer.content.decode() + log.getvalue()
    # The positive control: a correct request of the same visitor is accepted.
    assert visitor.call("POST", LOGOUT).status_code == 200


def test_without_the_cookie_one_is_told_to_get_it(alice: User, log: Any) -> None:
    answer = Browser().post(LOGIN, "{}", content_type="application/json")
    assert answer.status_code == 403
    sentence = f"CSRF check: the cookie {CSRF} is missing. Get a page of this site first, and send its cookie back."
    assert answer.json() == {"error": "Forbidden", "detail": sentence}
    assert [line["check"] for line in refused(log)] == ["csrf"]


def test_who_is_known_and_not_allowed_is_told_no_more(at_member: Visitor, log: Any) -> None:
    answer = at_member.get("/session/api/staff", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()) == (403, {"error": "Forbidden"})
    assert refused(log) == []


@pytest.fixture
def at_member(alice: User) -> Visitor:
    visitor = Visitor()
    assert visitor.sign_in().status_code == 200
    return visitor


EVIL = "<script>alert(1)</script>\x1b[31m\u2028" + "x" * 5000


@pytest.mark.parametrize("header", ["Sec-Fetch-Site", "Origin"])
@pytest.mark.parametrize("path", ["/accounts/register/", LOGIN])
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_what_a_client_sent_is_repeated_shortly_and_inert(
    db: None, log: Any, path: str, header: str, accept: str
) -> None:
    browser = Browser({"Accept": accept})
    del browser.defaults["HTTP_SEC_FETCH_SITE"]
    answer = browser.post(path, b"", content_type="text/plain", headers={header: EVIL})
    assert answer.status_code == 403
    text = answer.content.decode()
    assert ("&lt;script&gt;" in text) is (accept == "text/html")
    assert accept == "application/json" or "<script>alert" not in text
    (line,) = refused(log)
    for told in (text, line["reason"]):
        assert "xxx" in told
        assert "x" * LONGEST not in told
        assert "\x1b" not in told
        assert "\u2028" not in told


NAVIGATION = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("given", "is_json"),
    [
        ({}, True),
        ({"HTTP_ACCEPT": "*/*"}, True),
        ({"HTTP_ACCEPT": "application/json"}, True),
        ({"HTTP_ACCEPT": "application/json, text/plain, */*"}, True),
        ({"HTTP_ACCEPT": "text/html;q=0.5, application/json"}, True),
        ({"HTTP_ACCEPT": NAVIGATION}, False),
        ({"HTTP_ACCEPT": "text/html"}, False),
        ({"HTTP_ACCEPT": "text/plain, */*;q=0.1"}, False),
        ({"HTTP_ACCEPT": "image/png"}, False),
        ({"HTTP_ACCEPT": NAVIGATION, "content_type": "application/json"}, True),
        ({"HTTP_ACCEPT": NAVIGATION, "content_type": "application/json; charset=utf-8"}, True),
    ],
)
@pytest.mark.parametrize(("status", "error"), [(403, "Forbidden"), (411, "Length required"), (400, "Bad request")])
def test_a_middleware_refuses_in_the_form_that_was_asked_for(
    given: dict[str, str], is_json: bool, status: int, error: str
) -> None:
    answer = refusal(RequestFactory().post("/", **given), Refused(status, "a check", "A sentence."))
    assert (answer.status_code, answer["Cache-Control"], answer.sentence) == (status, "no-store", "A sentence.")
    if is_json:
        assert answer["Content-Type"] == "application/json"
        assert json.loads(answer.content) == {"error": error, "detail": "A sentence."}
    else:
        assert (answer["Content-Type"], answer.content) == ("text/plain; charset=utf-8", b"A sentence.")


@pytest.mark.parametrize(
    "reason",
    [
        csrf.REASON_NO_REFERER,
        csrf.REASON_MALFORMED_REFERER,
        csrf.REASON_INSECURE_REFERER,
        csrf.REASON_BAD_REFERER % "https://evil.example/secret",
        csrf.REASON_BAD_ORIGIN % "https://evil.example",
        csrf.REASON_NO_CSRF_COOKIE,
        csrf.REASON_CSRF_TOKEN_MISSING,
        "CSRF token from POST incorrect.",
        "CSRF token from the 'X-Csrftoken' HTTP header has incorrect length.",
        "CSRF cookie has invalid characters.",
    ],
)
def test_each_reason_of_django_has_a_sentence_of_its_own_kind(reason: str) -> None:
    request = RequestFactory().post("/", headers={"Origin": "https://evil.example", "Referer": "https://x/secret"})
    told = csrf_refusal(request, reason)
    assert (told.status_code, told.check, told.deployment) == (403, "csrf", False)
    assert told.sentence.startswith("CSRF check: ")
    assert "secret" not in told.sentence
    subject = reason.split()[1].lower()  # checking, cookie or token
    assert subject == "checking" or f"the {subject}" in told.sentence or "the token" in told.sentence
    assert subject != "checking" or HERE in told.sentence


@pytest.mark.parametrize(
    ("name", "header"), [("HTTP_X_CSRFTOKEN", "X-CSRFToken"), ("HTTP_X_XSRF_TOKEN", "X-Xsrf-Token")]
)
def test_the_header_to_send_is_the_one_that_the_project_reads(settings: Settings, name: str, header: str) -> None:
    settings.CSRF_HEADER_NAME = name
    assert f"in the header {header} or" in csrf_refusal(RequestFactory().post("/"), "CSRF token missing.").sentence


@pytest.mark.parametrize("path", ["/accounts/register/", LOGIN])
@pytest.mark.parametrize(
    ("host", "seen"), [("testserver", "https://testserver:8443"), ("testserver:8000", "http://testserver")]
)
def test_a_proxy_that_changes_the_host_is_named_as_the_cause(
    db: None, log: Any, path: str, host: str, seen: str
) -> None:
    """The browser says same-origin, so only a proxy between it and this server can have changed the Host."""
    visitor = Visitor()
    visitor.get(ROOT)
    answer = visitor.call("POST", path, {}, headers={"Host": host, "Origin": seen})
    assert answer.status_code == 403
    sentence = f"the browser sent Origin: {seen}, but this server was asked as http://{host}. {PROXY}"
    assert sentence in answer.json()["detail"]
    (line,) = refused(log)
    assert (line["level"], line["check"], sentence in line["reason"]) == ("WARNING", "csrf", True)
    # The positive control: a proxy that passes on both headers unchanged.
    good = visitor.call("POST", path, {}, headers={"Host": host, "Origin": f"http://{host}"})
    assert good.status_code != 403


@pytest.mark.parametrize(("origin", "level"), [("https://testserver", "WARNING"), ("https://evil.example", "INFO")])
def test_an_older_browser_behind_such_a_proxy_is_told_too(db: None, log: Any, origin: str, level: str) -> None:
    browser = Browser()
    del browser.defaults["HTTP_SEC_FETCH_SITE"]
    answer = browser.post("/jwt/auth/refresh", {}, content_type="application/json", headers={"Origin": origin})
    assert answer.json()["detail"].startswith(f"Origin gate: Origin: {origin} is not {HERE}.")
    assert (PROXY in answer.json()["detail"]) is (level == "WARNING")
    assert [line["level"] for line in refused(log)] == [level]
