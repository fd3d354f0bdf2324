"""The origin gate: no other site makes a browser change anything here.

Needs Django. Gives one middleware, which stands before sessions and views, so that it also guards
what has no CSRF token: login, refresh, logout.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from security.checks import refuse_mistakes
from security.refusals import PROXY, Refused, address, printable_header, refusal

CHECK = "origin gate"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")


class OriginGate:
    """Refuses an unsafe request that a browser says came from elsewhere, with 403.

    Sibling subdomains and other ports are elsewhere too: SameSite cookies go along from there. It cannot be
    made under a configuration that the checks refuse, so that no server starts.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        refuse_mistakes()
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method not in SAFE_METHODS and not came_from_here(request):
            return refusal(request, _refused(request))
        return self.get_response(request)


def came_from_here(request: HttpRequest) -> bool:
    """Whether one of our own pages, the user's address bar or bookmark, or no browser at all sent `request`.

    `Sec-Fetch-Site` decides where it is present: scripts cannot set it. Older browsers send `Origin`
    with every unsafe request; without both it is no browser, and has no cookies it was not given.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is None or origin == address(request)


def _refused(request: HttpRequest) -> Refused:
    if "Sec-Fetch-Site" in request.headers:
        site = printable_header(request, "Sec-Fetch-Site")
        return Refused(403, CHECK, f"Origin gate: Sec-Fetch-Site: {site} is neither same-origin nor none.")
    sentence = f"Origin gate: Origin: {printable_header(request, 'Origin')} is not {address(request)}."
    if not _is_same_host(request):
        return Refused(403, CHECK, sentence)
    return Refused(403, CHECK, f"{sentence} {PROXY}", deployment=True)


def _is_same_host(request: HttpRequest) -> bool:
    # Another port or scheme of this host: a proxy that does not pass them on looks like this.
    try:
        return urlsplit(request.headers["Origin"]).hostname == urlsplit(address(request)).hostname
    except ValueError:
        return False
