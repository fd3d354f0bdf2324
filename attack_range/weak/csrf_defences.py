"""The bank's defences against forged requests. Each address has only one of them, so that each can be tried alone."""

from collections.abc import Callable

from django.http import HttpRequest
from django.middleware.csrf import CsrfViewMiddleware, RejectRequest

from security.origin import came_from_here


def has_token(request: HttpRequest, secret: str) -> bool:
    """Whether the form has the CSRF token of this login. It runs only the part of Django's middleware that checks the
    token. The whole middleware also checks `Origin`, and it would not be clear which of the two refused a request."""
    try:
        _SecretOfTheLogin(secret)._check_token(request)  # type: ignore[attr-defined]
    except RejectRequest:
        return False
    return True


class _SecretOfTheLogin(CsrfViewMiddleware):
    """Compares with the secret of the bank's login. Django's own class would read the secret from a cookie."""

    def __init__(self, secret: str) -> None:
        self.secret = secret

    def _get_secret(self, request: HttpRequest) -> str:
        return self.secret


def nothing(request: HttpRequest, secret: str) -> bool:
    """Weak: accepts every request that has the credential."""
    return True


def is_from_our_origin(request: HttpRequest, secret: str) -> bool:
    """The same rule as the origin gate of the project."""
    return came_from_here(request)


def is_not_cross_site(request: HttpRequest, secret: str) -> bool:
    """Fetch Metadata as many sites use it. Requests from other ports and sibling hosts are same-site, and pass."""
    return request.headers.get("Sec-Fetch-Site") != "cross-site"


# Each returns whether a request may pass.
DEFENCES: dict[str, Callable[[HttpRequest, str], bool]] = {
    "none": nothing,
    "token": has_token,
    "origin": is_from_our_origin,
    "metadata": is_not_cross_site,
}
# Their names on the pages.
DEFENCE_WORDS = {
    "none": "no defence",
    "token": "CSRF token",
    "origin": "origin gate",
    "metadata": "Fetch Metadata alone",
}
