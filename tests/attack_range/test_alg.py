"""The weak verifier accepts each wrong algorithm and key; ours accepts none."""

import base64
import hmac
import json
import os
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from tests.attack_range.asking import send
from tests.running import Range

pytestmark = pytest.mark.browser
A_FEW = ("alg/none-4/", "alg/confusion/", "alg/word-list/", "alg/legitimate")


def attack(attack_range: Range, *cases: str) -> dict[str, bool]:
    """Runs the cases, which must all have the expected outcome; returns which attacks succeeded."""
    results = attack_range.run(*cases)
    assert [case for case in results.values() if not case["as_expected"]] == []
    return {name: case["succeeded"] for name, case in results.items()}


def test_a_role_that_was_never_issued_is_believed_by_the_weak_verifier_only(attack_range: Range) -> None:
    succeeded = attack(attack_range, *A_FEW)
    assert {name for name, yes in succeeded.items() if not yes} == {name for name in succeeded if "/ours" in name}


@pytest.mark.exhaustive
def test_so_is_every_other_forged_token(attack_range: Range) -> None:
    succeeded = attack(attack_range, "alg/")
    assert len(succeeded) == 2 * 10 + 1
    assert {name for name, yes in succeeded.items() if not yes} == {name for name in succeeded if "/ours" in name}


def status(attack_range: Range, token: str) -> int:
    """The status of the weak verifier's answer to this token."""
    host, bearer = f"victim.localhost:{attack_range.port}", (("Authorization", f"Bearer {token}"),)
    return send(attack_range, host, "/weak/alg/staff", headers=bearer).status


def under_empty_key(header: dict[str, Any]) -> str:
    parts = (header | {"alg": "HS256"}, {"role": "admin"})
    text = ".".join(segment(json.dumps(part).encode()) for part in parts)
    return f"{text}.{segment(hmac.digest(b'', text.encode(), 'sha256'))}"


def segment(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_the_weak_verifier_opens_no_pipe_and_no_device_but_the_empty_one(attack_range: Range, tmp_path: Path) -> None:
    """Opening a pipe without a writer would block the thread forever. Opened non-blocking, it would be an empty key."""
    os.mkfifo(tmp_path / "pipe")
    assert status(attack_range, under_empty_key({"kid": os.devnull})) == 200
    for name in (str(tmp_path / "pipe"), str(tmp_path), "/dev/zero", "/dev/tty", "\0", "x" * 300):
        assert status(attack_range, under_empty_key({"kid": name})) == 401, name


def test_the_weak_verifier_factors_no_modulus_and_reads_no_endless_token(attack_range: Range) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    jwk = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    with_private_part = jwt.encode({"role": "admin"}, key, "RS256", {"jwk": jwk | {"d": segment(b"\x07" * 256)}})
    assert status(attack_range, with_private_part) == 200
    for odd in ({"n": segment(b"\xff" * 513)}, {"n": 1}, {"n": ""}, {"e": ""}, {"kty": "oct"}):
        assert status(attack_range, jwt.encode({"role": "admin"}, key, "RS256", {"jwk": jwk | odd})) == 401, odd
    assert status(attack_range, jwt.encode({"role": "admin", "x": "x" * 4000}, key, "RS256", {"jwk": jwk})) == 401
