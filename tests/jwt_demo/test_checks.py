"""A configuration that would weaken a token stops the start with an error that has an id."""

import hashlib
import json
import re
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import Client
from pytest_django import Settings

from jwt_demo import keys
from jwt_demo.checks import configuration
from jwt_demo.conf import conf as jwt_conf
from jwt_demo.key_writing import new_secret
from jwt_demo.keys import ED25519, ES256
from tests.jwt_demo.forge import b64
from tests.running import Store

# The same in each worker: keys are part of the names of tests, and xdist compares the names.
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
        ES256,
        ES256 + SEED[:-2],
        ES256 + b64(bytes(32)),
        ES256 + b64(b"\xff" * 32),
    ],
)
def test_a_key_that_could_be_guessed_or_read_as_none_is_refused(settings: Settings, ring: str, key: str) -> None:
    for written in ([key], [good(), key], [key, good()]):
        setattr(settings, ring, written)
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
@pytest.mark.parametrize("key", [ED25519 + SEED, ES256 + SEED, KEY, hashlib.sha256(b"a key").hexdigest()])
def test_a_good_key_of_either_kind_is_taken(settings: Settings, ring: str, key: str) -> None:
    """Except ES256 for refresh tokens: a lost answer could not be repeated byte for byte."""
    refused = ring == "JWT_REFRESH_KEYS" and key.startswith(ES256)
    for written in ([key], [good(), key], [key, good(), good()]):
        setattr(settings, ring, written)
        assert ids() == (["jwt.E001"] if refused else [])
    if refused:
        (error,) = configuration(None)
        assert "JWT_REFRESH_KEYS" in error.msg
        assert "another algorithm than HS256, EdDSA" in error.msg


def test_no_two_purposes_share_a_key(settings: Settings) -> None:
    shared, before = good(), (settings.SECRET_KEY, jwt_conf.JWT_ACCESS_KEYS, jwt_conf.JWT_REFRESH_KEYS)
    for other in ([shared], [good(), shared]):
        for names in (RINGS, ["SECRET_KEY", RINGS[0]], ["SECRET_KEY", RINGS[1]]):
            settings.SECRET_KEY, settings.JWT_ACCESS_KEYS, settings.JWT_REFRESH_KEYS = before
            for name in names:
                setattr(settings, name, shared if name == "SECRET_KEY" else other)
            assert ids() == ["jwt.E002"], names


@pytest.mark.parametrize("name", ["SECRET_KEY", *RINGS])
@pytest.mark.parametrize("prefix", [ED25519, ES256])
def test_a_private_key_is_the_same_key_under_another_name(settings: Settings, name: str, prefix: str) -> None:
    other = RINGS[1] if name == RINGS[0] and prefix != ES256 else RINGS[0]
    name = RINGS[1] if name == other else name
    setattr(settings, other, [prefix + SEED])
    setattr(settings, name, SEED if name == "SECRET_KEY" else [SEED])
    assert ids() == ["jwt.E002"]


NOW = datetime(2026, 1, 31, tzinfo=UTC)


@pytest.fixture
def key_file(settings: Settings, tmp_path: Path) -> Path:
    """A good file of keys, in place of both settings. Every use of a key reads it again."""
    path = tmp_path / "keys.json"
    settings.JWT_KEY_FILE, settings.JWT_ACCESS_KEYS, settings.JWT_REFRESH_KEYS = str(path), (), ()
    put(path)
    assert ids() == []
    return path


def put(path: Path, **secrets_of: str) -> None:
    """Writes a file with one key in each ring, a new key if none is given. No code of the site checks it."""
    found = {"access": new_secret("EdDSA"), "refresh": new_secret("HS256")} | secrets_of
    moments = {"pending": NOW.isoformat(), "active": NOW.isoformat(), "retiring": None, "retired": None}
    path.write_text(json.dumps({kind: [{"secret": secret} | moments] for kind, secret in found.items()}))
    path.chmod(0o600)
    keys._key_file.cache_clear()  # as when the site starts


