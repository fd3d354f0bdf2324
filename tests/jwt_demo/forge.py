"""Tokens made by hand with the site's own keys: it is the tested defence that must refuse them, not the signature."""

import base64
import hmac
import json
from typing import Any

import pytest
from django.conf import settings
from rest_framework_simplejwt.exceptions import TokenError

from jwt_demo.tokens import AccessToken, Key, RefreshToken, TypedToken
from tests.jwt_demo.conftest import COOKIE, REFRESH, WHOAMI, Holder

ABSENT: Any = object()


def b64(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def segment(part: Any) -> str:
    """Bytes as they are, anything else as JSON."""
    return b64(part if isinstance(part, bytes) else json.dumps(part).encode())


def opened(text: str) -> list[dict[str, Any]]:
    """Header and claims of a token, unverified."""
    return [json.loads(base64.urlsafe_b64decode(part + "==")) for part in text.split(".")[:2]]


def jws(header: Any, claims: Any, secret: str | bytes, digest: str = "sha256") -> str:
    """Any header and any claims, with an HMAC."""
    signed = f"{segment(header)}.{segment(claims)}"
    key = secret.encode() if isinstance(secret, str) else secret
    return f"{signed}.{b64(hmac.digest(key, signed.encode(), digest))}"


def changed(before: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """With `changes`; what is `ABSENT` is left out."""
    return {name: value for name, value in {**before, **changes}.items() if value is not ABSENT}


class Bench:
    """One kind of token of one login: how to make another like it, and where to try it."""

    kind: type[TypedToken]
    text: str

    def __init__(self, holder: Holder) -> None:
        self.holder = holder
        self.header, self.claims = opened(self.text)
        self.secret: str = getattr(settings, self.kind.secrets)[0]

    def forge(self, header: Any = None, claims: Any = None, secret: Any = None, digest: str = "sha256") -> str:
        """Its token, with these changes; bytes replace a segment altogether."""
        header = header if isinstance(header, bytes) else changed(self.header, header or {})
        claims = claims if isinstance(claims, bytes) else changed(self.claims, claims or {})
        return jws(header, claims, self.secret if secret is None else secret, digest)

    def refused(self, text: str | bytes, *sentences: str) -> None:
        """Neither the class takes it nor the endpoint, and neither breaks."""
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
        """What is forged without a change is good: so it is the change that is refused elsewhere."""
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


def key_of(bench: Bench) -> Key:
    """The key that signs tokens of this kind."""
    return Key.of(bench.secret)
