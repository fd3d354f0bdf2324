"""DRF authentication for a service that has no users of its own. Each of these two classes can be used alone.

`GatewayAuthentication`: the gateway has asked `auth`, and names the user in three headers.
`AccessTokenAuthentication`: the client sends the user's access token, which is verified with the site's published keys.
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

# The headers X-User-ID, X-User-Role and X-Internal-Token, under their WSGI names.
USER_ID, ROLE, INTERNAL_TOKEN = "HTTP_X_USER_ID", "HTTP_X_USER_ROLE", "HTTP_X_INTERNAL_TOKEN"
# A user's primary key (integer or UUID), or a role. WSGI joins repeated headers with a comma, which does not match.
ONE_KEY = re.compile(r"[0-9A-Za-z-]{1,64}")


@dataclass(frozen=True)
class ServiceUser:
    """The user of a request, as `auth` or the access token names it. The service stores no users."""

    pk: str
    role: str

    is_authenticated = True


class HeadersAuthentication(BaseAuthentication):
    """Trusts the two headers without an internal token. Insecure: any client that reaches the port can name any user.

    It is here for comparison, because this is a common way to write it.
    """

    def authenticate(self, request: Request) -> tuple[ServiceUser, None] | None:
        user_id = request.META.get(USER_ID)
        return (ServiceUser(user_id, request.META.get(ROLE, "")), None) if user_id else None


class KeysUnknown(APIException):
    """503: the service has no keys of the site, so it cannot verify the token.

    Either the keys could not be fetched, or the site signs with secret keys (HS256), which it does not publish.
    """

    status_code, default_detail, wait = 503, "The site publishes no keys, or they cannot be fetched.", 5


class GatewayAuthentication(BaseAuthentication):
    """Accepts an identity from the gateway: `X-User-ID`, `X-User-Role`, and an internal token that names the same user.

    Without the token, any client that reaches this port could write the two headers. 400 for a header that is missing
    or repeated; 401 for an identity without a token, with another user's token, or with one for another service.
    """

    def authenticate(self, request: Request) -> tuple[ServiceUser, dict[str, Any]] | None:
        user_id, role, token = (request.META.get(name) for name in (USER_ID, ROLE, INTERNAL_TOKEN))
        if user_id is None and role is None and token is None:
            return None
        for name, value in (("X-User-ID", user_id), ("X-User-Role", role)):
            if not ONE_KEY.fullmatch(value or ""):
                raise ParseError(f"The header {name} must have exactly one value.")
        if token is None:
            raise AuthenticationFailed("An identity without an internal token: it does not come from the gateway.")
        try:
            with noted("verify"):
                claims = internal_tokens.read(token, settings.SERVICE, settings.INTERNAL_KEYS)
        except jwt.PyJWTError:
            raise AuthenticationFailed("The internal token is not valid for this service.") from None
        if (claims["sub"], claims["role"]) != (user_id, role):
            raise AuthenticationFailed("The headers and the internal token name different users.")
        return ServiceUser(claims["sub"], claims["role"]), claims

    def authenticate_header(self, request: Request) -> str:
        return 'Gateway realm="services"'


class AccessTokenAuthentication(BaseAuthentication):
    """Accepts the user's own access token, verified with the site's published keys.

    It queries no store, so it accepts a revoked token until the token expires. 400 for a token together with an
    identity from the gateway, 401 for a bad or expired token, 503 when the keys are needed and cannot be fetched.
    """

    def authenticate(self, request: Request) -> tuple[ServiceUser, dict[str, Any]] | None:
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        if any(name in request.META for name in (USER_ID, ROLE, INTERNAL_TOKEN)):
            raise ParseError("Send either an access token or the gateway's identity, not both.")
        try:
            with noted("verify"):
                claims = read_access_token(token.strip())
        except jwt.PyJWKClientConnectionError:
            raise KeysUnknown from None
        except jwt.PyJWTError:
            raise AuthenticationFailed("The access token is not valid.") from None
        return ServiceUser(str(claims["sub"]), str(claims["role"])), claims

    def authenticate_header(self, request: Request) -> str:
        """The challenge of a 401, with `error` when the request had a token (RFC 6750 section 3.1)."""
        error = ', error="invalid_token"' if "HTTP_AUTHORIZATION" in request.META else ""
        return f'Bearer realm="services"{error}'


class SiteKeys(jwt.PyJWKClient):
    """The site's published keys, cached for `lifespan` seconds. Each fetch is counted for the log.

    A token with an unknown `kid` makes PyJWT fetch the keys again, and all other requests wait for that fetch. PyJWT
    limits how often it does so after a fetch that succeeded. This class does the same after a fetch that failed:
    otherwise a client with invented key names would make every request wait for the timeout.
    """

    _failed = -math.inf

    def fetch_data(self) -> Any:
        if time.monotonic() - self._failed < KeysUnknown.wait:
            raise jwt.PyJWKClientConnectionError("The last fetch failed a moment ago.")
        try:
            with noted("fetch"):
                return super().fetch_data()
        except (jwt.PyJWTError, ValueError) as error:  # also an answer without keys, or one that is not JSON
            self._failed = time.monotonic()
            raise jwt.PyJWKClientConnectionError("The keys could not be fetched.") from error


def read_access_token(token: str) -> dict[str, Any]:
    """The claims of a valid access token of the site. Raises `jwt.PyJWTError` for any other text."""
    # `name_of_key` refuses other tokens first. Otherwise each of them could make the service fetch the keys again.
    key = settings.SITE_KEYS.get_signing_key(internal_tokens.name_of_key(token, "at+jwt"))
    return jwt.decode(
        token,
        key,
        algorithms=[key.algorithm_name],
        issuer=settings.ISSUER,
        audience=settings.AUDIENCE,
        options={"require": ["exp", "iat", "iss", "aud", "sub", "role"], "verify_iat": False},
    )
