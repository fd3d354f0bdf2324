"""The strict parser and the strict fields."""

import io
from typing import Any

import pytest
from rest_framework.exceptions import ParseError, ValidationError

from accounts.bodies import ConfirmBody, Flag, JSONParser, LoginBody, PasswordBody, Text


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
    assert body.validated_data == {"email": "a", "password": "b", "remember": False}


@pytest.mark.parametrize("body", [LoginBody, ConfirmBody, PasswordBody])
def test_a_body_takes_what_it_names_and_nothing_else(body: Any) -> None:
    names = set(body().fields)
    assert names < {"email", "password", "remember", "current", "new"}
    filled = body(data={**dict.fromkeys(names - {"remember"}, "x"), "role": "admin", "is_superuser": True})
    assert filled.is_valid()
    assert set(filled.validated_data) == names
