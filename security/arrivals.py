"""A page that is opened by a link on another site: the browser does not send this site's cookies.

They are SameSite=Strict. A browser that follows a link in a mail has them but does not send them, so the user would
seem to be logged out. The answer would also replace the CSRF cookie, and forms that are open in other tabs would be
refused. So the first answer only makes the browser request the same address again from this site, with the cookies.
Needs Django and the template `security/bounce.html`.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.utils.http import escape_leading_slashes

from security.cookies import named


class ArrivalMiddleware:
    """Answers a link from another site with a page that requests the same address again, and sets no cookie.

    Place it before the middleware for sessions and CSRF. It does nothing for a browser that sends no `Sec-Fetch-Site`
    (Safari before 16.4, any browser on plain http that is not loopback): it looks like a browser without cookies.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return _bounce(request) if arrives(request) else self.get_response(request)


def arrives(request: HttpRequest) -> bool:
    """Whether a link on another site opened this page, and the browser may have cookies that it did not send."""
    # Not `request.headers`: Django would copy all headers of the request to give one.
    sent = request.META
    return (
        sent.get("HTTP_SEC_FETCH_SITE") == "cross-site"
        and sent.get("HTTP_SEC_FETCH_MODE") == "navigate"
        and request.method in ("GET", "HEAD")
        and not request.path_info.startswith(_exempt())
        and request.get_preferred_type(["text/html", "application/json"]) == "text/html"
        and request.COOKIES.keys().isdisjoint(named())
    )


def _exempt() -> tuple[str, ...]:
    """Prefixes of paths that are not pages: `ARRIVALS_EXEMPT`, or `STATIC_URL` in a project without that setting."""
    return tuple(getattr(settings, "ARRIVALS_EXEMPT", [settings.STATIC_URL]))


def _bounce(request: HttpRequest) -> HttpResponse:
    # A browser takes what follows two slashes at the beginning of an address for the name of another host.
    address = escape_leading_slashes(request.get_full_path())
    # Rendered without the request: context processors would read the session, which no middleware has set yet.
    page = render_to_string("security/bounce.html", {"address": address})
    return HttpResponse(page, headers={"Cache-Control": "no-store", "Vary": "Cookie, Sec-Fetch-Site, Sec-Fetch-Mode"})
