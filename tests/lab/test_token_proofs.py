"""The proofs about tokens and clients can fail: each one runs against a site that lacks what it proves."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import override_settings
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

import lab.claims.proofs  # noqa: F401
from jwt_demo import lifecycle, revocation, tokens, views
from jwt_demo.key_writing import new_secret
from lab.claims.catalogue import BY_ID, Verdict
from lab.claims.evidence import Status, prove, select_claims
from lab.experiments import clients
from lab.experiments.jws import JOHN_DOE_PAYLOAD
from tests.lab.test_mistakes import one_key, readable, talkative
from tests.sampling import sampled

Break = Callable[[pytest.MonkeyPatch], None]


def unsigned(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        tokens.jwt, "decode", lambda token, *rest, **more: tokens.jwt.PyJWT().decode(token, options=UNVERIFIED)
    )


UNVERIFIED = {"verify_signature": False}


def asks_the_database(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(revocation.CHECKS, "expiry", revocation.Version())
    patch.setitem(revocation.CHECKS, "denylist", revocation.Version())


def half_an_hour(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(settings.SIMPLE_JWT, "ACCESS_TOKEN_LIFETIME", timedelta(minutes=30))


def two_weeks(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(settings.SIMPLE_JWT, "REFRESH_TOKEN_LIFETIME", timedelta(days=14))


def in_clear(patch: pytest.MonkeyPatch) -> None:
    record = lifecycle.blacklist.record_outstanding

    def plainly(family: Any) -> None:
        record(family)
        OutstandingToken.objects.filter(jti=family.jti).update(token=str(family.token()))

    patch.setattr(lifecycle.blacklist, "record_outstanding", plainly)


def one_sentence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(views.TokenView, "unauthenticated", "Invalid token")


def ends_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lifecycle, "end", lambda *args: None)


def any_cookie_will_do(patch: pytest.MonkeyPatch) -> None:
    """Accepts access tokens from any cookie, as many guides recommend."""
    get_header = views.JWTAuthentication.get_header

    def header(self: Any, request: Any) -> Any:
        token = request.COOKIES.get("access")
        return get_header(self, request) or (f"Bearer {token}".encode() if token else None)

    patch.setattr(views.JWTAuthentication, "get_header", header)


def twice_as_long(patch: pytest.MonkeyPatch) -> None:
    program = clients.program

    def longer(flow: str, suffix: str) -> clients.Program:
        found = program(flow, suffix)
        return clients.replace(found, text=found.text + "jar = tokens = jar\n" * 20 * (flow == "session"))

    patch.setattr(clients, "program", longer)


@pytest.mark.parametrize(
    ("claim", "broken"),
    [
        ("C17", asks_the_database),
        ("C23", unsigned),
        ("C31", asks_the_database),
        ("C34", half_an_hour),
        ("C35", two_weeks),
        ("C36", one_key),
        ("C37", in_clear),
        ("C38", readable),
        ("C40", one_sentence),
        ("C42", ends_nothing),
        ("C49", twice_as_long),
        ("C86", talkative),
        ("C93", any_cookie_will_do),
        ("C94", two_weeks),
    ],
)
def test_the_verdict_is_another_without_it(
    db: None, monkeypatch: pytest.MonkeyPatch, claim: str, broken: Break
) -> None:
    broken(monkeypatch)
    result = prove(BY_ID[claim])
    assert result.failure == ""
    assert result.status is Status.CONTRADICTED, result.evidence


def test_the_sample_would_hold_with_the_payload_it_was_signed_for(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.experiments.jws.SAMPLE_PAYLOAD", JOHN_DOE_PAYLOAD.replace("}", ',"exp":1516325422}'))
    assert prove(BY_ID["C22"]).verdict is Verdict.WRONG
    monkeypatch.setattr("lab.experiments.jws.SAMPLE_PAYLOAD", JOHN_DOE_PAYLOAD)
    [first, *_] = prove(BY_ID["C22"]).evidence
    assert first.true


def test_signed_by_another_algorithm_it_is_no_hmac(db: None) -> None:
    with override_settings(JWT_REFRESH_KEYS=[new_secret("EdDSA")]):
        assert prove(BY_ID["C21"]).verdict is Verdict.WRONG


@pytest.mark.parametrize("algorithm", sampled(["EdDSA", "ES256"], ["EdDSA"]))
def test_the_proofs_about_tokens_hold_whatever_signs_access_tokens(file_database: None, algorithm: str) -> None:
    with override_settings(JWT_ACCESS_KEYS=[new_secret(algorithm)]):
        for claim in [*select_claims([], "tokens"), BY_ID["C48"]]:
            result = prove(claim)
            assert result.status is Status.PROVED or result.not_running, (claim.id, result)
        assert f"{algorithm}, no HMAC" in str(prove(BY_ID["C21"]).evidence)
