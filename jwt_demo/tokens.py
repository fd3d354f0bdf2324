"""The two kinds of token: their keys, their form, their claims.

Needs PyJWT and SimpleJWT. Gives `AccessToken` and `RefreshToken`, which are SimpleJWT's `Token` on a
backend of their own: a ring of keys for each kind, a form that is checked before PyJWT sees a byte, and
claims that have types. Every fault of a token raises `TokenError`, and no other exception.
"""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any, ClassVar, Self
from uuid import UUID, uuid4

import jwt
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.functional import classproperty
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import (
    AuthenticationFailed,
    TokenBackendError,
    TokenBackendExpiredToken,
    TokenError,
)
from rest_framework_simplejwt.tokens import Token

from jwt_demo.conf import access_lifetime, leeway, refresh_lifetime, simple_jwt
from jwt_demo.keys import Key, Ring, from_base64url, ring
from jwt_demo.verified import VerifiedTokens
from security.models import UserAccess
from security.users import fingerprints_of, pk_of, role_of, user_key

LONGEST = 4096  # bytes. Our tokens have about 500.
# The form of RFC 7515 section 3.1, without the padding, blanks and other alphabets that a lenient decoder accepts. Bits
# of the last character that decode to nothing must be zero. Otherwise one signature could be written in several ways.
SEGMENT = r"(?!\.|\Z)((?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?)"
FORM = re.compile(rf"{SEGMENT}\.{SEGMENT}\.{SEGMENT}")


