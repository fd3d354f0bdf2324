"""Reading, verifying and forging a token: reading is lenient, verifying is strict, and no log has the token."""

import hashlib
import io
import json
import re
import string
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.test import override_settings

from jwt_demo.key_writing import new_secret
from jwt_demo.keys import ring
from jwt_demo.tokens import AccessToken, RefreshToken
from lab.experiments import jws, verification
from tests.conftest import Browser
from tests.jwt_demo.conftest import logged_in

PAGE = "/lab/token/"
ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
DEEP = jws.build_token('{"alg":"HS256"}', "[" * 900 + "]" * 900, b"k")
ODD = {
    "nothing": "",
    "blanks": "   \n ",
    "words": "not a token at all",
    "dots": "....",
    "padding": "eyJhbGciOiJIUzI1NiJ9==.e30=.AA==",
    "other alphabet": "eyJh+/.e30.x",
    "not ascii": "é.ü.漢",
    "NUL": "a\0b.c.d",
    "deep": DEEP,
    "deep header": jws.build_token("[" * 5000, "{}", b"k"),
    "half a surrogate pair": jws.build_token(
        '{"alg":"\\ud800","\\udfff":1}', '{"sub":"\\ud800","\\udc00":0,"iss":"\\ud800"}', b"k"
    ),
    "odd times": jws.build_token("{}", '{"exp":1e999,"iat":NaN,"nbf":true,"auth_time":-1}', b"k"),
    "huge number": jws.build_token("{}", '{"exp":' + "9" * 4000 + "}", b"k"),
    "kid of a wrong type": jws.build_token('{"alg":"HS256","typ":"at+jwt","kid":[[1]]}', '{"iss":[],"aud":{}}', b"k"),
    "alg of a wrong type": jws.build_token('{"alg":[]}', "{}", b"k"),
    "deep, and read all the same": jws.build_token('{"alg":"HS256"}', '{"a":' + "[" * 600 + "]" * 600 + "}", b"k"),
    "crit": jws.build_token('{"alg":"HS256","crit":["b64"],"b64":false}', "{}", b"k"),
    "longest": "a" * 9000 + "." + "b" * 3000 + ".c",
}


def text_of(response: Any) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", response.content.decode()).split())


@pytest.mark.parametrize("verb", ["decode", "verify"])
@pytest.mark.parametrize("name", ODD)
def test_whatever_is_pasted_is_answered(db: None, browser: Browser, name: str, verb: str) -> None:
    response = browser.submit(PAGE, {"do": verb, "token": ODD[name], "secret": "k"})
    assert response.status_code == 200
    assert (verb == "verify") == ("Refused as an access token" in text_of(response))


def test_too_much_is_refused_with_a_sentence(browser: Browser) -> None:
    response = browser.submit(PAGE, {"do": "decode", "token": "a" * 20_000})
    assert response.status_code == 400
    assert "more than 16,384 characters" in text_of(response)


def test_reading_forgives_and_says_what(browser: Browser) -> None:
    head, body, signature = jws.sample_token().split(".")
    page = text_of(browser.submit(PAGE, {"do": "decode", "token": f"Bearer {head}.\n{body} .{signature}="}))
    assert "31 Mar 2024, 00:00:00 UTC" in page
    for remark in ("“Bearer” stood in front", "blanks or line breaks", "The signature is padded"):
        assert remark in page
    assert jws.decode(jws.sample_token()).remarks == []


def test_the_copied_sample_has_the_signature_of_john_doe(browser: Browser) -> None:
    page = text_of(browser.get(f"{PAGE}?show=sample"))
    assert re.search(r"John Doe.{10,60} SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c the same", page)
    assert re.search(r"1711929600\S+ DxIYUsEJr-80DInpT7dufwFqObL9392WHj0p6WknjWA another", page)


def test_a_good_token_is_good_in_its_own_place_only(alice: Any, browser: Browser) -> None:
    holder = logged_in()
    good = verification.examine(holder.access, "access")
    assert good.good and all(answer.passed for answer in good.answers) and good.reason == ""
    assert "200 member" in text_of(browser.submit(PAGE, {"do": "verify", "token": f" Bearer {holder.access} "}))
    inside = holder.access.replace(".", ". ", 1)
    assert "Form: not three" in text_of(browser.submit(PAGE, {"do": "verify", "token": f"Bearer {inside}"}))
    assert verification.examine(holder.refresh, "refresh").good
    assert not verification.examine(holder.refresh, "access").good


def test_a_refusal_names_the_question_that_the_token_fails(alice: Any) -> None:
    holder = logged_in()
    head, body, signature = holder.access.split(".")
    key = ring("access").active
    for text, question in {
        f"{holder.access}=": "Form",
        f"{head}.{body} .{signature}": "Form",
        # Two bits of the last character are not decoded, so two spellings mean the same signature.
        holder.access[:-1] + ALPHABET[ALPHABET.index(signature[-1]) + 1]: "Form",
        jws.build_token('{"alg":"none","typ":"at+jwt"}', "{}", b"", "none"): "Form",
        f"{jws.sample_token()}": "Header",
        f"{head}.{body}.{'A' * 43}": "Signature",
        jws.resign(holder.access, ring("refresh").active): "Signature",
        jws.resign(holder.access, key, exp=1): "Times",
        jws.resign(holder.access, key, iss="https://elsewhere"): "Issuer",
        jws.resign(holder.access, key, aud=["x"]): "Audience",
        jws.resign(holder.access, key, token_type="refresh"): "Type",
        jws.resign(holder.access, key, sub=1): "Claims",
        jws.resign(holder.access, key, hash="x"): "Claims",
    }.items():
        found = verification.examine(text, "access")
        assert not found.good
        assert found.reason.startswith(f"{question}: "), (question, found)


