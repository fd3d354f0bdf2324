"""The origin gate: no other site makes a browser change anything here.

Needs Django. Gives one middleware, which stands before sessions and views, so that it also guards
what has no CSRF token: login, refresh, logout. A view whose body says whether cookies play a part is marked with
`decides_origin`, and calls `decide`.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve

from security.authentication import Revoked, Unavailable
from security.checks import refuse_mistakes
from security.cookies import named
from security.outages import OUTAGE_RETRY_AFTER
from security.refusals import PROXY, Refused, address, printable_header, refusal
from security.waits import Busy

CHECK = "origin gate"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")
# The schemes that a browser sends by itself, to whatever page it is that asks.
SENT_BY_BROWSERS = {"basic", "digest", "negotiate", "ntlm"}
UNTRUSTED = "CSRF_TRUSTED_ORIGINS does not name this Origin."
TOO_MANY = "Too many people log in at once. Try again shortly."


class OriginGate:
    """Refuses an unsafe request that a browser says came from elsewhere, with 403.

    Sibling subdomains and other ports are elsewhere too: SameSite cookies go along from there. Exempt is what carries
    no cookie of ours under a bearer token, or to a view that decides by itself. Its answer sets and clears none.

    It cannot be made under a configuration that the checks refuse, so that no server starts.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        refuse_mistakes()
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method in SAFE_METHODS or came_from_here(request):
            return self.get_response(request)
        if _has_our_cookies(request) or not (is_under_bearer(request) or _decides(request)):
            return refusal(request, _refused(request))
        response = self.get_response(request)
        for name in named():
            # From a view that forgets to decide, it would log the browser in to an account that another site chose.
            response.cookies.pop(name, None)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """401 or 503 for what a template asked of `request.user` after its view had answered, past DRF's own handler.

        503 for a password that could not be hashed in time, in whatever form: the project's own pages know nothing of
        the line in which it waited. It stands here because each project that has taken a part has this middleware.
        """
        if isinstance(exception, Busy):
            return _refused_with(request, Refused(503, "passwords", TOO_MANY), "Retry-After", str(OUTAGE_RETRY_AFTER))
        if isinstance(exception, Revoked):
            refused = Refused(exception.status_code, "credential", str(exception.detail))
            return _refused_with(request, refused, "WWW-Authenticate", exception.auth_header)
        if isinstance(exception, Unavailable):
            refused = Refused(exception.status_code, "credential", str(exception.detail))
            return _refused_with(request, refused, "Retry-After", str(exception.wait))
        return None


def _refused_with(request: HttpRequest, refused: Refused, header: str, value: str) -> HttpResponseBase:
    response = refusal(request, refused)
    response[header] = value
    return response


def came_from_here(request: HttpRequest) -> bool:
    """Whether a page of ours or of a trusted origin, the user's address bar or bookmark, or no browser at all sent it.

    `Origin` alone decides for those that `CSRF_TRUSTED_ORIGINS` names; then `Sec-Fetch-Site` where it is present:
    scripts can set neither. Older browsers send `Origin` with every unsafe request; without both it is no browser, and
    has no cookies it was not given.
    """
    site, origin = request.META.get("HTTP_SEC_FETCH_SITE"), request.META.get("HTTP_ORIGIN")
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    if site is not None:
        return site in ("same-origin", "none")
    return origin is None or origin == address(request)


def _has_our_cookies(request: HttpRequest) -> bool:
    return not request.COOKIES.keys().isdisjoint(named())


def is_under_bearer(request: HttpRequest) -> bool:
    """Whether the credential of `request` is one that only a script of the client sends: a bearer token.

    Other sites' scripts cannot, unless CORS lets them. SimpleJWT's own settings name the header and the schemes.
    """
    own = getattr(settings, "SIMPLE_JWT", None) or {}
    kinds = own.get("AUTH_HEADER_TYPES", ())
    schemes = {kind.lower() for kind in ("Bearer", *([kinds] if isinstance(kinds, str) else kinds))}
    words = request.META.get(own.get("AUTH_HEADER_NAME", "HTTP_AUTHORIZATION"), "").split(maxsplit=1)
    return bool(words) and words[0].lower() in schemes - SENT_BY_BROWSERS


def _decides(request: HttpRequest) -> bool:
    try:
        view = resolve(request.path_info, getattr(request, "urlconf", None)).func
    except Resolver404:
        return False
    return getattr(view, "decides_origin", False)


def _refused(request: HttpRequest, instead: str = "") -> Refused:
    if "Sec-Fetch-Site" in request.headers:
        site = printable_header(request, "Sec-Fetch-Site")
        sentence = f"Origin gate: Sec-Fetch-Site: {site} is neither same-origin nor none."
    else:
        sentence = f"Origin gate: Origin: {printable_header(request, 'Origin')} is not {address(request)}."
        if _is_same_host(request):
            return Refused(403, CHECK, f"{sentence} {PROXY}", deployment=True)
    untrusted = UNTRUSTED if "Origin" in request.headers else ""
    return Refused(403, CHECK, " ".join(filter(None, [sentence, untrusted, instead])))


def _is_same_host(request: HttpRequest) -> bool:
    # Another port or scheme of this host: a proxy that does not pass them on looks like this.
    try:
        return urlsplit(request.headers["Origin"]).hostname == urlsplit(address(request)).hostname
    except ValueError:
        return False


def decides_origin(view: Any) -> Any:
    """Marks a view that calls `decide`, for which the gate would have to read a body. For `dispatch` of a class too."""
    view.decides_origin = True
    return view


def decide(request: HttpRequest, exempt: bool, instead: str = "") -> None:
    """Refuses what came from elsewhere, as the gate does, unless it is exempt and carries no cookie of ours.

    `exempt` says that the answer neither sets nor clears one; `instead`, what to send for that. Raises `Refused`.
    """
    if not came_from_here(request) and (_has_our_cookies(request) or not exempt):
        raise _refused(request, instead)