class Backend(TokenBackend):
    """SimpleJWT's backend with a ring of keys in place of one key. The active key signs, and all keys verify."""

    def __init__(self, kind: str, keys: Callable[[], Ring], issuer: str, audience: str) -> None:
        # SimpleJWT requires an algorithm here, but nothing reads it: each key has its own.
        super().__init__("HS256", issuer=issuer, audience=audience)
        self.kind, self._keys, self._verified = kind, keys, VerifiedTokens()

    @property
    def ring(self) -> Ring:
        """The keys as they are now."""
        return self._keys()

    def encode(self, payload: dict[str, Any], kid: str = "") -> str:
        """The signed token. `kid` names the key that must sign it. `TokenBackendError` if it has left the ring."""
        key = self.ring.get(kid) if kid else self.ring.active
        if key is None:
            raise TokenBackendError("The key of this token is gone.")
        claims = {**payload, "iss": self.issuer, "aud": self.audience}
        return jwt.encode(claims, key.signing, key.algorithm, headers=self._header(key))

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        """The claims of a token of this kind, signed by a key of this ring and not expired.

        `verify` must stay true: nothing here uses claims whose signature is not verified.
        """
        if claims := self._verified.get(token, self.ring):
            if claims["exp"] <= timezone.now().timestamp():
                raise TokenBackendExpiredToken("The token has expired.")
            return claims
        key = self.key_of(token)
        try:
            return jwt.decode(
                token,
                key.verifying,
                [key.algorithm],
                issuer=self.issuer,
                audience=self.audience,
                # PyJWT's leeway for `iat` would also apply to `exp`, so `TypedToken.verify` checks `iat`.
                options={"strict_aud": True, "require": ["exp", "iat", "iss", "aud"], "verify_iat": False},
            )
        except jwt.ExpiredSignatureError as error:
            raise TokenBackendExpiredToken("The token has expired.") from error
        except (jwt.InvalidTokenError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
            # A library may raise any error for claims of the wrong type. It must not become a 500.
            raise TokenBackendError("The token is invalid.") from error

    def remember(self, token: Any, claims: dict[str, Any]) -> None:
        """Lets the next `decode` of this token skip the signature check. `claims` come from `decode`, verified."""
        if token not in self._verified:
            with suppress(TokenBackendError):  # its key may have left the ring since
                self._verified.add(token, self.key_of(token), claims)

    def key_of(self, token: Any) -> Key:
        """The key that its header names, if the token has our form and exactly our header. Raises `TokenBackendError`.

        A header with any other parameter, such as `jku`, `jwk`, `x5u`, `crit` or `b64`, is refused.
        """
        text = token.decode("ascii", "replace") if isinstance(token, bytes) else token
        form = FORM.fullmatch(text) if isinstance(text, str) and len(text) <= LONGEST else None
        if form is None:
            raise TokenBackendError("The token does not have the form of a token.")
        try:
            header = json.loads(from_base64url(form[1]))
            key = self.ring[header["kid"]]
            if header == self._header(key):
                return key
        except (ValueError, TypeError, LookupError, RecursionError):
            pass
        raise TokenBackendError("The token does not have our header.")

    def _header(self, key: Key) -> dict[str, str]:
        return {"alg": key.algorithm, "typ": self.kind, "kid": key.kid}


@cache
def backend(kind: str, token_type: str, issuer: str, audience: str) -> Backend:
    """The backend for these settings, made once."""
    return Backend(kind, partial(ring, token_type), issuer, audience)


Rule = Callable[[Any], bool]


def _text(value: Any) -> bool:
    return type(value) is str and 0 < len(value) <= 255 and value.isprintable()


def _role(value: Any) -> bool:
    return value == "" or _text(value)  # `SECURITY_ROLE` may give "", for a user without a role


def _number(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**31  # `True` is an instance of `int` in Python


def _moment(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**33  # seconds since 1970, which `datetime` can represent


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


# The claims of every token, beside the one that names the user. A token with fewer or more claims, or with other types,
# is refused although it is signed.
COMMON: dict[str, Rule] = {
    "token_type": _text,
    "iss": _text,
    "aud": _text,
    "iat": _moment,
    "exp": _moment,
    "jti": _text,
    "sid": _family,
}


class TypedToken(Token):
    """SimpleJWT's token with a key ring, an explicit type (RFC 8725 section 3.11) and typed claims.

    Called with the text of a token, it verifies the token or raises `TokenError`. Without a text, it is a new token.
    """

    kind: str
    own_claims: ClassVar[dict[str, Rule]]
    kid = ""

    @classproperty
    def claims(cls) -> dict[str, Rule]:
        """The claims that this kind of token has, exactly, each with its rule."""
        return COMMON | {simple_jwt.USER_ID_CLAIM: _user} | cls.own_claims

    # Without SimpleJWT's argument `verify`: no instance has claims that were not verified.
    def __init__(self, token: Any = None) -> None:
        super().__init__(token)

    @property
    def token_backend(self) -> Backend:
        return backend(self.kind, self.token_type, simple_jwt.ISSUER, simple_jwt.AUDIENCE)

    @property
    def user_pk(self) -> Any:
        """The primary key of the user it names."""
        return pk_of(self.payload[simple_jwt.USER_ID_CLAIM])

    @user_pk.setter
    def user_pk(self, pk: Any) -> None:
        self.payload[simple_jwt.USER_ID_CLAIM] = str(pk)

    def verify(self) -> None:
        """Raises `TokenError` for claims that are not exactly ours, and for those that SimpleJWT refuses."""
        claims, payload = self.claims, self.payload
        if payload.keys() != claims.keys() or not all(rule(payload[name]) for name, rule in claims.items()):
            raise TokenError("Token has odd claims")
        if payload["iat"] > (self.current_time + leeway()).timestamp():
            raise TokenError("Token is from the future")
        super().verify()

    def __str__(self) -> str:
        return self.token_backend.encode(self.payload, self.kid)


class AccessToken(TypedToken):
    """Names the user for `ACCESS_TOKEN_LIFETIME`. The server does not store it. RFC 9068 defines its type `at+jwt`."""

    token_type, kind = "access", "at+jwt"
    own_claims: ClassVar = {"role": _role, "ver": _number, "auth_time": _moment}

    def __init__(self, token: Any = None) -> None:
        super().__init__(token)
        if token is not None:
            self.token_backend.remember(token, self.payload)

    @classproperty
    def lifetime(cls) -> timedelta:
        return timedelta(seconds=access_lifetime())

    @classmethod
    def about(cls, user: Any, sid: object, token_version: int, authenticated: datetime) -> Self:
        """A new token with all claims: about the user as stored now, issued now."""
        token = cls()
        token.user_pk, token["sid"], token["ver"] = user.pk, str(sid), token_version
        token["role"] = role_of(user)
        token["auth_time"] = int(authenticated.timestamp())
        return token

    @classmethod
    def for_user(cls, user: Any) -> Self:
        """An access token for a test or a script, as after a login just now. It has no family and no refresh token.

        Raises SimpleJWT's `AuthenticationFailed` for a user who is not active, `ValueError` for one who is not stored.
        """
        if user.pk is None:
            raise ValueError("This user is not stored. Save the user first.")
        if not getattr(user, "is_active", True):
            raise AuthenticationFailed("User is inactive", code="user_inactive")
        key = user_key(user.pk)
        # The check `version` needs this row. For a user who was created before these apps, only a login creates it.
        UserAccess.begin(key, fingerprints_of(user), 0)
        # Read now: if access was revoked since `user` was read, the checks would refuse the token.
        return cls.about(user, uuid4(), UserAccess.objects.get(user_key=key).token_version, timezone.now())


class RefreshToken(TypedToken):
    """Is exchanged once for the next access token. It names its family and its generation there.

    Not SimpleJWT's `RefreshToken`: with the blacklist app, that class refuses a used token before its family can be
    read, and a replay would look like any other invalid token.
    """

    token_type, kind = "refresh", "rt+jwt"
    own_claims: ClassVar = {"gen": _number}

    @classproperty
    def lifetime(cls) -> timedelta:
        return timedelta(seconds=refresh_lifetime())

    @classmethod
    def for_user(cls, user: Any) -> Self:
        """Raises: a refresh token without a family could not be rotated, and the first refresh would refuse it."""
        raise NotImplementedError(
            "A refresh token belongs to a login. Use jwt_demo.lifecycle.start(user, Client()), which gives both."
        )
