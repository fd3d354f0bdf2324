"""DRF authentication for a service that has no users of its own. Each of the two classes stands alone.

`GatewayAuthentication`: the gateway has asked `auth`, and says who it is in three headers.
`AccessTokenAuthentication`: the user's own access token comes through, and is verified by the site's published keys.
"""

import math
import re
import time
from dataclasses import dataclass
from typing import Any

import jwt
from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed, ParseError
from rest_framework.request import Request

from services import internal_tokens
from services.hops import noted

# In the names that WSGI gives them.
USER_ID, ROLE, INTERNAL_TOKEN = "HTTP_X_USER_ID", "HTTP_X_USER_ROLE", "HTTP_X_INTERNAL_TOKEN"
# One key of a user, of whatever kind. WSGI joins two headers of a name by a comma, which no key contains.
ONE_KEY = re.compile(r"[0-9A-Za-z-]{1,64}")


@dataclass(frozen=True)
class ServiceUser:
    """Who is asking: what the site's auth says, and nothing that is stored here."""

    pk: str
    role: str

    is_authenticated = True


class HeadersAuthentication(BaseAuthentication):
    """Believes the two headers alone, as is often written. For comparison: any client can name any user."""

    def authenticate(self, request: Request) -> tuple[ServiceUser, None] | None:
        user_id = request.META.get(USER_ID)
        return (ServiceUser(user_id, request.META.get(ROLE, "")), None) if user_id else None


class KeysUnknown(APIException):
    """503: there are no keys of the site, so whether the token is good is not known.

    They could not be fetched; or the site signs with keys that nobody else may have (HS256), and publishes none.
    """

    status_code, default_detail, wait = 503, "The site publishes no keys, or they cannot be fetched.", 5


class GatewayAuthentication(BaseAuthentication):
    """Takes an identity from the gateway: `X-User-ID`, `X-User-Role`, and an internal token that says the same.

    Without the token anybody who reaches this port could write the two headers. 400 for two values of a header; 401 for
    an identity without a token, with another's, or with one for another service.
    """

    def authenticate(self, request: Request) -> tuple[ServiceUser, dict[str, Any]] | None:
        user_id, role, token = (request.META.get(name) for name in (USER_ID, ROLE, INTERNAL_TOKEN))
        if user_id is None and role is None and token is None:
            return None
        for name, value in (("X-User-ID", user_id), ("X-User-Role", role)):
            if not ONE_KEY.fullmatch(value or ""):
                raise ParseError(f"{name} is not exactly one value.")
        if token is None:
            raise AuthenticationFailed("An identity without an internal token: it does not come from the gateway.")
        try:
            with noted("verify"):
                claims = internal_tokens.read(token, settings.SERVICE, settings.INTERNAL_KEYS)
        except jwt.PyJWTError:
            raise AuthenticationFailed("The internal token is not good here.") from None
        if (claims["sub"], claims["role"]) != (user_id, role):
            raise AuthenticationFailed("The headers and the internal token name two users.")
        return ServiceUser(claims["sub"], claims["role"]), claims

    def authenticate_header(self, request: Request) -> str:
        return 'Gateway realm="services"'


class AccessTokenAuthentication(BaseAuthentication):
    """Takes the user's own access token, by the site's published keys. No store is asked, so no revocation is seen.

    401 for a bad or expired token, 503 when the keys have never been fetched and cannot be.
    """

    def authenticate(self, request: Request) -> tuple[ServiceUser, dict[str, Any]] | None:
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        if any(name in request.META for name in (USER_ID, ROLE, INTERNAL_TOKEN)):
            raise ParseError("An identity comes in one way, and here it comes in two.")
        try:
            with noted("verify"):
                claims = read_access_token(token.strip())
        except jwt.PyJWKClientConnectionError:
            raise KeysUnknown from None
        except jwt.PyJWTError:
            raise AuthenticationFailed("The access token is not good.") from None
        return ServiceUser(str(claims["sub"]), str(claims["role"])), claims

    def authenticate_header(self, request: Request) -> str:
        """With `error` where there was a token (RFC 6750 section 3.1)."""
        error = ', error="invalid_token"' if "HTTP_AUTHORIZATION" in request.META else ""
        return f'Bearer realm="services"{error}'


class SiteKeys(jwt.PyJWKClient):
    """The site's published keys, kept for as long as their header allows; each fetch is noted.

    A client that invents the name of a key has it looked for, and all others wait meanwhile. PyJWT looks seldom while
    the keys can be fetched; this class, while they cannot.
    """

    _failed = -math.inf

    def fetch_data(self) -> Any:
        if time.monotonic() - self._failed < KeysUnknown.wait:
            raise jwt.PyJWKClientConnectionError("They could not be fetched a moment ago.")
        try:
            with noted("fetch"):
                return super().fetch_data()
        except (jwt.PyJWTError, ValueError) as error:  # also for an answer without keys, and for one that is no JSON
            self._failed = time.monotonic()
            raise jwt.PyJWKClientConnectionError("There are no keys.") from error


def read_access_token(token: str) -> dict[str, Any]:
    """The claims of an access token of the site. Raises `jwt.PyJWTError` for anything else."""
    # Before the keys are looked for: a name that is not known would be fetched for again.
    key = settings.SITE_KEYS.get_signing_key(internal_tokens.name_of_key(token, "at+jwt"))
    return jwt.decode(
        token,
        key,
        algorithms=[key.algorithm_name],
        issuer=settings.ISSUER,
        audience=settings.AUDIENCE,
        options={"require": ["exp", "iat", "iss", "aud", "sub", "role"], "verify_iat": False},
    )
