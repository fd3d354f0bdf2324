"""How the refresh token travels: in the cookie of a browser, or in the body of a native client."""

from collections.abc import Mapping
from math import ceil
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from rest_framework_simplejwt.exceptions import TokenError

from jwt_demo.conf import conf
from jwt_demo.models import TokenFamily, Transport
from jwt_demo.tokens import RefreshToken

ATTRIBUTES: dict[str, Any] = {"path": "/", "samesite": "Strict"}


def put(response: HttpResponse, family: TokenFamily) -> None:
    """Sets the cookie to the latest token of `family`. Without "remember me" it ends with the browser session."""
    left = ceil((family.expires - timezone.now()).total_seconds()) if family.remember else None
    name, value = conf.JWT_REFRESH_COOKIE_NAME, family.text()
    response.set_cookie(name, value, left, secure=True, httponly=True, **ATTRIBUTES)


def clear(response: HttpResponse) -> None:
    """Clears the cookie, with the attributes it was set with. Otherwise the browser would keep it."""
    response.delete_cookie(conf.JWT_REFRESH_COOKIE_NAME, **ATTRIBUTES)
    cookie = response.cookies[conf.JWT_REFRESH_COOKIE_NAME]
    cookie["secure"] = cookie["httponly"] = True


def presented(request: HttpRequest, body: Mapping[str, Any]) -> tuple[str | None, str]:
    """The refresh token of a request, not yet verified, and its transport. A token in the body comes first."""
    if text := body.get("refreshToken"):
        return text, Transport.BODY
    return request.COOKIES.get(conf.JWT_REFRESH_COOKIE_NAME), Transport.COOKIE


def is_of(request: HttpRequest, family: str | None) -> bool:
    """Whether the cookie of a request belongs to this family. An answer must not clear the cookie of another family."""
    token = good(request.COOKIES.get(conf.JWT_REFRESH_COOKIE_NAME))
    return token is not None and token["sid"] == family


def good(text: str | None) -> RefreshToken | None:
    """The refresh token, if it is one of ours and has not expired; otherwise `None`."""
    try:
        return RefreshToken(text) if text else None
    except TokenError:
        return None
