"""What an attacker who knows a key can make with it."""

import zlib
from urllib.parse import urlencode

import pytest
from django.core.signing import TimestampSigner, b64_encode

from tests.attack_range.asking import FORM, Answer, send
from tests.running import Range

pytestmark = pytest.mark.browser


def test_a_known_key_forges_a_signed_cookie_and_no_session_of_ours(attack_range: Range) -> None:
    results = attack_range.run("secret/")
    assert [case for case in results.values() if not case["as_expected"]] == []
    assert {name for name, case in results.items() if case["succeeded"]} == {
        "secret/signed-cookie/weak",
        "secret/unsigned-cookie/weak",
        "secret/one-key/weak",
        "secret/legitimate",
    }
    assert results["secret/signed-cookie/weak"]["detail"]["tries"] > 0
    assert set(results["secret/random-id/ours"]["detail"]["statuses"]) == {401}
    assert set(results["secret/one-key/ours"]["detail"]["statuses"]) == {401}


def signed(data: bytes) -> str:
    """A cookie with any `data`, signed so that the weak server accepts it."""
    key, salt = "change-me-in-production", "django.contrib.sessions.backends.signed_cookies"
    return TimestampSigner(key=key, salt=salt).sign(data.decode())


def post(attack_range: Range, path: str, **fields: str) -> Answer:
    host = f"victim.localhost:{attack_range.port}"
    return send(attack_range, host, f"/weak/secret/{path}", "POST", urlencode(fields).encode(), (FORM,))


def test_a_well_signed_cookie_that_cannot_be_read_is_no_session(attack_range: Range) -> None:
    deep = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    packed = b"." + b64_encode(zlib.compress(deep))
    host = f"victim.localhost:{attack_range.port}"
    for data in (b"." + b64_encode(b"not packed"), b64_encode(b"\xff"), packed):
        cookie = signed(data)
        answer = send(attack_range, host, "/weak/secret/staff", headers=(("Cookie", f"weak_signed_session={cookie}"),))
        assert (answer.status, answer.text) == (401, '{"error": "No session"}'), data
        assert "Its signature does not fit." in post(attack_range, "", cookie=cookie).text


def test_without_a_key_or_a_session_no_cookie_is_signed(attack_range: Range) -> None:
    """With an empty key Django would sign with the key of the range's own pages."""
    for key, session, sentence in (
        ("", "{}", "A cookie is signed with a key, and none was given."),
        ("a", "{", "The session is not JSON that can be read."),
        ("a", "[" * 5000, "The session is not JSON that can be read."),
        ("a", "1" * 5000, "The session is not JSON that can be read."),
    ):
        answer = post(attack_range, "make", key=key, session=session)
        assert answer.status == 400
        assert sentence in answer.text
