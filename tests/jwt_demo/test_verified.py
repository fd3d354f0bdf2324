"""An access token that comes again: its signature is not verified again, but everything else is."""

import secrets
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from django.core.management import call_command
from pytest_django import Settings
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenBackendError, TokenError

from accounts.models import User
from jwt_demo import verified
from jwt_demo.conf import access_lifetime, leeway
from jwt_demo.tokens import AccessToken, RefreshToken, backend
from security.revocation import revoke_access
from tests.conftest import Clock
from tests.jwt_demo.conftest import logged_in
from tests.jwt_demo.rings import in_file


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens whose signature was verified, in order."""
    tokens: list[str] = []
    decode = jwt.decode
    monkeypatch.setattr(
        jwt, "decode", lambda token, *more, **options: tokens.append(token) or decode(token, *more, **options)
    )
    return tokens


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[verified.VerifiedTokens]:
    """The cache of the process, which is empty at first."""
    kept = verified.VerifiedTokens()
    monkeypatch.setattr(AccessToken().token_backend, "_verified", kept)
    yield kept


def token(user: User) -> str:
    return str(AccessToken.for_user(user))


def test_a_signature_is_computed_once(alice: User, checked: list[str]) -> None:
    text = token(alice)
    payloads = [AccessToken(form).payload for form in (text, text.encode(), text)]
    assert payloads[0] == payloads[1] == payloads[2]
    assert checked == [text]


def test_what_one_request_changes_no_other_sees(alice: User, kept: verified.VerifiedTokens) -> None:
    text = token(alice)
    for _ in range(3):
        found = AccessToken(text)
        assert found["role"] == "member"
        found["role"] = "admin"
        found.verify()
    assert len(kept) == 1


def test_a_token_that_was_seen_still_expires(alice: User, clock: Clock, kept: verified.VerifiedTokens) -> None:
    text = token(alice)
    assert AccessToken(text)
    clock(access_lifetime() - 1)
    assert AccessToken(text)
    clock(access_lifetime())
    with pytest.raises(ExpiredTokenError):
        AccessToken(text)
    assert len(kept) == 1, "the clock has refused it"


def test_a_token_that_was_seen_is_refused_by_a_clock_that_is_set_back(alice: User, clock: Clock) -> None:
    text = token(alice)
    assert AccessToken(text)
    clock(-leeway().total_seconds() - 2)
    with pytest.raises(TokenError, match="future"):
        AccessToken(text)


def test_the_rules_of_the_claims_are_asked_each_time(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    text = token(alice)
    assert AccessToken(text)
    monkeypatch.setitem(AccessToken.own_claims, "role", "admin".__eq__)
    with pytest.raises(TokenError):
        AccessToken(text)


def test_a_key_that_leaves_the_ring_ends_what_it_signed_at_once(
    alice: User, settings: Settings, kept: verified.VerifiedTokens
) -> None:
    text = token(alice)
    assert AccessToken(text)
    settings.JWT_ACCESS_KEYS = [secrets.token_urlsafe(48)]
    with pytest.raises(TokenError):
        AccessToken(text)
    assert len(kept) == 0


def test_a_forced_rotation_ends_what_the_old_key_signed_at_once(
    alice: User, settings: Settings, tmp_path: Path
) -> None:
    in_file(settings, tmp_path / "keys.json")
    text = token(alice)
    assert AccessToken(text)
    call_command("rotate_keys", "access", force=True)
    with pytest.raises(TokenError):
        AccessToken(text)


def test_a_token_that_was_seen_is_none_of_another_kind_issuer_or_audience(alice: User) -> None:
    text = token(alice)
    ours = AccessToken(text).token_backend
    for kind, issuer, audience in (("rt+jwt", ours.issuer, ours.audience), ("at+jwt", "x", ours.audience)):
        with pytest.raises(TokenBackendError):
            backend(kind, "access", str(issuer), str(audience)).decode(text)
    with pytest.raises(TokenBackendError):
        backend("at+jwt", "access", str(ours.issuer), "x").decode(text)
    with pytest.raises(TokenError):
        RefreshToken(text)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("check", ["denylist", "version"])
def test_a_token_that_was_seen_can_be_revoked(alice: User, whole: None, settings: Settings, check: str) -> None:
    settings.JWT_REVOCATION = check
    holder = logged_in()
    revoke_access(alice, "test")
    assert holder.whoami() == 401


def test_a_token_that_is_refused_is_not_kept(alice: User, kept: verified.VerifiedTokens) -> None:
    good, odd = token(alice), AccessToken.for_user(alice)
    odd["extra"] = [1]
    late = AccessToken.for_user(alice)
    late.set_exp(lifetime=timedelta(seconds=-1))
    for text in (good[:-4] + "AAAA", str(odd), str(late), "a.b.c", "é", good + "\n", 7):
        with pytest.raises(TokenError):
            AccessToken(text)
    assert len(kept) == 0


def test_a_process_keeps_so_many_tokens_of_such_a_length(
    kept: verified.VerifiedTokens, monkeypatch: pytest.MonkeyPatch, at_once: Callable[..., Any]
) -> None:
    monkeypatch.setattr(verified, "MOST", 3)
    ring = AccessToken().token_backend.ring
    key = ring.active

    def use(number: int) -> None:
        for turn in range(300):
            text = f"{number}.{turn % 7}"
            kept.add(text, key, {"exp": number})
            assert kept.get(text, ring) in ({"exp": number}, None)
            kept.get(text, {})

    at_once(8, use)
    for turn in range(5):
        kept.add(str(turn), key, {})
    kept.add("x" * (verified.LONGEST + 1), key, {})
    assert [str(turn) in kept for turn in range(5)] == [False, False, True, True, True]
    assert len(kept) == 3