def refusals(path: Path) -> str:
    """What the checks say about the file. Asserts that they show none of its keys."""
    keys._key_file.cache_clear()
    found = " ".join(f"{error.id}: {error.msg}" for error in configuration(None))
    if path.exists():
        assert not any(word in found for word in re.findall(r"[\w-]{30,}", path.read_text()))
    return found


def test_a_site_whose_key_file_cannot_be_used_does_not_start(key_file: Path) -> None:
    """The process has not read an earlier file, so it has no keys that it could use."""
    for mode in (0o640, 0o604, 0o620, 0o602, 0o610, 0o666):
        key_file.chmod(mode)
        assert "jwt.E001: JWT_KEY_FILE has no access keys" in refusals(key_file)
        assert "Run chmod 600." in refusals(key_file)
    key_file.chmod(0o600)
    assert refusals(key_file) == ""
    key_file.write_text(key_file.read_text()[:-20])
    assert "incomplete, or not JSON" in refusals(key_file)
    key_file.unlink()
    assert "No such file" in refusals(key_file)
    assert all("manage.py rotate_keys" in str(error.hint) for error in configuration(None))


@pytest.mark.parametrize(
    ("kind", "secret", "says"),
    [
        ("refresh", ES256 + SEED, "another algorithm than HS256, EdDSA"),
        ("access", "hunter2", "a placeholder or shorter than 32 bytes"),
        ("refresh", "change-me-change-me-change-me-change-me", "a placeholder or shorter than 32 bytes"),
        ("access", ED25519 + SEED[:-2], "32 bytes of its private key"),
        ("access", ES256 + b64(bytes(32)), ""),
    ],
)
def test_a_key_in_the_file_is_held_to_the_same(key_file: Path, kind: str, secret: str, says: str) -> None:
    put(key_file, **{kind: secret})
    assert "jwt.E001: " in refusals(key_file)
    assert says in refusals(key_file)
    assert secret not in str(configuration(None))


def test_no_two_purposes_share_a_key_wherever_each_is_written(key_file: Path, settings: Settings) -> None:
    before = settings.SECRET_KEY
    for kind, name in (("access", "JWT_REFRESH_KEYS"), ("refresh", "JWT_ACCESS_KEYS")):
        for secret, same in ((KEY, KEY), (ED25519 + SEED, SEED), (SEED, ED25519 + SEED)):
            put(key_file, **{kind: secret})
            for other, value in ((name, [good(), same]), ("SECRET_KEY", same)):
                setattr(settings, other, value)
                assert ids() == ["jwt.E002"], (kind, other)
                settings.SECRET_KEY, settings.JWT_ACCESS_KEYS, settings.JWT_REFRESH_KEYS = before, (), ()
            put(key_file, access=secret, refresh=same)
            assert "The two rings share a key" in refusals(key_file)


def test_a_key_is_pending_until_every_verifier_has_it(settings: Settings) -> None:
    for reread, kept, pending in ((5, 300, 305), (5, 3600, 3600), (3600, 300, 3600), (1, 1, 1)):
        settings.JWT_KEYS_REREAD, settings.JWT_KEYS_MAX_AGE, settings.JWT_KEYS_PENDING = reread, kept, pending
        assert ids() == ["jwt.E016"]
        settings.JWT_KEYS_PENDING = reread + kept + 1
        assert ids() == []


@pytest.mark.parametrize("kind", ["ACCESS", "REFRESH"])
def test_new_keys_are_of_an_algorithm_that_the_ring_may_have(settings: Settings, kind: str) -> None:
    for name in ("HS256", "EdDSA", "ES256", "none", "hs256", "HS384", "RS256", ""):
        setattr(settings, f"JWT_{kind}_ALGORITHM", name)
        allowed = name in ("HS256", "EdDSA") or (name, kind) == ("ES256", "ACCESS")
        assert ids() == ([] if allowed else ["jwt.E015"])


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
        assert ids() == []  # without a limit, Redis forgets nothing
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
