"""A configuration that would weaken a token stops the start, with an id."""

import hashlib
import secrets
from datetime import timedelta
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import Client
from pytest_django import Settings

from jwt_demo.checks import configuration
from jwt_demo.conf import conf as jwt_conf
from jwt_demo.tokens import ED25519
from tests.jwt_demo.forge import b64
from tests.running import Store

# The same in each worker: xdist compares the names of the tests, and keys are part of them.
SEED = b64(hashlib.sha256(b"a seed").digest())
KEY = "aB3$eF7&" * 2 + "0f1e2d3c4b5a6978"
RINGS = ["JWT_ACCESS_KEYS", "JWT_REFRESH_KEYS"]


def ids() -> list[str | None]:
    return [error.id for error in configuration(None)]


def good() -> str:
    return secrets.token_urlsafe(48)


def test_the_configuration_is_sound() -> None:
    assert ids() == []
    assert [message for message in run_checks() if (message.id or "").startswith("jwt.")] == []


@pytest.mark.parametrize("ring", RINGS)
@pytest.mark.parametrize(
    "key",
    [
        "",
        "hunter2",
        "aB3$" * 7 + "xyz",  # 31 bytes
        "a" * 64,
        "abcabcabcabcabcabcabcabcabcabcabcabcabc",
        "change-me-change-me-change-me-change-me",
        "django-insecure-" + "aB3dE5gH7jK9" * 4,
        "your-256-bit-SECRET-0123456789-abcdefgh",
        ED25519,
        ED25519 + SEED[:-2],
        ED25519 + SEED + "AAAA",
        ED25519 + b64(bytes(range(64))),
        ED25519 + "a" * 43,
        ED25519 + "not base64 at all, but long enough to be one",
    ],
)
def test_a_key_that_could_be_guessed_or_read_as_none_is_refused(settings: Settings, ring: str, key: str) -> None:
    for keys in ([key], [good(), key], [key, good()]):
        setattr(settings, ring, keys)
        assert ids() == ["jwt.E001"]
        (error,) = configuration(None)
        assert ring in error.msg
        assert not key or key not in str(error)


@pytest.mark.parametrize("ring", RINGS)
def test_an_empty_ring_is_refused(settings: Settings, ring: str) -> None:
    setattr(settings, ring, [])
    assert ids() == ["jwt.E001"]
    delattr(settings, ring)
    assert ids() == ["jwt.E001"]


@pytest.mark.parametrize("ring", RINGS)
@pytest.mark.parametrize("key", [ED25519 + SEED, KEY, hashlib.sha256(b"a key").hexdigest()])
def test_a_good_key_of_either_kind_is_taken(settings: Settings, ring: str, key: str) -> None:
    for keys in ([key], [good(), key], [key, good(), good()]):
        setattr(settings, ring, keys)
        assert ids() == []


def test_no_two_purposes_share_a_key(settings: Settings) -> None:
    shared, before = good(), (settings.SECRET_KEY, jwt_conf.JWT_ACCESS_KEYS, jwt_conf.JWT_REFRESH_KEYS)
    for other in ([shared], [good(), shared]):
        for names in (RINGS, ["SECRET_KEY", RINGS[0]], ["SECRET_KEY", RINGS[1]]):
            settings.SECRET_KEY, settings.JWT_ACCESS_KEYS, settings.JWT_REFRESH_KEYS = before
            for name in names:
                setattr(settings, name, shared if name == "SECRET_KEY" else other)
            assert ids() == ["jwt.E002"], names


