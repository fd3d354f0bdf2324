"""DRF authentication by an access token."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication as SimpleJWTAuthentication
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError

from jwt_demo.conf import conf, header_types, simple_jwt
from jwt_demo.revocation import CHECKS
from jwt_demo.tokens import AccessToken
from security.authentication import Revoked, TokenUser, outage_is_503

REVOKED = "Token revoked"


class JWTAuthentication(SimpleJWTAuthentication):
    """SimpleJWT's, for any view of DRF, which asks one of the checks of `revocation`.

    `check` names it; empty, it is the one that `JWT_REVOCATION` names. `request.user` is a `TokenUser`, and
    `request.auth` the access token. 401 for a token that is bad or revoked, 503 in an outage of the check's store.
    """

    www_authenticate_realm = "jwt"
    check = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.check and cls.check not in CHECKS:
            # At the first request it would be a 500.
            raise ImproperlyConfigured(f'{cls.__name__}.check is "{cls.check}". Write one of {", ".join(CHECKS)}.')

    def get_header(self, request: Request) -> bytes | None:  # type: ignore[override]
        """The header that `AUTH_HEADER_NAME` names, `None` without it."""
        # SimpleJWT's own would keep the name that it has read first.
        header = request.META.get(simple_jwt.AUTH_HEADER_NAME)
        return header.encode("iso-8859-1") if isinstance(header, str) else header

    def get_raw_token(self, header: bytes) -> bytes | None:
        """What follows one of `AUTH_HEADER_TYPES`, in any case (RFC 9110 section 11.1); `None` for another scheme."""
        scheme, _, token = header.strip().partition(b" ")
        if scheme.lower() not in [name.lower().encode() for name in header_types()]:
            return None
        # Two headers arrive as one with a comma: which of them a proxy believed cannot be known.
        return token.strip()

    def get_validated_token(self, raw_token: bytes) -> AccessToken:
        """The token, if it is good and was not revoked. Raises a 401 that says why not."""
        try:
            token = AccessToken(raw_token)
        except ExpiredTokenError:
            raise exceptions.AuthenticationFailed("Token expired") from None
        except TokenError:
            raise exceptions.AuthenticationFailed("Invalid token") from None
        with outage_is_503():
            allowed = CHECKS[self.check or conf.JWT_REVOCATION].allows(token)
        if not allowed:
            raise self.revoked()
        return token

    def get_user(self, validated_token: Any) -> Any:
        """Who the token says is asking."""
        token = validated_token
        return TokenUser(token.user_pk, token["role"], token["ver"], token["auth_time"], self.revoked)

    def revoked(self) -> Revoked:
        """The 401 of a token that was good."""
        return Revoked(REVOKED, challenge(self.www_authenticate_realm, "invalid_token"))

    def authenticate_header(self, request: Request) -> str:
        """The challenge. A client that sent no token made no error (RFC 6750 section 3.1)."""
        header = self.get_header(request)
        wrong = header is not None and self.get_raw_token(header) is not None
        return challenge(self.www_authenticate_realm, "invalid_token" if wrong else "")


class NoAuthentication(JWTAuthentication):
    """For views that need no access token: an expired one must not keep a user from logging in or out."""

    def authenticate(self, request: Request) -> None:
        return None

    def authenticate_header(self, request: Request) -> str:
        # With no authentication class at all DRF would make each 401 a 403.
        return challenge(self.www_authenticate_realm)


def challenge(realm: str = JWTAuthentication.www_authenticate_realm, error: str = "") -> str:
    """The value of `WWW-Authenticate` that asks for an access token and says what was wrong with the one sent."""
    return f'{header_types()[0]} realm="{realm}"' + (f', error="{error}"' if error else "")
