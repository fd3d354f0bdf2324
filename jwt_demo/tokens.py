"""The two kinds of token: their keys, their form, their claims.

Needs PyJWT and SimpleJWT. Gives `AccessToken` and `RefreshToken`, which are SimpleJWT's `Token` on a
backend of their own: a ring of keys for each kind, a form that is checked before PyJWT sees a byte, and
claims that have types. Every fault of a token raises `TokenError`, and no other exception.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any
from uuid import UUID

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.core.exceptions import ValidationError
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenBackendExpiredToken, TokenError
from rest_framework_simplejwt.tokens import Token

from jwt_demo.conf import conf
from security.users import pk_of

LONGEST = 4096  # bytes; ours have some 500
# RFC 7515 section 3.1, and nothing that a lenient decoder forgives: padding, blanks, the other alphabet.
FORM = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
ED25519 = "ed25519:"
# Seconds that the clock of the machine that issued a token may be ahead of this one's. Machines that are set by NTP
# differ by less than one; a token from further ahead comes from a broken clock, and would live too long.
CLOCK_SKEW = 30


@dataclass(frozen=True)
class Key:
    """One key of a ring. The algorithm belongs to it, so that no header can choose another (RFC 8725 section 3.1)."""

    kid: str
    algorithm: str
    signing: Any
    verifying: Any

    @classmethod
    def of(cls, secret: str) -> "Key":
        """The key that `secret` stands for: HS256, or EdDSA for `ed25519:` and 32 bytes in base64url."""
        kid = hmac.digest(secret.encode(), b"kid", hashlib.sha256).hex()[:8]
        if not secret.startswith(ED25519):
            return cls(kid, "HS256", secret.encode(), secret.encode())
        private = Ed25519PrivateKey.from_private_bytes(_decoded(secret.removeprefix(ED25519)))
        return cls(kid, "EdDSA", private, private.public_key())


class Backend(TokenBackend):
    """SimpleJWT's, with a ring of keys: the first signs, all verify, so that a key can be replaced."""

    def __init__(self, kind: str, secrets: tuple[str, ...], issuer: str, audience: str) -> None:
        keys = [Key.of(secret) for secret in secrets]
        super().__init__(keys[0].algorithm, issuer=issuer, audience=audience)
        self.kind, self.first, self.ring = kind, keys[0].kid, {key.kid: key for key in keys}

    def encode(self, payload: dict[str, Any], kid: str = "") -> str:
        """The signed token. `kid` names the key that must sign it; `TokenBackendError` when it has left the ring."""
        key = self.ring.get(kid or self.first)
        if key is None:
            raise TokenBackendError("The key of this token is gone.")
        claims = {**payload, "iss": self.issuer, "aud": self.audience}
        return jwt.encode(claims, key.signing, key.algorithm, headers=self._header(key))

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        """The claims of a token of this kind, signed by a key of this ring and not expired.

        `verify` must stay true: nothing here uses claims whose signature is not verified.
        """
        key = self.ring[self.kid_of(token)]
        try:
            return jwt.decode(
                token,
                key.verifying,
                [key.algorithm],
                issuer=self.issuer,
                audience=self.audience,
                # Not with PyJWT's leeway, which would move `exp` as well: see `TypedToken.verify`.
                options={"strict_aud": True, "require": ["exp", "iat", "iss", "aud"], "verify_iat": False},
            )
        except jwt.ExpiredSignatureError as error:
            raise TokenBackendExpiredToken("The token has expired.") from error
        except (jwt.InvalidTokenError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
            # A library may raise any error for claims of the wrong type. It must not become a 500.
            raise TokenBackendError("The token is invalid.") from error

    def kid_of(self, token: Any) -> str:
        """The name of the key, if the token has our form and exactly our header. Raises `TokenBackendError`.

        No parameter of the header is obeyed, so `jku`, `jwk`, `x5u`, `crit` and `b64` have nothing to do here.
        """
        text = token.decode("ascii", "replace") if isinstance(token, bytes) else token
        form = FORM.fullmatch(text) if isinstance(text, str) and len(text) <= LONGEST else None
        if form is None or not all(map(_is_canonical, form.groups())):
            raise TokenBackendError("The token has not the form of one.")
        try:
            header = json.loads(_decoded(form[1]))
            kid = header["kid"]
            if header == self._header(self.ring[kid]):
                return str(kid)
        except (ValueError, TypeError, LookupError, RecursionError):
            pass
        raise TokenBackendError("The token has not our header.")

    def _header(self, key: Key) -> dict[str, str]:
        return {"alg": key.algorithm, "typ": self.kind, "kid": key.kid}


def _decoded(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def _is_canonical(segment: str) -> bool:
    # The last character has bits that decode to nothing: four spellings of one signature.
    try:
        return base64.urlsafe_b64encode(_decoded(segment)).rstrip(b"=").decode() == segment
    except ValueError:
        return False


@cache
def backend(kind: str, secrets: tuple[str, ...], issuer: str, audience: str) -> Backend:
    """The backend for these settings, made once."""
    return Backend(kind, secrets, issuer, audience)


Rule = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return type(value) is str and 0 < len(value) <= 255 and value.isprintable()


def _number(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**31  # `true` is an int to Python, and user 1 to the stock class


def _moment(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**33  # seconds since 1970; far enough for a datetime


def _user(value: Any) -> bool:
    try:
        return type(value) is str and value.isprintable() and pk_of(value) is not None
    except ValidationError:
        return False


def _family(value: Any) -> bool:
    try:
        return type(value) is str and str(UUID(value)) == value
    except ValueError:
        return False


# The claims of every token. A token with fewer or more claims, or with other types, is refused although it is signed.
COMMON: dict[str, Rule] = {
    "token_type": _text,
    "iss": _text,
    "aud": _text,
    "sub": _user,
    "iat": _moment,
    "exp": _moment,
    "jti": _text,
    "sid": _family,
}


class TypedToken(Token):
    """SimpleJWT's token with a key ring, an explicit type (RFC 8725 section 3.11) and typed claims.

    Called with a token's text it verifies it, or raises `TokenError`; without, it is a new one to be filled.
    """

    kind: str
    claims: dict[str, Rule]
    secrets: str
    kid = ""

    def __init__(self, token: Any = None) -> None:
        super().__init__(token)

    @property
    def token_backend(self) -> Backend:
        return backend(self.kind, tuple(getattr(settings, self.secrets)), conf.JWT_ISSUER, conf.JWT_AUDIENCE)

    def verify(self) -> None:
        """Raises `TokenError` for claims that are not exactly ours, then SimpleJWT's own refusals."""
        well_formed = self.payload.keys() == self.claims.keys()
        if not (well_formed and all(rule(self.payload[name]) for name, rule in self.claims.items())):
            raise TokenError("Token has odd claims")
        if self.payload["iat"] > self.current_time.timestamp() + CLOCK_SKEW:
            raise TokenError("Token is from the future")
        super().verify()

    def __str__(self) -> str:
        return self.token_backend.encode(self.payload, self.kid)


class AccessToken(TypedToken):
    """Names the user for fifteen minutes. Neither side stores it (RFC 9068 for the type)."""

    token_type, kind, secrets = "access", "at+jwt", "JWT_ACCESS_KEYS"
    lifetime = timedelta(seconds=conf.JWT_ACCESS_LIFETIME)
    claims = COMMON | {"role": _text, "ver": _number, "auth_time": _moment}


class RefreshToken(TypedToken):
    """Exchanged for the next access token, once. It names its family and its place in it.

    Not SimpleJWT's `RefreshToken`: with the blacklist app on, that one raises before its family can be
    read, and a replay would look like any other bad token.
    """

    token_type, kind, secrets = "refresh", "rt+jwt", "JWT_REFRESH_KEYS"
    lifetime = timedelta(seconds=conf.JWT_REFRESH_LIFETIME)
    claims = COMMON | {"gen": _number}
