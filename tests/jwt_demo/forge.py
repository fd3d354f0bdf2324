"""Tokens made by hand with the site's own keys. So the tested defence must refuse them, not the signature."""

import base64
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from pytest_django import Settings
from rest_framework_simplejwt.exceptions import TokenError

from jwt_demo import key_writing, keys
from jwt_demo.keys import ALGORITHMS, Key
from jwt_demo.tokens import AccessToken, RefreshToken, TypedToken
from tests.jwt_demo.conftest import COOKIE, REFRESH, WHOAMI, Holder

ABSENT: Any = object()
# Each kind of token under each algorithm that its ring may have.
SIGNED = [(kind, algorithm) for kind, allowed in ALGORITHMS.items() for algorithm in allowed]


def b64(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def segment(part: Any) -> str:
    """A segment of a token: bytes as they are, anything else as JSON."""
    return b64(part if isinstance(part, bytes) else json.dumps(part).encode())


def opened(text: str) -> list[dict[str, Any]]:
    """Header and claims of a token, unverified."""
    return [json.loads(base64.urlsafe_b64decode(part + "==")) for part in text.split(".")[:2]]


def signature(key: Key, signed: str) -> bytes:
    """The signature of a text by this key and its algorithm, without any code of the site."""
    if key.algorithm == "HS256":
        return hmac.digest(key.signing, signed.encode(), "sha256")
    if key.algorithm == "EdDSA":
        return bytes(key.signing.sign(signed.encode()))
    return joined(*decode_dss_signature(key.signing.sign(signed.encode(), ECDSA(SHA256()))))


def joined(r: int, s: int) -> bytes:
    """The two numbers of an ES256 signature as RFC 7518 section 3.4 writes them."""
    return r.to_bytes(32) + s.to_bytes(32)


def jws(header: Any, claims: Any, secret: Key | str | bytes, digest: str = "sha256") -> str:
    """A token with any header and any claims, signed by a key, or by an HMAC with any secret."""
    signed = f"{segment(header)}.{segment(claims)}"
    if isinstance(secret, Key):
        return f"{signed}.{b64(signature(secret, signed))}"
    key = secret.encode() if isinstance(secret, str) else secret
    return f"{signed}.{b64(hmac.digest(key, signed.encode(), digest))}"


def changed(before: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy with `changes`, without the names whose value is `ABSENT`."""
    return {name: value for name, value in {**before, **changes}.items() if value is not ABSENT}


class Bench:
    """One kind of token of one login: how to make another like it, and where to try it."""

    kind: type[TypedToken]
    text: str

    def __init__(self, holder: Holder) -> None:
        self.holder = holder
        self.header, self.claims = opened(self.text)
        ring = keys.ring(self.kind.token_type)
        self.key = ring.active
        (self.secret,) = (dated.secret for dated in ring.dated if dated.key is self.key)

    def forge(self, header: Any = None, claims: Any = None, secret: Any = None, digest: str = "sha256") -> str:
        """Its token with these changes. Bytes replace a whole segment.

        The site's own key signs, by its own algorithm. `secret` is another key, or a secret for an HMAC.
        """
        header = header if isinstance(header, bytes) else changed(self.header, header or {})
        claims = claims if isinstance(claims, bytes) else changed(self.claims, claims or {})
        return jws(header, claims, self.key if secret is None else secret, digest)

    def refused(self, text: str | bytes, *sentences: str) -> None:
        """Asserts that the class and the endpoint refuse this text, and that neither breaks."""
        with pytest.raises(TokenError):
            self.kind(text)
        answer = self.send(text.decode("latin-1") if isinstance(text, bytes) else text)
        assert answer.status_code == 401, text
        assert answer.json()["error"] in (sentences or (self.sentence,)), text
        assert answer["WWW-Authenticate"] == self.challenge

    sentence, challenge = "", ""

    def send(self, text: str) -> Any:
        raise NotImplementedError

    def control(self) -> None:
        """Asserts that a token forged without a change is good. So elsewhere the change is what is refused."""
        raise NotImplementedError


class AccessBench(Bench):
    """Access tokens, tried at whoami."""

    kind, sentence, challenge = AccessToken, "Invalid token", 'Bearer realm="jwt", error="invalid_token"'

    def __init__(self, holder: Holder) -> None:
        self.text = holder.access
        super().__init__(holder)

    def send(self, text: str) -> Any:
        return self.holder.call("GET", WHOAMI, access=text)

    def control(self) -> None:
        assert self.send(self.text).status_code == self.send(self.forge()).status_code == 200


class RefreshBench(Bench):
    """Refresh tokens, tried in the cookie."""

    kind, sentence, challenge = RefreshToken, "Invalid refresh token", 'Bearer realm="jwt"'

    def __init__(self, holder: Holder) -> None:
        self.text, self.generation = holder.refresh, 0
        super().__init__(holder)

    def send(self, text: str) -> Any:
        other = Holder()
        other.cookies[COOKIE] = text
        return other.call("POST", REFRESH)

    def control(self) -> None:
        assert self.holder.family.generation == self.generation
        answer = self.send(self.forge())
        assert answer.status_code == 200
        self.text, self.generation = answer.cookies[COOKIE].value, self.generation + 1
        self.header, self.claims = opened(self.text)


BENCHES: dict[str, type[Any]] = {"access": AccessBench, "refresh": RefreshBench}


def use_keys(settings: Settings, algorithm: str, others: int = 0) -> None:
    """Sets new keys of this algorithm for access tokens, and for refresh tokens if these can have it."""
    for kind, name in keys.SETTINGS.items():
        own = algorithm if algorithm in ALGORITHMS[kind] else "HS256"
        setattr(settings, name, [key_writing.new_secret(own) for _ in range(1 + others)])
