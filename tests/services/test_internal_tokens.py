"""Which internal tokens a service accepts. These tests start no process."""

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services import internal_tokens
from services.internal_tokens import LEEWAY, LIFETIME, TYPE, Issuer, Keys, read
from tests.conftest import Clock


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def issuer(file: Path) -> Issuer:
    return Issuer(file)


@pytest.fixture
def keys(issuer: Issuer, file: Path) -> Keys:
    return Keys(file)


def test_it_says_who_the_user_is_to_one_service(issuer: Issuer, keys: Keys) -> None:
    claims = read(issuer.issue("orders", "7", "member"), "orders", keys)
    assert (claims["sub"], claims["role"], claims["aud"]) == ("7", "member", "orders")
    assert claims["exp"] - claims["iat"] == LIFETIME <= 60


def test_it_is_over_after_its_lifetime(issuer: Issuer, keys: Keys, clock: Clock) -> None:
    token = issuer.issue("orders", "7", "member")
    clock(LIFETIME + LEEWAY - 1)
    read(token, "orders", keys)
    clock(LIFETIME + LEEWAY)
    with pytest.raises(jwt.ExpiredSignatureError):
        read(token, "orders", keys)


def claims(**more: Any) -> dict[str, Any]:
    now = int(time.time())
    found = {"iss": "auth", "aud": "orders", "sub": "1", "role": "admin", "iat": now, "exp": now + LIFETIME} | more
    return {name: value for name, value in found.items() if value is not None}


def signed(issuer: Issuer, payload: dict[str, Any], **header: Any) -> str:
    """A token signed with the key of `auth`."""
    return jwt.encode(payload, issuer._key, "EdDSA", headers={"typ": TYPE, "kid": issuer.kid} | header)


def unsigned(issuer: Issuer, file: Path) -> str:
    return jwt.encode(claims(), "", "none", headers={"typ": TYPE, "kid": issuer.kid})


def under_the_public_key(issuer: Issuer, file: Path) -> str:
    jwk = json.loads(file.read_text())["keys"][0]
    secret = base64.urlsafe_b64decode(jwk["x"] + "=")
    return jwt.encode(claims(), secret, "HS256", headers={"typ": TYPE, "kid": issuer.kid})


def under_another_key(issuer: Issuer, file: Path) -> str:
    return jwt.encode(claims(), Ed25519PrivateKey.generate(), "EdDSA", headers={"typ": TYPE, "kid": issuer.kid})


BAD: dict[str, Callable[[Issuer, Path], str]] = {
    "unsigned": unsigned,
    "HS256 under the public key": under_the_public_key,
    "another key": under_another_key,
    "for another service": lambda issuer, _: signed(issuer, claims(aud="billing")),
    "for no service": lambda issuer, _: signed(issuer, claims(aud=None)),
    "of another issuer": lambda issuer, _: signed(issuer, claims(iss="http://localhost:8000")),
    "of no issuer": lambda issuer, _: signed(issuer, claims(iss=None)),
    "an access token by its type": lambda issuer, _: signed(issuer, claims(), typ="at+jwt"),
    "without a type": lambda issuer, _: signed(issuer, claims(), typ=None),
    "without an end": lambda issuer, _: signed(issuer, claims(exp=None)),
    "for an hour": lambda issuer, _: signed(issuer, claims(exp=int(time.time()) + 3600)),
    "without a user": lambda issuer, _: signed(issuer, claims(sub=None)),
    "without a role": lambda issuer, _: signed(issuer, claims(role=None)),
    "an unknown key": lambda issuer, _: signed(issuer, claims(), kid="another"),
    "without a key": lambda issuer, _: signed(issuer, claims(), kid=None),
    "not yet": lambda issuer, _: signed(issuer, claims(iat=int(time.time()) + 3600, exp=int(time.time()) + 3630)),
    "with padding": lambda issuer, _: signed(issuer, claims()) + "==",
    "with an extension": lambda issuer, _: signed(issuer, claims(), crit=["exp"]),
    "with a key of its own": lambda issuer, _: signed(issuer, claims(), jwk={}),
    "nested too deep": lambda issuer, _: f"{'W1tb' * 900}.e30.AA",
    "nothing": lambda issuer, _: "",
    "no token": lambda issuer, _: "a.b.c",
}


@pytest.mark.parametrize("way", BAD)
def test_anything_else_is_refused(issuer: Issuer, keys: Keys, file: Path, way: str) -> None:
    assert read(signed(issuer, claims()), "orders", keys)["sub"] == "1"
    with pytest.raises(jwt.PyJWTError):
        read(BAD[way](issuer, file), "orders", keys)


def test_a_new_auth_is_known_at_once_and_the_old_key_is_gone(issuer: Issuer, keys: Keys, file: Path) -> None:
    before = issuer.issue("orders", "7", "member")
    read(before, "orders", keys)
    after = Issuer(file).issue("orders", "7", "member")
    assert read(after, "orders", keys)["sub"] == "7"
    with pytest.raises(jwt.InvalidKeyError):
        read(before, "orders", keys)


def test_without_keys_nothing_is_taken(issuer: Issuer, tmp_path: Path) -> None:
    with pytest.raises(jwt.InvalidKeyError):
        read(issuer.issue("orders", "7", "member"), "orders", Keys(tmp_path / "none.json"))


def test_keys_that_were_gone_are_found_again(issuer: Issuer, keys: Keys, file: Path) -> None:
    token = issuer.issue("orders", "7", "member")
    read(token, "orders", keys)
    aside = file.rename(file.with_suffix(".aside"))
    with pytest.raises(jwt.InvalidKeyError):
        read(signed(issuer, claims(), kid="another"), "orders", keys)
    aside.rename(file)  # a rename keeps the modification time
    assert read(token, "orders", keys)["sub"] == "7"


def test_the_private_half_is_nowhere_on_the_disk(issuer: Issuer, file: Path) -> None:
    assert set(json.loads(file.read_text())["keys"][0]) == {"crv", "kty", "x", "kid", "alg", "use"}
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert internal_tokens.LIFETIME <= 60