@pytest.mark.parametrize("name", ["SECRET_KEY", *RINGS])
def test_a_seed_is_the_same_key_under_another_name(settings: Settings, name: str) -> None:
    other = RINGS[0] if name == RINGS[1] else RINGS[1]
    setattr(settings, other, [ED25519 + SEED])
    setattr(settings, name, SEED if name == "SECRET_KEY" else [SEED])
    assert ids() == ["jwt.E002"]


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("JWT_REFRESH_COOKIE_NAME", "refresh", "jwt.E003"),
        ("JWT_REFRESH_COOKIE_NAME", "__Secure-refresh", "jwt.E003"),
        ("JWT_REFRESH_COOKIE_NAME", "__host-refresh", "jwt.E003"),
        ("JWT_REFRESH_COOKIE_NAME", "", "jwt.E003"),
        ("JWT_REFRESH_LIFETIME_REMEMBERED", 60, "jwt.E004"),
        ("JWT_ABSOLUTE_LIFETIME", 3600, "jwt.E004"),
        ("JWT_ABSOLUTE_LIFETIME", timedelta(days=30), "jwt.E014"),
        ("JWT_ABSOLUTE_LIFETIME", 2**31, "jwt.E014"),
        ("JWT_ABSOLUTE_LIFETIME", 86400.0, "jwt.E014"),
        ("JWT_DENYLIST_LEASE", "3", "jwt.E014"),
        ("JWT_DENYLIST_LEASE", 0, "jwt.E014"),
        ("JWT_DENYLIST_LEASE", True, "jwt.E014"),
        ("JWT_ROWS_KEPT", -5, "jwt.E014"),
        ("JWT_REFRESH_COOKIE_NAME", None, "jwt.E014"),
        ("JWT_REVOCATION", None, "jwt.E014"),
        ("JWT_REVOCATION", ["denylist"], "jwt.E014"),
        ("JWT_DENYLIST_CACHE_ALIAS", ["denylist"], "jwt.E014"),
        ("JWT_ACCESS_KEYS", None, "jwt.E014"),
        ("JWT_ACCESS_KEYS", [bytes(range(48))], "jwt.E014"),
        ("JWT_ACCESS_KEYS", KEY, "jwt.E014"),
        ("JWT_REFRESH_KEYS", {KEY}, "jwt.E014"),
        ("JWT_REFRESH_KEYS", [KEY, None], "jwt.E014"),
        ("JWT_ABSOLUTE_LIFETIME_REMEMBERED", 3600, "jwt.E004"),
        ("JWT_GRACE_PERIOD", -1, "jwt.E014"),
        ("JWT_REVOCATION", "", "jwt.E005"),
        ("JWT_REVOCATION", "none", "jwt.E005"),
        ("JWT_REVOCATION", "Denylist", "jwt.E005"),
    ],
)
def test_what_would_weaken_a_token_is_refused(settings: Settings, name: str, value: Any, error: str) -> None:
    setattr(settings, name, value)
    (found,) = configuration(None)
    assert (found.id, KEY in str(found)) == (error, False)
    if error == "jwt.E014":
        assert name in found.msg
        assert f"Write for example {name} = " in str(found.hint)


def test_each_wrong_type_is_reported_and_nothing_else(settings: Settings) -> None:
    settings.JWT_ACCESS_KEYS, settings.JWT_REFRESH_COOKIE_NAME, settings.JWT_REVOCATION = None, None, "none"
    assert ids() == ["jwt.E014", "jwt.E014"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JWT_GRACE_PERIOD", 0),
        ("JWT_ROWS_KEPT", 0),
        ("JWT_REVOCATION", "expiry"),
        ("JWT_REVOCATION", "version"),
        ("JWT_REFRESH_COOKIE_NAME", "__Host-r"),
    ],
)
def test_what_is_strict_or_merely_different_is_taken(settings: Settings, name: str, value: Any) -> None:
    setattr(settings, name, value)
    assert ids() == []


def test_a_store_that_forgets_when_it_is_full_is_refused(store: Store, client: Client, db: None) -> None:
    redis = store.client()
    try:
        redis.config_set("maxmemory-policy", "allkeys-lru")
        assert ids() == []  # without a limit nothing is forgotten
        redis.config_set("maxmemory", "100mb")
        (error,) = configuration(None)
        assert (error.id, "allkeys-lru" in error.msg) == ("jwt.E006", True)
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["denylist"]) == (200, "may forget: maxmemory-policy is allkeys-lru")
        redis.config_set("maxmemory-policy", "noeviction")
        assert (ids(), client.get("/readyz").json()["denylist"]) == ([], "ok")
    finally:
        redis.config_set("maxmemory-policy", "noeviction")
        redis.config_set("maxmemory", 0)


def test_what_else_is_wrong_can_be_said_without_the_store(store: Store) -> None:
    store.kill()
    assert ids() == []


@pytest.mark.parametrize("name", ["security.origin.OriginGate"])
def test_a_part_without_the_middleware_that_guards_it_is_refused(settings: Settings, name: str) -> None:
    settings.MIDDLEWARE = [one for one in settings.MIDDLEWARE if one != name]
    assert ids() == ["jwt.E010"]


def test_e007_no_redis_to_keep_the_denylist_in(settings: Settings) -> None:
    settings.CACHES = {name: cache for name, cache in settings.CACHES.items() if name != "denylist"}
    assert ids() == ["jwt.E007"]
