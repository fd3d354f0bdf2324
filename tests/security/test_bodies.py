"""The strict parser and the strict fields."""

import io
from typing import Any

import pytest
from django.test import RequestFactory
from rest_framework.exceptions import ParseError, ValidationError

from accounts.models import OutgoingMail
from security.bodies import body_length
from security.parsers import JSONParser
from security.refusals import Refused
from security.serializers import Flag, LoginBody, PasswordBody, ReauthenticateBody, Text
from tests.config.test_urls import PATHS
from tests.conftest import Browser
from tests.sampling import sampled


def parse(body: bytes) -> Any:
    return JSONParser().parse(io.BytesIO(body))


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": [1, {"b": null}]}', {"a": [1, {"b": None}]}),
        ('{"a": "\u00fc\U0001f984"}'.encode(), {"a": "\u00fc\U0001f984"}),
        (b' {"a": {"x": 1}, "b": {"x": 1}} ', {"a": {"x": 1}, "b": {"x": 1}}),
        (b"[" * 50 + b"]" * 50, None),
    ],
)
def test_good_json_is_read(body: bytes, value: Any) -> None:
    assert value is None or parse(body) == value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"NaN",
        b"[Infinity]",
        b"-Infinity",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\xff",
        '"x"'.encode("utf-16"),
        '"x"'.encode("utf-32"),
        b"\xef\xbb\xbf{}",
        b'{"a": 1, "a": 1}',
        b'[[{"a": 1, "b": 2, "a": 3}]]',
        b"9" * 5000,
        b"{} {}",
        b"'a'",
        b"{a: 1}",
        b"// a\n{}",
    ],
    ids=lambda body: repr(body[:16]),
)
def test_anything_else_is_refused_in_one_sentence(body: bytes) -> None:
    with pytest.raises(ParseError) as refusal:
        parse(body)
    assert str(refusal.value) == "The body is not valid JSON."


@pytest.mark.parametrize("value", ["", None, 42, 4.2, True, [], {}, b"x", "\0", "\ud800", "x" * 11])
def test_a_text_is_a_string(value: Any) -> None:
    with pytest.raises(ValidationError):
        Text(max_length=10).run_validation(value)


@pytest.mark.parametrize("value", ["x", " x ", "\u00fc", "\U0001f984", "\t"])
def test_a_text_is_taken_as_it_is(value: str) -> None:
    assert Text(max_length=10).run_validation(value) == value


@pytest.mark.parametrize("value", ["true", "yes", "", 1, 0, None, [], {}, "on", 1.0])
def test_a_flag_is_true_or_false(value: Any) -> None:
    with pytest.raises(ValidationError):
        Flag().run_validation(value)
    assert (Flag().run_validation(True), Flag().run_validation(False)) == (True, False)


def test_a_login_is_remembered_only_on_request() -> None:
    body = LoginBody(data={"email": "a", "password": "b"})
    assert body.is_valid()
    assert body.validated_data == {"identifier": "a", "password": "b", "remember": False}


@pytest.mark.parametrize("body", [LoginBody, ReauthenticateBody, PasswordBody])
def test_a_body_takes_what_it_names_and_nothing_else(body: Any) -> None:
    names = set(body().fields)
    assert names < {"email", "password", "remember", "current", "new"}
    filled = body(data={**dict.fromkeys(names - {"remember"}, "x"), "role": "admin", "is_superuser": True})
    assert filled.is_valid()
    assert set(filled.validated_data) == {"identifier" if name == "email" else name for name in names}


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    "kind", sampled([FORM, "multipart/form-data; boundary=x", "application/json", "text/plain"], ["application/json"])
)
def test_a_body_without_a_length_is_never_taken_for_no_body(db: None, browser: Browser, kind: str) -> None:
    """At every address of the URLconf, and before the CSRF check reads the body to find a token."""
    chunked = {"headers": {"Transfer-Encoding": "chunked"}, "CONTENT_LENGTH": ""}
    for path in PATHS:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert browser.generic(method, path, b"x", kind, **chunked).status_code == 411, (method, path)
            without = browser.generic(method, path, b"x", kind, CONTENT_LENGTH="").status_code
            assert (without == 411) is (method != "DELETE" and kind != "text/plain"), (method, path)


def test_a_form_with_a_length_is_read(db: None, browser: Browser) -> None:
    fields = {"email": "carol@example.com", "name": "Carol"}
    assert browser.submit("/accounts/register/", fields, CONTENT_LENGTH="").status_code == 411
    assert not OutgoingMail.objects.exists()
    assert browser.submit("/accounts/register/", fields).status_code == 302
    assert OutgoingMail.objects.exists()


@pytest.mark.parametrize("length", ["x", "-1", "+5", "1_0", "9" * 5000])
def test_a_length_that_is_no_number_is_400_under_any_server(db: None, browser: Browser, length: str) -> None:
    for path in ("/accounts/register/", "/session/login/", "/jwt/auth/logout", "/session/auth/login"):
        assert browser.post(path, b"a=b", content_type=FORM, CONTENT_LENGTH=length).status_code == 400


@pytest.mark.parametrize(("method", "kind"), [("POST", ""), ("DELETE", "application/json"), ("GET", FORM)])
def test_no_body_needs_no_length(method: str, kind: str) -> None:
    assert body_length(RequestFactory().generic(method, "/", b"", kind, CONTENT_TYPE=kind)) == 0


def test_the_length_of_a_body_is_a_number_of_bytes() -> None:
    assert body_length(RequestFactory().post("/", b"12345", content_type="application/json")) == 5
    with pytest.raises(Refused):
        body_length(RequestFactory().post("/", b"12345", content_type="application/json", CONTENT_LENGTH=""))