def test_a_clock_that_is_a_little_ahead_is_allowed_on_the_page_as_on_the_server(alice: Any) -> None:
    holder, key = logged_in(), ring("access").active
    now = int(time.time())
    for ahead, good in ((20, True), (60, False)):
        token = jws.resign(holder.access, key, iat=now + ahead, exp=now + 300)
        found = verification.examine(token, "access")
        assert found.good is good is all(answer.passed for answer in found.answers), found


@pytest.mark.parametrize("kind", [AccessToken, RefreshToken])
def test_no_verdict_is_good_that_a_question_denies(alice: Any, kind: type) -> None:
    """The page's questions explain the verification, so they must agree with its result."""
    holder = logged_in()
    text = holder.access if kind is AccessToken else holder.refresh
    name = kind.token_type  # type: ignore[attr-defined]
    for place in range(0, len(text), 7):
        changed = text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]
        found = verification.examine(changed, name)
        assert found.good is all(answer.passed for answer in found.answers)


def test_a_forged_token_is_refused_by_the_server(db: None, browser: Browser) -> None:
    fields = {"do": "forge", "header": json.dumps({"alg": "none"}), "payload": '{"role":"admin"}', "key": "x"}
    for algorithm in ("none", "HS256", "HS512", "made up"):
        page = text_of(browser.submit(PAGE, fields | {"algorithm": algorithm}))
        assert "Refused as an access token: Invalid token." in page
        assert "just now: 401 Invalid token" in page
    page = text_of(browser.submit(PAGE, {"do": "forge", "key": "my own key"}))
    assert "The server stops at Signature" in page  # what the form offers lacks nothing but the key


def test_a_fresh_token_is_good_and_its_user_is_deleted(db: None, browser: Browser) -> None:
    page = browser.submit(PAGE, {"do": "fresh"}).content.decode()
    token = re.search(r"<textarea id=\"token\".*?>(.*?)</textarea>", page)
    assert token and verification.examine(token[1], "access").good
    claims = jws.read_claims(token[1])
    assert claims["exp"] - claims["iat"] == 120
    assert "200 member" in text_of(browser.submit(PAGE, {"do": "verify", "token": token[1]}))


def test_verifying_keeps_the_reading_which_claims_nothing_about_validity(db: None, browser: Browser) -> None:
    for verb in ("decode", "verify"):
        page = browser.submit(PAGE, {"do": verb, "token": jws.sample_token()}).content.decode()
        for part in ("header", "payload", "signature"):
            assert page.count(f'class="jwt-part {part}"') == 1, (verb, part)
        assert "this says nothing about whether it is valid" in page


def test_the_verbs_stand_in_the_order_of_the_page(browser: Browser) -> None:
    page = browser.get(PAGE).content.decode()
    verbs = re.findall(r'name="do" value="(\w+)"', page)
    assert verbs == ["fresh", "sample", "decode", "verify", "forge"]


def test_the_page_is_right_about_tokens_that_a_pair_of_keys_signs(db: None, browser: Browser) -> None:
    for algorithm in ("EdDSA", "ES256"):
        with override_settings(JWT_ACCESS_KEYS=[new_secret(algorithm)]):
            active = ring("access").active
            page = text_of(browser.submit(PAGE, {"do": "forge", "key": "my own key"}))
            assert f"&quot;alg&quot;: &quot;{algorithm}&quot;" in page
            assert "The server stops at Signature" in page  # what the form offers lacks nothing but the key
            header = json.dumps({"alg": "HS256", "typ": AccessToken.kind, "kid": active.kid})
            public = jws.as_bytes(active).decode()
            page = text_of(browser.submit(PAGE, {"do": "forge", "header": header, "algorithm": "HS256", "key": public}))
            assert "The server stops at Header" in page
            page = text_of(browser.submit(PAGE, {"do": "fresh", "secret": public}))
            token = re.search(r"[\w-]{40,}\.[\w-]{40,}\.[\w-]{40,}", page)
            assert token and "The header names no HMAC" in page
            page = text_of(browser.submit(PAGE, {"do": "verify", "token": token[0]}))
            assert f"fits the public key {active.kid}" in page
            assert "200 member" in page


def test_a_token_forged_with_a_pair_of_keys_is_signed_by_them() -> None:
    token = jws.build_token('{"alg":"EdDSA"}', '{"sub":"1"}', b"a key of mine", "EdDSA")
    private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"a key of mine").digest())
    assert jwt.decode(token, private.public_key(), ["EdDSA"]) == {"sub": "1"}


def test_the_token_is_in_no_log(alice: Any, browser: Browser, log: io.StringIO) -> None:
    token = logged_in().access
    log.truncate(0)
    for verb in ("decode", "verify"):
        browser.submit(PAGE, {"do": verb, "token": token, "secret": "a secret of mine"})
    said = log.getvalue()
    assert '"route": "lab/token/"' in said
    assert not any(part in said for part in [*token.split("."), token[:40], "a secret of mine"])
