"""The origin gate: another site cannot make a browser change anything here.

Needs Django. Gives one middleware. Place it before sessions, so that it also guards requests without a CSRF token:
login, refresh, logout. If only the body of a request says whether cookies are used, mark the view with
`decides_origin` and call `decide` in it.
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
# The schemes that a browser sends by itself, also if another site's page makes the request.
SENT_BY_BROWSERS = {"basic", "digest", "negotiate", "ntlm"}
UNTRUSTED = "CSRF_TRUSTED_ORIGINS does not name this Origin."
TOO_MANY = "Too many people log in at once. Try again shortly."


class OriginGate:
    """Refuses with 403 an unsafe request that, by the browser's headers, comes from another origin.

    Sibling subdomains and other ports are other origins too: the browser sends SameSite cookies from there. A request
    with no cookie of ours is exempt if it has a bearer token or if its view decides by itself. The answer to an exempt
    request sets and clears no cookie of ours.

    Creating it runs the system checks, so a server with an error in its settings does not start.
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
            # If a view forgets to decide, a cookie would log the browser in to an account that another site chose.
            response.cookies.pop(name, None)
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """401 or 503 for an error of `request.user` in a template, which is rendered after DRF handles exceptions.

        503 for a password that could not be hashed in time, because a project's own forms do not catch `Busy`. This is
        done here because every project that uses one of the flows has this middleware.
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
    """Whether it comes from a page of ours or of a trusted origin, an address bar or bookmark, or not from a browser.

    An `Origin` that `CSRF_TRUSTED_ORIGINS` names is enough. Otherwise `Sec-Fetch-Site` decides if it is present, and
    `Origin` if not. Scripts can set neither. Older browsers send `Origin` with every unsafe request. So a request
    without both does not come from a browser, and no other site can have caused it.
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
    """Whether `request` carries a bearer token, which only a script of the client sends.

    Scripts of other sites cannot send one unless CORS allows it. SimpleJWT's settings name the header and the schemes.
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
    # Only the port or the scheme differs: probably a proxy does not pass them on.
    try:
        return urlsplit(request.headers["Origin"]).hostname == urlsplit(address(request)).hostname
    except ValueError:
        return False


def decides_origin(view: Any) -> Any:
    """Marks a view that calls `decide`, because the gate does not read bodies. Works for `dispatch` of a class too."""
    view.decides_origin = True
    return view


def decide(request: HttpRequest, exempt: bool, instead: str = "") -> None:
    """Raises `Refused` for a request from another origin, unless it is exempt and carries no cookie of ours.

    `exempt` says that the answer neither sets nor clears a cookie; `instead` is a sentence that says what to send for
    that.
    """
    if not came_from_here(request) and (_has_our_cookies(request) or not exempt):
        raise _refused(request, instead)
