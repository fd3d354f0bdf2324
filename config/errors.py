"""Every error answer of the site: one sentence, as a page or as `{"error": …}`, and nothing of the inside.

`config.urls` names the handlers. `ErrorPageMiddleware` gives a body to the errors that views return
without one (405), and turns the throttle's exception into a 429 wherever it was raised.
"""

import sys
from collections.abc import Callable

from django.core.exceptions import RequestDataTooBig
from django.db import DataError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import RedisError

from accounts.throttle import Throttled

SENTENCES = {
    400: ("Bad request", "The server could not make sense of what was sent."),
    403: ("Forbidden", "You may not do that from here."),
    404: ("Not found", "There is nothing at this address."),
    405: ("Method not allowed", "This address does not answer to that method."),
    413: ("Too large", "That was more than this address accepts."),
    415: ("Unsupported media type", "This address accepts application/json only."),
    429: ("Too many attempts", "There were too many failed attempts. Wait a little, then try again."),
    500: ("Server error", "Something went wrong on our side. It has been written down."),
    503: (
        "Unavailable for a moment",
        "A store this site depends on does not answer. You are still logged in; try again shortly.",
    ),
}
# Seconds a client is asked to wait out an outage.
OUTAGE_RETRY_AFTER = 5
# What a database raises about a value that no column can hold (a NUL in PostgreSQL, a number of 30
# digits in SQLite). Where a library's own code asks it, no form has looked at the value before.
UNSTORABLE = (DataError, OverflowError)
OUTAGES = (OperationalError, InterfaceError, RedisError, ConnectionInterrupted)


class ErrorPageMiddleware:
    """The site's own body for each error that has none."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code not in SENTENCES or response.streaming or response.content:
            return response
        filled = answer(request, response.status_code)
        for name in ("Allow", "Retry-After"):
            if name in response:
                filled[name] = response[name]
        return filled

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """A view that met the throttle: 429 with the seconds to wait (RFC 6585 section 4)."""
        if isinstance(exception, Throttled):
            return answer(request, 429, retry_after=exception.retry_after)
        return None


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler400`. Django files an oversized body under "suspicious", which is a 400; it is a 413."""
    return answer(request, 413 if isinstance(exception, RequestDataTooBig) else 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """`handler403`."""
    return answer(request, 403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """`CSRF_FAILURE_VIEW`. The reason goes to the log; telling it would help only a forger."""
    return answer(request, 403)


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


def answer(request: HttpRequest, status: int, retry_after: int | None = None) -> HttpResponse:
    """The error `status`, in the form the client asked for."""
    title, sentence = SENTENCES[status]
    response: HttpResponse
    if wants_json(request):
        response = JsonResponse({"error": title}, status=status)
    else:
        # Without the request: its context processors would read the session, whose store may be
        # the very thing that is down.
        page = render_to_string("error.html", {"title": title, "sentence": sentence, "status": status})
        response = HttpResponse(page, status=status)
    if retry_after is not None:
        response["Retry-After"] = str(retry_after)
    response["Cache-Control"] = "no-store"
    return response


def wants_json(request: HttpRequest) -> bool:
    """Whether JSON was asked for, by what was sent or by `Accept`."""
    if request.content_type == "application/json":
        return True
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"
