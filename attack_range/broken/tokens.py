"""Forged access tokens. The attacker has a valid token of his own and wants the server to take him for Alice."""

import base64
import hashlib
import hmac
import json
import secrets
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.test.utils import override_settings

from attack_range.broken.tries import Try, token_answer, token_user
from attack_range.scene import Scene
from jwt_demo.keys import ED25519, Key
from jwt_demo.tokens import AccessToken


def unsigned(scene: Scene) -> Try:
    """A token without a signature, whose header has `alg` none."""
    return _present(scene, {"alg": "none"}, lambda message: b"")


def longer_hash(scene: Scene) -> Try:
    """A token that is signed with the right secret, but with HS512."""
    secret = settings.JWT_ACCESS_KEYS[0].encode()
    return _present(scene, {"alg": "HS512"}, lambda message: hmac.digest(secret, message, hashlib.sha512))


def public_key(scene: Scene) -> Try:
    """A token whose HMAC has the site's public key as its secret, while the site signs with a key pair."""
    pair = ED25519 + _segment(secrets.token_bytes(32))
    key = Key.of(pair)
    pem = key.verifying.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with override_settings(JWT_ACCESS_KEYS=[pair]):
        header = {"alg": "HS256", "kid": key.kid}
        return _present(scene, header, lambda message: hmac.digest(pem, message, hashlib.sha256))


def own_key(scene: Scene) -> Try:
    """A token whose header contains the key for its verification."""
    secret = secrets.token_bytes(32)
    jwk = {"jwk": {"kty": "oct", "k": _segment(secret), "alg": "HS256"}}
    return _present(scene, jwk, lambda message: hmac.digest(secret, message, hashlib.sha256))


def _present(scene: Scene, header: dict[str, Any], sign: Any) -> Try:
    """Sends a token with the attacker's own claims, Alice's id and this header.

    Raises `RuntimeError` when the attacker's own token is refused, and when the answer to the forged one is neither 200
    nor 401.
    """
    alice, mallory = scene.person(), scene.person("Mallory")
    own = str(AccessToken.for_user(mallory.user))
    if token_user(scene, own) != str(mallory.user.pk):
        raise RuntimeError("The attacker's own token is refused.")
    usual, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in own.split(".")[:2])
    parts = [usual | header, claims | {"sub": str(alice.user.pk)}]
    text = ".".join(_segment(json.dumps(part).encode()) for part in parts)
    status, user = token_answer(scene, f"{text}.{_segment(sign(text.encode()))}")
    if status not in (200, 401):
        raise RuntimeError(f"The forged token was neither accepted nor refused. It was answered {status}.")
    through = user == str(alice.user.pk)
    return Try(through, f"The forged token was {'taken for Alice and ' if through else ''}answered {status}.")


def _segment(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
