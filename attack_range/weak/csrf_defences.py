"""What the bank can do about forged requests, one defence an address, so that each can be seen alone."""

from collections.abc import Callable

from django.http import HttpRequest
from django.middleware.csrf import CsrfViewMiddleware, RejectRequest

from security.origin import came_from_here


def has_token(request: HttpRequest, secret: str) -> bool:
    """Whether the form holds the CSRF token of this login. Django's own check of the token, without its other checks:
    the whole middleware also reads `Origin`, and then nobody could say which of the two refused."""
    try:
        _SecretOfTheLogin(secret)._check_token(request)  # type: ignore[attr-defined]
    except RejectRequest:
        return False
    return True


class _SecretOfTheLogin(CsrfViewMiddleware):
    """Takes the secret from the bank's login, where Django takes it from a cookie."""

    def __init__(self, secret: str) -> None:
        self.secret = secret

    def _get_secret(self, request: HttpRequest) -> str:
        return self.secret


def nothing(request: HttpRequest, secret: str) -> bool:
    """Weak: a request with the credential is believed."""
    return True


def is_from_our_origin(request: HttpRequest, secret: str) -> bool:
    """The rule of the project's own gate."""
    return came_from_here(request)


def is_not_cross_site(request: HttpRequest, secret: str) -> bool:
    """Fetch Metadata as many sites use it: other ports and sibling hosts are the same site, and pass."""
    return request.headers.get("Sec-Fetch-Site") != "cross-site"


# Each is asked whether a request may pass.
DEFENCES: dict[str, Callable[[HttpRequest, str], bool]] = {
    "none": nothing,
    "token": has_token,
    "origin": is_from_our_origin,
    "metadata": is_not_cross_site,
}
# What the pages call them.
DEFENCE_WORDS = {
    "none": "no defence",
    "token": "CSRF token",
    "origin": "origin gate",
    "metadata": "Fetch Metadata alone",
}
