"""Arriving from another site: the browser withholds our cookies, and a page would treat its user as a stranger.

They are SameSite=Strict. A browser that follows a link in a mail has them and does not send them; the answer would
replace the CSRF cookie, and each form that is open in another tab would be refused. So the first answer only goes on to
the same address from here, where they are sent. Needs Django and the template `security/bounce.html`.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.utils.http import escape_leading_slashes

from security.cookies import named


class ArrivalMiddleware:
    """Answers a page that another site's link opens with one that asks for it again, and sets no cookie.

    It stands before sessions and CSRF. A browser that sends no `Sec-Fetch-Site` (Safari before 16.4, any browser on
    plain http that is not loopback) cannot be distinguished from one that has no cookies.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return _bounce(request) if arrives(request) else self.get_response(request)


def arrives(request: HttpRequest) -> bool:
    """Whether another site's link opened this page, and the browser may have cookies of ours that it does not send."""
    # Not `request.headers`, which Django makes of all headers of a request when one is asked for.
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
    """The beginnings of paths that are no pages: `ARRIVALS_EXEMPT`, or `STATIC_URL` in a project without it."""
    return tuple(getattr(settings, "ARRIVALS_EXEMPT", [settings.STATIC_URL]))


def _bounce(request: HttpRequest) -> HttpResponse:
    # Of two slashes at its beginning the browser would make the name of another host.
    address = escape_leading_slashes(request.get_full_path())
    # Without the request: context processors would read the session, which is not there yet.
    page = render_to_string("security/bounce.html", {"address": address})
    return HttpResponse(page, headers={"Cache-Control": "no-store", "Vary": "Cookie, Sec-Fetch-Site, Sec-Fetch-Mode"})
