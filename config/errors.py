"""Every error answer of the site: one sentence, as a page or as `{"error": …}`, and nothing of the inside.

`config.urls` names the handlers. `ErrorPageMiddleware` gives a body to the errors that views return
without one (405), and turns the throttle's exception into a 429 wherever it was raised.
"""

import re
import sys
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import DataError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import REASON_NO_CSRF_COOKIE
from django.template.loader import render_to_string
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.generic import FormView

from security import refusals
from security.backends import InvalidCredentials
from security.outages import OUTAGE_RETRY_AFTER, OUTAGES
from security.refusals import Refusal, address, csrf_refusal
from security.throttle import Throttled
from sessions_demo.pages import login_again

SENTENCES = {
    400: ("Bad request", "The server could not make sense of what was sent."),
    403: ("Forbidden", "You may not do that from here."),
    404: ("Not found", "There is nothing at this address."),
    405: ("Method not allowed", "This address does not answer to that method."),
    411: ("Length required", "This address accepts no body without a length."),
    413: ("Too large", "That was more than this address accepts."),
    415: ("Unsupported media type", "This address accepts application/json only."),
    429: ("Too many attempts", "There were too many failed attempts. Wait a little, then try again."),
    500: ("Server error", "Something went wrong on our side. It has been written down."),
    503: (
        "Unavailable for a moment",
        "A store this site depends on does not answer, or too many people log in at once. If you were logged in, you "
        "are still logged in. Try again shortly.",
    ),
}
# Safari, and any browser on a plain address of the local network, takes no Secure cookie over http.
NO_COOKIE = (
    "Your browser did not keep this site’s cookie, so nothing was done. On the machine that runs the site, open "
    f"{settings.SITE_URL} in Chrome or Firefox. Anywhere else, and in Safari, start the site with “make run HTTPS=1” "
    "and use the https address it prints. If cookies are blocked for this site, allow them, then try again."
)
# How Django's reason begins when the token of a form is not the present one: each login and logout replaces it.
OUTDATED = "CSRF token from POST"
OLD_PAGE = (
    "This page is older than the last login or logout in this browser, perhaps in another tab, so nothing was done. "
    "Load it again, then try once more."
)
# Where a client that names no type gets JSON.
API = re.compile(r"/(session|jwt|notes)/(auth|api)/")
# What a database raises about a value that no column can hold (a NUL in PostgreSQL, a number of 30
# digits in SQLite). Where a library's own code asks it, no form has looked at the value before.
UNSTORABLE = (DataError, OverflowError)


class ErrorPageMiddleware:
    """The site's own body for each error that has none, and for what a middleware of the parts refused."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        sentence = response.sentence if isinstance(response, Refusal) else None
        if response.status_code not in SENTENCES or response.streaming or (response.content and not sentence):
            return response
        # What these two say is for projects that have no sentence of their own.
        filled = answer(request, response.status_code, None if response.status_code in (429, 503) else sentence)
        # The same object, or Django would log it a second time.
        response.content = filled.content
        for name, value in [*filled.items(), ("Content-Length", str(len(filled.content)))]:
            response[name] = value
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """429 with the seconds to wait (RFC 6585 section 4); 403 for a login that a revocation overtook."""
        if isinstance(exception, InvalidCredentials):
            return answer(request, 403)
        if isinstance(exception, Throttled):
            return answer(request, 429, retry_after=exception.retry_after)
        return None


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler400`. Django files an oversized body under "suspicious", which is a 400; it is a 413."""
    if not isinstance(exception, RequestDataTooBig):
        return answer(request, 400)
    sentence = f"The body is larger than the {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes that are accepted here."
    refusals.log(request, "body size", sentence)
    return answer(request, 413, sentence)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler403`."""
    return answer(request, 403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """`CSRF_FAILURE_VIEW`: which part of the check failed, and what a person can do."""
    refused = csrf_refusal(request, reason)
    refusals.log(request, refused.check, refused.sentence, refused.deployment)
    if wants_json(request):
        return answer(request, 403, refused.sentence)
    if reason == REASON_NO_CSRF_COOKIE:
        return answer(request, 403, NO_COOKIE)
    if reason.startswith(OUTDATED):
        return login_again(request) or answer(request, 403, OLD_PAGE, again=_page_of(request))
    return answer(request, 403, refused.sentence)


def _page_of(request: HttpRequest) -> str:
    """The path of the page that held the form; "" where the browser does not say it and this address shows none."""
    here, referer, match = address(request), request.headers.get("Referer", ""), request.resolver_match
    if referer.startswith(f"{here}/"):
        page = referer.removeprefix(here)
    else:
        has_page = match and hasattr(getattr(match.func, "view_class", FormView), "get")
        page = request.get_full_path() if has_page else ""
    # A path may begin with two slashes, and as a link that is another site.
    return page if url_has_allowed_host_and_scheme(page, None) else ""


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler404`."""
    return answer(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """`handler500`, which Django calls while the exception is being handled.

    A store that is away is no fault of the code: 503, and the cookie stays, so that its return finds
    everyone still logged in.
    """
    error = sys.exc_info()[1]
    if isinstance(error, UNSTORABLE):
        return answer(request, 400)
    if isinstance(error, OUTAGES):
        return answer(request, 503, retry_after=OUTAGE_RETRY_AFTER)
    return answer(request, 500)


def answer(
    request: HttpRequest, status: int, sentence: str | None = None, retry_after: int | None = None, again: str = ""
) -> HttpResponse:
    """The error `status`, in the form the client asked for, with a sentence of its own if it has one.

    `again` is the path of a page to load again, on this site.
    """
    title, usual = SENTENCES[status]
    response: HttpResponse
    if wants_json(request):
        response = JsonResponse({"error": title} | ({"detail": sentence} if sentence else {}), status=status)
    else:
        # Without the request: its context processors would read the session, whose store may be
        # the very thing that is down.
        heading = "This page is out of date" if sentence == OLD_PAGE else title
        context = {"title": heading, "sentence": sentence or usual, "status": status, "again": again}
        response = HttpResponse(render_to_string("error.html", context), status=status)
    if retry_after is not None:
        response["Retry-After"] = str(retry_after)
    response["Cache-Control"] = "no-store"
    return response


def wants_json(request: HttpRequest) -> bool:
    """Whether JSON was asked for, by what was sent or by `Accept`."""
    if request.content_type == "application/json":
        return True
    kinds = ["application/json", "text/html"] if API.match(request.path_info) else ["text/html", "application/json"]
    return request.get_preferred_type(kinds) == "application/json"
