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
    """SimpleJWT's authentication for any view of DRF, with one of the checks of `revocation`.

    `check` names the check. If it is empty, `JWT_REVOCATION` names it. `request.user` is a `TokenUser`, and
    `request.auth` the access token. 401 for a token that is bad or revoked, 503 when the store of the check is away.
    """

    www_authenticate_realm = "jwt"
    check = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.check and cls.check not in CHECKS:
            # Otherwise the first request would be a 500.
            raise ImproperlyConfigured(f'{cls.__name__}.check is "{cls.check}". Write one of {", ".join(CHECKS)}.')

    def get_header(self, request: Request) -> bytes | None:  # type: ignore[override]
        """The header that `AUTH_HEADER_NAME` names, `None` without it."""
        # SimpleJWT's own method would keep the name of the header that it read first.
        header = request.META.get(simple_jwt.AUTH_HEADER_NAME)
        return header.encode("iso-8859-1") if isinstance(header, str) else header

    def get_raw_token(self, header: bytes) -> bytes | None:
        """What follows one of `AUTH_HEADER_TYPES`, in any case (RFC 9110 section 11.1); `None` for another scheme."""
        scheme, _, token = header.strip().partition(b" ")
        if scheme.lower() not in [name.lower().encode() for name in header_types()]:
            return None
        # Two headers arrive as one value with a comma. It is refused: a proxy may have used either of them.
        return token.strip()

    def get_validated_token(self, raw_token: bytes) -> AccessToken:
        """The access token, if it is good and was not revoked. Otherwise raises a 401 that says why."""
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
        """The user that the token names, without a look at the database."""
        token = validated_token
        return TokenUser(token.user_pk, token["role"], token["ver"], token["auth_time"], self.revoked)

    def revoked(self) -> Revoked:
        """The 401 for a token that was good and is revoked."""
        return Revoked(REVOKED, challenge(self.www_authenticate_realm, "invalid_token"))

    def authenticate_header(self, request: Request) -> str:
        """The challenge. For a client that sent no token, it names no error (RFC 6750 section 3.1)."""
        header = self.get_header(request)
        wrong = header is not None and self.get_raw_token(header) is not None
        return challenge(self.www_authenticate_realm, "invalid_token" if wrong else "")


class NoAuthentication(JWTAuthentication):
    """For views that need no access token. An expired one must not prevent a user from logging in or out."""

    def authenticate(self, request: Request) -> None:
        return None

    def authenticate_header(self, request: Request) -> str:
        # Without an authentication class, DRF would turn each 401 into a 403.
        return challenge(self.www_authenticate_realm)


def challenge(realm: str = JWTAuthentication.www_authenticate_realm, error: str = "") -> str:
    """The value of `WWW-Authenticate` that asks for an access token and says what was wrong with the one sent."""
    return f'{header_types()[0]} realm="{realm}"' + (f', error="{error}"' if error else "")
